/*
 * Scratch: locked memory for a share while it is used. Mapping and locking memory anew costs as much as a twentieth of a signature where
 * several threads run; so a few pieces are kept, wiped, for the next use.
 */
#pragma once

#include "base/secret.h"

/* A zeroed secret of `size` bytes. Thread-safe. Errors: those of secret_new(). */
int scratch_take(size_t size, Secret **ret_secret) _must_check_;
/* Wipe it and keep it, or release it. NULL is fine. Returns NULL. */
Secret *scratch_give_back(Secret *secret);
DEFINE_CLEANUP(Secret, scratch_give_back)
#define _cleanup_scratch_ _cleanup_(scratch_give_backp)
