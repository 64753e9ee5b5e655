#include "base/crypto.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <openssl/rand.h>
#include <pthread.h>

/* Enough for a dealer's temporaries on sixteen cores at 4096 bits; the default RLIMIT_MEMLOCK is 8 MiB. */
#define SECURE_HEAP_SIZE (2 * 1024 * 1024)
#define SECURE_HEAP_MIN_BLOCK 32

static pthread_once_t context_once = PTHREAD_ONCE_INIT;
static OSSL_LIB_CTX *context;

static void make_context(void)
{
    OSSL_LIB_CTX *made = OSSL_LIB_CTX_new();

    if (made && !OSSL_PROVIDER_load(made, "default")) {
        OSSL_LIB_CTX_free(made);
        made = NULL;
    }
    context = made;
}

OSSL_LIB_CTX *crypto_context(void)
{
    (void)pthread_once(&context_once, make_context);
    return context;
}

static pthread_once_t heap_once = PTHREAD_ONCE_INIT;
static int heap_result;

static void make_heap(void)
{
    /* An application's own secure heap serves as well. Answer 2 means: there, but not locked or not guarded. */
    if (CRYPTO_secure_malloc_initialized())
        return;
    heap_result = CRYPTO_secure_malloc_init(SECURE_HEAP_SIZE, SECURE_HEAP_MIN_BLOCK) == 1 ? 0 : -EPERM;
}

int crypto_secure_heap(void)
{
    (void)pthread_once(&heap_once, make_heap);
    return heap_result;
}

int crypto_random(void *ret_data, size_t size)
{
    return RAND_priv_bytes_ex(crypto_context(), ret_data, size, 0) == 1 ? 0 : -EIO;
}

static void free_md_ctx(EVP_MD_CTX **ctx)
{
    EVP_MD_CTX_free(*ctx);
}

static void free_md(EVP_MD **md)
{
    EVP_MD_free(*md);
}

int crypto_sha256(const Bytes *parts, size_t n_parts, uint8_t ret_digest[SHA256_SIZE])
{
    _cleanup_(free_md_ctx) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    _cleanup_(free_md) EVP_MD *md = EVP_MD_fetch(crypto_context(), "SHA256", NULL);
    uint8_t digest[SHA256_SIZE];

    if (!ctx || !md || EVP_DigestInit_ex2(ctx, md, NULL) != 1)
        return -EIO;
    for (size_t i = 0; i < n_parts; i++)
        if (EVP_DigestUpdate(ctx, parts[i].data, parts[i].size) != 1)
            return -EIO;
    if (EVP_DigestFinal_ex(ctx, digest, NULL) != 1)
        return -EIO;
    for (size_t i = 0; i < SHA256_SIZE; i++)
        ret_digest[i] = digest[i];
    return 0;
}
