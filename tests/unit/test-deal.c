#include "threshold-fixture.h"
#include "threshold/safe-prime.h"
#include "unit.h"

#include <errno.h>
#include <stdatomic.h>

static const DealOptions alone, two_threads = {.threads = 2};

/* ---- What the tests replace ---- */

int __real_crypto_random(void *ret_data, size_t size);
int __wrap_crypto_random(void *ret_data, size_t size);
int __real_draw_below(const BIGNUM *limit, BIGNUM *number);
int __wrap_draw_below(const BIGNUM *limit, BIGNUM *number);
int __real_safe_primes_find(unsigned bits, size_t count, const DealOptions *options, BIGNUM **ret_primes);
int __wrap_safe_primes_find(unsigned bits, size_t count, const DealOptions *options, BIGNUM **ret_primes);
int __real_threshold_key_check_share(const ThresholdKey *key, unsigned index, ThresholdOracle oracle, void *userdata);
int __wrap_threshold_key_check_share(const ThresholdKey *key, unsigned index, ThresholdOracle oracle, void *userdata);

static atomic_uint n_primes_drawn, n_coefficients_drawn, n_drawn_in_the_open; /* for a modulus of 2048 bits */
static bool coefficients_are_zero;
static int check_share_result;
static uint8_t known_primes[2][128]; /* safe ones: so that not every deal has to search */
static bool primes_are_known;

/* Secrets are the memory here that is left out of core dumps; under a sanitizer, which makes mlock() do nothing, as well. */
static bool in_a_secret(const void *data)
{
    _cleanup_fclose_ FILE *maps = fopen("/proc/self/smaps", "re");
    unsigned long from, to;
    bool here = false;
    char line[512];

    must(maps);
    while (fgets(line, sizeof(line), maps)) {
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            here = (uintptr_t)data >= from && (uintptr_t)data < to;
        else if (here && strncmp(line, "VmFlags:", 8) == 0)
            return strstr(line, " dd");
    }
    return false;
}

int __wrap_crypto_random(void *ret_data, size_t size)
{
    n_primes_drawn += size == 128;
    n_coefficients_drawn += size == 256;
    n_drawn_in_the_open += !in_a_secret(ret_data);
    return __real_crypto_random(ret_data, size);
}

int __wrap_draw_below(const BIGNUM *limit, BIGNUM *number)
{
    int r = __real_draw_below(limit, number);

    if (coefficients_are_zero)
        BN_zero(number);
    return r;
}

int __wrap_safe_primes_find(unsigned bits, size_t count, const DealOptions *options, BIGNUM **ret_primes)
{
    if (!primes_are_known || bits != 1024 || count != 2)
        return __real_safe_primes_find(bits, count, options, ret_primes);
    for (size_t i = 0; i < count; i++)
        ret_primes[i] = BN_bin2bn(known_primes[i], sizeof(known_primes[i]), BN_secure_new());
    return 0;
}

int __wrap_threshold_key_check_share(const ThresholdKey *key, unsigned index, ThresholdOracle oracle, void *userdata)
{
    return check_share_result != 0 ? check_share_result : __real_threshold_key_check_share(key, index, oracle, userdata);
}

/* Before the tests are started, so that all of them know the primes. */
static void know_primes(void)
{
    BIGNUM *primes[2];

    must(crypto_secure_heap() == 0);
    must(__real_safe_primes_find(1024, 2, &two_threads, primes) == 0);
    for (size_t i = 0; i < 2; i++) {
        must(BN_bn2binpad(primes[i], known_primes[i], sizeof(known_primes[i])) > 0);
        BN_clear_free(primes[i]);
    }
    primes_are_known = true;
}

/* ---- Safe primes ---- */

static void check_safe_prime(const BIGNUM *prime, int bits)
{
    _cleanup_bn_ BIGNUM *half = BN_new();

    ck_assert_int_eq(BN_num_bits(prime), bits);
    ck_assert_int_eq(BN_is_bit_set(prime, bits - 2), 1);
    ck_assert_uint_eq(BN_mod_word(prime, 12), 11); /* 3 modulo 4, as is every safe prime */
    ck_assert_int_eq(BN_rshift1(half, prime), 1);
    ck_assert_int_eq(BN_check_prime(prime, NULL, NULL), 1);
    ck_assert_int_eq(BN_check_prime(half, NULL, NULL), 1);
}

static void check_search(unsigned bits, const DealOptions *options)
{
    BIGNUM *primes[12];

    ck_assert_int_eq(crypto_secure_heap(), 0);
    ck_assert_int_eq(safe_primes_find(bits, ELEMENTS(primes), options, primes), 0);
    for (size_t i = 0; i < ELEMENTS(primes); i++) {
        check_safe_prime(primes[i], (int)bits);
        ck_assert_int_ne(BN_get_flags(primes[i], BN_FLG_SECURE), 0);
        for (size_t j = 0; j < i; j++)
            ck_assert_int_ne(BN_cmp(primes[i], primes[j]), 0);
    }
    for (size_t i = 0; i < ELEMENTS(primes); i++)
        BN_clear_free(primes[i]);
}

START_TEST(safe_primes)
{
    check_search(64, &alone);
    check_search(129, &two_threads);
    check_search(200, &two_threads);
}
END_TEST

START_TEST(safe_primes_too_short)
{
    BIGNUM *prime;

    ck_assert_int_eq(safe_primes_find(63, 1, &alone, &prime), -EINVAL);
}
END_TEST

/* Primes that lie close together would give a modulus that is factored at once. */
START_TEST(safe_primes_are_far_apart)
{
    BIGNUM *primes[2];
    _cleanup_bn_ BIGNUM *difference = BN_new();

    ck_assert_int_eq(safe_primes_find(256, 2, &alone, primes), 0);
    ck_assert_int_eq(BN_sub(difference, primes[0], primes[1]), 1);
    ck_assert_int_gt(BN_num_bits(difference), 256 - 64);
    BN_clear_free(primes[0]);
    BN_clear_free(primes[1]);
}
END_TEST

/* ---- Dealing ---- */

static uint32_t random_nodes(unsigned n, unsigned k)
{
    uint32_t nodes = 0;

    while ((unsigned)__builtin_popcount(nodes) < k)
        nodes |= 1U << rand() % n;
    return nodes;
}

#define SMALL_COEFFICIENTS 1000

static BIGNUM *verification_value(const Deal *deal, unsigned i)
{
    int size = (int)deal->public_key.size;

    return BN_bin2bn(deal->verification.data + i * (unsigned)size, size, NULL);
}

/* v and all v_i differ: no node has the share of another, and none has 0 or 1. */
static void check_distinct(const Deal *deal, unsigned n)
{
    for (unsigned i = 0; i <= n; i++)
        for (unsigned j = 0; j < i; j++)
            ck_assert_mem_ne(deal->verification.data + i * 256, deal->verification.data + j * 256, 256);
}

static uint64_t factorial(unsigned n)
{
    return n < 2 ? 1 : n * factorial(n - 1);
}

/* The last coefficient is what makes k shares necessary. The polynomial's difference of order k-1 is (k-1)! times it, so the product of
 * the v_i^±C(k-1,i) is v^(n!(k-1)!a): not so for any small a. */
static void check_last_coefficient(const Deal *deal, unsigned n, unsigned k)
{
    _cleanup_bn_ctx_ BN_CTX *ctx = BN_CTX_new();
    _cleanup_bn_ BIGNUM *modulus = BN_bin2bn(deal->public_key.data, (int)deal->public_key.size, NULL), *step = verification_value(deal, 0);
    _cleanup_bn_ BIGNUM *plus = BN_new(), *minus = BN_new(), *exponent = BN_new();

    must(BN_one(plus) == 1 && BN_one(minus) == 1);
    for (unsigned i = 0; i < k; i++) {
        _cleanup_bn_ BIGNUM *value = verification_value(deal, i + 1);
        BIGNUM *side = (k - 1 - i) % 2 == 0 ? plus : minus;

        must(BN_set_word(exponent, factorial(k - 1) / factorial(i) / factorial(k - 1 - i)) == 1);
        must(BN_mod_exp(value, value, exponent, modulus, ctx) == 1);
        must(BN_mod_mul(side, side, value, modulus, ctx) == 1);
    }
    must(BN_set_word(exponent, factorial(n) * factorial(k - 1)) == 1);
    must(BN_mod_exp(step, step, exponent, modulus, ctx) == 1);
    for (unsigned a = 0; a <= SMALL_COEFFICIENTS; a++) {
        ck_assert_msg(BN_cmp(plus, minus) != 0, "the last coefficient is %u", a);
        must(BN_mod_mul(minus, minus, step, modulus, ctx) == 1);
    }
}

/* The same key, said to need one node less, does not sign. */
static void check_one_less_does_not_sign(const Deal *deal, const Fixture *fixture)
{
    ThresholdParameters lower = *threshold_key_parameters(fixture->key);
    _cleanup_threshold_key_ ThresholdKey *key = NULL;
    uint8_t signature[THRESHOLD_SIGNATURE_SIZE_MAX];

    if (--lower.k < 2)
        return;
    ck_assert_int_eq(threshold_key_new(&lower, &deal->public_key, &deal->verification, &key, NULL), 0);
    for (unsigned i = 0; i < 20; i++) {
        Partial partials[THRESHOLD_NODES_MAX];

        choose(fixture, random_nodes(lower.n, lower.k), partials);
        ck_assert_int_eq(threshold_key_combine(key, &fixture->digest, partials, signature), THRESHOLD_E_INVALID_SIGNATURE);
    }
}

static void deal_and_sign(unsigned n, unsigned k, const DealOptions *options)
{
    ThresholdParameters parameters = {.algorithm = THRESHOLD_RSA, .bits = 2048, .n = n, .k = k};
    _cleanup_(threshold_deal_clear) Deal deal = {0};
    _cleanup_fixture_ Fixture fixture = {0};
    Digest digest = digest_of(HASH_SHA512, "fresh");
    uint8_t signature[THRESHOLD_SIGNATURE_SIZE_MAX];

    primes_are_known = false;
    ck_assert_int_eq(threshold_deal(&parameters, options, &deal, NULL), 0);
    ck_assert_uint_eq(deal.public_key.size, 256);
    ck_assert_uint_ge(deal.public_key.data[0], 0x80); /* exactly 2048 bits */
    ck_assert_int_eq(threshold_key_new(&parameters, &deal.public_key, &deal.verification, &fixture.key, NULL), 0);
    for (unsigned i = 0; i < n; i++) {
        ck_assert_uint_eq(secret_size(deal.shares[i]), 256);
        fixture.shares[i] = TAKE_PTR(deal.shares[i]);
    }
    fixture_sign(&fixture, &digest);
    for (unsigned i = 0; i < 20; i++) {
        ck_assert_int_eq(combine_nodes(&fixture, random_nodes(n, k), signature), 0);
        ck_assert(openssl_verifies(fixture.key, HASH_SHA512, "fresh", signature));
    }
    check_distinct(&deal, n);
    check_last_coefficient(&deal, n, k);
    check_one_less_does_not_sign(&deal, &fixture);
}

START_TEST(deal_in_the_calling_thread)
{
    deal_and_sign(5, 3, &alone);
}
END_TEST

START_TEST(deal_in_threads)
{
    deal_and_sign(16, 8, &two_threads);
}
END_TEST

START_TEST(deal_for_all_of_two)
{
    deal_and_sign(2, 2, &two_threads);
}
END_TEST

/* Factors and coefficients: not even the bytes they are made of are anywhere else. */
START_TEST(secrets_are_drawn_into_secrets)
{
    ThresholdParameters parameters = {.algorithm = THRESHOLD_RSA, .bits = 2048, .n = 5, .k = 4};
    _cleanup_(threshold_deal_clear) Deal deal = {0};

    primes_are_known = false;
    ck_assert_int_eq(threshold_deal(&parameters, &alone, &deal, NULL), 0);
    ck_assert_uint_ge(n_primes_drawn, 2);
    ck_assert_uint_ge(n_coefficients_drawn, 3);
    ck_assert_uint_eq(n_drawn_in_the_open, 0);
}
END_TEST

/* What a deal says when the check of it ends so. */
static const struct {
    bool coefficients_are_zero;
    int check_share_result, expected;
    const char *words;
} bad_deals[] = {
    {true, 0, -EIO, "computes wrongly"},
    {false, THRESHOLD_E_INVALID_SHARE, -EIO, "computes wrongly"},
    {false, -EPERM, -EPERM, "RLIMIT_MEMLOCK"},
    {false, -EIO, -EIO, "libcrypto failed"},
};

START_TEST(bad_deals_are_thrown_away)
{
    ThresholdParameters parameters = {.algorithm = THRESHOLD_RSA, .bits = 2048, .n = 5, .k = 3};
    Problem problem = PROBLEM_INIT;
    Deal deal = {.public_key = {NULL, 4711}};

    coefficients_are_zero = bad_deals[_i].coefficients_are_zero;
    check_share_result = bad_deals[_i].check_share_result;
    ck_assert_int_eq(threshold_deal(&parameters, &alone, &deal, &problem), bad_deals[_i].expected);
    ck_assert_msg(strstr(problem.text, bad_deals[_i].words), "'%s' should say '%s'", problem.text, bad_deals[_i].words);
    ck_assert_uint_eq(deal.public_key.size, 4711);
}
END_TEST

typedef struct Progress {
    unsigned calls, stop_at;
    uint64_t tried, expected;
} Progress;

static int count_progress(void *userdata, uint64_t tried, uint64_t expected)
{
    Progress *progress = userdata;

    ck_assert_uint_ge(tried, progress->tried);
    progress->tried = tried;
    progress->expected = expected;
    return ++progress->calls == progress->stop_at;
}

/* 4096 bits take seconds, so the search is still going on when it is told to stop. */
static void cancel(unsigned threads, unsigned stop_at)
{
    ThresholdParameters parameters = {.algorithm = THRESHOLD_RSA, .bits = 4096, .n = 3, .k = 2};
    Progress progress = {.stop_at = stop_at};
    DealOptions options = {.threads = threads, .progress = count_progress, .userdata = &progress};
    Deal deal = {.public_key = {NULL, 4711}};

    ck_assert_int_eq(threshold_deal(&parameters, &options, &deal, NULL), THRESHOLD_E_CANCELLED);
    ck_assert_uint_eq(progress.calls, stop_at);
    ck_assert_uint_gt(progress.expected, 1000);
    ck_assert_uint_eq(deal.public_key.size, 4711);
}

START_TEST(deal_is_cancelled)
{
    cancel(0, 1);
    cancel(0, 2);
    cancel(2, 1);
    cancel(2, 2);
}
END_TEST

START_TEST(deal_refuses_parameters)
{
    ThresholdParameters parameters = {.algorithm = THRESHOLD_RSA, .bits = 2048, .n = 3, .k = 4};
    Problem problem = PROBLEM_INIT;
    Deal deal;

    ck_assert_int_eq(threshold_deal(&parameters, &alone, &deal, &problem), -EINVAL);
    ck_assert_ptr_nonnull(strstr(problem.text, "threshold of 4"));
}
END_TEST

static void add(TCase *cases)
{
    seed_random();
    know_primes();
    tcase_add_test(cases, safe_primes);
    tcase_add_test(cases, safe_primes_too_short);
    tcase_add_test(cases, safe_primes_are_far_apart);
    tcase_add_test(cases, deal_in_the_calling_thread);
    tcase_add_test(cases, deal_in_threads);
    tcase_add_test(cases, deal_for_all_of_two);
    tcase_add_test(cases, secrets_are_drawn_into_secrets);
    tcase_add_loop_test(cases, bad_deals_are_thrown_away, 0, ELEMENTS(bad_deals));
    tcase_add_test(cases, deal_is_cancelled);
    tcase_add_test(cases, deal_refuses_parameters);
}

UNIT_MAIN("deal", add)
