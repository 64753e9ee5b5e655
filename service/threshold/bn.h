/* Cleanup attributes for libcrypto's big numbers. Whatever is released is wiped: BN_clear_free(), BN_CTX_free(). */
#pragma once

#include <openssl/bn.h>

#include "base/cleanup.h"
#include "base/crypto.h"

static inline void bn_free_number(BIGNUM **number)
{
    BN_clear_free(*number);
}

static inline void bn_free_context(BN_CTX **ctx)
{
    BN_CTX_free(*ctx);
}

#define _cleanup_bn_       _cleanup_(bn_free_number)
#define _cleanup_bn_ctx_   _cleanup_(bn_free_context)
#define _cleanup_bn_frame_ _cleanup_(bn_frame_end)

/* A context for public numbers; NULL if there is no memory. */
static inline BN_CTX *bn_public_context(void)
{
    return crypto_context() ? BN_CTX_new_ex(crypto_context()) : NULL;
}

/* A context whose numbers are in locked memory, once crypto_secure_heap() has succeeded; NULL if there is none left. */
static inline BN_CTX *bn_secret_context(void)
{
    return crypto_context() ? BN_CTX_secure_new_ex(crypto_context()) : NULL;
}

/* The numbers taken from a context since bn_frame() go back to it at the end of the scope. */
static inline BN_CTX *bn_frame(BN_CTX *ctx)
{
    BN_CTX_start(ctx);
    return ctx;
}

static inline void bn_frame_end(BN_CTX **ctx)
{
    BN_CTX_end(*ctx);
}
