/* The PKCS#11 module over a fake quorum: signing and verifying, cross-checked with OpenSSL; threads. */
#include <openssl/rsa.h>
#include <pthread.h>

#include "pkcs11-fixture.h"

#define SIZE 256 /* bytes of a signature */

static CK_BYTE message[] = "example. 3600 IN SOA ns.example. hostmaster.example. 1 2 3 4 5";

typedef struct Row {
    CK_MECHANISM_TYPE mechanism;
    const char *hash;
} Row;

static const Row hashing[] = {
    {CKM_SHA1_RSA_PKCS, "SHA1"},
    {CKM_SHA256_RSA_PKCS, "SHA256"},
    {CKM_SHA384_RSA_PKCS, "SHA384"},
    {CKM_SHA512_RSA_PKCS, "SHA512"},
};

/* RFC 8017 §9.2, note 1 */
static const CK_BYTE sha1_prefix[] = {0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00, 0x04, 0x14};
static const CK_BYTE sha256_prefix[] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                                        0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};

static CK_ULONG digest_info(const char *hash, const CK_BYTE *prefix, size_t prefix_size, CK_BYTE ret_info[64])
{
    unsigned size;

    memcpy(ret_info, prefix, prefix_size);
    ck_assert_int_eq(EVP_Digest(message, sizeof(message), ret_info + prefix_size, &size, EVP_get_digestbyname(hash), NULL), 1);
    return prefix_size + size;
}

static bool openssl_accepts(const char *hash, const CK_BYTE *signature, CK_ULONG size)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    int r = EVP_DigestVerifyInit_ex(ctx, NULL, hash, NULL, NULL, fake_key(), NULL);

    if (r == 1)
        r = EVP_DigestVerify(ctx, signature, size, message, sizeof(message));
    EVP_MD_CTX_free(ctx);
    return r == 1;
}

typedef struct Keys {
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE public_key, private_key;
} Keys;

static Keys start_with_key(void)
{
    Keys keys = {.session = start(true)};

    fake_add_key("zone", "1");
    keys.public_key = find_one(keys.session, CKO_PUBLIC_KEY);
    keys.private_key = find_one(keys.session, CKO_PRIVATE_KEY);
    return keys;
}

START_TEST(every_mechanism_signs_and_verifies)
{
    CK_BYTE signature[SIZE], parts[SIZE];
    CK_ULONG size;
    Keys keys;

    fake.roster.allow_sha1 = true;
    keys = start_with_key();
    for (size_t i = 0; i < ELEMENTS(hashing); i++) {
        CK_MECHANISM *mechanism = RSA_MECHANISM(hashing[i].mechanism);

        size = sizeof(signature);
        ck_assert_rv(C_SignInit(keys.session, mechanism, keys.private_key), CKR_OK);
        ck_assert_rv(C_Sign(keys.session, message, sizeof(message), signature, &size), CKR_OK);
        ck_assert_uint_eq(size, SIZE);
        ck_assert(openssl_accepts(hashing[i].hash, signature, size));
        ck_assert_rv(C_SignInit(keys.session, mechanism, keys.private_key), CKR_OK);
        ck_assert_rv(C_SignUpdate(keys.session, message, 10), CKR_OK);
        ck_assert_rv(C_SignUpdate(keys.session, message + 10, sizeof(message) - 10), CKR_OK);
        ck_assert_rv(C_SignFinal(keys.session, parts, &size), CKR_OK);
        ck_assert_mem_eq(parts, signature, SIZE);

        ck_assert_rv(C_VerifyInit(keys.session, mechanism, keys.public_key), CKR_OK);
        ck_assert_rv(C_Verify(keys.session, message, sizeof(message), signature, SIZE), CKR_OK);
        ck_assert_rv(C_VerifyInit(keys.session, mechanism, keys.public_key), CKR_OK);
        ck_assert_rv(C_VerifyUpdate(keys.session, message, 1), CKR_OK);
        ck_assert_rv(C_VerifyUpdate(keys.session, message + 1, sizeof(message) - 1), CKR_OK);
        ck_assert_rv(C_VerifyFinal(keys.session, signature, SIZE), CKR_OK);
    }
}
END_TEST

START_TEST(digest_infos_are_signed)
{
    Keys keys = start_with_key();
    CK_BYTE info[64], signature[SIZE], parts[SIZE];
    CK_ULONG info_size = digest_info("SHA256", sha256_prefix, sizeof(sha256_prefix), info), size = SIZE;
    CK_MECHANISM *mechanism = RSA_MECHANISM(CKM_RSA_PKCS);

    ck_assert_rv(C_SignInit(keys.session, mechanism, keys.private_key), CKR_OK);
    ck_assert_rv(C_Sign(keys.session, info, info_size, signature, &size), CKR_OK);
    ck_assert(openssl_accepts("SHA256", signature, size));
    ck_assert_rv(C_SignInit(keys.session, mechanism, keys.private_key), CKR_OK);
    ck_assert_rv(C_SignUpdate(keys.session, info, 5), CKR_OK);
    ck_assert_rv(C_SignUpdate(keys.session, info + 5, info_size - 5), CKR_OK);
    ck_assert_rv(C_SignFinal(keys.session, parts, &size), CKR_OK);
    ck_assert_mem_eq(parts, signature, SIZE);
    ck_assert_rv(C_VerifyInit(keys.session, mechanism, keys.public_key), CKR_OK);
    ck_assert_rv(C_Verify(keys.session, info, info_size, signature, SIZE), CKR_OK);
}
END_TEST

static CK_RV sign_raw(const Keys *keys, const CK_BYTE *data, CK_ULONG data_size)
{
    CK_BYTE signature[SIZE];
    CK_ULONG size = SIZE;

    ck_assert_rv(C_SignInit(keys->session, RSA_MECHANISM(CKM_RSA_PKCS), keys->private_key), CKR_OK);
    return C_Sign(keys->session, (CK_BYTE *)(uintptr_t)data, data_size, signature, &size);
}

START_TEST(nothing_but_digest_infos_is_signed)
{
    CK_BYTE info[64], raw[2000] = {0};
    CK_ULONG size;
    Keys keys = start_with_key();

    ck_assert_rv(sign_raw(&keys, message, sizeof(message)), CKR_DATA_INVALID);
    ck_assert_rv(sign_raw(&keys, raw, 0), CKR_DATA_INVALID);
    ck_assert_rv(sign_raw(&keys, raw, SIZE - 11), CKR_DATA_INVALID);
    ck_assert_rv(sign_raw(&keys, raw, SIZE - 10), CKR_DATA_LEN_RANGE);
    ck_assert_rv(sign_raw(&keys, raw, sizeof(raw)), CKR_DATA_LEN_RANGE);
    ck_assert_rv(sign_raw(&keys, NULL, 10), CKR_ARGUMENTS_BAD);
    size = digest_info("SHA256", sha256_prefix, sizeof(sha256_prefix), info);
    ck_assert_rv(sign_raw(&keys, info, size - 1), CKR_DATA_INVALID);
    size = digest_info("SHA1", sha1_prefix, sizeof(sha1_prefix), info);
    ck_assert_rv(sign_raw(&keys, info, size), CKR_DATA_INVALID);
    ck_assert_rv(C_SignInit(keys.session, RSA_MECHANISM(CKM_SHA1_RSA_PKCS), keys.private_key), CKR_MECHANISM_INVALID);
    ck_assert_uint_eq(fake.signatures, 0);
}
END_TEST

START_TEST(sha1_is_signed_where_allowed)
{
    CK_BYTE info[64];
    CK_ULONG size = digest_info("SHA1", sha1_prefix, sizeof(sha1_prefix), info);
    Keys keys;

    fake.roster.allow_sha1 = true;
    keys = start_with_key();
    ck_assert_rv(sign_raw(&keys, info, size), CKR_OK);
}
END_TEST

START_TEST(size_queries_ask_nobody)
{
    Keys keys = start_with_key();
    CK_BYTE signature[SIZE];
    CK_ULONG size = 0xdeadbeef; /* uninitialised, as an application leaves it */
    CK_MECHANISM *mechanism = RSA_MECHANISM(CKM_SHA256_RSA_PKCS);

    ck_assert_rv(C_SignInit(keys.session, mechanism, keys.private_key), CKR_OK);
    ck_assert_rv(C_Sign(keys.session, message, sizeof(message), NULL, &size), CKR_OK);
    ck_assert_uint_eq(size, SIZE);
    size = SIZE - 1;
    ck_assert_rv(C_Sign(keys.session, message, sizeof(message), signature, &size), CKR_BUFFER_TOO_SMALL);
    ck_assert_uint_eq(size, SIZE);
    ck_assert_uint_eq(fake.signatures, 0);
    ck_assert_rv(C_Sign(keys.session, message, sizeof(message), signature, &size), CKR_OK);
    ck_assert(openssl_accepts("SHA256", signature, size));
    ck_assert_uint_eq(fake.signatures, 1);

    ck_assert_rv(C_SignInit(keys.session, mechanism, keys.private_key), CKR_OK);
    ck_assert_rv(C_SignUpdate(keys.session, message, sizeof(message)), CKR_OK);
    size = 0;
    ck_assert_rv(C_SignFinal(keys.session, NULL, &size), CKR_OK);
    size = 1;
    ck_assert_rv(C_SignFinal(keys.session, signature, &size), CKR_BUFFER_TOO_SMALL);
    ck_assert_rv(C_SignFinal(keys.session, signature, &size), CKR_OK);
    ck_assert(openssl_accepts("SHA256", signature, size));
}
END_TEST

START_TEST(signing_has_states)
{
    Keys keys = start_with_key();
    CK_BYTE signature[SIZE];
    CK_ULONG size = SIZE;
    CK_MECHANISM *mechanism = RSA_MECHANISM(CKM_SHA256_RSA_PKCS);

    ck_assert_rv(C_Sign(keys.session, message, 1, signature, &size), CKR_OPERATION_NOT_INITIALIZED);
    ck_assert_rv(C_SignUpdate(keys.session, message, 1), CKR_OPERATION_NOT_INITIALIZED);
    ck_assert_rv(C_SignFinal(keys.session, signature, &size), CKR_OPERATION_NOT_INITIALIZED);
    ck_assert_rv(C_SignInit(keys.session, NULL, keys.private_key), CKR_ARGUMENTS_BAD);
    ck_assert_rv(C_SignInit(keys.session, RSA_MECHANISM(CKM_SHA256), keys.private_key), CKR_MECHANISM_INVALID);
    ck_assert_rv(C_SignInit(keys.session, mechanism, 0), CKR_KEY_HANDLE_INVALID);
    ck_assert_rv(C_SignInit(keys.session, mechanism, keys.public_key), CKR_KEY_FUNCTION_NOT_PERMITTED);
    ck_assert_rv(C_VerifyInit(keys.session, mechanism, keys.private_key), CKR_KEY_FUNCTION_NOT_PERMITTED);
    ck_assert_rv(C_SignInit(keys.session, mechanism, keys.private_key), CKR_OK);
    ck_assert_rv(C_SignInit(keys.session, mechanism, keys.private_key), CKR_OPERATION_ACTIVE);
    ck_assert_rv(C_DigestInit(keys.session, RSA_MECHANISM(CKM_SHA256)), CKR_OK); /* kinds do not disturb each other */
    ck_assert_rv(C_VerifyInit(keys.session, mechanism, keys.public_key), CKR_OK);
    ck_assert_rv(C_Sign(keys.session, message, 1, signature, NULL), CKR_ARGUMENTS_BAD);
    ck_assert_rv(C_Sign(keys.session, message, 1, signature, &size), CKR_OPERATION_NOT_INITIALIZED);
    ck_assert_rv(C_SignInit(keys.session, mechanism, keys.private_key), CKR_OK);
    ck_assert_rv(C_SignInit(keys.session, NULL, 0), CKR_OK); /* cancel */
    ck_assert_rv(C_SignInit(keys.session, mechanism, keys.private_key), CKR_OK);
    ck_assert_rv(C_SignUpdate(keys.session, message, 1), CKR_OK);
    ck_assert_rv(C_Sign(keys.session, message, 1, signature, &size), CKR_OPERATION_ACTIVE);
    ck_assert_rv(C_SignFinal(keys.session, signature, &size), CKR_OPERATION_NOT_INITIALIZED);
}
END_TEST

START_TEST(failures_have_their_names_and_end_the_operation)
{
    static const struct {
        int result;
        CK_RV rv;
    } cases[] = {
        {QUORUM_E_TOO_FEW_NODES, CKR_DEVICE_ERROR},        {QUORUM_E_SIGNATURE, CKR_DEVICE_ERROR},
        {QUORUM_E_LOGIN_REQUIRED, CKR_USER_NOT_LOGGED_IN}, {QUORUM_E_UNKNOWN_KEY, CKR_KEY_HANDLE_INVALID},
        {QUORUM_E_REFUSED, CKR_FUNCTION_REJECTED},
    };
    Keys keys = start_with_key();

    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        CK_BYTE signature[SIZE] = {0}, zeros[SIZE] = {0};
        CK_ULONG size = SIZE;

        fake.sign_result = cases[i].result;
        ck_assert_rv(C_SignInit(keys.session, RSA_MECHANISM(CKM_SHA256_RSA_PKCS), keys.private_key), CKR_OK);
        ck_assert_rv(C_Sign(keys.session, message, 1, signature, &size), cases[i].rv);
        ck_assert_rv(C_Sign(keys.session, message, 1, signature, &size), CKR_OPERATION_NOT_INITIALIZED);
        ck_assert_mem_eq(signature, zeros, SIZE);
    }
}
END_TEST

/* C_Login took a wrong PIN on trust; the nodes do not. */
START_TEST(a_refused_pin_ends_the_login)
{
    static const int refusals[] = {QUORUM_E_PIN_INCORRECT, QUORUM_E_PIN_LOCKED};
    CK_ATTRIBUTE session_copy[] = {A_BOOL(CKA_TOKEN, CK_FALSE)};
    CK_BYTE signature[SIZE];
    CK_ULONG size = SIZE;
    Keys keys = start_with_key();

    for (size_t i = 0; i < ELEMENTS(refusals); i++) {
        CK_OBJECT_HANDLE copy;

        ck_assert_rv(C_CopyObject(keys.session, keys.private_key, session_copy, 1, &copy), CKR_OK);
        ck_assert_rv(C_SignInit(keys.session, RSA_MECHANISM(CKM_SHA256_RSA_PKCS), keys.private_key), CKR_OK);
        fake.sign_result = refusals[i];
        ck_assert_rv(C_Sign(keys.session, message, 1, signature, &size), CKR_USER_NOT_LOGGED_IN);
        fake.sign_result = 0;
        ck_assert_rv(C_Logout(keys.session), CKR_USER_NOT_LOGGED_IN);
        ck_assert_rv(C_Login(keys.session, CKU_USER, PIN, 4), CKR_OK);
        ck_assert_rv(C_SignInit(keys.session, RSA_MECHANISM(CKM_SHA256_RSA_PKCS), copy), CKR_KEY_HANDLE_INVALID);
        ck_assert_rv(C_SignInit(keys.session, RSA_MECHANISM(CKM_SHA256_RSA_PKCS), keys.private_key), CKR_OK);
        ck_assert_rv(C_Sign(keys.session, message, 1, signature, &size), CKR_OK);
    }
}
END_TEST

START_TEST(wrong_signatures_do_not_verify)
{
    Keys keys = start_with_key();
    CK_BYTE signature[SIZE], raw[2000] = {0};
    CK_ULONG size = SIZE;
    CK_MECHANISM *mechanism = RSA_MECHANISM(CKM_SHA256_RSA_PKCS), *other = RSA_MECHANISM(CKM_SHA512_RSA_PKCS);

    ck_assert_rv(C_SignInit(keys.session, mechanism, keys.private_key), CKR_OK);
    ck_assert_rv(C_Sign(keys.session, message, sizeof(message), signature, &size), CKR_OK);
    ck_assert_rv(C_VerifyInit(keys.session, mechanism, keys.public_key), CKR_OK);
    ck_assert_rv(C_Verify(keys.session, message, sizeof(message) - 1, signature, SIZE), CKR_SIGNATURE_INVALID);
    ck_assert_rv(C_Verify(keys.session, message, sizeof(message), signature, SIZE), CKR_OPERATION_NOT_INITIALIZED);
    ck_assert_rv(C_VerifyInit(keys.session, other, keys.public_key), CKR_OK);
    ck_assert_rv(C_Verify(keys.session, message, sizeof(message), signature, SIZE), CKR_SIGNATURE_INVALID);
    ck_assert_rv(C_VerifyInit(keys.session, mechanism, keys.public_key), CKR_OK);
    ck_assert_rv(C_Verify(keys.session, message, sizeof(message), signature, SIZE - 1), CKR_SIGNATURE_LEN_RANGE);
    ck_assert_rv(C_VerifyInit(keys.session, mechanism, keys.public_key), CKR_OK);
    ck_assert_rv(C_Verify(keys.session, message, sizeof(message), NULL, SIZE), CKR_ARGUMENTS_BAD);
    ck_assert_rv(C_VerifyInit(keys.session, RSA_MECHANISM(CKM_RSA_PKCS), keys.public_key), CKR_OK);
    ck_assert_rv(C_Verify(keys.session, raw, SIZE - 10, signature, SIZE), CKR_DATA_LEN_RANGE);
    signature[SIZE - 1] ^= 1;
    ck_assert_rv(C_VerifyInit(keys.session, mechanism, keys.public_key), CKR_OK);
    ck_assert_rv(C_Verify(keys.session, message, sizeof(message), signature, SIZE), CKR_SIGNATURE_INVALID);
    memset(signature, 0xff, SIZE);
    ck_assert_rv(C_VerifyInit(keys.session, mechanism, keys.public_key), CKR_OK);
    ck_assert_rv(C_Verify(keys.session, message, sizeof(message), signature, SIZE), CKR_SIGNATURE_INVALID);
}
END_TEST

static Keys shared; /* of the tests with threads */

static void sign_in_between(void)
{
    CK_BYTE signature[SIZE];
    CK_ULONG size = SIZE;

    ck_assert_rv(C_Sign(shared.session, message, 1, signature, &size), CKR_OPERATION_NOT_INITIALIZED);
    ck_assert_rv(C_SignInit(shared.session, RSA_MECHANISM(CKM_SHA256_RSA_PKCS), shared.private_key), CKR_OPERATION_ACTIVE);
    ck_assert_uint_eq(find(shared.session, NULL, 0, (CK_OBJECT_HANDLE[16]){0}), 2); /* no lock is held: this would hang */
}

START_TEST(session_is_free_while_the_nodes_sign)
{
    CK_BYTE signature[SIZE];
    CK_ULONG size = SIZE;

    shared = start_with_key();
    ck_assert_rv(C_SignInit(shared.session, RSA_MECHANISM(CKM_SHA256_RSA_PKCS), shared.private_key), CKR_OK);
    fake.while_signing = sign_in_between;
    ck_assert_rv(C_Sign(shared.session, message, sizeof(message), signature, &size), CKR_OK);
    ck_assert(openssl_accepts("SHA256", signature, size));
}
END_TEST

static void close_in_between(void)
{
    ck_assert_rv(C_CloseAllSessions(0), CKR_OK);
    ck_assert_rv(C_Login(open_session(0), CKU_USER, PIN, 4), CKR_OK);
}

static void finalize_in_between(void)
{
    ck_assert_rv(C_Finalize(NULL), CKR_OK);
    ck_assert_rv(C_Initialize(NULL), CKR_OK);
}

START_TEST(sessions_may_go_while_the_nodes_sign)
{
    CK_BYTE signature[SIZE];
    CK_ULONG size = SIZE;

    shared = start_with_key();
    ck_assert_rv(C_SignInit(shared.session, RSA_MECHANISM(CKM_SHA256_RSA_PKCS), shared.private_key), CKR_OK);
    fake.while_signing = close_in_between;
    ck_assert_rv(C_Sign(shared.session, message, sizeof(message), signature, &size), CKR_OK);
    ck_assert(openssl_accepts("SHA256", signature, size));
    fake.while_signing = NULL;
    shared.session = open_session(CKF_RW_SESSION);
    ck_assert_rv(C_SignInit(shared.session, RSA_MECHANISM(CKM_SHA256_RSA_PKCS), shared.private_key), CKR_OK);
    fake.while_signing = finalize_in_between;
    ck_assert_rv(C_Sign(shared.session, message, sizeof(message), signature, &size), CKR_OK);
}
END_TEST

static void *sign_often(void *unused)
{
    CK_SESSION_HANDLE session = open_session(0);

    for (int i = 0; i < 20; i++) {
        CK_BYTE signature[SIZE];
        CK_ULONG size = SIZE;

        ck_assert_rv(C_SignInit(session, RSA_MECHANISM(CKM_SHA256_RSA_PKCS), shared.private_key), CKR_OK);
        ck_assert_rv(C_Sign(session, message, sizeof(message), signature, &size), CKR_OK);
        ck_assert(openssl_accepts("SHA256", signature, size));
        ck_assert_uint_ge(find(session, NULL, 0, (CK_OBJECT_HANDLE[16]){0}), 2);
    }
    ck_assert_rv(C_CloseSession(session), CKR_OK);
    return NULL;
}

/* Everything that one session can suffer from several threads; every answer is one of those that are defined. */
static void *share_session(void *unused)
{
    static const CK_RV defined[] = {CKR_OK, CKR_OPERATION_ACTIVE, CKR_OPERATION_NOT_INITIALIZED};

    for (int i = 0; i < 50; i++) {
        CK_BYTE signature[SIZE];
        CK_ULONG size = SIZE;
        CK_RV answers[] = {
            C_SignInit(shared.session, RSA_MECHANISM(CKM_SHA256_RSA_PKCS), shared.private_key),
            C_SignUpdate(shared.session, message, 3),
            C_SignFinal(shared.session, signature, &size),
            C_FindObjectsInit(shared.session, NULL, 0),
            C_FindObjects(shared.session, (CK_OBJECT_HANDLE[4]){0}, 4, &size),
            C_FindObjectsFinal(shared.session),
        };

        for (size_t j = 0; j < ELEMENTS(answers); j++)
            ck_assert(answers[j] == defined[0] || answers[j] == defined[1] || answers[j] == defined[2]);
    }
    return NULL;
}

static void *change_keys(void *unused)
{
    for (int i = 0; i < 50; i++) {
        fake_add_key("other", "2");
        (void)find(open_session(0), NULL, 0, (CK_OBJECT_HANDLE[16]){0});
        fake_remove_key("other");
    }
    return NULL;
}

static void run_threads(void *(*const bodies[])(void *), size_t count)
{
    pthread_t threads[32];

    for (size_t i = 0; i < count; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, bodies[i], NULL), 0);
    for (size_t i = 0; i < count; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
}

START_TEST(many_threads_many_sessions)
{
    void *(*bodies[17])(void *) = {change_keys};

    for (size_t i = 1; i < ELEMENTS(bodies); i++)
        bodies[i] = sign_often;
    shared = start_with_key();
    run_threads(bodies, ELEMENTS(bodies));
    ck_assert_uint_eq(fake.signatures, 16 * 20);
}
END_TEST

START_TEST(many_threads_one_session)
{
    void *(*bodies[8])(void *);

    for (size_t i = 0; i < ELEMENTS(bodies); i++)
        bodies[i] = share_session;
    shared = start_with_key();
    run_threads(bodies, ELEMENTS(bodies));
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_unchecked_fixture(cases, make_key, NULL);
    tcase_add_checked_fixture(cases, reset, NULL);
    tcase_add_test(cases, every_mechanism_signs_and_verifies);
    tcase_add_test(cases, digest_infos_are_signed);
    tcase_add_test(cases, nothing_but_digest_infos_is_signed);
    tcase_add_test(cases, sha1_is_signed_where_allowed);
    tcase_add_test(cases, size_queries_ask_nobody);
    tcase_add_test(cases, signing_has_states);
    tcase_add_test(cases, failures_have_their_names_and_end_the_operation);
    tcase_add_test(cases, a_refused_pin_ends_the_login);
    tcase_add_test(cases, wrong_signatures_do_not_verify);
    tcase_add_test(cases, session_is_free_while_the_nodes_sign);
    tcase_add_test(cases, sessions_may_go_while_the_nodes_sign);
    tcase_add_test(cases, many_threads_many_sessions);
    tcase_add_test(cases, many_threads_one_session);
}

UNIT_MAIN("pkcs11-sign", add_tests)
