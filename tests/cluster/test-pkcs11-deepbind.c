/*
 * The built module in a process whose allocator is not libc's, loaded so that it and its libraries see libc's all the same: what one
 * of the two has allocated, the other must not free. tests/cluster/test-deepbind starts it.
 */
#define MODULE_BINDING RTLD_DEEPBIND

#include "pkcs11-client.h"

static void sign_in_child(void)
{
    CK_SESSION_HANDLE session;

    ck_assert_rv(p11->C_Initialize(NULL), CKR_OK);
    session = open_session(CKF_RW_SESSION);
    ck_assert_rv(log_in(session), CKR_OK);
    sign_and_check(session, "shared");
    ck_assert_rv(p11->C_Finalize(NULL), CKR_OK);
}

START_TEST(the_whole_life)
{
    CK_SESSION_HANDLE session;

    ck_assert_ptr_nonnull(dlsym(RTLD_DEFAULT, "mallctl")); /* the other allocator is there */
    session = start();
    ck_assert_rv(generate(session, "another", CK_TRUE), CKR_OK);
    sign_and_check(session, "another");
    for (int i = 0; i < 20; i++)
        sign_and_check(session, "shared");
    in_child(sign_in_child);
    sign_and_check(session, "another");
    ck_assert_rv(p11->C_DestroyObject(session, find_key(session, CKO_PRIVATE_KEY, "another")), CKR_OK);
    ck_assert_rv(p11->C_Finalize(NULL), CKR_OK);
    session = start();
    sign_and_check(session, "shared");
    ck_assert_rv(p11->C_Finalize(NULL), CKR_OK);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_unchecked_fixture(cases, set_up, NULL);
    tcase_add_test(cases, the_whole_life);
}

UNIT_MAIN("pkcs11-deepbind", add_tests)
