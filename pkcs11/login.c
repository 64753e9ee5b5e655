/* The PIN: C_Login, C_Logout, C_SetPIN, and what this token leaves to kqctl. */
#include "pkcs11/login.h"

#include <syslog.h>

#include "pkcs11/rv.h"
#include "pkcs11/session.h"

/* A PIN that cannot be right is wrong without asking anybody. */
static bool has_pin_size(CK_ULONG size)
{
    return size >= PIN_SIZE_MIN && size <= PIN_SIZE_MAX;
}

static bool is_session_open(const Call *call)
{
    _cleanup_token_lock_ Token *locked = token_lock(call->token);

    return handle_get(&call->token->sessions, call->session->handle) == call->session;
}

static CK_RV log_in(const Call *call, const CK_UTF8CHAR *pin, CK_ULONG pin_size)
{
    _cleanup_secret_ Secret *secret = NULL;
    Problem problem = PROBLEM_INIT;
    int r = secret_new_copy(pin, pin_size, &secret);

    if (r == 0)
        r = quorum_login(call->token->quorum, secret, NULL, &problem);
    if (r != 0)
        return token_report(call->token, "C_Login", r, &problem);
    if (is_session_open(call))
        return CKR_OK;
    quorum_logout(call->token->quorum); /* it was closed in the meantime, perhaps as the last */
    return CKR_SESSION_CLOSED;
}

/* The security officer's work is kqctl's. PKCS#11 3.0 §5.6.8 has more to say first of why nobody may be one now. */
static CK_RV refuse_officer(const Call *call)
{
    if (sessions_any_read_only(call->token))
        return CKR_SESSION_READ_ONLY_EXISTS;
    return quorum_logged_in(call->token->quorum) ? CKR_USER_ANOTHER_ALREADY_LOGGED_IN : CKR_USER_TYPE_INVALID;
}

CK_RV C_Login(CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_UTF8CHAR *pin, CK_ULONG pin_size)
{
    _cleanup_call_ Call call = {0};
    CK_RV rv = call_begin_session(session, &call);

    if (rv != CKR_OK)
        return rv;
    if (user == CKU_CONTEXT_SPECIFIC)
        return CKR_OPERATION_NOT_INITIALIZED; /* no key asks for a PIN of its own */
    if (user == CKU_SO)
        return refuse_officer(&call);
    if (user != CKU_USER)
        return CKR_USER_TYPE_INVALID;
    if (!pin)
        return CKR_ARGUMENTS_BAD;
    if (quorum_logged_in(call.token->quorum))
        return CKR_USER_ALREADY_LOGGED_IN;
    return has_pin_size(pin_size) ? log_in(&call, pin, pin_size) : CKR_PIN_INCORRECT;
}

CK_RV C_LoginUser(CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_UTF8CHAR *pin, CK_ULONG pin_size, CK_UTF8CHAR *name, CK_ULONG name_size)
{
    return name_size == 0 ? C_Login(session, user, pin, pin_size) : CKR_ARGUMENTS_BAD; /* its one user has no name */
}

static void drop_private_copies(Token *token)
{
    _cleanup_token_lock_ Token *locked = token_lock(token);

    store_logged_out(&token->store);
}

static void log_out(Token *token)
{
    quorum_logout(token->quorum);
    drop_private_copies(token);
}

CK_RV login_report(Token *token, const char *function, int r, const Problem *problem)
{
    CK_RV rv = token_report(token, function, r, problem);

    if (r != QUORUM_E_PIN_INCORRECT && r != QUORUM_E_PIN_LOCKED)
        return rv;
    log_out(token);
    return CKR_USER_NOT_LOGGED_IN;
}

CK_RV C_Logout(CK_SESSION_HANDLE session)
{
    _cleanup_call_ Call call = {0};
    CK_RV rv = call_begin_session(session, &call);

    if (rv != CKR_OK)
        return rv;
    if (!quorum_logged_in(call.token->quorum))
        return CKR_USER_NOT_LOGGED_IN;
    log_out(call.token);
    return CKR_OK;
}

static CK_RV set_pin(Token *token, const CK_UTF8CHAR *old_pin, CK_ULONG old_size, const CK_UTF8CHAR *new_pin, CK_ULONG new_size)
{
    _cleanup_secret_ Secret *old_secret = NULL, *new_secret = NULL;
    Problem problem = PROBLEM_INIT;
    int r = secret_new_copy(old_pin, old_size, &old_secret);

    if (r == 0)
        r = secret_new_copy(new_pin, new_size, &new_secret);
    if (r == 0)
        r = quorum_set_pin(token->quorum, old_secret, new_secret, &problem);
    return token_report(token, "C_SetPIN", r, &problem);
}

CK_RV C_SetPIN(CK_SESSION_HANDLE session, CK_UTF8CHAR *old_pin, CK_ULONG old_size, CK_UTF8CHAR *new_pin, CK_ULONG new_size)
{
    _cleanup_call_ Call call = {0};
    CK_RV rv = call_begin_session(session, &call);

    if (rv != CKR_OK)
        return rv;
    if (!session_may_write(call.session))
        return CKR_SESSION_READ_ONLY;
    if (!old_pin || !new_pin)
        return CKR_ARGUMENTS_BAD;
    if (!has_pin_size(new_size))
        return CKR_PIN_LEN_RANGE;
    if (!has_pin_size(old_size))
        return CKR_PIN_INCORRECT;
    return set_pin(call.token, old_pin, old_size, new_pin, new_size);
}

CK_RV C_InitPIN(CK_SESSION_HANDLE session, CK_UTF8CHAR *pin, CK_ULONG pin_size)
{
    _cleanup_call_ Call call = {0};
    CK_RV rv = call_begin_session(session, &call);

    if (rv != CKR_OK)
        return rv;
    token_log(call.token, LOG_NOTICE, "C_InitPIN: the first PIN is set with kqctl token init");
    return CKR_FUNCTION_NOT_SUPPORTED;
}

CK_RV C_InitToken(CK_SLOT_ID slot, CK_UTF8CHAR *pin, CK_ULONG pin_size, CK_UTF8CHAR *label)
{
    _cleanup_call_ Call call = {0};
    CK_RV rv = call_begin_slot(slot, &call);

    if (rv != CKR_OK)
        return rv;
    token_log(call.token, LOG_NOTICE, "C_InitToken: a token is made with kqctl token init");
    return CKR_FUNCTION_NOT_SUPPORTED;
}
