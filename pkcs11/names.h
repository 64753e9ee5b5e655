/* What can be changed about an object: of keys CKA_LABEL and CKA_ID, and of those on the token CKA_END_DATE. */
#pragma once

#include "pkcs11/object.h"

/* Set those of a template on an object that nobody else sees yet. All other attributes must be those the object has.
 * CKR_ATTRIBUTE_VALUE_INVALID, CKR_ATTRIBUTE_TYPE_INVALID, CKR_ATTRIBUTE_READ_ONLY, CKR_HOST_MEMORY. */
CK_RV names_apply(Object *object, const CK_ATTRIBUTE *attributes, CK_ULONG count);
/* Set one of them in the record of a key, for the half `role`; a pair has one end date. CKR_ATTRIBUTE_VALUE_INVALID, CKR_HOST_MEMORY. */
CK_RV names_record(KeyRecord *record, KeyRole role, const CK_ATTRIBUTE *attribute);
