/* Random bytes come from this host's libcrypto, not from the nodes. */
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "base/crypto.h"
#include "pkcs11/call.h"
#include "pkcs11/rv.h"

CK_RV C_GenerateRandom(CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG size)
{
    _cleanup_call_ Call call = {0};
    CK_RV rv = call_begin_session(session, &call);

    if (rv != CKR_OK)
        return rv;
    if (!data)
        return size == 0 ? CKR_OK : CKR_ARGUMENTS_BAD;
    return rv_of(crypto_random(data, size));
}

/* The seed is mixed in; it neither replaces nor weakens what is there. */
CK_RV C_SeedRandom(CK_SESSION_HANDLE session, CK_BYTE *seed, CK_ULONG size)
{
    _cleanup_call_ Call call = {0};
    CK_RV rv = call_begin_session(session, &call);
    EVP_RAND_CTX *generator;

    if (rv != CKR_OK)
        return rv;
    if (!seed)
        return CKR_ARGUMENTS_BAD;
    generator = RAND_get0_private(crypto_context());
    return generator && EVP_RAND_reseed(generator, 0, NULL, 0, seed, size) == 1 ? CKR_OK : CKR_DEVICE_ERROR;
}
