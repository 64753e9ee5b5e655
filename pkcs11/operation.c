#include "pkcs11/operation.h"

#include <errno.h>
#include <string.h>
#include <syslog.h>

#include "base/crypto.h"
#include "base/evp.h"
#include "pkcs11/rv.h"

static int start_hash(Operation *operation, HashAlgorithm hash)
{
    _cleanup_md_ EVP_MD *md = EVP_MD_fetch(crypto_context(), hash_name(hash), NULL);

    operation->hash = EVP_MD_CTX_new();
    if (!md || !operation->hash || EVP_DigestInit_ex2(operation->hash, md, NULL) != 1)
        return -EIO;
    return 0;
}

static int operation_new(const Mechanism *mechanism, Object *key, Operation **ret_operation)
{
    _cleanup_operation_ Operation *operation = calloc(1, sizeof(*operation));
    int r;

    if (!operation)
        return -ENOMEM;
    operation->mechanism = mechanism;
    operation->key = key ? object_ref(key) : NULL;
    if (mechanism->hash != HASH_INVALID) {
        r = start_hash(operation, mechanism->hash);
        if (r < 0)
            return r;
    }
    *ret_operation = TAKE_PTR(operation);
    return 0;
}

Operation *operation_free(Operation *operation)
{
    if (!operation)
        return NULL;
    object_unref(operation->key);
    EVP_MD_CTX_free(operation->hash);
    if (operation->data)
        memory_wipe(operation->data, operation->size);
    free(operation->data);
    free(operation);
    return NULL;
}

static const struct {
    CK_FLAGS use;
    ObjectKind key; /* KIND_MAX: it has none */
} kinds[OPERATION_MAX] = {
    [OPERATION_SIGN] = {CKF_SIGN, KIND_PRIVATE_KEY},
    [OPERATION_VERIFY] = {CKF_VERIFY, KIND_PUBLIC_KEY},
    [OPERATION_DIGEST] = {CKF_DIGEST, KIND_MAX},
};

CK_FLAGS operation_use(OperationKind kind)
{
    return kinds[kind].use;
}

CK_RV operation_check_idle(const Call *call, OperationKind kind)
{
    _cleanup_token_lock_ Token *locked = token_lock(call->token);

    return call->session->operations[kind] || call->session->busy[kind] ? CKR_OPERATION_ACTIVE : CKR_OK;
}

/* Give `operation` to the session, which then owns it, unless another thread was faster. */
static CK_RV start(const Call *call, OperationKind kind, Operation *operation)
{
    _cleanup_token_lock_ Token *locked = token_lock(call->token);

    if (call->session->operations[kind] || call->session->busy[kind])
        return CKR_OPERATION_ACTIVE;
    call->session->operations[kind] = operation;
    return CKR_OK;
}

static bool is_busy(const Call *call, OperationKind kind)
{
    _cleanup_token_lock_ Token *locked = token_lock(call->token);

    return call->session->busy[kind];
}

CK_RV operation_cancel(const Call *call, OperationKind kind)
{
    _cleanup_taken_ Taken taken = {0};
    CK_RV rv = operation_take(call, kind, &taken);

    return rv != CKR_OK && is_busy(call, kind) ? CKR_OPERATION_CANCEL_FAILED : rv;
}

static CK_RV get_key(const Call *call, CK_OBJECT_HANDLE handle, ObjectKind kind, const Mechanism *mechanism, Object **ret_key)
{
    _cleanup_object_ Object *key = NULL;
    CK_RV rv = call_object(call, handle, &key);

    if (rv != CKR_OK)
        return rv == CKR_OBJECT_HANDLE_INVALID ? CKR_KEY_HANDLE_INVALID : rv;
    if (!object_is_key(key))
        return CKR_KEY_HANDLE_INVALID;
    if (key->kind != kind)
        return CKR_KEY_FUNCTION_NOT_PERMITTED;
    if (key->key_type->type != mechanism->key_type)
        return CKR_KEY_TYPE_INCONSISTENT;
    *ret_key = TAKE_PTR(key);
    return CKR_OK;
}

static CK_RV read_pss(const Call *call, OperationKind kind, const CK_MECHANISM *given, Operation *operation)
{
    CK_RV rv = pss_read(operation->mechanism, given, operation->key, &operation->pss);
    if (rv != CKR_OK || kind != OPERATION_SIGN || operation->pss.hash != HASH_SHA1 || call->token->roster->allow_sha1)
        return rv;
    token_log(call->token, LOG_ERR, "C_SignInit: SHA-1 is not signed unless the roster says AllowSha1=yes");
    return CKR_MECHANISM_PARAM_INVALID;
}

/* PKCS#11 3.0 Current Mechanisms, §2.3.14: none mean pure Ed25519, and so do those without a context and a hash before the signature. */
static CK_RV check_eddsa(const Call *call, const CK_MECHANISM *given)
{
    EddsaParameters parameters = {0};

    if (given->pParameter && given->ulParameterLen == sizeof(parameters))
        memcpy(&parameters, given->pParameter, sizeof(parameters));
    else if (given->ulParameterLen > 0)
        return CKR_MECHANISM_PARAM_INVALID;
    if (!parameters.phFlag && parameters.ulContextDataLen == 0)
        return CKR_OK;
    token_log(call->token, LOG_ERR,
              "CKM_EDDSA: only pure Ed25519 is signed and verified, without a context and without a hash of the message");
    return CKR_MECHANISM_PARAM_INVALID;
}

/* No other mechanism has any, and an application sends garbage. */
static CK_RV read_parameters(const Call *call, OperationKind kind, const CK_MECHANISM *given, Operation *operation)
{
    if (operation->mechanism->encoding == ENCODING_INVALID)
        return check_eddsa(call, given);
    return operation->mechanism->encoding == ENCODING_PSS ? read_pss(call, kind, given, operation) : CKR_OK;
}

static CK_RV begin(const Call *call, OperationKind kind, const CK_MECHANISM *given, CK_OBJECT_HANDLE handle)
{
    const Mechanism *mechanism = mechanism_find(call->token->roster, given->mechanism, kinds[kind].use);
    _cleanup_object_ Object *key = NULL;
    _cleanup_operation_ Operation *operation = NULL;
    CK_RV rv = mechanism ? CKR_OK : CKR_MECHANISM_INVALID;

    if (rv == CKR_OK && kinds[kind].key != KIND_MAX)
        rv = get_key(call, handle, kinds[kind].key, mechanism, &key);
    if (rv == CKR_OK)
        rv = rv_of(operation_new(mechanism, key, &operation));
    if (rv == CKR_OK)
        rv = read_parameters(call, kind, given, operation);
    if (rv == CKR_OK)
        rv = start(call, kind, operation);
    if (rv == CKR_OK)
        operation = NULL; /* the session's now */
    return rv;
}

CK_RV operation_begin(CK_SESSION_HANDLE session, OperationKind kind, const CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key)
{
    _cleanup_call_ Call call = {0};
    CK_RV rv = call_begin_session(session, &call);

    if (rv != CKR_OK)
        return rv;
    if (!mechanism) {
        rv = operation_cancel(&call, kind);
        return rv == CKR_OPERATION_NOT_INITIALIZED ? CKR_ARGUMENTS_BAD : rv;
    }
    rv = operation_check_idle(&call, kind);
    return rv == CKR_OK ? begin(&call, kind, mechanism, key) : rv;
}

CK_RV operation_take(const Call *call, OperationKind kind, Taken *ret_taken)
{
    _cleanup_token_lock_ Token *locked = token_lock(call->token);
    Session *session = call->session;

    if (!session->operations[kind])
        return CKR_OPERATION_NOT_INITIALIZED;
    *ret_taken = (Taken){.call = call, .kind = kind, .operation = TAKE_PTR(session->operations[kind])};
    session->busy[kind] = true;
    return CKR_OK;
}

static void hand_back(const Call *call, OperationKind kind, Operation *operation)
{
    _cleanup_token_lock_ Token *locked = token_lock(call->token);

    call->session->busy[kind] = false;
    call->session->operations[kind] = operation;
}

void operation_done(Taken *taken)
{
    if (!taken->operation)
        return;
    hand_back(taken->call, taken->kind, taken->goes_on ? taken->operation : NULL);
    if (!taken->goes_on)
        operation_free(taken->operation);
}

static CK_RV keep(Operation *operation, const void *data, size_t size)
{
    size_t max = operation->mechanism->data_size_max;

    if (size > max - operation->size)
        return CKR_DATA_LEN_RANGE;
    if (size == 0)
        return CKR_OK;
    if (!operation->data)
        operation->data = malloc(max);
    if (!operation->data)
        return CKR_HOST_MEMORY;
    memcpy(operation->data + operation->size, data, size);
    operation->size += size;
    return CKR_OK;
}

CK_RV operation_update(Operation *operation, const void *data, size_t size)
{
    if (!data && size > 0)
        return CKR_ARGUMENTS_BAD;
    if (operation->hash)
        return EVP_DigestUpdate(operation->hash, data, size) == 1 ? CKR_OK : CKR_DEVICE_ERROR;
    return keep(operation, data, size);
}

CK_RV operation_continue(CK_SESSION_HANDLE session, OperationKind kind, const void *data, size_t size)
{
    _cleanup_call_ Call call = {0};
    _cleanup_taken_ Taken taken = {0};
    CK_RV rv = call_begin_session(session, &call);

    if (rv == CKR_OK)
        rv = operation_take(&call, kind, &taken);
    if (rv == CKR_OK)
        rv = operation_update(taken.operation, data, size);
    if (rv != CKR_OK)
        return rv;
    taken.operation->multi_part = true;
    taken.goes_on = true;
    return CKR_OK;
}

CK_RV operation_digest(Operation *operation, Digest *ret_digest)
{
    uint8_t bytes[EVP_MAX_MD_SIZE];
    unsigned size;

    if (!operation->hash)
        return digest_set(operation->pss.hash, operation->data, operation->size, ret_digest) < 0 ? CKR_DATA_LEN_RANGE : CKR_OK;
    if (EVP_DigestFinal_ex(operation->hash, bytes, &size) != 1)
        return CKR_DEVICE_ERROR;
    return rv_of(digest_set(operation->mechanism->hash, bytes, size, ret_digest));
}

bool operation_lacks_room(Taken *taken, CK_ULONG size, const CK_BYTE *buffer, CK_ULONG *buffer_size, CK_RV *ret_rv)
{
    if (buffer && *buffer_size >= size)
        return false;
    *ret_rv = buffer ? CKR_BUFFER_TOO_SMALL : CKR_OK;
    *buffer_size = size;
    taken->goes_on = true;
    return true;
}
