#include "pkcs11/names.h"

#include <string.h>

#include "pkcs11/attribute.h"
#include "pkcs11/rv.h"
#include "pkcs11/stored.h"
#include "pkcs11/template.h"

static CK_RV replace_bytes(Bytes *bytes, const CK_ATTRIBUTE *attribute)
{
    Bytes copy = {0};
    int r = bytes_copy(attribute->pValue, attribute->ulValueLen, &copy);

    if (r < 0)
        return rv_of(r);
    bytes_clear(bytes);
    *bytes = copy;
    return CKR_OK;
}

static CK_RV replace_text(char **text, const CK_ATTRIBUTE *attribute)
{
    char *copy = malloc(attribute->ulValueLen + 1);

    if (!copy)
        return CKR_HOST_MEMORY;
    if (attribute->ulValueLen > 0)
        memcpy(copy, attribute->pValue, attribute->ulValueLen);
    copy[attribute->ulValueLen] = 0;
    free(*text);
    *text = copy;
    return CKR_OK;
}

static CK_RV apply_one(Object *object, const CK_ATTRIBUTE *attribute)
{
    CK_RV rv = attribute_check_writable(object, attribute->type);

    if (rv == CKR_ATTRIBUTE_READ_ONLY)
        return attribute_equals(object, attribute) ? CKR_OK : rv;
    if (rv == CKR_OK)
        rv = object_is_key(object) ? template_check_name(attribute) : stored_check(attribute);
    if (rv != CKR_OK)
        return rv;
    return replace_bytes(attribute_slot(object, attribute->type), attribute);
}

CK_RV names_apply(Object *object, const CK_ATTRIBUTE *attributes, CK_ULONG count)
{
    CK_RV rv = CKR_OK;

    for (CK_ULONG i = 0; rv == CKR_OK && i < count; i++)
        rv = apply_one(object, &attributes[i]);
    return rv;
}

CK_RV names_record(KeyRecord *record, KeyRole role, const CK_ATTRIBUTE *attribute)
{
    bool private = role == ROLE_PRIVATE;
    CK_RV rv;

    if (attribute->type == CKA_END_DATE)
        return template_date(attribute, &record->not_after);
    rv = template_check_name(attribute);
    if (rv != CKR_OK)
        return rv;
    if (attribute->type == CKA_LABEL)
        return replace_text(private ? &record->private_label : &record->public_label, attribute);
    return replace_bytes(private ? &record->private_id : &record->public_id, attribute);
}
