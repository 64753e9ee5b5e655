/* A FROST key's public part, and plain Ed25519 verification. */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "threshold/frost.h"

struct FrostKey {
    unsigned n, k;
    Ed25519Point public_key;
    Ed25519Point verification[THRESHOLD_NODES_MAX]; /* PK_1, …, PK_n */
};

static int read_point(const uint8_t *bytes, Ed25519Point *point)
{
    memcpy(point->bytes, bytes, sizeof(point->bytes));
    return ed25519_point_is_valid(point) ? 0 : -EBADMSG;
}

static int read_points(FrostKey *key, const Bytes *public_key, const Bytes *verification, Problem *problem)
{
    if (public_key->size != ED25519_POINT_SIZE || verification->size != key->n * ED25519_POINT_SIZE)
        return problem_set(problem, -EBADMSG,
                           "an Ed25519 key of %u nodes has a public key of %d bytes and %u of verification values, not %zu and %zu", key->n,
                           ED25519_POINT_SIZE, key->n * ED25519_POINT_SIZE, public_key->size, verification->size);
    if (read_point(public_key->data, &key->public_key) < 0)
        return problem_set(problem, -EBADMSG, "the Ed25519 public key is not a point of the group");
    for (unsigned i = 0; i < key->n; i++)
        if (read_point(verification->data + i * ED25519_POINT_SIZE, &key->verification[i]) < 0)
            return problem_set(problem, -EBADMSG, "the verification value of node %u is not a point of the group", i + 1);
    return 0;
}

/* Σ λ_i(x)·PK_i over the first k values: their polynomial, of degree k-1, at x. */
static int interpolate(const FrostKey *key, unsigned x, Ed25519Point *ret_value)
{
    unsigned indices[THRESHOLD_NODES_MAX];
    Ed25519Point sum = ed25519_identity, term;
    Ed25519Scalar weight;
    int r = 0;

    for (unsigned i = 0; i < key->k; i++)
        indices[i] = i + 1;
    for (unsigned i = 0; i < key->k && r == 0; i++) {
        ed25519_scalar_lagrange(indices, key->k, i, x, &weight);
        r = ed25519_multiply(&weight, &key->verification[i], &term);
        if (r == 0)
            r = ed25519_add(&sum, &term, &sum);
    }
    *ret_value = sum;
    return r;
}

/* Values of another key, generation or threshold would make liars of honest nodes. */
static int check_values(const FrostKey *key, Problem *problem)
{
    Ed25519Point value;

    if (interpolate(key, 0, &value) < 0 || !ed25519_point_equal(&value, &key->public_key))
        return problem_set(problem, -EBADMSG, "the verification values do not belong to this Ed25519 public key with a threshold of %u",
                           key->k);
    for (unsigned index = key->k + 1; index <= key->n; index++)
        if (interpolate(key, index, &value) < 0 || !ed25519_point_equal(&value, &key->verification[index - 1]))
            return problem_set(problem, -EBADMSG, "the verification value of node %u does not fit the others with a threshold of %u", index,
                               key->k);
    return 0;
}

int frost_key_new(unsigned n, unsigned k, const Bytes *public_key, const Bytes *verification, FrostKey **ret_key, Problem *problem)
{
    if (n > THRESHOLD_NODES_MAX || k < 2 || k > n)
        return problem_set(problem, -EINVAL, "%u of %u nodes cannot sign: 2 <= k <= n <= %d", k, n, THRESHOLD_NODES_MAX);

    _cleanup_frost_key_ FrostKey *key = calloc(1, sizeof(*key));

    if (!key)
        return -ENOMEM;
    key->n = n;
    key->k = k;

    int r = read_points(key, public_key, verification, problem);

    if (r == 0)
        r = check_values(key, problem);
    if (r < 0)
        return r;
    *ret_key = TAKE_PTR(key);
    return 0;
}

FrostKey *frost_key_free(FrostKey *key)
{
    if (!key)
        return NULL;
    free(key);
    return NULL;
}

unsigned frost_key_n(const FrostKey *key)
{
    return key->n;
}

unsigned frost_key_k(const FrostKey *key)
{
    return key->k;
}

const Ed25519Point *frost_key_public(const FrostKey *key)
{
    return &key->public_key;
}

const Ed25519Point *frost_key_verification(const FrostKey *key, unsigned index)
{
    return &key->verification[index - 1];
}

int frost_key_check_share(const FrostKey *key, unsigned index, const Secret *share)
{
    Ed25519Point product;

    if (index == 0 || index > key->n)
        return -EINVAL;
    if (secret_size(share) != FROST_SHARE_SIZE || !ed25519_scalar_is_canonical(ed25519_scalars_of(share)))
        return FROST_E_INVALID_SHARE;
    ed25519_multiply_base(ed25519_scalars_of(share), &product);
    return ed25519_point_equal(&product, &key->verification[index - 1]) ? 0 : FROST_E_INVALID_SHARE;
}

/* RFC 8032 §5.1.7. By libsodium, which takes half the time of libcrypto: it is most of what a client computes. */
int frost_verify(const FrostKey *key, const void *message, size_t message_size, const void *signature, size_t size)
{
    if (size != FROST_SIGNATURE_SIZE)
        return FROST_E_INVALID_SIGNATURE;
    return crypto_sign_ed25519_verify_detached(signature, message, message_size, key->public_key.bytes) == 0 ? 0
                                                                                                             : FROST_E_INVALID_SIGNATURE;
}
