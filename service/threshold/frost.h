/*
 * FROST(Ed25519, SHA-512) of RFC 9591: k of n nodes make a signature that is an ordinary Ed25519 one (RFC 8032), in two rounds of which
 * the first, the commitments to nonces, happens ahead of need. 2 <= k <= n <= THRESHOLD_NODES_MAX; nodes have the indices 1..n.
 *
 *   a node    frost_nonces_new(), hands out the commitments; later frost_sign(), once for each pair
 *   a client  chooses k nodes and one commitment of each; frost_combine() with what they answer; and only if that fails
 *             frost_find_liars(), which says who is to be left out
 *
 * Whoever signs twice with the same pair of nonces has published his share: so a pair is given up before anything else is looked at, no
 * copy of it can be made, nothing writes it anywhere, and it dies with the process; a forked child has none. What none of that prevents: a
 * machine that is resumed twice from one snapshot of its running memory signs twice with a pair. The caller binds a pair to a connection.
 * Another quorum is another list of commitments and needs new pairs from every node in it.
 *
 * Everything a FrostKey holds is public; shares and nonces are Secrets. Call ed25519_group_init() before anything else here.
 */
#pragma once

#include <stdint.h>

#include "base/bytes.h"
#include "base/problem.h"
#include "base/secret.h"
#include "threshold/ed25519-group.h"
#include "threshold/threshold.h"

#define FROST_MESSAGE_SIZE_MAX (64 * 1024)
#define FROST_SIGNATURE_SIZE   64
#define FROST_SHARE_SIZE       ED25519_SCALAR_SIZE
#define FROST_PARTIAL_SIZE     (ED25519_POINT_SIZE + ED25519_SCALAR_SIZE) /* as bytes: R ‖ z_i */
#define FROST_NONCES_MAX       512                                        /* pairs in one batch; 58 of them take a page of locked memory */

typedef enum FrostError {
    FROST_E_OK,
    FROST_E_NONCES_USED,        /* this pair of nonces has been used or given up */
    FROST_E_FOREIGN_NONCES,     /* the pair was made for another key, generation or index, or the list has another commitment for it */
    FROST_E_INVALID_COMMITMENT, /* some commitment is not a point of the group */
    FROST_E_INVALID_SHARE,      /* the share does not fit the verification value */
    FROST_E_COMMITMENTS_DIFFER, /* the nodes do not agree on R: some signed something else */
    FROST_E_INVALID_SIGNATURE,  /* the sum (or the signature given) does not verify */
    FROST_E_MAX,
} FrostError;

/* ---- A public key with its verification values --------------------------------------------------------------------- */

/* `public_key`: the 32 bytes of RFC 8032. `verification`: PK_1, …, PK_n, 32 bytes each, PK_i = s_i·B. All of them are checked to be points
 * of the group, and the values to be those of one key with this threshold, so that nobody has to later (a millisecond for 3 of 5). A
 * FrostKey is immutable and may be used by many threads at once. Errors: -EINVAL n or k; -EBADMSG wrong length, not points of the group, or
 * not values of one key; -ENOMEM. */
int frost_key_new(unsigned n, unsigned k, const Bytes *public_key, const Bytes *verification, FrostKey **ret_key, Problem *problem)
    _must_check_;
FrostKey *frost_key_free(FrostKey *key);
DEFINE_CLEANUP(FrostKey, frost_key_free)
#define _cleanup_frost_key_ _cleanup_(frost_key_freep)

unsigned frost_key_n(const FrostKey *key);
unsigned frost_key_k(const FrostKey *key);
const Ed25519Point *frost_key_public(const FrostKey *key);
/* PK_index. The index is one of 1..n. */
const Ed25519Point *frost_key_verification(const FrostKey *key, unsigned index);

/* Is this `index`'s share: 32 bytes below L, s·B = PK_index? Once, when the share is loaded; frost_sign() does not look again. `share` is
 * secret. Errors: FROST_E_INVALID_SHARE; -EINVAL index. */
int frost_key_check_share(const FrostKey *key, unsigned index, const Secret *share) _must_check_;

/* ---- A node's part --------------------------------------------------------------------------------------------------- */

/* What a node commits to (RFC 9591 §5.1): D = d·B, E = e·B. On the wire it is index and both points. Never twice the same. */
typedef struct FrostCommitment {
    unsigned index; /* of the node */
    Ed25519Point hiding;
    Ed25519Point binding;
} FrostCommitment;

/* A batch of pairs of nonces in locked memory, each usable once, by one thread of many. */
typedef struct FrostNonces FrostNonces;

/* Draw `count` pairs, 1..FROST_NONCES_MAX (RFC 9591 §4.1: H3(32 bytes of getrandom(2) ‖ share)), for this share of this key: after a
 * refresh they are of no use. About 50 µs a pair. `share` is secret.
 * Errors: -EINVAL count, index, or the share's size; -EPERM memory cannot be locked; -ENOMEM; -EIO no randomness. */
int frost_nonces_new(const FrostKey *key, unsigned index, const Secret *share, unsigned count, FrostNonces **ret_nonces) _must_check_;
/* Wipes what is left. */
FrostNonces *frost_nonces_free(FrostNonces *nonces);
DEFINE_CLEANUP(FrostNonces, frost_nonces_free)
#define _cleanup_frost_nonces_ _cleanup_(frost_nonces_freep)

unsigned frost_nonces_count(const FrostNonces *nonces);
/* To be given to one client. `pair` is below the count. */
const FrostCommitment *frost_nonces_commitment(const FrostNonces *nonces, unsigned pair);
/* Wipe a pair that will not be used. */
void frost_nonces_give_up(FrostNonces *nonces, unsigned pair);

/* What k nodes sign together. Nothing in it is owned. */
typedef struct FrostRequest {
    const FrostKey *key;
    const FrostCommitment *commitments; /* exactly k, of distinct nodes, ascending by index */
    const void *message;                /* RFC 9591's msg: the message itself, not a digest; NULL if empty */
    size_t message_size;                /* at most FROST_MESSAGE_SIZE_MAX */
} FrostRequest;

/* A signature share, with the group commitment that the node computed. */
typedef struct FrostPartial {
    unsigned index;  /* of the node */
    Ed25519Point r;  /* R, the same from every honest node */
    Ed25519Scalar z; /* z_i; may be anything when it comes from the wire */
} FrostPartial;

/* Sign (RFC 9591 §5.2) for the node `index` with one pair of nonces. **The pair is marked as used before any other argument is looked at,
 * and wiped when this returns**, so after this call it is gone, whatever the answer. `share` is secret; nodes with the wrong one make
 * invalid partials. Every point of the list is checked to be in the group except the node's own, which are compared with what it made.
 * About 0.33 ms for 3 of 5. Errors: FROST_E_NONCES_USED the pair was gone already; FROST_E_FOREIGN_NONCES; FROST_E_INVALID_COMMITMENT;
 * -EINVAL the pair, the list's indices or order, or the share's size; -EMSGSIZE the message. */
int frost_sign(FrostNonces *nonces, unsigned pair, const FrostRequest *request, unsigned index, const Secret *share,
               FrostPartial *ret_partial) _must_check_;

/* ---- The client's part ----------------------------------------------------------------------------------------------- */

/* Aggregate (RFC 9591 §5.3) exactly k partials, in any order, whose R come from the nodes, and verify the result as plain Ed25519. It says
 * that something is wrong, not what: then ask frost_find_liars(). `ret_signature` is R ‖ z, written only if it verifies.
 * Errors: FROST_E_COMMITMENTS_DIFFER; FROST_E_INVALID_SIGNATURE some partial is wrong, also one that is out of range; -EINVAL repeated or
 * out-of-range indices; -EMSGSIZE. */
int frost_combine(const FrostKey *key, const void *message, size_t message_size, const FrostPartial *partials,
                  uint8_t ret_signature[FROST_SIGNATURE_SIZE]) _must_check_;

/* R, computed from the commitments (RFC 9591 §4.5). Errors: FROST_E_INVALID_COMMITMENT; -EINVAL the list; -EMSGSIZE. */
int frost_group_commitment(const FrostRequest *request, Ed25519Point *ret_r) _must_check_;

/* Which of 0..k partials of nodes in the request are not the honest answer to it: another R than the commitments make, or
 * z_i·B != D_i + ρ_i·E_i + c·λ_i·PK_i (RFC 9591 §5.4). Bit i-1 of `ret_liars` stands for node i. If commitments are not in the
 * group, their nodes are the liars, and no partial is looked at: honest nodes have refused to answer.
 * Errors: -EINVAL the list, the count, or a partial's index is not in the list or repeated; -EMSGSIZE. */
int frost_find_liars(const FrostRequest *request, const FrostPartial *partials, unsigned count, uint32_t *ret_liars) _must_check_;

/* Plain verification of a finished signature (RFC 8032 §5.1.7). Messages of any size. Errors: FROST_E_INVALID_SIGNATURE. */
int frost_verify(const FrostKey *key, const void *message, size_t message_size, const void *signature, size_t size) _must_check_;
