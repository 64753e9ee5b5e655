/* Signing. Only C_Sign and C_SignFinal with room for the result talk to the nodes. */
#include <syslog.h>

#include "pkcs11/login.h"
#include "pkcs11/operation.h"

CK_RV C_SignInit(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key)
{
    return operation_begin(session, OPERATION_SIGN, mechanism, key);
}

/* The digest to be signed, however it came. */
static CK_RV finish_digest(Token *token, Operation *operation, Digest *ret_digest)
{
    if (operation->hash)
        return operation_digest(operation, ret_digest);
    if (operation->size > operation->key->modulus.size - 11) /* RFC 8017 §9.2, step 3 */
        return CKR_DATA_LEN_RANGE;
    if (digest_from_digest_info(operation->data, operation->size, ret_digest) < 0) {
        token_log(token, LOG_ERR, "C_Sign: CKM_RSA_PKCS signs a DigestInfo of SHA-256, SHA-384 or SHA-512 and nothing else");
        return CKR_DATA_INVALID;
    }
    if (ret_digest->hash == HASH_SHA1 && !token->roster->allow_sha1) {
        token_log(token, LOG_ERR, "C_Sign: SHA-1 is not signed unless the roster says AllowSha1=yes");
        return CKR_DATA_INVALID;
    }
    return CKR_OK;
}

static CK_RV sign(const Taken *taken, CK_BYTE *signature)
{
    Token *token = taken->call->token;
    Problem problem = PROBLEM_INIT;
    Digest digest;
    CK_RV rv = finish_digest(token, taken->operation, &digest);

    if (rv != CKR_OK)
        return rv;

    int r = quorum_sign(token->quorum, taken->operation->key->key, &digest, signature, &problem);

    rv = login_report(token, "C_Sign", r, &problem);
    return rv == CKR_OBJECT_HANDLE_INVALID ? CKR_KEY_HANDLE_INVALID : rv;
}

CK_RV C_Sign(CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG data_size, CK_BYTE *signature, CK_ULONG *signature_size)
{
    _cleanup_call_ Call call = {0};
    _cleanup_taken_ Taken taken = {0};
    CK_RV rv = call_begin_session(session, &call);

    if (rv == CKR_OK)
        rv = operation_take(&call, OPERATION_SIGN, &taken);
    if (rv != CKR_OK)
        return rv;
    if (taken.operation->multi_part)
        return CKR_OPERATION_ACTIVE;
    if (!signature_size)
        return CKR_ARGUMENTS_BAD;
    if (operation_lacks_room(&taken, taken.operation->key->modulus.size, signature, signature_size, &rv))
        return rv;
    rv = operation_update(taken.operation, data, data_size);
    if (rv == CKR_OK)
        rv = sign(&taken, signature);
    if (rv == CKR_OK)
        *signature_size = taken.operation->key->modulus.size;
    return rv;
}

CK_RV C_SignUpdate(CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG data_size)
{
    return operation_continue(session, OPERATION_SIGN, data, data_size);
}

CK_RV C_SignFinal(CK_SESSION_HANDLE session, CK_BYTE *signature, CK_ULONG *signature_size)
{
    _cleanup_call_ Call call = {0};
    _cleanup_taken_ Taken taken = {0};
    CK_RV rv = call_begin_session(session, &call);

    if (rv == CKR_OK)
        rv = operation_take(&call, OPERATION_SIGN, &taken);
    if (rv != CKR_OK)
        return rv;
    if (!signature_size)
        return CKR_ARGUMENTS_BAD;
    if (operation_lacks_room(&taken, taken.operation->key->modulus.size, signature, signature_size, &rv))
        return rv;
    rv = sign(&taken, signature);
    if (rv == CKR_OK)
        *signature_size = taken.operation->key->modulus.size;
    return rv;
}
