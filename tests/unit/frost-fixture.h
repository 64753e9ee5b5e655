/* Ed25519 keys with their shares, for tests: dealt here, as no program of ours does it. The test binary is linked with
 * --wrap=crypto_random_kernel: all randomness comes from the seed that it prints, or is what the test wants to be drawn. */
#pragma once

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/crypto.h"
#include "frost-vectors.h"
#include "threshold/frost.h"
#include "unit.h"

int __real_crypto_random_kernel(void *ret_data, size_t size);
int __wrap_crypto_random_kernel(void *ret_data, size_t size);

static Bytes script; /* what the next draws give, in this order; then it is the seed's turn */
static bool random_fails;

int __wrap_crypto_random_kernel(void *ret_data, size_t size)
{
    uint8_t *bytes = ret_data;

    if (random_fails)
        return -EIO;
    for (size_t i = 0; i < size; i++) {
        bytes[i] = script.size > 0 ? script.data[0] : (uint8_t)random();
        if (script.size > 0) {
            script.data++;
            script.size--;
        }
    }
    return 0;
}

/* KEYQUORUM_SEED repeats a run. */
static inline void seed_random(void)
{
    const char *given = getenv("KEYQUORUM_SEED");
    unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);

    fprintf(stderr, "# KEYQUORUM_SEED=%u\n", seed);
    srandom(seed);
}

static inline void start_group(void)
{
    Problem problem = PROBLEM_INIT;

    ck_assert_msg(ed25519_group_init(&problem) == 0, "%s", problem.text);
}

/* ---- Values ---- */

static inline Bytes bytes_of_hex(const char *text)
{
    Bytes bytes;

    ck_assert_int_eq(bytes_new(strlen(text) / 2, &bytes), 0);
    ck_assert_int_eq(hex_decode(text, bytes.data, bytes.size), 0);
    return bytes;
}

static inline Ed25519Scalar scalar_of_hex(const char *text)
{
    Ed25519Scalar scalar;

    ck_assert_int_eq(hex_decode(text, scalar.bytes, sizeof(scalar.bytes)), 0);
    return scalar;
}

static inline Ed25519Point point_of_hex(const char *text)
{
    Ed25519Point point;

    ck_assert_int_eq(hex_decode(text, point.bytes, sizeof(point.bytes)), 0);
    return point;
}

static inline Ed25519Scalar random_scalar(void)
{
    Ed25519Scalar scalar;

    ck_assert_int_eq(ed25519_scalar_draw(&scalar), 0);
    return scalar;
}

static inline Secret *secret_of_scalar(Ed25519Scalar scalar)
{
    Secret *secret;

    ck_assert_int_eq(secret_new_copy(scalar.bytes, sizeof(scalar.bytes), &secret), 0);
    return secret;
}

static inline bool scalar_equal(const Ed25519Scalar *a, const Ed25519Scalar *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

#define L_MINUS_1 "ecd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010"
#define L_ITSELF  "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010"

/* What is no point of the group, one of each kind. */
static const struct {
    const char *name, *point;
} bad_points[] = {
    {"identity", "0100000000000000000000000000000000000000000000000000000000000000"},
    {"of order 2", "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"},
    {"of order 4", "0000000000000000000000000000000000000000000000000000000000000000"},
    {"of order 4, negative", "0000000000000000000000000000000000000000000000000000000000000080"},
    {"of order 8", "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"},
    {"of order 8, negative", "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85"},
    {"of order 8, another", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"},
    {"of order 2L: B + (0, -1)", "9599999999999999999999999999999999999999999999999999999999999999"},
    {"not on the curve", "0200000000000000000000000000000000000000000000000000000000000000"},
    {"the identity with the sign of -0", "0100000000000000000000000000000000000000000000000000000000000080"},
    {"the identity as p + 1", "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"},
    {"y = p + 3, which is on the curve as 3", "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"},
    {"all ones", "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},
};

/* ---- Keys ---- */

typedef struct Quorum {
    unsigned n, k;
    Bytes public_key, verification;
    Secret *shares[THRESHOLD_NODES_MAX];
    FrostKey *key;
} Quorum;

static inline void quorum_clear(Quorum *quorum)
{
    bytes_clear(&quorum->public_key);
    bytes_clear(&quorum->verification);
    for (unsigned i = 0; i < THRESHOLD_NODES_MAX; i++)
        secret_free(quorum->shares[i]);
    frost_key_free(quorum->key);
}

#define _cleanup_quorum_ _cleanup_(quorum_clear)

/* The key whose shares are the values of this polynomial at 1..n. */
static inline Quorum quorum_of(unsigned n, unsigned k, const Ed25519Scalar *polynomial)
{
    Quorum quorum = {.n = n, .k = k};
    Ed25519Point point;
    Problem problem = PROBLEM_INIT;

    start_group();
    ed25519_multiply_base(&polynomial[0], &point);
    ck_assert_int_eq(bytes_copy(point.bytes, sizeof(point.bytes), &quorum.public_key), 0);
    ck_assert_int_eq(bytes_new(n * sizeof(point), &quorum.verification), 0);
    for (unsigned i = 0; i < n; i++) {
        ck_assert_int_eq(secret_new(FROST_SHARE_SIZE, &quorum.shares[i]), 0);
        ed25519_scalar_evaluate(polynomial, k, i + 1, ed25519_scalars(quorum.shares[i]));
        ed25519_multiply_base(ed25519_scalars_of(quorum.shares[i]), &point);
        memcpy(quorum.verification.data + i * sizeof(point), point.bytes, sizeof(point));
    }
    ck_assert_msg(frost_key_new(n, k, &quorum.public_key, &quorum.verification, &quorum.key, &problem) == 0, "%s", problem.text);
    return quorum;
}

static inline Quorum quorum_new(unsigned n, unsigned k)
{
    Ed25519Scalar polynomial[THRESHOLD_NODES_MAX];

    start_group();
    for (unsigned i = 0; i < k; i++)
        polynomial[i] = random_scalar();
    return quorum_of(n, k, polynomial);
}

/* The next set of k nodes after this one; bit i - 1 stands for node i. Begin with 0; done when 1 << n is reached. */
static inline uint32_t next_nodes(uint32_t nodes, unsigned k)
{
    do
        nodes++;
    while ((unsigned)__builtin_popcount(nodes) != k);
    return nodes;
}

/* ---- A signature in the making ---- */

typedef struct Signing {
    FrostRequest request;
    FrostNonces *nonces[THRESHOLD_NODES_MAX]; /* one pair each, in the order of the list */
    FrostCommitment commitments[THRESHOLD_NODES_MAX];
    FrostPartial partials[THRESHOLD_NODES_MAX];
} Signing;

static inline void signing_clear(Signing *signing)
{
    for (unsigned i = 0; i < THRESHOLD_NODES_MAX; i++)
        frost_nonces_free(signing->nonces[i]);
}

#define _cleanup_signing_ _cleanup_(signing_clear)

/* Each of the nodes has one pair and its commitment in the list. */
static inline void signing_begin(Signing *signing, const Quorum *quorum, uint32_t nodes, const void *message, size_t size)
{
    unsigned at = 0;

    *signing = (Signing){.request = {quorum->key, signing->commitments, message, size}};
    for (unsigned i = 0; i < quorum->n; i++)
        if (nodes & 1U << i) {
            ck_assert_int_eq(frost_nonces_new(quorum->key, i + 1, quorum->shares[i], 1, &signing->nonces[at]), 0);
            signing->commitments[at] = *frost_nonces_commitment(signing->nonces[at], 0);
            at++;
        }
}

static inline int signing_sign(Signing *signing, const Quorum *quorum, unsigned at)
{
    unsigned index = signing->commitments[at].index;

    return frost_sign(signing->nonces[at], 0, &signing->request, index, quorum->shares[index - 1], &signing->partials[at]);
}

static inline void signing_sign_all(Signing *signing, const Quorum *quorum)
{
    for (unsigned at = 0; at < quorum->k; at++)
        ck_assert_int_eq(signing_sign(signing, quorum, at), 0);
}

static inline int signing_combine(const Signing *signing, uint8_t ret_signature[FROST_SIGNATURE_SIZE])
{
    return frost_combine(signing->request.key, signing->request.message, signing->request.message_size, signing->partials, ret_signature);
}
