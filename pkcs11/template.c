#include "pkcs11/template.h"

#include <string.h>

#include "base/date.h"
#include "base/utf8.h"

#define NAME_SIZE_MAX 255

CK_RV template_check(const CK_ATTRIBUTE *attributes, CK_ULONG count)
{
    if (!attributes && count > 0)
        return CKR_ARGUMENTS_BAD;
    for (CK_ULONG i = 0; i < count; i++) {
        if (!attributes[i].pValue && attributes[i].ulValueLen > 0)
            return CKR_ATTRIBUTE_VALUE_INVALID;
        if (template_find(attributes, i, attributes[i].type))
            return CKR_TEMPLATE_INCONSISTENT;
    }
    return CKR_OK;
}

const CK_ATTRIBUTE *template_find(const CK_ATTRIBUTE *attributes, CK_ULONG count, CK_ATTRIBUTE_TYPE type)
{
    for (CK_ULONG i = 0; i < count; i++)
        if (attributes[i].type == type)
            return &attributes[i];
    return NULL;
}

CK_RV template_bool(const CK_ATTRIBUTE *attribute, bool *ret_value)
{
    CK_BBOOL value;

    if (attribute->ulValueLen != sizeof(value))
        return CKR_ATTRIBUTE_VALUE_INVALID;
    memcpy(&value, attribute->pValue, sizeof(value));
    *ret_value = value != CK_FALSE;
    return CKR_OK;
}

CK_RV template_ulong(const CK_ATTRIBUTE *attribute, CK_ULONG *ret_value)
{
    if (attribute->ulValueLen != sizeof(*ret_value))
        return CKR_ATTRIBUTE_VALUE_INVALID;
    memcpy(ret_value, attribute->pValue, sizeof(*ret_value));
    return CKR_OK;
}

CK_RV template_expect(const CK_ATTRIBUTE *attributes, CK_ULONG count, CK_ATTRIBUTE_TYPE type, CK_ULONG wanted)
{
    const CK_ATTRIBUTE *attribute = template_find(attributes, count, type);
    CK_ULONG value;

    if (!attribute)
        return CKR_TEMPLATE_INCOMPLETE;
    if (template_ulong(attribute, &value) != CKR_OK)
        return CKR_ATTRIBUTE_VALUE_INVALID;
    return value == wanted ? CKR_OK : CKR_TEMPLATE_INCONSISTENT;
}

CK_RV template_date(const CK_ATTRIBUTE *attribute, uint64_t *ret_seconds)
{
    *ret_seconds = 0;
    if (attribute->ulValueLen == 0)
        return CKR_OK;
    return date_parse(attribute->pValue, attribute->ulValueLen, ret_seconds) == 0 ? CKR_OK : CKR_ATTRIBUTE_VALUE_INVALID;
}

CK_RV template_check_name(const CK_ATTRIBUTE *attribute)
{
    const char *text = attribute->pValue;
    CK_ULONG size = attribute->ulValueLen;

    if (size > NAME_SIZE_MAX)
        return CKR_ATTRIBUTE_VALUE_INVALID;
    if (attribute->type != CKA_LABEL || size == 0)
        return CKR_OK;
    return memchr(text, 0, size) || !utf8_valid(text, size) ? CKR_ATTRIBUTE_VALUE_INVALID : CKR_OK;
}
