/*
 * Token: everything between one C_Initialize and its C_Finalize. Counted, so that a call that overlaps C_Finalize in another thread ends
 * well. One short lock over the tables; it is never held while the quorum is asked for anything.
 */
#pragma once

#include <pthread.h>

#include "pkcs11/handle.h"
#include "pkcs11/store.h"
#include "quorum/quorum.h"

#define TOKEN_SLOT 0

typedef struct Token Token;

struct Token {
    atomic_uint references;
    Quorum *quorum;       /* NULL: the slot is empty, and so is all below */
    const Roster *roster; /* the quorum's */
    atomic_bool silent;   /* it was logged already that no key is known because too few nodes answer */
    Token *next;          /* of those that wait for their release */

    pthread_mutex_t lock; /* over all below */
    HandleTable sessions;
    CK_ULONG n_read_write; /* sessions that may write */
    Store store;
};

/* Reads the roster; what is wrong with it goes to standard error and to syslog. Where there is none and
 * nobody has named one, the slot is empty: p11-kit loads the module on every host, also into programs that have nothing to do with it.
 * Returns CKR_GENERAL_ERROR, CKR_HOST_MEMORY. */
CK_RV token_new(Token **ret_token);
/* Is there a token in the slot? Everything that asks the quorum for anything needs a session, and there is none without. */
bool token_present(const Token *token);
Token *token_ref(Token *token);
/* The last one logs out, closes all connections, and leaves the rest to token_release(), since C_Finalize may run when OpenSSL is gone
 * already. */
Token *token_unref(Token *token);
/* Release what was left. Called at C_Initialize. */
void token_release(void);
/* In a forked child: what was left belongs to the parent. */
void token_forked(Token *token);

/* Lock; the token to be unlocked is given back: `_cleanup_token_lock_ Token *locked = token_lock(token);` */
Token *token_lock(Token *token);
void token_unlock(Token *const *token);
#define _cleanup_token_lock_ _cleanup_(token_unlock) __attribute__((unused))

void token_log(Token *token, int priority, const char *format, ...) _printf_(3, 4);
/* Log why `function` failed and return the value for it. Nothing is logged for success. `r`: 0, -errno or a QUORUM_E_*. */
CK_RV token_report(Token *token, const char *function, int r, const Problem *problem);

/* How long a list of keys is good enough for a search. */
#define TOKEN_KEYS_MAX_AGE MICROSECONDS_PER_SECOND

/* Ask the quorum which keys exist, unless it was asked less than `max_age` ago, and bring the store up to date. Missing nodes are no
 * error. */
CK_RV token_refresh(Token *token, Microseconds max_age);
