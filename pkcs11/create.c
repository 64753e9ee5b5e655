/* Objects of sessions: public keys that an application brings to verify with, and copies. */
#include <errno.h>

#include "pkcs11/attribute.h"
#include "pkcs11/names.h"
#include "pkcs11/rv.h"
#include "pkcs11/session.h"
#include "pkcs11/template.h"

/* Give the object (taken over, whatever happens) to the session. */
static CK_RV add_object(const Call *call, Object *object, CK_OBJECT_HANDLE *ret_handle)
{
    _cleanup_object_ Object *owned = object;
    _cleanup_token_lock_ Token *locked = token_lock(call->token);
    int r = store_add(&call->token->store, object, call->session->handle);

    if (r < 0)
        return rv_of(r);
    *ret_handle = object->handle;
    owned = NULL;
    return CKR_OK;
}

/* What C_CreateObject can make. */
static CK_RV check_kind(const CK_ATTRIBUTE *attributes, CK_ULONG count)
{
    static const struct {
        CK_ATTRIBUTE_TYPE type;
        CK_ULONG only;
    } wanted[] = {
        {CKA_CLASS, CKO_PUBLIC_KEY},
        {CKA_KEY_TYPE, CKK_RSA},
    };

    for (size_t i = 0; i < ELEMENTS(wanted); i++) {
        const CK_ATTRIBUTE *attribute = template_find(attributes, count, wanted[i].type);
        CK_ULONG value;

        if (!attribute)
            return CKR_TEMPLATE_INCOMPLETE;
        if (template_ulong(attribute, &value) != CKR_OK)
            return CKR_ATTRIBUTE_VALUE_INVALID;
        if (value != wanted[i].only)
            return CKR_TEMPLATE_INCONSISTENT;
    }
    return CKR_OK;
}

static CK_RV make_public_key(const Call *call, const CK_ATTRIBUTE *attributes, CK_ULONG count, Object **ret_object)
{
    const CK_ATTRIBUTE *modulus = template_find(attributes, count, CKA_MODULUS);
    const CK_ATTRIBUTE *exponent = template_find(attributes, count, CKA_PUBLIC_EXPONENT);
    int r;

    if (!modulus || !exponent)
        return CKR_TEMPLATE_INCOMPLETE;
    r = object_of_rsa_public(call->token->roster, modulus->pValue, modulus->ulValueLen, exponent->pValue, exponent->ulValueLen, ret_object);
    return r == -EINVAL ? CKR_ATTRIBUTE_VALUE_INVALID : rv_of(r);
}

/* Where it is and who sees it has to be as it will be; what it may be used for is the token's to say. */
static CK_RV take_attribute(Object *made, const CK_ATTRIBUTE *attribute)
{
    CK_RV rv = attribute_check_writable(made, attribute->type);

    if (rv == CKR_ATTRIBUTE_READ_ONLY && attribute->type != CKA_TOKEN && attribute->type != CKA_PRIVATE)
        return CKR_OK;
    return names_apply(made, attribute, 1);
}

static CK_RV take_attributes(const Call *call, Object *made, const CK_ATTRIBUTE *attributes, CK_ULONG count)
{
    CK_RV rv = CKR_OK;

    made->session = call->session->handle; /* so CKA_TOKEN is false */
    for (CK_ULONG i = 0; rv == CKR_OK && i < count; i++)
        rv = take_attribute(made, &attributes[i]);
    return rv;
}

CK_RV C_CreateObject(CK_SESSION_HANDLE session, CK_ATTRIBUTE *attributes, CK_ULONG count, CK_OBJECT_HANDLE *object)
{
    _cleanup_call_ Call call = {0};
    _cleanup_object_ Object *made = NULL;
    CK_RV rv = call_begin_session(session, &call);

    if (rv != CKR_OK)
        return rv;
    if (!object)
        return CKR_ARGUMENTS_BAD;
    rv = template_check(attributes, count);
    if (rv == CKR_OK)
        rv = check_kind(attributes, count);
    if (rv == CKR_OK)
        rv = make_public_key(&call, attributes, count, &made);
    if (rv == CKR_OK)
        rv = take_attributes(&call, made, attributes, count);
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
