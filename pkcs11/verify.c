/* Verification: with the public key alone, no node is asked. */
#include <errno.h>
#include <string.h>

#include "pkcs11/operation.h"
#include "pkcs11/rv.h"
#include "threshold/rsa-public.h"

CK_RV C_VerifyInit(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key)
{
    return operation_begin(session, OPERATION_VERIFY, mechanism, key);
}

/* RFC 8017 §9.2, steps 3 to 5, around a DigestInfo that came from outside; whatever it says, it was signed or not. */
static CK_RV encode_data(const Operation *operation, uint8_t *encoded, size_t size)
{
    size_t padding = size - operation->size;

    if (operation->size > size - 11)
        return CKR_DATA_LEN_RANGE;
    encoded[0] = 0;
    encoded[1] = 1;
    memset(encoded + 2, 0xff, padding - 3);
    encoded[padding - 1] = 0;
    memcpy(encoded + padding, operation->data, operation->size);
    return CKR_OK;
}

static CK_RV encode(Operation *operation, uint8_t *encoded, size_t size)
{
    Digest digest;
    CK_RV rv;

    if (!operation->hash)
        return encode_data(operation, encoded, size);
    rv = operation_digest(operation, &digest);
    if (rv != CKR_OK)
        return rv;
    return digest_encode(&digest, 8 * size, encoded) == 0 ? CKR_OK : CKR_KEY_SIZE_RANGE;
}

static CK_RV verify(Operation *operation, const CK_BYTE *signature, CK_ULONG signature_size)
{
    const Object *key = operation->key;
    uint8_t encoded[RSA_PUBLIC_SIZE_MAX];
    CK_RV rv;
    int r;

    if (!signature)
        return CKR_ARGUMENTS_BAD;
    rv = encode(operation, encoded, key->modulus.size);
    if (rv != CKR_OK)
        return rv;
    if (signature_size != key->modulus.size)
        return CKR_SIGNATURE_LEN_RANGE;
    r = rsa_public_verify(&key->modulus, &key->exponent, encoded, signature);
    return r == -EBADMSG ? CKR_SIGNATURE_INVALID : rv_of(r);
}

CK_RV C_Verify(CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG data_size, CK_BYTE *signature, CK_ULONG signature_size)
{
    _cleanup_call_ Call call = {0};
    _cleanup_taken_ Taken taken = {0};
    CK_RV rv = call_begin_session(session, &call);

    if (rv == CKR_OK)
        rv = operation_take(&call, OPERATION_VERIFY, &taken);
    if (rv != CKR_OK)
        return rv;
    if (taken.operation->multi_part)
        return CKR_OPERATION_ACTIVE;
    rv = operation_update(taken.operation, data, data_size);
    return rv == CKR_OK ? verify(taken.operation, signature, signature_size) : rv;
}

CK_RV C_VerifyUpdate(CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG data_size)
{
    return operation_continue(session, OPERATION_VERIFY, data, data_size);
}

CK_RV C_VerifyFinal(CK_SESSION_HANDLE session, CK_BYTE *signature, CK_ULONG signature_size)
{
    _cleanup_call_ Call call = {0};
    _cleanup_taken_ Taken taken = {0};
    CK_RV rv = call_begin_session(session, &call);

    if (rv == CKR_OK)
        rv = operation_take(&call, OPERATION_VERIFY, &taken);
    return rv == CKR_OK ? verify(taken.operation, signature, signature_size) : rv;
}
