#include "threshold/frost-dkg.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

/* As RFC 9591 §6.1 builds its labels; this one is of the Zcash Foundation's library, in the same form. */
#define LABEL "FROST-ED25519-SHA512-v1dkg"

struct FrostDkg {
    unsigned n, k, index;
    uint8_t context[FROST_DKG_CONTEXT_SIZE_MAX];
    size_t context_size;
    bool refresh;
    int cheated;                                                    /* the first FROST_DKG_E_… found, or 0 … */
    unsigned cheater;                                               /* … in a message of this peer */
    Ed25519Point old_public_key;                                    /* in a refresh */
    Ed25519Point old_verification[THRESHOLD_NODES_MAX];             /* in a refresh */
    Ed25519Point vectors[THRESHOLD_NODES_MAX][THRESHOLD_NODES_MAX]; /* [node - 1][power], this node's among them */
    uint32_t have_vectors, have_evaluations;                        /* bit node - 1 */
    Bytes vector, proof;                                            /* this node's */
    Secret *polynomial;                                             /* k coefficients */
    Secret *sum;                                                    /* of the evaluations at this node's index */
};

static uint32_t bit_of(unsigned index)
{
    return 1U << (index - 1);
}

static uint32_t all_of(const FrostDkg *dkg)
{
    return (1U << dkg->n) - 1;
}

/* ---- This node's contribution ---- */

static int draw_polynomial(FrostDkg *dkg)
{
    int r = 0;

    if (secret_new(dkg->k * sizeof(Ed25519Scalar), &dkg->polynomial) < 0 || secret_new(sizeof(Ed25519Scalar), &dkg->sum) < 0)
        return -EPERM;
    for (unsigned i = dkg->refresh ? 1 : 0; i < dkg->k && r == 0; i++)
        r = ed25519_scalar_draw(&ed25519_scalars(dkg->polynomial)[i]);
    return r;
}

static int commit(FrostDkg *dkg)
{
    Ed25519Point *own = dkg->vectors[dkg->index - 1];

    for (unsigned i = 0; i < dkg->k; i++)
        ed25519_multiply_base(&ed25519_scalars(dkg->polynomial)[i], &own[i]);
    ed25519_scalar_evaluate(ed25519_scalars(dkg->polynomial), dkg->k, dkg->index, ed25519_scalars(dkg->sum));
    dkg->have_vectors = dkg->have_evaluations = bit_of(dkg->index);
    return bytes_copy(own, dkg->k * sizeof(*own), &dkg->vector);
}

/* c of the paper's figure 1: the prover's index, what it proves to know, its commitment, and the run. */
static void proof_challenge(const FrostDkg *dkg, unsigned index, const Ed25519Point *constant, const uint8_t *r,
                            Ed25519Scalar *ret_challenge)
{
    uint8_t wide[crypto_hash_sha512_BYTES];
    crypto_hash_sha512_state state;
    Ed25519Scalar identifier;

    ed25519_scalar_set(index, &identifier);
    crypto_hash_sha512_init(&state);
    crypto_hash_sha512_update(&state, (const uint8_t *)LABEL, strlen(LABEL));
    crypto_hash_sha512_update(&state, identifier.bytes, sizeof(identifier.bytes));
    crypto_hash_sha512_update(&state, constant->bytes, sizeof(constant->bytes));
    crypto_hash_sha512_update(&state, r, ED25519_POINT_SIZE);
    crypto_hash_sha512_update(&state, dkg->context, dkg->context_size);
    crypto_hash_sha512_final(&state, wide);
    ed25519_scalar_reduce(wide, ret_challenge);
}

/* R ‖ μ with R = r·B, μ = r + a_0·c. */
static int prove(FrostDkg *dkg)
{
    _cleanup_secret_ Secret *scratch = NULL;

    if (secret_new(2 * sizeof(Ed25519Scalar), &scratch) < 0)
        return -EPERM;

    Ed25519Scalar *nonce = &ed25519_scalars(scratch)[0], *product = &ed25519_scalars(scratch)[1], c;
    Ed25519Point commitment;
    int r = ed25519_scalar_draw(nonce);

    if (r == 0)
        r = bytes_new(FROST_DKG_PROOF_SIZE, &dkg->proof);
    if (r < 0)
        return r;
    ed25519_multiply_base(nonce, &commitment);
    proof_challenge(dkg, dkg->index, &dkg->vectors[dkg->index - 1][0], commitment.bytes, &c);
    ed25519_scalar_multiply(&ed25519_scalars(dkg->polynomial)[0], &c, product);
    ed25519_scalar_add(nonce, product, product);
    memcpy(dkg->proof.data, commitment.bytes, sizeof(commitment.bytes));
    /* The nonce hides the coefficient. */
    memcpy(dkg->proof.data + ED25519_POINT_SIZE, secret_declassify(scratch) + sizeof(*nonce), sizeof(*product));
    return 0;
}

static bool parameters_are_good(const FrostDkgParameters *parameters)
{
    return parameters->n <= THRESHOLD_NODES_MAX && parameters->k >= 2 && parameters->k <= parameters->n && parameters->index >= 1 &&
           parameters->index <= parameters->n && parameters->context.size <= FROST_DKG_CONTEXT_SIZE_MAX;
}

static FrostDkg *allocate(const FrostDkgParameters *parameters)
{
    FrostDkg *dkg = calloc(1, sizeof(*dkg));

    if (!dkg)
        return NULL;
    dkg->n = parameters->n;
    dkg->k = parameters->k;
    dkg->index = parameters->index;
    dkg->context_size = parameters->context.size;
    if (dkg->context_size > 0)
        memcpy(dkg->context, parameters->context.data, dkg->context_size);
    return dkg;
}

int frost_dkg_new(const FrostDkgParameters *parameters, FrostDkg **ret_dkg)
{
    if (!parameters_are_good(parameters))
        return -EINVAL;

    _cleanup_frost_dkg_ FrostDkg *dkg = allocate(parameters);
    int r = dkg ? draw_polynomial(dkg) : -ENOMEM;

    if (r == 0)
        r = commit(dkg);
    if (r == 0)
        r = prove(dkg);
    if (r == 0)
        *ret_dkg = TAKE_PTR(dkg);
    return r;
}

int frost_dkg_new_refresh(const FrostDkgParameters *parameters, const FrostKey *old_key, FrostDkg **ret_dkg)
{
    if (!parameters_are_good(parameters) || parameters->n != frost_key_n(old_key) || parameters->k != frost_key_k(old_key))
        return -EINVAL;

    _cleanup_frost_dkg_ FrostDkg *dkg = allocate(parameters);

    if (!dkg)
        return -ENOMEM;
    dkg->refresh = true;
    dkg->old_public_key = *frost_key_public(old_key);
    memcpy(dkg->old_verification, frost_key_verification(old_key, 1), dkg->n * sizeof(Ed25519Point));

    int r = draw_polynomial(dkg);

    if (r == 0)
        r = commit(dkg);
    if (r == 0)
        *ret_dkg = TAKE_PTR(dkg);
    return r;
}

FrostDkg *frost_dkg_free(FrostDkg *dkg)
{
    if (!dkg)
        return NULL;
    bytes_clear(&dkg->vector);
    bytes_clear(&dkg->proof);
    secret_free(dkg->polynomial);
    secret_free(dkg->sum);
    free(dkg);
    return NULL;
}

const Bytes *frost_dkg_vector(const FrostDkg *dkg)
{
    return &dkg->vector;
}

const Bytes *frost_dkg_proof(const FrostDkg *dkg)
{
    return &dkg->proof;
}

/* ---- The peers' contributions ---- */

/* What every call about a peer begins with. `seen`: of whom there is already what this call brings; NULL if that does not matter. */
static int check_peer(const FrostDkg *dkg, unsigned peer, const uint32_t *seen)
{
    if (dkg->cheated)
        return dkg->cheated;
    if (peer == 0 || peer > dkg->n || peer == dkg->index)
        return -EINVAL;
    return seen && (*seen & bit_of(peer)) ? -EALREADY : 0;
}

/* How a peer's message was found; the first that is wrong ends the run. */
static int judge(FrostDkg *dkg, unsigned peer, int r)
{
    dkg->cheated = r;
    dkg->cheater = r != 0 ? peer : 0;
    return r;
}

static int read_vector(const FrostDkg *dkg, const Bytes *bytes, Ed25519Point *ret_vector)
{
    if (bytes->size != dkg->k * sizeof(*ret_vector))
        return FROST_DKG_E_VECTOR_SIZE;
    memcpy(ret_vector, bytes->data, bytes->size);
    if (dkg->refresh && !ed25519_point_is_identity(&ret_vector[0]))
        return FROST_DKG_E_CONSTANT_TERM;
    for (unsigned i = dkg->refresh ? 1 : 0; i < dkg->k; i++)
        if (!ed25519_point_is_valid(&ret_vector[i]))
            return FROST_DKG_E_INVALID_POINT;
    return 0;
}

/* R = μ·B - c·(a_0·B), as encodings, so that R needs no check of its own. In a refresh there is nothing to prove. */
static int check_proof(const FrostDkg *dkg, unsigned peer, const Ed25519Point *constant, const Bytes *proof)
{
    static const Ed25519Scalar zero;
    Ed25519Scalar c, response;
    Ed25519Point left, right;

    if (proof->size != (dkg->refresh ? 0 : FROST_DKG_PROOF_SIZE))
        return FROST_DKG_E_INVALID_PROOF;
    if (dkg->refresh)
        return 0;
    memcpy(response.bytes, proof->data + ED25519_POINT_SIZE, sizeof(response.bytes));
    if (!ed25519_scalar_is_canonical(&response))
        return FROST_DKG_E_INVALID_PROOF;
    proof_challenge(dkg, peer, constant, proof->data, &c);
    ed25519_scalar_subtract(&zero, &c, &c);
    ed25519_multiply_base(&response, &left);
    if (ed25519_multiply(&c, constant, &right) < 0 || ed25519_add(&left, &right, &left) < 0)
        return FROST_DKG_E_INVALID_PROOF;
    return memcmp(left.bytes, proof->data, sizeof(left.bytes)) == 0 ? 0 : FROST_DKG_E_INVALID_PROOF;
}

unsigned frost_dkg_cheater(const FrostDkg *dkg)
{
    return dkg->cheater;
}

int frost_dkg_accept_vector(FrostDkg *dkg, unsigned peer, const Bytes *vector, const Bytes *proof)
{
    Ed25519Point points[THRESHOLD_NODES_MAX];
    int r = check_peer(dkg, peer, &dkg->have_vectors);

    if (r != 0)
        return r;
    r = read_vector(dkg, vector, points);
    if (r == 0)
        r = check_proof(dkg, peer, &points[0], proof);
    if (judge(dkg, peer, r) != 0)
        return r;
    memcpy(dkg->vectors[peer - 1], points, dkg->k * sizeof(points[0]));
    dkg->have_vectors |= bit_of(peer);
    return 0;
}

int frost_dkg_evaluation(const FrostDkg *dkg, unsigned peer, Secret **ret_evaluation)
{
    _cleanup_secret_ Secret *evaluation = NULL;
    int r = check_peer(dkg, peer, NULL);

    if (r != 0)
        return r;
    if (dkg->have_vectors != all_of(dkg))
        return -EAGAIN;
    if (secret_new(FROST_DKG_EVALUATION_SIZE, &evaluation) < 0)
        return -EPERM;
    ed25519_scalar_evaluate(ed25519_scalars_of(dkg->polynomial), dkg->k, peer, ed25519_scalars(evaluation));
    *ret_evaluation = TAKE_PTR(evaluation);
    return 0;
}

/* f(i)·B = Σ_e i^e·φ_e */
static int check_evaluation(const FrostDkg *dkg, unsigned peer, const Secret *evaluation)
{
    Ed25519Point left, right;

    if (secret_size(evaluation) != FROST_DKG_EVALUATION_SIZE || !ed25519_scalar_is_canonical(ed25519_scalars_of(evaluation)))
        return FROST_DKG_E_INVALID_EVALUATION;
    ed25519_multiply_base(ed25519_scalars_of(evaluation), &left);
    if (ed25519_evaluate(dkg->vectors[peer - 1], dkg->k, dkg->index, &right) < 0)
        return FROST_DKG_E_INVALID_EVALUATION;
    return ed25519_point_equal(&left, &right) ? 0 : FROST_DKG_E_INVALID_EVALUATION;
}

int frost_dkg_accept_evaluation(FrostDkg *dkg, unsigned peer, const Secret *evaluation)
{
    int r = check_peer(dkg, peer, &dkg->have_evaluations);

    if (r != 0)
        return r;
    if (dkg->have_vectors != all_of(dkg))
        return -EAGAIN;
    r = judge(dkg, peer, check_evaluation(dkg, peer, evaluation));
    if (r != 0)
        return r;
    ed25519_scalar_add(ed25519_scalars(dkg->sum), ed25519_scalars_of(evaluation), ed25519_scalars(dkg->sum));
    dkg->have_evaluations |= bit_of(peer);
    return 0;
}

/* ---- The result ---- */

void frost_dkg_result_clear(FrostDkgResult *result)
{
    bytes_clear(&result->public_key);
    bytes_clear(&result->verification);
    result->share = secret_free(result->share);
}

/* The vector of the joint polynomial. */
static int add_vectors(const FrostDkg *dkg, Ed25519Point *ret_vector)
{
    int r = 0;

    memcpy(ret_vector, dkg->vectors[0], dkg->k * sizeof(*ret_vector));
    for (unsigned node = 1; node < dkg->n; node++)
        for (unsigned i = 0; i < dkg->k && r == 0; i++)
            r = ed25519_add(&ret_vector[i], &dkg->vectors[node][i], &ret_vector[i]);
    return r;
}

/* PK_i = Σ_e i^e·Φ_e; in a refresh that is what comes to the old one. */
static int verification_value(const FrostDkg *dkg, const Ed25519Point *joint, unsigned index, Ed25519Point *ret_value)
{
    int r = ed25519_evaluate(joint, dkg->k, index, ret_value);

    if (r == 0 && dkg->refresh)
        r = ed25519_add(ret_value, &dkg->old_verification[index - 1], ret_value);
    return r == 0 && ed25519_point_is_identity(ret_value) ? FROST_DKG_E_DEGENERATE : r;
}

static int make_public(const FrostDkg *dkg, FrostDkgResult *result)
{
    Ed25519Point joint[THRESHOLD_NODES_MAX], values[THRESHOLD_NODES_MAX];
    int r = add_vectors(dkg, joint);

    for (unsigned i = 0; i < dkg->n && r == 0; i++)
        r = verification_value(dkg, joint, i + 1, &values[i]);

    const Ed25519Point *public_key = dkg->refresh ? &dkg->old_public_key : &joint[0];

    if (r == 0 && ed25519_point_is_identity(public_key))
        r = FROST_DKG_E_DEGENERATE;
    if (r == 0)
        r = bytes_copy(public_key, sizeof(*public_key), &result->public_key);
    return r == 0 ? bytes_copy(values, dkg->n * sizeof(values[0]), &result->verification) : r;
}

static int make_share(const FrostDkg *dkg, const Secret *old_share, FrostDkgResult *result)
{
    Ed25519Point product;

    if (secret_new(FROST_SHARE_SIZE, &result->share) < 0)
        return -EPERM;
    *ed25519_scalars(result->share) = *ed25519_scalars_of(dkg->sum);
    if (old_share)
        ed25519_scalar_add(ed25519_scalars(result->share), ed25519_scalars_of(old_share), ed25519_scalars(result->share));
    ed25519_multiply_base(ed25519_scalars_of(result->share), &product);
    return memcmp(product.bytes, result->verification.data + (dkg->index - 1) * sizeof(product), sizeof(product)) == 0
               ? 0
               : FROST_DKG_E_INVALID_SHARE;
}

int frost_dkg_finish(const FrostDkg *dkg, const Secret *old_share, FrostDkgResult *ret_result)
{
    if (dkg->cheated)
        return dkg->cheated;
    if (dkg->refresh != (old_share != NULL) || (old_share && secret_size(old_share) != FROST_SHARE_SIZE))
        return -EINVAL;
    if (dkg->have_evaluations != all_of(dkg))
        return -EAGAIN;

    _cleanup_frost_dkg_result_ FrostDkgResult result = {0};
    int r = make_public(dkg, &result);

    if (r == 0)
        r = make_share(dkg, old_share, &result);
    if (r != 0)
        return r;
    *ret_result = result;
    result = (FrostDkgResult){0};
    return 0;
}
