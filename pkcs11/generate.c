/* C_GenerateKeyPair: keys of RSA are dealt by this process, in the calling thread; those of Ed25519 are made by the nodes among themselves.
 */
#include <string.h>
#include <syslog.h>

#include "pkcs11/login.h"
#include "pkcs11/mechanism.h"
#include "pkcs11/names.h"
#include "pkcs11/rv.h"
#include "pkcs11/session.h"
#include "pkcs11/template.h"

typedef struct Generation {
    const KeyType *type;
    GenerateRequest request;
    bool on_token[ROLE_MAX]; /* CKA_TOKEN, false by default */
} Generation;

typedef CK_RV (*Taker)(Generation *generation, KeyRole role, const CK_ATTRIBUTE *attribute);

static CK_RV take_class(Generation *generation, KeyRole role, const CK_ATTRIBUTE *attribute)
{
    CK_ULONG value;
    CK_RV rv = template_ulong(attribute, &value);

    if (rv != CKR_OK)
        return rv;
    return value == (role == ROLE_PRIVATE ? CKO_PRIVATE_KEY : CKO_PUBLIC_KEY) ? CKR_OK : CKR_TEMPLATE_INCONSISTENT;
}

static CK_RV take_key_type(Generation *generation, KeyRole role, const CK_ATTRIBUTE *attribute)
{
    CK_ULONG value;
    CK_RV rv = template_ulong(attribute, &value);

    if (rv != CKR_OK)
        return rv;
    return value == generation->type->type ? CKR_OK : CKR_TEMPLATE_INCONSISTENT;
}

static CK_RV take_token(Generation *generation, KeyRole role, const CK_ATTRIBUTE *attribute)
{
    return template_bool(attribute, &generation->on_token[role]);
}

static CK_RV take_name(Generation *generation, KeyRole role, const CK_ATTRIBUTE *attribute)
{
    return names_record(&generation->request.record, role, attribute);
}

/* A pair has one; who names it in both templates names the same. */
static CK_RV take_end_date(Generation *generation, KeyRole role, const CK_ATTRIBUTE *attribute)
{
    uint64_t before = generation->request.record.not_after;
    CK_RV rv = names_record(&generation->request.record, role, attribute);

    return rv == CKR_OK && before != 0 && generation->request.record.not_after != before ? CKR_TEMPLATE_INCONSISTENT : rv;
}

/* A curve has one size. */
static CK_RV take_curve(Generation *generation, KeyRole role, const CK_ATTRIBUTE *attribute)
{
    int r = key_type_check_curve(&(Bytes){attribute->pValue, attribute->ulValueLen});

    if (r == 0)
        generation->request.bits = *threshold_scheme_sizes(threshold_scheme_by_algorithm(generation->type->algorithm));
    return key_type_rv(r);
}

static CK_RV take_bits(Generation *generation, KeyRole role, const CK_ATTRIBUTE *attribute)
{
    const unsigned *size = threshold_scheme_sizes(threshold_scheme_by_algorithm(generation->type->algorithm));
    CK_ULONG value;
    CK_RV rv = template_ulong(attribute, &value);

    if (rv != CKR_OK)
        return rv;
    for (; *size != 0; size++)
        if (*size == value)
            generation->request.bits = *size;
    return generation->request.bits ? CKR_OK : CKR_KEY_SIZE_RANGE;
}

/* 65537 and no other, with as many leading zeros as they like. */
static CK_RV take_exponent(Generation *generation, KeyRole role, const CK_ATTRIBUTE *attribute)
{
    static const CK_BYTE wanted[] = {1, 0, 1};
    const CK_BYTE *value = attribute->pValue;
    CK_ULONG size = attribute->ulValueLen;

    while (size > sizeof(wanted) && *value == 0) {
        value++;
        size--;
    }
    return size == sizeof(wanted) && memcmp(value, wanted, size) == 0 ? CKR_OK : CKR_ATTRIBUTE_VALUE_INVALID;
}

/* What a key may be used for is the token's to say; applications ask for more than they need. */
static CK_RV take_any_bool(Generation *generation, KeyRole role, const CK_ATTRIBUTE *attribute)
{
    bool value;

    return template_bool(attribute, &value);
}

static CK_RV take_true(Generation *generation, KeyRole role, const CK_ATTRIBUTE *attribute)
{
    bool value = false;
    CK_RV rv = template_bool(attribute, &value);

    return rv == CKR_OK && !value ? CKR_ATTRIBUTE_VALUE_INVALID : rv;
}

static CK_RV take_false(Generation *generation, KeyRole role, const CK_ATTRIBUTE *attribute)
{
    bool value = true;
    CK_RV rv = template_bool(attribute, &value);

    return rv == CKR_OK && value ? CKR_ATTRIBUTE_VALUE_INVALID : rv;
}

static CK_RV take_anything(Generation *generation, KeyRole role, const CK_ATTRIBUTE *attribute)
{
    return CKR_OK;
}

#define PUBLIC  (1U << ROLE_PUBLIC)
#define PRIVATE (1U << ROLE_PRIVATE)
#define BOTH    (PUBLIC | PRIVATE)

static const struct {
    CK_ATTRIBUTE_TYPE type;
    unsigned roles;
    Taker take;
    const KeyType *key_type; /* whose templates alone may have it; NULL: all */
} takers[] = {
    {CKA_CLASS, BOTH, take_class},
    {CKA_KEY_TYPE, BOTH, take_key_type},
    {CKA_TOKEN, BOTH, take_token},
    {CKA_LABEL, BOTH, take_name},
    {CKA_ID, BOTH, take_name},
    {CKA_MODULUS_BITS, PUBLIC, take_bits, &key_type_rsa},
    {CKA_PUBLIC_EXPONENT, BOTH, take_exponent, &key_type_rsa},
    {CKA_EC_PARAMS, BOTH, take_curve, &key_type_edwards},
    {CKA_PRIVATE, PUBLIC, take_any_bool}, /* public keys are public */
    {CKA_PRIVATE, PRIVATE, take_true},
    {CKA_SENSITIVE, PRIVATE, take_true},
    {CKA_EXTRACTABLE, PRIVATE, take_false},
    {CKA_ALWAYS_AUTHENTICATE, PRIVATE, take_false},
    {CKA_MODIFIABLE, BOTH, take_true},
    {CKA_COPYABLE, BOTH, take_true},
    {CKA_DESTROYABLE, BOTH, take_true},
    {CKA_TRUSTED, PUBLIC, take_false},
    {CKA_ENCRYPT, PUBLIC, take_any_bool},
    {CKA_VERIFY, PUBLIC, take_any_bool},
    {CKA_VERIFY_RECOVER, PUBLIC, take_any_bool},
    {CKA_WRAP, PUBLIC, take_any_bool},
    {CKA_DECRYPT, PRIVATE, take_any_bool},
    {CKA_SIGN, PRIVATE, take_any_bool},
    {CKA_SIGN_RECOVER, PRIVATE, take_any_bool},
    {CKA_UNWRAP, PRIVATE, take_any_bool},
    {CKA_WRAP_WITH_TRUSTED, PRIVATE, take_any_bool},
    {CKA_DERIVE, BOTH, take_any_bool},
    {CKA_SUBJECT, BOTH, take_anything},
    {CKA_START_DATE, BOTH, take_anything},
    {CKA_END_DATE, BOTH, take_end_date},
    {CKA_ALLOWED_MECHANISMS, BOTH, take_anything},
};

static CK_RV take_attribute(Generation *generation, KeyRole role, const CK_ATTRIBUTE *attribute)
{
    for (size_t i = 0; i < ELEMENTS(takers); i++)
        if (takers[i].type == attribute->type && (takers[i].roles & (1U << role)) &&
            (!takers[i].key_type || takers[i].key_type == generation->type))
            return takers[i].take(generation, role, attribute);
    return CKR_ATTRIBUTE_TYPE_INVALID;
}

static CK_RV take_template(Generation *generation, KeyRole role, const CK_ATTRIBUTE *attributes, CK_ULONG count)
{
    CK_RV rv = CKR_OK;

    for (CK_ULONG i = 0; rv == CKR_OK && i < count; i++)
        rv = take_attribute(generation, role, &attributes[i]);
    return rv;
}

/* A key without a name still has one. */
static CK_RV complete_names(KeyRecord *record)
{
    static const CK_ATTRIBUTE empty = {.type = CKA_LABEL};
    CK_RV rv = record->public_label ? CKR_OK : names_record(record, ROLE_PUBLIC, &empty);

    return rv != CKR_OK || record->private_label ? rv : names_record(record, ROLE_PRIVATE, &empty);
}

static CK_RV complete(Token *token, Generation *generation)
{
    if (generation->request.bits == 0)
        return CKR_TEMPLATE_INCOMPLETE;
    if (!generation->on_token[ROLE_PRIVATE]) {
        token_log(token, LOG_ERR, "C_GenerateKeyPair: private keys live on the token only: CKA_TOKEN has to be true");
        return CKR_TEMPLATE_INCONSISTENT;
    }
    generation->request.algorithm = generation->type->algorithm;
    generation->request.custody = CUSTODY_INVALID;
    generation->request.record.public_hidden = !generation->on_token[ROLE_PUBLIC];
    return complete_names(&generation->request.record);
}

/* A public key that was not wanted on the token becomes an object of the session. */
static CK_RV add_session_public(const Call *call, QuorumKey *key, CK_OBJECT_HANDLE *ret_public)
{
    _cleanup_object_ Object *object = NULL;
    int r = object_of_key(call->token->roster, key, ROLE_PUBLIC, &object);

    if (r < 0)
        return rv_of(r);

    _cleanup_token_lock_ Token *locked = token_lock(call->token);

    r = store_add(&call->token->store, object, call->session->handle);
    if (r < 0)
        return rv_of(r);
    *ret_public = TAKE_PTR(object)->handle;
    return CKR_OK;
}

static CK_RV add_key(const Call *call, QuorumKey *key, CK_OBJECT_HANDLE ret_handles[ROLE_MAX])
{
    _cleanup_token_lock_ Token *locked = token_lock(call->token);
    CK_RV rv = rv_of(store_put(&call->token->store, key));

    if (rv == CKR_OK)
        memcpy(ret_handles, store_find(&call->token->store, quorum_key_id(key))->handles, ROLE_MAX * sizeof(ret_handles[0]));
    return rv;
}

static CK_RV generate(const Call *call, const GenerateRequest *request, CK_OBJECT_HANDLE ret_handles[ROLE_MAX])
{
    _cleanup_(quorum_key_unrefp) QuorumKey *key = NULL;
    Problem problem = PROBLEM_INIT;
    int r = quorum_generate(call->token->quorum, request, &key, &problem);
    CK_RV rv = login_report(call->token, "C_GenerateKeyPair", r, &problem);

    if (rv == CKR_OK)
        rv = add_key(call, key, ret_handles);
    if (rv == CKR_OK && request->record.public_hidden)
        rv = add_session_public(call, key, &ret_handles[ROLE_PUBLIC]);
    return rv;
}

/* Which keys the mechanism makes. */
static CK_RV find_key_type(const Call *call, CK_MECHANISM_TYPE given, const KeyType **ret_type)
{
    static const struct {
        CK_MECHANISM_TYPE type;
        const char *refusal; /* when the roster does not offer it */
    } known[] = {
        {CKM_RSA_PKCS_KEY_PAIR_GEN, "Deal=no: make keys with kqctl key generate"},
        {CKM_EC_EDWARDS_KEY_PAIR_GEN, "ShowEd25519=no: use a roster without that"},
    };
    CK_MECHANISM_TYPE type = given == CKM_EDDSA ? CKM_EC_EDWARDS_KEY_PAIR_GEN : given; /* GnuTLS 3.7 calls it so */
    const Mechanism *mechanism = mechanism_find(call->token->roster, type, CKF_GENERATE_KEY_PAIR);

    if (mechanism) {
        *ret_type = key_type_find(mechanism->key_type);
        return CKR_OK;
    }
    for (size_t i = 0; i < ELEMENTS(known); i++)
        if (known[i].type == type)
            token_log(call->token, LOG_ERR, "C_GenerateKeyPair: the roster says %s", known[i].refusal);
    return CKR_MECHANISM_INVALID;
}

/* Comes last: who asks for a key that no login could make is told so, and not to log in. */
static CK_RV check_may_generate(const Call *call)
{
    if (!session_may_write(call->session))
        return CKR_SESSION_READ_ONLY;
    return quorum_logged_in(call->token->quorum) ? CKR_OK : CKR_USER_NOT_LOGGED_IN;
}

static void clear_generation(Generation *generation)
{
    key_record_clear(&generation->request.record);
}

CK_RV C_GenerateKeyPair(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_ATTRIBUTE *public_attributes, CK_ULONG public_count,
                        CK_ATTRIBUTE *private_attributes, CK_ULONG private_count, CK_OBJECT_HANDLE *public_key,
                        CK_OBJECT_HANDLE *private_key)
{
    _cleanup_call_ Call call = {0};
    _cleanup_(clear_generation) Generation generation = {0};
    CK_OBJECT_HANDLE handles[ROLE_MAX];
    CK_RV rv = call_begin_session(session, &call);

    if (rv != CKR_OK)
        return rv;
    if (!mechanism || !public_key || !private_key)
        return CKR_ARGUMENTS_BAD;
    rv = find_key_type(&call, mechanism->mechanism, &generation.type);
    if (rv == CKR_OK)
        rv = template_check(public_attributes, public_count);
    if (rv == CKR_OK)
        rv = template_check(private_attributes, private_count);
    if (rv == CKR_OK)
        rv = take_template(&generation, ROLE_PUBLIC, public_attributes, public_count);
    if (rv == CKR_OK)
        rv = take_template(&generation, ROLE_PRIVATE, private_attributes, private_count);
    if (rv == CKR_OK)
        rv = complete(call.token, &generation);
    if (rv == CKR_OK)
        rv = check_may_generate(&call);
    if (rv == CKR_OK)
        rv = generate(&call, &generation.request, handles);
    if (rv != CKR_OK)
        return rv;
    *public_key = handles[ROLE_PUBLIC];
    *private_key = handles[ROLE_PRIVATE];
    return CKR_OK;
}
