/* What objects answer about themselves, as one table. Adding an attribute is adding a row. */
#pragma once

#include "pkcs11/object.h"

#define ATTRIBUTE_SCRATCH_SIZE 256

typedef struct AttributeValue {
    const void *data; /* the object's, a constant, or `scratch` */
    CK_ULONG size;
    _Alignas(CK_ULONG) CK_BYTE scratch[ATTRIBUTE_SCRATCH_SIZE];
} AttributeValue;

/* CKR_ATTRIBUTE_TYPE_INVALID the object has none of that type; CKR_ATTRIBUTE_SENSITIVE it is part of the private key, and
 * nowhere in one place. */
CK_RV attribute_get(const Object *object, CK_ATTRIBUTE_TYPE type, AttributeValue *ret_value);
/* One entry of C_GetAttributeValue (PKCS#11 2.40, §5.7.5). Also CKR_BUFFER_TOO_SMALL. */
CK_RV attribute_read(const Object *object, CK_ATTRIBUTE *entry);
/* Has the object this very value? */
bool attribute_equals(const Object *object, const CK_ATTRIBUTE *attribute);
/* The bytes of all values. */
CK_ULONG attribute_total_size(const Object *object);
/* Where the object keeps what an application says of this type; NULL: it does not. */
Bytes *attribute_slot(Object *object, CK_ATTRIBUTE_TYPE type);
/* May it be changed (CKR_OK)? CKR_ATTRIBUTE_READ_ONLY, CKR_ATTRIBUTE_TYPE_INVALID. */
CK_RV attribute_check_writable(const Object *object, CK_ATTRIBUTE_TYPE type);
