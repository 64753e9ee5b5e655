#include "threshold-fixture.h"
#include "unit.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>

#include "base/clock.h"

/* ---- The table and the parameters ---- */

START_TEST(table_of_schemes)
{
    const Scheme *rsa = threshold_scheme_by_name("rsa");

    ck_assert_ptr_nonnull(rsa);
    ck_assert_ptr_eq(threshold_scheme_by_algorithm(THRESHOLD_RSA), rsa);
    ck_assert_uint_eq(threshold_scheme_algorithm(rsa), THRESHOLD_RSA);
    ck_assert_str_eq(threshold_scheme_name(rsa), "rsa");
    ck_assert_ptr_null(threshold_scheme_by_name("RSA"));
    ck_assert_ptr_null(threshold_scheme_by_algorithm(0));

    const unsigned *sizes = threshold_scheme_sizes(rsa);
    static const unsigned expected[] = {2048, 3072, 4096, 0};

    ck_assert_mem_eq(sizes, expected, sizeof(expected));
}
END_TEST

START_TEST(parameters_in_bounds)
{
    for (unsigned n = 2; n <= THRESHOLD_NODES_MAX; n++)
        for (unsigned k = 2; k <= n; k++)
            ck_assert_int_eq(threshold_parameters_check(&(ThresholdParameters){THRESHOLD_RSA, 3072, n, k}, NULL), 0);
}
END_TEST

static const struct {
    ThresholdParameters parameters;
    const char *word; /* of the problem */
} refused[] = {
    {{THRESHOLD_RSA, 2048, 3, 4}, "threshold of 4"},
    {{THRESHOLD_RSA, 2048, 3, 1}, "threshold of 1"},
    {{THRESHOLD_RSA, 2048, 3, 0}, "threshold of 0"},
    {{THRESHOLD_RSA, 2048, 17, 3}, "17 nodes"},
    {{THRESHOLD_RSA, 2048, 1, 1}, "1 nodes"},
    {{THRESHOLD_RSA, 2048, 0, 0}, "0 nodes"},
    {{THRESHOLD_RSA, 1024, 3, 2}, "2048, 3072, 4096"},
    {{THRESHOLD_RSA, 2047, 3, 2}, "2047 bits"},
    {{THRESHOLD_RSA, 2056, 3, 2}, "2056 bits"},
    {{THRESHOLD_RSA, 8192, 3, 2}, "8192 bits"},
    {{THRESHOLD_RSA, 0, 3, 2}, "0 bits"},
    {{0, 2048, 3, 2}, "scheme number 0"},
    {{200, 2048, 3, 2}, "scheme number 200"},
    {{THRESHOLD_RSA, 2048, UINT32_MAX, 2}, "4294967295 nodes"},
};

START_TEST(parameters_out_of_bounds)
{
    Problem problem = PROBLEM_INIT;

    ck_assert_int_eq(threshold_parameters_check(&refused[_i].parameters, &problem), -EINVAL);
    ck_assert_msg(strstr(problem.text, refused[_i].word), "'%s' is not about '%s'", problem.text, refused[_i].word);
}
END_TEST

/* ---- Keys ---- */

static int make_key(unsigned n, const Bytes *modulus, const Bytes *verification)
{
    ThresholdParameters parameters = {.algorithm = THRESHOLD_RSA, .bits = 2048, .n = n, .k = 2};
    _cleanup_threshold_key_ ThresholdKey *key = NULL;
    Problem problem = PROBLEM_INIT;
    int r = threshold_key_new(&parameters, modulus, verification, &key, &problem);

    ck_assert_int_eq(r == 0, key != NULL);
    ck_assert_int_eq(r == 0, problem.text[0] == '\0');
    return r;
}

START_TEST(key_of_a_damaged_modulus)
{
    _cleanup_bytes_ Bytes modulus = test_key_modulus(&rsa2048_3_of_5), verification = test_key_verification(&rsa2048_3_of_5);
    Bytes shorter = {modulus.data + 1, modulus.size - 1}, empty = {NULL, 0};

    ck_assert_int_eq(make_key(5, &modulus, &verification), 0);
    ck_assert_int_eq(make_key(5, &shorter, &verification), -EBADMSG);
    ck_assert_int_eq(make_key(5, &empty, &verification), -EBADMSG);
    modulus.data[255] ^= 1;
    ck_assert_int_eq(make_key(5, &modulus, &verification), -EBADMSG);
    modulus.data[255] ^= 1;
    modulus.data[0] &= 0x7f;
    ck_assert_int_eq(make_key(5, &modulus, &verification), -EBADMSG);
}
END_TEST

START_TEST(key_with_verification_values_of_other_nodes)
{
    _cleanup_bytes_ Bytes modulus = test_key_modulus(&rsa2048_3_of_5), verification = test_key_verification(&rsa2048_3_of_5);
    Bytes shorter = {verification.data, verification.size - 1}, empty = {NULL, 0};

    ck_assert_int_eq(make_key(5, &modulus, &shorter), -EBADMSG);
    ck_assert_int_eq(make_key(5, &modulus, &empty), -EBADMSG);
    ck_assert_int_eq(make_key(4, &modulus, &verification), -EBADMSG);
    ck_assert_int_eq(make_key(6, &modulus, &verification), -EBADMSG);
    ck_assert_int_eq(make_key(1, &modulus, &verification), -EINVAL);
}
END_TEST

START_TEST(key_with_bad_verification_values)
{
    static const struct {
        unsigned node;
        bool plus_modulus;
        int number, expected;
    } cases[] = {
        {0, false, 0, -EBADMSG}, {0, false, 1, -EBADMSG}, {0, true, -1, -EBADMSG}, {0, true, 0, -EBADMSG},
        {0, true, -2, 0},        {0, false, 4, 0},        {1, false, 0, -EBADMSG}, {5, true, 0, -EBADMSG},
        {5, true, 1, -EBADMSG},  {5, true, -1, 0},        {3, false, 2, 0},
    };

    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_bytes_ Bytes modulus = test_key_modulus(&rsa2048_3_of_5), verification = test_key_verification(&rsa2048_3_of_5);

        put_number(&modulus, cases[i].plus_modulus, cases[i].number, verification.data + cases[i].node * modulus.size);
        ck_assert_int_eq(make_key(5, &modulus, &verification), cases[i].expected);
    }
}
END_TEST

START_TEST(key_with_a_value_that_has_no_inverse)
{
    _cleanup_bytes_ Bytes modulus = modulus_with_small_factor();
    _cleanup_bytes_ Bytes good = small_verification_values(&modulus, 5), bad = small_verification_values(&modulus, 3);

    ck_assert_int_eq(make_key(5, &modulus, &good), 0);
    ck_assert_int_eq(make_key(5, &modulus, &bad), -EBADMSG);
    ck_assert_uint_eq(ERR_peek_error(), 0); /* nothing is left behind for the host */
}
END_TEST

START_TEST(key_tells_what_it_is)
{
    _cleanup_fixture_ Fixture fixture = fixture_of(&rsa4096_2_of_3);
    _cleanup_bytes_ Bytes modulus = test_key_modulus(&rsa4096_2_of_3);

    ck_assert_uint_eq(threshold_key_parameters(fixture.key)->bits, 4096);
    ck_assert_uint_eq(threshold_key_parameters(fixture.key)->n, 3);
    ck_assert_uint_eq(threshold_key_parameters(fixture.key)->k, 2);
    ck_assert_uint_eq(threshold_key_partial_size(fixture.key), 512);
    ck_assert_uint_eq(threshold_key_signature_size(fixture.key), 512);
    ck_assert(bytes_equal(threshold_key_public(fixture.key), &modulus));
}
END_TEST

/* ---- The node's part ---- */

/* The textbook: base^exponent mod N. */
static void plain_power(const ThresholdKey *key, const uint8_t *base, const uint8_t *exponent, uint8_t *ret_power)
{
    int size = (int)threshold_key_partial_size(key);
    _cleanup_bn_ctx_ BN_CTX *ctx = BN_CTX_new();
    _cleanup_bn_ BIGNUM *n = BN_bin2bn(threshold_key_public(key)->data, size, NULL), *a = BN_bin2bn(base, size, NULL),
                        *e = BN_bin2bn(exponent, size, NULL);

    ck_assert_int_eq(BN_mod_exp(a, a, e, n, ctx), 1);
    ck_assert_int_ge(BN_bn2binpad(a, ret_power, size), 0);
}

static const TestKey *const sized_keys[] = {&rsa2048_3_of_5, &rsa3072_2_of_3, &rsa4096_2_of_3};

START_TEST(base_is_the_square_of_the_encoding)
{
    _cleanup_fixture_ Fixture fixture = fixture_of(sized_keys[_i]);
    uint8_t encoded[THRESHOLD_PARTIAL_SIZE_MAX], base[THRESHOLD_PARTIAL_SIZE_MAX], expected[THRESHOLD_PARTIAL_SIZE_MAX];
    uint8_t two[THRESHOLD_PARTIAL_SIZE_MAX] = {0};
    size_t size = threshold_key_partial_size(fixture.key);

    two[size - 1] = 2;
    ck_assert_int_eq(digest_encode(&fixture.digest, 8 * size, encoded), 0);
    plain_power(fixture.key, encoded, two, expected);
    ck_assert_int_eq(threshold_key_base(fixture.key, &fixture.digest, base), 0);
    ck_assert_mem_eq(base, expected, size);
}
END_TEST

START_TEST(power_agrees_with_the_library)
{
    _cleanup_fixture_ Fixture fixture = fixture_of(sized_keys[_i]);
    size_t size = threshold_key_partial_size(fixture.key);
    uint8_t base[THRESHOLD_PARTIAL_SIZE_MAX], exponent[THRESHOLD_PARTIAL_SIZE_MAX], expected[THRESHOLD_PARTIAL_SIZE_MAX],
        result[THRESHOLD_PARTIAL_SIZE_MAX];
    _cleanup_secret_ Secret *share = NULL;

    random_base(fixture.key, base);
    random_base(fixture.key, exponent);
    ck_assert_int_eq(secret_new_copy(exponent, size, &share), 0);
    plain_power(fixture.key, base, exponent, expected);
    ck_assert_int_eq(threshold_key_power(fixture.key, share, base, result), 0);
    ck_assert_mem_eq(result, expected, size);
    ck_assert_int_eq(threshold_key_power(fixture.key, share, base, base), 0); /* in place */
    ck_assert_mem_eq(base, expected, size);
}
END_TEST

static int power_of_share(const ThresholdKey *key, const uint8_t *exponent, size_t size, const uint8_t *base)
{
    _cleanup_secret_ Secret *share = NULL;
    uint8_t result[THRESHOLD_PARTIAL_SIZE_MAX];

    ck_assert_int_eq(secret_new_copy(exponent, size, &share), 0);
    return threshold_key_power(key, share, base, result);
}

START_TEST(power_refuses_what_is_out_of_range)
{
    _cleanup_fixture_ Fixture fixture = fixture_of(&rsa2048_3_of_5);
    const uint8_t *modulus = threshold_key_public(fixture.key)->data;
    uint8_t one[256] = {[255] = 1}, one_of_257[257] = {[256] = 1}, zero[256] = {0}, big[256];

    memset(big, 0xff, sizeof(big));
    ck_assert_int_eq(power_of_share(fixture.key, one, 256, one), 0);
    ck_assert_int_eq(power_of_share(fixture.key, one + 1, 255, one), -EINVAL);    /* 1, one byte short */
    ck_assert_int_eq(power_of_share(fixture.key, one_of_257, 257, one), -EINVAL); /* 1, a byte too many */
    ck_assert_int_eq(power_of_share(fixture.key, zero, 256, one), -EINVAL);
    ck_assert_int_eq(power_of_share(fixture.key, modulus, 256, one), -EINVAL);
    ck_assert_int_eq(power_of_share(fixture.key, one, 256, zero), -EINVAL);
    ck_assert_int_eq(power_of_share(fixture.key, one, 256, modulus), -EINVAL);
    ck_assert_int_eq(power_of_share(fixture.key, one, 256, big), -EINVAL);
}
END_TEST

static void check_pair(const Fixture *a, const Fixture *b)
{
    const ThresholdKey *keys[] = {a->key, b->key};
    const Secret *shares[] = {a->shares[0], b->shares[1]};
    size_t size = threshold_key_partial_size(a->key);
    uint8_t bases[2][THRESHOLD_PARTIAL_SIZE_MAX], single[2][THRESHOLD_PARTIAL_SIZE_MAX], paired[2][THRESHOLD_PARTIAL_SIZE_MAX];

    for (unsigned i = 0; i < 2; i++) {
        random_base(keys[i], bases[i]);
        ck_assert_int_eq(threshold_key_power(keys[i], shares[i], bases[i], single[i]), 0);
    }
    ck_assert_int_eq(threshold_key_power_pair(keys, shares, (const uint8_t *[]){bases[0], bases[1]}, (uint8_t *[]){paired[0], paired[1]}),
                     0);
    ck_assert_mem_eq(paired[0], single[0], size);
    ck_assert_mem_eq(paired[1], single[1], size);
}

START_TEST(pair_agrees_with_single)
{
    _cleanup_fixture_ Fixture fixture = fixture_of(sized_keys[_i]);

    check_pair(&fixture, &fixture);
}
END_TEST

START_TEST(pair_of_two_keys)
{
    _cleanup_fixture_ Fixture a = fixture_of(&rsa2048_3_of_5), b = fixture_of(&rsa2048_2_of_2), larger = fixture_of(&rsa3072_2_of_3);
    const ThresholdKey *keys[] = {a.key, larger.key};
    const Secret *shares[] = {a.shares[0], larger.shares[0]};
    uint8_t results[2][THRESHOLD_PARTIAL_SIZE_MAX];
    const uint8_t *bases[] = {a.partials[0].bytes, larger.partials[0].bytes};

    check_pair(&a, &b);
    ck_assert_int_eq(threshold_key_power_pair(keys, shares, bases, (uint8_t *[]){results[0], results[1]}), -EINVAL);
}
END_TEST

static _Thread_local bool holds; /* this thread, while it measures */
static sem_t is_measuring, may_go;
static unsigned n_clocks;

Microseconds __real_clock_now(void);
Microseconds __wrap_clock_now(void);

Microseconds __wrap_clock_now(void)
{
    if (holds && n_clocks++ == 0) {
        (void)sem_post(&is_measuring);
        (void)sem_wait(&may_go);
    }
    return __real_clock_now();
}

static void *measure_slowly(void *key)
{
    holds = true;
    return threshold_pair_is_faster(key) ? key : NULL;
}

/* Once, and while it goes on nobody waits for it. */
START_TEST(pair_speed_is_measured_once)
{
    _cleanup_fixture_ Fixture fixture = fixture_of(&rsa2048_3_of_5);
    unsigned n;
    pthread_t thread;
    void *first;

    ck_assert_int_eq(sem_init(&is_measuring, 0, 0), 0);
    ck_assert_int_eq(sem_init(&may_go, 0, 0), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, measure_slowly, fixture.key), 0);
    (void)sem_wait(&is_measuring);
    ck_assert(!threshold_pair_is_faster(fixture.key));
    (void)sem_post(&may_go);
    ck_assert_int_eq(pthread_join(thread, &first), 0);
    n = n_clocks;
    ck_assert_uint_gt(n, 0);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_ptr_eq(measure_slowly(fixture.key), first);
    ck_assert_uint_eq(n_clocks, n);
    (void)sem_destroy(&is_measuring);
    (void)sem_destroy(&may_go);
}
END_TEST

typedef struct ShareOracle {
    const Fixture *fixture;
    unsigned share;
    int result;
} ShareOracle;

static int ask_share(void *userdata, const uint8_t *base, uint8_t *ret_power)
{
    const ShareOracle *oracle = userdata;

    if (oracle->result != 0)
        return oracle->result;
    return threshold_key_power(oracle->fixture->key, oracle->fixture->shares[oracle->share], base, ret_power);
}

START_TEST(share_check)
{
    _cleanup_fixture_ Fixture fixture = fixture_of(&rsa2048_3_of_5);

    for (unsigned index = 1; index <= 5; index++)
        for (unsigned share = 0; share < 5; share++)
            ck_assert_int_eq(threshold_key_check_share(fixture.key, index, ask_share, &(ShareOracle){&fixture, share, 0}),
                             share + 1 == index ? 0 : THRESHOLD_E_INVALID_SHARE);
    ck_assert_int_eq(threshold_key_check_share(fixture.key, 1, ask_share, &(ShareOracle){&fixture, 0, -EKEYEXPIRED}), -EKEYEXPIRED);
    ck_assert_int_eq(threshold_key_check_share(fixture.key, 0, ask_share, &(ShareOracle){&fixture, 0, 0}), -EINVAL);
    ck_assert_int_eq(threshold_key_check_share(fixture.key, 6, ask_share, &(ShareOracle){&fixture, 0, 0}), -EINVAL);
}
END_TEST

static void add(TCase *cases)
{
    seed_random();
    tcase_add_test(cases, table_of_schemes);
    tcase_add_test(cases, parameters_in_bounds);
    tcase_add_loop_test(cases, parameters_out_of_bounds, 0, ELEMENTS(refused));
    tcase_add_test(cases, key_of_a_damaged_modulus);
    tcase_add_test(cases, key_with_verification_values_of_other_nodes);
    tcase_add_test(cases, key_with_bad_verification_values);
    tcase_add_test(cases, key_with_a_value_that_has_no_inverse);
    tcase_add_test(cases, key_tells_what_it_is);
    tcase_add_loop_test(cases, base_is_the_square_of_the_encoding, 0, ELEMENTS(sized_keys));
    tcase_add_loop_test(cases, power_agrees_with_the_library, 0, ELEMENTS(sized_keys));
    tcase_add_test(cases, power_refuses_what_is_out_of_range);
    tcase_add_loop_test(cases, pair_agrees_with_single, 0, ELEMENTS(sized_keys));
    tcase_add_test(cases, pair_of_two_keys);
    tcase_add_test(cases, pair_speed_is_measured_once);
    tcase_add_test(cases, share_check);
}

UNIT_MAIN("threshold", add)
