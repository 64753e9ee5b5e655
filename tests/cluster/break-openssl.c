/* Loaded before libcrypto into a program under test: no library context can be made. */
#include <openssl/crypto.h>
#include <stddef.h>

OSSL_LIB_CTX *OSSL_LIB_CTX_new(void)
{
    return NULL;
}
