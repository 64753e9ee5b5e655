#include "threshold-fixture.h"
#include "unit.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/rsa.h>

static const TestKey *const sized_keys[] = {&rsa2048_3_of_5, &rsa3072_2_of_3, &rsa4096_2_of_3};

/* ---- Combination ---- */

static uint32_t next_quorum(uint32_t nodes, unsigned k)
{
    do
        nodes++;
    while ((unsigned)__builtin_popcount(nodes) != k);
    return nodes;
}

static void check_all_quorums(const Fixture *fixture, const uint8_t *expected)
{
    const ThresholdParameters *parameters = threshold_key_parameters(fixture->key);
    uint8_t signature[THRESHOLD_SIGNATURE_SIZE_MAX];

    for (uint32_t nodes = next_quorum(0, parameters->k); nodes < 1U << parameters->n; nodes = next_quorum(nodes, parameters->k)) {
        ck_assert_int_eq(combine_nodes(fixture, nodes, signature), 0);
        ck_assert_mem_eq(signature, expected, threshold_key_signature_size(fixture->key));
    }
}

static const TestKey *const all_keys[] = {&rsa2048_3_of_5, &rsa2048_2_of_2, &rsa2048_16_of_16, &rsa3072_2_of_3, &rsa4096_2_of_3};

/* The signature in the constants was made with the private key, outside this code. */
START_TEST(every_quorum_makes_the_signature)
{
    _cleanup_fixture_ Fixture fixture = fixture_of(all_keys[_i]);
    uint8_t expected[THRESHOLD_SIGNATURE_SIZE_MAX];

    ck_assert_int_eq(hex_decode(all_keys[_i]->signature, expected, all_keys[_i]->bits / 8), 0);
    check_all_quorums(&fixture, expected);
    ck_assert(openssl_verifies(fixture.key, HASH_SHA256, "keyquorum", expected));
    ck_assert(!openssl_verifies(fixture.key, HASH_SHA256, "keyquorun", expected));
}
END_TEST

START_TEST(every_hash_verifies_elsewhere)
{
    _cleanup_fixture_ Fixture fixture = fixture_of(&rsa2048_3_of_5);
    uint8_t signature[THRESHOLD_SIGNATURE_SIZE_MAX];
    Digest digest = digest_of((HashAlgorithm)_i, "another message");

    fixture_sign(&fixture, &digest);
    ck_assert_int_eq(combine_nodes(&fixture, 0x15, signature), 0);
    ck_assert(openssl_verifies(fixture.key, (HashAlgorithm)_i, "another message", signature));
    check_all_quorums(&fixture, signature);
}
END_TEST

static bool openssl_verifies_pss(const ThresholdKey *key, const Digest *digest, const uint8_t *signature)
{
    EVP_PKEY *public_key = openssl_key(key);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(crypto_context(), public_key, NULL);

    must(EVP_PKEY_verify_init(ctx) == 1);
    must(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1);
    must(EVP_PKEY_CTX_set_signature_md(ctx, EVP_get_digestbyname(hash_name(digest->hash))) == 1);
    must(EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, (int)digest->salt_size) == 1);

    int r = EVP_PKEY_verify(ctx, signature, threshold_key_signature_size(key), digest->bytes, digest->size);

    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(public_key);
    return r == 1;
}

/* With a salt that all nodes are told, EMSA-PSS is an encoding like the other: combination, verification and blame do not differ. */
START_TEST(pss_verifies_elsewhere)
{
    _cleanup_fixture_ Fixture fixture = fixture_of(sized_keys[_i]);
    size_t size = threshold_key_signature_size(fixture.key), longest = size - 32 - 2;
    const size_t salts[] = {0, 1, 32, longest};
    uint8_t signature[THRESHOLD_SIGNATURE_SIZE_MAX], salt[DIGEST_SALT_SIZE_MAX];
    uint32_t quorum = (1U << threshold_key_parameters(fixture.key)->k) - 1;
    Digest digest = digest_of(HASH_SHA256, "salted"), other;

    memset(salt, 0xa5, sizeof(salt));
    for (size_t i = 0; i < ELEMENTS(salts); i++) {
        ck_assert_int_eq(digest_set_pss(&digest, salt, salts[i]), 0);
        fixture_sign(&fixture, &digest);
        ck_assert_int_eq(combine_nodes(&fixture, quorum, signature), 0);
        ck_assert(openssl_verifies_pss(fixture.key, &digest, signature));
        ck_assert_int_eq(threshold_key_verify(fixture.key, &digest, signature, size), 0);
        other = digest_of(HASH_SHA256, "salted");
        ck_assert_int_eq(threshold_key_verify(fixture.key, &other, signature, size), THRESHOLD_E_INVALID_SIGNATURE);
        other = digest;
        other.salt[0] ^= 1;
        other.salt_size = salts[i] > 0 ? salts[i] : 1;
        ck_assert_int_eq(threshold_key_verify(fixture.key, &other, signature, size), THRESHOLD_E_INVALID_SIGNATURE);
    }
    ck_assert_int_eq(digest_set_pss(&digest, salt, longest + 1), 0);
    ck_assert_int_eq(threshold_key_base(fixture.key, &digest, signature), -EMSGSIZE);
}
END_TEST

/* One node is given another salt than the others: its answer is a lie, and it is named. */
START_TEST(another_salt_is_a_lie)
{
    _cleanup_fixture_ Fixture fixture = fixture_of(&rsa2048_3_of_5), other = fixture_of(&rsa2048_3_of_5);
    Partial good[THRESHOLD_NODES_MAX];
    uint8_t signature[THRESHOLD_SIGNATURE_SIZE_MAX];
    Digest digest = digest_of(HASH_SHA512, "salted");

    ck_assert_int_eq(digest_set_pss(&digest, "one", 3), 0);
    fixture_sign(&fixture, &digest);
    ck_assert_int_eq(digest_set_pss(&digest, "two", 3), 0);
    fixture_sign(&other, &digest);
    choose(&fixture, 0x07, good);
    ck_assert_int_eq(threshold_key_check_partial(fixture.key, good, &fixture.partials[4]), 0);
    ck_assert_int_eq(threshold_key_check_partial(fixture.key, good, &other.partials[4]), THRESHOLD_E_INVALID_PARTIAL);
    fixture.partials[2] = other.partials[2];
    ck_assert_int_eq(combine_nodes(&fixture, 0x07, signature), THRESHOLD_E_INVALID_SIGNATURE);
}
END_TEST

START_TEST(order_does_not_matter)
{
    _cleanup_fixture_ Fixture fixture = fixture_of(&rsa2048_3_of_5);
    static const unsigned orders[][3] = {{4, 0, 2}, {2, 4, 0}, {0, 4, 2}, {4, 2, 0}};
    uint8_t expected[THRESHOLD_SIGNATURE_SIZE_MAX], signature[THRESHOLD_SIGNATURE_SIZE_MAX];

    ck_assert_int_eq(combine_nodes(&fixture, 0x15, expected), 0);
    for (size_t i = 0; i < ELEMENTS(orders); i++) {
        Partial partials[3] = {fixture.partials[orders[i][0]], fixture.partials[orders[i][1]], fixture.partials[orders[i][2]]};

        ck_assert_int_eq(threshold_key_combine(fixture.key, &fixture.digest, partials, signature), 0);
        ck_assert_mem_eq(signature, expected, 256);
    }
}
END_TEST

static void check_combination(const Fixture *fixture, const Partial *partials, int expected)
{
    uint8_t signature[THRESHOLD_SIGNATURE_SIZE_MAX] = {0x5a}, untouched[THRESHOLD_SIGNATURE_SIZE_MAX] = {0x5a};

    ck_assert_int_eq(threshold_key_combine(fixture->key, &fixture->digest, partials, signature), expected);
    ck_assert_int_eq(memcmp(signature, untouched, sizeof(signature)) == 0, expected != 0);
    ck_assert_uint_eq(ERR_peek_error(), 0);
}

START_TEST(indices_are_checked)
{
    _cleanup_fixture_ Fixture fixture = fixture_of(&rsa2048_3_of_5);
    Partial partials[3];

    choose(&fixture, 0x07, partials);
    check_combination(&fixture, partials, 0);
    partials[2].index = 2;
    check_combination(&fixture, partials, -EINVAL);
    partials[2].index = 0;
    check_combination(&fixture, partials, -EINVAL);
    partials[2].index = 6;
    check_combination(&fixture, partials, -EINVAL);
    partials[2].index = UINT32_MAX;
    check_combination(&fixture, partials, -EINVAL);
    partials[2].index = 4; /* a node, but another one's partial */
    check_combination(&fixture, partials, THRESHOLD_E_INVALID_SIGNATURE);
    partials[0].index = 2;
    partials[1].index = 1;
    partials[2].index = 3;
    check_combination(&fixture, partials, THRESHOLD_E_INVALID_SIGNATURE);
}
END_TEST

/* Two honest partials and something made up: fewer than k do not sign. */
START_TEST(fewer_than_the_threshold_do_not_suffice)
{
    _cleanup_fixture_ Fixture fixture = fixture_of(&rsa2048_3_of_5);
    _cleanup_bytes_ Bytes modulus = test_key_modulus(&rsa2048_3_of_5), verification = test_key_verification(&rsa2048_3_of_5);
    ThresholdParameters lower = {.algorithm = THRESHOLD_RSA, .bits = 2048, .n = 5, .k = 2};
    Partial partials[3];
    Fixture pretended = {.digest = fixture.digest};

    choose(&fixture, 0x03, partials);
    partials[2] = partials[1];
    check_combination(&fixture, partials, -EINVAL);
    partials[2].index = 3;
    check_combination(&fixture, partials, THRESHOLD_E_INVALID_SIGNATURE);
    random_base(fixture.key, partials[2].bytes);
    check_combination(&fixture, partials, THRESHOLD_E_INVALID_SIGNATURE);

    ck_assert_int_eq(threshold_key_new(&lower, &modulus, &verification, &pretended.key, NULL), 0);
    choose(&fixture, 0x03, partials);
    check_combination(&pretended, partials, THRESHOLD_E_INVALID_SIGNATURE);
    threshold_key_free(pretended.key);
}
END_TEST

START_TEST(partials_out_of_range)
{
    _cleanup_fixture_ Fixture fixture = fixture_of(&rsa2048_3_of_5);
    const Bytes *modulus = threshold_key_public(fixture.key);
    static const struct {
        bool plus_modulus;
        int number;
    } cases[] = {
        {false, 0}, {true, 0}, {true, 1}, {false, 1}, {true, -1},
    };
    Partial partials[3], candidate = fixture.partials[3];

    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        choose(&fixture, 0x07, partials);
        put_number(modulus, cases[i].plus_modulus, cases[i].number, partials[1].bytes);
        check_combination(&fixture, partials, THRESHOLD_E_INVALID_SIGNATURE);
        choose(&fixture, 0x07, partials);
        put_number(modulus, cases[i].plus_modulus, cases[i].number, candidate.bytes);
        ck_assert_int_eq(threshold_key_check_partial(fixture.key, partials, &candidate), THRESHOLD_E_INVALID_PARTIAL);
    }
    memset(partials[1].bytes, 0xff, sizeof(partials[1].bytes));
    check_combination(&fixture, partials, THRESHOLD_E_INVALID_SIGNATURE);
    ck_assert_int_eq(threshold_key_check_partial(fixture.key, partials, &fixture.partials[3]), -EINVAL);
}
END_TEST

/* A partial without an inverse is a wrong one, not a failure of the library, and leaves no error behind for the host. */
START_TEST(partial_without_inverse)
{
    _cleanup_bytes_ Bytes modulus = modulus_with_small_factor(), verification = small_verification_values(&modulus, 2);
    ThresholdParameters parameters = {.algorithm = THRESHOLD_RSA, .bits = 2048, .n = 5, .k = 2};
    Fixture fixture = {.digest = digest_of(HASH_SHA256, "keyquorum")};
    Partial partials[2] = {{.index = 1}, {.index = 2}};

    ck_assert_int_eq(threshold_key_new(&parameters, &modulus, &verification, &fixture.key, NULL), 0);
    put_number(&modulus, false, 3, partials[0].bytes);
    put_number(&modulus, false, 3, partials[1].bytes);
    check_combination(&fixture, partials, THRESHOLD_E_INVALID_SIGNATURE);
    threshold_key_free(fixture.key);
}
END_TEST

/* −x_i for x_i: combining squares, so it changes nothing and need not be found. */
START_TEST(negated_partial_is_harmless)
{
    _cleanup_fixture_ Fixture fixture = fixture_of(&rsa2048_3_of_5);
    _cleanup_bn_ BIGNUM *n = BN_bin2bn(threshold_key_public(fixture.key)->data, 256, NULL);
    _cleanup_bn_ BIGNUM *x = BN_bin2bn(fixture.partials[3].bytes, 256, NULL);
    Partial good[3];
    uint8_t signature[THRESHOLD_SIGNATURE_SIZE_MAX];

    ck_assert_int_eq(BN_sub(x, n, x), 1);
    ck_assert_int_ge(BN_bn2binpad(x, fixture.partials[3].bytes, 256), 0);
    choose(&fixture, 0x07, good);
    ck_assert_int_eq(threshold_key_check_partial(fixture.key, good, &fixture.partials[3]), 0);
    ck_assert_int_eq(combine_nodes(&fixture, 0x0b, signature), 0);
    ck_assert(openssl_verifies(fixture.key, HASH_SHA256, "keyquorum", signature));
}
END_TEST

/* ---- Blame ---- */

typedef void (*Lie)(Fixture *fixture, unsigned liar);

static void lie_flipped_bit(Fixture *fixture, unsigned liar)
{
    fixture->partials[liar].bytes[200] ^= 0x10;
}

static void lie_random(Fixture *fixture, unsigned liar)
{
    random_base(fixture->key, fixture->partials[liar].bytes);
}

static void lie_other_node(Fixture *fixture, unsigned liar)
{
    memcpy(fixture->partials[liar].bytes, fixture->partials[(liar + 1) % 5].bytes, THRESHOLD_PARTIAL_SIZE_MAX);
}

static void lie_other_message(Fixture *fixture, unsigned liar)
{
    Digest digest = digest_of(HASH_SHA256, "forgery");
    uint8_t base[THRESHOLD_PARTIAL_SIZE_MAX];

    ck_assert_int_eq(threshold_key_base(fixture->key, &digest, base), 0);
    ck_assert_int_eq(threshold_key_power(fixture->key, fixture->shares[liar], base, fixture->partials[liar].bytes), 0);
}

static const Lie lies[] = {lie_flipped_bit, lie_random, lie_other_node, lie_other_message};

/* With nodes as the good set, everybody else is judged rightly. */
static void check_blame(const Fixture *fixture, uint32_t nodes, unsigned liar)
{
    Partial good[3];

    choose(fixture, nodes, good);
    for (unsigned j = 0; j < 5; j++)
        if (!(nodes >> j & 1))
            ck_assert_int_eq(threshold_key_check_partial(fixture->key, good, &fixture->partials[j]),
                             j == liar ? THRESHOLD_E_INVALID_PARTIAL : 0);
}

START_TEST(every_single_liar_is_named)
{
    for (unsigned liar = 0; liar < 5; liar++) {
        _cleanup_fixture_ Fixture fixture = fixture_of(&rsa2048_3_of_5);
        Partial partials[3];

        lies[_i](&fixture, liar);
        for (uint32_t nodes = next_quorum(0, 3); nodes < 1U << 5; nodes = next_quorum(nodes, 3)) {
            choose(&fixture, nodes, partials);
            check_combination(&fixture, partials, nodes >> liar & 1 ? THRESHOLD_E_INVALID_SIGNATURE : 0);
            if (!(nodes >> liar & 1))
                check_blame(&fixture, nodes, liar);
        }
    }
}
END_TEST

START_TEST(blame_checks_indices)
{
    _cleanup_fixture_ Fixture fixture = fixture_of(&rsa2048_3_of_5);
    Partial good[3], candidate = fixture.partials[3];

    choose(&fixture, 0x07, good);
    ck_assert_int_eq(threshold_key_check_partial(fixture.key, good, &candidate), 0);
    candidate.index = 5;
    ck_assert_int_eq(threshold_key_check_partial(fixture.key, good, &candidate), THRESHOLD_E_INVALID_PARTIAL);
    candidate.index = 1;
    ck_assert_int_eq(threshold_key_check_partial(fixture.key, good, &candidate), -EINVAL);
    candidate.index = 0;
    ck_assert_int_eq(threshold_key_check_partial(fixture.key, good, &candidate), -EINVAL);
    candidate.index = 6;
    ck_assert_int_eq(threshold_key_check_partial(fixture.key, good, &candidate), -EINVAL);
    good[1].index = 1;
    ck_assert_int_eq(threshold_key_check_partial(fixture.key, good, &fixture.partials[3]), -EINVAL);
}
END_TEST

/* ---- Verification ---- */

START_TEST(verification)
{
    _cleanup_fixture_ Fixture fixture = fixture_of(sized_keys[_i]);
    size_t size = threshold_key_signature_size(fixture.key);
    uint8_t signature[THRESHOLD_SIGNATURE_SIZE_MAX + 1] = {0};
    Digest other = digest_of(HASH_SHA256, "keyquorun"), other_hash = digest_of(HASH_SHA512, "keyquorum");

    ck_assert_int_eq(hex_decode(sized_keys[_i]->signature, signature, size), 0);
    ck_assert_int_eq(threshold_key_verify(fixture.key, &fixture.digest, signature, size), 0);
    ck_assert_int_eq(threshold_key_verify(fixture.key, &other, signature, size), THRESHOLD_E_INVALID_SIGNATURE);
    ck_assert_int_eq(threshold_key_verify(fixture.key, &other_hash, signature, size), THRESHOLD_E_INVALID_SIGNATURE);
    ck_assert_int_eq(threshold_key_verify(fixture.key, &fixture.digest, signature, size - 1), THRESHOLD_E_INVALID_SIGNATURE);
    ck_assert_int_eq(threshold_key_verify(fixture.key, &fixture.digest, signature, size + 1), THRESHOLD_E_INVALID_SIGNATURE);
    ck_assert_int_eq(threshold_key_verify(fixture.key, &fixture.digest, signature, 0), THRESHOLD_E_INVALID_SIGNATURE);
    signature[size - 1] ^= 1;
    ck_assert_int_eq(threshold_key_verify(fixture.key, &fixture.digest, signature, size), THRESHOLD_E_INVALID_SIGNATURE);
    memset(signature, 0, size);
    ck_assert_int_eq(threshold_key_verify(fixture.key, &fixture.digest, signature, size), THRESHOLD_E_INVALID_SIGNATURE);
    memset(signature, 0xff, size);
    ck_assert_int_eq(threshold_key_verify(fixture.key, &fixture.digest, signature, size), THRESHOLD_E_INVALID_SIGNATURE);
}
END_TEST

static void add(TCase *cases)
{
    seed_random();
    tcase_add_loop_test(cases, every_quorum_makes_the_signature, 0, ELEMENTS(all_keys));
    tcase_add_loop_test(cases, every_hash_verifies_elsewhere, 0, HASH_MAX);
    tcase_add_loop_test(cases, pss_verifies_elsewhere, 0, ELEMENTS(sized_keys));
    tcase_add_test(cases, another_salt_is_a_lie);
    tcase_add_test(cases, order_does_not_matter);
    tcase_add_test(cases, indices_are_checked);
    tcase_add_test(cases, fewer_than_the_threshold_do_not_suffice);
    tcase_add_test(cases, partials_out_of_range);
    tcase_add_test(cases, partial_without_inverse);
    tcase_add_test(cases, negated_partial_is_harmless);
    tcase_add_loop_test(cases, every_single_liar_is_named, 0, ELEMENTS(lies));
    tcase_add_test(cases, blame_checks_indices);
    tcase_add_loop_test(cases, verification, 0, ELEMENTS(sized_keys));
}

UNIT_MAIN("combine", add)
