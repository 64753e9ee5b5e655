/*
 * The library context that all of Keyquorum's OpenSSL calls use: its own, with the default provider only, so that
 * nothing in the host process's OpenSSL configuration (which may load this very module) is touched or trusted.
 */
#pragma once

#include <openssl/types.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/problem.h"

#define SHA256_SIZE 32

/* The context, made at the first call, never released. Thread-safe. NULL if it cannot be made: OpenSSL would take that for the host
 * process's own context, so every program and C_Initialize() call crypto_check() first. */
OSSL_LIB_CTX *crypto_context(void);

/* Errors: -EIO there is no context; the problem says what that means. */
int crypto_check(Problem *problem) _must_check_;

/* Make sure that BN_CTX_secure_new_ex() and BN_secure_new() give locked, wiped memory in this process. Call before computing with secret
 * big numbers, and again in a forked child: there the memory has to be locked anew, which this does. An application's own secure heap
 * serves as well if the kernel says that it is locked.
 * Errors: -EPERM the memory cannot be locked (RLIMIT_MEMLOCK), or nobody can tell; -EIO no randomness: do not go on. Thread-safe. */
int crypto_secure_heap(void) _must_check_;

/* Random bytes fit for secrets. Errors: -EIO. */
int crypto_random(void *ret_data, size_t size) _must_check_;

/* The same straight from the kernel, getrandom(2), for what must never repeat: a virtual machine that is resumed twice from one snapshot
 * resumes the library's generator as well. Errors: -EIO. */
int crypto_random_kernel(void *ret_data, size_t size) _must_check_;

/* SHA-256 of the parts one after the other. Errors: -EIO. */
int crypto_sha256(const Bytes *parts, size_t n_parts, uint8_t ret_digest[SHA256_SIZE]) _must_check_;
