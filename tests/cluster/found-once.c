/*
 * found-once URI: a program that looks a key up as BIND does, which demands that there is one of it, and again while the key is in use.
 */
#include <openssl/evp.h>
#include <openssl/store.h>
#include <stdio.h>
#include <stdlib.h>

static void must(int good, const char *what)
{
    if (good)
        return;
    (void)fprintf(stderr, "found-once: %s\n", what);
    exit(EXIT_FAILURE);
}

/* How many private keys are there? The first of them becomes `*key` if that is none yet. */
static unsigned count(const char *uri, EVP_PKEY **key)
{
    OSSL_STORE_CTX *store = OSSL_STORE_open(uri, NULL, NULL, NULL, NULL);
    unsigned n = 0;

    must(store != NULL, "OSSL_STORE_open");
    while (!OSSL_STORE_eof(store)) {
        OSSL_STORE_INFO *info = OSSL_STORE_load(store);

        if (info && OSSL_STORE_INFO_get_type(info) == OSSL_STORE_INFO_PKEY) {
            n++;
            if (!*key)
                *key = OSSL_STORE_INFO_get1_PKEY(info);
        }
        OSSL_STORE_INFO_free(info);
    }
    (void)OSSL_STORE_close(store);
    return n;
}

int main(int argc, char **argv)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY *key = NULL;

    must(argc == 2 && context, "found-once URI");
    must(count(argv[1], &key) == 1, "one private key is expected");
    must(EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) == 1, "EVP_DigestSignInit");
    must(count(argv[1], &key) == 1, "one private key is expected while it is in use");
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    return EXIT_SUCCESS;
}
