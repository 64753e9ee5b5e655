/*
 * A table of handles: numbers that stand for things outside the module. A handle is never 0 and, when its thing is gone, does not come
 * back for another thing: its upper bits count how often its place was used.
 */
#pragma once

#include <stdint.h>

#include "pkcs11/cryptoki.h"

typedef struct HandlePlace {
    void *value; /* NULL: free */
    CK_ULONG uses;
    size_t next_free; /* place number + 1; 0: none */
} HandlePlace;

typedef struct HandleTable {
    HandlePlace *places;
    size_t n_places;   /* that were ever used */
    size_t room;       /* that there is memory for */
    size_t first_free; /* place number + 1; 0: none */
    size_t count;      /* values in the table */
} HandleTable;

/* Release the table, not the values. */
void handle_table_clear(HandleTable *table);
/* A handle for `value` (not NULL), or 0 when there is no memory. */
CK_ULONG handle_add(HandleTable *table, void *value);
/* The value, or NULL. */
void *handle_get(const HandleTable *table, CK_ULONG handle);
/* Another value under the same, existing handle; returns the old one. */
void *handle_replace(HandleTable *table, CK_ULONG handle, void *value);
/* Take it out; returns the value, or NULL. */
void *handle_remove(HandleTable *table, CK_ULONG handle);
/* The next value in the order of places, from `*cursor` (0 at first) on; NULL at the end. The value may be removed. */
void *handle_next(const HandleTable *table, size_t *cursor);
