#include "pkcs11/attribute.h"

#include <assert.h>
#include <string.h>

#include "base/date.h"
#include "pkcs11/mechanism.h"
#include "threshold/ed25519-public.h"

typedef struct AttributeRow AttributeRow;

struct AttributeRow {
    CK_ATTRIBUTE_TYPE type;
    unsigned kinds;                                                                    /* bit 1 << kind: objects that have it */
    void (*get)(const Object *object, const AttributeRow *row, AttributeValue *value); /* NULL: sensitive */
    CK_ULONG constant;                                                                 /* or the slot of the value */
    const KeyType *key_type;                                                           /* whose keys alone have it; NULL: all */
    bool writable, on_token_only;                                                      /* writable, but not of objects of a session */
    bool (*equals)(const Object *object, const CK_ATTRIBUTE *attribute);               /* where other bytes may say the same */
};

#define PUBLIC      (1U << KIND_PUBLIC_KEY)
#define PRIVATE     (1U << KIND_PRIVATE_KEY)
#define BOTH        (PUBLIC | PRIVATE)
#define DATA        (1U << KIND_DATA)
#define CERTIFICATE (1U << KIND_CERTIFICATE)
#define PROFILE     (1U << KIND_PROFILE)
#define ALL         (BOTH | DATA | CERTIFICATE | PROFILE)

static_assert(MECHANISMS_MAX * sizeof(CK_MECHANISM_TYPE) <= ATTRIBUTE_SCRATCH_SIZE, "ATTRIBUTE_SCRATCH_SIZE is too small");

static void set_bool(AttributeValue *value, bool yes)
{
    value->scratch[0] = yes ? CK_TRUE : CK_FALSE;
    value->data = value->scratch;
    value->size = sizeof(CK_BBOOL);
}

static void set_ulong(AttributeValue *value, CK_ULONG number)
{
    memcpy(value->scratch, &number, sizeof(number));
    value->data = value->scratch;
    value->size = sizeof(number);
}

static void set_bytes(AttributeValue *value, const Bytes *bytes)
{
    value->data = bytes->data;
    value->size = bytes->size;
}

static void get_constant_bool(const Object *object, const AttributeRow *row, AttributeValue *value)
{
    set_bool(value, row->constant);
}

static void get_empty(const Object *object, const AttributeRow *row, AttributeValue *value)
{
    set_bytes(value, &(Bytes){0});
}

/* Of the key pair: both halves have the same. */
static void get_end_date(const Object *object, const AttributeRow *row, AttributeValue *value)
{
    uint64_t not_after = object->key ? quorum_key_record(object->key)->not_after : 0;

    if (not_after == 0) {
        set_bytes(value, &(Bytes){0});
        return;
    }
    date_format(not_after, (char *)value->scratch);
    value->data = value->scratch;
    value->size = sizeof(CK_DATE);
}

static void get_class(const Object *object, const AttributeRow *row, AttributeValue *value)
{
    set_ulong(value, object_class(object));
}

static void get_token(const Object *object, const AttributeRow *row, AttributeValue *value)
{
    set_bool(value, object->session == 0);
}

static void get_private(const Object *object, const AttributeRow *row, AttributeValue *value)
{
    set_bool(value, object_is_private(object));
}

static void get_modifiable(const Object *object, const AttributeRow *row, AttributeValue *value)
{
    set_bool(value, !object->fixed);
}

static void get_copyable(const Object *object, const AttributeRow *row, AttributeValue *value)
{
    set_bool(value, !object->uncopyable);
}

static void get_destroyable(const Object *object, const AttributeRow *row, AttributeValue *value)
{
    set_bool(value, !object->lasting);
}

static void get_value(const Object *object, const AttributeRow *row, AttributeValue *value)
{
    set_bytes(value, &object->values[row->constant]);
}

static void get_certificate_type(const Object *object, const AttributeRow *row, AttributeValue *value)
{
    set_ulong(value, CKC_X_509);
}

static void get_profile(const Object *object, const AttributeRow *row, AttributeValue *value)
{
    set_ulong(value, object->profile);
}

static void get_label(const Object *object, const AttributeRow *row, AttributeValue *value)
{
    set_bytes(value, &object->label);
}

static void get_id(const Object *object, const AttributeRow *row, AttributeValue *value)
{
    set_bytes(value, &object->id);
}

static void get_unique_id(const Object *object, const AttributeRow *row, AttributeValue *value)
{
    value->data = object->unique_id;
    value->size = strlen(object->unique_id);
}

static void get_key_type(const Object *object, const AttributeRow *row, AttributeValue *value)
{
    set_ulong(value, object->key_type->type);
}

/* Made by this token, or a copy of such a key? */
static void get_local(const Object *object, const AttributeRow *row, AttributeValue *value)
{
    set_bool(value, object->key != NULL);
}

static void get_key_gen_mechanism(const Object *object, const AttributeRow *row, AttributeValue *value)
{
    set_ulong(value, object->key ? object->key_type->generation : CK_UNAVAILABLE_INFORMATION);
}

static void get_allowed_mechanisms(const Object *object, const AttributeRow *row, AttributeValue *value)
{
    CK_MECHANISM_TYPE types[MECHANISMS_MAX];
    CK_ULONG count = mechanism_list(object->roster, object->key_type->type, CKF_SIGN | CKF_VERIFY, types);

    memcpy(value->scratch, types, count * sizeof(types[0]));
    value->data = value->scratch;
    value->size = count * sizeof(types[0]);
}

static void get_part(const Object *object, const AttributeRow *row, AttributeValue *value)
{
    set_bytes(value, &object->parts[row->constant]);
}

static void get_modulus_bits(const Object *object, const AttributeRow *row, AttributeValue *value)
{
    set_ulong(value, object->bits);
}

static void get_public_key_info(const Object *object, const AttributeRow *row, AttributeValue *value)
{
    set_bytes(value, &object->info);
}

static bool equals_curve(const Object *object, const CK_ATTRIBUTE *attribute)
{
    return key_type_check_curve(&(Bytes){attribute->pValue, attribute->ulValueLen}) == 0;
}

static bool equals_point(const Object *object, const CK_ATTRIBUTE *attribute)
{
    Bytes given = {attribute->pValue, attribute->ulValueLen};
    const uint8_t *point = key_type_point(&given);

    return point && memcmp(point, key_type_point(&object->parts[1]), ED25519_PUBLIC_SIZE) == 0;
}

#define YES .get = get_constant_bool, .constant = true
#define NO  .get = get_constant_bool, .constant = false
/* PKCS#11 3.0, §4.5 and §4.6.3: of certificates only name, serial number and CKA_ID can be changed. */
#define HOLDS(slot)   .get = get_value, .constant = (slot)
#define CHANGES(slot) .get = get_value, .constant = (slot), .writable = true

static const AttributeRow rows[] = {
    {CKA_CLASS, ALL, get_class},
    {CKA_TOKEN, ALL, get_token},
    {CKA_PRIVATE, ALL, get_private},
    {CKA_LABEL, ALL, get_label, .writable = true},
    {CKA_UNIQUE_ID, ALL, get_unique_id},
    {CKA_MODIFIABLE, ALL, get_modifiable},
    {CKA_COPYABLE, ALL, get_copyable},
    {CKA_DESTROYABLE, ALL, get_destroyable},
    {CKA_PROFILE_ID, PROFILE, get_profile},
    {CKA_APPLICATION, DATA, CHANGES(VALUE_APPLICATION)},
    {CKA_OBJECT_ID, DATA, CHANGES(VALUE_OBJECT_ID)},
    {CKA_VALUE, DATA, CHANGES(VALUE_VALUE)},
    {CKA_CERTIFICATE_TYPE, CERTIFICATE, get_certificate_type},
    {CKA_TRUSTED, CERTIFICATE, NO},
    {CKA_VALUE, CERTIFICATE, HOLDS(VALUE_VALUE)},
    {CKA_SUBJECT, CERTIFICATE, HOLDS(VALUE_SUBJECT)},
    {CKA_ISSUER, CERTIFICATE, CHANGES(VALUE_ISSUER)},
    {CKA_SERIAL_NUMBER, CERTIFICATE, CHANGES(VALUE_SERIAL_NUMBER)},
    {CKA_CERTIFICATE_CATEGORY, CERTIFICATE, HOLDS(VALUE_CATEGORY)},
    {CKA_CHECK_VALUE, CERTIFICATE, HOLDS(VALUE_CHECK)},
    {CKA_START_DATE, CERTIFICATE, HOLDS(VALUE_START_DATE)},
    {CKA_END_DATE, CERTIFICATE, HOLDS(VALUE_END_DATE)},
    {CKA_PUBLIC_KEY_INFO, CERTIFICATE, HOLDS(VALUE_PUBLIC_KEY_INFO)},
    {CKA_URL, CERTIFICATE, HOLDS(VALUE_URL)},
    {CKA_HASH_OF_SUBJECT_PUBLIC_KEY, CERTIFICATE, HOLDS(VALUE_SUBJECT_KEY_HASH)},
    {CKA_HASH_OF_ISSUER_PUBLIC_KEY, CERTIFICATE, HOLDS(VALUE_ISSUER_KEY_HASH)},
    {CKA_NAME_HASH_ALGORITHM, CERTIFICATE, HOLDS(VALUE_NAME_HASH)},
    {CKA_JAVA_MIDP_SECURITY_DOMAIN, CERTIFICATE, HOLDS(VALUE_JAVA_DOMAIN)},
    {CKA_KEY_TYPE, BOTH, get_key_type},
    {CKA_ID, BOTH | CERTIFICATE, get_id, .writable = true},
    {CKA_SUBJECT, BOTH, get_empty},
    {CKA_START_DATE, BOTH, get_empty},
    {CKA_END_DATE, BOTH, get_end_date, .writable = true, .on_token_only = true},
    {CKA_DERIVE, BOTH, NO},
    {CKA_LOCAL, BOTH, get_local},
    {CKA_KEY_GEN_MECHANISM, BOTH, get_key_gen_mechanism},
    {CKA_ALLOWED_MECHANISMS, BOTH, get_allowed_mechanisms},
    {CKA_PUBLIC_KEY_INFO, BOTH, get_public_key_info},
    {CKA_MODULUS, BOTH, get_part, 0, &key_type_rsa},
    {CKA_MODULUS_BITS, PUBLIC, get_modulus_bits, .key_type = &key_type_rsa},
    {CKA_PUBLIC_EXPONENT, BOTH, get_part, 1, &key_type_rsa},
    {CKA_EC_PARAMS, BOTH, get_part, 0, &key_type_edwards, .equals = equals_curve},
    {CKA_EC_POINT, BOTH, get_part, 1, &key_type_edwards, .equals = equals_point},
    {CKA_ENCRYPT, PUBLIC, NO},
    {CKA_VERIFY, PUBLIC, YES},
    {CKA_VERIFY_RECOVER, PUBLIC, NO},
    {CKA_WRAP, PUBLIC, NO},
    {CKA_TRUSTED, PUBLIC, NO},
    {CKA_SENSITIVE, PRIVATE, YES},
    {CKA_ALWAYS_SENSITIVE, PRIVATE, YES},
    {CKA_EXTRACTABLE, PRIVATE, NO},
    {CKA_NEVER_EXTRACTABLE, PRIVATE, YES},
    {CKA_DECRYPT, PRIVATE, NO},
    {CKA_SIGN, PRIVATE, YES},
    {CKA_SIGN_RECOVER, PRIVATE, NO},
    {CKA_UNWRAP, PRIVATE, NO},
    {CKA_WRAP_WITH_TRUSTED, PRIVATE, NO},
    {CKA_ALWAYS_AUTHENTICATE, PRIVATE, NO},
    {CKA_PRIVATE_EXPONENT, PRIVATE, .key_type = &key_type_rsa},
    {CKA_PRIME_1, PRIVATE, .key_type = &key_type_rsa},
    {CKA_PRIME_2, PRIVATE, .key_type = &key_type_rsa},
    {CKA_EXPONENT_1, PRIVATE, .key_type = &key_type_rsa},
    {CKA_EXPONENT_2, PRIVATE, .key_type = &key_type_rsa},
    {CKA_COEFFICIENT, PRIVATE, .key_type = &key_type_rsa},
    {CKA_VALUE, PRIVATE, .key_type = &key_type_edwards},
};

static const AttributeRow *find_row(const Object *object, CK_ATTRIBUTE_TYPE type)
{
    for (size_t i = 0; i < ELEMENTS(rows); i++)
        if (rows[i].type == type && (rows[i].kinds & (1U << object->kind)) && (!rows[i].key_type || rows[i].key_type == object->key_type))
            return &rows[i];
    return NULL;
}

CK_RV attribute_get(const Object *object, CK_ATTRIBUTE_TYPE type, AttributeValue *ret_value)
{
    const AttributeRow *row = find_row(object, type);

    if (!row)
        return CKR_ATTRIBUTE_TYPE_INVALID;
    if (!row->get)
        return CKR_ATTRIBUTE_SENSITIVE;
    row->get(object, row, ret_value);
    return CKR_OK;
}

CK_RV attribute_read(const Object *object, CK_ATTRIBUTE *entry)
{
    AttributeValue value;
    CK_ULONG room = entry->ulValueLen;
    CK_RV rv = attribute_get(object, entry->type, &value);

    entry->ulValueLen = CK_UNAVAILABLE_INFORMATION;
    if (rv != CKR_OK)
        return rv;
    if (entry->pValue && room < value.size)
        return CKR_BUFFER_TOO_SMALL;
    entry->ulValueLen = value.size;
    if (entry->pValue && value.size > 0)
        memcpy(entry->pValue, value.data, value.size);
    return CKR_OK;
}

bool attribute_equals(const Object *object, const CK_ATTRIBUTE *attribute)
{
    const AttributeRow *row = find_row(object, attribute->type);
    AttributeValue value;

    if (row && row->equals)
        return row->equals(object, attribute);
    if (attribute_get(object, attribute->type, &value) != CKR_OK || value.size != attribute->ulValueLen)
        return false;
    return value.size == 0 || memcmp(value.data, attribute->pValue, value.size) == 0;
}

CK_ULONG attribute_total_size(const Object *object)
{
    AttributeValue value;
    CK_ULONG total = 0;

    for (size_t i = 0; i < ELEMENTS(rows); i++)
        if (attribute_get(object, rows[i].type, &value) == CKR_OK)
            total += value.size;
    return total;
}

CK_RV attribute_check_writable(const Object *object, CK_ATTRIBUTE_TYPE type)
{
    const AttributeRow *row = find_row(object, type);

    if (!row)
        return CKR_ATTRIBUTE_TYPE_INVALID;
    return row->writable && !(row->on_token_only && object->session != 0) ? CKR_OK : CKR_ATTRIBUTE_READ_ONLY;
}

Bytes *attribute_slot(Object *object, CK_ATTRIBUTE_TYPE type)
{
    const AttributeRow *row = find_row(object, type);

    if (row && row->get == get_label)
        return &object->label;
    if (row && row->get == get_id)
        return &object->id;
    return row && row->get == get_value ? &object->values[row->constant] : NULL;
}
