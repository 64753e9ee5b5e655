/*
 * Safe primes p = 2p' + 1 by a double sieve: p' and 2p' + 1 are sieved together with the primes below 2^20, and only what
 * is left is exponentiated. Candidates, and everything derived from them, are secret.
 */
#pragma once

#include <openssl/types.h>

#include "threshold/threshold.h"

#define SAFE_PRIME_BITS_MIN 64

/* Find `count` safe primes of exactly `bits` bits, their top two bits set, each from its own random starting point and all
 * different. `ret_primes` gets numbers from the secure heap (BN_clear_free() them). crypto_secure_heap() has succeeded.
 * Options and progress as in threshold.h. Errors: -EINVAL bits; -EPERM memory cannot be locked; -EAGAIN no thread can be started;
 * -ENOMEM; -EIO the library failed or is out of randomness; THRESHOLD_E_CANCELLED. */
int safe_primes_find(unsigned bits, size_t count, const DealOptions *options, BIGNUM **ret_primes) _must_check_;
