#include "watching.h"

#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "threshold/ed25519-group.h"

int __real_crypto_random_kernel(void *ret_data, size_t size);
int __wrap_crypto_random_kernel(void *ret_data, size_t size);
void __real_ed25519_multiply_base(const Ed25519Scalar *scalar, Ed25519Point *ret_product);
void __wrap_ed25519_multiply_base(const Ed25519Scalar *scalar, Ed25519Point *ret_product);
bool __real_ed25519_scalar_is_canonical(const Ed25519Scalar *scalar);
bool __wrap_ed25519_scalar_is_canonical(const Ed25519Scalar *scalar);

static volatile unsigned sink;

void watching_leak(const char *what, const uint8_t *secret)
{
    const char *leak = getenv("CT_LEAK");

    if (leak && strcmp(leak, what) == 0 && (secret[0] & 1))
        sink++;
}

/* Whatever is drawn is secret. */
int __wrap_crypto_random_kernel(void *ret_data, size_t size)
{
    int r = __real_crypto_random_kernel(ret_data, size);

    HIDE(ret_data, size);
    return r;
}

/* Products of B are public wherever they are made: commitments, verification values, a node's term of R, and what is compared with these.
 */
void __wrap_ed25519_multiply_base(const Ed25519Scalar *scalar, Ed25519Point *ret_product)
{
    watching_leak("scalar", scalar->bytes);
    __real_ed25519_multiply_base(scalar, ret_product);
    SHOW(ret_product, sizeof(*ret_product));
}

/* The answer is public: if it is no, what was asked about is no secret but somebody's mistake. */
bool __wrap_ed25519_scalar_is_canonical(const Ed25519Scalar *scalar)
{
    bool answer = __real_ed25519_scalar_is_canonical(scalar);

    SHOW(&answer, sizeof(answer));
    return answer;
}
