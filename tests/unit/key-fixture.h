/* The fixed keys of threshold-keys.h as the objects that the modules work with. Secrets are made anew in every process: a forked
 * child finds its parent's empty. */
#pragma once

#include "base/secret.h"
#include "share/header.h"
#include "threshold-keys.h"
#include "threshold/threshold.h"
#include "unit.h"

#include <string.h>

static inline Bytes fixture_bytes(const char *const *numbers, size_t count)
{
    size_t size = strlen(numbers[0]) / 2;
    Bytes bytes;

    ck_assert_int_eq(bytes_new(count * size, &bytes), 0);
    for (size_t i = 0; i < count; i++)
        ck_assert_int_eq(hex_decode(numbers[i], bytes.data + i * size, size), 0);
    return bytes;
}

static inline Header fixture_header(const TestKey *key, CustodyKind custody)
{
    return (Header){
        .parameters = {THRESHOLD_RSA, key->bits, key->n, key->k},
        .custody = custody,
        .public_key = fixture_bytes(&key->modulus, 1),
        .verification = fixture_bytes(key->verification, key->n + 1),
    };
}

static inline ThresholdKey *fixture_key(const TestKey *key)
{
    _cleanup_header_ Header header = fixture_header(key, CUSTODY_KEYRING);
    Problem problem = PROBLEM_INIT;
    ThresholdKey *made = NULL;
    int r = threshold_key_new(&header.parameters, &header.public_key, &header.verification, &made, &problem);

    ck_assert_msg(r == 0, "%s", problem.text);
    return made;
}

/* Node `index`'s share. */
static inline Secret *fixture_share(const TestKey *key, unsigned index)
{
    size_t size = strlen(key->shares[index - 1]) / 2;
    Secret *share;

    ck_assert_int_eq(secret_new(size, &share), 0);
    ck_assert_int_eq(hex_decode(key->shares[index - 1], secret_data(share), size), 0);
    return share;
}

/* Some number below the modulus. */
static inline void fixture_base(const TestKey *key, uint8_t ret_base[THRESHOLD_PARTIAL_SIZE_MAX])
{
    for (size_t i = 0; i < key->bits / 8; i++)
        ret_base[i] = (uint8_t)(17 * i + 3);
    ret_base[0] &= 0x7f;
}
