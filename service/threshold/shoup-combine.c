/*
 * The client's part of threshold RSA. Everything here is public, so nothing is constant-time: small exponents, one inversion.
 * The modulus of a key never changes, so all products are Montgomery's.
 */
#include <errno.h>

#include "threshold/bn.h"
#include "threshold/shoup-rsa.h"

/* Lagrange coefficients times n! stay below 2^110, the exponents below as well. */
typedef __int128 Integer;
typedef unsigned __int128 Natural;

/* ---- Lagrange interpolation over the integers ---- */

/* Coefficients that take the shares of k nodes to Δ·f(at), and Δ, all divided by their common divisor. Roots modulo the
 * order of the squares are unique, so dividing changes no verdict; it makes exponents short. */
typedef struct Interpolation {
    Natural delta;
    Integer lambda[THRESHOLD_NODES_MAX];
} Interpolation;

static Natural factorial(unsigned n)
{
    Natural product = 1;

    for (unsigned i = 2; i <= n; i++)
        product *= i;
    return product;
}

static Natural magnitude(Integer value)
{
    return (Natural)(value < 0 ? -value : value);
}

static Natural greatest_common_divisor(Natural a, Natural b)
{
    while (b != 0) {
        Natural rest = a % b;

        a = b;
        b = rest;
    }
    return a;
}

/* λ_{at,i} = Δ · Π_{l ≠ i} (at − l) / (i − l): the division leaves no remainder. */
static Integer lagrange(const Partial *partials, unsigned k, unsigned i, unsigned at, Natural delta)
{
    Integer numerator = (Integer)delta, denominator = 1;

    for (unsigned l = 0; l < k; l++) {
        if (l == i)
            continue;
        numerator *= (Integer)at - partials[l].index;
        denominator *= (Integer)partials[i].index - partials[l].index;
    }
    return numerator / denominator;
}

static Interpolation interpolate(const ThresholdParameters *parameters, const Partial *partials, unsigned at)
{
    Interpolation result = {.delta = factorial(parameters->n)};
    Natural divisor = result.delta;

    for (unsigned i = 0; i < parameters->k; i++) {
        result.lambda[i] = lagrange(partials, parameters->k, i, at, result.delta);
        divisor = greatest_common_divisor(divisor, magnitude(result.lambda[i]));
    }
    result.delta /= divisor;
    for (unsigned i = 0; i < parameters->k; i++)
        result.lambda[i] /= (Integer)divisor;
    return result;
}

/* ---- Products of powers ---- */

typedef struct Term {
    const BIGNUM *base; /* in Montgomery form */
    Natural exponent;
} Term;

static unsigned bit_length(Natural value)
{
    unsigned bits = 0;

    for (; value != 0; value >>= 1)
        bits++;
    return bits;
}

static unsigned longest(const Term *terms, size_t n_terms)
{
    unsigned bits = 0;

    for (size_t i = 0; i < n_terms; i++)
        if (bit_length(terms[i].exponent) > bits)
            bits = bit_length(terms[i].exponent);
    return bits;
}

static bool multiply(const ShoupRsaKey *rsa, BIGNUM *result, const BIGNUM *factor, BN_CTX *ctx)
{
    return BN_mod_mul_montgomery(result, result, factor, rsa->mont, ctx) == 1;
}

/* result = Π base^exponent in Montgomery form; the squarings are shared. `result` is none of the bases. */
static int product_of_powers(const ShoupRsaKey *rsa, const Term *terms, size_t n_terms, BIGNUM *result, BN_CTX *ctx)
{
    bool is_one = true;

    if (BN_to_montgomery(result, BN_value_one(), rsa->mont, ctx) != 1)
        return -EIO;
    for (unsigned bit = longest(terms, n_terms); bit-- > 0;) {
        if (!is_one && !multiply(rsa, result, result, ctx))
            return -EIO;
        for (size_t i = 0; i < n_terms; i++) {
            if ((terms[i].exponent >> bit & 1) == 0)
                continue;
            if (is_one ? !BN_copy(result, terms[i].base) : !multiply(rsa, result, terms[i].base, ctx))
                return -EIO;
            is_one = false;
        }
    }
    return 0;
}

/* The product of x_i^(2|λ_i|) over the coefficients with the sign asked for, and of x_j^(2·exponent) if there is an `extra`. */
static int one_side(const ShoupRsaKey *rsa, const Interpolation *interpolation, BIGNUM *const *x, bool negative, const Term *extra,
                    BIGNUM *result, BN_CTX *ctx)
{
    Term terms[THRESHOLD_NODES_MAX + 1];
    size_t n_terms = 0;

    for (unsigned i = 0; i < rsa->key.parameters.k; i++)
        if ((interpolation->lambda[i] < 0) == negative)
            terms[n_terms++] = (Term){x[i], 2 * magnitude(interpolation->lambda[i])};
    if (extra)
        terms[n_terms++] = (Term){extra->base, 2 * extra->exponent};
    return product_of_powers(rsa, terms, n_terms, result, ctx);
}

/* Into Montgomery form. Errors: -EINVAL out of range; -EIO. */
static int read_partial(const ShoupRsaKey *rsa, const Partial *partial, BIGNUM *x, BN_CTX *ctx)
{
    int r = shoup_rsa_read(rsa, partial->bytes, x);

    if (r == 0 && BN_to_montgomery(x, x, rsa->mont, ctx) != 1)
        return -EIO;
    return r;
}

static int read_partials(const ShoupRsaKey *rsa, const Partial *partials, BIGNUM **ret_x, BN_CTX *ctx)
{
    for (unsigned i = 0; i < rsa->key.parameters.k; i++) {
        ret_x[i] = BN_CTX_get(ctx);
        if (!ret_x[i])
            return -EIO;

        int r = read_partial(rsa, &partials[i], ret_x[i], ctx);

        if (r < 0)
            return r;
    }
    return 0;
}

/* ---- Verification ---- */

/* Is y^e = x mod N? RFC 8017 §5.2.2 and §8.2.2. */
static int verify_root(const ShoupRsaKey *rsa, const BIGNUM *y, const BIGNUM *x, BN_CTX *ctx)
{
    _cleanup_bn_frame_ BN_CTX *frame = bn_frame(ctx);
    BIGNUM *base = BN_CTX_get(ctx), *power = BN_CTX_get(ctx);

    if (!power || BN_to_montgomery(base, y, rsa->mont, ctx) != 1)
        return -EIO;

    int r = product_of_powers(rsa, &(Term){base, SHOUP_RSA_EXPONENT}, 1, power, ctx);

    if (r < 0 || BN_from_montgomery(power, power, rsa->mont, ctx) != 1)
        return -EIO;
    return BN_cmp(power, x) == 0 ? 0 : THRESHOLD_E_INVALID_SIGNATURE;
}

int shoup_rsa_verify(const ThresholdKey *key, const Digest *digest, const void *signature, size_t size)
{
    const ShoupRsaKey *rsa = shoup_rsa_key(key);
    _cleanup_bn_ctx_ BN_CTX *ctx = bn_public_context();

    if (!ctx)
        return -EIO;
    if (size != key->signature_size)
        return THRESHOLD_E_INVALID_SIGNATURE;

    _cleanup_bn_frame_ BN_CTX *frame = bn_frame(ctx);
    BIGNUM *x = BN_CTX_get(ctx), *y = BN_CTX_get(ctx);

    if (!y)
        return -EIO;

    int r = shoup_rsa_encode(rsa, digest, x);

    if (r < 0)
        return r;
    r = shoup_rsa_read(rsa, signature, y);
    if (r < 0)
        return r == -EINVAL ? THRESHOLD_E_INVALID_SIGNATURE : r;
    return verify_root(rsa, y, x, ctx);
}

/* ---- Combination: Shoup, "Practical Threshold Signatures", section 3.1 ---- */

/* a·e' − b·e = 1 with 0 < a < e; b is not negative. */
typedef struct Bezout {
    Natural a, b;
} Bezout;

static Bezout bezout(Natural e_prime)
{
    uint64_t e = SHOUP_RSA_EXPONENT, base = (uint64_t)(e_prime % e), a = 1;

    /* e is prime: 1/e' = e'^(e−2) modulo e. */
    for (uint64_t exponent = e - 2; exponent != 0; exponent >>= 1) {
        if (exponent & 1)
            a = a * base % e;
        base = base * base % e;
    }
    return (Bezout){a, (a * e_prime - 1) / e};
}

/* y = (w₊/w₋)^a / x^b, where w₊ and w₋ gather the positive and the negative exponents of w. `x` and `x_i` in Montgomery form. */
static int root_of(const ShoupRsaKey *rsa, const Interpolation *interpolation, BIGNUM *const *x_i, const BIGNUM *x, BIGNUM *y, BN_CTX *ctx)
{
    _cleanup_bn_frame_ BN_CTX *frame = bn_frame(ctx);
    BIGNUM *positive = BN_CTX_get(ctx), *negative = BN_CTX_get(ctx), *below = BN_CTX_get(ctx);
    Bezout exponents = bezout(4 * factorial(rsa->key.parameters.n) * interpolation->delta);

    if (!below || one_side(rsa, interpolation, x_i, false, NULL, positive, ctx) < 0 ||
        one_side(rsa, interpolation, x_i, true, NULL, negative, ctx) < 0)
        return -EIO;

    const Term numerator[] = {{positive, exponents.a}}, denominator[] = {{negative, exponents.a}, {x, exponents.b}};

    if (product_of_powers(rsa, numerator, 1, y, ctx) < 0 || product_of_powers(rsa, denominator, 2, below, ctx) < 0 ||
        BN_from_montgomery(below, below, rsa->mont, ctx) != 1)
        return -EIO;

    int r = shoup_rsa_invert(rsa, below, ctx);

    if (r < 0)
        return r == -EDOM ? THRESHOLD_E_INVALID_SIGNATURE : r; /* a partial signature shares a factor with N: it is wrong */
    /* One factor in Montgomery form, one not: the product is not. */
    return multiply(rsa, y, below, ctx) ? 0 : -EIO;
}

int shoup_rsa_combine(const ThresholdKey *key, const Digest *digest, const Partial *partials, uint8_t *ret_signature)
{
    const ShoupRsaKey *rsa = shoup_rsa_key(key);
    _cleanup_bn_ctx_ BN_CTX *ctx = bn_public_context();

    if (!ctx)
        return -EIO;

    _cleanup_bn_frame_ BN_CTX *frame = bn_frame(ctx);
    BIGNUM *x = BN_CTX_get(ctx), *x_form = BN_CTX_get(ctx), *y = BN_CTX_get(ctx), *x_i[THRESHOLD_NODES_MAX];
    Interpolation interpolation = interpolate(&key->parameters, partials, 0);

    if (!y)
        return -EIO;

    int r = shoup_rsa_encode(rsa, digest, x);

    if (r < 0)
        return r;
    r = read_partials(rsa, partials, x_i, ctx);
    if (r < 0)
        return r == -EINVAL ? THRESHOLD_E_INVALID_SIGNATURE : r; /* a node's lie, not the caller's mistake */
    if (BN_to_montgomery(x_form, x, rsa->mont, ctx) != 1)
        return -EIO;
    r = root_of(rsa, &interpolation, x_i, x_form, y, ctx);
    if (r == 0)
        r = verify_root(rsa, y, x, ctx);
    if (r != 0)
        return r;
    return BN_bn2binpad(y, ret_signature, (int)key->signature_size) < 0 ? -EIO : 0;
}

/* ---- Blame ---- */

/* (x_j^Δ)^2 = (Π x_i^λ_{j,i})^2, the negative exponents on the left: no inversion. A node may answer −x_j instead of x_j and
 * pass; that is harmless, since combining squares. */
int shoup_rsa_check_partial(const ThresholdKey *key, const Partial *good, const Partial *candidate)
{
    const ShoupRsaKey *rsa = shoup_rsa_key(key);
    _cleanup_bn_ctx_ BN_CTX *ctx = bn_public_context();

    if (!ctx)
        return -EIO;

    _cleanup_bn_frame_ BN_CTX *frame = bn_frame(ctx);
    BIGNUM *x_j = BN_CTX_get(ctx), *left = BN_CTX_get(ctx), *right = BN_CTX_get(ctx), *x_i[THRESHOLD_NODES_MAX];
    Interpolation interpolation = interpolate(&key->parameters, good, candidate->index);

    if (!right)
        return -EIO;

    int r = read_partial(rsa, candidate, x_j, ctx);

    if (r < 0)
        return r == -EINVAL ? THRESHOLD_E_INVALID_PARTIAL : r;
    r = read_partials(rsa, good, x_i, ctx);
    if (r == 0)
        r = one_side(rsa, &interpolation, x_i, true, &(Term){x_j, interpolation.delta}, left, ctx);
    if (r == 0)
        r = one_side(rsa, &interpolation, x_i, false, NULL, right, ctx);
    if (r < 0)
        return r;
    if (BN_from_montgomery(left, left, rsa->mont, ctx) != 1 || BN_from_montgomery(right, right, rsa->mont, ctx) != 1)
        return -EIO;
    return BN_cmp(left, right) == 0 ? 0 : THRESHOLD_E_INVALID_PARTIAL;
}
