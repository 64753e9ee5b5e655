/* Signing. Only C_Sign and C_SignFinal with room for the result talk to the nodes. */
#include <syslog.h>

#include "base/crypto.h"
#include "pkcs11/login.h"
#include "pkcs11/operation.h"
#include "pkcs11/rv.h"

CK_RV C_SignInit(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key)
{
    return operation_begin(session, OPERATION_SIGN, mechanism, key);
}

static CK_RV read_digest_info(Token *token, const Operation *operation, Digest *ret_digest)
{
    if (operation->size > operation->key->signature_size - 11) /* RFC 8017 §9.2, step 3 */
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

/* RFC 8017 §9.1.1, step 4: the salt is chosen here, for all nodes; they make the encoding. */
static CK_RV add_salt(const Operation *operation, Digest *digest)
{
    uint8_t salt[DIGEST_SALT_SIZE_MAX];
    size_t size = operation->pss.salt_size;
    int r = size > 0 ? crypto_random(salt, size) : 0;

    return rv_of(r < 0 ? r : digest_set_pss(digest, salt, size));
}

/* The digest to be signed, however it came. */
static CK_RV finish_digest(Token *token, Operation *operation, Digest *ret_digest)
{
    bool salted = operation->mechanism->encoding == ENCODING_PSS;
    CK_RV rv = operation->hash || salted ? operation_digest(operation, ret_digest) : read_digest_info(token, operation, ret_digest);

    return rv == CKR_OK && salted ? add_salt(operation, ret_digest) : rv;
}

static CK_RV sign_digest(Token *token, Operation *operation, CK_BYTE *signature)
{
    Problem problem = PROBLEM_INIT;
    Digest digest;
    CK_RV rv = finish_digest(token, operation, &digest);

    if (rv != CKR_OK)
        return rv;
    return login_report(token, "C_Sign", quorum_sign(token->quorum, operation->key->key, &digest, signature, &problem), &problem);
}

static CK_RV sign_message(Token *token, const Operation *operation, CK_BYTE *signature)
{
    Problem problem = PROBLEM_INIT;
    int r = quorum_sign_message(token->quorum, operation->key->key, operation->data, operation->size, signature, &problem);

    return login_report(token, "C_Sign", r, &problem);
}

static CK_RV sign(const Taken *taken, CK_BYTE *signature)
{
    Token *token = taken->call->token;
    Operation *operation = taken->operation;
    bool digested = operation->mechanism->encoding != ENCODING_INVALID;
    CK_RV rv = digested ? sign_digest(token, operation, signature) : sign_message(token, operation, signature);

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
    if (operation_lacks_room(&taken, taken.operation->key->signature_size, signature, signature_size, &rv))
        return rv;
    rv = operation_update(taken.operation, data, data_size);
    if (rv == CKR_OK)
        rv = sign(&taken, signature);
    if (rv == CKR_OK)
        *signature_size = taken.operation->key->signature_size;
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
    if (operation_lacks_room(&taken, taken.operation->key->signature_size, signature, signature_size, &rv))
        return rv;
    rv = sign(&taken, signature);
    if (rv == CKR_OK)
        *signature_size = taken.operation->key->signature_size;
    return rv;
}
