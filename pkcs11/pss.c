#include "pkcs11/pss.h"

#include <string.h>

static const struct {
    CK_MECHANISM_TYPE digest;
    CK_ULONG mgf;
} names[HASH_MAX] = {
    [HASH_SHA1] = {CKM_SHA_1, CKG_MGF1_SHA1},
    [HASH_SHA256] = {CKM_SHA256, CKG_MGF1_SHA256},
    [HASH_SHA384] = {CKM_SHA384, CKG_MGF1_SHA384},
    [HASH_SHA512] = {CKM_SHA512, CKG_MGF1_SHA512},
};

static HashAlgorithm find_hash(CK_MECHANISM_TYPE digest)
{
    for (HashAlgorithm hash = 0; hash < HASH_MAX; hash++)
        if (names[hash].digest == digest)
            return hash;
    return HASH_INVALID;
}

static CK_RV check_room(const Object *key, HashAlgorithm hash, CK_ULONG salt_size)
{
    Digest digest = {.hash = hash, .size = hash_size(hash), .encoding = ENCODING_PSS};

    if (digest_bits_min(&digest) > key->bits)
        return CKR_KEY_SIZE_RANGE;
    if (salt_size > DIGEST_SALT_SIZE_MAX)
        return CKR_MECHANISM_PARAM_INVALID;
    digest.salt_size = salt_size;
    return digest_bits_min(&digest) > key->bits ? CKR_MECHANISM_PARAM_INVALID : CKR_OK;
}

CK_RV pss_read(const Mechanism *mechanism, const CK_MECHANISM *given, const Object *key, PssParameters *ret_parameters)
{
    CK_RSA_PKCS_PSS_PARAMS parameters;
    HashAlgorithm hash;
    CK_RV rv;

    if (!given->pParameter || given->ulParameterLen != sizeof(parameters))
        return CKR_MECHANISM_PARAM_INVALID;
    memcpy(&parameters, given->pParameter, sizeof(parameters));
    hash = find_hash(parameters.hashAlg);
    if (hash == HASH_INVALID || parameters.mgf != names[hash].mgf)
        return CKR_MECHANISM_PARAM_INVALID;
    if (mechanism->hash != HASH_INVALID && mechanism->hash != hash)
        return CKR_MECHANISM_PARAM_INVALID;
    rv = check_room(key, hash, parameters.sLen);
    if (rv == CKR_OK)
        *ret_parameters = (PssParameters){hash, parameters.sLen};
    return rv;
}
