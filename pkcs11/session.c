#include "pkcs11/session.h"

#include "pkcs11/operation.h"

void finding_free(Finding *finding)
{
    if (!finding)
        return;
    free(finding->handles);
    free(finding);
}

Session *session_unref(Session *session)
{
    if (!session || --session->references > 0)
        return NULL;
    for (OperationKind kind = 0; kind < OPERATION_MAX; kind++)
        operation_free(session->operations[kind]);
    finding_free(session->finding);
    free(session);
    return NULL;
}

void sessions_clear(HandleTable *sessions)
{
    size_t cursor = 0;
    Session *session;

    while ((session = handle_next(sessions, &cursor)))
        session_unref(session);
    handle_table_clear(sessions);
}

Session *session_get(Token *token, CK_SESSION_HANDLE handle)
{
    Session *session = handle_get(&token->sessions, handle);

    if (session)
        session->references++;
    return session;
}

bool session_may_write(const Session *session)
{
    return session->flags & CKF_RW_SESSION;
}

static CK_RV open_session(Token *token, CK_FLAGS flags, CK_SESSION_HANDLE *ret_handle)
{
    _cleanup_token_lock_ Token *locked = token_lock(token);
    Session *session = calloc(1, sizeof(*session));

    if (!session)
        return CKR_HOST_MEMORY;
    session->references = 1;
    session->flags = flags;
    session->handle = handle_add(&token->sessions, session);
    if (session->handle == 0) {
        free(session);
        return CKR_SESSION_COUNT;
    }
    token->n_read_write += session_may_write(session);
    *ret_handle = session->handle;
    return CKR_OK;
}

CK_RV C_OpenSession(CK_SLOT_ID slot, CK_FLAGS flags, void *application, CK_NOTIFY notify, CK_SESSION_HANDLE *session)
{
    _cleanup_call_ Call call = {0};
    CK_RV rv = call_begin_slot(slot, &call);

    if (rv != CKR_OK)
        return rv;
    if (!session)
        return CKR_ARGUMENTS_BAD;
    if (!(flags & CKF_SERIAL_SESSION))
        return CKR_SESSION_PARALLEL_NOT_SUPPORTED;
    return open_session(call.token, flags & (CKF_SERIAL_SESSION | CKF_RW_SESSION), session);
}

/* The caller holds the lock. */
static void forget_session(Token *token, Session *session)
{
    (void)handle_remove(&token->sessions, session->handle);
    token->n_read_write -= session_may_write(session);
    store_session_closed(&token->store, session->handle);
    session_unref(session);
}

/* The last one logs out (PKCS#11 2.40, §5.6), under the lock, so that it cannot hit a login of a session that is opened just now. */
static void close_session(Token *token, CK_SESSION_HANDLE handle)
{
    _cleanup_token_lock_ Token *locked = token_lock(token);
    Session *session = handle_get(&token->sessions, handle);

    if (session)
        forget_session(token, session);
    if (token->sessions.count == 0)
        quorum_logout(token->quorum);
}

static void close_all_sessions(Token *token)
{
    _cleanup_token_lock_ Token *locked = token_lock(token);
    size_t cursor = 0;
    Session *session;

    while ((session = handle_next(&token->sessions, &cursor)))
        forget_session(token, session);
    quorum_logout(token->quorum);
}

bool sessions_any_read_only(Token *token)
{
    _cleanup_token_lock_ Token *locked = token_lock(token);
    size_t cursor = 0;
    const Session *session;

    while ((session = handle_next(&token->sessions, &cursor)))
        if (!session_may_write(session))
            return true;
    return false;
}

CK_RV C_CloseSession(CK_SESSION_HANDLE session)
{
    _cleanup_call_ Call call = {0};
    CK_RV rv = call_begin_session(session, &call);

    if (rv != CKR_OK)
        return rv;
    close_session(call.token, session);
    return CKR_OK;
}

CK_RV C_CloseAllSessions(CK_SLOT_ID slot)
{
    _cleanup_call_ Call call = {0};
    CK_RV rv = call_begin_slot(slot, &call);

    if (rv != CKR_OK)
        return rv;
    close_all_sessions(call.token);
    return CKR_OK;
}

static CK_STATE state_of(const Call *call)
{
    static const CK_STATE states[2][2] = {
        {CKS_RO_PUBLIC_SESSION, CKS_RO_USER_FUNCTIONS},
        {CKS_RW_PUBLIC_SESSION, CKS_RW_USER_FUNCTIONS},
    };

    return states[session_may_write(call->session)][quorum_logged_in(call->token->quorum)];
}

CK_RV C_GetSessionInfo(CK_SESSION_HANDLE session, CK_SESSION_INFO *info)
{
    _cleanup_call_ Call call = {0};
    CK_RV rv = call_begin_session(session, &call);

    if (rv != CKR_OK)
        return rv;
    if (!info)
        return CKR_ARGUMENTS_BAD;
    *info = (CK_SESSION_INFO){.slotID = TOKEN_SLOT, .state = state_of(&call), .flags = call.session->flags};
    return CKR_OK;
}

static bool has_operation(const Call *call)
{
    for (OperationKind kind = 0; kind < OPERATION_MAX; kind++)
        if (operation_check_idle(call, kind) != CKR_OK)
            return true;
    return false;
}

CK_RV C_GetOperationState(CK_SESSION_HANDLE session, CK_BYTE *state, CK_ULONG *size)
{
    _cleanup_call_ Call call = {0};
    CK_RV rv = call_begin_session(session, &call);

    if (rv != CKR_OK)
        return rv;
    if (!size)
        return CKR_ARGUMENTS_BAD;
    return has_operation(&call) ? CKR_STATE_UNSAVEABLE : CKR_OPERATION_NOT_INITIALIZED;
}

CK_RV C_SetOperationState(CK_SESSION_HANDLE session, CK_BYTE *state, CK_ULONG size, CK_OBJECT_HANDLE encryption_key,
                          CK_OBJECT_HANDLE authentication_key)
{
    _cleanup_call_ Call call = {0};
    CK_RV rv = call_begin_session(session, &call);

    if (rv != CKR_OK)
        return rv;
    return state ? CKR_SAVED_STATE_INVALID : CKR_ARGUMENTS_BAD; /* none was ever saved */
}

static void drop_finding(const Call *call)
{
    _cleanup_token_lock_ Token *locked = token_lock(call->token);

    finding_free(TAKE_PTR(call->session->finding));
}

CK_RV C_SessionCancel(CK_SESSION_HANDLE session, CK_FLAGS flags)
{
    _cleanup_call_ Call call = {0};
    CK_RV rv = call_begin_session(session, &call);

    if (rv != CKR_OK)
        return rv;
    for (OperationKind kind = 0; kind < OPERATION_MAX; kind++)
        if (flags & operation_use(kind) && operation_cancel(&call, kind) == CKR_OPERATION_CANCEL_FAILED)
            rv = CKR_OPERATION_CANCEL_FAILED;
    if (flags & CKF_FIND_OBJECTS)
        drop_finding(&call);
    return rv;
}
