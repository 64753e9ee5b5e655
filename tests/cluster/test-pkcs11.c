/* The built module and real nodes: the life of keys, every mechanism, threads, forks, reloading. */
#include <openssl/rsa.h>
#include <pthread.h>

#include "pkcs11-client.h"

static const struct {
    CK_MECHANISM_TYPE mechanism;
    const char *hash;
} hashing[] = {
    {CKM_SHA1_RSA_PKCS, "SHA1"},
    {CKM_SHA256_RSA_PKCS, "SHA256"},
    {CKM_SHA384_RSA_PKCS, "SHA384"},
    {CKM_SHA512_RSA_PKCS, "SHA512"},
};

START_TEST(every_mechanism)
{
    CK_SESSION_HANDLE session = start();
    CK_OBJECT_HANDLE private_key = find_key(session, CKO_PRIVATE_KEY, "shared");
    CK_OBJECT_HANDLE public_key = find_key(session, CKO_PUBLIC_KEY, "shared");
    EVP_PKEY *key = public_key_of(session, public_key);
    CK_BYTE signature[SIGNATURE_SIZE];

    for (size_t i = 0; i < ELEMENTS_OF(hashing); i++) {
        ck_assert_rv(sign(session, hashing[i].mechanism, private_key, signature), CKR_OK);
        ck_assert(openssl_accepts(key, hashing[i].hash, signature, sizeof(signature)));
        ck_assert_rv(p11->C_VerifyInit(session, MECHANISM(hashing[i].mechanism), public_key), CKR_OK);
        ck_assert_rv(p11->C_Verify(session, message, sizeof(message), signature, sizeof(signature)), CKR_OK);
    }
    EVP_PKEY_free(key);
}
END_TEST

START_TEST(pss_with_every_salt)
{
    static const CK_ULONG salts[] = {0, 32, SIGNATURE_SIZE - 32 - 2};
    CK_SESSION_HANDLE session = start();
    CK_OBJECT_HANDLE private_key = find_key(session, CKO_PRIVATE_KEY, "shared");
    EVP_PKEY *key = public_key_of(session, private_key);

    for (size_t i = 0; i < ELEMENTS_OF(salts); i++) {
        CK_RSA_PKCS_PSS_PARAMS parameters = {CKM_SHA256, CKG_MGF1_SHA256, salts[i]};
        CK_MECHANISM mechanism = {CKM_SHA256_RSA_PKCS_PSS, &parameters, sizeof(parameters)};
        CK_BYTE signature[SIGNATURE_SIZE];
        CK_ULONG size = sizeof(signature);
        EVP_MD_CTX *ctx = EVP_MD_CTX_new();
        EVP_PKEY_CTX *of_key;

        ck_assert_rv(p11->C_SignInit(session, &mechanism, private_key), CKR_OK);
        ck_assert_rv(p11->C_Sign(session, message, sizeof(message), signature, &size), CKR_OK);
        ck_assert_int_eq(EVP_DigestVerifyInit_ex(ctx, &of_key, "SHA256", NULL, NULL, key, NULL), 1);
        ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_padding(of_key, RSA_PKCS1_PSS_PADDING), 1);
        ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_pss_saltlen(of_key, (int)salts[i]), 1);
        ck_assert_int_eq(EVP_DigestVerify(ctx, signature, size, message, sizeof(message)), 1);
        EVP_MD_CTX_free(ctx);
    }
    EVP_PKEY_free(key);
}
END_TEST

START_TEST(digest_info_with_size_queries)
{
    static const CK_BYTE prefix[] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                                     0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20}; /* RFC 8017 §9.2 */
    CK_SESSION_HANDLE session = start();
    CK_OBJECT_HANDLE private_key = find_key(session, CKO_PRIVATE_KEY, "shared");
    EVP_PKEY *key = public_key_of(session, private_key);
    CK_BYTE info[sizeof(prefix) + 32], signature[SIGNATURE_SIZE];
    CK_ULONG size = 0x5a5a5a5a;

    memcpy(info, prefix, sizeof(prefix));
    ck_assert_int_eq(EVP_Digest(message, sizeof(message), info + sizeof(prefix), NULL, EVP_sha256(), NULL), 1);
    ck_assert_rv(p11->C_SignInit(session, MECHANISM(CKM_RSA_PKCS), private_key), CKR_OK);
    ck_assert_rv(p11->C_Sign(session, info, sizeof(info), NULL, &size), CKR_OK);
    ck_assert_uint_eq(size, SIGNATURE_SIZE);
    size--;
    ck_assert_rv(p11->C_Sign(session, info, sizeof(info), signature, &size), CKR_BUFFER_TOO_SMALL);
    ck_assert_rv(p11->C_Sign(session, info, sizeof(info), signature, &size), CKR_OK);
    ck_assert(openssl_accepts(key, "SHA256", signature, size));
    EVP_PKEY_free(key);
}
END_TEST

static void sign_elsewhere(void)
{
    sign_and_check(start(), "renamed");
}

static void find_elsewhere(void)
{
    CK_OBJECT_HANDLE key;
    CK_SESSION_HANDLE session = start();

    ck_assert_uint_eq(find(session, CKO_PRIVATE_KEY, "renamed", &key), 0);
    ck_assert_uint_eq(find(session, CKO_PUBLIC_KEY, "brief", &key), 0);
}

START_TEST(life_of_a_key)
{
    CK_SESSION_HANDLE session = start();
    CK_ATTRIBUTE name[] = {A_TEXT(CKA_LABEL, "renamed"), A_TEXT(CKA_ID, "0123456789abcdef")};
    CK_OBJECT_HANDLE private_key, public_key;

    ck_assert_rv(generate(session, "brief", CK_TRUE), CKR_OK);
    sign_and_check(session, "brief");
    private_key = find_key(session, CKO_PRIVATE_KEY, "brief");
    public_key = find_key(session, CKO_PUBLIC_KEY, "brief");
    ck_assert_rv(p11->C_SetAttributeValue(session, private_key, name, 2), CKR_OK);
    ck_assert_uint_eq(find_key(session, CKO_PRIVATE_KEY, "renamed"), private_key);
    in_child(sign_elsewhere);
    ck_assert_rv(p11->C_DestroyObject(session, private_key), CKR_OK);
    ck_assert_rv(p11->C_DestroyObject(session, public_key), CKR_OK);
    ck_assert_rv(p11->C_DestroyObject(session, public_key), CKR_OBJECT_HANDLE_INVALID);
    in_child(find_elsewhere);
}
END_TEST

START_TEST(public_key_need_not_be_on_the_token)
{
    CK_SESSION_HANDLE session = start(), other = open_session(CKF_RW_SESSION);
    CK_OBJECT_HANDLE key;

    ck_assert_rv(generate(other, "alone", CK_FALSE), CKR_OK);
    ck_assert_rv(p11->C_CloseSession(other), CKR_OK);
    ck_assert_uint_eq(find(session, CKO_PUBLIC_KEY, "alone", &key), 0);
    sign_and_check(session, "alone");
    ck_assert_rv(p11->C_DestroyObject(session, find_key(session, CKO_PRIVATE_KEY, "alone")), CKR_OK);
}
END_TEST

START_TEST(public_key_can_go_alone)
{
    CK_SESSION_HANDLE session = start();
    CK_OBJECT_HANDLE key;

    ck_assert_rv(generate(session, "half", CK_TRUE), CKR_OK);
    ck_assert_rv(p11->C_DestroyObject(session, find_key(session, CKO_PUBLIC_KEY, "half")), CKR_OK);
    ck_assert_uint_eq(find(session, CKO_PUBLIC_KEY, "half", &key), 0);
    sign_and_check(session, "half");
    ck_assert_rv(p11->C_DestroyObject(session, find_key(session, CKO_PRIVATE_KEY, "half")), CKR_OK);
}
END_TEST

START_TEST(pin_is_the_nodes_to_judge)
{
    CK_UTF8CHAR wrong[] = "not the pin", next[] = "the next pin";
    CK_ULONG size = strlen((const char *)pin());
    CK_SESSION_HANDLE session;

    ck_assert_rv(p11->C_Initialize(NULL), CKR_OK);
    session = open_session(CKF_RW_SESSION);
    ck_assert_rv(p11->C_Login(session, CKU_USER, wrong, sizeof(wrong) - 1), CKR_PIN_INCORRECT);
    ck_assert_rv(p11->C_SetPIN(session, wrong, sizeof(wrong) - 1, next, sizeof(next) - 1), CKR_PIN_INCORRECT);
    ck_assert_rv(log_in(session), CKR_OK);
    ck_assert_rv(p11->C_SetPIN(session, pin(), size, next, sizeof(next) - 1), CKR_OK);
    sign_and_check(session, "shared");
    ck_assert_rv(p11->C_Logout(session), CKR_OK);
    ck_assert_rv(log_in(session), CKR_PIN_INCORRECT);
    ck_assert_rv(p11->C_Login(session, CKU_USER, next, sizeof(next) - 1), CKR_OK);
    ck_assert_rv(p11->C_SetPIN(session, next, sizeof(next) - 1, pin(), size), CKR_OK);
    ck_assert_rv(p11->C_Logout(session), CKR_OK);
    ck_assert_rv(log_in(session), CKR_OK);
    sign_and_check(session, "shared");
}
END_TEST

START_TEST(session_copies_sign)
{
    CK_SESSION_HANDLE session = start();
    CK_ATTRIBUTE attributes[] = {A_BOOL(CKA_TOKEN, CK_FALSE), A_TEXT(CKA_LABEL, "copy")};
    CK_OBJECT_HANDLE copy;

    ck_assert_rv(p11->C_CopyObject(session, find_key(session, CKO_PRIVATE_KEY, "shared"), attributes, 2, &copy), CKR_OK);
    sign_and_check(session, "copy");
    ck_assert_rv(p11->C_DestroyObject(session, copy), CKR_OK);
    sign_and_check(session, "shared");
}
END_TEST

static void *sign_in_thread(void *unused)
{
    CK_SESSION_HANDLE session = open_session(0);

    for (int i = 0; i < 8; i++)
        sign_and_check(session, "shared");
    ck_assert_rv(p11->C_CloseSession(session), CKR_OK);
    return NULL;
}

START_TEST(sixteen_threads)
{
    pthread_t threads[16];

    (void)start();
    for (size_t i = 0; i < ELEMENTS_OF(threads); i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, sign_in_thread, NULL), 0);
    for (size_t i = 0; i < ELEMENTS_OF(threads); i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
}
END_TEST

static void use_in_child(void)
{
    CK_ULONG count;

    ck_assert_rv(p11->C_GetSlotList(CK_TRUE, NULL, &count), CKR_CRYPTOKI_NOT_INITIALIZED);
    (void)p11->C_Finalize(NULL); /* some do */
    sign_and_check(start(), "shared");
    ck_assert_rv(p11->C_Finalize(NULL), CKR_OK);
    ck_assert_rv(p11->C_Finalize(NULL), CKR_CRYPTOKI_NOT_INITIALIZED);
}

static void leave_child(void)
{
}

START_TEST(fork_after_initialize)
{
    CK_SESSION_HANDLE session = start();

    sign_and_check(session, "shared"); /* there are connections now */
    in_child(use_in_child);
    sign_and_check(session, "shared");
    in_child(leave_child);
    sign_and_check(session, "shared");
}
END_TEST

START_TEST(fork_before_initialize)
{
    in_child(use_in_child);
    sign_and_check(start(), "shared");
}
END_TEST

static void *keep_signing(void *session)
{
    for (int i = 0; i < 20; i++)
        sign_and_check(*(CK_SESSION_HANDLE *)session, "shared");
    return NULL;
}

START_TEST(fork_while_another_thread_signs)
{
    CK_SESSION_HANDLE session = start(), other = open_session(0);
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, keep_signing, &other), 0);
    for (int i = 0; i < 5; i++)
        in_child(use_in_child);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    sign_and_check(session, "shared");
}
END_TEST

START_TEST(initialize_and_finalize_in_rounds)
{
    for (int i = 0; i < 20; i++) {
        sign_and_check(start(), "shared");
        ck_assert_rv(p11->C_Finalize(NULL), CKR_OK);
    }
}
END_TEST

START_TEST(load_and_unload_in_rounds)
{
    CK_BYTE digest[32];

    for (int i = 0; i < 5; i++) {
        sign_and_check(start(), "shared");
        ck_assert_rv(p11->C_Finalize(NULL), CKR_OK);
        ck_assert_int_eq(dlclose(library), 0);
        ck_assert_int_eq(EVP_Digest(message, sizeof(message), digest, NULL, EVP_sha256(), NULL), 1); /* its own OpenSSL still works */
        load_module();
    }
    ck_assert_int_eq(dlclose(library), 0); /* without C_Finalize, and before OpenSSL's exit handlers */
}
END_TEST

static void exit_at_once(void)
{
    sign_and_check(start(), "shared");
    exit(0); /* all exit handlers, no C_Finalize */
}

START_TEST(finalize_closes_all_connections)
{
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE key;
    unsigned before;

    before = open_sockets();
    ck_assert_rv(p11->C_Initialize(NULL), CKR_OK);
    session = open_session(0);
    ck_assert_uint_eq(find(session, CKO_PUBLIC_KEY, "shared", &key), 1);
    ck_assert_uint_gt(open_sockets(), before);
    ck_assert_rv(p11->C_Finalize(NULL), CKR_OK);
    ck_assert_uint_eq(open_sockets(), before);
}
END_TEST

static void finalize_at_exit(void)
{
    (void)p11->C_Finalize(NULL);
}

/* Registered before OpenSSL's own handler, so it runs after it. */
static void exit_with_finalize(void)
{
    ck_assert_int_eq(atexit(finalize_at_exit), 0);
    sign_and_check(start(), "shared");
    exit(0);
}

START_TEST(exit_in_every_order)
{
    in_child(exit_at_once);
    in_child(exit_with_finalize);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_unchecked_fixture(cases, set_up, NULL);
    tcase_add_test(cases, every_mechanism);
    tcase_add_test(cases, pss_with_every_salt);
    tcase_add_test(cases, digest_info_with_size_queries);
    tcase_add_test(cases, life_of_a_key);
    tcase_add_test(cases, public_key_need_not_be_on_the_token);
    tcase_add_test(cases, public_key_can_go_alone);
    tcase_add_test(cases, pin_is_the_nodes_to_judge);
    tcase_add_test(cases, session_copies_sign);
    tcase_add_test(cases, sixteen_threads);
    tcase_add_test(cases, fork_after_initialize);
    tcase_add_test(cases, fork_before_initialize);
    tcase_add_test(cases, fork_while_another_thread_signs);
    tcase_add_test(cases, initialize_and_finalize_in_rounds);
    tcase_add_test(cases, load_and_unload_in_rounds);
    tcase_add_test(cases, finalize_closes_all_connections);
    tcase_add_test(cases, exit_in_every_order);
}

UNIT_MAIN("pkcs11-quorum", add_tests)
