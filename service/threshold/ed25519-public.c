#include "threshold/ed25519-public.h"

#include <errno.h>
#include <openssl/err.h>
#include <string.h>

#include "base/crypto.h"
#include "base/evp.h"

/* Everything before the key: SEQUENCE { SEQUENCE { id-Ed25519 }, BIT STRING without unused bits } */
static const uint8_t prefix[] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};

int ed25519_public_info(const uint8_t key[ED25519_PUBLIC_SIZE], Bytes *ret_der)
{
    uint8_t der[sizeof(prefix) + ED25519_PUBLIC_SIZE];

    memcpy(der, prefix, sizeof(prefix));
    memcpy(der + sizeof(prefix), key, ED25519_PUBLIC_SIZE);
    return bytes_copy(der, sizeof(der), ret_der);
}

int ed25519_public_verify(const uint8_t key[ED25519_PUBLIC_SIZE], const void *message, size_t size,
                          const uint8_t signature[ED25519_SIGNATURE_SIZE])
{
    _cleanup_pkey_ EVP_PKEY *verifier = EVP_PKEY_new_raw_public_key_ex(crypto_context(), "ED25519", NULL, key, ED25519_PUBLIC_SIZE);
    _cleanup_md_ctx_ EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    if (!verifier || !ctx || EVP_DigestVerifyInit_ex(ctx, NULL, NULL, crypto_context(), NULL, verifier, NULL) != 1)
        return -EIO;
    ERR_set_mark();

    int verified = EVP_DigestVerify(ctx, signature, ED25519_SIGNATURE_SIZE, message, size);

    ERR_pop_to_mark();
    return verified == 1 ? 0 : -EBADMSG;
}
