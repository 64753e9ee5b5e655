#include "pkcs11/stored.h"

#include <string.h>

#include "base/utf8.h"
#include "pkcs11/attribute.h"
#include "pkcs11/rv.h"
#include "pkcs11/template.h"

/* ---- Values ---- */

static bool is_text(const CK_ATTRIBUTE *attribute)
{
    return attribute->ulValueLen == 0 || utf8_valid(attribute->pValue, attribute->ulValueLen);
}

static bool is_ulong(const CK_ATTRIBUTE *attribute)
{
    return attribute->ulValueLen == sizeof(CK_ULONG);
}

static bool is_date(const CK_ATTRIBUTE *attribute)
{
    return attribute->ulValueLen == 0 || attribute->ulValueLen == sizeof(CK_DATE);
}

/* Of the types that are not here every value will do. */
static const struct {
    CK_ATTRIBUTE_TYPE type;
    bool (*check)(const CK_ATTRIBUTE *attribute);
} checks[] = {
    {CKA_LABEL, is_text},
    {CKA_APPLICATION, is_text},
    {CKA_URL, is_text},
    {CKA_CERTIFICATE_CATEGORY, is_ulong},
    {CKA_NAME_HASH_ALGORITHM, is_ulong},
    {CKA_JAVA_MIDP_SECURITY_DOMAIN, is_ulong},
    {CKA_START_DATE, is_date},
    {CKA_END_DATE, is_date},
};

CK_RV stored_check(const CK_ATTRIBUTE *attribute)
{
    for (size_t i = 0; i < ELEMENTS(checks); i++)
        if (checks[i].type == attribute->type && !checks[i].check(attribute))
            return CKR_ATTRIBUTE_VALUE_INVALID;
    return CKR_OK;
}

/* ---- Making one ---- */

/* What is a flag of the object, with the value that makes it true. */
static bool *flag_of(Object *object, CK_ATTRIBUTE_TYPE type, bool *ret_when)
{
    const struct {
        CK_ATTRIBUTE_TYPE type;
        bool when, *flag;
    } flags[] = {
        {CKA_PRIVATE, true, &object->private},
        {CKA_MODIFIABLE, false, &object->fixed},
        {CKA_COPYABLE, false, &object->uncopyable},
        {CKA_DESTROYABLE, false, &object->lasting},
    };

    for (size_t i = 0; i < ELEMENTS(flags); i++)
        if (flags[i].type == type) {
            *ret_when = flags[i].when;
            return flags[i].flag;
        }
    return NULL;
}

static CK_RV put_flag(bool *flag, bool when, const CK_ATTRIBUTE *attribute)
{
    bool value;
    CK_RV rv = template_bool(attribute, &value);

    if (rv == CKR_OK)
        *flag = value == when;
    return rv;
}

static CK_RV put_bytes(Object *object, const CK_ATTRIBUTE *attribute)
{
    Bytes *slot = attribute_slot(object, attribute->type);
    CK_RV rv = stored_check(attribute);

    if (rv != CKR_OK)
        return rv;
    bytes_clear(slot);
    return rv_of(bytes_copy(attribute->pValue, attribute->ulValueLen, slot));
}

static CK_RV put(Object *object, const CK_ATTRIBUTE *attribute)
{
    AttributeValue value;
    bool when;
    bool *flag = flag_of(object, attribute->type, &when);

    if (flag)
        return put_flag(flag, when, attribute);
    if (attribute_slot(object, attribute->type))
        return put_bytes(object, attribute);
    if (attribute_get(object, attribute->type, &value) != CKR_OK)
        return CKR_ATTRIBUTE_TYPE_INVALID;
    if (attribute->type == CKA_UNIQUE_ID || attribute->type == CKA_TRUSTED)
        return attribute_equals(object, attribute) ? CKR_OK : CKR_ATTRIBUTE_READ_ONLY;
    return attribute_equals(object, attribute) ? CKR_OK : CKR_ATTRIBUTE_VALUE_INVALID; /* class, token, type of certificate */
}

/* §4.6.3: a certificate has its type and subject, and its value or the place where it is. */
static bool is_complete(const Object *object, const CK_ATTRIBUTE *attributes, CK_ULONG count)
{
    return object->kind != KIND_CERTIFICATE ||
           (template_find(attributes, count, CKA_CERTIFICATE_TYPE) && template_find(attributes, count, CKA_SUBJECT) &&
            (object->values[VALUE_VALUE].size > 0 || object->values[VALUE_URL].size > 0));
}

static CK_RV put_defaults(Object *object)
{
    static const struct {
        CK_ATTRIBUTE_TYPE type;
        CK_ULONG number;
    } defaults[] = {
        {CKA_CERTIFICATE_CATEGORY, 0},
        {CKA_NAME_HASH_ALGORITHM, CKM_SHA_1},
        {CKA_JAVA_MIDP_SECURITY_DOMAIN, 0},
    };
    CK_RV rv = CKR_OK;

    for (size_t i = 0; rv == CKR_OK && object->kind == KIND_CERTIFICATE && i < ELEMENTS(defaults); i++) {
        CK_ULONG number = defaults[i].number;

        rv = put_bytes(object, &(CK_ATTRIBUTE){defaults[i].type, &number, sizeof(number)});
    }
    return rv;
}

CK_RV stored_make(const Roster *roster, ObjectKind kind, const CK_ATTRIBUTE *attributes, CK_ULONG count, Object **ret_object)
{
    _cleanup_object_ Object *object = NULL;
    CK_RV rv = rv_of(object_of_kind(roster, kind, &object));

    if (rv != CKR_OK)
        return rv;
    object->session = CK_UNAVAILABLE_INFORMATION; /* some session's, so that CKA_TOKEN is false */
    rv = put_defaults(object);
    for (CK_ULONG i = 0; rv == CKR_OK && i < count; i++)
        rv = put(object, &attributes[i]);
    if (rv != CKR_OK)
        return rv;
    if (!is_complete(object, attributes, count))
        return CKR_TEMPLATE_INCOMPLETE;
    *ret_object = TAKE_PTR(object);
    return CKR_OK;
}

/* ---- Profiles ---- */

/* PKCS#11 Profiles 3.0, §5.1 to §5.3: of each all data types, attributes and functions that it lists are there. */
static const struct {
    CK_ULONG profile;
    const char *label;
} profiles[PROFILES] = {
    {CKP_BASELINE_PROVIDER, "Baseline Provider"},
    {CKP_EXTENDED_PROVIDER, "Extended Provider"},
    {CKP_AUTHENTICATION_TOKEN, "Authentication Token"},
};

static int add_profile(Store *store, CK_ULONG profile, const char *label)
{
    _cleanup_object_ Object *object = NULL;
    int r = object_of_kind(store->roster, KIND_PROFILE, &object);

    if (r < 0)
        return r;
    object->profile = profile;
    object->fixed = object->uncopyable = object->lasting = true;
    r = bytes_copy(label, strlen(label), &object->label);
    if (r == 0)
        r = store_add(store, object, 0);
    if (r < 0)
        return r;
    (void)snprintf(object->unique_id, sizeof(object->unique_id), "profile-%lu", profile);
    object = NULL; /* the store's now */
    return 0;
}

int stored_add_profiles(Store *store)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < ELEMENTS(profiles); i++)
        r = add_profile(store, profiles[i].profile, profiles[i].label);
    return r;
}
