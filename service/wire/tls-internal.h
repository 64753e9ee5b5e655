/* What tls.c and stream-tls.c share. */
#pragma once

#include <openssl/err.h>

#include "wire/tls.h"

/* A connection of either side, to be given its BIO; `check` stays the caller's and must outlive it. Errors: -ENOMEM. */
int tls_session_new(TlsIdentity *identity, bool accepts, TlsCheck *check, SSL **ret_session) _must_check_;

/* ---- OpenSSL's errors. The thread's queue is shared with the rest of the process: what was in it stays, what a scope adds goes with its
 * end. ---- */

static inline void tls_errors_restore(const int *marked)
{
    if (*marked)
        (void)ERR_pop_to_mark();
    else
        ERR_clear_error(); /* it was empty */
}

#define KEEP_ERRORS _cleanup_(tls_errors_restore) __attribute__((unused)) int kept_errors = ERR_set_mark()

/* The same around a handshake, which OpenSSL begins with clearing the queue: what was in it is put aside meanwhile. */
typedef struct TlsErrors {
    struct TlsError {
        unsigned long code;
        int line;
        char file[96], function[64], data[128];
    } errors[16]; /* as many as OpenSSL keeps */
    unsigned n;
} TlsErrors;

void tls_errors_take(TlsErrors *ret_errors);
void tls_errors_put_back(const TlsErrors *errors);
