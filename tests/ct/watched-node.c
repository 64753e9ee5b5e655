/*
 * In the place of functions of a node that runs under valgrind (test-node.c): what it draws, and the shares that it reads, are undefined
 * memory, until they are public: products of B, and z of a partial signature, which is about to be sent. With $CT_LEAK it looks at a
 * secret on the way: valgrind has to say so.
 */
#include <keyutils.h>
#include <stdlib.h>
#include <valgrind/memcheck.h>

#include "base/crypto.h"
#include "threshold/frost-encoding.h"

#define SHOW(data, size) ((void)VALGRIND_MAKE_MEM_DEFINED(data, size))
#define HIDE(data, size) ((void)VALGRIND_MAKE_MEM_UNDEFINED(data, size))

long __real_keyctl_read(key_serial_t key, char *buffer, size_t size);
long __wrap_keyctl_read(key_serial_t key, char *buffer, size_t size);
int __real_crypto_random_kernel(void *ret_data, size_t size);
int __wrap_crypto_random_kernel(void *ret_data, size_t size);
void __real_ed25519_multiply_base(const Ed25519Scalar *scalar, Ed25519Point *ret_product);
void __wrap_ed25519_multiply_base(const Ed25519Scalar *scalar, Ed25519Point *ret_product);
void __real_frost_partial_write(const FrostPartial *partial, uint8_t ret_bytes[FROST_PARTIAL_SIZE]);
void __wrap_frost_partial_write(const FrostPartial *partial, uint8_t ret_bytes[FROST_PARTIAL_SIZE]);

static volatile unsigned sink;

long __wrap_keyctl_read(key_serial_t key, char *buffer, size_t size)
{
    long read = __real_keyctl_read(key, buffer, size);

    if (read > 0)
        HIDE(buffer, size);
    return read;
}

int __wrap_crypto_random_kernel(void *ret_data, size_t size)
{
    int r = __real_crypto_random_kernel(ret_data, size);

    HIDE(ret_data, size);
    return r;
}

void __wrap_ed25519_multiply_base(const Ed25519Scalar *scalar, Ed25519Point *ret_product)
{
    if (getenv("CT_LEAK") && (scalar->bytes[0] & 1))
        sink++;
    __real_ed25519_multiply_base(scalar, ret_product);
    SHOW(ret_product, sizeof(*ret_product));
}

void __wrap_frost_partial_write(const FrostPartial *partial, uint8_t ret_bytes[FROST_PARTIAL_SIZE])
{
    __real_frost_partial_write(partial, ret_bytes);
    SHOW(ret_bytes, FROST_PARTIAL_SIZE);
}
