/* The functions for which this token has no mechanism. */
#include "pkcs11/call.h"

static CK_RV not_supported(CK_SESSION_HANDLE session)
{
    _cleanup_call_ Call call = {0};
    CK_RV rv = call_begin_session(session, &call);

    return rv == CKR_OK ? CKR_FUNCTION_NOT_SUPPORTED : rv;
}

#define UNSUPPORTED(name, ...)                                                                                                             \
    CK_RV name(__VA_ARGS__)                                                                                                                \
    {                                                                                                                                      \
        return not_supported(session);                                                                                                     \
    }

#define SESSION    CK_SESSION_HANDLE session
#define PARAMETER  void *parameter, CK_ULONG parameter_size
#define ASSOCIATED CK_BYTE *associated, CK_ULONG associated_size
#define IN         CK_BYTE *in, CK_ULONG in_size
#define OUT        CK_BYTE *out, CK_ULONG *out_size
#define INIT       SESSION, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key
#define TEMPLATE   CK_ATTRIBUTE *attributes, CK_ULONG count
#define SIGNATURE  CK_BYTE *signature, CK_ULONG signature_size

UNSUPPORTED(C_EncryptInit, INIT)
UNSUPPORTED(C_Encrypt, SESSION, IN, OUT)
UNSUPPORTED(C_EncryptUpdate, SESSION, IN, OUT)
UNSUPPORTED(C_EncryptFinal, SESSION, OUT)
UNSUPPORTED(C_DecryptInit, INIT)
UNSUPPORTED(C_Decrypt, SESSION, IN, OUT)
UNSUPPORTED(C_DecryptUpdate, SESSION, IN, OUT)
UNSUPPORTED(C_DecryptFinal, SESSION, OUT)
UNSUPPORTED(C_DigestKey, SESSION, CK_OBJECT_HANDLE key)
UNSUPPORTED(C_SignRecoverInit, INIT)
UNSUPPORTED(C_SignRecover, SESSION, IN, OUT)
UNSUPPORTED(C_VerifyRecoverInit, INIT)
UNSUPPORTED(C_VerifyRecover, SESSION, IN, OUT)
UNSUPPORTED(C_DigestEncryptUpdate, SESSION, IN, OUT)
UNSUPPORTED(C_DecryptDigestUpdate, SESSION, IN, OUT)
UNSUPPORTED(C_SignEncryptUpdate, SESSION, IN, OUT)
UNSUPPORTED(C_DecryptVerifyUpdate, SESSION, IN, OUT)
UNSUPPORTED(C_GenerateKey, SESSION, CK_MECHANISM *mechanism, TEMPLATE, CK_OBJECT_HANDLE *key)
UNSUPPORTED(C_WrapKey, INIT, CK_OBJECT_HANDLE wrapped, OUT)
UNSUPPORTED(C_UnwrapKey, INIT, IN, TEMPLATE, CK_OBJECT_HANDLE *unwrapped)
UNSUPPORTED(C_DeriveKey, INIT, TEMPLATE, CK_OBJECT_HANDLE *derived)

UNSUPPORTED(C_MessageEncryptInit, INIT)
UNSUPPORTED(C_EncryptMessage, SESSION, PARAMETER, ASSOCIATED, IN, OUT)
UNSUPPORTED(C_EncryptMessageBegin, SESSION, PARAMETER, ASSOCIATED)
UNSUPPORTED(C_EncryptMessageNext, SESSION, PARAMETER, IN, OUT, CK_FLAGS flags)
UNSUPPORTED(C_MessageEncryptFinal, SESSION)
UNSUPPORTED(C_MessageDecryptInit, INIT)
UNSUPPORTED(C_DecryptMessage, SESSION, PARAMETER, ASSOCIATED, IN, OUT)
UNSUPPORTED(C_DecryptMessageBegin, SESSION, PARAMETER, ASSOCIATED)
UNSUPPORTED(C_DecryptMessageNext, SESSION, PARAMETER, IN, OUT, CK_FLAGS flags)
UNSUPPORTED(C_MessageDecryptFinal, SESSION)
UNSUPPORTED(C_MessageSignInit, INIT)
UNSUPPORTED(C_SignMessage, SESSION, PARAMETER, IN, OUT)
UNSUPPORTED(C_SignMessageBegin, SESSION, PARAMETER)
UNSUPPORTED(C_SignMessageNext, SESSION, PARAMETER, IN, OUT)
UNSUPPORTED(C_MessageSignFinal, SESSION)
UNSUPPORTED(C_MessageVerifyInit, INIT)
UNSUPPORTED(C_VerifyMessage, SESSION, PARAMETER, IN, SIGNATURE)
UNSUPPORTED(C_VerifyMessageBegin, SESSION, PARAMETER)
UNSUPPORTED(C_VerifyMessageNext, SESSION, PARAMETER, IN, SIGNATURE)
UNSUPPORTED(C_MessageVerifyFinal, SESSION)

/* Functions of parallel sessions, which PKCS#11 has given up (2.40, §5.15). */
static CK_RV not_parallel(CK_SESSION_HANDLE session)
{
    _cleanup_call_ Call call = {0};
    CK_RV rv = call_begin_session(session, &call);

    return rv == CKR_OK ? CKR_FUNCTION_NOT_PARALLEL : rv;
}

CK_RV C_GetFunctionStatus(CK_SESSION_HANDLE session)
{
    return not_parallel(session);
}

CK_RV C_CancelFunction(CK_SESSION_HANDLE session)
{
    return not_parallel(session);
}
