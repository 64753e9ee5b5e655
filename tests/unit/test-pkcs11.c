/* The PKCS#11 module over a fake quorum: its life, sessions, the login, digests. */
#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pkcs11-fixture.h"
#include "pkcs11/handle.h"

START_TEST(nothing_works_before_initialize)
{
    CK_ULONG count;
    CK_INFO info;
    CK_SESSION_HANDLE session;

    ck_assert_rv(C_GetInfo(&info), CKR_CRYPTOKI_NOT_INITIALIZED);
    ck_assert_rv(C_GetSlotList(CK_TRUE, NULL, &count), CKR_CRYPTOKI_NOT_INITIALIZED);
    ck_assert_rv(C_OpenSession(0, CKF_SERIAL_SESSION, NULL, NULL, &session), CKR_CRYPTOKI_NOT_INITIALIZED);
    ck_assert_rv(C_Sign(1, NULL, 0, NULL, &count), CKR_CRYPTOKI_NOT_INITIALIZED);
    ck_assert_rv(C_EncryptInit(1, NULL, 1), CKR_CRYPTOKI_NOT_INITIALIZED);
    ck_assert_rv(C_MessageSignInit(1, NULL, 1), CKR_CRYPTOKI_NOT_INITIALIZED);
    ck_assert_rv(C_Finalize(NULL), CKR_CRYPTOKI_NOT_INITIALIZED);
}
END_TEST

static CK_RV refuse_mutex(void **mutex)
{
    return CKR_GENERAL_ERROR;
}

START_TEST(initialize_looks_at_its_arguments)
{
    CK_C_INITIALIZE_ARGS arguments = {.flags = CKF_OS_LOCKING_OK | CKF_LIBRARY_CANT_CREATE_OS_THREADS};

    ck_assert_rv(C_Initialize(&arguments), CKR_OK);
    ck_assert_rv(C_Initialize(&arguments), CKR_CRYPTOKI_ALREADY_INITIALIZED);
    ck_assert_rv(C_Finalize(&arguments), CKR_ARGUMENTS_BAD);
    ck_assert_rv(C_Finalize(NULL), CKR_OK);
    ck_assert_rv(C_Finalize(NULL), CKR_CRYPTOKI_NOT_INITIALIZED);
    arguments.pReserved = &arguments;
    ck_assert_rv(C_Initialize(&arguments), CKR_ARGUMENTS_BAD);
    arguments = (CK_C_INITIALIZE_ARGS){.CreateMutex = refuse_mutex};
    ck_assert_rv(C_Initialize(&arguments), CKR_ARGUMENTS_BAD);
}
END_TEST

START_TEST(initialize_again_and_again)
{
    for (int i = 0; i < 5; i++) {
        CK_SESSION_HANDLE session = start(true);

        ck_assert_uint_eq(find(session, NULL, 0, (CK_OBJECT_HANDLE[16]){0}), 0);
        ck_assert_rv(C_Finalize(NULL), CKR_OK);
        ck_assert_uint_eq(fake.disconnected, (unsigned)i + 1);
        ck_assert_uint_eq(fake.alive, 1); /* what C_Finalize left is released by the next C_Initialize */
        ck_assert_uint_eq(fake.forked, 0);
    }
}
END_TEST

START_TEST(bad_roster_is_an_error_at_initialize)
{
    CK_SLOT_ID slot;
    CK_ULONG count = 1;

    fake.roster_result = -EINVAL;
    ck_assert_rv(C_Initialize(NULL), CKR_GENERAL_ERROR);
    ck_assert_rv(C_GetSlotList(CK_TRUE, &slot, &count), CKR_CRYPTOKI_NOT_INITIALIZED);
    fake.roster_result = 0;
    ck_assert_rv(C_Initialize(NULL), CKR_OK);
}
END_TEST

static void check_empty_slot(void)
{
    CK_SLOT_ID slots[2] = {7, 7};
    CK_ULONG count = 2;
    CK_SLOT_INFO slot;

    ck_assert_rv(C_GetSlotList(CK_TRUE, slots, &count), CKR_OK);
    ck_assert_uint_eq(count, 0);
    count = 2;
    ck_assert_rv(C_GetSlotList(CK_FALSE, slots, &count), CKR_OK);
    ck_assert_uint_eq(count, 1);
    ck_assert_uint_eq(slots[0], 0);
    ck_assert_rv(C_GetSlotInfo(0, &slot), CKR_OK);
    ck_assert_uint_eq(slot.flags, 0);
}

static void check_no_token(void)
{
    CK_ULONG count = 0;
    CK_TOKEN_INFO token;
    CK_MECHANISM_INFO mechanism;
    CK_SESSION_HANDLE session = 0;

    ck_assert_rv(C_GetTokenInfo(0, &token), CKR_TOKEN_NOT_PRESENT);
    ck_assert_rv(C_GetTokenInfo(1, &token), CKR_SLOT_ID_INVALID);
    ck_assert_rv(C_GetMechanismList(0, NULL, &count), CKR_TOKEN_NOT_PRESENT);
    ck_assert_rv(C_GetMechanismInfo(0, CKM_RSA_PKCS, &mechanism), CKR_TOKEN_NOT_PRESENT);
    ck_assert_rv(C_OpenSession(0, CKF_SERIAL_SESSION, NULL, NULL, &session), CKR_TOKEN_NOT_PRESENT);
    ck_assert_rv(C_CloseAllSessions(0), CKR_TOKEN_NOT_PRESENT);
    ck_assert_rv(C_InitToken(0, PIN, 4, PIN), CKR_TOKEN_NOT_PRESENT);
    ck_assert_rv(C_CloseSession(1), CKR_SESSION_HANDLE_INVALID);
    ck_assert_rv(C_Login(1, CKU_USER, PIN, 4), CKR_SESSION_HANDLE_INVALID);
    ck_assert_rv(C_GenerateRandom(1, (CK_BYTE[8]){0}, 8), CKR_SESSION_HANDLE_INVALID);
}

static void check_in_child(void)
{
    ck_assert_rv(C_GetSlotList(CK_TRUE, NULL, &(CK_ULONG){0}), CKR_CRYPTOKI_NOT_INITIALIZED);
    ck_assert_rv(C_Initialize(NULL), CKR_OK);
    check_empty_slot();
    ck_assert_rv(C_Finalize(NULL), CKR_OK);
}

START_TEST(without_a_roster_the_slot_is_empty)
{
    CK_INFO info;

    ck_assert_int_eq(unsetenv(ROSTER_PATH_VARIABLE), 0);
    fake.roster_result = -ENOENT;
    ck_assert_rv(C_Initialize(NULL), CKR_OK);
    ck_assert_rv(C_GetInfo(&info), CKR_OK);
    check_empty_slot();
    check_no_token();

    pid_t child = fork();
    int status;

    if (child == 0) {
        check_in_child();
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    ck_assert_rv(C_Finalize(NULL), CKR_OK);
    fake.roster_result = 0; /* now there is one */
    (void)start(true);
}
END_TEST

START_TEST(a_roster_that_is_named_or_wrong_must_be_right)
{
    ck_assert_int_eq(unsetenv(ROSTER_PATH_VARIABLE), 0);
    fake.roster_result = -EACCES;
    ck_assert_rv(C_Initialize(NULL), CKR_GENERAL_ERROR);
    fake.roster_result = -ENOENT;
    ck_assert_int_eq(setenv(ROSTER_PATH_VARIABLE, ROSTER_PATH_DEFAULT, 1), 0);
    ck_assert_rv(C_Initialize(NULL), CKR_GENERAL_ERROR);
    ck_assert_int_eq(setenv(ROSTER_PATH_VARIABLE, "", 1), 0); /* as if it were not set */
    ck_assert_rv(C_Initialize(NULL), CKR_OK);
}
END_TEST

START_TEST(function_lists_are_complete)
{
    CK_FUNCTION_LIST *list;
    void **functions;

    ck_assert_rv(C_GetFunctionList(NULL), CKR_ARGUMENTS_BAD);
    ck_assert_rv(C_GetFunctionList(&list), CKR_OK);
    ck_assert_uint_eq(list->version.major, 2);
    ck_assert_uint_eq(list->version.minor, 40);
    ck_assert_uint_eq(sizeof(*list), 69 * sizeof(void *));
    functions = (void **)(void *)list;
    for (size_t i = 1; i < 69; i++)
        ck_assert_ptr_nonnull(functions[i]);
    ck_assert_ptr_eq(list->C_Sign, C_Sign);
    ck_assert_ptr_eq(list->C_WaitForSlotEvent, C_WaitForSlotEvent);
}
END_TEST

START_TEST(interfaces_are_3_0_and_2_40)
{
    CK_INTERFACE list[4], *interface;
    CK_ULONG count = 0;
    CK_UTF8CHAR name[] = "PKCS 11", other[] = "Vendor";
    const CK_FUNCTION_LIST_3_0 *functions;

    ck_assert_rv(C_GetInterfaceList(NULL, &count), CKR_OK);
    ck_assert_uint_eq(count, 2);
    count = 1;
    ck_assert_rv(C_GetInterfaceList(list, &count), CKR_BUFFER_TOO_SMALL);
    ck_assert_rv(C_GetInterfaceList(list, &count), CKR_OK);
    ck_assert_rv(C_GetInterface(name, &(CK_VERSION){3, 2}, &interface, 0), CKR_ARGUMENTS_BAD);
    ck_assert_rv(C_GetInterface(other, NULL, &interface, 0), CKR_ARGUMENTS_BAD);
    ck_assert_rv(C_GetInterface(name, NULL, &interface, 1), CKR_ARGUMENTS_BAD);
    ck_assert_rv(C_GetInterface(name, &(CK_VERSION){2, 40}, &interface, 0), CKR_OK);
    ck_assert_uint_eq(((CK_FUNCTION_LIST *)interface->pFunctionList)->version.major, 2);
    ck_assert_rv(C_GetInterface(NULL, NULL, &interface, 0), CKR_OK);
    functions = interface->pFunctionList;
    ck_assert_uint_eq(functions->version.major, 3);
    ck_assert_ptr_eq(functions->C_Sign, C_Sign);
    ck_assert_ptr_eq(functions->C_MessageVerifyFinal, C_MessageVerifyFinal);
}
END_TEST

/* CK_INFO tells the version of the interface that is being used. */
START_TEST(each_interface_says_its_version)
{
    CK_INTERFACE *interface;
    CK_FUNCTION_LIST *old;
    CK_INFO info;

    (void)start(false);
    ck_assert_rv(C_GetFunctionList(&old), CKR_OK);
    ck_assert_rv(old->C_GetInfo(&info), CKR_OK);
    ck_assert_uint_eq(info.cryptokiVersion.major, 2);
    ck_assert_uint_eq(info.cryptokiVersion.minor, 40);
    ck_assert_rv(C_GetInterface(NULL, &(CK_VERSION){3, 0}, &interface, 0), CKR_OK);
    ck_assert_rv(((CK_FUNCTION_LIST_3_0 *)interface->pFunctionList)->C_GetInfo(&info), CKR_OK);
    ck_assert_uint_eq(info.cryptokiVersion.major, 3);
    ck_assert_uint_eq(info.cryptokiVersion.minor, 0);
    ck_assert_uint_eq(info.flags, 0);
}
END_TEST

START_TEST(slot_and_token_describe_themselves)
{
    CK_SLOT_ID slots[2];
    CK_ULONG count = 0;
    CK_TOKEN_INFO info;
    CK_SLOT_INFO slot;

    (void)start(false);
    ck_assert_rv(C_GetSlotList(CK_TRUE, slots, &count), CKR_BUFFER_TOO_SMALL);
    ck_assert_uint_eq(count, 1);
    ck_assert_rv(C_GetSlotList(CK_TRUE, slots, &count), CKR_OK);
    ck_assert_uint_eq(slots[0], 0);
    ck_assert_rv(C_GetSlotInfo(1, &slot), CKR_SLOT_ID_INVALID);
    ck_assert_rv(C_GetSlotInfo(0, &slot), CKR_OK);
    ck_assert_uint_eq(slot.flags, CKF_TOKEN_PRESENT);
    ck_assert_rv(C_GetTokenInfo(1, &info), CKR_SLOT_ID_INVALID);
    ck_assert_rv(C_GetTokenInfo(0, &info), CKR_OK);
    ck_assert_mem_eq(info.label, "test token                      ", 32);
    ck_assert_mem_eq(info.model, "quorum 2 of 3   ", 16);
    ck_assert_mem_eq(info.serialNumber, "ab01020304050607", 16);
    ck_assert_uint_eq(info.ulMaxSessionCount, 0);
    ck_assert_uint_eq(info.ulSessionCount, 1);
    ck_assert_uint_eq(info.ulRwSessionCount, 1);
    ck_assert_uint_eq(info.flags, CKF_RNG | CKF_LOGIN_REQUIRED | CKF_TOKEN_INITIALIZED | CKF_USER_PIN_INITIALIZED);
    fake.tries_left = 1;
    ck_assert_rv(C_GetTokenInfo(0, &info), CKR_OK);
    ck_assert_uint_eq(info.flags & (CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY | CKF_USER_PIN_LOCKED),
                      CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY);
    fake.tries_left = 0;
    ck_assert_rv(C_GetTokenInfo(0, &info), CKR_OK);
    ck_assert_uint_ne(info.flags & CKF_USER_PIN_LOCKED, 0);
    ck_assert_rv(C_WaitForSlotEvent(CKF_DONT_BLOCK, slots, NULL), CKR_NO_EVENT);
    ck_assert_rv(C_WaitForSlotEvent(0, slots, NULL), CKR_FUNCTION_NOT_SUPPORTED);
    ck_assert_rv(C_InitToken(0, PIN, 4, PIN), CKR_FUNCTION_NOT_SUPPORTED);
}
END_TEST

START_TEST(mechanisms_follow_the_roster)
{
    CK_MECHANISM_TYPE types[64];
    CK_MECHANISM_INFO info;
    CK_ULONG all, count;

    fake.roster.allow_sha1 = true;
    (void)start(false);
    ck_assert_rv(C_GetMechanismList(0, NULL, &all), CKR_OK);
    ck_assert_uint_le(all, ELEMENTS(types));
    count = all - 1;
    ck_assert_rv(C_GetMechanismList(0, types, &count), CKR_BUFFER_TOO_SMALL);
    ck_assert_uint_eq(count, all);
    ck_assert_rv(C_GetMechanismList(0, types, &count), CKR_OK);
    for (size_t i = 0; i < count; i++) {
        ck_assert_rv(C_GetMechanismInfo(0, types[i], &info), CKR_OK);
        ck_assert_uint_ne(info.flags & CKF_HW, 0);
    }
    ck_assert_rv(C_GetMechanismInfo(0, CKM_SHA1_RSA_PKCS, &info), CKR_OK);
    ck_assert_uint_eq(info.ulMinKeySize, 2048);
    ck_assert_uint_eq(info.ulMaxKeySize, 4096);
    ck_assert_rv(C_Finalize(NULL), CKR_OK);

    fake.roster.allow_sha1 = fake.roster.deal = false;
    (void)start(false);
    ck_assert_rv(C_GetMechanismList(0, NULL, &count), CKR_OK);
    ck_assert_uint_eq(count, all - 3); /* no key pairs, and no SHA-1 in signatures of either kind */
    ck_assert_rv(C_GetMechanismInfo(0, CKM_SHA1_RSA_PKCS, &info), CKR_MECHANISM_INVALID);
    ck_assert_rv(C_GetMechanismInfo(0, CKM_RSA_PKCS_KEY_PAIR_GEN, &info), CKR_MECHANISM_INVALID);
}
END_TEST

static CK_STATE state_of(CK_SESSION_HANDLE session)
{
    CK_SESSION_INFO info;

    ck_assert_rv(C_GetSessionInfo(session, &info), CKR_OK);
    ck_assert_uint_eq(info.slotID, 0);
    return info.state;
}

START_TEST(sessions_have_states)
{
    CK_SESSION_HANDLE writer = start(false), reader = open_session(0), session;

    ck_assert_rv(C_OpenSession(0, 0, NULL, NULL, &session), CKR_SESSION_PARALLEL_NOT_SUPPORTED);
    ck_assert_rv(C_OpenSession(1, CKF_SERIAL_SESSION, NULL, NULL, &session), CKR_SLOT_ID_INVALID);
    ck_assert_rv(C_OpenSession(0, CKF_SERIAL_SESSION, NULL, NULL, NULL), CKR_ARGUMENTS_BAD);
    ck_assert_uint_eq(state_of(writer), CKS_RW_PUBLIC_SESSION);
    ck_assert_uint_eq(state_of(reader), CKS_RO_PUBLIC_SESSION);
    ck_assert_rv(C_Login(reader, CKU_USER, PIN, 4), CKR_OK);
    ck_assert_uint_eq(state_of(writer), CKS_RW_USER_FUNCTIONS);
    ck_assert_uint_eq(state_of(reader), CKS_RO_USER_FUNCTIONS);
    ck_assert_rv(C_CloseSession(reader), CKR_OK);
    ck_assert_rv(C_CloseSession(reader), CKR_SESSION_HANDLE_INVALID);
    ck_assert_rv(C_GetSessionInfo(reader, &(CK_SESSION_INFO){0}), CKR_SESSION_HANDLE_INVALID);
    ck_assert_uint_eq(state_of(writer), CKS_RW_USER_FUNCTIONS);
    ck_assert_rv(C_CloseSession(writer), CKR_OK);
    session = open_session(0);
    ck_assert_uint_ne(session, writer);
    ck_assert_uint_ne(session, reader);
    ck_assert_uint_eq(state_of(session), CKS_RO_PUBLIC_SESSION); /* the last one logged out */
    ck_assert_rv(C_Login(session, CKU_USER, PIN, 4), CKR_OK);
    ck_assert_rv(C_CloseAllSessions(0), CKR_OK);
    ck_assert_rv(C_GetSessionInfo(session, &(CK_SESSION_INFO){0}), CKR_SESSION_HANDLE_INVALID);
    ck_assert_uint_eq(state_of(open_session(0)), CKS_RO_PUBLIC_SESSION);
}
END_TEST

START_TEST(login_follows_the_rules)
{
    CK_SESSION_HANDLE session = start(false), reader = open_session(0);
    CK_UTF8CHAR wrong[] = "4321", long_pin[256] = {'1'};

    ck_assert_rv(C_Logout(session), CKR_USER_NOT_LOGGED_IN);
    ck_assert_rv(C_Login(session, CKU_SO, PIN, 4), CKR_SESSION_READ_ONLY_EXISTS);
    ck_assert_rv(C_CloseSession(reader), CKR_OK);
    ck_assert_rv(C_Login(session, CKU_SO, PIN, 4), CKR_USER_TYPE_INVALID);
    ck_assert_rv(C_Login(session, CKU_CONTEXT_SPECIFIC, PIN, 4), CKR_OPERATION_NOT_INITIALIZED);
    ck_assert_rv(C_Login(session, 17, PIN, 4), CKR_USER_TYPE_INVALID);
    ck_assert_rv(C_Login(session, CKU_USER, NULL, 4), CKR_ARGUMENTS_BAD);
    ck_assert_rv(C_Login(session, CKU_USER, PIN, 3), CKR_PIN_INCORRECT);
    ck_assert_rv(C_Login(session, CKU_USER, long_pin, sizeof(long_pin)), CKR_PIN_INCORRECT);
    ck_assert_uint_eq(fake.logins, 0);
    ck_assert_rv(C_Login(session, CKU_USER, wrong, 4), CKR_PIN_INCORRECT);
    fake.login_result = QUORUM_E_PIN_LOCKED;
    ck_assert_rv(C_Login(session, CKU_USER, PIN, 4), CKR_PIN_LOCKED);
    fake.login_result = QUORUM_E_PIN_NOT_INITIALIZED;
    ck_assert_rv(C_Login(session, CKU_USER, PIN, 4), CKR_USER_PIN_NOT_INITIALIZED);
    fake.login_result = 0;
    ck_assert_rv(C_LoginUser(session, CKU_USER, PIN, 4, wrong, 4), CKR_ARGUMENTS_BAD);
    ck_assert_rv(C_LoginUser(session, CKU_USER, PIN, 4, NULL, 0), CKR_OK);
    ck_assert_rv(C_Login(session, CKU_USER, PIN, 4), CKR_USER_ALREADY_LOGGED_IN);
    ck_assert_rv(C_Login(session, CKU_SO, PIN, 4), CKR_USER_ANOTHER_ALREADY_LOGGED_IN);
    ck_assert_rv(C_Logout(session), CKR_OK);
    ck_assert_rv(C_Logout(session), CKR_USER_NOT_LOGGED_IN);
}
END_TEST

static void close_all(void)
{
    ck_assert_rv(C_CloseAllSessions(0), CKR_OK);
}

START_TEST(login_of_a_session_that_closes_is_none)
{
    CK_SESSION_HANDLE session = start(false);

    fake.while_logging_in = close_all;
    ck_assert_rv(C_Login(session, CKU_USER, PIN, 4), CKR_SESSION_CLOSED);
    ck_assert_uint_eq(state_of(open_session(0)), CKS_RO_PUBLIC_SESSION);
}
END_TEST

START_TEST(pin_can_be_changed)
{
    CK_SESSION_HANDLE session = start(false);
    CK_UTF8CHAR next[] = "a longer one";

    ck_assert_rv(C_SetPIN(open_session(0), PIN, 4, next, 12), CKR_SESSION_READ_ONLY);
    ck_assert_rv(C_SetPIN(session, PIN, 4, next, 3), CKR_PIN_LEN_RANGE);
    ck_assert_rv(C_SetPIN(session, next, 4, next, 12), CKR_PIN_INCORRECT);
    ck_assert_rv(C_SetPIN(session, NULL, 0, next, 12), CKR_ARGUMENTS_BAD);
    ck_assert_rv(C_SetPIN(session, PIN, 4, next, 12), CKR_OK);
    ck_assert_rv(C_Login(session, CKU_USER, PIN, 4), CKR_PIN_INCORRECT);
    ck_assert_rv(C_Login(session, CKU_USER, next, 12), CKR_OK);
    ck_assert_rv(C_InitPIN(session, PIN, 4), CKR_FUNCTION_NOT_SUPPORTED);
}
END_TEST

/* What a forked child answers with its exit status. */
static int status_of_child(int (*body)(CK_SESSION_HANDLE session), CK_SESSION_HANDLE session)
{
    pid_t child = fork();
    int status;

    if (child == 0)
        _exit(body(session));
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int use_after_fork(CK_SESSION_HANDLE session)
{
    CK_SESSION_INFO info;

    if (C_GetSessionInfo(session, &info) != CKR_CRYPTOKI_NOT_INITIALIZED)
        return 1;
    if (C_Finalize(NULL) != CKR_CRYPTOKI_NOT_INITIALIZED || fake.forked != 0)
        return 2;
    if (C_Initialize(NULL) != CKR_OK || fake.forked != 1)
        return 3;
    if (C_GetSessionInfo(session, &info) != CKR_SESSION_HANDLE_INVALID)
        return 4;
    if (C_OpenSession(0, CKF_SERIAL_SESSION, NULL, NULL, &session) != CKR_OK)
        return 5;
    if (C_GetSessionInfo(session, &info) != CKR_OK || info.state != CKS_RO_PUBLIC_SESSION)
        return 6;
    return C_Finalize(NULL) == CKR_OK && C_Finalize(NULL) == CKR_CRYPTOKI_NOT_INITIALIZED ? 0 : 7;
}

START_TEST(forked_child_starts_anew)
{
    CK_SESSION_HANDLE session = start(true);

    ck_assert_int_eq(status_of_child(use_after_fork, session), 0);
    ck_assert_uint_eq(state_of(session), CKS_RW_USER_FUNCTIONS);
}
END_TEST

static int fork_again(CK_SESSION_HANDLE session)
{
    return status_of_child(use_after_fork, session);
}

START_TEST(daemon_forks_twice)
{
    ck_assert_int_eq(status_of_child(fork_again, start(false)), 0);
}
END_TEST

START_TEST(digests_stream)
{
    static const CK_BYTE of_abc[] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
                                     0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
    CK_SESSION_HANDLE session = start(false);
    CK_BYTE abc[] = "abc", digest[64];
    CK_MECHANISM sha256 = {CKM_SHA256, (void *)1, 12345}; /* an application sends such parameters */
    CK_ULONG size = 0xdeadbeef;

    ck_assert_rv(C_Digest(session, abc, 3, digest, &size), CKR_OPERATION_NOT_INITIALIZED);
    ck_assert_rv(C_DigestInit(session, NULL), CKR_ARGUMENTS_BAD);
    ck_assert_rv(C_DigestInit(session, RSA_MECHANISM(CKM_RSA_PKCS)), CKR_MECHANISM_INVALID);
    ck_assert_rv(C_DigestInit(session, &sha256), CKR_OK);
    ck_assert_rv(C_DigestInit(session, &sha256), CKR_OPERATION_ACTIVE);
    ck_assert_rv(C_Digest(session, abc, 3, NULL, &size), CKR_OK);
    ck_assert_uint_eq(size, 32);
    size = 31;
    ck_assert_rv(C_Digest(session, abc, 3, digest, &size), CKR_BUFFER_TOO_SMALL);
    ck_assert_rv(C_Digest(session, abc, 3, digest, &size), CKR_OK);
    ck_assert_mem_eq(digest, of_abc, 32);
    ck_assert_rv(C_Digest(session, abc, 3, digest, &size), CKR_OPERATION_NOT_INITIALIZED);

    ck_assert_rv(C_DigestInit(session, &sha256), CKR_OK);
    ck_assert_rv(C_DigestUpdate(session, abc, 1), CKR_OK);
    ck_assert_rv(C_DigestUpdate(session, NULL, 0), CKR_OK);
    ck_assert_rv(C_DigestUpdate(session, abc + 1, 2), CKR_OK);
    size = 64;
    ck_assert_rv(C_DigestFinal(session, digest, &size), CKR_OK);
    ck_assert_uint_eq(size, 32);
    ck_assert_mem_eq(digest, of_abc, 32);

    ck_assert_rv(C_DigestInit(session, &sha256), CKR_OK);
    ck_assert_rv(C_DigestUpdate(session, abc, 1), CKR_OK);
    ck_assert_rv(C_Digest(session, abc, 3, digest, &size), CKR_OPERATION_ACTIVE);
    ck_assert_rv(C_DigestFinal(session, digest, &size), CKR_OPERATION_NOT_INITIALIZED); /* the error ended it */
    ck_assert_rv(C_DigestInit(session, &sha256), CKR_OK);
    ck_assert_rv(C_GetOperationState(session, NULL, &size), CKR_STATE_UNSAVEABLE);
    ck_assert_rv(C_DigestInit(session, NULL), CKR_OK); /* cancel */
    ck_assert_rv(C_GetOperationState(session, NULL, &size), CKR_OPERATION_NOT_INITIALIZED);
    ck_assert_rv(C_DigestInit(session, &sha256), CKR_OK);
    ck_assert_rv(C_SessionCancel(session, CKF_DIGEST | CKF_SIGN | CKF_FIND_OBJECTS), CKR_OK);
    ck_assert_rv(C_DigestUpdate(session, abc, 3), CKR_OPERATION_NOT_INITIALIZED);
}
END_TEST

START_TEST(random_and_the_rest)
{
    CK_SESSION_HANDLE session = start(false);
    CK_BYTE a[32] = {0}, b[32] = {0};
    CK_OBJECT_HANDLE object;

    ck_assert_rv(C_GenerateRandom(session, a, sizeof(a)), CKR_OK);
    ck_assert_rv(C_SeedRandom(session, a, sizeof(a)), CKR_OK);
    ck_assert_rv(C_GenerateRandom(session, b, sizeof(b)), CKR_OK);
    ck_assert_mem_ne(a, b, sizeof(a));
    ck_assert_rv(C_GenerateRandom(session, NULL, 1), CKR_ARGUMENTS_BAD);
    ck_assert_rv(C_GenerateRandom(session + 1, a, 1), CKR_SESSION_HANDLE_INVALID);
    ck_assert_rv(C_EncryptInit(session, RSA_MECHANISM(CKM_RSA_PKCS), 1), CKR_FUNCTION_NOT_SUPPORTED);
    ck_assert_rv(C_GenerateKey(session, RSA_MECHANISM(CKM_AES_KEY_GEN), NULL, 0, &object), CKR_FUNCTION_NOT_SUPPORTED);
    ck_assert_rv(C_MessageSignInit(session, RSA_MECHANISM(CKM_RSA_PKCS), 1), CKR_FUNCTION_NOT_SUPPORTED);
    ck_assert_rv(C_GenerateKey(session + 1, RSA_MECHANISM(CKM_AES_KEY_GEN), NULL, 0, &object), CKR_SESSION_HANDLE_INVALID);
    ck_assert_rv(C_MessageSignFinal(session + 1), CKR_SESSION_HANDLE_INVALID);
    ck_assert_rv(C_GetFunctionStatus(session), CKR_FUNCTION_NOT_PARALLEL);
    ck_assert_rv(C_CancelFunction(0), CKR_SESSION_HANDLE_INVALID);
}
END_TEST

START_TEST(handles_do_not_come_back)
{
    HandleTable table = {0};
    int values[100];
    CK_ULONG handles[100], again;

    for (size_t i = 0; i < ELEMENTS(values); i++) {
        handles[i] = handle_add(&table, &values[i]);
        ck_assert_uint_ne(handles[i], 0);
    }
    ck_assert_ptr_eq(handle_get(&table, handles[42]), &values[42]);
    ck_assert_ptr_eq(handle_remove(&table, handles[42]), &values[42]);
    ck_assert_ptr_null(handle_get(&table, handles[42]));
    ck_assert_ptr_null(handle_remove(&table, handles[42]));
    again = handle_add(&table, &values[0]);
    ck_assert_uint_ne(again, handles[42]);
    ck_assert_ptr_null(handle_get(&table, handles[42]));
    ck_assert_ptr_eq(handle_get(&table, again), &values[0]);
    ck_assert_ptr_null(handle_get(&table, 0));
    ck_assert_ptr_null(handle_get(&table, ~0UL));
    ck_assert_uint_eq(table.count, ELEMENTS(values));
    handle_table_clear(&table);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_checked_fixture(cases, reset, NULL);
    tcase_add_test(cases, nothing_works_before_initialize);
    tcase_add_test(cases, initialize_looks_at_its_arguments);
    tcase_add_test(cases, initialize_again_and_again);
    tcase_add_test(cases, bad_roster_is_an_error_at_initialize);
    tcase_add_test(cases, without_a_roster_the_slot_is_empty);
    tcase_add_test(cases, a_roster_that_is_named_or_wrong_must_be_right);
    tcase_add_test(cases, function_lists_are_complete);
    tcase_add_test(cases, interfaces_are_3_0_and_2_40);
    tcase_add_test(cases, each_interface_says_its_version);
    tcase_add_test(cases, slot_and_token_describe_themselves);
    tcase_add_test(cases, mechanisms_follow_the_roster);
    tcase_add_test(cases, sessions_have_states);
    tcase_add_test(cases, login_follows_the_rules);
    tcase_add_test(cases, login_of_a_session_that_closes_is_none);
    tcase_add_test(cases, pin_can_be_changed);
    tcase_add_test(cases, forked_child_starts_anew);
    tcase_add_test(cases, daemon_forks_twice);
    tcase_add_test(cases, digests_stream);
    tcase_add_test(cases, random_and_the_rest);
    tcase_add_test(cases, handles_do_not_come_back);
}

UNIT_MAIN("pkcs11", add_tests)
