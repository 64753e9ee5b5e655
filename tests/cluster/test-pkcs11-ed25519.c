/* The built module and real nodes: Ed25519 keys, which the nodes make among themselves. */
#include <pthread.h>

#include "pkcs11-client.h"

#define ED25519_SIZE     64 /* bytes of a signature */
#define MESSAGE_SIZE_MAX (64 * 1024)

static CK_RV generate_ed25519(CK_SESSION_HANDLE session, const char *label, CK_OBJECT_HANDLE *ret_public, CK_OBJECT_HANDLE *ret_private)
{
    CK_ATTRIBUTE public[] = {
        A_TEXT(CKA_EC_PARAMS, "\x06\x03\x2b\x65\x70"), A_BOOL(CKA_TOKEN, CK_TRUE), {CKA_LABEL, (void *)(uintptr_t)label, strlen(label)}};
    CK_ATTRIBUTE private[] = {A_BOOL(CKA_TOKEN, CK_TRUE), {CKA_LABEL, (void *)(uintptr_t)label, strlen(label)}};

    return p11->C_GenerateKeyPair(session, MECHANISM(CKM_EC_EDWARDS_KEY_PAIR_GEN), public, ELEMENTS_OF(public), private,
                                  ELEMENTS_OF(private), ret_public, ret_private);
}

static bool accepts(EVP_PKEY *key, const CK_BYTE *text, size_t size, const CK_BYTE *signature)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    int r = EVP_DigestVerifyInit_ex(ctx, NULL, NULL, NULL, NULL, key, NULL);

    if (r == 1)
        r = EVP_DigestVerify(ctx, signature, ED25519_SIZE, text, size);
    EVP_MD_CTX_free(ctx);
    return r == 1;
}

START_TEST(life_of_a_key)
{
    CK_SESSION_HANDLE session = start();
    CK_OBJECT_HANDLE public_key, private_key;
    CK_BYTE signature[ED25519_SIZE], *text = calloc(1, MESSAGE_SIZE_MAX + 1);
    CK_ULONG size = 0x5a5a5a5a;
    EVP_PKEY *key;

    ck_assert_rv(generate_ed25519(session, "curve", &public_key, &private_key), CKR_OK);
    ck_assert_uint_eq(find_key(session, CKO_PUBLIC_KEY, "curve"), public_key);
    key = public_key_of(session, private_key);
    ck_assert_rv(p11->C_SignInit(session, MECHANISM(CKM_EDDSA), private_key), CKR_OK);
    ck_assert_rv(p11->C_Sign(session, message, sizeof(message), NULL, &size), CKR_OK);
    ck_assert_uint_eq(size, ED25519_SIZE);
    size--;
    ck_assert_rv(p11->C_Sign(session, message, sizeof(message), signature, &size), CKR_BUFFER_TOO_SMALL);
    ck_assert_rv(p11->C_Sign(session, message, sizeof(message), signature, &size), CKR_OK);
    ck_assert(accepts(key, message, sizeof(message), signature));
    ck_assert_rv(p11->C_VerifyInit(session, MECHANISM(CKM_EDDSA), public_key), CKR_OK);
    ck_assert_rv(p11->C_Verify(session, message, sizeof(message), signature, ED25519_SIZE), CKR_OK);
    ck_assert_rv(p11->C_VerifyInit(session, MECHANISM(CKM_EDDSA), public_key), CKR_OK);
    ck_assert_rv(p11->C_Verify(session, message, sizeof(message) - 1, signature, ED25519_SIZE), CKR_SIGNATURE_INVALID);

    ck_assert_rv(p11->C_SignInit(session, MECHANISM(CKM_EDDSA), private_key), CKR_OK);
    ck_assert_rv(p11->C_Sign(session, NULL, 0, signature, &size), CKR_OK);
    ck_assert(accepts(key, NULL, 0, signature));
    ck_assert_rv(p11->C_SignInit(session, MECHANISM(CKM_EDDSA), private_key), CKR_OK);
    ck_assert_rv(p11->C_SignUpdate(session, text, 1), CKR_OK);
    ck_assert_rv(p11->C_SignUpdate(session, text, MESSAGE_SIZE_MAX - 1), CKR_OK);
    ck_assert_rv(p11->C_SignFinal(session, signature, &size), CKR_OK);
    ck_assert(accepts(key, text, MESSAGE_SIZE_MAX, signature));
    ck_assert_rv(p11->C_SignInit(session, MECHANISM(CKM_EDDSA), private_key), CKR_OK);
    ck_assert_rv(p11->C_Sign(session, text, MESSAGE_SIZE_MAX + 1, signature, &size), CKR_DATA_LEN_RANGE);
    ck_assert_rv(p11->C_DestroyObject(session, private_key), CKR_OK);
    ck_assert_uint_eq(find(session, CKO_PRIVATE_KEY, "curve", &private_key), 0);
    EVP_PKEY_free(key);
    free(text);
}
END_TEST

static void make_ed25519_key(void)
{
    CK_OBJECT_HANDLE public_key, private_key;

    ck_assert_rv(generate_ed25519(start(), "shared", &public_key, &private_key), CKR_OK);
    ck_assert_rv(p11->C_Finalize(NULL), CKR_OK);
}

static void make_shared_key(void)
{
    load_module();
    in_child(make_ed25519_key);
}

static void *sign_in_thread(void *unused)
{
    CK_SESSION_HANDLE session = open_session(0);
    CK_OBJECT_HANDLE private_key = find_key(session, CKO_PRIVATE_KEY, "shared");
    EVP_PKEY *key = public_key_of(session, private_key);

    for (CK_BYTE i = 0; i < 20; i++) {
        CK_BYTE signature[ED25519_SIZE];
        CK_ULONG size = sizeof(signature);

        ck_assert_rv(p11->C_SignInit(session, MECHANISM(CKM_EDDSA), private_key), CKR_OK);
        ck_assert_rv(p11->C_Sign(session, &i, 1, signature, &size), CKR_OK);
        ck_assert(accepts(key, &i, 1, signature));
    }
    EVP_PKEY_free(key);
    return NULL;
}

START_TEST(eight_threads)
{
    pthread_t threads[8];

    (void)start();
    for (size_t i = 0; i < ELEMENTS_OF(threads); i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, sign_in_thread, NULL), 0);
    for (size_t i = 0; i < ELEMENTS_OF(threads); i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
}
END_TEST

static void sign_in_child(void)
{
    ck_assert_rv(p11->C_Initialize(NULL), CKR_OK);
    ck_assert_rv(log_in(open_session(0)), CKR_OK);
    (void)sign_in_thread(NULL);
    ck_assert_rv(p11->C_Finalize(NULL), CKR_OK);
}

/* Nonces of the parent's connections are not the child's to use. */
START_TEST(a_fork_signs_too)
{
    (void)start();
    (void)sign_in_thread(NULL);
    in_child(sign_in_child);
    (void)sign_in_thread(NULL);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_unchecked_fixture(cases, make_shared_key, NULL);
    tcase_add_test(cases, life_of_a_key);
    tcase_add_test(cases, eight_threads);
    tcase_add_test(cases, a_fork_signs_too);
}

UNIT_MAIN("pkcs11-ed25519-quorum", add_tests)
