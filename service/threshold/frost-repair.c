#include "threshold/frost-repair.h"

#include <errno.h>
#include <string.h>

/* ---- What all have to agree on ---- */

static int check_indices(const FrostRepair *repair)
{
    unsigned n = frost_key_n(repair->key), last = 0;

    if (repair->lost == 0 || repair->lost > n)
        return -EINVAL;
    for (unsigned i = 0; i < frost_key_k(repair->key); i++) {
        if (repair->helpers[i] <= last || repair->helpers[i] > n || repair->helpers[i] == repair->lost)
            return -EINVAL;
        last = repair->helpers[i];
    }
    return 0;
}

/* The helper's place. Errors: -EINVAL the repair's indices, or it is no helper. */
static int find_helper(const FrostRepair *repair, unsigned index, unsigned *ret_at)
{
    int r = check_indices(repair);

    for (unsigned i = 0; i < frost_key_k(repair->key) && r == 0; i++)
        if (repair->helpers[i] == index) {
            *ret_at = i;
            return 0;
        }
    return -EINVAL;
}

/* ζ_i: what the helper's share counts in the lost one. */
static void helper_weight(const FrostRepair *repair, unsigned at, Ed25519Scalar *ret_weight)
{
    ed25519_scalar_lagrange(repair->helpers, frost_key_k(repair->key), at, repair->lost, ret_weight);
}

static const Ed25519Point *points_of(const Bytes *vector)
{
    return (const Ed25519Point *)vector->data;
}

static bool has_size(const FrostRepair *repair, const Bytes *vector)
{
    return vector->size == frost_key_k(repair->key) * sizeof(Ed25519Point);
}

static bool opens(const Secret *secret, const Ed25519Point *commitment)
{
    Ed25519Point product;

    if (secret_size(secret) != sizeof(Ed25519Scalar) || !ed25519_scalar_is_canonical(ed25519_scalars_of(secret)))
        return false;
    ed25519_multiply_base(ed25519_scalars_of(secret), &product);
    return ed25519_point_equal(&product, commitment);
}

/* ---- Splitting ---- */

void frost_repair_parts_clear(FrostRepairParts *parts)
{
    bytes_clear(&parts->vector);
    for (unsigned i = 0; i < ELEMENTS(parts->parts); i++)
        parts->parts[i] = secret_free(parts->parts[i]);
}

/* All parts but the first are random; the first is what is missing from ζ_i·s_i. */
static int fill_parts(const FrostRepair *repair, unsigned at, const Secret *share, FrostRepairParts *parts)
{
    unsigned k = frost_key_k(repair->key);
    Ed25519Scalar weight;
    int r = 0;

    for (unsigned i = 0; i < k; i++)
        if (secret_new(sizeof(Ed25519Scalar), &parts->parts[i]) < 0)
            return -EPERM;

    Ed25519Scalar *rest = ed25519_scalars(parts->parts[0]);

    helper_weight(repair, at, &weight);
    ed25519_scalar_multiply(&weight, ed25519_scalars_of(share), rest);
    for (unsigned i = 1; i < k && r == 0; i++) {
        Ed25519Scalar *part = ed25519_scalars(parts->parts[i]);

        r = ed25519_scalar_draw(part);
        if (r == 0)
            ed25519_scalar_subtract(rest, part, rest);
    }
    return r;
}

static int commit_parts(const FrostRepair *repair, FrostRepairParts *parts)
{
    Ed25519Point points[THRESHOLD_NODES_MAX];

    for (unsigned i = 0; i < frost_key_k(repair->key); i++)
        ed25519_multiply_base(ed25519_scalars_of(parts->parts[i]), &points[i]);
    return bytes_copy(points, frost_key_k(repair->key) * sizeof(points[0]), &parts->vector);
}

int frost_repair_split(const FrostRepair *repair, unsigned index, const Secret *share, FrostRepairParts *ret_parts)
{
    _cleanup_frost_repair_parts_ FrostRepairParts parts = {0};
    unsigned at;
    int r = find_helper(repair, index, &at);

    if (r == 0 && secret_size(share) != FROST_SHARE_SIZE)
        r = -EINVAL;
    if (r == 0)
        r = fill_parts(repair, at, share, &parts);
    if (r == 0)
        r = commit_parts(repair, &parts);
    if (r < 0)
        return r;
    *ret_parts = parts;
    parts = (FrostRepairParts){0};
    return 0;
}

/* ---- Checking ---- */

/* Σ_j δ_ij·B = ζ_i·PK_i */
int frost_repair_check_vector(const FrostRepair *repair, unsigned index, const Bytes *vector)
{
    Ed25519Point sum = ed25519_identity, expected;
    Ed25519Scalar weight;
    unsigned at;
    int r = find_helper(repair, index, &at);

    if (r < 0)
        return r;
    if (!has_size(repair, vector))
        return FROST_REPAIR_E_INVALID_VECTOR;
    for (unsigned i = 0; i < frost_key_k(repair->key); i++)
        if (!ed25519_point_is_valid(&points_of(vector)[i]) || ed25519_add(&sum, &points_of(vector)[i], &sum) < 0)
            return FROST_REPAIR_E_INVALID_VECTOR;
    helper_weight(repair, at, &weight);
    if (ed25519_multiply(&weight, frost_key_verification(repair->key, index), &expected) < 0)
        return FROST_REPAIR_E_INVALID_VECTOR;
    return ed25519_point_equal(&sum, &expected) ? 0 : FROST_REPAIR_E_INVALID_VECTOR;
}

int frost_repair_check_part(const FrostRepair *repair, unsigned to, const Bytes *vector, const Secret *part)
{
    unsigned at;
    int r = find_helper(repair, to, &at);

    if (r < 0)
        return r;
    if (!has_size(repair, vector))
        return -EINVAL;
    return opens(part, &points_of(vector)[at]) ? 0 : FROST_REPAIR_E_INVALID_PART;
}

int frost_repair_check_sum(const FrostRepair *repair, unsigned index, const Bytes *vectors, const Secret *sum)
{
    Ed25519Point expected = ed25519_identity;
    unsigned at;
    int r = find_helper(repair, index, &at);

    if (r < 0)
        return r;
    for (unsigned i = 0; i < frost_key_k(repair->key); i++)
        if (!has_size(repair, &vectors[i]) || ed25519_add(&expected, &points_of(&vectors[i])[at], &expected) < 0)
            return -EINVAL;
    return opens(sum, &expected) ? 0 : FROST_REPAIR_E_INVALID_SUM;
}

/* ---- Adding up ---- */

static int add_up(const FrostRepair *repair, const Secret *const *terms, Secret **ret_sum)
{
    _cleanup_secret_ Secret *sum = NULL;
    int r = check_indices(repair);

    if (r < 0)
        return r;
    if (secret_new(sizeof(Ed25519Scalar), &sum) < 0)
        return -EPERM;
    for (unsigned i = 0; i < frost_key_k(repair->key); i++) {
        if (secret_size(terms[i]) != sizeof(Ed25519Scalar) || !ed25519_scalar_is_canonical(ed25519_scalars_of(terms[i])))
            return -EINVAL;
        ed25519_scalar_add(ed25519_scalars(sum), ed25519_scalars_of(terms[i]), ed25519_scalars(sum));
    }
    *ret_sum = TAKE_PTR(sum);
    return 0;
}

int frost_repair_sum(const FrostRepair *repair, const Secret *const *parts, Secret **ret_sum)
{
    return add_up(repair, parts, ret_sum);
}

int frost_repair_finish(const FrostRepair *repair, const Secret *const *sums, Secret **ret_share)
{
    _cleanup_secret_ Secret *share = NULL;
    int r = add_up(repair, sums, &share);

    if (r < 0)
        return r;
    if (frost_key_check_share(repair->key, repair->lost, share) != 0)
        return FROST_REPAIR_E_INVALID_SHARE;
    *ret_share = TAKE_PTR(share);
    return 0;
}
