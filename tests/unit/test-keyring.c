#include "base/crypto.h"
#include "key-fixture.h"
#include "keyring/blinding.h"
#include "keyring/keyring.h"
#include "keyring/parser.h"
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <keyutils.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* ---- PKCS#8: RFC 5208 around RFC 8017 A.1.2 ------------------------------------------------------------------------- */

/* The next element must have this tag and the shortest length there is; returns its content. */
static Reader der_enter(Reader *reader, uint8_t tag)
{
    ck_assert_uint_eq(read_u8(reader), tag);

    size_t size = read_u8(reader);

    if (size == 0x81) {
        size = read_u8(reader);
        ck_assert_uint_ge(size, 0x80);
    } else if (size == 0x82) {
        size = (size_t)read_u8(reader) << 8;
        size |= read_u8(reader);
        ck_assert_uint_ge(size, 0x100);
    } else {
        ck_assert_uint_lt(size, 0x80);
    }

    const uint8_t *content = read_bytes(reader, size);

    ck_assert_ptr_nonnull(content);
    return reader_of(content, size);
}

/* The next element is this unsigned number, in the shortest form. */
static void der_integer(Reader *reader, const uint8_t *expected, size_t size)
{
    Reader content = der_enter(reader, 0x02);

    while (size > 1 && *expected == 0) {
        expected++;
        size--;
    }
    if (*expected & 0x80)
        ck_assert_uint_eq(read_u8(&content), 0);
    ck_assert_uint_eq(content.left, size);
    ck_assert_mem_eq(content.at, expected, size);
}

static void walk_pkcs8(const Secret *pkcs8, const Bytes *modulus, const Secret *share)
{
    static const uint8_t zero[] = {0}, one[] = {1}, exponent[] = {1, 0, 1};
    static const uint8_t rsa_encryption[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01};
    const uint8_t *s = secret_bytes(share);
    size_t size = secret_size(share);
    Reader reader = reader_of(secret_bytes(pkcs8), secret_size(pkcs8));
    Reader info = der_enter(&reader, 0x30);

    ck_assert_int_eq(reader_finish(&reader), 0);
    der_integer(&info, zero, 1);

    Reader algorithm = der_enter(&info, 0x30);
    Reader identifier = der_enter(&algorithm, 0x06);
    Reader parameters = der_enter(&algorithm, 0x05);
    Reader octets = der_enter(&info, 0x04);
    Reader key = der_enter(&octets, 0x30);

    ck_assert_uint_eq(identifier.left, sizeof(rsa_encryption));
    ck_assert_mem_eq(identifier.at, rsa_encryption, sizeof(rsa_encryption));
    ck_assert_uint_eq(parameters.left, 0);
    ck_assert_int_eq(reader_finish(&algorithm), 0);
    ck_assert_int_eq(reader_finish(&info), 0);
    ck_assert_int_eq(reader_finish(&octets), 0);
    der_integer(&key, zero, 1);                      /* version */
    der_integer(&key, modulus->data, modulus->size); /* n */
    der_integer(&key, exponent, sizeof(exponent));   /* e */
    der_integer(&key, s, size);                      /* d */
    der_integer(&key, modulus->data, modulus->size); /* p */
    der_integer(&key, one, 1);                       /* q */
    der_integer(&key, s, size);                      /* d mod (p-1) */
    der_integer(&key, one, 1);                       /* d mod (q-1) */
    der_integer(&key, one, 1);                       /* q^-1 mod p */
    ck_assert_int_eq(reader_finish(&key), 0);
}

static void assert_key_number(EVP_PKEY *key, const char *name, const uint8_t *expected, size_t size)
{
    BIGNUM *number = NULL, *other = BN_bin2bn(expected, (int)size, NULL);

    ck_assert_int_eq(EVP_PKEY_get_bn_param(key, name, &number), 1);
    ck_assert_int_eq(BN_cmp(number, other), 0);
    BN_free(number);
    BN_free(other);
}

/* libcrypto reads it as the key that was meant, and would have written the very same bytes. */
static void parse_pkcs8(const Secret *pkcs8, const Bytes *modulus, const Secret *share)
{
    const uint8_t *at = secret_bytes(pkcs8);
    const uint8_t one = 1;
    PKCS8_PRIV_KEY_INFO *info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &at, (long)secret_size(pkcs8)), *again;
    uint8_t *encoded = NULL;

    ck_assert_ptr_nonnull(info);
    ck_assert_ptr_eq(at, secret_bytes(pkcs8) + secret_size(pkcs8));

    EVP_PKEY *key = EVP_PKCS82PKEY_ex(info, crypto_context(), NULL);

    ck_assert_ptr_nonnull(key);
    assert_key_number(key, OSSL_PKEY_PARAM_RSA_N, modulus->data, modulus->size);
    assert_key_number(key, OSSL_PKEY_PARAM_RSA_E, (const uint8_t[]){1, 0, 1}, 3);
    assert_key_number(key, OSSL_PKEY_PARAM_RSA_D, secret_bytes(share), secret_size(share));
    assert_key_number(key, OSSL_PKEY_PARAM_RSA_FACTOR1, modulus->data, modulus->size);
    assert_key_number(key, OSSL_PKEY_PARAM_RSA_FACTOR2, &one, 1);
    assert_key_number(key, OSSL_PKEY_PARAM_RSA_EXPONENT1, secret_bytes(share), secret_size(share));
    assert_key_number(key, OSSL_PKEY_PARAM_RSA_EXPONENT2, &one, 1);
    assert_key_number(key, OSSL_PKEY_PARAM_RSA_COEFFICIENT1, &one, 1);
    again = EVP_PKEY2PKCS8(key);
    ck_assert_int_eq(i2d_PKCS8_PRIV_KEY_INFO(again, &encoded), (int)secret_size(pkcs8));
    ck_assert_mem_eq(encoded, secret_bytes(pkcs8), secret_size(pkcs8));
    OPENSSL_free(encoded);
    PKCS8_PRIV_KEY_INFO_free(again);
    PKCS8_PRIV_KEY_INFO_free(info);
    EVP_PKEY_free(key);
}

/* Shares of every shape: how many leading zero bytes, and the first byte after them. */
static const struct {
    size_t size, zeros;
    uint8_t first;
} shapes[] = {
    {256, 0, 0xff},   {256, 0, 0x7f},   {256, 0, 0x80},   {256, 1, 0x80},   {256, 1, 0x01}, {256, 17, 0xc3}, {256, 129, 0x01},
    {256, 128, 0x80}, {256, 127, 0x80}, {256, 255, 0x05}, {256, 255, 0x00}, {384, 0, 0x91}, {512, 0, 0x22},  {512, 256, 0xff},
};

START_TEST(pkcs8_byte_for_byte)
{
    size_t size = shapes[_i].size;
    _cleanup_bytes_ Bytes modulus = {0};
    _cleanup_secret_ Secret *share = NULL, *pkcs8 = NULL;

    ck_assert_int_eq(bytes_new(size, &modulus), 0);
    ck_assert_int_eq(secret_new(size, &share), 0);
    ck_assert_int_eq(crypto_random(modulus.data, size), 0);
    ck_assert_int_eq(crypto_random(secret_data(share), size), 0);
    modulus.data[0] |= 0x80;
    modulus.data[size - 1] |= 1;
    memset(secret_data(share), 0, shapes[_i].zeros);
    secret_data(share)[shapes[_i].zeros] = shapes[_i].first;
    ck_assert_int_eq(keyring_pkcs8_encode(&modulus, share, &pkcs8), 0);
    walk_pkcs8(pkcs8, &modulus, share);
    parse_pkcs8(pkcs8, &modulus, share);
}
END_TEST

START_TEST(pkcs8_refuses_sizes)
{
    _cleanup_secret_ Secret *share = NULL, *large = NULL, *pkcs8 = NULL;
    uint8_t modulus[513] = {0x80};

    ck_assert_int_eq(secret_new(256, &share), 0);
    ck_assert_int_eq(secret_new(513, &large), 0);
    ck_assert_int_eq(keyring_pkcs8_encode(&(Bytes){modulus, 255}, share, &pkcs8), -EINVAL);
    ck_assert_int_eq(keyring_pkcs8_encode(&(Bytes){modulus, 257}, share, &pkcs8), -EINVAL);
    ck_assert_int_eq(keyring_pkcs8_encode(&(Bytes){modulus, 0}, share, &pkcs8), -EINVAL);
    ck_assert_int_eq(keyring_pkcs8_encode(&(Bytes){modulus, 513}, large, &pkcs8), -EINVAL);
    ck_assert_ptr_null(pkcs8);
}
END_TEST

/* ---- Blinding -------------------------------------------------------------------------------------------------------- */

#define BLINDING_SIZE    64
#define BLINDING_THREADS 4
#define BLINDING_TURNS   100

/* An oracle with a known exponent that remembers whether it ever saw the base in the clear. */
typedef struct FakeOracle {
    BIGNUM *modulus, *exponent, *base;
    uint8_t base_bytes[BLINDING_SIZE], expected[BLINDING_SIZE];
    Bytes modulus_bytes;
    Blinding *blinding;
    unsigned calls, seen, fail_at;    /* atomic */
    uint8_t (*inputs)[BLINDING_SIZE]; /* of every call, if wanted */
} FakeOracle;

static void power_of(const FakeOracle *oracle, const uint8_t *base, uint8_t *ret_power)
{
    BN_CTX *ctx = BN_CTX_new();
    BIGNUM *number = BN_bin2bn(base, BLINDING_SIZE, NULL);

    BN_mod_exp(number, number, oracle->exponent, oracle->modulus, ctx);
    BN_bn2binpad(number, ret_power, BLINDING_SIZE);
    BN_free(number);
    BN_CTX_free(ctx);
}

static int fake_oracle(void *userdata, const uint8_t *base, uint8_t *ret_power)
{
    FakeOracle *oracle = userdata;

    if (__atomic_add_fetch(&oracle->calls, 1, __ATOMIC_RELAXED) == oracle->fail_at)
        return KEYRING_E_GONE;
    if (oracle->inputs)
        memcpy(oracle->inputs[oracle->calls - 1], base, BLINDING_SIZE);
    if (memcmp(base, oracle->base_bytes, BLINDING_SIZE) == 0)
        __atomic_add_fetch(&oracle->seen, 1, __ATOMIC_RELAXED);
    power_of(oracle, base, ret_power);
    return 0;
}

static FakeOracle oracle_new(void)
{
    FakeOracle oracle = {.modulus = BN_new(), .exponent = BN_new(), .base = BN_new()};
    BN_CTX *ctx = BN_CTX_new_ex(crypto_context());

    ck_assert_int_eq(BN_generate_prime_ex2(oracle.modulus, 8 * BLINDING_SIZE, 0, NULL, NULL, NULL, ctx), 1);
    ck_assert_int_eq(BN_rand_range_ex(oracle.exponent, oracle.modulus, 0, ctx), 1);
    ck_assert_int_eq(BN_rand_range_ex(oracle.base, oracle.modulus, 0, ctx), 1);
    BN_CTX_free(ctx);
    BN_bn2binpad(oracle.base, oracle.base_bytes, BLINDING_SIZE);
    ck_assert_int_eq(bytes_new(BLINDING_SIZE, &oracle.modulus_bytes), 0);
    BN_bn2binpad(oracle.modulus, oracle.modulus_bytes.data, BLINDING_SIZE);
    power_of(&oracle, oracle.base_bytes, oracle.expected);
    ck_assert_int_eq(blinding_new(&oracle.modulus_bytes, &oracle.blinding), 0);
    return oracle;
}

static void oracle_clear(FakeOracle *oracle)
{
    BN_free(oracle->modulus);
    BN_free(oracle->exponent);
    BN_free(oracle->base);
    bytes_clear(&oracle->modulus_bytes);
    (void)blinding_free(oracle->blinding);
}

#define _cleanup_oracle_ _cleanup_(oracle_clear)

START_TEST(blinding_is_invisible_outside_and_hides_inside)
{
    _cleanup_oracle_ FakeOracle oracle = oracle_new();
    uint8_t power[BLINDING_SIZE];

    for (unsigned turn = 0; turn < BLINDING_TURNS; turn++) {
        memset(power, 0, sizeof(power));
        ck_assert_int_eq(blinding_power(oracle.blinding, fake_oracle, &oracle, oracle.base_bytes, power), 0);
        ck_assert_mem_eq(power, oracle.expected, sizeof(power));
    }
    ck_assert_uint_eq(oracle.seen, 0);
    ck_assert_uint_eq(oracle.calls, BLINDING_TURNS + (BLINDING_TURNS + BLINDING_USES - 1) / BLINDING_USES);
}
END_TEST

/* The same base looks different each time: the pair changes with every use. */
START_TEST(blinding_never_repeats)
{
    static uint8_t inputs[2 * BLINDING_TURNS][BLINDING_SIZE];
    _cleanup_oracle_ FakeOracle oracle = oracle_new();
    uint8_t power[BLINDING_SIZE];

    oracle.inputs = inputs;
    for (unsigned turn = 0; turn < BLINDING_TURNS; turn++)
        ck_assert_int_eq(blinding_power(oracle.blinding, fake_oracle, &oracle, oracle.base_bytes, power), 0);
    for (unsigned i = 0; i < oracle.calls; i++)
        for (unsigned j = 0; j < i; j++)
            ck_assert_mem_ne(inputs[i], inputs[j], BLINDING_SIZE);
}
END_TEST

static void *blinding_thread(void *userdata)
{
    FakeOracle *oracle = userdata;
    uint8_t power[BLINDING_SIZE];

    for (unsigned turn = 0; turn < BLINDING_TURNS; turn++)
        if (blinding_power(oracle->blinding, fake_oracle, oracle, oracle->base_bytes, power) != 0 ||
            memcmp(power, oracle->expected, sizeof(power)) != 0)
            return oracle;
    return NULL;
}

START_TEST(blinding_with_threads)
{
    _cleanup_oracle_ FakeOracle oracle = oracle_new();
    pthread_t threads[BLINDING_THREADS];
    void *failed;

    for (unsigned i = 0; i < BLINDING_THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, blinding_thread, &oracle), 0);
    for (unsigned i = 0; i < BLINDING_THREADS; i++) {
        ck_assert_int_eq(pthread_join(threads[i], &failed), 0);
        ck_assert_ptr_null(failed);
    }
    ck_assert_uint_eq(oracle.seen, 0);
}
END_TEST

/* The oracle fails while the pair is made, and while it is used; the next call is right again. */
START_TEST(blinding_forwards_errors)
{
    _cleanup_oracle_ FakeOracle oracle = oracle_new();
    uint8_t power[BLINDING_SIZE] = {0}, untouched[BLINDING_SIZE] = {0};

    oracle.fail_at = 1 + (unsigned)_i;
    ck_assert_int_eq(blinding_power(oracle.blinding, fake_oracle, &oracle, oracle.base_bytes, power), KEYRING_E_GONE);
    ck_assert_int_eq(blinding_power(oracle.blinding, fake_oracle, &oracle, oracle.modulus_bytes.data, power), -EINVAL);
    ck_assert_mem_eq(power, untouched, sizeof(power));
    ck_assert_int_eq(blinding_power(oracle.blinding, fake_oracle, &oracle, oracle.base_bytes, power), 0);
    ck_assert_mem_eq(power, oracle.expected, sizeof(power));
}
END_TEST

START_TEST(blinding_refuses_an_even_modulus)
{
    uint8_t modulus[BLINDING_SIZE] = {0x80};
    Blinding *blinding = NULL;

    ck_assert_int_eq(blinding_new(&(Bytes){modulus, sizeof(modulus)}, &blinding), -EINVAL);
    ck_assert_ptr_null(blinding);
}
END_TEST

/* ---- Custody ----------------------------------------------------------------------------------------------------------- */

static void write_file(const char *directory, const char *name, const char *text)
{
    char path[256];
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
    file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

START_TEST(parser_tells_the_causes_apart)
{
    char directory[] = "/tmp/test-keyring-XXXXXX", loaded[64], nowhere[64], command[128];

    ck_assert_ptr_nonnull(mkdtemp(directory));
    (void)snprintf(loaded, sizeof(loaded), "%s/pkcs8_key_parser", directory);
    (void)snprintf(nowhere, sizeof(nowhere), "%s/nowhere", directory);
    ck_assert_int_eq(parser_state(nowhere, nowhere), PARSER_HIDDEN);
    write_file(directory, "modules.dep", "kernel/crypto/other.ko.xz:\nkernel/crypto/pkcs8_key_parser_not.ko:\n");
    write_file(directory, "modules.builtin", "kernel/crypto/rsa.ko\n");
    ck_assert_int_eq(parser_state(nowhere, directory), PARSER_ABSENT);
    write_file(directory, "modules.dep", "kernel/crypto/asymmetric_keys/pkcs8_key_parser.ko.xz: kernel/lib/asn1.ko\n");
    ck_assert_int_eq(parser_state(nowhere, directory), PARSER_ON_DISK);
    write_file(directory, "modules.builtin", "kernel/crypto/asymmetric_keys/pkcs8_key_parser.ko\n");
    ck_assert_int_eq(parser_state(nowhere, directory), PARSER_LOADED);
    ck_assert_int_eq(mkdir(loaded, 0700), 0);
    ck_assert_int_eq(parser_state(directory, nowhere), PARSER_LOADED);
    (void)snprintf(command, sizeof(command), "rm -r %s", directory);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

/* The share of node 2 in the ring of this process, which is node and loader in one. */
typedef struct Loaded {
    KeySerial ring;
    ThresholdKey *key;
    KeyId id;
    KeyringShare *share;
} Loaded;

static Loaded load(CustodyKind custody)
{
    _cleanup_secret_ Secret *secret = fixture_share(&rsa2048_3_of_5, 2);
    Loaded loaded = {.key = fixture_key(&rsa2048_3_of_5), .id.bytes = {0xab, 1, 2}};
    Problem problem = PROBLEM_INIT;

    ck_assert_msg(keyring_ring_new(SEPARATION_NONE, &loaded.ring, &problem) == 0, "%s", problem.text);
    ck_assert_msg(keyring_insert(loaded.ring, SEPARATION_NONE, custody, &loaded.id, 2, loaded.key, secret, &problem) == 0, "%s",
                  problem.text);
    ck_assert_msg(keyring_share_find(loaded.ring, custody, &loaded.id, loaded.key, &loaded.share, &problem) == 0, "%s", problem.text);
    return loaded;
}

static void loaded_clear(Loaded *loaded)
{
    (void)keyring_share_free(loaded->share);
    (void)threshold_key_free(loaded->key);
}

#define _cleanup_loaded_ _cleanup_(loaded_clear)

static void assert_power(const Loaded *loaded)
{
    _cleanup_secret_ Secret *secret = fixture_share(&rsa2048_3_of_5, 2);
    uint8_t base[THRESHOLD_PARTIAL_SIZE_MAX], power[THRESHOLD_PARTIAL_SIZE_MAX], expected[THRESHOLD_PARTIAL_SIZE_MAX];
    Problem problem = PROBLEM_INIT;

    fixture_base(&rsa2048_3_of_5, base);
    ck_assert_int_eq(threshold_key_power(loaded->key, secret, base, expected), 0);
    ck_assert_msg(keyring_share_power(loaded->share, base, power, &problem) == 0, "%s", problem.text);
    ck_assert_mem_eq(power, expected, 256);
}

static void assert_whole_life(CustodyKind custody)
{
    _cleanup_loaded_ Loaded loaded = load(custody);
    uint8_t base[THRESHOLD_PARTIAL_SIZE_MAX], power[THRESHOLD_PARTIAL_SIZE_MAX];
    KeyringShare *again = NULL;
    Problem problem = PROBLEM_INIT;

    for (unsigned i = 0; i < 2; i++)
        assert_power(&loaded);
    ck_assert_int_eq(keyring_share_remove(loaded.ring, custody, &loaded.id), 0);
    fixture_base(&rsa2048_3_of_5, base);
    ck_assert_int_eq(keyring_share_power(loaded.share, base, power, &problem), KEYRING_E_GONE);
    ck_assert_str_ne(problem.text, "");
    ck_assert_int_eq(keyring_share_find(loaded.ring, custody, &loaded.id, loaded.key, &again, &problem), KEYRING_E_GONE);
    ck_assert_int_eq(keyring_share_remove(loaded.ring, custody, &loaded.id), KEYRING_E_GONE);
}

/* Where the kernel can do it, it is tried; where not, it says what is missing. */
START_TEST(custody_kernel)
{
    Problem problem = PROBLEM_INIT;
    int r = keyring_custody_check(CUSTODY_KERNEL, &problem);

    if (r == 0) {
        assert_whole_life(CUSTODY_KERNEL);
        return;
    }
    ck_assert_int_eq(r, KEYRING_E_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(problem.text, "pkcs8_key_parser"));
    skip_test("%s", problem.text);
}
END_TEST

START_TEST(custody_keyring)
{
    Problem problem = PROBLEM_INIT;

    ck_assert_msg(keyring_custody_check(CUSTODY_KEYRING, &problem) == 0, "%s", problem.text);
    assert_whole_life(CUSTODY_KEYRING);
}
END_TEST

START_TEST(custody_unknown)
{
    ck_assert_int_eq(keyring_custody_check(CUSTODY_INVALID, NULL), -EINVAL);
}
END_TEST

/* A share in one custody is not found in the other: no silent change. */
START_TEST(custody_is_not_mixed_up)
{
    _cleanup_loaded_ Loaded loaded = load(CUSTODY_KEYRING);
    KeyringShare *share = NULL;

    ck_assert_int_eq(keyring_share_find(loaded.ring, CUSTODY_KERNEL, &loaded.id, loaded.key, &share, NULL), KEYRING_E_GONE);
    ck_assert_int_eq(keyring_share_remove(loaded.ring, CUSTODY_KERNEL, &loaded.id), KEYRING_E_GONE);
    assert_power(&loaded);
}
END_TEST

START_TEST(insert_after_remove)
{
    _cleanup_loaded_ Loaded loaded = load(CUSTODY_KEYRING);
    _cleanup_secret_ Secret *secret = fixture_share(&rsa2048_3_of_5, 2);

    ck_assert_int_eq(keyring_share_remove(loaded.ring, CUSTODY_KEYRING, &loaded.id), 0);
    ck_assert_int_eq(keyring_insert(loaded.ring, SEPARATION_NONE, CUSTODY_KEYRING, &loaded.id, 2, loaded.key, secret, NULL), 0);
    loaded.share = keyring_share_free(loaded.share);
    ck_assert_int_eq(keyring_share_find(loaded.ring, CUSTODY_KEYRING, &loaded.id, loaded.key, &loaded.share, NULL), 0);
    assert_power(&loaded);
}
END_TEST

START_TEST(pair_equals_two_single_ones)
{
    _cleanup_loaded_ Loaded loaded = load(CUSTODY_KEYRING);
    uint8_t bases[2][THRESHOLD_PARTIAL_SIZE_MAX], powers[2][THRESHOLD_PARTIAL_SIZE_MAX], expected[THRESHOLD_PARTIAL_SIZE_MAX];
    KeyringShare *const shares[2] = {loaded.share, loaded.share};

    for (unsigned i = 0; i < 2; i++) {
        fixture_base(&rsa2048_3_of_5, bases[i]);
        bases[i][100] = (uint8_t)i;
    }
    printf("# a pair is %s\n", keyring_share_pair_is_faster(loaded.share, loaded.share) ? "faster" : "not faster");
    ck_assert_int_eq(keyring_share_power_pair(shares, (const uint8_t *[]){bases[0], bases[1]}, (uint8_t *[]){powers[0], powers[1]}, NULL),
                     0);
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_int_eq(keyring_share_power(loaded.share, bases[i], expected, NULL), 0);
        ck_assert_mem_eq(powers[i], expected, 256);
    }
}
END_TEST

static void *power_thread(void *userdata)
{
    for (unsigned i = 0; i < 10; i++)
        assert_power(userdata);
    return NULL;
}

START_TEST(power_with_threads)
{
    _cleanup_loaded_ Loaded loaded = load(CUSTODY_KEYRING);
    pthread_t threads[3];

    for (size_t i = 0; i < ELEMENTS(threads); i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, power_thread, &loaded), 0);
    for (size_t i = 0; i < ELEMENTS(threads); i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
}
END_TEST

START_TEST(forked_child_cannot_use_the_share)
{
    _cleanup_loaded_ Loaded loaded = load(CUSTODY_KEYRING);
    pid_t child = fork();
    int status;

    if (child == 0) {
        uint8_t base[THRESHOLD_PARTIAL_SIZE_MAX], power[THRESHOLD_PARTIAL_SIZE_MAX];
        KeyringShare *found = NULL;
        long serial = keyctl_search(loaded.ring, "user", "anything", 0);

        fixture_base(&rsa2048_3_of_5, base);
        ck_assert_int_eq(keyring_share_power(loaded.share, base, power, NULL), KEYRING_E_GONE);
        ck_assert_int_eq(keyring_share_find(loaded.ring, CUSTODY_KEYRING, &loaded.id, loaded.key, &found, NULL), KEYRING_E_FORBIDDEN);
        ck_assert_int_eq(serial, -1);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    assert_power(&loaded);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_loop_test(cases, pkcs8_byte_for_byte, 0, ELEMENTS(shapes));
    tcase_add_test(cases, pkcs8_refuses_sizes);
    tcase_add_test(cases, blinding_is_invisible_outside_and_hides_inside);
    tcase_add_test(cases, blinding_never_repeats);
    tcase_add_test(cases, blinding_with_threads);
    tcase_add_loop_test(cases, blinding_forwards_errors, 0, 2);
    tcase_add_test(cases, blinding_refuses_an_even_modulus);
    tcase_add_test(cases, parser_tells_the_causes_apart);
    tcase_add_test(cases, custody_kernel);
    tcase_add_test(cases, custody_keyring);
    tcase_add_test(cases, custody_unknown);
    tcase_add_test(cases, custody_is_not_mixed_up);
    tcase_add_test(cases, insert_after_remove);
    tcase_add_test(cases, pair_equals_two_single_ones);
    tcase_add_test(cases, power_with_threads);
    tcase_add_test(cases, forked_child_cannot_use_the_share);
}

UNIT_MAIN("keyring", add_tests)
