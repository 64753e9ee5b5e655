/*
 * What one row of the table of schemes consists of. Inside the folder only: everybody else calls threshold_…(), which checks
 * what is common to all schemes (n, k, sizes, indices) and hands over to the row.
 */
#pragma once

#include "threshold/threshold.h"

/* The common head of a key; a scheme embeds it as the first member of its own structure. */
struct ThresholdKey {
    const Scheme *scheme;
    ThresholdParameters parameters;
    Bytes public_key;
    size_t share_size;
    size_t partial_size;
    size_t signature_size;
};

/* The contracts are those of the functions of the same names in threshold.h. Parameters and indices are checked already. A scheme has a
 * dealer and an oracle (deal to check_partial), or it has what takes messages and the share itself (check_secret, verify_message); the
 * functions of the other kind are NULL. */
struct Scheme {
    uint8_t algorithm;
    const char *name;
    const unsigned *sizes;
    int (*public_info)(const Bytes *public_key, Bytes *ret_der);
    int (*deal)(const ThresholdParameters *parameters, const DealOptions *options, Deal *ret_deal, Problem *problem);
    int (*key_new)(const ThresholdParameters *parameters, const Bytes *public_key, const Bytes *verification, ThresholdKey **ret_key,
                   Problem *problem);
    void (*key_free)(ThresholdKey *key);
    int (*base)(const ThresholdKey *key, const Digest *digest, uint8_t *ret_base);
    int (*power)(const ThresholdKey *key, const Secret *share, const uint8_t *base, uint8_t *ret_power);
    int (*power_pair)(const ThresholdKey *const keys[2], const Secret *const shares[2], const uint8_t *const bases[2],
                      uint8_t *const ret_powers[2]);
    bool (*pair_is_faster)(const ThresholdKey *key);
    int (*check_share)(const ThresholdKey *key, unsigned index, ThresholdOracle oracle, void *userdata);
    int (*combine)(const ThresholdKey *key, const Digest *digest, const Partial *partials, uint8_t *ret_signature);
    int (*check_partial)(const ThresholdKey *key, const Partial *good, const Partial *candidate);
    int (*check_secret)(const ThresholdKey *key, unsigned index, const Secret *share);
    int (*verify)(const ThresholdKey *key, const Digest *digest, const void *signature, size_t size);
    int (*verify_message)(const ThresholdKey *key, const void *message, size_t message_size, const void *signature, size_t size);
};
