/*
 * In the place of functions of a node that runs under valgrind (test-node.c, test-run.c): what it draws, the shares that it reads, its
 * identity key and its keys of a run are undefined memory, and so is what is computed with them, until it is public: products of B, z of a
 * partial signature and what a run's message says, which are about to be sent, signatures, public keys, and what is sealed. With $CT_LEAK
 * it looks at a secret on the way: valgrind has to say so.
 */
#include <keyutils.h>

#include "base/crypto.h"
#include "node/identity.h"
#include "node/run-kind.h"
#include "share/hpke.h"
#include "threshold/frost-encoding.h"
#include "watching.h"

long __real_keyctl_read(key_serial_t key, char *buffer, size_t size);
long __wrap_keyctl_read(key_serial_t key, char *buffer, size_t size);
void __real_frost_partial_write(const FrostPartial *partial, uint8_t ret_bytes[FROST_PARTIAL_SIZE]);
void __wrap_frost_partial_write(const FrostPartial *partial, uint8_t ret_bytes[FROST_PARTIAL_SIZE]);
int __real_crypto_random(void *ret_data, size_t size);
int __wrap_crypto_random(void *ret_data, size_t size);
int __real_hpke_key_new(Secret **ret_private, uint8_t ret_public[HPKE_PUBLIC_KEY_SIZE]);
int __wrap_hpke_key_new(Secret **ret_private, uint8_t ret_public[HPKE_PUBLIC_KEY_SIZE]);
int __real_hpke_seal(const uint8_t public_key[HPKE_PUBLIC_KEY_SIZE], const char *info, const Bytes *associated_data,
                     const Secret *plaintext, Bytes *ret_sealed);
int __wrap_hpke_seal(const uint8_t public_key[HPKE_PUBLIC_KEY_SIZE], const char *info, const Bytes *associated_data,
                     const Secret *plaintext, Bytes *ret_sealed);
int __real_hpke_open(const Secret *private_key, const char *info, const Bytes *associated_data, const Bytes *sealed,
                     Secret **ret_plaintext);
int __wrap_hpke_open(const Secret *private_key, const char *info, const Bytes *associated_data, const Bytes *sealed,
                     Secret **ret_plaintext);
int __real_identity_public(const Secret *seed, uint8_t ret_public[NODE_PUBLIC_KEY_SIZE]);
int __wrap_identity_public(const Secret *seed, uint8_t ret_public[NODE_PUBLIC_KEY_SIZE]);
int __real_identity_sign(const Secret *seed, const Bytes *message, uint8_t ret_signature[IDENTITY_SIGNATURE_SIZE]);
int __wrap_identity_sign(const Secret *seed, const Bytes *message, uint8_t ret_signature[IDENTITY_SIGNATURE_SIZE]);
int __real_run_message_sign(const Run *run, unsigned to, const Bytes *body, Bytes *ret_message, Problem *problem);
int __wrap_run_message_sign(const Run *run, unsigned to, const Bytes *body, Bytes *ret_message, Problem *problem);

static _Thread_local bool in_hpke; /* which draws keys from OpenSSL; what others draw there is public */

long __wrap_keyctl_read(key_serial_t key, char *buffer, size_t size)
{
    long read = __real_keyctl_read(key, buffer, size);

    if (read > 0)
        HIDE(buffer, size);
    return read;
}

void __wrap_frost_partial_write(const FrostPartial *partial, uint8_t ret_bytes[FROST_PARTIAL_SIZE])
{
    __real_frost_partial_write(partial, ret_bytes);
    SHOW(ret_bytes, FROST_PARTIAL_SIZE);
}

/* ---- Runs ---- */

int __wrap_crypto_random(void *ret_data, size_t size)
{
    int r = __real_crypto_random(ret_data, size);

    if (in_hpke)
        HIDE(ret_data, size);
    return r;
}

int __wrap_hpke_key_new(Secret **ret_private, uint8_t ret_public[HPKE_PUBLIC_KEY_SIZE])
{
    in_hpke = true;

    int r = __real_hpke_key_new(ret_private, ret_public);

    in_hpke = false;
    SHOW(ret_public, HPKE_PUBLIC_KEY_SIZE);
    return r;
}

int __wrap_hpke_seal(const uint8_t public_key[HPKE_PUBLIC_KEY_SIZE], const char *info, const Bytes *associated_data,
                     const Secret *plaintext, Bytes *ret_sealed)
{
    in_hpke = true;

    int r = __real_hpke_seal(public_key, info, associated_data, plaintext, ret_sealed);

    in_hpke = false;
    if (r == 0)
        SHOW(ret_sealed->data, ret_sealed->size);
    return r;
}

int __wrap_hpke_open(const Secret *private_key, const char *info, const Bytes *associated_data, const Bytes *sealed, Secret **ret_plaintext)
{
    int r = __real_hpke_open(private_key, info, associated_data, sealed, ret_plaintext);

    if (r == 0)
        watching_leak("message", secret_bytes(*ret_plaintext));
    return r;
}

int __wrap_identity_public(const Secret *seed, uint8_t ret_public[NODE_PUBLIC_KEY_SIZE])
{
    int r = __real_identity_public(seed, ret_public);

    SHOW(ret_public, NODE_PUBLIC_KEY_SIZE);
    return r;
}

int __wrap_identity_sign(const Secret *seed, const Bytes *message, uint8_t ret_signature[IDENTITY_SIGNATURE_SIZE])
{
    watching_leak("identity", secret_bytes(seed));

    int r = __real_identity_sign(seed, message, ret_signature);

    SHOW(ret_signature, IDENTITY_SIGNATURE_SIZE);
    return r;
}

int __wrap_run_message_sign(const Run *run, unsigned to, const Bytes *body, Bytes *ret_message, Problem *problem)
{
    SHOW(body->data, body->size);
    return __real_run_message_sign(run, to, body, ret_message, problem);
}
