/* Threshold RSA after Shoup: what shoup-rsa.c, shoup-combine.c and shoup-deal.c share. */
#pragma once

#include <openssl/types.h>

#include "threshold/scheme.h"

#define SHOUP_RSA_EXPONENT 65537UL

typedef struct ShoupRsaKey {
    ThresholdKey key; /* first: a ThresholdKey of this scheme is one of these */
    BIGNUM *modulus;
    BN_MONT_CTX *mont;
    Bytes verification; /* v, v_1, …, v_n */
} ShoupRsaKey;

extern const Scheme shoup_rsa;

const ShoupRsaKey *shoup_rsa_key(const ThresholdKey *key);

/* Read a number in 1..N-1, partial_size bytes. Errors: -EINVAL out of range; -EIO. */
int shoup_rsa_read(const ShoupRsaKey *rsa, const uint8_t *bytes, BIGNUM *number) _must_check_;
/* number = 1/number mod N. Errors: -EDOM it has none, and libcrypto's queue of errors is as before; -EIO. */
int shoup_rsa_invert(const ShoupRsaKey *rsa, BIGNUM *number, BN_CTX *ctx) _must_check_;
/* x, the encoded digest. Errors: -EMSGSIZE, -EINVAL, -EIO. */
int shoup_rsa_encode(const ShoupRsaKey *rsa, const Digest *digest, BIGNUM *x) _must_check_;

/* Rows of the table of functions; contracts in threshold.h. */
int shoup_rsa_deal(const ThresholdParameters *parameters, const DealOptions *options, Deal *ret_deal, Problem *problem) _must_check_;
int shoup_rsa_combine(const ThresholdKey *key, const Digest *digest, const Partial *partials, uint8_t *ret_signature) _must_check_;
int shoup_rsa_check_partial(const ThresholdKey *key, const Partial *good, const Partial *candidate) _must_check_;
int shoup_rsa_verify(const ThresholdKey *key, const Digest *digest, const void *signature, size_t size) _must_check_;
