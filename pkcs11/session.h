/* Sessions: what an application opened, and the operation of each kind that is under way in it. */
#pragma once

#include "pkcs11/call.h"

typedef struct Operation Operation; /* operation.h */

typedef enum OperationKind {
    OPERATION_SIGN,
    OPERATION_VERIFY,
    OPERATION_DIGEST,
    OPERATION_MAX,
} OperationKind;

/* The result of a search. */
typedef struct Finding {
    CK_OBJECT_HANDLE *handles;
    size_t count, at;
} Finding;

/* Counted: one for the table, one for each call. All but `flags` and `handle` is under the token's lock. */
struct Session {
    unsigned references;
    CK_SESSION_HANDLE handle;
    CK_FLAGS flags;
    Operation *operations[OPERATION_MAX];
    bool busy[OPERATION_MAX]; /* a call has taken the operation out and works with it */
    Finding *finding;
};

/* Release all sessions and the table. */
void sessions_clear(HandleTable *sessions);
/* The session with one more reference, or NULL. The caller holds the lock. */
Session *session_get(Token *token, CK_SESSION_HANDLE handle);
/* The caller holds the lock. */
Session *session_unref(Session *session);
/* Is one of them read-only? */
bool sessions_any_read_only(Token *token);
void finding_free(Finding *finding);
/* May this session change objects of the token? */
bool session_may_write(const Session *session);
