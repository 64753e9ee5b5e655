/*
 * The group of Ed25519 (RFC 8032 §5.1; RFC 9591 §6.1) for the schemes that share such a key: scalars modulo the group's order
 * L = 2^252 + 27742317777372353535851937790883648493, and points of the subgroup of that order. The arithmetic is libsodium's.
 *
 * Scalars may be secret: every function that takes one computes in constant time and leaves no copy of it on the stack. Secret scalars
 * live in a Secret and nowhere else, but while they are computed with; ed25519_scalars() is the view of it as scalars. Points are public,
 * and so is which of them is which.
 *
 * Call ed25519_group_init() before anything else here. All functions are thread-safe.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/problem.h"
#include "base/secret.h"

#define ED25519_SCALAR_SIZE 32
#define ED25519_POINT_SIZE  32

typedef enum Ed25519Error {
    ED25519_E_OK,
    ED25519_E_UNSAFE_LIBRARY, /* libsodium takes points outside of the subgroup for valid */
    ED25519_E_MAX,
} Ed25519Error;

/* Little endian, below L. Both are arrays of bytes without alignment, so they can be read where they lie. */
typedef struct Ed25519Scalar {
    uint8_t bytes[ED25519_SCALAR_SIZE];
} Ed25519Scalar;

/* The encoding of RFC 8032 §5.1.2. */
typedef struct Ed25519Point {
    uint8_t bytes[ED25519_POINT_SIZE];
} Ed25519Point;

extern const Ed25519Point ed25519_identity;

/* Start libsodium, and make sure that its check of points works: some builds of 1.0.18 accept points outside of the subgroup
 * (CVE-2025-69277), and the version does not tell. Quick after the first success.
 * Errors: ED25519_E_UNSAFE_LIBRARY, and the problem says what to install; -EIO libsodium does not start. */
int ed25519_group_init(Problem *problem) _must_check_;

/* ---- Scalars: the results may be the same objects as the arguments ------------------------------------------------ */

/* The secret's bytes as an array of scalars; its size is a multiple of ED25519_SCALAR_SIZE. */
Ed25519Scalar *ed25519_scalars(Secret *secret);
const Ed25519Scalar *ed25519_scalars_of(const Secret *secret);

/* Is it below L, the only encoding of its value? RFC 9591 §6.1 DeserializeScalar. Constant time but for the answer. */
bool ed25519_scalar_is_canonical(const Ed25519Scalar *scalar);
bool ed25519_scalar_is_zero(const Ed25519Scalar *scalar);

/* Uniform modulo L: 64 bytes of getrandom(2), reduced. `ret_scalar` is in locked memory. Errors: -EPERM memory cannot be locked; -EIO. */
int ed25519_scalar_draw(Ed25519Scalar *ret_scalar) _must_check_;

void ed25519_scalar_set(unsigned number, Ed25519Scalar *ret_scalar);
/* 64 bytes, little endian, modulo L. */
void ed25519_scalar_reduce(const uint8_t wide[64], Ed25519Scalar *ret_scalar);
void ed25519_scalar_add(const Ed25519Scalar *a, const Ed25519Scalar *b, Ed25519Scalar *ret_sum);
void ed25519_scalar_subtract(const Ed25519Scalar *a, const Ed25519Scalar *b, Ed25519Scalar *ret_difference);
void ed25519_scalar_multiply(const Ed25519Scalar *a, const Ed25519Scalar *b, Ed25519Scalar *ret_product);

/* a_0 + a_1 x + … + a_(count-1) x^(count-1), 1 <= count. `x` is public, the coefficients may be secret; then `ret_value` is in locked
 * memory. */
void ed25519_scalar_evaluate(const Ed25519Scalar *coefficients, unsigned count, unsigned x, Ed25519Scalar *ret_value);

/* The Lagrange coefficient at `x` of the one that is called indices[at]: Π_{j != at} (x - indices[j]) / (indices[at] - indices[j]) mod L.
 * All public. At 0 it is RFC 9591 §4.2's. The indices are distinct, and so is x from all of them. */
void ed25519_scalar_lagrange(const unsigned *indices, unsigned count, unsigned at, unsigned x, Ed25519Scalar *ret_coefficient);

/* ---- Points: the results may be the same objects as the arguments -------------------------------------------------- */

/* RFC 9591 §6.1 DeserializeElement: the canonical encoding of a point of the subgroup of order L, and not the identity. */
bool ed25519_point_is_valid(const Ed25519Point *point);
bool ed25519_point_is_identity(const Ed25519Point *point);
bool ed25519_point_equal(const Ed25519Point *a, const Ed25519Point *b);

/* scalar·B; the identity if the scalar is 0. The scalar may be secret. */
void ed25519_multiply_base(const Ed25519Scalar *scalar, Ed25519Point *ret_product);

/* scalar·point; the identity if either is null. The scalar may be secret. The point is checked as ed25519_point_is_valid() does, at no
 * further cost: what comes from outside and is only multiplied needs no check before. Errors: -EBADMSG the point is neither valid nor the
 * identity. */
int ed25519_multiply(const Ed25519Scalar *scalar, const Ed25519Point *point, Ed25519Point *ret_product) _must_check_;

/* The sum may be the identity. Only that the points are on the curve is checked. Errors: -EBADMSG one of them is not. */
int ed25519_add(const Ed25519Point *a, const Ed25519Point *b, Ed25519Point *ret_sum) _must_check_;

/* points[0] + x points[1] + … + x^(count-1) points[count-1], 1 <= count: a polynomial in the exponent, which a Feldman vector commits to.
 * Each of the points is valid or the identity. Errors: -EBADMSG one is not. */
int ed25519_evaluate(const Ed25519Point *points, unsigned count, unsigned x, Ed25519Point *ret_value) _must_check_;
