/*
 * The library context that all of Keyquorum's OpenSSL calls use: its own, with the default provider only, so that
 * nothing in the host process's OpenSSL configuration (which may load this very module) is touched or trusted.
 */
#pragma once

#include <openssl/types.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

#define SHA256_SIZE 32

/* The context, made at the first call, never released; NULL if it cannot be made (out of memory). Thread-safe. */
OSSL_LIB_CTX *crypto_context(void);

/* Make sure that BN_CTX_secure_new_ex() and BN_secure_new() give locked, wiped memory. Call before computing with secret
 * big numbers. Errors: -EPERM the memory cannot be locked (RLIMIT_MEMLOCK): do not go on. Thread-safe. */
int crypto_secure_heap(void) _must_check_;

/* Random bytes fit for secrets. Errors: -EIO. */
int crypto_random(void *ret_data, size_t size) _must_check_;

/* SHA-256 of the parts one after the other. Errors: -EIO. */
int crypto_sha256(const Bytes *parts, size_t n_parts, uint8_t ret_digest[SHA256_SIZE]) _must_check_;
