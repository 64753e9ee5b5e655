/* Templates: the lists of attributes that an application hands in. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "pkcs11/cryptoki.h"

/* Is it a list that can be read at all, with every attribute at most once? CKR_ARGUMENTS_BAD, CKR_ATTRIBUTE_VALUE_INVALID,
 * CKR_TEMPLATE_INCONSISTENT. */
CK_RV template_check(const CK_ATTRIBUTE *attributes, CK_ULONG count);
/* The attribute, or NULL. */
const CK_ATTRIBUTE *template_find(const CK_ATTRIBUTE *attributes, CK_ULONG count, CK_ATTRIBUTE_TYPE type);

/* Values. CKR_ATTRIBUTE_VALUE_INVALID if it is not one. */
CK_RV template_bool(const CK_ATTRIBUTE *attribute, bool *ret_value);
CK_RV template_ulong(const CK_ATTRIBUTE *attribute, CK_ULONG *ret_value);
/* Is there an attribute of this type with this value? CKR_TEMPLATE_INCOMPLETE, CKR_ATTRIBUTE_VALUE_INVALID, CKR_TEMPLATE_INCONSISTENT. */
CK_RV template_expect(const CK_ATTRIBUTE *attributes, CK_ULONG count, CK_ATTRIBUTE_TYPE type, CK_ULONG wanted);
/* A CK_DATE, as the last second of its day, since 1970; 0 for an empty one. */
CK_RV template_date(const CK_ATTRIBUTE *attribute, uint64_t *ret_seconds);
/* A CKA_LABEL or CKA_ID that a record can hold: at most 255 bytes; a label is UTF-8 without NUL. */
CK_RV template_check_name(const CK_ATTRIBUTE *attribute);
