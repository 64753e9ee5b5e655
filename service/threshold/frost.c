#include "threshold/frost.h"

#include <errno.h>
#include <sodium.h>
#include <stdatomic.h>
#include <string.h>

#include "base/crypto.h"

/* RFC 9591 §6.1: the context string with the labels of H1, H3, H4 and H5; H2 has none, so that signatures are RFC 8032's. */
#define CONTEXT  "FROST-ED25519-SHA512-v1"
#define LABEL_H1 CONTEXT "rho"
#define LABEL_H3 CONTEXT "nonce"
#define LABEL_H4 CONTEXT "msg"
#define LABEL_H5 CONTEXT "com"

#define NONCE_RANDOM_SIZE 32

/* ---- Hashes ---- */

static void hash_bytes(crypto_hash_sha512_state *state, const void *data, size_t size)
{
    crypto_hash_sha512_update(state, data, size);
}

static void hash_start(crypto_hash_sha512_state *state, const char *label)
{
    crypto_hash_sha512_init(state);
    hash_bytes(state, label, strlen(label));
}

/* RFC 9591 §6.1 SerializeScalar of a node's identifier. */
static void hash_index(crypto_hash_sha512_state *state, unsigned index)
{
    Ed25519Scalar scalar;

    ed25519_scalar_set(index, &scalar);
    hash_bytes(state, scalar.bytes, sizeof(scalar.bytes));
}

static void hash_point(crypto_hash_sha512_state *state, const Ed25519Point *point)
{
    hash_bytes(state, point->bytes, sizeof(point->bytes));
}

/* The hash as a scalar, of public things. */
static void hash_to_scalar(crypto_hash_sha512_state *state, Ed25519Scalar *ret_scalar)
{
    uint8_t wide[crypto_hash_sha512_BYTES];

    crypto_hash_sha512_final(state, wide);
    ed25519_scalar_reduce(wide, ret_scalar);
}

/* ---- Nonces ---- */

/* All of it is in the Secret. In a forked child the page reads as zeros, and a signature with nonces of zero would publish the share: there
 * no pair is fresh. */
typedef struct NoncePair {
    Ed25519Scalar hiding;  /* d */
    Ed25519Scalar binding; /* e */
    atomic_bool fresh;
} NoncePair;

struct FrostNonces {
    Ed25519Point verification; /* PK_index: stands for key, generation and index */
    Secret *pairs;
    unsigned count;
    FrostCommitment commitments[];
};

/* What making nonces leaves behind. */
typedef struct NonceScratch {
    crypto_hash_sha512_state state;
    uint8_t random[NONCE_RANDOM_SIZE];
    uint8_t wide[crypto_hash_sha512_BYTES];
} NonceScratch;

static NoncePair *pair_of(const FrostNonces *nonces, unsigned pair)
{
    return (NoncePair *)(void *)secret_data(nonces->pairs) + pair;
}

/* RFC 9591 §4.1 */
static int make_nonce(NonceScratch *scratch, const Secret *share, Ed25519Scalar *nonce, Ed25519Point *commitment)
{
    if (crypto_random_kernel(scratch->random, sizeof(scratch->random)) < 0)
        return -EIO;
    hash_start(&scratch->state, LABEL_H3);
    hash_bytes(&scratch->state, scratch->random, sizeof(scratch->random));
    hash_bytes(&scratch->state, secret_bytes(share), secret_size(share));
    crypto_hash_sha512_final(&scratch->state, scratch->wide);
    ed25519_scalar_reduce(scratch->wide, nonce);
    ed25519_multiply_base(nonce, commitment);
    return 0;
}

/* Behind the pairs while they are made: a mapping costs as much as making one. */
static size_t scratch_offset(unsigned count)
{
    const size_t alignment = _Alignof(NonceScratch);

    return (count * sizeof(NoncePair) + alignment - 1) / alignment * alignment;
}

static int make_pairs(FrostNonces *nonces, unsigned index, const Secret *share)
{
    const size_t offset = scratch_offset(nonces->count);

    if (secret_new(offset + sizeof(NonceScratch), &nonces->pairs) < 0)
        return -EPERM;

    NonceScratch *scratch = (NonceScratch *)(void *)(secret_data(nonces->pairs) + offset);
    int r = 0;

    for (unsigned i = 0; i < nonces->count && r == 0; i++) {
        NoncePair *pair = pair_of(nonces, i);
        FrostCommitment *commitment = &nonces->commitments[i];

        commitment->index = index;
        r = make_nonce(scratch, share, &pair->hiding, &commitment->hiding);
        if (r == 0)
            r = make_nonce(scratch, share, &pair->binding, &commitment->binding);
        atomic_init(&pair->fresh, r == 0);
    }
    secret_truncate(nonces->pairs, offset);
    return r;
}

int frost_nonces_new(const FrostKey *key, unsigned index, const Secret *share, unsigned count, FrostNonces **ret_nonces)
{
    if (count == 0 || count > FROST_NONCES_MAX || index == 0 || index > frost_key_n(key) || secret_size(share) != FROST_SHARE_SIZE)
        return -EINVAL;

    _cleanup_frost_nonces_ FrostNonces *nonces = calloc(1, sizeof(*nonces) + count * sizeof(nonces->commitments[0]));

    if (!nonces)
        return -ENOMEM;
    nonces->verification = *frost_key_verification(key, index);
    nonces->count = count;

    int r = make_pairs(nonces, index, share);

    if (r == 0)
        *ret_nonces = TAKE_PTR(nonces);
    return r;
}

FrostNonces *frost_nonces_free(FrostNonces *nonces)
{
    if (!nonces)
        return NULL;
    secret_free(nonces->pairs);
    free(nonces);
    return NULL;
}

unsigned frost_nonces_count(const FrostNonces *nonces)
{
    return nonces->count;
}

const FrostCommitment *frost_nonces_commitment(const FrostNonces *nonces, unsigned pair)
{
    return &nonces->commitments[pair];
}

/* The pair, if it was fresh; from here on it is nobody else's. */
static NoncePair *take_pair(FrostNonces *nonces, unsigned at)
{
    NoncePair *pair = pair_of(nonces, at);

    return atomic_exchange(&pair->fresh, false) ? pair : NULL;
}

static void wipe_pair(NoncePair **pair)
{
    if (!*pair)
        return;
    memory_wipe(&(*pair)->hiding, sizeof((*pair)->hiding));
    memory_wipe(&(*pair)->binding, sizeof((*pair)->binding));
}

#define _cleanup_pair_ _cleanup_(wipe_pair)

void frost_nonces_give_up(FrostNonces *nonces, unsigned pair)
{
    NoncePair *taken = pair < nonces->count ? take_pair(nonces, pair) : NULL;

    wipe_pair(&taken);
}

/* ---- What node and client compute alike ---- */

/* The list's form (RFC 9591 §4.3): k distinct nodes, ascending. */
static int check_request(const FrostRequest *request)
{
    for (unsigned i = 0, last = 0; i < frost_key_k(request->key); i++) {
        if (request->commitments[i].index <= last || request->commitments[i].index > frost_key_n(request->key))
            return -EINVAL;
        last = request->commitments[i].index;
    }
    return request->message_size > FROST_MESSAGE_SIZE_MAX ? -EMSGSIZE : 0;
}

/* The place of a node in the list; k if it is not there. */
static unsigned find_node(const FrostRequest *request, unsigned index)
{
    unsigned at = 0;

    while (at < frost_key_k(request->key) && request->commitments[at].index != index)
        at++;
    return at;
}

/* RFC 9591 §4.4: ρ_i = H1(PK ‖ H4(msg) ‖ H5(list) ‖ i) */
static void binding_factors(const FrostRequest *request, Ed25519Scalar *ret_factors)
{
    uint8_t digest[crypto_hash_sha512_BYTES];
    crypto_hash_sha512_state prefix, state;

    hash_start(&prefix, LABEL_H1);
    hash_point(&prefix, frost_key_public(request->key));
    hash_start(&state, LABEL_H4);
    hash_bytes(&state, request->message, request->message_size);
    crypto_hash_sha512_final(&state, digest);
    hash_bytes(&prefix, digest, sizeof(digest));
    hash_start(&state, LABEL_H5);
    for (unsigned i = 0; i < frost_key_k(request->key); i++) {
        hash_index(&state, request->commitments[i].index);
        hash_point(&state, &request->commitments[i].hiding);
        hash_point(&state, &request->commitments[i].binding);
    }
    crypto_hash_sha512_final(&state, digest);
    hash_bytes(&prefix, digest, sizeof(digest));
    for (unsigned i = 0; i < frost_key_k(request->key); i++) {
        state = prefix;
        hash_index(&state, request->commitments[i].index);
        hash_to_scalar(&state, &ret_factors[i]);
    }
}

/* D + ρE, a node's term of R. RFC 9591 §6.1 wants both points checked; E is, by being multiplied. */
static int commitment_term(const FrostCommitment *commitment, const Ed25519Scalar *factor, Ed25519Point *ret_term)
{
    Ed25519Point product;

    if (!ed25519_point_is_valid(&commitment->hiding) || ed25519_point_is_identity(&commitment->binding))
        return -EBADMSG;

    int r = ed25519_multiply(factor, &commitment->binding, &product);

    return r < 0 ? r : ed25519_add(&commitment->hiding, &product, ret_term);
}

/* RFC 9591 §4.6: c = H2(R ‖ PK ‖ msg) */
static void challenge(const FrostRequest *request, const Ed25519Point *r, Ed25519Scalar *ret_challenge)
{
    crypto_hash_sha512_state state;

    hash_start(&state, "");
    hash_point(&state, r);
    hash_point(&state, frost_key_public(request->key));
    hash_bytes(&state, request->message, request->message_size);
    hash_to_scalar(&state, ret_challenge);
}

/* c·λ_i for the node at a place of the list. */
static void weighted_challenge(const FrostRequest *request, unsigned at, const Ed25519Point *r, Ed25519Scalar *ret_weight)
{
    unsigned indices[THRESHOLD_NODES_MAX];
    Ed25519Scalar lambda;

    for (unsigned i = 0; i < frost_key_k(request->key); i++)
        indices[i] = request->commitments[i].index;
    ed25519_scalar_lagrange(indices, frost_key_k(request->key), at, 0, &lambda);
    challenge(request, r, ret_weight);
    ed25519_scalar_multiply(ret_weight, &lambda, ret_weight);
}

/* ---- A node's part ---- */

/* Is this the commitment of this very pair, made for this share? */
static bool fits_nonces(const FrostNonces *nonces, unsigned pair, const FrostKey *key, const FrostCommitment *commitment)
{
    const FrostCommitment *mine = &nonces->commitments[pair];

    return mine->index == commitment->index && ed25519_point_equal(&mine->hiding, &commitment->hiding) &&
           ed25519_point_equal(&mine->binding, &commitment->binding) &&
           ed25519_point_equal(&nonces->verification, frost_key_verification(key, mine->index));
}

/* R, for a node that knows its own nonces: what it adds itself is (d + ρe)·B, one fast multiplication. pair->hiding becomes d + ρe. */
static int signer_commitment(const FrostRequest *request, unsigned at, NoncePair *pair, Ed25519Point *ret_r)
{
    Ed25519Scalar factors[THRESHOLD_NODES_MAX];
    Ed25519Point sum, term;

    binding_factors(request, factors);
    ed25519_scalar_multiply(&pair->binding, &factors[at], &pair->binding);
    ed25519_scalar_add(&pair->hiding, &pair->binding, &pair->hiding);
    ed25519_multiply_base(&pair->hiding, &sum);
    for (unsigned i = 0; i < frost_key_k(request->key); i++)
        if (i != at && (commitment_term(&request->commitments[i], &factors[i], &term) < 0 || ed25519_add(&sum, &term, &sum) < 0))
            return FROST_E_INVALID_COMMITMENT;
    if (ed25519_point_is_identity(&sum)) /* which has no encoding: RFC 9591 §6.1, SerializeElement */
        return FROST_E_INVALID_COMMITMENT;
    *ret_r = sum;
    return 0;
}

/* z, once it is there: the nonces, which nobody will see again, hide the share. */
static Ed25519Scalar published(const FrostNonces *nonces, unsigned at)
{
    return ((const NoncePair *)(const void *)secret_declassify(nonces->pairs))[at].hiding;
}

/* RFC 9591 §5.2: z = d + ρe + λsc. Everything secret stays in the pair. */
static int sign_with(FrostNonces *nonces, unsigned number, const FrostRequest *request, unsigned at, const Secret *share,
                     FrostPartial *ret_partial)
{
    NoncePair *pair = pair_of(nonces, number);
    Ed25519Point commitment;
    Ed25519Scalar weight;
    int r = signer_commitment(request, at, pair, &commitment);

    if (r != 0)
        return r;
    weighted_challenge(request, at, &commitment, &weight);
    ed25519_scalar_multiply(ed25519_scalars_of(share), &weight, &pair->binding);
    ed25519_scalar_add(&pair->hiding, &pair->binding, &pair->hiding);
    *ret_partial = (FrostPartial){request->commitments[at].index, commitment, published(nonces, number)};
    return 0;
}

int frost_sign(FrostNonces *nonces, unsigned pair, const FrostRequest *request, unsigned index, const Secret *share,
               FrostPartial *ret_partial)
{
    if (pair >= nonces->count)
        return -EINVAL;

    _cleanup_pair_ NoncePair *taken = take_pair(nonces, pair);

    if (!taken)
        return FROST_E_NONCES_USED;

    int r = check_request(request);

    if (r < 0)
        return r;

    unsigned at = find_node(request, index);

    if (at == frost_key_k(request->key) || secret_size(share) != FROST_SHARE_SIZE)
        return -EINVAL;
    if (!fits_nonces(nonces, pair, request->key, &request->commitments[at]))
        return FROST_E_FOREIGN_NONCES;
    return sign_with(nonces, pair, request, at, share, ret_partial);
}

/* ---- The client's part ---- */

static int check_partials(const FrostKey *key, const FrostPartial *partials)
{
    uint32_t seen = 0;

    for (unsigned i = 0; i < frost_key_k(key); i++) {
        if (partials[i].index == 0 || partials[i].index > frost_key_n(key) || (seen & 1U << (partials[i].index - 1)))
            return -EINVAL;
        seen |= 1U << (partials[i].index - 1);
    }
    return 0;
}

int frost_combine(const FrostKey *key, const void *message, size_t message_size, const FrostPartial *partials,
                  uint8_t ret_signature[FROST_SIGNATURE_SIZE])
{
    uint8_t signature[FROST_SIGNATURE_SIZE];
    Ed25519Scalar z = {0};
    int r = check_partials(key, partials);

    if (r < 0)
        return r;
    if (message_size > FROST_MESSAGE_SIZE_MAX)
        return -EMSGSIZE;
    for (unsigned i = 0; i < frost_key_k(key); i++) {
        if (!ed25519_point_equal(&partials[i].r, &partials[0].r))
            return FROST_E_COMMITMENTS_DIFFER;
        if (!ed25519_scalar_is_canonical(&partials[i].z))
            return FROST_E_INVALID_SIGNATURE;
        ed25519_scalar_add(&z, &partials[i].z, &z);
    }
    memcpy(signature, partials[0].r.bytes, sizeof(partials[0].r.bytes));
    memcpy(signature + ED25519_POINT_SIZE, z.bytes, sizeof(z.bytes));
    r = frost_verify(key, message, message_size, signature, sizeof(signature));
    if (r == 0)
        memcpy(ret_signature, signature, sizeof(signature));
    return r;
}

/* The nodes' terms of R, and R. A node whose commitment is not of the group goes into `ret_bad`; R is then of no use. */
static void commitment_terms(const FrostRequest *request, Ed25519Point *ret_terms, Ed25519Point *ret_r, uint32_t *ret_bad)
{
    Ed25519Scalar factors[THRESHOLD_NODES_MAX];
    Ed25519Point sum = ed25519_identity;
    uint32_t bad = 0;

    binding_factors(request, factors);
    for (unsigned i = 0; i < frost_key_k(request->key); i++)
        if (commitment_term(&request->commitments[i], &factors[i], &ret_terms[i]) < 0 || ed25519_add(&sum, &ret_terms[i], &sum) < 0)
            bad |= 1U << (request->commitments[i].index - 1);
    *ret_r = sum;
    *ret_bad = bad;
}

int frost_group_commitment(const FrostRequest *request, Ed25519Point *ret_r)
{
    Ed25519Point terms[THRESHOLD_NODES_MAX], sum;
    uint32_t bad;
    int r = check_request(request);

    if (r < 0)
        return r;
    commitment_terms(request, terms, &sum, &bad);
    if (bad != 0 || ed25519_point_is_identity(&sum))
        return FROST_E_INVALID_COMMITMENT;
    *ret_r = sum;
    return 0;
}

/* RFC 9591 §5.4: R is the one computed here, and z·B = D + ρE + c·λ·PK_i. */
static bool partial_is_honest(const FrostRequest *request, unsigned at, const Ed25519Point *term, const Ed25519Point *r,
                              const FrostPartial *partial)
{
    Ed25519Scalar weight;
    Ed25519Point left, right;

    if (!ed25519_point_equal(&partial->r, r) || !ed25519_scalar_is_canonical(&partial->z))
        return false;
    weighted_challenge(request, at, r, &weight);
    ed25519_multiply_base(&partial->z, &left);
    return ed25519_multiply(&weight, frost_key_verification(request->key, partial->index), &right) == 0 &&
           ed25519_add(term, &right, &right) == 0 && ed25519_point_equal(&left, &right);
}

static int check_blame(const FrostRequest *request, const FrostPartial *partials, unsigned count)
{
    uint32_t seen = 0;
    int r = check_request(request);

    if (r < 0)
        return r;
    if (count > frost_key_k(request->key))
        return -EINVAL;
    for (unsigned i = 0; i < count; i++) {
        unsigned at = find_node(request, partials[i].index);

        if (at == frost_key_k(request->key) || (seen & 1U << at))
            return -EINVAL;
        seen |= 1U << at;
    }
    return 0;
}

int frost_find_liars(const FrostRequest *request, const FrostPartial *partials, unsigned count, uint32_t *ret_liars)
{
    Ed25519Point terms[THRESHOLD_NODES_MAX], sum;
    uint32_t liars;
    int r = check_blame(request, partials, count);

    if (r < 0)
        return r;
    commitment_terms(request, terms, &sum, &liars);
    if (liars == 0)
        for (unsigned i = 0; i < count; i++) {
            unsigned at = find_node(request, partials[i].index);

            if (!partial_is_honest(request, at, &terms[at], &sum, &partials[i]))
                liars |= 1U << (partials[i].index - 1);
        }
    *ret_liars = liars;
    return 0;
}
