/* Ed25519 keys whose shares the test makes, as no program of ours does it: the same public key in as many generations as are wanted. */
#pragma once

#include <check.h>
#include <string.h>

#include "base/crypto.h"
#include "share/sealed.h"
#include "threshold/ed25519-group.h"
#include "threshold/frost.h"

typedef struct MadeKey {
    unsigned n, k;
    KeyId id;
    Bytes common;
    FrostKey *key;
    Secret *shares[THRESHOLD_NODES_MAX];
} MadeKey;

static inline void made_key_clear(MadeKey *key)
{
    bytes_clear(&key->common);
    frost_key_freep(&key->key);
    for (unsigned i = 0; i < ELEMENTS(key->shares); i++)
        secret_freep(&key->shares[i]);
}

#define _cleanup_made_key_ _cleanup_(made_key_clear)

static inline void made_coefficient(const char *name, unsigned generation, unsigned degree, Ed25519Scalar *ret_scalar)
{
    uint8_t wide[64] = {0};
    char text[64];
    const int size = snprintf(text, sizeof(text), "%s %u %u", name, degree > 0 ? generation : 0, degree);
    const Bytes part = {(uint8_t *)text, (size_t)size};

    ck_assert_int_eq(crypto_sha256(&part, 1, wide), 0);
    ed25519_scalar_reduce(wide, ret_scalar);
}

/* `name` makes the public key. */
static inline MadeKey made_key(const char *name, unsigned n, unsigned k, unsigned generation)
{
    MadeKey key = {.n = n, .k = k};
    Ed25519Scalar polynomial[THRESHOLD_NODES_MAX];
    Ed25519Point points[THRESHOLD_NODES_MAX], public_key;
    Problem problem = PROBLEM_INIT;

    ck_assert_int_eq(ed25519_group_init(NULL), 0);
    for (unsigned degree = 0; degree < k; degree++)
        made_coefficient(name, generation, degree, &polynomial[degree]);
    for (unsigned i = 0; i < n; i++) {
        ck_assert_int_eq(secret_new(FROST_SHARE_SIZE, &key.shares[i]), 0);
        ed25519_scalar_evaluate(polynomial, k, i + 1, ed25519_scalars(key.shares[i]));
        ed25519_multiply_base(ed25519_scalars_of(key.shares[i]), &points[i]);
    }
    ed25519_multiply_base(&polynomial[0], &public_key);

    const Header header = {
        .parameters = {THRESHOLD_ED25519, 256, n, k},
        .custody = CUSTODY_KEYRING,
        .generation = generation,
        .public_key = {public_key.bytes, sizeof(public_key.bytes)},
        .verification = {points[0].bytes, n * sizeof(points[0])},
    };

    ck_assert_int_eq(header_encode(&header, &key.common), 0);
    ck_assert_int_eq(header_key_id(&key.common, &key.id), 0);
    ck_assert_msg(frost_key_new(n, k, &header.public_key, &header.verification, &key.key, &problem) == 0, "%s", problem.text);
    return key;
}

/* A signature by the nodes 1..k. */
static inline void made_key_sign(const MadeKey *key, const void *message, size_t size, uint8_t ret_signature[FROST_SIGNATURE_SIZE])
{
    FrostNonces *nonces[THRESHOLD_NODES_MAX] = {NULL};
    FrostCommitment commitments[THRESHOLD_NODES_MAX];
    FrostPartial partials[THRESHOLD_NODES_MAX];
    const FrostRequest request = {key->key, commitments, message, size};

    for (unsigned i = 0; i < key->k; i++) {
        ck_assert_int_eq(frost_nonces_new(key->key, i + 1, key->shares[i], 1, &nonces[i]), 0);
        commitments[i] = *frost_nonces_commitment(nonces[i], 0);
    }
    for (unsigned i = 0; i < key->k; i++) {
        ck_assert_int_eq(frost_sign(nonces[i], 0, &request, i + 1, key->shares[i], &partials[i]), 0);
        frost_nonces_freep(&nonces[i]);
    }
    ck_assert_int_eq(frost_combine(key->key, message, size, partials, ret_signature), 0);
}

/* The signature of its activation statement. */
static inline void made_key_activation(const MadeKey *key, uint8_t ret_signature[FROST_SIGNATURE_SIZE])
{
    static const char label[] = "keyquorum activate v1";
    const Bytes parts[] = {{(uint8_t *)label, sizeof(label) - 1}, {(uint8_t *)key->id.bytes, KEY_ID_SIZE}};
    uint8_t hash[SHA256_SIZE], statement[THRESHOLD_STATEMENT_SIZE_MAX];
    Digest digest;

    ck_assert_int_eq(crypto_sha256(parts, 2, hash), 0);
    ck_assert_int_eq(digest_set(HASH_SHA256, hash, sizeof(hash), &digest), 0);
    made_key_sign(key, statement, threshold_statement(&digest, statement), ret_signature);
}

/* Node `index`'s share, sealed for that key. To be cleared. */
static inline Bytes made_key_seal(const MadeKey *key, const uint8_t sealing_key[HPKE_PUBLIC_KEY_SIZE], unsigned index)
{
    Bytes sealed;

    ck_assert_int_eq(sealed_share_new(&key->common, index, sealing_key, key->shares[index - 1], &sealed), 0);
    return sealed;
}
