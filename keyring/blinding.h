/*
 * Blinding for an oracle whose exponentiation is not constant-time: it never sees the base itself. A pair (r, r^s) is made with the
 * oracle; base·r goes in, what comes out is divided by r^s. Both are squared for the next use and made anew now and then. This
 * hides the base, not the exponent's own timing.
 */
#pragma once

#include "threshold/threshold.h"

typedef struct Blinding Blinding;

/* One pair is squared at most this many times. */
#define BLINDING_USES 32

/* For one modulus and one secret exponent, which the oracle holds. Errors: -EINVAL even modulus; -EPERM memory cannot be locked; -EIO. */
int blinding_new(const Bytes *modulus, Blinding **ret_blinding) _must_check_;
Blinding *blinding_free(Blinding *blinding);
DEFINE_CLEANUP(Blinding, blinding_free)

/* base^s mod N by way of the oracle; `base` and `ret_power` have the modulus's size. Thread-safe; the oracle may be called by many
 * threads at once. Errors: -EINVAL base not below the modulus; -EIO; whatever the oracle returns. */
int blinding_power(Blinding *blinding, ThresholdOracle oracle, void *userdata, const uint8_t *base, uint8_t *ret_power) _must_check_;
