/*
 * The PKCS#11 header, with what p11-kit's lacks before it knew version 3.0 (PKCS#11 Base Specification 3.0, §5.4 and §5.21).
 * The C_ functions are the only symbols of this folder that are visible from outside.
 */
#pragma once

#include "pkcs11/functions.h"

#pragma GCC visibility push(default)

#include <p11-kit/pkcs11.h>

/* PKCS#11 3.0 Current Mechanisms, §2.3.15; p11-kit's header has neither. */
#define CKF_EC_CURVENAME (1UL << 26)

typedef struct EddsaParameters { /* laid out as CK_EDDSA_PARAMS */
    CK_BBOOL phFlag;
    CK_ULONG ulContextDataLen;
    CK_BYTE *pContextData;
} EddsaParameters;

#if CRYPTOKI_VERSION_MAJOR < 3

#define CKA_UNIQUE_ID               (4UL)
#define CKO_PROFILE                 (9UL)
#define CKA_PROFILE_ID              (0x601UL)
#define CKP_BASELINE_PROVIDER       (1UL)
#define CKP_EXTENDED_PROVIDER       (2UL)
#define CKP_AUTHENTICATION_TOKEN    (3UL)
#define CKF_FIND_OBJECTS            (1UL << 6)
#define CKR_OPERATION_CANCEL_FAILED (0x202UL)

typedef struct CK_INTERFACE {
    char *pInterfaceName;
    void *pFunctionList;
    CK_FLAGS flags;
} CK_INTERFACE, *CK_INTERFACE_PTR, **CK_INTERFACE_PTR_PTR;

#define DECLARE(name, arguments)                                                                                                           \
    typedef CK_RV(*CK_##name) arguments;                                                                                                   \
    CK_RV name arguments

DECLARE(C_GetInterfaceList, (CK_INTERFACE * list, CK_ULONG *count));
DECLARE(C_GetInterface, (CK_UTF8CHAR * name, CK_VERSION *version, CK_INTERFACE **interface, CK_FLAGS flags));
DECLARE(C_LoginUser,
        (CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_UTF8CHAR *pin, CK_ULONG pin_size, CK_UTF8CHAR *name, CK_ULONG name_size));
DECLARE(C_SessionCancel, (CK_SESSION_HANDLE session, CK_FLAGS flags));
DECLARE(C_MessageEncryptInit, (CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key));
DECLARE(C_EncryptMessage, (CK_SESSION_HANDLE session, void *parameter, CK_ULONG parameter_size, CK_BYTE *associated,
                           CK_ULONG associated_size, CK_BYTE *in, CK_ULONG in_size, CK_BYTE *out, CK_ULONG *out_size));
DECLARE(C_EncryptMessageBegin,
        (CK_SESSION_HANDLE session, void *parameter, CK_ULONG parameter_size, CK_BYTE *associated, CK_ULONG associated_size));
DECLARE(C_EncryptMessageNext, (CK_SESSION_HANDLE session, void *parameter, CK_ULONG parameter_size, CK_BYTE *in, CK_ULONG in_size,
                               CK_BYTE *out, CK_ULONG *out_size, CK_FLAGS flags));
DECLARE(C_MessageEncryptFinal, (CK_SESSION_HANDLE session));
DECLARE(C_MessageDecryptInit, (CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key));
DECLARE(C_DecryptMessage, (CK_SESSION_HANDLE session, void *parameter, CK_ULONG parameter_size, CK_BYTE *associated,
                           CK_ULONG associated_size, CK_BYTE *in, CK_ULONG in_size, CK_BYTE *out, CK_ULONG *out_size));
DECLARE(C_DecryptMessageBegin,
        (CK_SESSION_HANDLE session, void *parameter, CK_ULONG parameter_size, CK_BYTE *associated, CK_ULONG associated_size));
DECLARE(C_DecryptMessageNext, (CK_SESSION_HANDLE session, void *parameter, CK_ULONG parameter_size, CK_BYTE *in, CK_ULONG in_size,
                               CK_BYTE *out, CK_ULONG *out_size, CK_FLAGS flags));
DECLARE(C_MessageDecryptFinal, (CK_SESSION_HANDLE session));
DECLARE(C_MessageSignInit, (CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key));
DECLARE(C_SignMessage, (CK_SESSION_HANDLE session, void *parameter, CK_ULONG parameter_size, CK_BYTE *data, CK_ULONG data_size,
                        CK_BYTE *signature, CK_ULONG *signature_size));
DECLARE(C_SignMessageBegin, (CK_SESSION_HANDLE session, void *parameter, CK_ULONG parameter_size));
DECLARE(C_SignMessageNext, (CK_SESSION_HANDLE session, void *parameter, CK_ULONG parameter_size, CK_BYTE *data, CK_ULONG data_size,
                            CK_BYTE *signature, CK_ULONG *signature_size));
DECLARE(C_MessageSignFinal, (CK_SESSION_HANDLE session));
DECLARE(C_MessageVerifyInit, (CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key));
DECLARE(C_VerifyMessage, (CK_SESSION_HANDLE session, void *parameter, CK_ULONG parameter_size, CK_BYTE *data, CK_ULONG data_size,
                          CK_BYTE *signature, CK_ULONG signature_size));
DECLARE(C_VerifyMessageBegin, (CK_SESSION_HANDLE session, void *parameter, CK_ULONG parameter_size));
DECLARE(C_VerifyMessageNext, (CK_SESSION_HANDLE session, void *parameter, CK_ULONG parameter_size, CK_BYTE *data, CK_ULONG data_size,
                              CK_BYTE *signature, CK_ULONG signature_size));
DECLARE(C_MessageVerifyFinal, (CK_SESSION_HANDLE session));

#undef DECLARE

#define MEMBER(name) CK_##name name;
typedef struct CK_FUNCTION_LIST_3_0 {
    CK_VERSION version;
    FUNCTIONS_2_40(MEMBER)
    FUNCTIONS_3_0(MEMBER)
} CK_FUNCTION_LIST_3_0;
#undef MEMBER

#endif

#pragma GCC visibility pop
