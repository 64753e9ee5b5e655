#include "pkcs11/call.h"

#include "pkcs11/module.h"
#include "pkcs11/session.h"

CK_RV call_begin(Call *ret_call)
{
    Token *token = module_token();

    if (!token)
        return CKR_CRYPTOKI_NOT_INITIALIZED;
    ret_call->token = token;
    return CKR_OK;
}

CK_RV call_begin_slot(CK_SLOT_ID slot, Call *ret_call)
{
    CK_RV rv = call_begin(ret_call);

    if (rv != CKR_OK)
        return rv;
    if (slot != TOKEN_SLOT)
        return CKR_SLOT_ID_INVALID;
    return token_present(ret_call->token) ? CKR_OK : CKR_TOKEN_NOT_PRESENT;
}

CK_RV call_begin_session(CK_SESSION_HANDLE session, Call *ret_call)
{
    CK_RV rv = call_begin(ret_call);

    if (rv != CKR_OK)
        return rv;

    _cleanup_token_lock_ Token *locked = token_lock(ret_call->token);

    ret_call->session = session_get(ret_call->token, session);
    return ret_call->session ? CKR_OK : CKR_SESSION_HANDLE_INVALID;
}

static void release_session(Token *token, Session *session)
{
    _cleanup_token_lock_ Token *locked = token_lock(token);

    session_unref(session);
}

void call_end(Call *call)
{
    if (call->session)
        release_session(call->token, call->session);
    token_unref(call->token);
}

static Object *get_object(Token *token, CK_OBJECT_HANDLE handle)
{
    _cleanup_token_lock_ Token *locked = token_lock(token);
    Object *object = store_get(&token->store, handle);

    return object && !object->destroyed ? object_ref(object) : NULL;
}

CK_RV call_object(const Call *call, CK_OBJECT_HANDLE handle, Object **ret_object)
{
    _cleanup_object_ Object *object = get_object(call->token, handle);

    if (!object)
        return CKR_OBJECT_HANDLE_INVALID;
    if (object_is_private(object) && !quorum_logged_in(call->token->quorum))
        return CKR_USER_NOT_LOGGED_IN;
    *ret_object = TAKE_PTR(object);
    return CKR_OK;
}
