/* What store.c and store-keys.c share. */
#pragma once

#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "node/store.h"

struct Store {
    int directory, keys, failures;
    bool group_readable; /* the loader is another user of our group */
    atomic_bool in_doubt;
};

/* Returns `r`, the result of writing or removing a file, and remembers it if it leaves the store in doubt. */
int store_wrote(Store *store, int r);

/* Why something could not be written, and what helps. */
const char *store_write_fault(int r);

int store_each_name(int directory, int (*visit)(void *userdata, const char *name), void *userdata) _must_check_;
