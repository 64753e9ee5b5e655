/*
 * Objects that hold what an application gave them and do nothing: data (PKCS#11 3.0, §4.5) and X.509 certificates (§4.6.3), which live in
 * sessions only; and the token's own profile objects (§4.14), which tell what it conforms to.
 */
#pragma once

#include "pkcs11/store.h"

/* One of `kind` as the template says, for a session. CKR_TEMPLATE_INCOMPLETE, CKR_ATTRIBUTE_VALUE_INVALID, CKR_ATTRIBUTE_TYPE_INVALID,
 * CKR_ATTRIBUTE_READ_ONLY. */
CK_RV stored_make(const Roster *roster, ObjectKind kind, const CK_ATTRIBUTE *attributes, CK_ULONG count, Object **ret_object);
/* May an attribute have this value? CKR_ATTRIBUTE_VALUE_INVALID. */
CK_RV stored_check(const CK_ATTRIBUTE *attribute);

#define PROFILES 3
/* Put the profile objects into the store. Errors: -ENOMEM. */
int stored_add_profiles(Store *store) _must_check_;
