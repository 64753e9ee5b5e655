#include "pkcs11/key-type.h"

#include <errno.h>
#include <string.h>

#include "pkcs11/rv.h"
#include "threshold/ed25519-public.h"
#include "threshold/rsa-public.h"

/* ---- RSA ---- */

enum { MODULUS, EXPONENT };

static uint8_t rsa_exponent[] = {1, 0, 1};

static Bytes without_zeros(const Bytes *given)
{
    Bytes number = *given;

    while (number.size > 0 && *number.data == 0) {
        number.data++;
        number.size--;
    }
    return number;
}

static int copy_parts(const Bytes *first, const Bytes *second, Bytes ret_parts[KEY_PARTS])
{
    int r = bytes_copy(first->data, first->size, &ret_parts[0]);

    return r < 0 ? r : bytes_copy(second->data, second->size, &ret_parts[1]);
}

static int take_rsa(const Bytes given[KEY_PARTS], Bytes ret_parts[KEY_PARTS])
{
    Bytes n = without_zeros(&given[MODULUS]), e = without_zeros(&given[EXPONENT]);

    if (n.size < RSA_PUBLIC_SIZE_MIN || n.size > RSA_PUBLIC_SIZE_MAX || e.size == 0 || e.size > n.size)
        return -EINVAL;
    if (!(n.data[n.size - 1] & 1) || !(e.data[e.size - 1] & 1))
        return -EINVAL;
    return copy_parts(&n, &e, ret_parts);
}

static int rsa_info(const Bytes parts[KEY_PARTS], Bytes *ret_der)
{
    return rsa_public_info(&parts[MODULUS], &parts[EXPONENT], ret_der);
}

static unsigned rsa_bits(const Bytes parts[KEY_PARTS])
{
    unsigned bits = (unsigned)parts[MODULUS].size * 8;

    for (uint8_t first = parts[MODULUS].data[0]; !(first & 0x80); first = (uint8_t)(first << 1))
        bits--;
    return bits;
}

static size_t rsa_signature_size(const Bytes parts[KEY_PARTS])
{
    return parts[MODULUS].size;
}

const KeyType key_type_rsa = {
    .type = CKK_RSA,
    .algorithm = THRESHOLD_RSA,
    .generation = CKM_RSA_PKCS_KEY_PAIR_GEN,
    .parts = {CKA_MODULUS, CKA_PUBLIC_EXPONENT},
    .own = MODULUS,
    .common = {rsa_exponent, sizeof(rsa_exponent)},
    .take = take_rsa,
    .info = rsa_info,
    .bits = rsa_bits,
    .signature_size = rsa_signature_size,
};

/* ---- Edwards curves: Ed25519 ---- */

enum { CURVE, POINT };

#define DER_OCTET_STRING     0x04
#define DER_OID              0x06
#define DER_PRINTABLE_STRING 0x13

/* GnuTLS, OpenSC and pkcs11-provider read either form, OpenDNSSEC none; the identifier is given back, whichever a template had. */
static uint8_t curve_oid[] = {DER_OID, 3, 0x2b, 0x65, 0x70};
static const uint8_t curve_name[] = {DER_PRINTABLE_STRING, 12, 'e', 'd', 'w', 'a', 'r', 'd', 's', '2', '5', '5', '1', '9'};

static bool is(const Bytes *value, const void *wanted, size_t size)
{
    return value->size == size && memcmp(value->data, wanted, size) == 0;
}

int key_type_check_curve(const Bytes *parameters)
{
    if (is(parameters, curve_oid, sizeof(curve_oid)) || is(parameters, curve_name, sizeof(curve_name)))
        return 0;
    if (parameters->size < 3 || parameters->data[1] != parameters->size - 2)
        return -EDOM;
    return parameters->data[0] == DER_OID || parameters->data[0] == DER_PRINTABLE_STRING ? -EOPNOTSUPP : -EDOM;
}

const uint8_t *key_type_point(const Bytes *point)
{
    if (point->size == ED25519_PUBLIC_SIZE)
        return point->data;
    if (point->size != 2 + ED25519_PUBLIC_SIZE || point->data[0] != DER_OCTET_STRING || point->data[1] != ED25519_PUBLIC_SIZE)
        return NULL;
    return point->data + 2;
}

static int take_edwards(const Bytes given[KEY_PARTS], Bytes ret_parts[KEY_PARTS])
{
    static const uint8_t header[] = {DER_OCTET_STRING, ED25519_PUBLIC_SIZE};
    uint8_t der[sizeof(header) + ED25519_PUBLIC_SIZE];
    const uint8_t *point = key_type_point(&given[POINT]);
    int r = key_type_check_curve(&given[CURVE]);

    if (r < 0)
        return r;
    if (!point)
        return -EINVAL;
    memcpy(der, header, sizeof(header));
    memcpy(der + sizeof(header), point, ED25519_PUBLIC_SIZE);
    return copy_parts(&(Bytes){curve_oid, sizeof(curve_oid)}, &(Bytes){der, sizeof(der)}, ret_parts);
}

static int edwards_info(const Bytes parts[KEY_PARTS], Bytes *ret_der)
{
    return ed25519_public_info(key_type_point(&parts[POINT]), ret_der);
}

static unsigned edwards_bits(const Bytes parts[KEY_PARTS])
{
    return 8 * ED25519_PUBLIC_SIZE;
}

static size_t edwards_signature_size(const Bytes parts[KEY_PARTS])
{
    return ED25519_SIGNATURE_SIZE;
}

static bool shows_ed25519(const Roster *roster)
{
    return roster->show_ed25519;
}

const KeyType key_type_edwards = {
    .type = CKK_EC_EDWARDS,
    .algorithm = THRESHOLD_ED25519,
    .generation = CKM_EC_EDWARDS_KEY_PAIR_GEN,
    .parts = {CKA_EC_PARAMS, CKA_EC_POINT},
    .own = POINT,
    .common = {curve_oid, sizeof(curve_oid)},
    .take = take_edwards,
    .info = edwards_info,
    .bits = edwards_bits,
    .signature_size = edwards_signature_size,
    .shown = shows_ed25519,
};

/* ---- The table ---- */

static const KeyType *const types[] = {&key_type_rsa, &key_type_edwards};

const KeyType *key_type_find(CK_KEY_TYPE type)
{
    for (size_t i = 0; i < ELEMENTS(types); i++)
        if (types[i]->type == type)
            return types[i];
    return NULL;
}

const KeyType *key_type_by_algorithm(uint8_t algorithm)
{
    for (size_t i = 0; i < ELEMENTS(types); i++)
        if (types[i]->algorithm == algorithm)
            return types[i];
    return NULL;
}

bool key_type_shown(const KeyType *type, const Roster *roster)
{
    return !type->shown || type->shown(roster);
}

CK_RV key_type_rv(int r)
{
    static const struct {
        int error;
        CK_RV rv;
    } meanings[] = {
        {-EINVAL, CKR_ATTRIBUTE_VALUE_INVALID},
        {-EDOM, CKR_DOMAIN_PARAMS_INVALID},
        {-EOPNOTSUPP, CKR_CURVE_NOT_SUPPORTED},
    };

    for (size_t i = 0; i < ELEMENTS(meanings); i++)
        if (meanings[i].error == r)
            return meanings[i].rv;
    return rv_of(r);
}
