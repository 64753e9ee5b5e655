#include "threshold/ed25519-group.h"

#include <errno.h>
#include <sodium.h>
#include <stdatomic.h>
#include <string.h>

#include "base/crypto.h"

/* More than libsodium's deepest function here leaves on the stack; tests/unit/test-ed25519-group.c looks. */
#define STACK_USED 8192

const Ed25519Point ed25519_identity = {{1}};

/* L, RFC 8032 §5.1 */
static const uint8_t order[ED25519_SCALAR_SIZE] = {
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, [31] = 0x10,
};

/* B + (0, -1) = (-x_B, -y_B): B's order is L (RFC 8032 §5.1), (0, -1)'s is 2, so this point's is 2L. What CVE-2025-69277 lets pass is
 * exactly such: L·P is (0, -1) and not (0, 1), and the bad check looks at the first coordinate only. */
static const Ed25519Point mixed_order = {
    {0x95, 0x99, 0x99, 0x99, 0x99, 0x99, 0x99, 0x99, 0x99, 0x99, 0x99, 0x99, 0x99, 0x99, 0x99, 0x99,
     0x99, 0x99, 0x99, 0x99, 0x99, 0x99, 0x99, 0x99, 0x99, 0x99, 0x99, 0x99, 0x99, 0x99, 0x99, 0x99},
};

/* Both ways in which points are checked here. */
static bool library_checks_points(void)
{
    Ed25519Scalar one;
    Ed25519Point product;

    ed25519_scalar_set(1, &one);
    return !crypto_core_ed25519_is_valid_point(mixed_order.bytes) &&
           crypto_scalarmult_ed25519_noclamp(product.bytes, one.bytes, mixed_order.bytes) < 0;
}

int ed25519_group_init(Problem *problem)
{
    static atomic_bool good;

    if (atomic_load(&good))
        return 0;
    if (sodium_init() < 0)
        return problem_set(problem, -EIO, "libsodium does not start: it is badly installed, or the system has no random numbers");
    if (!library_checks_points())
        return problem_set(problem, ED25519_E_UNSAFE_LIBRARY,
                           "this libsodium (%s) takes invalid Ed25519 points for valid (CVE-2025-69277), no Ed25519 key is safe with it: "
                           "install the fixed one, on Debian 12 libsodium23 1.0.18-1+deb12u1 or newer",
                           sodium_version_string());
    atomic_store(&good, true);
    return 0;
}

/* ---- Scalars ---- */

Ed25519Scalar *ed25519_scalars(Secret *secret)
{
    return (Ed25519Scalar *)secret_data(secret);
}

const Ed25519Scalar *ed25519_scalars_of(const Secret *secret)
{
    return (const Ed25519Scalar *)secret_bytes(secret);
}

bool ed25519_scalar_is_canonical(const Ed25519Scalar *scalar)
{
    return sodium_compare(scalar->bytes, order, sizeof(order)) < 0;
}

bool ed25519_scalar_is_zero(const Ed25519Scalar *scalar)
{
    return sodium_is_zero(scalar->bytes, sizeof(scalar->bytes)) != 0;
}

int ed25519_scalar_draw(Ed25519Scalar *ret_scalar)
{
    _cleanup_secret_ Secret *wide = NULL;

    if (secret_new(64, &wide) < 0)
        return -EPERM;
    if (crypto_random_kernel(secret_data(wide), secret_size(wide)) < 0)
        return -EIO;
    ed25519_scalar_reduce(secret_bytes(wide), ret_scalar);
    return 0;
}

void ed25519_scalar_set(unsigned number, Ed25519Scalar *ret_scalar)
{
    *ret_scalar = (Ed25519Scalar){0};
    for (unsigned i = 0; number != 0; number >>= 8)
        ret_scalar->bytes[i++] = (uint8_t)number;
}

void ed25519_scalar_reduce(const uint8_t wide[64], Ed25519Scalar *ret_scalar)
{
    crypto_core_ed25519_scalar_reduce(ret_scalar->bytes, wide);
    sodium_stackzero(STACK_USED);
}

void ed25519_scalar_add(const Ed25519Scalar *a, const Ed25519Scalar *b, Ed25519Scalar *ret_sum)
{
    crypto_core_ed25519_scalar_add(ret_sum->bytes, a->bytes, b->bytes);
    sodium_stackzero(STACK_USED);
}

void ed25519_scalar_subtract(const Ed25519Scalar *a, const Ed25519Scalar *b, Ed25519Scalar *ret_difference)
{
    crypto_core_ed25519_scalar_sub(ret_difference->bytes, a->bytes, b->bytes);
    sodium_stackzero(STACK_USED);
}

void ed25519_scalar_multiply(const Ed25519Scalar *a, const Ed25519Scalar *b, Ed25519Scalar *ret_product)
{
    crypto_core_ed25519_scalar_mul(ret_product->bytes, a->bytes, b->bytes);
    sodium_stackzero(STACK_USED);
}

/* Horner's rule, in place: the value is never anywhere else. */
void ed25519_scalar_evaluate(const Ed25519Scalar *coefficients, unsigned count, unsigned x, Ed25519Scalar *ret_value)
{
    Ed25519Scalar at;

    ed25519_scalar_set(x, &at);
    *ret_value = coefficients[count - 1];
    for (unsigned i = count - 1; i-- > 0;) {
        ed25519_scalar_multiply(ret_value, &at, ret_value);
        ed25519_scalar_add(ret_value, &coefficients[i], ret_value);
    }
}

/* a - b mod L for public numbers. */
static Ed25519Scalar difference(unsigned a, unsigned b)
{
    Ed25519Scalar left, right;

    ed25519_scalar_set(a, &left);
    ed25519_scalar_set(b, &right);
    crypto_core_ed25519_scalar_sub(left.bytes, left.bytes, right.bytes);
    return left;
}

void ed25519_scalar_lagrange(const unsigned *indices, unsigned count, unsigned at, unsigned x, Ed25519Scalar *ret_coefficient)
{
    Ed25519Scalar numerator = {{1}}, denominator = {{1}};

    for (unsigned j = 0; j < count; j++) {
        if (j == at)
            continue;

        Ed25519Scalar above = difference(x, indices[j]), below = difference(indices[at], indices[j]);

        crypto_core_ed25519_scalar_mul(numerator.bytes, numerator.bytes, above.bytes);
        crypto_core_ed25519_scalar_mul(denominator.bytes, denominator.bytes, below.bytes);
    }
    /* It answers that 0 has no inverse; the indices are distinct. */
    (void)crypto_core_ed25519_scalar_invert(denominator.bytes, denominator.bytes);
    crypto_core_ed25519_scalar_mul(ret_coefficient->bytes, numerator.bytes, denominator.bytes);
}

/* ---- Points ---- */

bool ed25519_point_is_valid(const Ed25519Point *point)
{
    return crypto_core_ed25519_is_valid_point(point->bytes) == 1;
}

bool ed25519_point_is_identity(const Ed25519Point *point)
{
    return ed25519_point_equal(point, &ed25519_identity);
}

bool ed25519_point_equal(const Ed25519Point *a, const Ed25519Point *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

void ed25519_multiply_base(const Ed25519Scalar *scalar, Ed25519Point *ret_product)
{
    Ed25519Point product; /* the library keeps the scalar there while it computes: on the stack, which is wiped */

    /* It answers whether the product is the identity, and computes it all the same. */
    (void)crypto_scalarmult_ed25519_base_noclamp(product.bytes, scalar->bytes);
    sodium_stackzero(STACK_USED);
    *ret_product = product;
}

int ed25519_multiply(const Ed25519Scalar *scalar, const Ed25519Point *point, Ed25519Point *ret_product)
{
    Ed25519Point product = ed25519_identity;

    if (!ed25519_point_is_identity(point)) {
        /* The answer is that the point is not valid, or that the product is the identity: in the first case nothing was written. */
        int r = crypto_scalarmult_ed25519_noclamp(product.bytes, scalar->bytes, point->bytes);

        sodium_stackzero(STACK_USED);
        if (r < 0 && !(ed25519_scalar_is_zero(scalar) && ed25519_point_is_valid(point)))
            return -EBADMSG;
    }
    *ret_product = product;
    return 0;
}

int ed25519_add(const Ed25519Point *a, const Ed25519Point *b, Ed25519Point *ret_sum)
{
    Ed25519Point sum;

    if (crypto_core_ed25519_add(sum.bytes, a->bytes, b->bytes) < 0)
        return -EBADMSG;
    *ret_sum = sum;
    return 0;
}

/* Horner's rule. */
int ed25519_evaluate(const Ed25519Point *points, unsigned count, unsigned x, Ed25519Point *ret_value)
{
    Ed25519Point value = points[count - 1];
    Ed25519Scalar at;
    int r = 0;

    ed25519_scalar_set(x, &at);
    for (unsigned i = count - 1; i-- > 0 && r == 0;) {
        r = ed25519_multiply(&at, &value, &value);
        if (r == 0)
            r = ed25519_add(&value, &points[i], &value);
    }
    if (r == 0)
        *ret_value = value;
    return r;
}
