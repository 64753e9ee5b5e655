/* Changing objects, and destroying them. */
#include <syslog.h>

#include "pkcs11/attribute.h"
#include "pkcs11/login.h"
#include "pkcs11/names.h"
#include "pkcs11/rv.h"
#include "pkcs11/session.h"
#include "pkcs11/template.h"

/* May this call change this object? Everything about keys of the token is decided by the nodes, and they want a login. */
static CK_RV check_may_write(const Call *call, const Object *object)
{
    if (object->session != 0)
        return CKR_OK;
    if (!session_may_write(call->session))
        return CKR_SESSION_READ_ONLY;
    return quorum_logged_in(call->token->quorum) ? CKR_OK : CKR_USER_NOT_LOGGED_IN;
}

static CK_RV check_writable(const Object *object, const CK_ATTRIBUTE *attributes, CK_ULONG count)
{
    CK_RV rv = CKR_OK;

    for (CK_ULONG i = 0; rv == CKR_OK && i < count; i++)
        rv = attribute_check_writable(object, attributes[i].type);
    return rv;
}

static CK_RV replace_object(const Call *call, const Object *object, Object *changed)
{
    _cleanup_token_lock_ Token *locked = token_lock(call->token);

    if (store_get(&call->token->store, object->handle) != object) {
        object_unref(changed);
        return CKR_FUNCTION_FAILED; /* another thread was faster */
    }
    store_replace(&call->token->store, object, changed);
    return CKR_OK;
}

static CK_RV change_session_object(const Call *call, const Object *object, const CK_ATTRIBUTE *attributes, CK_ULONG count)
{
    _cleanup_object_ Object *changed = NULL;
    CK_RV rv = rv_of(object_copy(object, &changed));

    if (rv == CKR_OK)
        rv = names_apply(changed, attributes, count);
    return rv == CKR_OK ? replace_object(call, object, TAKE_PTR(changed)) : rv;
}

static CK_RV put_key(Token *token, QuorumKey *key)
{
    _cleanup_token_lock_ Token *locked = token_lock(token);

    return rv_of(store_put(&token->store, key));
}

/* What the quorum has of the key now goes into the store. */
static CK_RV refresh_key(Token *token, const KeyId *id)
{
    _cleanup_(quorum_key_unrefp) QuorumKey *key = quorum_key_by_id(token->quorum, id);

    return key ? put_key(token, key) : CKR_OBJECT_HANDLE_INVALID;
}

/* What a call changes in a key's record. */
typedef struct Change {
    const char *function;
    const Object *object;
    const CK_ATTRIBUTE *attributes;
    CK_ULONG count;
    bool hide_public;
} Change;

/* The record as it is known now, with the change made in it. */
static CK_RV make_record(Token *token, const Change *change, KeyRecord *ret_record)
{
    _cleanup_(quorum_key_unrefp) QuorumKey *key = quorum_key_by_id(token->quorum, quorum_key_id(change->object->key));
    CK_RV rv = key ? rv_of(key_record_copy(quorum_key_record(key), ret_record)) : CKR_OBJECT_HANDLE_INVALID;

    for (CK_ULONG i = 0; rv == CKR_OK && i < change->count; i++)
        rv = names_record(ret_record, object_role(change->object), &change->attributes[i]);
    if (rv == CKR_OK && change->hide_public)
        ret_record->public_hidden = true;
    return rv;
}

/* Ask the nodes what other clients have changed. */
static int ask_for_changes(Token *token, Problem *problem)
{
    QuorumKey **keys;
    size_t n_keys;
    int r = quorum_keys(token->quorum, 0, &keys, &n_keys, problem);

    if (r == 0)
        quorum_keys_free(keys, n_keys);
    return r;
}

/* Another client may have changed other fields since this process looked: then once more, in what it has made of the record. */
static CK_RV change_record(Token *token, const Change *change)
{
    const KeyId *id = quorum_key_id(change->object->key);
    Problem problem = PROBLEM_INIT;
    int r = QUORUM_E_CONFLICT;

    for (unsigned tries = 0; r == QUORUM_E_CONFLICT && tries < 2; tries++) {
        _cleanup_(key_record_clear) KeyRecord record = {0};
        CK_RV rv;

        r = tries > 0 ? ask_for_changes(token, &problem) : 0;
        if (r != 0)
            break;
        rv = make_record(token, change, &record);
        if (rv != CKR_OK)
            return rv;
        r = quorum_set_record(token->quorum, id, &record, &problem);
    }
    return r == 0 ? refresh_key(token, id) : login_report(token, change->function, r, &problem);
}

CK_RV C_SetAttributeValue(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE handle, CK_ATTRIBUTE *attributes, CK_ULONG count)
{
    _cleanup_call_ Call call = {0};
    _cleanup_object_ Object *object = NULL;
    CK_RV rv = call_begin_session(session, &call);

    if (rv != CKR_OK)
        return rv;
    rv = template_check(attributes, count);
    if (rv == CKR_OK)
        rv = call_object(&call, handle, &object);
    if (rv == CKR_OK)
        rv = check_may_write(&call, object);
    if (rv == CKR_OK && object->fixed)
        rv = CKR_ACTION_PROHIBITED;
    if (rv == CKR_OK)
        rv = check_writable(object, attributes, count);
    if (rv != CKR_OK || count == 0)
        return rv;
    if (object->session != 0)
        return change_session_object(&call, object, attributes, count);
    return change_record(call.token, &(Change){"C_SetAttributeValue", object, attributes, count});
}

static void forget_key(Token *token, const KeyId *id)
{
    _cleanup_token_lock_ Token *locked = token_lock(token);

    store_key_destroyed(&token->store, id);
}

static CK_RV destroy_key(Token *token, const Object *object)
{
    Problem problem = PROBLEM_INIT;
    char name[2 * KEY_ID_SIZE + 1];
    const KeyId *id = quorum_key_id(object->key);
    int r = quorum_destroy(token->quorum, id, &problem);

    if (r != 0)
        return login_report(token, "C_DestroyObject", r, &problem);
    key_id_format(id, name);
    token_log(token, LOG_NOTICE, "C_DestroyObject: key %s is destroyed", name);
    forget_key(token, id);
    return CKR_OK;
}

static CK_RV remove_session_object(Token *token, CK_OBJECT_HANDLE handle)
{
    _cleanup_token_lock_ Token *locked = token_lock(token);

    store_remove(&token->store, handle);
    return CKR_OK;
}

/* The public half of a pair that this process destroyed: gone, and glad to hear it once. */
static bool remove_destroyed(Token *token, CK_OBJECT_HANDLE handle)
{
    _cleanup_token_lock_ Token *locked = token_lock(token);
    const Object *object = store_get(&token->store, handle);

    if (!object || !object->destroyed)
        return false;
    store_remove(&token->store, handle);
    return true;
}

CK_RV C_DestroyObject(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE handle)
{
    _cleanup_call_ Call call = {0};
    _cleanup_object_ Object *object = NULL;
    CK_RV rv = call_begin_session(session, &call);

    if (rv != CKR_OK)
        return rv;
    if (remove_destroyed(call.token, handle))
        return CKR_OK;
    rv = call_object(&call, handle, &object);
    if (rv == CKR_OK)
        rv = check_may_write(&call, object);
    if (rv == CKR_OK && object->lasting)
        rv = CKR_ACTION_PROHIBITED;
    if (rv != CKR_OK)
        return rv;
    if (object->session != 0)
        return remove_session_object(call.token, handle);
    if (object->kind == KIND_PRIVATE_KEY)
        return destroy_key(call.token, object);
    return change_record(call.token, &(Change){"C_DestroyObject", object, .hide_public = true});
}
