#include "pkcs11/rv.h"

#include <errno.h>

#include "quorum/quorum.h"

static const CK_RV of_quorum[QUORUM_E_MAX] = {
    [QUORUM_E_OK] = CKR_OK,
    [QUORUM_E_TOO_FEW_NODES] = CKR_DEVICE_ERROR,
    [QUORUM_E_PIN_INCORRECT] = CKR_PIN_INCORRECT,
    [QUORUM_E_PIN_LOCKED] = CKR_PIN_LOCKED,
    [QUORUM_E_PIN_NOT_INITIALIZED] = CKR_USER_PIN_NOT_INITIALIZED,
    [QUORUM_E_LOGIN_REQUIRED] = CKR_USER_NOT_LOGGED_IN,
    [QUORUM_E_UNKNOWN_KEY] = CKR_OBJECT_HANDLE_INVALID,
    [QUORUM_E_SIGNATURE] = CKR_DEVICE_ERROR,
    [QUORUM_E_REFUSED] = CKR_FUNCTION_REJECTED,
    [QUORUM_E_CONFLICT] = CKR_FUNCTION_FAILED,
    [QUORUM_E_CANCELLED] = CKR_FUNCTION_CANCELED,
};

static const struct {
    int error;
    CK_RV rv;
} of_errno[] = {
    {-ENOMEM, CKR_HOST_MEMORY},
    {-EPERM, CKR_HOST_MEMORY}, /* memory that cannot be locked */
    {-EIO, CKR_DEVICE_ERROR},
};

CK_RV rv_of(int r)
{
    if (r >= 0)
        return r < QUORUM_E_MAX ? of_quorum[r] : CKR_GENERAL_ERROR;
    for (size_t i = 0; i < ELEMENTS(of_errno); i++)
        if (of_errno[i].error == r)
            return of_errno[i].rv;
    return CKR_GENERAL_ERROR;
}
