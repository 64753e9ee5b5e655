/*
 * An operation of a session: signing, verifying or digesting. A call takes it out of the session, works with it without
 * any lock, and puts it back only if it goes on; so two threads that share a session get defined errors.
 */
#pragma once

#include <openssl/evp.h>

#include "pkcs11/pss.h"
#include "pkcs11/session.h"

struct Operation {
    const Mechanism *mechanism;
    Object *key; /* NULL for digesting */
    PssParameters pss;
    bool multi_part; /* an …Update was made */
    EVP_MD_CTX *hash;
    uint8_t *data; /* mechanisms that do not hash: what came so far, with room for all that may come; NULL before the first byte */
    size_t size;
};

Operation *operation_free(Operation *operation);
DEFINE_CLEANUP(Operation, operation_free)
#define _cleanup_operation_ _cleanup_(operation_freep)

/* What a mechanism must be for (CKF_SIGN …). */
CK_FLAGS operation_use(OperationKind kind);
/* CKR_OPERATION_ACTIVE if there is one of this kind. */
CK_RV operation_check_idle(const Call *call, OperationKind kind);
/* End it. CKR_OPERATION_NOT_INITIALIZED if there is none, CKR_OPERATION_CANCEL_FAILED if another call is working with it. */
CK_RV operation_cancel(const Call *call, OperationKind kind);

/* All of C_…Init: CKR_OPERATION_ACTIVE if there is one of this kind. Without `mechanism` one is cancelled (PKCS#11 3.0, §5.12.1, §5.13.1,
 * §5.15.1). `key` means nothing for digests. */
CK_RV operation_begin(CK_SESSION_HANDLE session, OperationKind kind, const CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key);
/* All of C_…Update. */
CK_RV operation_continue(CK_SESSION_HANDLE session, OperationKind kind, const void *data, size_t size);

typedef struct Taken {
    const Call *call;
    OperationKind kind;
    Operation *operation;
    bool goes_on; /* put it back when done */
} Taken;

/* CKR_OPERATION_NOT_INITIALIZED if there is none (or another call has it). */
CK_RV operation_take(const Call *call, OperationKind kind, Taken *ret_taken);
void operation_done(Taken *taken);
#define _cleanup_taken_ _cleanup_(operation_done)

/* More data. CKR_ARGUMENTS_BAD, CKR_DATA_LEN_RANGE, CKR_DEVICE_ERROR. */
CK_RV operation_update(Operation *operation, const void *data, size_t size);
/* The digest of all data of a mechanism that hashes, or the one that came as data of one that does not. CKR_DEVICE_ERROR;
 * CKR_DATA_LEN_RANGE it is not as long as one is. */
CK_RV operation_digest(Operation *operation, Digest *ret_digest);

/* The rule for results (PKCS#11 2.40, §5.2): is there no room for `size` bytes? Then `*ret_rv` is the answer (CKR_OK to a question for the
 * size, CKR_BUFFER_TOO_SMALL) and the operation goes on. */
bool operation_lacks_room(Taken *taken, CK_ULONG size, const CK_BYTE *buffer, CK_ULONG *buffer_size, CK_RV *ret_rv);
