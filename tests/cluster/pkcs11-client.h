/*
 * An application of the built module, beside a quorum that tests/with-quorum has started: it loads $PKCS11_MODULE as applications
 * do, and checks every signature with an OpenSSL of its own.
 */
#pragma once

#include <dlfcn.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <p11-kit/pkcs11.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "pkcs11-assert.h"
#include "unit.h"

#ifndef MODULE_BINDING /* how the module is loaded besides: a flag of dlopen() */
#define MODULE_BINDING 0
#endif

#define ELEMENTS_OF(array) (sizeof(array) / sizeof((array)[0]))
#define SIGNATURE_SIZE     256
#define MECHANISM(type_)   (&(CK_MECHANISM){.mechanism = (type_)})

static void *library;
static CK_FUNCTION_LIST *p11;
static CK_BYTE message[] = "the bytes that are signed";

static inline void load_module(void)
{
    CK_RV (*get)(CK_FUNCTION_LIST **);

    library = dlopen(getenv("PKCS11_MODULE"), RTLD_NOW | RTLD_LOCAL | MODULE_BINDING);
    ck_assert_msg(library != NULL, "%s", dlerror());
    *(void **)&get = dlsym(library, "C_GetFunctionList");
    ck_assert_ptr_nonnull(*(void **)&get);
    ck_assert_rv(get(&p11), CKR_OK);
}

static inline CK_UTF8CHAR *pin(void)
{
    return (CK_UTF8CHAR *)getenv("PKCS11_PIN");
}

static inline CK_RV log_in(CK_SESSION_HANDLE session)
{
    return p11->C_Login(session, CKU_USER, pin(), strlen((const char *)pin()));
}

static inline CK_SESSION_HANDLE open_session(CK_FLAGS flags)
{
    CK_SESSION_HANDLE session;

    ck_assert_rv(p11->C_OpenSession(0, CKF_SERIAL_SESSION | flags, NULL, NULL, &session), CKR_OK);
    return session;
}

/* Initialized and logged in. */
static inline CK_SESSION_HANDLE start(void)
{
    CK_SESSION_HANDLE session;

    ck_assert_rv(p11->C_Initialize(NULL), CKR_OK);
    session = open_session(CKF_RW_SESSION);
    ck_assert_rv(log_in(session), CKR_OK);
    return session;
}

static inline CK_ULONG find(CK_SESSION_HANDLE session, CK_OBJECT_CLASS class, const char *label, CK_OBJECT_HANDLE *ret_object)
{
    CK_ATTRIBUTE attributes[] = {A_ULONG(CKA_CLASS, class), {CKA_LABEL, (void *)(uintptr_t)label, strlen(label)}};
    CK_ULONG count;

    ck_assert_rv(p11->C_FindObjectsInit(session, attributes, 2), CKR_OK);
    ck_assert_rv(p11->C_FindObjects(session, ret_object, 1, &count), CKR_OK);
    ck_assert_rv(p11->C_FindObjectsFinal(session), CKR_OK);
    return count;
}

static inline CK_OBJECT_HANDLE find_key(CK_SESSION_HANDLE session, CK_OBJECT_CLASS class, const char *label)
{
    CK_OBJECT_HANDLE key;

    ck_assert_uint_eq(find(session, class, label, &key), 1);
    return key;
}

static inline CK_RV generate(CK_SESSION_HANDLE session, const char *label, CK_BBOOL public_on_token)
{
    CK_ATTRIBUTE public[] = {
        A_ULONG(CKA_MODULUS_BITS, 2048), A_BOOL(CKA_TOKEN, public_on_token), {CKA_LABEL, (void *)(uintptr_t)label, strlen(label)}};
    CK_ATTRIBUTE private[] = {A_BOOL(CKA_TOKEN, CK_TRUE), {CKA_LABEL, (void *)(uintptr_t)label, strlen(label)}};
    CK_OBJECT_HANDLE public_key, private_key;

    return p11->C_GenerateKeyPair(session, MECHANISM(CKM_RSA_PKCS_KEY_PAIR_GEN), public, ELEMENTS_OF(public), private, ELEMENTS_OF(private),
                                  &public_key, &private_key);
}

/* The public key, as OpenSSL reads it. */
static inline EVP_PKEY *public_key_of(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object)
{
    CK_BYTE info[600];
    CK_ATTRIBUTE attribute = {CKA_PUBLIC_KEY_INFO, info, sizeof(info)};
    const unsigned char *at = info;
    EVP_PKEY *key;

    ck_assert_rv(p11->C_GetAttributeValue(session, object, &attribute, 1), CKR_OK);
    key = d2i_PUBKEY(NULL, &at, (long)attribute.ulValueLen);
    ck_assert_ptr_nonnull(key);
    return key;
}

static inline bool openssl_accepts(EVP_PKEY *key, const char *hash, const CK_BYTE *signature, CK_ULONG size)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    int r = EVP_DigestVerifyInit_ex(ctx, NULL, hash, NULL, NULL, key, NULL);

    if (r == 1)
        r = EVP_DigestVerify(ctx, signature, size, message, sizeof(message));
    EVP_MD_CTX_free(ctx);
    return r == 1;
}

static inline CK_RV sign(CK_SESSION_HANDLE session, CK_MECHANISM_TYPE mechanism, CK_OBJECT_HANDLE key,
                         CK_BYTE ret_signature[SIGNATURE_SIZE])
{
    CK_ULONG size = SIGNATURE_SIZE;
    CK_RV rv = p11->C_SignInit(session, MECHANISM(mechanism), key);

    return rv == CKR_OK ? p11->C_Sign(session, message, sizeof(message), ret_signature, &size) : rv;
}

/* Sign with the key of that label and check. */
static inline void sign_and_check(CK_SESSION_HANDLE session, const char *label)
{
    CK_OBJECT_HANDLE key = find_key(session, CKO_PRIVATE_KEY, label);
    EVP_PKEY *public = public_key_of(session, key);
    CK_BYTE signature[SIGNATURE_SIZE];

    ck_assert_rv(sign(session, CKM_SHA256_RSA_PKCS, key, signature), CKR_OK);
    ck_assert(openssl_accepts(public, "SHA256", signature, sizeof(signature)));
    EVP_PKEY_free(public);
}

static inline unsigned open_sockets(void)
{
    struct stat status;
    unsigned n = 0;

    for (int fd = 0; fd < 1024; fd++)
        n += fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode);
    return n;
}

/* Run `body` in a child, which ends with the test's failures. */
static inline void in_child(void (*body)(void))
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        body();
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}

static inline void make_key(void)
{
    CK_SESSION_HANDLE session;

    session = start();
    ck_assert_rv(generate(session, "shared", CK_TRUE), CKR_OK);
    ck_assert_rv(p11->C_Finalize(NULL), CKR_OK);
}

/* Once, before all tests: a key that they share. In a child, so that every test starts with a process that knows nothing. */
static inline void set_up(void)
{
    load_module();
    in_child(make_key);
}
