/* The shares of a node, sealed anew: opened with the sealing key that goes, sealed to the one that comes. */
#pragma once

#include "base/problem.h"
#include "base/secret.h"

typedef struct ResealCount {
    size_t done;    /* sealed to the new key now */
    size_t already; /* were before */
    size_t neither; /* opens with neither key, or is damaged: left as it is */
} ResealCount;

/* `state`: a node's state directory, open and locked (no node runs on it). `keys`: the sealing keys, new first, one or two of 32 bytes. All
 * shares are sealed to the first, records with them, in a directory that then takes the place of keys/: a crash leaves the one or
 * the other, whole. Errors: -errno; nothing has changed then, unless -EUCLEAN. */
int reseal_all(int state, const Secret *keys, ResealCount *ret_count, Problem *problem) _must_check_;
