#include <errno.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <sodium.h>

#include "frost-fixture.h"
#include "stack-search.h"

/* ---- What the tests replace ---- */

int __real_sodium_init(void);
int __wrap_sodium_init(void);
int __real_crypto_core_ed25519_is_valid_point(const unsigned char *point);
int __wrap_crypto_core_ed25519_is_valid_point(const unsigned char *point);
int __real_crypto_scalarmult_ed25519_noclamp(unsigned char *product, const unsigned char *scalar, const unsigned char *point);
int __wrap_crypto_scalarmult_ed25519_noclamp(unsigned char *product, const unsigned char *scalar, const unsigned char *point);

static bool library_is_dead, check_is_broken, multiplication_is_broken;

int __wrap_sodium_init(void)
{
    return library_is_dead ? -1 : __real_sodium_init();
}

int __wrap_crypto_core_ed25519_is_valid_point(const unsigned char *point)
{
    return check_is_broken ? 1 : __real_crypto_core_ed25519_is_valid_point(point);
}

int __wrap_crypto_scalarmult_ed25519_noclamp(unsigned char *product, const unsigned char *scalar, const unsigned char *point)
{
    return multiplication_is_broken ? 0 : __real_crypto_scalarmult_ed25519_noclamp(product, scalar, point);
}

/* ---- Starting ---- */

START_TEST(a_library_that_accepts_bad_points_is_refused)
{
    Problem problem = PROBLEM_INIT;

    check_is_broken = true;
    ck_assert_int_eq(ed25519_group_init(&problem), ED25519_E_UNSAFE_LIBRARY);
    ck_assert_ptr_nonnull(strstr(problem.text, "CVE-2025-69277"));
    ck_assert_ptr_nonnull(strstr(problem.text, "1.0.18-1+deb12u1"));
    check_is_broken = false;
    multiplication_is_broken = true;
    ck_assert_int_eq(ed25519_group_init(&problem), ED25519_E_UNSAFE_LIBRARY);
    multiplication_is_broken = false;
    ck_assert_int_eq(ed25519_group_init(&problem), 0);
}
END_TEST

START_TEST(a_library_that_does_not_start)
{
    Problem problem = PROBLEM_INIT;

    library_is_dead = true;
    ck_assert_int_eq(ed25519_group_init(&problem), -EIO);
    ck_assert_str_ne(problem.text, "");
}
END_TEST

/* ---- Scalars ---- */

static BIGNUM *number_of(const Ed25519Scalar *scalar)
{
    return BN_lebin2bn(scalar->bytes, sizeof(scalar->bytes), NULL);
}

static void check_number(const Ed25519Scalar *scalar, const BIGNUM *expected)
{
    Ed25519Scalar bytes;

    ck_assert_int_eq(BN_bn2lebinpad(expected, bytes.bytes, sizeof(bytes.bytes)), sizeof(bytes.bytes));
    ck_assert_mem_eq(scalar, &bytes, sizeof(bytes));
}

static Ed25519Scalar some_scalar(unsigned i)
{
    static const char *const special[] = {"0000000000000000000000000000000000000000000000000000000000000000",
                                          "0100000000000000000000000000000000000000000000000000000000000000", L_MINUS_1,
                                          "0000000000000000000000000000000000000000000000000000000000000010"};

    return i < ELEMENTS(special) ? scalar_of_hex(special[i]) : random_scalar();
}

static void check_arithmetic(const Ed25519Scalar *a, const Ed25519Scalar *b)
{
    Ed25519Scalar order_bytes = scalar_of_hex(L_ITSELF), sum, difference, product, in_place = *a;
    BIGNUM *x = number_of(a), *y = number_of(b), *order = number_of(&order_bytes), *result = BN_new();
    BN_CTX *ctx = BN_CTX_new();

    ed25519_scalar_add(a, b, &sum);
    ck_assert_int_eq(BN_mod_add(result, x, y, order, ctx), 1);
    check_number(&sum, result);
    ed25519_scalar_subtract(a, b, &difference);
    ck_assert_int_eq(BN_mod_sub(result, x, y, order, ctx), 1);
    check_number(&difference, result);
    ed25519_scalar_multiply(a, b, &product);
    ck_assert_int_eq(BN_mod_mul(result, x, y, order, ctx), 1);
    check_number(&product, result);
    ed25519_scalar_multiply(&in_place, b, &in_place);
    ed25519_scalar_add(&in_place, &in_place, &in_place);
    ed25519_scalar_subtract(&in_place, &product, &in_place);
    ck_assert(scalar_equal(&in_place, &product));
    BN_free(x);
    BN_free(y);
    BN_free(order);
    BN_free(result);
    BN_CTX_free(ctx);
}

START_TEST(arithmetic_is_libcryptos)
{
    start_group();
    for (unsigned i = 0; i < 16; i++)
        for (unsigned j = 0; j < 16; j++) {
            Ed25519Scalar a = some_scalar(i), b = some_scalar(j);

            check_arithmetic(&a, &b);
        }
}
END_TEST

START_TEST(reduction_is_libcryptos)
{
    Ed25519Scalar order_bytes = scalar_of_hex(L_ITSELF), scalar;
    BIGNUM *order = number_of(&order_bytes);
    BN_CTX *ctx = BN_CTX_new();
    uint8_t wide[64];

    start_group();
    for (unsigned i = 0; i < 100; i++) {
        memset(wide, 0xff, sizeof(wide));
        if (i > 0)
            ck_assert_int_eq(crypto_random_kernel(wide, sizeof(wide)), 0);

        BIGNUM *number = BN_lebin2bn(wide, sizeof(wide), NULL);

        ck_assert_int_eq(BN_nnmod(number, number, order, ctx), 1);
        ed25519_scalar_reduce(wide, &scalar);
        check_number(&scalar, number);
        BN_free(number);
    }
    BN_free(order);
    BN_CTX_free(ctx);
}
END_TEST

START_TEST(only_numbers_below_the_order_are_scalars)
{
    static const struct {
        const char *bytes;
        bool canonical;
    } cases[] = {
        {"0000000000000000000000000000000000000000000000000000000000000000", true},
        {"0100000000000000000000000000000000000000000000000000000000000000", true},
        {"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff0f", true},
        {L_MINUS_1, true},
        {L_ITSELF, false},
        {"eed3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010", false},
        {"ecd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000020", false},
        {"0000000000000000000000000000000000000000000000000000000000000080", false},
        {"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", false},
    };

    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        Ed25519Scalar scalar = scalar_of_hex(cases[i].bytes);

        ck_assert_msg(ed25519_scalar_is_canonical(&scalar) == cases[i].canonical, "%s", cases[i].bytes);
        ck_assert_int_eq(ed25519_scalar_is_zero(&scalar), i == 0);
    }
}
END_TEST

START_TEST(small_numbers)
{
    Ed25519Scalar scalar;

    ed25519_scalar_set(0x1234, &scalar);
    ck_assert_mem_eq(scalar.bytes, ((uint8_t[32]){0x34, 0x12}), 32);
    ed25519_scalar_set(UINT32_MAX, &scalar);
    ck_assert_mem_eq(scalar.bytes, ((uint8_t[32]){0xff, 0xff, 0xff, 0xff}), 32);
}
END_TEST

/* 64 bytes are drawn and reduced: L divides 2^512 - (2^512 mod L), the rest is a bias below 2^-259. */
START_TEST(draws_are_wide)
{
    uint8_t wide[64];
    Ed25519Scalar drawn, expected;

    start_group();
    for (size_t i = 0; i < sizeof(wide); i++)
        wide[i] = (uint8_t)(255 - i);
    script = (Bytes){wide, sizeof(wide)};
    ck_assert_int_eq(ed25519_scalar_draw(&drawn), 0);
    ck_assert_uint_eq(script.size, 0);
    ed25519_scalar_reduce(wide, &expected);
    ck_assert(scalar_equal(&drawn, &expected));
    random_fails = true;
    ck_assert_int_eq(ed25519_scalar_draw(&drawn), -EIO);
    ck_assert(scalar_equal(&drawn, &expected));
}
END_TEST

/* A polynomial of degree k - 1 from any k of its values, at 0 and elsewhere. */
START_TEST(lagrange_interpolates)
{
    static const unsigned indices[] = {1, 3, 4, 9, 16};
    Ed25519Scalar polynomial[ELEMENTS(indices)];

    start_group();
    for (size_t i = 0; i < ELEMENTS(indices); i++)
        polynomial[i] = random_scalar();
    for (unsigned x = 0; x <= 15; x++) {
        Ed25519Scalar sum = {0}, expected, value, lambda;

        if (memchr(((uint8_t[]){1, 3, 4, 9, 16}), (int)x, 5))
            continue;
        for (unsigned i = 0; i < ELEMENTS(indices); i++) {
            ed25519_scalar_evaluate(polynomial, ELEMENTS(indices), indices[i], &value);
            ed25519_scalar_lagrange(indices, ELEMENTS(indices), i, x, &lambda);
            ed25519_scalar_multiply(&lambda, &value, &value);
            ed25519_scalar_add(&sum, &value, &sum);
        }
        ed25519_scalar_evaluate(polynomial, ELEMENTS(indices), x, &expected);
        ck_assert(scalar_equal(&sum, &expected));
    }
}
END_TEST

START_TEST(evaluation_at_zero_is_the_constant)
{
    Ed25519Scalar polynomial[3] = {some_scalar(4), some_scalar(4), some_scalar(4)}, value;

    ed25519_scalar_evaluate(polynomial, 3, 0, &value);
    ck_assert(scalar_equal(&value, &polynomial[0]));
    ed25519_scalar_evaluate(polynomial, 1, 7, &value);
    ck_assert(scalar_equal(&value, &polynomial[0]));
}
END_TEST

/* ---- Points ---- */

static Ed25519Point random_point(void)
{
    Ed25519Scalar scalar = random_scalar();
    Ed25519Point point;

    ed25519_multiply_base(&scalar, &point);
    return point;
}

START_TEST(bad_points_are_rejected)
{
    Ed25519Point bad = point_of_hex(bad_points[_i].point), untouched = {{0x5a}}, product = untouched;
    Ed25519Scalar scalar = random_scalar();
    bool is_identity = _i == 0;

    start_group();
    ck_assert_msg(!ed25519_point_is_valid(&bad), "%s", bad_points[_i].name);
    ck_assert_int_eq(ed25519_multiply(&scalar, &bad, &product), is_identity ? 0 : -EBADMSG);
    ck_assert(ed25519_point_equal(&product, is_identity ? &ed25519_identity : &untouched));
    scalar = (Ed25519Scalar){0};
    ck_assert_int_eq(ed25519_multiply(&scalar, &bad, &product), is_identity ? 0 : -EBADMSG);
}
END_TEST

/* A good point with something of small order added, in all cases that are on the curve. */
START_TEST(points_of_mixed_order_are_rejected)
{
    Ed25519Point small = point_of_hex(bad_points[_i].point), mixed = random_point(), product;
    Ed25519Scalar scalar = random_scalar();

    start_group();
    ck_assert(ed25519_point_is_valid(&mixed));
    ck_assert_int_eq(ed25519_add(&mixed, &small, &mixed), 0);
    ck_assert(!ed25519_point_is_valid(&mixed));
    ck_assert_int_eq(ed25519_multiply(&scalar, &mixed, &product), -EBADMSG);
}
END_TEST

START_TEST(additions_off_the_curve_are_rejected)
{
    Ed25519Point good = random_point(), bad = {{2}}, sum = {{0x5a}}, untouched = sum;

    ck_assert_int_eq(ed25519_add(&good, &bad, &sum), -EBADMSG);
    ck_assert_int_eq(ed25519_add(&bad, &good, &sum), -EBADMSG);
    ck_assert(ed25519_point_equal(&sum, &untouched));
}
END_TEST

START_TEST(group_laws)
{
    start_group();
    for (unsigned i = 0; i < 20; i++) {
        Ed25519Scalar a = random_scalar(), b = random_scalar(), ab, sum;
        Ed25519Point aB, bB, left, right;

        ed25519_multiply_base(&a, &aB);
        ed25519_multiply_base(&b, &bB);
        ed25519_scalar_multiply(&a, &b, &ab);
        ed25519_multiply_base(&ab, &left);
        ck_assert_int_eq(ed25519_multiply(&a, &bB, &right), 0);
        ck_assert(ed25519_point_equal(&left, &right));
        ed25519_scalar_add(&a, &b, &sum);
        ed25519_multiply_base(&sum, &left);
        ck_assert_int_eq(ed25519_add(&aB, &bB, &aB), 0);
        ck_assert(ed25519_point_equal(&left, &aB));
    }
}
END_TEST

START_TEST(zero_and_the_identity)
{
    Ed25519Scalar zero = {0}, minus_one = scalar_of_hex(L_MINUS_1), one = {{1}};
    Ed25519Point point = random_point(), negative, result;

    start_group();
    ed25519_multiply_base(&zero, &result);
    ck_assert(ed25519_point_is_identity(&result));
    ck_assert_int_eq(ed25519_multiply(&zero, &point, &result), 0);
    ck_assert(ed25519_point_is_identity(&result));
    ck_assert_int_eq(ed25519_multiply(&one, &point, &result), 0);
    ck_assert(ed25519_point_equal(&result, &point));
    ck_assert_int_eq(ed25519_multiply(&minus_one, &point, &negative), 0);
    ck_assert_int_eq(ed25519_add(&negative, &point, &result), 0);
    ck_assert(ed25519_point_is_identity(&result));
    ck_assert_int_eq(ed25519_add(&result, &point, &result), 0);
    ck_assert(ed25519_point_equal(&result, &point));
}
END_TEST

/* RFC 8032 §5.1.5: the public key is the clamped half of the hash times B. */
START_TEST(base_multiplication_is_libcryptos)
{
    start_group();
    for (unsigned i = 0; i < 20; i++) {
        uint8_t seed[32], wide[64], hash[64];
        size_t size = ED25519_POINT_SIZE;
        Ed25519Scalar scalar;
        Ed25519Point product, expected;

        ck_assert_int_eq(crypto_random_kernel(seed, sizeof(seed)), 0);
        ck_assert_int_eq(EVP_Q_digest(NULL, "SHA512", NULL, seed, sizeof(seed), hash, NULL), 1);
        memset(wide, 0, sizeof(wide));
        memcpy(wide, hash, 32);
        wide[0] &= 248;
        wide[31] = (uint8_t)((wide[31] & 127) | 64);
        ed25519_scalar_reduce(wide, &scalar);
        ed25519_multiply_base(&scalar, &product);

        EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, sizeof(seed));

        ck_assert_int_eq(EVP_PKEY_get_raw_public_key(key, expected.bytes, &size), 1);
        ck_assert(ed25519_point_equal(&product, &expected));
        EVP_PKEY_free(key);
    }
}
END_TEST

START_TEST(evaluation_in_the_exponent)
{
    Ed25519Scalar polynomial[5], value;
    Ed25519Point points[5], expected, result;

    start_group();
    for (unsigned i = 0; i < 5; i++) {
        polynomial[i] = some_scalar(i == 2 ? 0 : 4);
        ed25519_multiply_base(&polynomial[i], &points[i]);
    }
    for (unsigned x = 1; x <= 16; x++) {
        ed25519_scalar_evaluate(polynomial, 5, x, &value);
        ed25519_multiply_base(&value, &expected);
        ck_assert_int_eq(ed25519_evaluate(points, 5, x, &result), 0);
        ck_assert(ed25519_point_equal(&result, &expected));
    }
    points[4] = (Ed25519Point){{2}};
    ck_assert_int_eq(ed25519_evaluate(points, 5, 3, &result), -EBADMSG);
    ck_assert(ed25519_point_equal(&result, &expected));
}
END_TEST

/* a_1 = -3·a_2: at 3 the sum is the identity on the way. */
START_TEST(evaluation_through_the_identity)
{
    Ed25519Scalar minus_three = scalar_of_hex(L_ITSELF);
    Ed25519Point points[3] = {random_point(), random_point(), random_point()}, result;

    minus_three.bytes[0] = (uint8_t)(minus_three.bytes[0] - 3);
    start_group();
    ck_assert_int_eq(ed25519_multiply(&minus_three, &points[2], &points[1]), 0);
    ck_assert_int_eq(ed25519_evaluate(points, 3, 3, &result), 0);
    ck_assert(ed25519_point_equal(&result, &points[0]));
}
END_TEST

/* ---- What is left behind ---- */

typedef struct Traces {
    Secret *scalars; /* two arguments and a result */
    Ed25519Point point;
} Traces;

static Ed25519Scalar *scalar_at(void *userdata, size_t at)
{
    return &ed25519_scalars(((Traces *)userdata)->scalars)[at];
}

static void *do_add(void *userdata)
{
    ed25519_scalar_add(scalar_at(userdata, 0), scalar_at(userdata, 1), scalar_at(userdata, 2));
    return NULL;
}

static void *add_carelessly(void *userdata)
{
    crypto_core_ed25519_scalar_add(scalar_at(userdata, 2)->bytes, scalar_at(userdata, 0)->bytes, scalar_at(userdata, 1)->bytes);
    return NULL;
}

static void *do_subtract(void *userdata)
{
    ed25519_scalar_subtract(scalar_at(userdata, 0), scalar_at(userdata, 1), scalar_at(userdata, 2));
    return NULL;
}

static void *subtract_carelessly(void *userdata)
{
    crypto_core_ed25519_scalar_sub(scalar_at(userdata, 2)->bytes, scalar_at(userdata, 0)->bytes, scalar_at(userdata, 1)->bytes);
    return NULL;
}

static void *do_multiply_base(void *userdata)
{
    ed25519_multiply_base(scalar_at(userdata, 0), &((Traces *)userdata)->point);
    return NULL;
}

static void *multiply_base_carelessly(void *userdata)
{
    (void)crypto_scalarmult_ed25519_base_noclamp(((Traces *)userdata)->point.bytes, scalar_at(userdata, 0)->bytes);
    return NULL;
}

static void *do_multiply(void *userdata)
{
    Traces *traces = userdata;

    ck_assert_int_eq(ed25519_multiply(scalar_at(userdata, 0), &traces->point, &traces->point), 0);
    return NULL;
}

static void *do_draw(void *userdata)
{
    ck_assert_int_eq(ed25519_scalar_draw(scalar_at(userdata, 2)), 0);
    return NULL;
}

static void *do_evaluate(void *userdata)
{
    ed25519_scalar_evaluate(scalar_at(userdata, 0), 2, 5, scalar_at(userdata, 2));
    return NULL;
}

static const struct {
    const char *name;
    void *(*run)(void *userdata);
    void *(*careless)(void *userdata); /* leaves something, so that what is looked for can be found; NULL: no such is known */
} traced[] = {
    {"addition", do_add, add_carelessly},
    {"subtraction", do_subtract, subtract_carelessly},
    {"multiplication of the base", do_multiply_base, multiply_base_carelessly},
    {"multiplication of a point", do_multiply, NULL},
    {"draw", do_draw, NULL},
    {"evaluation", do_evaluate, NULL},
};

/* Multiplications work with digits from -8 to 7 in base 16, a byte each. */
static void digits_of(const Ed25519Scalar *scalar, int8_t ret_digits[64])
{
    int carry = 0;

    for (unsigned i = 0; i < 64; i++) {
        int digit = (scalar->bytes[i / 2] >> (i % 2 * 4) & 15) + carry;

        carry = (digit + 8) >> 4;
        ret_digits[i] = (int8_t)(digit - 16 * carry);
    }
}

static bool leaves_traces(void *(*run)(void *userdata))
{
    uint8_t *stack = new_stack();
    Traces traces = {.point = random_point()};
    int8_t digits[64];

    ck_assert_int_eq(secret_new(3 * sizeof(Ed25519Scalar), &traces.scalars), 0);
    *scalar_at(&traces, 0) = random_scalar();
    *scalar_at(&traces, 1) = random_scalar();
    run_on_stack(stack, run, &traces);
    digits_of(scalar_at(&traces, 0), digits);

    bool found = stack_has(stack, scalar_at(&traces, 0), ED25519_SCALAR_SIZE) ||
                 stack_has(stack, scalar_at(&traces, 1), ED25519_SCALAR_SIZE) || stack_has(stack, digits, sizeof(digits));

    /* A result of zero has not been computed. */
    if (!ed25519_scalar_is_zero(scalar_at(&traces, 2)))
        found = found || stack_has(stack, scalar_at(&traces, 2), ED25519_SCALAR_SIZE);
    secret_free(traces.scalars);
    ck_assert_int_eq(munmap(stack, SEARCHED_STACK), 0);
    return found;
}

START_TEST(no_secret_stays_on_the_stack)
{
    start_group();
    ck_assert_msg(!leaves_traces(traced[_i].run), "%s", traced[_i].name);
    ck_assert_msg(!traced[_i].careless || leaves_traces(traced[_i].careless), "%s", traced[_i].name);
}
END_TEST

static void add(TCase *cases)
{
    seed_random();
    tcase_add_test(cases, a_library_that_accepts_bad_points_is_refused);
    tcase_add_test(cases, a_library_that_does_not_start);
    tcase_add_test(cases, arithmetic_is_libcryptos);
    tcase_add_test(cases, reduction_is_libcryptos);
    tcase_add_test(cases, only_numbers_below_the_order_are_scalars);
    tcase_add_test(cases, small_numbers);
    tcase_add_test(cases, draws_are_wide);
    tcase_add_test(cases, lagrange_interpolates);
    tcase_add_test(cases, evaluation_at_zero_is_the_constant);
    tcase_add_loop_test(cases, bad_points_are_rejected, 0, ELEMENTS(bad_points));
    tcase_add_loop_test(cases, points_of_mixed_order_are_rejected, 1, 7);
    tcase_add_test(cases, additions_off_the_curve_are_rejected);
    tcase_add_test(cases, group_laws);
    tcase_add_test(cases, zero_and_the_identity);
    tcase_add_test(cases, base_multiplication_is_libcryptos);
    tcase_add_test(cases, evaluation_in_the_exponent);
    tcase_add_test(cases, evaluation_through_the_identity);
    tcase_add_loop_test(cases, no_secret_stays_on_the_stack, 0, ELEMENTS(traced));
}

UNIT_MAIN("ed25519-group", add)
