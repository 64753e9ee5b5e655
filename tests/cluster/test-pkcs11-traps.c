/*
 * What consumers do that other modules have died of, each with the consumer's own pattern, against real nodes (2 of 3). The whole list, and
 * where each is:
 *
 *   length left uninitialised (GnuTLS)                   here
 *   one session for each signature (pkcs11-provider)     here
 *   read-only sessions, 16 of them, search by class      here
 *     alone (libp11)
 *   initialised before main, daemon by two forks         here
 *     (PowerDNS); started again with NULL in the child
 *   C_Finalize and C_Initialize in the child             here
 *     (pkcs11-provider)
 *   Initialize, Finalize, dlclose, twice, then work      here
 *     (ods-signerd); no C_Finalize at exit
 *   no threads allowed (GnuTLS), no mutexes of its own   here
 *   32 threads, a session each; 32 threads, one session  here
 *   verifying, digesting and looking with no node there  here
 *   fork while another thread signs; exit in every       test-pkcs11.c
 *     order of handlers; rounds of dlopen and dlclose;
 *     nothing left open after C_Finalize
 *   a child that inherits TLS connections                test-pkcs11-tls.c
 *   nodes that stop during C_OpenSession, searches and   test-pkcs11-faults.c
 *     reading; a start without nodes
 *   loaded by libcrypto's own start-up                   test-provider
 *   RTLD_DEEPBIND and another malloc                     test-pkcs11-deepbind.c
 *   states, sizes and answers in all orders              ../unit/test-pkcs11-states.c
 */
#include <pthread.h>
#include <stdio.h>

#include "pkcs11-client.h"
#include "stopped-nodes.h"

#define ANSWER_BOUND (10 * MICROSECONDS_PER_SECOND) /* far below the roster's Timeout */

/* ---- Sizes and sessions ------------------------------------------------------------------------------------------------------- */

START_TEST(lengths_are_left_uninitialised)
{
    static const CK_ULONG leftovers[] = {0, 1, SIGNATURE_SIZE - 1, 0x5a5a5a5a5a5a5a5aUL, ~0UL};
    CK_SESSION_HANDLE session = start();
    CK_OBJECT_HANDLE key = find_key(session, CKO_PRIVATE_KEY, "shared");
    CK_BYTE signature[SIGNATURE_SIZE];

    for (size_t i = 0; i < ELEMENTS_OF(leftovers); i++) {
        CK_ULONG size = leftovers[i];

        ck_assert_rv(p11->C_SignInit(session, MECHANISM(CKM_SHA256_RSA_PKCS), key), CKR_OK);
        ck_assert_rv(p11->C_Sign(session, message, sizeof(message), NULL, &size), CKR_OK);
        ck_assert_uint_eq(size, SIGNATURE_SIZE);
        ck_assert_rv(p11->C_Sign(session, message, sizeof(message), signature, &size), CKR_OK);
    }
}
END_TEST

START_TEST(one_session_for_each_signature)
{
    CK_SESSION_HANDLE login = start(), session;
    CK_OBJECT_HANDLE key = find_key(login, CKO_PRIVATE_KEY, "shared");
    EVP_PKEY *public = public_key_of(login, key);
    CK_SESSION_INFO info;
    CK_TOKEN_INFO token;

    for (int i = 0; i < 50; i++) {
        CK_BYTE signature[SIGNATURE_SIZE];

        session = open_session(0);
        ck_assert_rv(p11->C_GetSessionInfo(session, &info), CKR_OK);
        ck_assert_uint_eq(info.state, CKS_RO_USER_FUNCTIONS);
        ck_assert_rv(sign(session, CKM_SHA256_RSA_PKCS, key, signature), CKR_OK);
        ck_assert(openssl_accepts(public, "SHA256", signature, sizeof(signature)));
        ck_assert_rv(p11->C_CloseSession(session), CKR_OK);
    }
    ck_assert_rv(p11->C_GetTokenInfo(0, &token), CKR_OK);
    ck_assert_uint_eq(token.ulSessionCount, 1);
    EVP_PKEY_free(public);
}
END_TEST

/* libp11: logged in through one of them, searches by class and looks through what it gets. */
START_TEST(read_only_sessions)
{
    CK_ATTRIBUTE by_class[] = {A_ULONG(CKA_CLASS, CKO_PRIVATE_KEY)};
    CK_SESSION_HANDLE sessions[16];
    CK_OBJECT_HANDLE keys[64], one;
    CK_ULONG count;

    ck_assert_rv(p11->C_Initialize(NULL), CKR_OK);
    for (size_t i = 0; i < ELEMENTS_OF(sessions); i++)
        sessions[i] = open_session(0);
    ck_assert_rv(log_in(sessions[0]), CKR_OK);
    for (size_t i = 0; i < ELEMENTS_OF(sessions); i++) {
        ck_assert_rv(p11->C_FindObjectsInit(sessions[i], by_class, 1), CKR_OK);
        ck_assert_rv(p11->C_FindObjects(sessions[i], keys, 64, &count), CKR_OK);
        ck_assert_rv(p11->C_FindObjectsFinal(sessions[i]), CKR_OK);
        ck_assert_uint_eq(count, 1);
        sign_and_check(sessions[i], "shared");
    }
    ck_assert_rv(generate(sessions[0], "never", CK_TRUE), CKR_SESSION_READ_ONLY);
    ck_assert_rv(p11->C_DestroyObject(sessions[0], keys[0]), CKR_SESSION_READ_ONLY);
    ck_assert_uint_eq(find(sessions[0], CKO_PRIVATE_KEY, "shared", &one), 1);
}
END_TEST

/* ---- Processes ------------------------------------------------------------------------------------------------------------------- */

static void work_after_null(void)
{
    CK_SESSION_INFO info;
    CK_SESSION_HANDLE session;

    ck_assert_rv(p11->C_GetSessionInfo(1, &info), CKR_CRYPTOKI_NOT_INITIALIZED);
    ck_assert_rv(p11->C_Initialize(NULL), CKR_OK);
    session = open_session(CKF_RW_SESSION);
    ck_assert_rv(log_in(session), CKR_OK);
    sign_and_check(session, "shared");
}

static void second_fork(void)
{
    in_child(work_after_null); /* the grandchild is the daemon */
}

/* PowerDNS: its module is initialised, logged in and has connections before it turns into a daemon. */
START_TEST(a_daemon_is_made_by_two_forks)
{
    CK_SESSION_HANDLE session = start();

    sign_and_check(session, "shared");
    in_child(second_fork);
    sign_and_check(session, "shared");
}
END_TEST

/* pkcs11-provider: its handler of fork() finalises what it inherited, whatever that says, and starts anew. */
static void finalize_and_begin_again(void)
{
    (void)p11->C_Finalize(NULL);
    work_after_null();
    ck_assert_rv(p11->C_Finalize(NULL), CKR_OK);
    work_after_null();
}

START_TEST(a_child_finalizes_what_it_inherited)
{
    CK_SESSION_HANDLE session = start();

    sign_and_check(session, "shared");
    for (int i = 0; i < 3; i++)
        in_child(finalize_and_begin_again);
    sign_and_check(session, "shared"); /* the connections are as they were */
}
END_TEST

static void end_without_finalize(void)
{
    sign_and_check(start(), "shared");
    exit(0); /* with all handlers */
}

/* ods-signerd: looks, lets go and comes back; and at its end it just ends. */
START_TEST(loaded_twice_before_it_is_used)
{
    for (int i = 0; i < 2; i++) {
        ck_assert_rv(p11->C_Initialize(NULL), CKR_OK);
        ck_assert_rv(p11->C_Finalize(NULL), CKR_OK);
        ck_assert_int_eq(dlclose(library), 0);
        load_module();
    }
    in_child(end_without_finalize);
    sign_and_check(start(), "shared");
}
END_TEST

static unsigned count_threads(void)
{
    FILE *status = fopen("/proc/self/status", "re");
    char line[256];
    unsigned n = 0;

    ck_assert_ptr_nonnull(status);
    while (fgets(line, sizeof(line), status))
        if (sscanf(line, "Threads: %u", &n) == 1)
            break;
    (void)fclose(status);
    return n;
}

START_TEST(no_threads_are_made)
{
    CK_C_INITIALIZE_ARGS arguments = {.flags = CKF_OS_LOCKING_OK | CKF_LIBRARY_CANT_CREATE_OS_THREADS};
    CK_SESSION_HANDLE session;

    ck_assert_rv(p11->C_Initialize(&arguments), CKR_OK);
    session = open_session(CKF_RW_SESSION);
    ck_assert_rv(log_in(session), CKR_OK);
    ck_assert_rv(generate(session, "threadless", CK_TRUE), CKR_OK);
    sign_and_check(session, "threadless");
    ck_assert_uint_eq(count_threads(), 1);
    ck_assert_rv(p11->C_DestroyObject(session, find_key(session, CKO_PRIVATE_KEY, "threadless")), CKR_OK);
}
END_TEST

/* ---- Threads ------------------------------------------------------------------------------------------------------------------------ */

static CK_SESSION_HANDLE shared_session;

static void *use_own_session(void *unused)
{
    CK_SESSION_HANDLE session = open_session(0);

    for (int i = 0; i < 4; i++)
        sign_and_check(session, "shared");
    ck_assert_rv(p11->C_CloseSession(session), CKR_OK);
    return NULL;
}

/* Each answer is one that is defined, and whatever signs signs well. */
static void *use_one_session(void *key)
{
    for (int i = 0; i < 10; i++) {
        CK_BYTE signature[SIGNATURE_SIZE];
        CK_RV rv = sign(shared_session, CKM_SHA256_RSA_PKCS, *(CK_OBJECT_HANDLE *)key, signature);

        ck_assert(rv == CKR_OK || rv == CKR_OPERATION_ACTIVE || rv == CKR_OPERATION_NOT_INITIALIZED);
    }
    return NULL;
}

static void run_threads(void *(*body)(void *), void *userdata)
{
    pthread_t threads[32];

    for (size_t i = 0; i < ELEMENTS_OF(threads); i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, body, userdata), 0);
    for (size_t i = 0; i < ELEMENTS_OF(threads); i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
}

START_TEST(thirty_two_threads)
{
    CK_OBJECT_HANDLE key;

    shared_session = start();
    run_threads(use_own_session, NULL);
    key = find_key(shared_session, CKO_PRIVATE_KEY, "shared");
    run_threads(use_one_session, &key);
    (void)p11->C_SignInit(shared_session, NULL, 0); /* whatever the last of them left */
    sign_and_check(shared_session, "shared");
}
END_TEST

/* ---- Without any node ------------------------------------------------------------------------------------------------------------ */

static CK_RV verify(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key, CK_BYTE *signature)
{
    CK_RV rv = p11->C_VerifyInit(session, MECHANISM(CKM_SHA256_RSA_PKCS), key);

    return rv == CKR_OK ? p11->C_Verify(session, message, sizeof(message), signature, SIGNATURE_SIZE) : rv;
}

/* A process that has never seen a node: with a key that it brings. */
static CK_BYTE known_modulus[SIGNATURE_SIZE], known_signature[SIGNATURE_SIZE];

static void verify_with_a_key_of_its_own(void)
{
    CK_ATTRIBUTE attributes[] = {A_ULONG(CKA_CLASS, CKO_PUBLIC_KEY),
                                 A_ULONG(CKA_KEY_TYPE, CKK_RSA),
                                 {CKA_MODULUS, known_modulus, sizeof(known_modulus)},
                                 A_TEXT(CKA_PUBLIC_EXPONENT, "\x01\x00\x01")};
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE key;
    unsigned before;

    ck_assert_rv(p11->C_Initialize(NULL), CKR_OK);
    before = open_sockets();
    session = open_session(0);
    ck_assert_rv(p11->C_CreateObject(session, attributes, ELEMENTS_OF(attributes), &key), CKR_OK);
    ck_assert_rv(verify(session, key, known_signature), CKR_OK);
    known_signature[0] ^= 1;
    ck_assert_rv(verify(session, key, known_signature), CKR_SIGNATURE_INVALID);
    ck_assert_uint_eq(open_sockets(), before); /* nobody was asked */
}

START_TEST(public_keys_need_no_node)
{
    CK_SESSION_HANDLE session = start();
    CK_OBJECT_HANDLE public_key = find_key(session, CKO_PUBLIC_KEY, "shared");
    CK_ATTRIBUTE modulus = {CKA_MODULUS, known_modulus, sizeof(known_modulus)};
    CK_BYTE digest[32], noise[16];
    CK_ULONG size = sizeof(digest);
    Microseconds begin;

    ck_assert_rv(sign(session, CKM_SHA256_RSA_PKCS, find_key(session, CKO_PRIVATE_KEY, "shared"), known_signature), CKR_OK);
    ck_assert_rv(p11->C_GetAttributeValue(session, public_key, &modulus, 1), CKR_OK);
    stop_nodes(7);
    begin = clock_now();
    ck_assert_rv(verify(session, public_key, known_signature), CKR_OK);
    ck_assert_rv(p11->C_DigestInit(session, MECHANISM(CKM_SHA256)), CKR_OK);
    ck_assert_rv(p11->C_Digest(session, message, sizeof(message), digest, &size), CKR_OK);
    ck_assert_rv(p11->C_GenerateRandom(session, noise, sizeof(noise)), CKR_OK);
    ck_assert_uint_eq(find_key(open_session(0), CKO_PUBLIC_KEY, "shared"), public_key);
    ck_assert_uint_lt(clock_now() - begin, ANSWER_BOUND);
    in_child(verify_with_a_key_of_its_own);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_unchecked_fixture(cases, set_up, NULL);
    tcase_add_checked_fixture(cases, NULL, wake_nodes);
    tcase_add_test(cases, lengths_are_left_uninitialised);
    tcase_add_test(cases, one_session_for_each_signature);
    tcase_add_test(cases, read_only_sessions);
    tcase_add_test(cases, a_daemon_is_made_by_two_forks);
    tcase_add_test(cases, a_child_finalizes_what_it_inherited);
    tcase_add_test(cases, loaded_twice_before_it_is_used);
    tcase_add_test(cases, no_threads_are_made);
    tcase_add_test(cases, thirty_two_threads);
    tcase_add_test(cases, public_keys_need_no_node);
}

UNIT_MAIN("pkcs11-traps", add_tests)
