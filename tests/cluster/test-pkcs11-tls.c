/* The built module over TLS, in a process with an OpenSSL of its own: neither is to notice the other. Inside tests/with-quorum -t. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>

#include "pkcs11-client.h"

/* What is in the application's queue of errors stays, and nothing is added. */
START_TEST(the_applications_errors_are_its_own)
{
    CK_SESSION_HANDLE session;
    CK_BYTE signature[SIGNATURE_SIZE];
    CK_OBJECT_HANDLE key;

    ERR_clear_error();
    session = start();
    key = find_key(session, CKO_PRIVATE_KEY, "shared");
    ck_assert_rv(sign(session, CKM_SHA256_RSA_PKCS, key, signature), CKR_OK);
    ck_assert_uint_eq(ERR_peek_error(), 0);
    ck_assert_rv(p11->C_Finalize(NULL), CKR_OK);

    ERR_raise(ERR_LIB_USER, 42);
    session = start(); /* with new connections, and their handshakes */
    key = find_key(session, CKO_PRIVATE_KEY, "shared");
    ck_assert_rv(sign(session, CKM_SHA256_RSA_PKCS, key, signature), CKR_OK);
    ck_assert_rv(p11->C_Finalize(NULL), CKR_OK);
    ck_assert_int_eq(ERR_GET_REASON(ERR_get_error()), 42);
    ck_assert_uint_eq(ERR_get_error(), 0);
}
END_TEST

/* A handshake of the application's with itself, in memory. */
static void use_openssl(void)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(ctx);

    (void)SSL_set_cipher_list(ssl, "DEFAULT");
    SSL_set_connect_state(ssl);
    SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    ck_assert_int_eq(SSL_do_handshake(ssl), -1);
    ck_assert_int_eq(SSL_get_error(ssl, -1), SSL_ERROR_WANT_READ); /* the ClientHello is written */
    ck_assert_uint_gt(BIO_pending(SSL_get_wbio(ssl)), 0);
    SSL_free(ssl);
    SSL_CTX_free(ctx);
}

START_TEST(an_application_with_openssl_unloads_the_module)
{
    CK_SESSION_HANDLE session;

    use_openssl();
    session = start();
    sign_and_check(session, "shared");
    use_openssl();
    sign_and_check(session, "shared");
    ck_assert_rv(p11->C_Finalize(NULL), CKR_OK);
    ck_assert_int_eq(dlclose(library), 0);
    use_openssl();
    load_module();
    session = start();
    sign_and_check(session, "shared");
    ck_assert_rv(p11->C_Finalize(NULL), CKR_OK);
    ck_assert_int_eq(dlclose(library), 0);
    OPENSSL_thread_stop();
}
END_TEST

/* ---- fork() with open connections ---- */

static void leave(void)
{
    exit(0); /* with all that runs at exit; no C_Initialize */
}

static void begin_anew(void)
{
    CK_SESSION_HANDLE session = start();

    for (int i = 0; i < 5; i++)
        sign_and_check(session, "shared");
    ck_assert_rv(p11->C_Finalize(NULL), CKR_OK);
}

START_TEST(children_leave_the_connections_alone)
{
    CK_SESSION_HANDLE session = start();

    for (int i = 0; i < 3; i++) {
        sign_and_check(session, "shared");
        in_child(leave);
        sign_and_check(session, "shared");
        in_child(begin_anew);
    }
    sign_and_check(session, "shared");
    ck_assert_rv(p11->C_Finalize(NULL), CKR_OK);
}
END_TEST

/* ---- Threads ---- */

enum { THREADS = 8, SIGNATURES = 25 };

static void *sign_some(void *unused)
{
    CK_SESSION_HANDLE session = open_session(0);
    CK_OBJECT_HANDLE key = find_key(session, CKO_PRIVATE_KEY, "shared");
    CK_BYTE signature[SIGNATURE_SIZE];

    for (int i = 0; i < SIGNATURES; i++)
        if (sign(session, CKM_SHA256_RSA_PKCS, key, signature) != CKR_OK)
            return library;
    return NULL;
}

static void sign_in_threads(void)
{
    pthread_t threads[THREADS];

    for (size_t i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, sign_some, NULL), 0);
    for (size_t i = 0; i < THREADS; i++) {
        void *failed;

        ck_assert_int_eq(pthread_join(threads[i], &failed), 0);
        ck_assert_ptr_null(failed);
    }
}

START_TEST(threads_sign_at_once)
{
    CK_SESSION_HANDLE session = start();

    sign_in_threads();
    sign_and_check(session, "shared");
    ck_assert_rv(p11->C_Finalize(NULL), CKR_OK);
}
END_TEST

static void *fork_now_and_then(void *unused)
{
    for (int i = 0; i < 10; i++) {
        pid_t child = fork();

        if (child == 0)
            _exit(p11->C_Finalize(NULL) == CKR_CRYPTOKI_NOT_INITIALIZED ? 0 : 1);

        int status;

        if (waitpid(child, &status, 0) != child || status != 0)
            return library;
        (void)usleep(5000);
    }
    return NULL;
}

START_TEST(threads_sign_while_one_forks)
{
    CK_SESSION_HANDLE session = start();
    pthread_t thread;
    void *failed;

    ck_assert_int_eq(pthread_create(&thread, NULL, fork_now_and_then, NULL), 0);
    sign_in_threads();
    ck_assert_int_eq(pthread_join(thread, &failed), 0);
    ck_assert_ptr_null(failed);
    sign_and_check(session, "shared");
    ck_assert_rv(p11->C_Finalize(NULL), CKR_OK);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_unchecked_fixture(cases, set_up, NULL);
    tcase_add_test(cases, the_applications_errors_are_its_own);
    tcase_add_test(cases, an_application_with_openssl_unloads_the_module);
    tcase_add_test(cases, children_leave_the_connections_alone);
    tcase_add_test(cases, threads_sign_at_once);
    tcase_add_test(cases, threads_sign_while_one_forks);
}

UNIT_MAIN("pkcs11-tls", add_tests)
