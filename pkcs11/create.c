/* Objects of sessions: public keys that an application brings to verify with, data, certificates, and copies. */
#include <errno.h>
#include <syslog.h>

#include "pkcs11/attribute.h"
#include "pkcs11/names.h"
#include "pkcs11/rv.h"
#include "pkcs11/session.h"
#include "pkcs11/stored.h"
#include "pkcs11/template.h"

/* Give the object (taken over, whatever happens) to the session. A private one is for those who are logged in: looked at under the lock, so
 * that a logout leaves none behind. */
static CK_RV add_object(const Call *call, Object *object, CK_OBJECT_HANDLE *ret_handle)
{
    _cleanup_object_ Object *owned = object;
    _cleanup_token_lock_ Token *locked = token_lock(call->token);
    int r;

    if (object_is_private(object) && !quorum_logged_in(call->token->quorum))
        return CKR_USER_NOT_LOGGED_IN;
    r = store_add(&call->token->store, object, call->session->handle);
    if (r < 0)
        return rv_of(r);
    *ret_handle = object->handle;
    owned = NULL;
    return CKR_OK;
}

/* Where it is and who sees it has to be as it will be; what it may be used for is the token's to say. */
static CK_RV take_attribute(Object *made, const CK_ATTRIBUTE *attribute)
{
    if (attribute_check_writable(made, attribute->type) != CKR_ATTRIBUTE_READ_ONLY)
        return names_apply(made, attribute, 1);
    if (attribute->type != CKA_TOKEN && attribute->type != CKA_PRIVATE)
        return CKR_OK;
    return attribute_equals(made, attribute) ? CKR_OK : CKR_TEMPLATE_INCONSISTENT;
}

static CK_RV take_attributes(const Call *call, Object *made, const CK_ATTRIBUTE *attributes, CK_ULONG count)
{
    CK_RV rv = CKR_OK;

    made->session = call->session->handle; /* so CKA_TOKEN is false */
    for (CK_ULONG i = 0; rv == CKR_OK && i < count; i++)
        rv = take_attribute(made, &attributes[i]);
    return rv;
}

static CK_RV find_key_type(const Roster *roster, const CK_ATTRIBUTE *attributes, CK_ULONG count, const KeyType **ret_type)
{
    const CK_ATTRIBUTE *attribute = template_find(attributes, count, CKA_KEY_TYPE);
    CK_ULONG value;

    if (!attribute)
        return CKR_TEMPLATE_INCOMPLETE;
    if (template_ulong(attribute, &value) != CKR_OK)
        return CKR_ATTRIBUTE_VALUE_INVALID;
    *ret_type = key_type_find(value);
    return *ret_type && key_type_shown(*ret_type, roster) ? CKR_OK : CKR_TEMPLATE_INCONSISTENT;
}

static CK_RV make_public_key(const Call *call, const CK_ATTRIBUTE *attributes, CK_ULONG count, Object **ret_object)
{
    const KeyType *type = NULL;
    Bytes parts[KEY_PARTS];
    CK_RV rv = find_key_type(call->token->roster, attributes, count, &type);

    if (rv != CKR_OK)
        return rv;
    for (size_t i = 0; i < KEY_PARTS; i++) {
        const CK_ATTRIBUTE *part = template_find(attributes, count, type->parts[i]);

        if (!part)
            return CKR_TEMPLATE_INCOMPLETE;
        parts[i] = (Bytes){part->pValue, part->ulValueLen};
    }
    rv = key_type_rv(object_of_public(call->token->roster, type, parts, ret_object));
    return rv == CKR_OK ? take_attributes(call, *ret_object, attributes, count) : rv;
}

static CK_RV make_data(const Call *call, const CK_ATTRIBUTE *attributes, CK_ULONG count, Object **ret_object)
{
    return stored_make(call->token->roster, KIND_DATA, attributes, count, ret_object);
}

static CK_RV make_certificate(const Call *call, const CK_ATTRIBUTE *attributes, CK_ULONG count, Object **ret_object)
{
    return stored_make(call->token->roster, KIND_CERTIFICATE, attributes, count, ret_object);
}

/* PKCS#11 3.0, §4.14: profile objects are the token's to make. */
static CK_RV refuse_profile(const Call *call, const CK_ATTRIBUTE *attributes, CK_ULONG count, Object **ret_object)
{
    return CKR_ATTRIBUTE_READ_ONLY;
}

typedef CK_RV (*Maker)(const Call *call, const CK_ATTRIBUTE *attributes, CK_ULONG count, Object **ret_object);

static CK_RV find_maker(const CK_ATTRIBUTE *attributes, CK_ULONG count, Maker *ret_maker)
{
    static const struct {
        CK_OBJECT_CLASS class;
        Maker make;
    } makers[] = {
        {CKO_PUBLIC_KEY, make_public_key},
        {CKO_DATA, make_data},
        {CKO_CERTIFICATE, make_certificate},
        {CKO_PROFILE, refuse_profile},
    };
    const CK_ATTRIBUTE *class = template_find(attributes, count, CKA_CLASS);
    CK_ULONG value;

    if (!class)
        return CKR_TEMPLATE_INCOMPLETE;
    if (template_ulong(class, &value) != CKR_OK)
        return CKR_ATTRIBUTE_VALUE_INVALID;
    for (size_t i = 0; i < ELEMENTS(makers); i++)
        if (makers[i].class == value) {
            *ret_maker = makers[i].make;
            return CKR_OK;
        }
    return CKR_TEMPLATE_INCONSISTENT;
}

/* Everything that is made here lives in the session: the nodes keep keys, and nothing else. */
static CK_RV check_place(const Call *call, const CK_ATTRIBUTE *attributes, CK_ULONG count)
{
    const CK_ATTRIBUTE *place = template_find(attributes, count, CKA_TOKEN);
    bool on_token = false;
    CK_RV rv = place ? template_bool(place, &on_token) : CKR_OK;

    if (rv != CKR_OK || !on_token)
        return rv;
    if (!session_may_write(call->session))
        return CKR_SESSION_READ_ONLY;
    token_log(call->token, LOG_ERR, "C_CreateObject: this token keeps nothing but key pairs that it made: CKA_TOKEN has to be false");
    return CKR_TEMPLATE_INCONSISTENT;
}

CK_RV C_CreateObject(CK_SESSION_HANDLE session, CK_ATTRIBUTE *attributes, CK_ULONG count, CK_OBJECT_HANDLE *object)
{
    _cleanup_call_ Call call = {0};
    _cleanup_object_ Object *made = NULL;
    CK_RV rv = call_begin_session(session, &call);
    Maker make;

    if (rv != CKR_OK)
        return rv;
    if (!object)
        return CKR_ARGUMENTS_BAD;
    rv = template_check(attributes, count);
    if (rv == CKR_OK)
        rv = find_maker(attributes, count, &make);
    if (rv == CKR_OK)
        rv = check_place(&call, attributes, count);
    if (rv == CKR_OK)
        rv = make(&call, attributes, count, &made);
    if (rv == CKR_OK)
        rv = add_object(&call, TAKE_PTR(made), object);
    return rv;
}

/* A copy is a session's; one of a token's object must say so. */
static CK_RV check_copy_place(const Object *object, const CK_ATTRIBUTE *attributes, CK_ULONG count)
{
    const CK_ATTRIBUTE *place = template_find(attributes, count, CKA_TOKEN);
    bool on_token = object->session == 0;
    CK_RV rv = place ? template_bool(place, &on_token) : CKR_OK;

    if (rv != CKR_OK)
        return rv;
    return on_token ? CKR_TEMPLATE_INCONSISTENT : CKR_OK;
}

CK_RV C_CopyObject(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE handle, CK_ATTRIBUTE *attributes, CK_ULONG count, CK_OBJECT_HANDLE *copy)
{
    _cleanup_call_ Call call = {0};
    _cleanup_object_ Object *object = NULL, *made = NULL;
    CK_RV rv = call_begin_session(session, &call);

    if (rv != CKR_OK)
        return rv;
    if (!copy)
        return CKR_ARGUMENTS_BAD;
    rv = template_check(attributes, count);
    if (rv == CKR_OK)
        rv = call_object(&call, handle, &object);
    if (rv == CKR_OK && object->uncopyable)
        rv = CKR_ACTION_PROHIBITED;
    if (rv == CKR_OK)
        rv = check_copy_place(object, attributes, count);
    if (rv == CKR_OK)
        rv = rv_of(object_copy(object, &made));
    if (rv != CKR_OK)
        return rv;
    made->session = session; /* so that CKA_TOKEN=false is what it has already */
    rv = names_apply(made, attributes, count);
    return rv == CKR_OK ? add_object(&call, TAKE_PTR(made), copy) : rv;
}
