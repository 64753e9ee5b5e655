/*
 * The keys of the token as this process knows them: what each node reports, and what of that exists (docs/protocol.md "Life of a key").
 */
#pragma once

#include "quorum/ask.h"
#include "quorum/group.h"

typedef struct Catalog Catalog;

/* One per Quorum; locks itself. */
int catalog_new(Catalog **ret_catalog) _must_check_;
Catalog *catalog_free(Catalog *catalog);
DEFINE_CLEANUP(Catalog, catalog_free)
/* In a forked child: make the lock new. */
void catalog_forked(Catalog *catalog);

/* The quorum's catalog (in quorum.c). */
Catalog *quorum_catalog(Quorum *quorum);

/* ---- For creation, change, destruction and sync (this folder) ---------------------------------------------------------- */

/* What all nodes report now. While a view is open, no other thread of this process asks or changes. */
typedef struct CatalogView {
    Catalog *catalog; /* NULL: not open */
    Groups groups;
    NodeAnswers answers; /* of all nodes; the good ones are groups.answered */
} CatalogView;

/* Ask all n nodes. It is no error when some, or all, do not answer. The activations of keys that at least `holders_min` nodes
 * report as pending or active are proven as far as the nodes can. Errors: -ENOMEM, -EIO. */
int catalog_view(Quorum *quorum, unsigned holders_min, CatalogView *ret_view) _must_check_;
void catalog_view_close(CatalogView *view);
#define _cleanup_catalog_view_ _cleanup_(catalog_view_close)

/* A key that this process has just made: known from now on, as if the nodes had reported it. Errors: -ENOMEM. */
int catalog_add(Catalog *catalog, QuorumKey *key) _must_check_;
/* Learn at once what this process has just changed; if the nodes do not answer now, later calls of quorum_keys() will. */
void catalog_changed(Quorum *quorum);
/* A key that this process has just destroyed: not known any more. Errors: -ENOMEM. */
int catalog_remove(Catalog *catalog, const KeyId *id) _must_check_;
