/* The PKCS#11 module over a fake quorum: Ed25519 keys (PKCS#11 3.0 Current Mechanisms, §2.3), cross-checked with OpenSSL. */
#include <openssl/x509.h>

#include "pkcs11-fixture.h"

#define SIZE             64 /* bytes of a signature */
#define SIZE_MAX_MESSAGE (64 * 1024)

#define OID "\x06\x03\x2b\x65\x70"
#define NAME                                                                                                                               \
    "\x13\x0c"                                                                                                                             \
    "edwards25519"
#define HEADER "\x04\x20"

/* As CK_EDDSA_PARAMS. */
typedef struct Parameters {
    CK_BBOOL prehash;
    CK_ULONG context_size;
    const void *context;
} Parameters;

static CK_MECHANISM eddsa = {.mechanism = CKM_EDDSA};
static CK_BYTE message[] = "example. 3600 IN SOA ns.example. hostmaster.example. 1 2 3 4 5";

typedef struct Keys {
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE public_key, private_key;
} Keys;

static Keys start_with_key(void)
{
    Keys keys = {.session = start(true)};

    fake_add_ed25519_key("zone", "1");
    keys.public_key = find_one(keys.session, CKO_PUBLIC_KEY);
    keys.private_key = find_one(keys.session, CKO_PRIVATE_KEY);
    return keys;
}

static CK_OBJECT_HANDLE find_one_of(CK_SESSION_HANDLE session, CK_OBJECT_CLASS class, CK_KEY_TYPE type)
{
    CK_ATTRIBUTE attributes[] = {A_ULONG(CKA_CLASS, class), A_ULONG(CKA_KEY_TYPE, type)};
    CK_OBJECT_HANDLE found[16];

    ck_assert_uint_eq(find(session, attributes, 2, found), 1);
    return found[0];
}

static bool openssl_accepts(const void *text, size_t text_size, const CK_BYTE *signature)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    int r = EVP_DigestVerifyInit_ex(ctx, NULL, NULL, NULL, NULL, fake_ed25519_key(), NULL);

    if (r == 1)
        r = EVP_DigestVerify(ctx, signature, SIZE, text, text_size);
    EVP_MD_CTX_free(ctx);
    return r == 1;
}

static void read_point(CK_BYTE ret_point[34])
{
    size_t size = 32;

    memcpy(ret_point, HEADER, 2);
    ck_assert_int_eq(EVP_PKEY_get_raw_public_key(fake_ed25519_key(), ret_point + 2, &size), 1);
}

/* ---- Objects ---- */

/* New shares are a new key for the nodes, and nothing new for applications. */
START_TEST(a_refresh_goes_unnoticed)
{
    Keys keys = start_with_key();
    CK_OBJECT_HANDLE found[16];
    CK_BYTE name[128], signature[SIZE];
    CK_ULONG name_size = sizeof(name), size = SIZE;

    ck_assert_rv(get(keys.session, keys.private_key, CKA_UNIQUE_ID, name, &name_size), CKR_OK);
    fake_add_key("rsa", "2");
    fake_refresh_key("zone");
    ck_assert_uint_eq(find_one_of(keys.session, CKO_PRIVATE_KEY, CKK_EC_EDWARDS), keys.private_key);
    ck_assert_uint_eq(find_one_of(keys.session, CKO_PUBLIC_KEY, CKK_EC_EDWARDS), keys.public_key);
    assert_bytes(keys.session, keys.private_key, CKA_UNIQUE_ID, name, name_size);
    ck_assert_rv(C_SignInit(keys.session, &eddsa, keys.private_key), CKR_OK);
    ck_assert_rv(C_Sign(keys.session, message, sizeof(message), signature, &size), CKR_OK);
    ck_assert(openssl_accepts(message, sizeof(message), signature));
    fake_remove_key("zone");
    fake_add_key("another", "3");
    ck_assert_uint_eq(find(keys.session, NULL, 0, found), 4);
    ck_assert_rv(get(keys.session, keys.private_key, CKA_UNIQUE_ID, name, &(CK_ULONG){sizeof(name)}), CKR_OBJECT_HANDLE_INVALID);
}
END_TEST

START_TEST(attributes_tell_the_truth)
{
    static const CK_ATTRIBUTE_TYPE of_rsa[] = {CKA_MODULUS, CKA_PUBLIC_EXPONENT, CKA_MODULUS_BITS, CKA_PRIVATE_EXPONENT, CKA_PRIME_1};
    Keys keys = start_with_key();
    CK_OBJECT_HANDLE both[] = {keys.public_key, keys.private_key};
    CK_BYTE point[34], *info = NULL, value[1024];
    int info_size = i2d_PUBKEY(fake_ed25519_key(), &info);

    read_point(point);
    for (size_t i = 0; i < ELEMENTS(both); i++) {
        assert_ulong(keys.session, both[i], CKA_KEY_TYPE, CKK_EC_EDWARDS);
        assert_text(keys.session, both[i], CKA_EC_PARAMS, OID);
        assert_bytes(keys.session, both[i], CKA_EC_POINT, point, sizeof(point));
        assert_bytes(keys.session, both[i], CKA_PUBLIC_KEY_INFO, info, (CK_ULONG)info_size);
        assert_ulong(keys.session, both[i], CKA_KEY_GEN_MECHANISM, CKM_EC_EDWARDS_KEY_PAIR_GEN);
        assert_ulong(keys.session, both[i], CKA_ALLOWED_MECHANISMS, CKM_EDDSA);
        assert_bool(keys.session, both[i], CKA_LOCAL, CK_TRUE);
        assert_bool(keys.session, both[i], CKA_DERIVE, CK_FALSE);
        for (size_t j = 0; j < ELEMENTS(of_rsa); j++) {
            CK_ULONG size = sizeof(value);

            ck_assert_rv(get(keys.session, both[i], of_rsa[j], value, &size), CKR_ATTRIBUTE_TYPE_INVALID);
            ck_assert_uint_eq(size, CK_UNAVAILABLE_INFORMATION);
        }
    }
    assert_bool(keys.session, keys.public_key, CKA_VERIFY, CK_TRUE);
    assert_bool(keys.session, keys.private_key, CKA_SIGN, CK_TRUE);
    ck_assert_rv(get(keys.session, keys.private_key, CKA_VALUE, value, &(CK_ULONG){sizeof(value)}), CKR_ATTRIBUTE_SENSITIVE);
    ck_assert_rv(get(keys.session, keys.public_key, CKA_VALUE, value, &(CK_ULONG){sizeof(value)}), CKR_ATTRIBUTE_TYPE_INVALID);
    OPENSSL_free(info);
}
END_TEST

START_TEST(searches_take_either_form_of_a_curve_and_of_a_point)
{
    Keys keys = start_with_key();
    CK_OBJECT_HANDLE found[16];
    CK_BYTE point[34];
    CK_ATTRIBUTE by_type[] = {A_ULONG(CKA_KEY_TYPE, CKK_EC_EDWARDS)}, by_rsa[] = {A_ULONG(CKA_KEY_TYPE, CKK_RSA)};
    CK_ATTRIBUTE by_oid[] = {A_TEXT(CKA_EC_PARAMS, OID)}, by_name[] = {A_TEXT(CKA_EC_PARAMS, NAME)};
    CK_ATTRIBUTE by_other[] = {A_TEXT(CKA_EC_PARAMS, "\x06\x03\x2b\x65\x71")}, by_nothing[] = {A_TEXT(CKA_EC_PARAMS, "")};
    CK_ATTRIBUTE by_point[] = {{CKA_EC_POINT, point, sizeof(point)}}, by_bytes[] = {{CKA_EC_POINT, point + 2, 32}};

    read_point(point);
    fake_add_key("rsa", "2");
    ck_assert_uint_eq(find(keys.session, by_type, 1, found), 2);
    ck_assert_uint_eq(find(keys.session, by_rsa, 1, found), 2);
    ck_assert_uint_eq(find(keys.session, by_oid, 1, found), 2);
    ck_assert_uint_eq(find(keys.session, by_name, 1, found), 2);
    ck_assert_uint_eq(find(keys.session, by_other, 1, found), 0);
    ck_assert_uint_eq(find(keys.session, by_nothing, 1, found), 0);
    ck_assert_uint_eq(find(keys.session, by_point, 1, found), 2);
    ck_assert_uint_eq(find(keys.session, by_bytes, 1, found), 2);
    point[33] ^= 1;
    ck_assert_uint_eq(find(keys.session, by_point, 1, found), 0);
    by_point[0].ulValueLen = 33;
    ck_assert_uint_eq(find(keys.session, by_point, 1, found), 0);
}
END_TEST

/* For applications that give up on a token with a key they do not know. */
START_TEST(a_roster_can_hide_them)
{
    CK_ATTRIBUTE curve[] = {A_TEXT(CKA_EC_PARAMS, OID)}, token[] = {A_BOOL(CKA_TOKEN, CK_TRUE)};
    CK_MECHANISM generation = {.mechanism = CKM_EC_EDWARDS_KEY_PAIR_GEN};
    CK_OBJECT_HANDLE found[16], keys[2];
    CK_MECHANISM_INFO info;
    CK_SESSION_HANDLE session;

    fake.roster.show_ed25519 = false;
    session = start(true);
    fake_add_ed25519_key("zone", "1");
    fake_add_key("rsa", "2");
    ck_assert_uint_eq(find(session, NULL, 0, found), 2);
    assert_ulong(session, found[0], CKA_KEY_TYPE, CKK_RSA);
    assert_ulong(session, found[1], CKA_KEY_TYPE, CKK_RSA);
    ck_assert_rv(C_GetMechanismInfo(0, CKM_EDDSA, &info), CKR_MECHANISM_INVALID);
    ck_assert_rv(C_GetMechanismInfo(0, CKM_EC_EDWARDS_KEY_PAIR_GEN, &info), CKR_MECHANISM_INVALID);
    ck_assert_rv(C_GenerateKeyPair(session, &generation, curve, 1, token, 1, &keys[0], &keys[1]), CKR_MECHANISM_INVALID);
}
END_TEST

START_TEST(names_can_be_changed)
{
    CK_ATTRIBUTE label[] = {A_TEXT(CKA_LABEL, "other")}, place[] = {A_BOOL(CKA_TOKEN, CK_FALSE)};
    CK_OBJECT_HANDLE copy;
    CK_BYTE point[34];
    Keys keys = start_with_key();

    read_point(point);
    ck_assert_rv(C_SetAttributeValue(keys.session, keys.private_key, label, 1), CKR_OK);
    assert_text(keys.session, keys.private_key, CKA_LABEL, "other");
    assert_ulong(keys.session, keys.private_key, CKA_KEY_TYPE, CKK_EC_EDWARDS);
    ck_assert_rv(C_CopyObject(keys.session, keys.public_key, place, 1, &copy), CKR_OK);
    assert_bytes(keys.session, copy, CKA_EC_POINT, point, sizeof(point));
}
END_TEST

/* ---- Generation ---- */

static CK_RV generate(CK_SESSION_HANDLE session, CK_MECHANISM_TYPE type, const CK_ATTRIBUTE *public_one, const CK_ATTRIBUTE *private_one,
                      CK_OBJECT_HANDLE ret_keys[2])
{
    CK_ATTRIBUTE public_key[] = {A_BOOL(CKA_TOKEN, CK_TRUE), *public_one}, private_key[] = {A_BOOL(CKA_TOKEN, CK_TRUE), *private_one};

    return C_GenerateKeyPair(session, &(CK_MECHANISM){.mechanism = type}, public_key, 2, private_key, 2, &ret_keys[0], &ret_keys[1]);
}

START_TEST(generation_takes_either_form_and_the_name_that_gnutls_uses)
{
    static const CK_MECHANISM_TYPE types[] = {CKM_EC_EDWARDS_KEY_PAIR_GEN, CKM_EDDSA};
    CK_ATTRIBUTE curves[] = {A_TEXT(CKA_EC_PARAMS, OID), A_TEXT(CKA_EC_PARAMS, NAME)}, label = A_TEXT(CKA_LABEL, "new");
    CK_SESSION_HANDLE session;

    fake.roster.deal = false; /* nobody deals these */
    session = start(true);
    for (size_t i = 0; i < ELEMENTS(types); i++)
        for (size_t j = 0; j < ELEMENTS(curves); j++) {
            CK_OBJECT_HANDLE keys[2];

            ck_assert_rv(generate(session, types[i], &curves[j], &label, keys), CKR_OK);
            ck_assert_uint_eq(fake.last_request.algorithm, THRESHOLD_ED25519);
            ck_assert_uint_eq(fake.last_request.bits, 256);
            assert_ulong(session, keys[0], CKA_KEY_TYPE, CKK_EC_EDWARDS);
            assert_text(session, keys[0], CKA_EC_PARAMS, OID);
            assert_text(session, keys[1], CKA_LABEL, "new");
        }
}
END_TEST

START_TEST(generation_reads_its_templates)
{
    const struct {
        CK_MECHANISM_TYPE mechanism;
        CK_ATTRIBUTE public_one, private_one;
        CK_RV rv;
    } cases[] = {
        {CKM_EC_EDWARDS_KEY_PAIR_GEN, A_TEXT(CKA_LABEL, "a"), A_TEXT(CKA_LABEL, "a"), CKR_TEMPLATE_INCOMPLETE},
        {CKM_EC_EDWARDS_KEY_PAIR_GEN, A_TEXT(CKA_EC_PARAMS, "\x06\x03\x2b\x65\x71"), A_TEXT(CKA_ID, "1"), CKR_CURVE_NOT_SUPPORTED},
        {CKM_EC_EDWARDS_KEY_PAIR_GEN,
         A_TEXT(CKA_EC_PARAMS, "\x13\x0a"
                               "edwards448"),
         A_TEXT(CKA_ID, "1"), CKR_CURVE_NOT_SUPPORTED},
        {CKM_EC_EDWARDS_KEY_PAIR_GEN,
         A_TEXT(CKA_EC_PARAMS, "\x13\x0c"
                               "Edwards25519"),
         A_TEXT(CKA_ID, "1"), CKR_CURVE_NOT_SUPPORTED},
        {CKM_EC_EDWARDS_KEY_PAIR_GEN, A_TEXT(CKA_EC_PARAMS, "\x06\x04\x2b\x65\x70"), A_TEXT(CKA_ID, "1"), CKR_DOMAIN_PARAMS_INVALID},
        {CKM_EC_EDWARDS_KEY_PAIR_GEN, A_TEXT(CKA_EC_PARAMS, "\x30\x03\x02\x01\x01"), A_TEXT(CKA_ID, "1"), CKR_DOMAIN_PARAMS_INVALID},
        {CKM_EC_EDWARDS_KEY_PAIR_GEN, A_TEXT(CKA_EC_PARAMS, ""), A_TEXT(CKA_ID, "1"), CKR_DOMAIN_PARAMS_INVALID},
        {CKM_EC_EDWARDS_KEY_PAIR_GEN, A_TEXT(CKA_EC_PARAMS, OID), A_TEXT(CKA_EC_PARAMS, NAME), CKR_OK},
        {CKM_EC_EDWARDS_KEY_PAIR_GEN, A_TEXT(CKA_EC_PARAMS, OID), A_ULONG(CKA_KEY_TYPE, CKK_EC_EDWARDS), CKR_OK},
        {CKM_EC_EDWARDS_KEY_PAIR_GEN, A_TEXT(CKA_EC_PARAMS, OID), A_ULONG(CKA_KEY_TYPE, CKK_EC), CKR_TEMPLATE_INCONSISTENT},
        {CKM_EC_EDWARDS_KEY_PAIR_GEN, A_TEXT(CKA_EC_PARAMS, OID), A_BOOL(CKA_DERIVE, CK_TRUE), CKR_OK},
        {CKM_EC_EDWARDS_KEY_PAIR_GEN, A_TEXT(CKA_EC_PARAMS, OID), A_BOOL(CKA_EXTRACTABLE, CK_TRUE), CKR_ATTRIBUTE_VALUE_INVALID},
        {CKM_EC_EDWARDS_KEY_PAIR_GEN, A_ULONG(CKA_MODULUS_BITS, 2048), A_TEXT(CKA_ID, "1"), CKR_ATTRIBUTE_TYPE_INVALID},
        {CKM_RSA_PKCS_KEY_PAIR_GEN, A_TEXT(CKA_EC_PARAMS, OID), A_TEXT(CKA_ID, "1"), CKR_ATTRIBUTE_TYPE_INVALID},
    };
    CK_SESSION_HANDLE session = start(true);

    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        CK_OBJECT_HANDLE keys[2];
        CK_RV rv = generate(session, cases[i].mechanism, &cases[i].public_one, &cases[i].private_one, keys);

        ck_assert_msg(rv == cases[i].rv, "case %zu: 0x%lx, not 0x%lx", i, rv, cases[i].rv);
    }
}
END_TEST

/* ---- Signing and verifying ---- */

static CK_RV sign(const Keys *keys, const void *data, size_t size, CK_BYTE ret_signature[SIZE])
{
    CK_ULONG signature_size = SIZE;

    ck_assert_rv(C_SignInit(keys->session, &eddsa, keys->private_key), CKR_OK);
    return C_Sign(keys->session, (CK_BYTE *)(uintptr_t)data, size, ret_signature, &signature_size);
}

static CK_RV verify(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key, const void *data, size_t size, CK_BYTE *signature,
                    CK_ULONG signature_size)
{
    ck_assert_rv(C_VerifyInit(session, &eddsa, key), CKR_OK);
    return C_Verify(session, (CK_BYTE *)(uintptr_t)data, size, signature, signature_size);
}

START_TEST(messages_are_signed_and_verified)
{
    CK_BYTE signature[SIZE], *long_one = calloc(1, SIZE_MAX_MESSAGE + 1);
    Keys keys = start_with_key();
    const struct {
        const void *data;
        size_t size;
    } messages[] = {{message, sizeof(message)}, {NULL, 0}, {message, 1}, {long_one, SIZE_MAX_MESSAGE}};

    for (size_t i = 0; i < ELEMENTS(messages); i++) {
        ck_assert_rv(sign(&keys, messages[i].data, messages[i].size, signature), CKR_OK);
        ck_assert(openssl_accepts(messages[i].data, messages[i].size, signature));
        ck_assert_rv(verify(keys.session, keys.public_key, messages[i].data, messages[i].size, signature, SIZE), CKR_OK);
    }
    ck_assert_uint_eq(fake.signatures, ELEMENTS(messages)); /* the nodes verify nothing */
    ck_assert_rv(sign(&keys, long_one, SIZE_MAX_MESSAGE + 1, signature), CKR_DATA_LEN_RANGE);
    ck_assert_rv(verify(keys.session, keys.public_key, long_one, SIZE_MAX_MESSAGE + 1, signature, SIZE), CKR_DATA_LEN_RANGE);
    ck_assert_rv(sign(&keys, NULL, 1, signature), CKR_ARGUMENTS_BAD);
    ck_assert_uint_eq(fake.signatures, ELEMENTS(messages));
    free(long_one);
}
END_TEST

START_TEST(messages_come_in_parts)
{
    static CK_BYTE part[SIZE_MAX_MESSAGE / 4];
    CK_BYTE signature[SIZE], whole[SIZE_MAX_MESSAGE] = {0};
    CK_ULONG size = SIZE;
    Keys keys = start_with_key();

    ck_assert_rv(C_SignInit(keys.session, &eddsa, keys.private_key), CKR_OK);
    for (size_t i = 0; i < 4; i++)
        ck_assert_rv(C_SignUpdate(keys.session, part, sizeof(part)), CKR_OK);
    ck_assert_rv(C_SignUpdate(keys.session, NULL, 0), CKR_OK);
    ck_assert_rv(C_SignFinal(keys.session, signature, &size), CKR_OK);
    ck_assert(openssl_accepts(whole, sizeof(whole), signature));
    ck_assert_rv(C_VerifyInit(keys.session, &eddsa, keys.public_key), CKR_OK);
    ck_assert_rv(C_VerifyUpdate(keys.session, whole, 1), CKR_OK);
    ck_assert_rv(C_VerifyUpdate(keys.session, whole + 1, sizeof(whole) - 1), CKR_OK);
    ck_assert_rv(C_VerifyFinal(keys.session, signature, SIZE), CKR_OK);

    ck_assert_rv(C_SignInit(keys.session, &eddsa, keys.private_key), CKR_OK);
    ck_assert_rv(C_SignUpdate(keys.session, whole, sizeof(whole)), CKR_OK);
    ck_assert_rv(C_SignUpdate(keys.session, whole, 1), CKR_DATA_LEN_RANGE);
    ck_assert_rv(C_SignFinal(keys.session, signature, &size), CKR_OPERATION_NOT_INITIALIZED);

    ck_assert_rv(C_SignInit(keys.session, &eddsa, keys.private_key), CKR_OK); /* nothing is a message, too */
    ck_assert_rv(C_SignFinal(keys.session, signature, &size), CKR_OK);
    ck_assert(openssl_accepts(NULL, 0, signature));
}
END_TEST

START_TEST(size_queries_ask_nobody)
{
    Keys keys = start_with_key();
    CK_BYTE signature[SIZE];
    CK_ULONG size = 0xdeadbeef; /* uninitialised, as GnuTLS leaves it */

    ck_assert_rv(C_SignInit(keys.session, &eddsa, keys.private_key), CKR_OK);
    ck_assert_rv(C_Sign(keys.session, message, sizeof(message), NULL, &size), CKR_OK);
    ck_assert_uint_eq(size, SIZE);
    size = SIZE - 1;
    ck_assert_rv(C_Sign(keys.session, message, sizeof(message), signature, &size), CKR_BUFFER_TOO_SMALL);
    ck_assert_uint_eq(size, SIZE);
    ck_assert_uint_eq(fake.signatures, 0);
    ck_assert_rv(C_Sign(keys.session, message, sizeof(message), signature, &size), CKR_OK);
    ck_assert(openssl_accepts(message, sizeof(message), signature));
    ck_assert_uint_eq(fake.signatures, 1);
    ck_assert_rv(C_SignInit(keys.session, &eddsa, keys.private_key), CKR_OK);
    ck_assert_rv(C_SignUpdate(keys.session, message, sizeof(message)), CKR_OK);
    ck_assert_rv(C_SignFinal(keys.session, NULL, &size), CKR_OK);
    ck_assert_uint_eq(fake.signatures, 1);
    ck_assert_rv(C_SignFinal(keys.session, signature, &size), CKR_OK);
    ck_assert(openssl_accepts(message, sizeof(message), signature));
}
END_TEST

START_TEST(nothing_but_pure_ed25519_is_offered)
{
    static const struct {
        Parameters parameters;
        CK_ULONG size; /* that is said of them */
        CK_RV rv;
    } cases[] = {
        {{CK_FALSE, 0, NULL}, sizeof(Parameters), CKR_OK},
        {{CK_FALSE, 0, "x"}, sizeof(Parameters), CKR_OK},
        {{CK_TRUE, 9, "garbage"}, 0, CKR_OK}, /* nothing is said of them */
        {{CK_TRUE, 0, NULL}, sizeof(Parameters), CKR_MECHANISM_PARAM_INVALID},
        {{CK_FALSE, 1, "x"}, sizeof(Parameters), CKR_MECHANISM_PARAM_INVALID},
        {{CK_TRUE, 1, "x"}, sizeof(Parameters), CKR_MECHANISM_PARAM_INVALID},
        {{CK_FALSE, 0, NULL}, sizeof(Parameters) - 1, CKR_MECHANISM_PARAM_INVALID},
        {{CK_FALSE, 0, NULL}, sizeof(CK_BBOOL), CKR_MECHANISM_PARAM_INVALID},
    };
    CK_MECHANISM no_parameters = {CKM_EDDSA, NULL, sizeof(Parameters)};
    Keys keys = start_with_key();

    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        CK_MECHANISM mechanism = {CKM_EDDSA, (void *)(uintptr_t)&cases[i].parameters, cases[i].size};
        CK_RV rv = C_SignInit(keys.session, &mechanism, keys.private_key);

        ck_assert_msg(rv == cases[i].rv, "case %zu: 0x%lx, not 0x%lx", i, rv, cases[i].rv);
        if (rv == CKR_OK)
            ck_assert_rv(C_SignInit(keys.session, NULL, 0), CKR_OK);
        ck_assert_rv(C_VerifyInit(keys.session, &mechanism, keys.public_key), cases[i].rv);
        if (rv == CKR_OK)
            ck_assert_rv(C_VerifyInit(keys.session, NULL, 0), CKR_OK);
    }
    ck_assert_rv(C_SignInit(keys.session, &no_parameters, keys.private_key), CKR_MECHANISM_PARAM_INVALID);
}
END_TEST

START_TEST(mechanisms_and_keys_have_to_fit)
{
    CK_ATTRIBUTE rsa[] = {A_ULONG(CKA_CLASS, CKO_PRIVATE_KEY), A_ULONG(CKA_KEY_TYPE, CKK_RSA)};
    Keys keys = start_with_key();
    CK_OBJECT_HANDLE found[16];
    CK_MECHANISM_INFO info;

    fake_add_key("rsa", "2");
    ck_assert_uint_eq(find(keys.session, rsa, 2, found), 1);
    ck_assert_rv(C_SignInit(keys.session, &eddsa, found[0]), CKR_KEY_TYPE_INCONSISTENT);
    ck_assert_rv(C_SignInit(keys.session, RSA_MECHANISM(CKM_SHA256_RSA_PKCS), keys.private_key), CKR_KEY_TYPE_INCONSISTENT);
    ck_assert_rv(C_SignInit(keys.session, RSA_MECHANISM(CKM_EC_EDWARDS_KEY_PAIR_GEN), keys.private_key), CKR_MECHANISM_INVALID);
    ck_assert_rv(C_DigestInit(keys.session, &eddsa), CKR_MECHANISM_INVALID);
    ck_assert_rv(C_GetMechanismInfo(0, CKM_EDDSA, &info), CKR_OK);
    ck_assert_uint_eq(info.ulMinKeySize, 256);
    ck_assert_uint_eq(info.ulMaxKeySize, 256);
    ck_assert_uint_eq(info.flags & (CKF_SIGN | CKF_VERIFY | CKF_GENERATE_KEY_PAIR), CKF_SIGN | CKF_VERIFY);
    ck_assert_rv(C_GetMechanismInfo(0, CKM_EC_EDWARDS_KEY_PAIR_GEN, &info), CKR_OK);
    ck_assert_uint_eq(info.flags & (CKF_SIGN | CKF_VERIFY | CKF_GENERATE_KEY_PAIR), CKF_GENERATE_KEY_PAIR);
}
END_TEST

START_TEST(wrong_signatures_do_not_verify)
{
    CK_BYTE signature[SIZE], other[sizeof(message)];
    Keys keys = start_with_key();

    ck_assert_rv(sign(&keys, message, sizeof(message), signature), CKR_OK);
    memcpy(other, message, sizeof(message));
    other[3] ^= 1;
    ck_assert_rv(verify(keys.session, keys.public_key, other, sizeof(other), signature, SIZE), CKR_SIGNATURE_INVALID);
    ck_assert_rv(verify(keys.session, keys.public_key, message, sizeof(message) - 1, signature, SIZE), CKR_SIGNATURE_INVALID);
    ck_assert_rv(verify(keys.session, keys.public_key, message, sizeof(message), signature, SIZE - 1), CKR_SIGNATURE_LEN_RANGE);
    ck_assert_rv(verify(keys.session, keys.public_key, message, sizeof(message), NULL, SIZE), CKR_ARGUMENTS_BAD);
    signature[0] ^= 1;
    ck_assert_rv(verify(keys.session, keys.public_key, message, sizeof(message), signature, SIZE), CKR_SIGNATURE_INVALID);
    signature[0] ^= 1;
    ck_assert_rv(verify(keys.session, keys.public_key, message, sizeof(message), signature, SIZE), CKR_OK);
}
END_TEST

/* A public key of somebody else's, brought to verify with. */
START_TEST(objects_can_be_created_to_verify_with)
{
    static const struct {
        const char *curve, *header;
        CK_ULONG curve_size, header_size, point_size;
        CK_RV rv;
    } cases[] = {
        {OID, HEADER, 5, 2, 32, CKR_OK},
        {NAME, HEADER, 14, 2, 32, CKR_OK},
        {OID, "", 5, 0, 32, CKR_OK},
        {"\x06\x03\x2b\x65\x71", HEADER, 5, 2, 32, CKR_CURVE_NOT_SUPPORTED},
        {"\x05\x00", HEADER, 2, 2, 32, CKR_DOMAIN_PARAMS_INVALID},
        {OID, HEADER, 5, 2, 31, CKR_ATTRIBUTE_VALUE_INVALID},
        {OID, "\x04\x1f", 5, 2, 32, CKR_ATTRIBUTE_VALUE_INVALID},
        {OID, "\x03\x20", 5, 2, 32, CKR_ATTRIBUTE_VALUE_INVALID},
    };
    CK_BYTE signature[SIZE], wanted[34], point[64];
    CK_OBJECT_HANDLE key;
    Keys keys = start_with_key();

    read_point(wanted);
    ck_assert_rv(sign(&keys, message, sizeof(message), signature), CKR_OK);
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        CK_ATTRIBUTE attributes[] = {
            A_ULONG(CKA_CLASS, CKO_PUBLIC_KEY),
            A_ULONG(CKA_KEY_TYPE, CKK_EC_EDWARDS),
            {CKA_EC_PARAMS, (void *)(uintptr_t)cases[i].curve, cases[i].curve_size},
            {CKA_EC_POINT, point, cases[i].header_size + cases[i].point_size},
        };
        CK_RV rv;

        memcpy(point, cases[i].header, cases[i].header_size);
        memcpy(point + cases[i].header_size, wanted + 2, 32);
        ck_assert_rv(C_CreateObject(keys.session, attributes, 3, &key), CKR_TEMPLATE_INCOMPLETE);
        rv = C_CreateObject(keys.session, attributes, 4, &key);
        ck_assert_msg(rv == cases[i].rv, "case %zu: 0x%lx, not 0x%lx", i, rv, cases[i].rv);
        if (rv != CKR_OK)
            continue;
        assert_text(keys.session, key, CKA_EC_PARAMS, OID);
        assert_bytes(keys.session, key, CKA_EC_POINT, wanted, sizeof(wanted));
        assert_ulong(keys.session, key, CKA_KEY_GEN_MECHANISM, CK_UNAVAILABLE_INFORMATION);
        ck_assert_rv(verify(keys.session, key, message, sizeof(message), signature, SIZE), CKR_OK);
        ck_assert_rv(verify(keys.session, key, message, 1, signature, SIZE), CKR_SIGNATURE_INVALID);
    }
    ck_assert_uint_eq(fake.signatures, 1);
}
END_TEST

START_TEST(failures_leave_nothing_behind)
{
    CK_BYTE signature[SIZE] = {0}, zeros[SIZE] = {0};
    CK_ULONG size = SIZE;
    Keys keys = start_with_key();

    fake.sign_result = QUORUM_E_TOO_FEW_NODES;
    ck_assert_rv(sign(&keys, message, sizeof(message), signature), CKR_DEVICE_ERROR);
    ck_assert_mem_eq(signature, zeros, SIZE);
    ck_assert_rv(C_Sign(keys.session, message, 1, signature, &size), CKR_OPERATION_NOT_INITIALIZED);
    fake.sign_result = QUORUM_E_UNKNOWN_KEY;
    ck_assert_rv(sign(&keys, message, sizeof(message), signature), CKR_KEY_HANDLE_INVALID);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_checked_fixture(cases, reset, NULL);
    tcase_add_test(cases, a_refresh_goes_unnoticed);
    tcase_add_test(cases, attributes_tell_the_truth);
    tcase_add_test(cases, searches_take_either_form_of_a_curve_and_of_a_point);
    tcase_add_test(cases, a_roster_can_hide_them);
    tcase_add_test(cases, names_can_be_changed);
    tcase_add_test(cases, generation_takes_either_form_and_the_name_that_gnutls_uses);
    tcase_add_test(cases, generation_reads_its_templates);
    tcase_add_test(cases, messages_are_signed_and_verified);
    tcase_add_test(cases, messages_come_in_parts);
    tcase_add_test(cases, size_queries_ask_nobody);
    tcase_add_test(cases, nothing_but_pure_ed25519_is_offered);
    tcase_add_test(cases, mechanisms_and_keys_have_to_fit);
    tcase_add_test(cases, wrong_signatures_do_not_verify);
    tcase_add_test(cases, objects_can_be_created_to_verify_with);
    tcase_add_test(cases, failures_leave_nothing_behind);
}

UNIT_MAIN("pkcs11-ed25519", add_tests)
