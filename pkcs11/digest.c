/* Digests, for applications that would rather not bring their own. */
#include <string.h>

#include "pkcs11/operation.h"
#include "pkcs11/rv.h"

CK_RV C_DigestInit(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism)
{
    return operation_begin(session, OPERATION_DIGEST, mechanism, 0);
}

static CK_RV finish(Operation *operation, CK_BYTE *digest, CK_ULONG *digest_size)
{
    Digest result;
    CK_RV rv = operation_digest(operation, &result);

    if (rv != CKR_OK)
        return rv;
    memcpy(digest, result.bytes, result.size);
    *digest_size = result.size;
    return CKR_OK;
}

CK_RV C_Digest(CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG data_size, CK_BYTE *digest, CK_ULONG *digest_size)
{
    _cleanup_call_ Call call = {0};
    _cleanup_taken_ Taken taken = {0};
    CK_RV rv = call_begin_session(session, &call);

    if (rv == CKR_OK)
        rv = operation_take(&call, OPERATION_DIGEST, &taken);
    if (rv != CKR_OK)
        return rv;
    if (taken.operation->multi_part)
        return CKR_OPERATION_ACTIVE;
    if (!digest_size)
        return CKR_ARGUMENTS_BAD;
    if (operation_lacks_room(&taken, hash_size(taken.operation->mechanism->hash), digest, digest_size, &rv))
        return rv;
    rv = operation_update(taken.operation, data, data_size);
    return rv == CKR_OK ? finish(taken.operation, digest, digest_size) : rv;
}

CK_RV C_DigestUpdate(CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG data_size)
{
    return operation_continue(session, OPERATION_DIGEST, data, data_size);
}

CK_RV C_DigestFinal(CK_SESSION_HANDLE session, CK_BYTE *digest, CK_ULONG *digest_size)
{
    _cleanup_call_ Call call = {0};
    _cleanup_taken_ Taken taken = {0};
    CK_RV rv = call_begin_session(session, &call);

    if (rv == CKR_OK)
        rv = operation_take(&call, OPERATION_DIGEST, &taken);
    if (rv != CKR_OK)
        return rv;
    if (!digest_size)
        return CKR_ARGUMENTS_BAD;
    if (operation_lacks_room(&taken, hash_size(taken.operation->mechanism->hash), digest, digest_size, &rv))
        return rv;
    return finish(taken.operation, digest, digest_size);
}
