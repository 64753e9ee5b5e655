/* A key of threshold-keys.h, or a fresh one, ready to sign: the key, its shares, everybody's partial signatures. */
#pragma once

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <string.h>

#include "base/crypto.h"
#include "threshold-keys.h"
#include "threshold/bn.h"
#include "threshold/threshold.h"

/* Works outside a test runner as well; inside one, abort() fails the test. */
#define must(condition)                                                                                                                    \
    do {                                                                                                                                   \
        if (!(condition)) {                                                                                                                \
            fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition);                                                  \
            abort();                                                                                                                       \
        }                                                                                                                                  \
    } while (0)

typedef struct Fixture {
    ThresholdKey *key;
    Secret *shares[THRESHOLD_NODES_MAX];
    Digest digest;
    Partial partials[THRESHOLD_NODES_MAX];
} Fixture;

static inline void fixture_clear(Fixture *fixture)
{
    threshold_key_free(fixture->key);
    for (size_t i = 0; i < ELEMENTS(fixture->shares); i++)
        secret_free(fixture->shares[i]);
}

#define _cleanup_fixture_ _cleanup_(fixture_clear)

static inline Digest digest_of(HashAlgorithm hash, const char *message)
{
    static const char *const names[] = {"SHA1", "SHA256", "SHA384", "SHA512"};
    uint8_t bytes[DIGEST_SIZE_MAX];
    size_t size;
    Digest digest;

    must(EVP_Q_digest(crypto_context(), names[hash], NULL, message, strlen(message), bytes, &size) == 1);
    must(digest_set(hash, bytes, size, &digest) == 0);
    return digest;
}

/* The first n partial signatures of `digest`. */
static inline void fixture_sign(Fixture *fixture, const Digest *digest)
{
    uint8_t base[THRESHOLD_PARTIAL_SIZE_MAX];

    fixture->digest = *digest;
    must(threshold_key_base(fixture->key, digest, base) == 0);
    for (unsigned i = 0; i < threshold_key_parameters(fixture->key)->n; i++) {
        fixture->partials[i].index = i + 1;
        must(threshold_key_power(fixture->key, fixture->shares[i], base, fixture->partials[i].bytes) == 0);
    }
}

static inline Bytes test_key_modulus(const TestKey *test)
{
    Bytes bytes;

    must(bytes_new(test->bits / 8, &bytes) == 0);
    must(hex_decode(test->modulus, bytes.data, bytes.size) == 0);
    return bytes;
}

static inline Bytes test_key_verification(const TestKey *test)
{
    size_t size = test->bits / 8;
    Bytes bytes;

    must(bytes_new(size * (test->n + 1), &bytes) == 0);
    for (unsigned i = 0; i <= test->n; i++)
        must(hex_decode(test->verification[i], bytes.data + i * size, size) == 0);
    return bytes;
}

static inline ThresholdParameters test_key_parameters(const TestKey *test)
{
    return (ThresholdParameters){.algorithm = THRESHOLD_RSA, .bits = test->bits, .n = test->n, .k = test->k};
}

static inline Fixture fixture_of(const TestKey *test)
{
    _cleanup_bytes_ Bytes modulus = test_key_modulus(test), verification = test_key_verification(test);
    ThresholdParameters parameters = test_key_parameters(test);
    uint8_t share[THRESHOLD_PARTIAL_SIZE_MAX];
    Fixture fixture = {0};

    must(threshold_key_new(&parameters, &modulus, &verification, &fixture.key, NULL) == 0);
    for (unsigned i = 0; i < test->n; i++) {
        must(hex_decode(test->shares[i], share, test->bits / 8) == 0);
        must(secret_new_copy(share, test->bits / 8, &fixture.shares[i]) == 0);
    }

    Digest digest = digest_of(HASH_SHA256, "keyquorum");

    fixture_sign(&fixture, &digest);
    return fixture;
}

/* The partial signatures of the nodes in `nodes`, bit i for node i + 1. */
static inline void choose(const Fixture *fixture, uint32_t nodes, Partial *ret_partials)
{
    for (unsigned i = 0; i < THRESHOLD_NODES_MAX; i++)
        if (nodes >> i & 1)
            *ret_partials++ = fixture->partials[i];
}

static inline int combine_nodes(const Fixture *fixture, uint32_t nodes, uint8_t *ret_signature)
{
    Partial partials[THRESHOLD_NODES_MAX];

    choose(fixture, nodes, partials);
    return threshold_key_combine(fixture->key, &fixture->digest, partials, ret_signature);
}

static inline EVP_PKEY *openssl_key(const ThresholdKey *key)
{
    const Bytes *modulus = threshold_key_public(key);
    BIGNUM *n = BN_bin2bn(modulus->data, (int)modulus->size, NULL);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(crypto_context(), "RSA", NULL);
    EVP_PKEY *result = NULL;

    must(OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n) == 1);
    must(OSSL_PARAM_BLD_push_ulong(build, OSSL_PKEY_PARAM_RSA_E, 65537) == 1);

    OSSL_PARAM *parameters = OSSL_PARAM_BLD_to_param(build);

    must(EVP_PKEY_fromdata_init(ctx) == 1);
    must(EVP_PKEY_fromdata(ctx, &result, EVP_PKEY_PUBLIC_KEY, parameters) == 1);
    OSSL_PARAM_free(parameters);
    OSSL_PARAM_BLD_free(build);
    EVP_PKEY_CTX_free(ctx);
    BN_free(n);
    return result;
}

/* What everybody else's RSA says about the signature of `message`. */
static inline bool openssl_verifies(const ThresholdKey *key, HashAlgorithm hash, const char *message, const uint8_t *signature)
{
    static const char *const names[] = {"SHA1", "SHA256", "SHA384", "SHA512"};
    EVP_PKEY *public_key = openssl_key(key);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    must(EVP_DigestVerifyInit_ex(ctx, NULL, names[hash], crypto_context(), NULL, public_key, NULL) == 1);

    int r = EVP_DigestVerify(ctx, signature, threshold_key_signature_size(key), (const uint8_t *)message, strlen(message));

    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(public_key);
    ERR_clear_error();
    return r == 1;
}

/* Write `number`, or N + number, as a value of the key's size. */
static inline void put_number(const Bytes *modulus, bool plus_modulus, int number, uint8_t *ret_bytes)
{
    _cleanup_bn_ BIGNUM *value = BN_bin2bn(modulus->data, (int)modulus->size, NULL);

    if (!plus_modulus)
        BN_zero(value);
    must((number < 0 ? BN_sub_word(value, (BN_ULONG)-number) : BN_add_word(value, (BN_ULONG)number)) == 1);
    must(BN_bn2binpad(value, ret_bytes, (int)modulus->size) >= 0);
}

/* A number below the modulus, whose top bit is set. */
static inline void random_base(const ThresholdKey *key, uint8_t *ret_base)
{
    for (size_t i = 0; i < threshold_key_partial_size(key); i++)
        ret_base[i] = (uint8_t)rand();
    ret_base[0] &= 0x7f;
}

/* A modulus that 3 divides. */
static inline Bytes modulus_with_small_factor(void)
{
    Bytes modulus = test_key_modulus(&rsa2048_3_of_5);
    _cleanup_bn_ BIGNUM *number = BN_bin2bn(modulus.data, (int)modulus.size, NULL);

    while (BN_mod_word(number, 3) != 0)
        must(BN_sub_word(number, 2) == 1);
    must(BN_bn2binpad(number, modulus.data, (int)modulus.size) >= 0);
    return modulus;
}

/* For that modulus and five nodes: v is 4 and v_i 2, except that v_5 is `last`. */
static inline Bytes small_verification_values(const Bytes *modulus, int last)
{
    Bytes verification = test_key_verification(&rsa2048_3_of_5);

    for (unsigned i = 0; i <= 5; i++)
        put_number(modulus, false, i == 0 ? 4 : i == 5 ? last : 2, verification.data + i * modulus->size);
    return verification;
}

/* Let a test's random numbers differ from run to run, and say how to repeat one: KEYQUORUM_SEED. */
static inline void seed_random(void)
{
    const char *given = getenv("KEYQUORUM_SEED");
    unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);

    fprintf(stderr, "# KEYQUORUM_SEED=%u\n", seed);
    srand(seed);
}
