/* Verification: with the public key alone, no node is asked. */
#include <errno.h>
#include <string.h>

#include "pkcs11/operation.h"
#include "pkcs11/rv.h"
#include "threshold/ed25519-public.h"
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
    if (operation->size > 0)
        memcpy(encoded + padding, operation->data, operation->size);
    return CKR_OK;
}

/* What the signature should open to. Of EMSA-PSS only the salt is the signer's to choose, so whatever salt is in `opened` is taken, and the
 * rest has to follow from it (RFC 8017 §9.1.2). */
static CK_RV encode(Operation *operation, const uint8_t *opened, uint8_t *encoded)
{
    const Object *key = operation->key;
    bool salted = operation->mechanism->encoding == ENCODING_PSS;
    Digest digest;
    CK_RV rv;
    int r;

    if (!operation->hash && !salted)
        return encode_data(operation, encoded, key->signature_size);
    rv = operation_digest(operation, &digest);
    if (rv != CKR_OK)
        return rv;
    r = salted ? digest_take_salt(&digest, key->bits, opened, operation->pss.salt_size) : 0;
    if (r == 0)
        r = digest_encode(&digest, key->bits, encoded);
    return r == -EMSGSIZE ? CKR_KEY_SIZE_RANGE : rv_of(r);
}

static CK_RV verify_digest(Operation *operation, const CK_BYTE *signature)
{
    const Object *key = operation->key;
    uint8_t opened[RSA_PUBLIC_SIZE_MAX], encoded[RSA_PUBLIC_SIZE_MAX];
    CK_RV rv;
    int r = rsa_public_open(&key->parts[0], &key->parts[1], signature, opened);

    if (r < 0)
        return r == -EBADMSG ? CKR_SIGNATURE_INVALID : rv_of(r);
    rv = encode(operation, opened, encoded);
    if (rv != CKR_OK)
        return rv;
    return memcmp(opened, encoded, key->signature_size) == 0 ? CKR_OK : CKR_SIGNATURE_INVALID;
}

static CK_RV verify_message(const Operation *operation, const CK_BYTE *signature)
{
    int r = ed25519_public_verify(key_type_point(&operation->key->parts[1]), operation->data, operation->size, signature);

    return r == -EBADMSG ? CKR_SIGNATURE_INVALID : rv_of(r);
}

static CK_RV verify(Operation *operation, const CK_BYTE *signature, CK_ULONG signature_size)
{
    if (!signature)
        return CKR_ARGUMENTS_BAD;
    if (signature_size != operation->key->signature_size)
        return CKR_SIGNATURE_LEN_RANGE;
    return operation->mechanism->encoding == ENCODING_INVALID ? verify_message(operation, signature) : verify_digest(operation, signature);
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
