/*
 * Secret: bytes that must not leak. They live in their own memory mapping between two guard pages, locked (never
 * swapped), left out of core dumps, empty in forked children, and wiped when released. Declare every Secret with
 * _cleanup_secret_, then forgetting to wipe is impossible. A Secret is never logged; it becomes public only through
 * secret_declassify(), which is easy to grep for.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"

#define SECRET_SIZE_MAX (64 * 1024)

typedef struct Secret Secret;

/* A zeroed secret of `size` bytes, 1..SECRET_SIZE_MAX.
 * Errors: -EINVAL size out of range; -ENOMEM no memory; -EPERM or -ENOMEM when memory cannot be locked
 * (RLIMIT_MEMLOCK): there is no unlocked fallback. */
int secret_new(size_t size, Secret **ret_secret) _must_check_;

/* A secret holding a copy of `data`; the caller still owns, and must wipe, the original. Errors: as secret_new(). */
int secret_new_copy(const void *data, size_t size, Secret **ret_secret) _must_check_;

/* Wipe and release; NULL is fine. Returns NULL. */
Secret *secret_free(Secret *secret);

/* The secret bytes, for the functions that compute with them. Never store the pointer. */
uint8_t *secret_data(Secret *secret);
const uint8_t *secret_bytes(const Secret *secret);
size_t secret_size(const Secret *secret);

/* Shrink to the first `size` bytes (at most the present size); the rest is wiped. */
void secret_truncate(Secret *secret, size_t size);

/* Constant-time equality; different sizes (not secret) are unequal at once. */
bool secret_equal(const Secret *a, const Secret *b);

/* The one way from secret to public: returns the bytes, to be copied by code that says why it may. */
const uint8_t *secret_declassify(const Secret *secret);

/* Constant-time comparison and certain wiping of plain memory, for values on the way into or out of a Secret. */
bool memory_equal(const void *a, const void *b, size_t size);
void memory_wipe(void *data, size_t size);

DEFINE_CLEANUP(Secret, secret_free)
#define _cleanup_secret_ _cleanup_(secret_freep)
