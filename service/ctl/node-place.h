/*
 * A node on this host, for those who work on its keys and its state: where both are. There are two kinds of key store, rows of one table:
 * files (a node made with --no-separation: plain, mode 0600, in the directory of its configuration) and encrypted credentials (an
 * installed node).
 */
#pragma once

#include "ctl/instance.h"
#include "ctl/recovery.h"

typedef enum NodeKeyKind {
    NODE_KEY_SEALING,
    NODE_KEY_IDENTITY,
    NODE_KEY_TLS,
    NODE_KEY_KIND_MAX,
} NodeKeyKind;

typedef struct KeyStore KeyStore;

typedef struct NodePlace {
    NodeConfig config;
    char config_path[PATH_MAX];
    char directory[PATH_MAX]; /* of the configuration and the keys */
    const KeyStore *store;
    bool installed;
    Instance instance; /* only if installed */
} NodePlace;

void node_place_clear(NodePlace *place);
#define _cleanup_node_place_ _cleanup_(node_place_clear)

/* The node that the call names (instance_config_path()). Errors: its; node_config_read()'s; -EINVAL the keys are not where kqctl puts
 * them. */
int node_place_open(const Call *call, NodePlace *ret_place, Problem *problem) _must_check_;
/* One whose configuration file is, or will be, at `config_path`. Errors: as above. */
int node_place_open_config(const char *config_path, NodePlace *ret_place, Problem *problem) _must_check_;
/* What there is before any configuration is: an empty place for an instance (`directory` NULL) or below `directory`. */
void node_place_of(const char *name, const char *directory, NodePlace *ret_place);

/* The key in force, or with `next` the one made to follow it. Errors: -ENOENT; those of file_read_private() and credential_read(). */
int node_place_read_key(const NodePlace *place, NodeKeyKind kind, bool next, Secret **ret_key, Problem *problem) _must_check_;
/* `ret_protector` as in credential_write(); NULL for files. Errors: those of file_replace() and credential_write(). */
int node_place_write_key(const NodePlace *place, NodeKeyKind kind, bool next, const Secret *key, char **ret_protector, Problem *problem)
    _must_check_;
/* A file in the directory, new or in the place of another. Errors: file_replace()'s. */
int node_place_write(const NodePlace *place, const char *name, const void *content, size_t size, mode_t mode, Problem *problem)
    _must_check_;
/* A file in the directory, or the next key; none there is fine. Errors: -errno. */
int node_place_remove(const NodePlace *place, const char *name, Problem *problem) _must_check_;
int node_place_remove_next(const NodePlace *place, NodeKeyKind kind, Problem *problem) _must_check_;
/* All three in force; released with node_keys_clear(). Errors: as node_place_read_key(). */
int node_place_read_keys(const NodePlace *place, NodeKeys *ret_keys, Problem *problem) _must_check_;
/* The public halves, beside the keys, for all who need no more. Errors: file_replace()'s. */
int node_place_write_public(const NodePlace *place, const PublicKeys *keys, Problem *problem) _must_check_;

/* The pin of the next TLS key, for the card; node_place_remove_next() removes it as well. Errors: file_replace()'s. */
int node_place_write_next_pin(const NodePlace *place, const uint8_t pin[32], Problem *problem) _must_check_;

/* What people are shown: the node's card, with the pin of the next TLS key if there is one. */
int node_place_print_card(const NodePlace *place, const PublicKeys *keys, const uint8_t next_tls_pin[32], Problem *problem) _must_check_;

/* Lock the state directory as a node does: while the descriptor is open no node runs on it. Errors: -EBUSY one does; -ENOENT there is none;
 * -errno. */
int node_place_lock_state(const char *state, int *ret_fd, Problem *problem) _must_check_;
/* One at a time works on the node's keys: while the descriptor is open, no other kqctl does. What a killed one left is removed. Errors:
 * -EBUSY; -errno. */
int node_place_lock(const NodePlace *place, int *ret_fd, Problem *problem) _must_check_;
/* Give it back, and leave no trace of it: the file that node_place_lock() makes goes. A descriptor of -1 has no lock. */
void node_place_unlock(const NodePlace *place, int *fd);
