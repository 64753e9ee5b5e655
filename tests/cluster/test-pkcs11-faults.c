/* The built module when nodes are away: 2 of 3, started with Timeout=3s and ConnectTimeout=1s. */
#include "pkcs11-client.h"
#include "stopped-nodes.h"

#define SIGN_BOUND   (5 * MICROSECONDS_PER_SECOND) /* Timeout and a slow machine */
#define ANSWER_BOUND (4 * MICROSECONDS_PER_SECOND) /* what no question but a signature may take */

static Microseconds since(Microseconds start_time)
{
    return clock_now() - start_time;
}

START_TEST(any_one_node_may_stop)
{
    CK_SESSION_HANDLE session = start();

    sign_and_check(session, "shared");
    for (unsigned i = 0; i < STOPPED_NODES; i++) {
        Microseconds start_time = clock_now();

        stop_nodes(1U << i);
        for (int j = 0; j < 5; j++)
            sign_and_check(session, "shared");
        ck_assert_uint_lt(since(start_time), ANSWER_BOUND);
        wake_nodes();
    }
}
END_TEST

START_TEST(nothing_hangs_while_a_quorum_is_missing)
{
    CK_SESSION_HANDLE session = start(), other;
    CK_OBJECT_HANDLE key = find_key(session, CKO_PRIVATE_KEY, "shared");
    CK_BYTE signature[SIGNATURE_SIZE] = {0}, zeros[SIGNATURE_SIZE] = {0};
    CK_TOKEN_INFO info;
    Microseconds start_time = clock_now();

    stop_nodes(6);
    other = open_session(0);
    ck_assert_uint_eq(find_key(other, CKO_PRIVATE_KEY, "shared"), key); /* from what is known */
    EVP_PKEY_free(public_key_of(other, key));
    ck_assert_rv(p11->C_GetTokenInfo(0, &info), CKR_OK);
    ck_assert_uint_lt(since(start_time), ANSWER_BOUND);
    start_time = clock_now();
    ck_assert_rv(sign(other, CKM_SHA256_RSA_PKCS, key, signature), CKR_DEVICE_ERROR);
    ck_assert_uint_lt(since(start_time), SIGN_BOUND);
    ck_assert_mem_eq(signature, zeros, sizeof(signature));
    wake_nodes();
    sign_and_check(other, "shared");
}
END_TEST

START_TEST(start_without_a_quorum)
{
    Microseconds start_time = clock_now();
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE key;

    stop_nodes(7);
    ck_assert_rv(p11->C_Initialize(NULL), CKR_OK);
    session = open_session(CKF_RW_SESSION);
    ck_assert_uint_eq(find(session, CKO_PUBLIC_KEY, "shared", &key), 0);
    ck_assert_uint_lt(since(start_time), ANSWER_BOUND);
    start_time = clock_now();
    ck_assert_rv(log_in(session), CKR_OK); /* accepted for now */
    ck_assert_uint_lt(since(start_time), SIGN_BOUND);
    ck_assert_rv(generate(session, "never", CK_TRUE), CKR_DEVICE_ERROR);
    wake_nodes();
    while (find(session, CKO_PRIVATE_KEY, "shared", &key) == 0)
        ck_assert_uint_lt(since(start_time), 30 * MICROSECONDS_PER_SECOND);
    sign_and_check(session, "shared");
}
END_TEST

START_TEST(generation_and_destruction_want_their_nodes)
{
    CK_SESSION_HANDLE session = start();
    CK_OBJECT_HANDLE key = find_key(session, CKO_PRIVATE_KEY, "shared");

    stop_nodes(4);
    ck_assert_rv(generate(session, "never", CK_TRUE), CKR_DEVICE_ERROR); /* all n */
    stop_nodes(2);
    ck_assert_rv(p11->C_DestroyObject(session, key), CKR_DEVICE_ERROR); /* n-k+1 */
    wake_nodes();
    sign_and_check(session, "shared");
}
END_TEST

/* The last test: after it nobody gets in. */
START_TEST(wrong_pins_lock)
{
    CK_UTF8CHAR wrong[] = "not the pin";
    CK_SESSION_HANDLE session;
    CK_TOKEN_INFO info;
    CK_RV rv = CKR_PIN_INCORRECT;

    ck_assert_rv(p11->C_Initialize(NULL), CKR_OK);
    session = open_session(0);
    for (int i = 0; i < 20 && rv == CKR_PIN_INCORRECT; i++)
        rv = p11->C_Login(session, CKU_USER, wrong, sizeof(wrong) - 1);
    ck_assert_rv(rv, CKR_PIN_LOCKED);
    ck_assert_rv(log_in(session), CKR_PIN_LOCKED);
    ck_assert_rv(p11->C_GetTokenInfo(0, &info), CKR_OK);
    ck_assert_uint_ne(info.flags & CKF_USER_PIN_LOCKED, 0);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_unchecked_fixture(cases, set_up, NULL);
    tcase_add_checked_fixture(cases, NULL, wake_nodes);
    tcase_add_test(cases, any_one_node_may_stop);
    tcase_add_test(cases, nothing_hangs_while_a_quorum_is_missing);
    tcase_add_test(cases, start_without_a_quorum);
    tcase_add_test(cases, generation_and_destruction_want_their_nodes);
    tcase_add_test(cases, wrong_pins_lock);
}

UNIT_MAIN("pkcs11-faults", add_tests)
