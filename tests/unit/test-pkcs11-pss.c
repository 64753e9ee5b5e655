/* RSA-PSS in the PKCS#11 module over a fake quorum, cross-checked with OpenSSL both ways. */
#include <openssl/rsa.h>

#include "base/crypto.h"
#include "pkcs11-fixture.h"

#define SIZE 256 /* bytes of a signature */

#define PSS(mechanism_, hash_, mgf_, salt_) (&(CK_MECHANISM){mechanism_, &(CK_RSA_PKCS_PSS_PARAMS){hash_, mgf_, salt_}, PARAMETERS_SIZE})
#define PARAMETERS_SIZE                     sizeof(CK_RSA_PKCS_PSS_PARAMS)

static CK_BYTE message[] = "example. 3600 IN SOA ns.example. hostmaster.example. 1 2 3 4 5";

static const struct {
    CK_MECHANISM_TYPE mechanism, digest;
    CK_ULONG mgf;
    const char *name;
    CK_ULONG size;
} hashes[] = {
    {CKM_SHA1_RSA_PKCS_PSS, CKM_SHA_1, CKG_MGF1_SHA1, "SHA1", 20},
    {CKM_SHA256_RSA_PKCS_PSS, CKM_SHA256, CKG_MGF1_SHA256, "SHA256", 32},
    {CKM_SHA384_RSA_PKCS_PSS, CKM_SHA384, CKG_MGF1_SHA384, "SHA384", 48},
    {CKM_SHA512_RSA_PKCS_PSS, CKM_SHA512, CKG_MGF1_SHA512, "SHA512", 64},
};

static EVP_MD_CTX *start_openssl(int (*init)(EVP_MD_CTX *, EVP_PKEY_CTX **, const char *, OSSL_LIB_CTX *, const char *, EVP_PKEY *,
                                             const OSSL_PARAM *),
                                 const char *hash, CK_ULONG salt_size)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *of_key;

    ck_assert_int_eq(init(ctx, &of_key, hash, NULL, NULL, fake_key(), NULL), 1);
    ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_padding(of_key, RSA_PKCS1_PSS_PADDING), 1);
    ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_pss_saltlen(of_key, (int)salt_size), 1);
    return ctx;
}

static bool openssl_accepts(const char *hash, CK_ULONG salt_size, const CK_BYTE *signature)
{
    EVP_MD_CTX *ctx = start_openssl(EVP_DigestVerifyInit_ex, hash, salt_size);
    int r = EVP_DigestVerify(ctx, signature, SIZE, message, sizeof(message));

    EVP_MD_CTX_free(ctx);
    return r == 1;
}

static void openssl_signs(const char *hash, CK_ULONG salt_size, CK_BYTE ret_signature[SIZE])
{
    EVP_MD_CTX *ctx = start_openssl(EVP_DigestSignInit_ex, hash, salt_size);
    size_t size = SIZE;

    ck_assert_int_eq(EVP_DigestSign(ctx, ret_signature, &size, message, sizeof(message)), 1);
    EVP_MD_CTX_free(ctx);
}

typedef struct Keys {
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE public_key, private_key;
} Keys;

static Keys start_with_key(bool sha1)
{
    Keys keys;

    fake.roster.allow_sha1 = sha1;
    keys.session = start(true);
    fake_add_key("zone", "1");
    keys.public_key = find_one(keys.session, CKO_PUBLIC_KEY);
    keys.private_key = find_one(keys.session, CKO_PRIVATE_KEY);
    return keys;
}

static CK_RV sign(const Keys *keys, CK_MECHANISM *mechanism, const void *data, CK_ULONG data_size, CK_BYTE signature[SIZE])
{
    CK_ULONG size = SIZE;
    CK_RV rv = C_SignInit(keys->session, mechanism, keys->private_key);

    return rv == CKR_OK ? C_Sign(keys->session, (CK_BYTE *)(uintptr_t)data, data_size, signature, &size) : rv;
}

static CK_RV verify(const Keys *keys, CK_MECHANISM *mechanism, const void *data, CK_ULONG data_size, const CK_BYTE *signature)
{
    CK_RV rv = C_VerifyInit(keys->session, mechanism, keys->public_key);

    return rv == CKR_OK ? C_Verify(keys->session, (CK_BYTE *)(uintptr_t)data, data_size, (CK_BYTE *)(uintptr_t)signature, SIZE) : rv;
}

static void check_both_ways(const Keys *keys, size_t hash, CK_ULONG salt_size)
{
    CK_MECHANISM *whole = PSS(hashes[hash].mechanism, hashes[hash].digest, hashes[hash].mgf, salt_size);
    CK_MECHANISM *hashed = PSS(CKM_RSA_PKCS_PSS, hashes[hash].digest, hashes[hash].mgf, salt_size);
    CK_BYTE signature[SIZE], digest[64];
    CK_ULONG size = SIZE;

    ck_assert_int_eq(EVP_Digest(message, sizeof(message), digest, NULL, EVP_get_digestbyname(hashes[hash].name), NULL), 1);
    ck_assert_rv(sign(keys, whole, message, sizeof(message), signature), CKR_OK);
    ck_assert(openssl_accepts(hashes[hash].name, salt_size, signature));
    ck_assert_rv(sign(keys, hashed, digest, hashes[hash].size, signature), CKR_OK);
    ck_assert(openssl_accepts(hashes[hash].name, salt_size, signature));

    ck_assert_rv(C_SignInit(keys->session, whole, keys->private_key), CKR_OK);
    ck_assert_rv(C_SignUpdate(keys->session, message, 10), CKR_OK);
    ck_assert_rv(C_SignUpdate(keys->session, message + 10, sizeof(message) - 10), CKR_OK);
    ck_assert_rv(C_SignFinal(keys->session, signature, &size), CKR_OK);
    ck_assert(openssl_accepts(hashes[hash].name, salt_size, signature));
    ck_assert_rv(C_SignInit(keys->session, hashed, keys->private_key), CKR_OK);
    ck_assert_rv(C_SignUpdate(keys->session, digest, 7), CKR_OK);
    ck_assert_rv(C_SignUpdate(keys->session, digest + 7, hashes[hash].size - 7), CKR_OK);
    ck_assert_rv(C_SignFinal(keys->session, signature, &size), CKR_OK);
    ck_assert(openssl_accepts(hashes[hash].name, salt_size, signature));

    openssl_signs(hashes[hash].name, salt_size, signature);
    ck_assert_rv(verify(keys, whole, message, sizeof(message), signature), CKR_OK);
    ck_assert_rv(verify(keys, hashed, digest, hashes[hash].size, signature), CKR_OK);
    ck_assert_rv(C_VerifyInit(keys->session, whole, keys->public_key), CKR_OK);
    ck_assert_rv(C_VerifyUpdate(keys->session, message, 1), CKR_OK);
    ck_assert_rv(C_VerifyUpdate(keys->session, message + 1, sizeof(message) - 1), CKR_OK);
    ck_assert_rv(C_VerifyFinal(keys->session, signature, SIZE), CKR_OK);
}

START_TEST(signs_and_verifies_as_openssl)
{
    Keys keys = start_with_key(true);
    CK_ULONG own = hashes[_i].size;

    check_both_ways(&keys, (size_t)_i, 0);
    check_both_ways(&keys, (size_t)_i, 1);
    check_both_ways(&keys, (size_t)_i, own);
    check_both_ways(&keys, (size_t)_i, SIZE - own - 2); /* the longest */
}
END_TEST

START_TEST(salts_are_fresh)
{
    Keys keys = start_with_key(false);
    CK_MECHANISM *mechanism = PSS(CKM_SHA256_RSA_PKCS_PSS, CKM_SHA256, CKG_MGF1_SHA256, 32);
    CK_BYTE first[SIZE], second[SIZE];

    ck_assert_rv(sign(&keys, mechanism, message, sizeof(message), first), CKR_OK);
    ck_assert_rv(sign(&keys, mechanism, message, sizeof(message), second), CKR_OK);
    ck_assert_mem_ne(first, second, SIZE);
}
END_TEST

START_TEST(parameters_have_to_fit)
{
    CK_RSA_PKCS_PSS_PARAMS good = {CKM_SHA256, CKG_MGF1_SHA256, 32};
    CK_MECHANISM *const wrong[] = {
        &(CK_MECHANISM){CKM_SHA256_RSA_PKCS_PSS, NULL, 0},
        &(CK_MECHANISM){CKM_SHA256_RSA_PKCS_PSS, NULL, sizeof(good)},
        &(CK_MECHANISM){CKM_SHA256_RSA_PKCS_PSS, &good, sizeof(good) - 1},
        &(CK_MECHANISM){CKM_SHA256_RSA_PKCS_PSS, &good, sizeof(good) + 1},
        &(CK_MECHANISM){CKM_RSA_PKCS_PSS, NULL, 0},
        PSS(CKM_SHA512_RSA_PKCS_PSS, CKM_SHA256, CKG_MGF1_SHA256, 32),       /* another hash than the mechanism's */
        PSS(CKM_SHA256_RSA_PKCS_PSS, CKM_SHA256, CKG_MGF1_SHA1, 32),         /* another hash in MGF1 */
        PSS(CKM_RSA_PKCS_PSS, CKM_SHA256, CKG_MGF1_SHA512, 32),              /* the same */
        PSS(CKM_RSA_PKCS_PSS, CKM_SHA256_RSA_PKCS, CKG_MGF1_SHA256, 32),     /* no hash */
        PSS(CKM_RSA_PKCS_PSS, CKM_MD5, CKG_MGF1_SHA1, 16),                   /* none that we have */
        PSS(CKM_RSA_PKCS_PSS, CKM_SHA256, 0, 32),                            /* no mask */
        PSS(CKM_RSA_PKCS_PSS, CKM_SHA256, CKG_MGF1_SHA256, SIZE - 32 - 1),   /* a byte too long */
        PSS(CKM_RSA_PKCS_PSS, CKM_SHA256, CKG_MGF1_SHA256, 491),             /* too long for any key */
        PSS(CKM_SHA256_RSA_PKCS_PSS, CKM_SHA256, CKG_MGF1_SHA256, ~0UL),     /* so long that sums wrap */
        PSS(CKM_SHA256_RSA_PKCS_PSS, CKM_SHA256, CKG_MGF1_SHA256, ~0UL / 8), /* and products */
    };
    Keys keys = start_with_key(false);

    for (size_t i = 0; i < ELEMENTS(wrong); i++) {
        CK_RV signs = C_SignInit(keys.session, wrong[i], keys.private_key);
        CK_RV verifies = C_VerifyInit(keys.session, wrong[i], keys.public_key);

        ck_assert_msg(signs == CKR_MECHANISM_PARAM_INVALID, "case %zu: C_SignInit: 0x%lx", i, signs);
        ck_assert_msg(verifies == CKR_MECHANISM_PARAM_INVALID, "case %zu: C_VerifyInit: 0x%lx", i, verifies);
    }
    ck_assert_rv(C_SignUpdate(keys.session, message, 1), CKR_OPERATION_NOT_INITIALIZED); /* none of them began anything */
    ck_assert_uint_eq(fake.signatures, 0);
}
END_TEST

START_TEST(digests_have_their_length)
{
    Keys keys = start_with_key(false);
    CK_MECHANISM *mechanism = PSS(CKM_RSA_PKCS_PSS, CKM_SHA256, CKG_MGF1_SHA256, 32);
    CK_BYTE data[2000] = {0}, signature[SIZE];
    static const CK_ULONG lengths[] = {0, 31, 33, 51, SIZE, sizeof(data)};

    for (size_t i = 0; i < ELEMENTS(lengths); i++) {
        ck_assert_rv(sign(&keys, mechanism, data, lengths[i], signature), CKR_DATA_LEN_RANGE);
        memset(signature, 0, SIZE);
        ck_assert_rv(verify(&keys, mechanism, data, lengths[i], signature), CKR_DATA_LEN_RANGE);
    }
    ck_assert_uint_eq(fake.signatures, 0);
}
END_TEST

START_TEST(sha1_only_where_allowed)
{
    Keys keys = start_with_key(false);
    CK_MECHANISM *hashed = PSS(CKM_RSA_PKCS_PSS, CKM_SHA_1, CKG_MGF1_SHA1, 20);
    CK_MECHANISM *whole = PSS(CKM_SHA1_RSA_PKCS_PSS, CKM_SHA_1, CKG_MGF1_SHA1, 20);
    CK_BYTE digest[20], signature[SIZE];

    ck_assert_rv(C_SignInit(keys.session, hashed, keys.private_key), CKR_MECHANISM_PARAM_INVALID);
    ck_assert_rv(C_SignInit(keys.session, whole, keys.private_key), CKR_MECHANISM_INVALID);
    ck_assert_rv(C_VerifyInit(keys.session, whole, keys.public_key), CKR_MECHANISM_INVALID);
    ck_assert_rv(C_GetMechanismInfo(0, CKM_SHA1_RSA_PKCS_PSS, &(CK_MECHANISM_INFO){0}), CKR_MECHANISM_INVALID);
    openssl_signs("SHA1", 20, signature); /* what was signed elsewhere was signed */
    ck_assert_int_eq(EVP_Digest(message, sizeof(message), digest, NULL, EVP_sha1(), NULL), 1);
    ck_assert_rv(verify(&keys, hashed, digest, sizeof(digest), signature), CKR_OK);
}
END_TEST

/* The private operation over bytes as they are. */
static void sign_raw(const CK_BYTE encoded[SIZE], CK_BYTE ret_signature[SIZE])
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, fake_key(), NULL);
    size_t size = SIZE;

    ck_assert_int_eq(EVP_PKEY_sign_init(ctx), 1);
    ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING), 1);
    ck_assert_int_eq(EVP_PKEY_sign(ctx, ret_signature, &size, encoded, SIZE), 1);
    EVP_PKEY_CTX_free(ctx);
}

static bool below_modulus(const CK_BYTE encoded[SIZE])
{
    BIGNUM *n = NULL;
    CK_BYTE modulus[SIZE];

    ck_assert_int_eq(EVP_PKEY_get_bn_param(fake_key(), "n", &n), 1);
    ck_assert_int_eq(BN_bn2binpad(n, modulus, SIZE), SIZE);
    BN_free(n);
    return memcmp(encoded, modulus, SIZE) < 0;
}

static const struct {
    const char *what;
    unsigned at;
    CK_BYTE flip;
} forgeries[] = {
    {"nothing is wrong", 0, 0x00},
    {"the bit in front is set", 0, 0x80},
    {"padding that is not zero", 1, 0x01},
    {"the 0x01 before the salt is missing", SIZE - 32 - 1 - 32 - 1, 0x01},
    {"another salt under the same hash", SIZE - 32 - 1 - 1, 0x01},
    {"another hash", SIZE - 2, 0x01},
    {"another trailer: 0xbd", SIZE - 1, 0x01},
    {"another trailer: 0xcc", SIZE - 1, 0xbc ^ 0xcc},
};

/* Encodings that are wrong in one place, under good signatures of them. */
START_TEST(wrong_encodings_do_not_verify)
{
    Keys keys = start_with_key(false);
    CK_MECHANISM *mechanism = PSS(CKM_RSA_PKCS_PSS, CKM_SHA256, CKG_MGF1_SHA256, 32);
    CK_BYTE digest[32], encoded[SIZE], signature[SIZE];
    Digest salted;

    ck_assert_int_eq(EVP_Digest(message, sizeof(message), digest, NULL, EVP_sha256(), NULL), 1);
    ck_assert_int_eq(digest_set(HASH_SHA256, digest, 32, &salted), 0);
    ck_assert_int_eq(digest_set_pss(&salted, "0123456789abcdef0123456789abcdef", 32), 0);
    for (size_t i = 0; i < ELEMENTS(forgeries); i++) {
        CK_RV rv;

        ck_assert_int_eq(digest_encode(&salted, 8 * SIZE, encoded), 0);
        encoded[forgeries[i].at] ^= forgeries[i].flip;
        if (!below_modulus(encoded)) /* only the bit in front can do that; OpenSSL's keys begin with 0xc0 at least */
            encoded[0] = 0x80;
        sign_raw(encoded, signature);
        rv = verify(&keys, mechanism, digest, 32, signature);
        ck_assert_msg(rv == (i == 0 ? CKR_OK : CKR_SIGNATURE_INVALID), "%s: 0x%lx", forgeries[i].what, rv);
    }
}
END_TEST

START_TEST(wrong_signatures_do_not_verify)
{
    static const CK_ULONG salts[] = {0, 31, 33, SIZE - 32 - 2};
    Keys keys = start_with_key(true);
    CK_MECHANISM *mechanism = PSS(CKM_SHA256_RSA_PKCS_PSS, CKM_SHA256, CKG_MGF1_SHA256, 32);
    CK_BYTE signature[SIZE], other[SIZE];

    openssl_signs("SHA256", 32, signature);
    ck_assert_rv(verify(&keys, mechanism, message, sizeof(message) - 1, signature), CKR_SIGNATURE_INVALID);
    for (size_t i = 0; i < ELEMENTS(salts); i++) /* another length of salt than the signer's */
        ck_assert_rv(
            verify(&keys, PSS(CKM_SHA256_RSA_PKCS_PSS, CKM_SHA256, CKG_MGF1_SHA256, salts[i]), message, sizeof(message), signature),
            CKR_SIGNATURE_INVALID);
    ck_assert_rv(verify(&keys, PSS(CKM_SHA1_RSA_PKCS_PSS, CKM_SHA_1, CKG_MGF1_SHA1, 32), message, sizeof(message), signature),
                 CKR_SIGNATURE_INVALID);
    ck_assert_rv(verify(&keys, RSA_MECHANISM(CKM_SHA256_RSA_PKCS), message, sizeof(message), signature), CKR_SIGNATURE_INVALID);
    ck_assert_rv(sign(&keys, RSA_MECHANISM(CKM_SHA256_RSA_PKCS), message, sizeof(message), other), CKR_OK);
    ck_assert_rv(verify(&keys, mechanism, message, sizeof(message), other), CKR_SIGNATURE_INVALID);
    for (size_t at = 0; at < SIZE; at += 17) {
        memcpy(other, signature, SIZE);
        other[at] ^= 1;
        ck_assert_rv(verify(&keys, mechanism, message, sizeof(message), other), CKR_SIGNATURE_INVALID);
    }
    memset(other, 0, SIZE);
    ck_assert_rv(verify(&keys, mechanism, message, sizeof(message), other), CKR_SIGNATURE_INVALID);
    memset(other, 0xff, SIZE);
    ck_assert_rv(verify(&keys, mechanism, message, sizeof(message), other), CKR_SIGNATURE_INVALID);
    ck_assert_rv(C_VerifyInit(keys.session, mechanism, keys.public_key), CKR_OK);
    ck_assert_rv(C_Verify(keys.session, message, sizeof(message), signature, SIZE - 1), CKR_SIGNATURE_LEN_RANGE);
}
END_TEST

/* A key of 521 bits, whose encoding is a byte shorter than its modulus, and which has no room for SHA-512. */
START_TEST(small_keys_that_were_brought)
{
    Keys keys = start_with_key(false);
    EVP_PKEY *small = EVP_RSA_gen(521);
    CK_BYTE modulus[66], signature[66];
    CK_ATTRIBUTE attributes[] = {A_ULONG(CKA_CLASS, CKO_PUBLIC_KEY),
                                 A_ULONG(CKA_KEY_TYPE, CKK_RSA),
                                 A_TEXT(CKA_PUBLIC_EXPONENT, "\x01\x00\x01"),
                                 {CKA_MODULUS, modulus, sizeof(modulus)}};
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *of_key;
    size_t size = sizeof(signature);
    BIGNUM *n = NULL;

    ck_assert_int_eq(EVP_PKEY_get_bn_param(small, "n", &n), 1);
    ck_assert_int_eq(BN_bn2binpad(n, modulus, sizeof(modulus)), sizeof(modulus));
    ck_assert_rv(C_CreateObject(keys.session, attributes, 4, &keys.public_key), CKR_OK);
    ck_assert_int_eq(EVP_DigestSignInit_ex(ctx, &of_key, "SHA256", NULL, NULL, small, NULL), 1);
    ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_padding(of_key, RSA_PKCS1_PSS_PADDING), 1);
    ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_pss_saltlen(of_key, 31), 1); /* the longest: emLen is 65 */
    ck_assert_int_eq(EVP_DigestSign(ctx, signature, &size, message, sizeof(message)), 1);
    ck_assert_rv(C_VerifyInit(keys.session, PSS(CKM_SHA256_RSA_PKCS_PSS, CKM_SHA256, CKG_MGF1_SHA256, 31), keys.public_key), CKR_OK);
    ck_assert_rv(C_Verify(keys.session, message, sizeof(message), signature, size), CKR_OK);
    ck_assert_rv(C_VerifyInit(keys.session, PSS(CKM_SHA256_RSA_PKCS_PSS, CKM_SHA256, CKG_MGF1_SHA256, 32), keys.public_key),
                 CKR_MECHANISM_PARAM_INVALID);
    ck_assert_rv(C_VerifyInit(keys.session, PSS(CKM_SHA512_RSA_PKCS_PSS, CKM_SHA512, CKG_MGF1_SHA512, 0), keys.public_key),
                 CKR_KEY_SIZE_RANGE);
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(small);
    BN_free(n);
}
END_TEST

START_TEST(keys_say_that_they_may)
{
    Keys keys = start_with_key(false);
    CK_MECHANISM_TYPE types[32];
    CK_ATTRIBUTE allowed = {CKA_ALLOWED_MECHANISMS, types, sizeof(types)};
    unsigned found = 0;

    ck_assert_rv(C_GetAttributeValue(keys.session, keys.private_key, &allowed, 1), CKR_OK);
    for (size_t i = 0; i < allowed.ulValueLen / sizeof(types[0]); i++)
        found += types[i] == CKM_RSA_PKCS_PSS || types[i] == CKM_SHA256_RSA_PKCS_PSS;
    ck_assert_uint_eq(found, 2);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_unchecked_fixture(cases, make_key, NULL);
    tcase_add_checked_fixture(cases, reset, NULL);
    tcase_add_loop_test(cases, signs_and_verifies_as_openssl, 0, ELEMENTS(hashes));
    tcase_add_test(cases, salts_are_fresh);
    tcase_add_test(cases, parameters_have_to_fit);
    tcase_add_test(cases, digests_have_their_length);
    tcase_add_test(cases, sha1_only_where_allowed);
    tcase_add_test(cases, wrong_encodings_do_not_verify);
    tcase_add_test(cases, wrong_signatures_do_not_verify);
    tcase_add_test(cases, small_keys_that_were_brought);
    tcase_add_test(cases, keys_say_that_they_may);
}

UNIT_MAIN("pkcs11-pss", add_tests)
