/* Searching, and reading what was found. */
#include <errno.h>

#include "pkcs11/attribute.h"
#include "pkcs11/rv.h"
#include "pkcs11/session.h"
#include "pkcs11/template.h"

static bool matches(const Object *object, const CK_ATTRIBUTE *attributes, CK_ULONG count)
{
    for (CK_ULONG i = 0; i < count; i++)
        if (!attribute_equals(object, &attributes[i]))
            return false;
    return true;
}

DEFINE_CLEANUP(Finding, finding_free)

/* The caller holds the lock. */
static int search(const Store *store, bool private_too, const CK_ATTRIBUTE *attributes, CK_ULONG count, Finding **ret_finding)
{
    _cleanup_(finding_freep) Finding *finding = calloc(1, sizeof(*finding));
    const Object *object;
    size_t cursor = 0;

    if (!finding)
        return -ENOMEM;
    finding->handles = calloc(store->objects.count + 1, sizeof(*finding->handles));
    if (!finding->handles)
        return -ENOMEM;
    while ((object = store_next(store, &cursor)))
        if ((private_too || !object_is_private(object)) && matches(object, attributes, count))
            finding->handles[finding->count++] = object->handle;
    *ret_finding = TAKE_PTR(finding);
    return 0;
}

static bool is_searching(const Call *call)
{
    _cleanup_token_lock_ Token *locked = token_lock(call->token);

    return call->session->finding;
}

/* What matches among the keys of a list that is not older than `max_age`. */
static CK_RV look(const Call *call, Microseconds max_age, const CK_ATTRIBUTE *attributes, CK_ULONG count, Finding **ret_finding)
{
    CK_RV rv = token_refresh(call->token, max_age);
    bool logged_in = quorum_logged_in(call->token->quorum);

    if (rv != CKR_OK)
        return rv;

    _cleanup_token_lock_ Token *locked = token_lock(call->token);

    return rv_of(search(&call->token->store, logged_in, attributes, count, ret_finding));
}

/* Somebody who knows a name has it from somewhere: perhaps another process made the key just now. The nodes keep nothing but keys, and
 * private ones are hidden before the login, new or not. */
static bool may_be_new(const Call *call, const CK_ATTRIBUTE *attributes, CK_ULONG count)
{
    if (!template_find(attributes, count, CKA_ID) && !template_find(attributes, count, CKA_LABEL))
        return false;
    if (template_expect(attributes, count, CKA_CLASS, CKO_PRIVATE_KEY) == CKR_OK)
        return quorum_logged_in(call->token->quorum);
    return !template_find(attributes, count, CKA_CLASS) || template_expect(attributes, count, CKA_CLASS, CKO_PUBLIC_KEY) == CKR_OK;
}

/* Takes the finding over. */
static CK_RV begin_search(const Call *call, Finding *finding)
{
    _cleanup_(finding_freep) Finding *owned = finding;
    _cleanup_token_lock_ Token *locked = token_lock(call->token);

    if (call->session->finding)
        return CKR_OPERATION_ACTIVE;
    call->session->finding = TAKE_PTR(owned);
    return CKR_OK;
}

CK_RV C_FindObjectsInit(CK_SESSION_HANDLE session, CK_ATTRIBUTE *attributes, CK_ULONG count)
{
    _cleanup_call_ Call call = {0};
    _cleanup_(finding_freep) Finding *finding = NULL, *newer = NULL;
    const Microseconds began = clock_now();
    CK_RV rv = call_begin_session(session, &call);

    if (rv != CKR_OK)
        return rv;
    rv = template_check(attributes, count);
    if (rv != CKR_OK)
        return rv;
    if (is_searching(&call))
        return CKR_OPERATION_ACTIVE;
    rv = look(&call, TOKEN_KEYS_MAX_AGE, attributes, count, &finding);
    if (rv == CKR_OK && finding->count == 0 && may_be_new(&call, attributes, count))
        rv = look(&call, clock_now() - began, attributes, count, &newer); /* a list that was asked for just now is new enough */
    return rv == CKR_OK ? begin_search(&call, newer ? TAKE_PTR(newer) : TAKE_PTR(finding)) : rv;
}

static CK_RV take_found(const Call *call, CK_OBJECT_HANDLE *objects, CK_ULONG room, CK_ULONG *ret_count)
{
    _cleanup_token_lock_ Token *locked = token_lock(call->token);
    Finding *finding = call->session->finding;
    CK_ULONG count = 0;

    if (!finding)
        return CKR_OPERATION_NOT_INITIALIZED;
    while (count < room && finding->at < finding->count)
        objects[count++] = finding->handles[finding->at++];
    *ret_count = count;
    return CKR_OK;
}

CK_RV C_FindObjects(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE *objects, CK_ULONG room, CK_ULONG *count)
{
    _cleanup_call_ Call call = {0};
    CK_RV rv = call_begin_session(session, &call);

    if (rv != CKR_OK)
        return rv;
    if ((!objects && room > 0) || !count)
        return CKR_ARGUMENTS_BAD;
    return take_found(&call, objects, room, count);
}

CK_RV C_FindObjectsFinal(CK_SESSION_HANDLE session)
{
    _cleanup_call_ Call call = {0};
    CK_RV rv = call_begin_session(session, &call);

    if (rv != CKR_OK)
        return rv;

    _cleanup_token_lock_ Token *locked = token_lock(call.token);

    if (!call.session->finding)
        return CKR_OPERATION_NOT_INITIALIZED;
    finding_free(TAKE_PTR(call.session->finding));
    return CKR_OK;
}

/* Objects that are hidden do not exist: asking about them is no different from asking about nothing. */
static CK_RV find_object(const Call *call, CK_OBJECT_HANDLE handle, Object **ret_object)
{
    CK_RV rv = call_object(call, handle, ret_object);

    return rv == CKR_USER_NOT_LOGGED_IN ? CKR_OBJECT_HANDLE_INVALID : rv;
}

CK_RV C_GetAttributeValue(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE handle, CK_ATTRIBUTE *attributes, CK_ULONG count)
{
    _cleanup_call_ Call call = {0};
    _cleanup_object_ Object *object = NULL;
    CK_RV rv = call_begin_session(session, &call);

    if (rv != CKR_OK)
        return rv;
    if (!attributes && count > 0)
        return CKR_ARGUMENTS_BAD;
    rv = find_object(&call, handle, &object);
    if (rv != CKR_OK)
        return rv;
    for (CK_ULONG i = 0; i < count; i++) {
        CK_RV one = attribute_read(object, &attributes[i]);

        if (rv == CKR_OK)
            rv = one;
    }
    return rv;
}

CK_RV C_GetObjectSize(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE handle, CK_ULONG *size)
{
    _cleanup_call_ Call call = {0};
    _cleanup_object_ Object *object = NULL;
    CK_RV rv = call_begin_session(session, &call);

    if (rv != CKR_OK)
        return rv;
    if (!size)
        return CKR_ARGUMENTS_BAD;
    rv = find_object(&call, handle, &object);
    if (rv == CKR_OK)
        *size = attribute_total_size(object);
    return rv;
}
