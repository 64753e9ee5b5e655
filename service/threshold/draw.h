/* Random secret numbers, drawn in locked memory: libcrypto's own functions draw into an ordinary buffer, which they wipe. */
#pragma once

#include <openssl/types.h>

#include "base/cleanup.h"

/* Uniform below 2^bits. `number` is secret, of the secure heap. Errors: -EINVAL no bits; -EPERM memory cannot be locked; -EIO. */
int draw_bits(unsigned bits, BIGNUM *number) _must_check_;
/* Uniform below the limit, which is not 0. Errors: as draw_bits(). */
int draw_below(const BIGNUM *limit, BIGNUM *number) _must_check_;
