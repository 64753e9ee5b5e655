/*
 * A call from outside: what every entry point begins and ends with.
 *
 *     _cleanup_call_ Call call = {0};
 *     CK_RV rv = call_begin_session(handle, &call);
 *
 *     if (rv != CKR_OK)
 *         return rv;
 */
#pragma once

#include "pkcs11/token.h"

typedef struct Session Session;

typedef struct Call {
    Token *token;
    Session *session; /* NULL for calls without a session */
} Call;

/* CKR_CRYPTOKI_NOT_INITIALIZED, also in a process that was forked from the one that initialized. */
CK_RV call_begin(Call *ret_call);
/* The same for what asks for the token in a slot, and CKR_SLOT_ID_INVALID, CKR_TOKEN_NOT_PRESENT. */
CK_RV call_begin_slot(CK_SLOT_ID slot, Call *ret_call);
/* The same as call_begin(), and CKR_SESSION_HANDLE_INVALID. */
CK_RV call_begin_session(CK_SESSION_HANDLE session, Call *ret_call);
void call_end(Call *call);
#define _cleanup_call_ _cleanup_(call_end)

/* The object with one more reference. CKR_OBJECT_HANDLE_INVALID, or CKR_USER_NOT_LOGGED_IN for a private one. */
CK_RV call_object(const Call *call, CK_OBJECT_HANDLE handle, Object **ret_object);
