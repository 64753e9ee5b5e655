#include "pkcs11/mechanism.h"

#include <assert.h>
#include <string.h>

#include "pkcs11/call.h"
#include "pkcs11/key-type.h"
#include "threshold/frost.h"
#include "threshold/rsa-public.h"

#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 4096
#define ED25519_BITS 256 /* of the encoding (RFC 8032 §5.1.2); SoftHSM and OpenSC count them so */

/* Keys of Ed25519 are dealt by nobody: the nodes make them among themselves, and Deal=no says nothing of them. */
static bool shows_ed25519(const Roster *roster)
{
    return key_type_shown(&key_type_edwards, roster);
}

static bool deals(const Roster *roster)
{
    return roster->deal;
}

static bool signs_sha1(const Roster *roster)
{
    return roster->allow_sha1;
}

#define RSA(mechanism, flags, hash_, encoding_, offered_)                                                                                  \
    {                                                                                                                                      \
        .type = mechanism, .info = {RSA_BITS_MIN, RSA_BITS_MAX, CKF_HW | (flags)}, .hash = hash_, .encoding = ENCODING_##encoding_,        \
        .data_size_max = hash_ == HASH_INVALID ? RSA_PUBLIC_SIZE_MAX : 0, .key_type = CKK_RSA, .offered = offered_                         \
    }
#define EDWARDS_CURVE (CKF_EC_F_P | CKF_EC_NAMEDCURVE | CKF_EC_CURVENAME | CKF_EC_COMPRESS)
#define EDWARDS(mechanism, flags)                                                                                                          \
    {                                                                                                                                      \
        .type = mechanism, .info = {ED25519_BITS, ED25519_BITS, CKF_HW | EDWARDS_CURVE | (flags)}, .hash = HASH_INVALID,                   \
        .encoding = ENCODING_INVALID, .data_size_max = FROST_MESSAGE_SIZE_MAX, .key_type = CKK_EC_EDWARDS, .offered = shows_ed25519        \
    }
#define SIGNS (CKF_SIGN | CKF_VERIFY)
#define DIGEST(mechanism, hash_)                                                                                                           \
    {                                                                                                                                      \
        .type = mechanism, .info = {.flags = CKF_HW | CKF_DIGEST}, .hash = hash_, .key_type = CK_UNAVAILABLE_INFORMATION                   \
    }

static const Mechanism mechanisms[] = {
    RSA(CKM_RSA_PKCS_KEY_PAIR_GEN, CKF_GENERATE_KEY_PAIR, HASH_INVALID, PKCS1_V15, deals),
    RSA(CKM_RSA_PKCS, SIGNS, HASH_INVALID, PKCS1_V15, NULL),
    RSA(CKM_SHA1_RSA_PKCS, SIGNS, HASH_SHA1, PKCS1_V15, signs_sha1),
    RSA(CKM_SHA256_RSA_PKCS, SIGNS, HASH_SHA256, PKCS1_V15, NULL),
    RSA(CKM_SHA384_RSA_PKCS, SIGNS, HASH_SHA384, PKCS1_V15, NULL),
    RSA(CKM_SHA512_RSA_PKCS, SIGNS, HASH_SHA512, PKCS1_V15, NULL),
    RSA(CKM_RSA_PKCS_PSS, SIGNS, HASH_INVALID, PSS, NULL),
    RSA(CKM_SHA1_RSA_PKCS_PSS, SIGNS, HASH_SHA1, PSS, signs_sha1),
    RSA(CKM_SHA256_RSA_PKCS_PSS, SIGNS, HASH_SHA256, PSS, NULL),
    RSA(CKM_SHA384_RSA_PKCS_PSS, SIGNS, HASH_SHA384, PSS, NULL),
    RSA(CKM_SHA512_RSA_PKCS_PSS, SIGNS, HASH_SHA512, PSS, NULL),
    EDWARDS(CKM_EC_EDWARDS_KEY_PAIR_GEN, CKF_GENERATE_KEY_PAIR),
    EDWARDS(CKM_EDDSA, SIGNS),
    DIGEST(CKM_SHA_1, HASH_SHA1),
    DIGEST(CKM_SHA256, HASH_SHA256),
    DIGEST(CKM_SHA384, HASH_SHA384),
    DIGEST(CKM_SHA512, HASH_SHA512),
};

static_assert(ELEMENTS(mechanisms) <= MECHANISMS_MAX, "MECHANISMS_MAX is too small");

static bool is_offered(const Mechanism *mechanism, const Roster *roster)
{
    return !mechanism->offered || mechanism->offered(roster);
}

const Mechanism *mechanism_find(const Roster *roster, CK_MECHANISM_TYPE type, CK_FLAGS use)
{
    for (size_t i = 0; i < ELEMENTS(mechanisms); i++)
        if (mechanisms[i].type == type && (mechanisms[i].info.flags & use) == use && is_offered(&mechanisms[i], roster))
            return &mechanisms[i];
    return NULL;
}

CK_ULONG mechanism_list(const Roster *roster, CK_KEY_TYPE key_type, CK_FLAGS uses, CK_MECHANISM_TYPE *ret_types)
{
    CK_ULONG count = 0;

    for (size_t i = 0; i < ELEMENTS(mechanisms); i++) {
        bool wanted = key_type == CK_UNAVAILABLE_INFORMATION || mechanisms[i].key_type == key_type;

        if (!wanted || !(mechanisms[i].info.flags & uses) || !is_offered(&mechanisms[i], roster))
            continue;
        if (ret_types)
            ret_types[count] = mechanisms[i].type;
        count++;
    }
    return count;
}

CK_RV C_GetMechanismList(CK_SLOT_ID slot, CK_MECHANISM_TYPE *list, CK_ULONG *count)
{
    _cleanup_call_ Call call = {0};
    CK_MECHANISM_TYPE types[MECHANISMS_MAX];
    CK_RV rv = call_begin_slot(slot, &call);
    CK_ULONG room;

    if (rv != CKR_OK)
        return rv;
    if (!count)
        return CKR_ARGUMENTS_BAD;
    room = list ? *count : 0;
    *count = mechanism_list(call.token->roster, CK_UNAVAILABLE_INFORMATION, ~0UL, types);
    if (!list)
        return CKR_OK;
    if (room < *count)
        return CKR_BUFFER_TOO_SMALL;
    memcpy(list, types, *count * sizeof(*list));
    return CKR_OK;
}

CK_RV C_GetMechanismInfo(CK_SLOT_ID slot, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO *info)
{
    _cleanup_call_ Call call = {0};
    CK_RV rv = call_begin_slot(slot, &call);
    const Mechanism *mechanism;

    if (rv != CKR_OK)
        return rv;
    if (!info)
        return CKR_ARGUMENTS_BAD;
    mechanism = mechanism_find(call.token->roster, type, 0);
    if (!mechanism)
        return CKR_MECHANISM_INVALID;
    *info = mechanism->info;
    return CKR_OK;
}
