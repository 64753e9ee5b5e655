/*
 * Keys that nobody ever held: n nodes make the shares of an Ed25519 key among themselves (Pedersen's key generation with proofs of
 * possession: Komlo, Goldberg, "FROST: Flexible Round-Optimized Schnorr Threshold Signatures", 2020, figure 1), and later make new shares
 * of the same key, which do not fit together with the old (refresh: the same with polynomials whose constant term is zero).
 *
 * Each node has one FrostDkg for each run. In this order:
 *   1. frost_dkg_new() or frost_dkg_new_refresh(); frost_dkg_vector() and frost_dkg_proof() go to all
 *   2. frost_dkg_accept_vector() for each of the n-1 peers
 *   3. frost_dkg_evaluation() for each peer, sealed to it; frost_dkg_accept_evaluation() for each peer
 *   4. frost_dkg_finish(); nobody stores the result before all have agreed on the hash of everything that was sent
 * Calls out of order are refused, and a run in which some peer cheated cannot be finished: every function after that gives the same error.
 *
 * That all nodes see the same vectors, that peers are who they claim, and that evaluations are sealed is the caller's part. Call
 * ed25519_group_init() before anything else here. Not thread-safe. The polynomial and all sums are in locked memory.
 */
#pragma once

#include <stdint.h>

#include "base/bytes.h"
#include "base/secret.h"
#include "threshold/frost.h"

#define FROST_DKG_PROOF_SIZE       64
#define FROST_DKG_EVALUATION_SIZE  ED25519_SCALAR_SIZE
#define FROST_DKG_CONTEXT_SIZE_MAX 255

typedef enum FrostDkgError {
    FROST_DKG_E_OK,
    FROST_DKG_E_VECTOR_SIZE,        /* a peer's vector has not exactly k points */
    FROST_DKG_E_INVALID_POINT,      /* a peer's vector has something that is not a point of the group, the identity included */
    FROST_DKG_E_CONSTANT_TERM,      /* refresh: a peer's polynomial does not begin with zero, it would change the key */
    FROST_DKG_E_INVALID_PROOF,      /* a peer does not know its constant term, or proved it for another index or run */
    FROST_DKG_E_INVALID_EVALUATION, /* a peer's evaluation has the wrong size or encoding, or is not on the polynomial of its vector */
    FROST_DKG_E_INVALID_SHARE,      /* refresh: the old share does not fit its verification value */
    FROST_DKG_E_DEGENERATE,         /* the key or some node's share is zero, which does not happen to honest nodes */
    FROST_DKG_E_MAX,
} FrostDkgError;

typedef struct FrostDkg FrostDkg;

typedef struct FrostDkgParameters {
    unsigned n, k;
    unsigned index; /* of this node */
    /* What the proofs are bound to besides the index: the hash of the run's session id and roster, say. At most
     * FROST_DKG_CONTEXT_SIZE_MAX bytes, different for each run; copied. */
    Bytes context;
} FrostDkgParameters;

/* Draw a polynomial of degree k-1 and commit to it.
 * Errors: -EINVAL parameters; -EPERM memory cannot be locked; -ENOMEM; -EIO no randomness. */
int frost_dkg_new(const FrostDkgParameters *parameters, FrostDkg **ret_dkg) _must_check_;

/* The same to refresh a key: n and k are the old key's, the constant term is zero. There is nothing to prove in a refresh: the context is
 * not used. The old key is only read here. Errors: as frost_dkg_new(). */
int frost_dkg_new_refresh(const FrostDkgParameters *parameters, const FrostKey *old_key, FrostDkg **ret_dkg) _must_check_;

/* Wipes the polynomial and all that came in. */
FrostDkg *frost_dkg_free(FrostDkg *dkg);
DEFINE_CLEANUP(FrostDkg, frost_dkg_free)
#define _cleanup_frost_dkg_ _cleanup_(frost_dkg_freep)

/* The peer whose message ended the run, 0 if none did: calls about other peers give its error, too. */
unsigned frost_dkg_cheater(const FrostDkg *dkg);

/* This node's Feldman vector: k points, 32 bytes each; in a refresh the first is the identity (01 00 … 00). */
const Bytes *frost_dkg_vector(const FrostDkg *dkg);

/* This node's proof of possession of its constant term a: R ‖ μ with R = r·B, μ = r + a·c, 64 bytes; empty in a refresh. The challenge c is
 * SHA-512("FROST-ED25519-SHA512-v1dkg" ‖ index ‖ a·B ‖ R ‖ context) mod L, the index as a 32-byte scalar; only the last part varies in
 * length. With an empty context it is what the Zcash Foundation's FROST library computes. */
const Bytes *frost_dkg_proof(const FrostDkg *dkg);

/* Check and keep a peer's vector and proof (empty in a refresh), once for each peer.
 * Errors: FROST_DKG_E_VECTOR_SIZE, FROST_DKG_E_INVALID_POINT, FROST_DKG_E_CONSTANT_TERM, FROST_DKG_E_INVALID_PROOF: the peer cheats;
 * -EINVAL the peer's index is this node's or out of range; -EALREADY it has been accepted; -ENOMEM. */
int frost_dkg_accept_vector(FrostDkg *dkg, unsigned peer, const Bytes *vector, const Bytes *proof) _must_check_;

/* This node's polynomial at `peer`: 32 bytes, secret, for that peer only. Not before all vectors are in.
 * Errors: -EINVAL the peer's index; -EAGAIN some vector is missing; -EPERM. */
int frost_dkg_evaluation(const FrostDkg *dkg, unsigned peer, Secret **ret_evaluation) _must_check_;

/* Check a peer's evaluation at this node's index against its vector, and add it up. Once for each peer. `evaluation` is secret.
 * Errors: FROST_DKG_E_INVALID_EVALUATION: the peer cheats; -EINVAL the peer's index; -EAGAIN some vector is missing; -EALREADY. */
int frost_dkg_accept_evaluation(FrostDkg *dkg, unsigned peer, const Secret *evaluation) _must_check_;

typedef struct FrostDkgResult {
    Bytes public_key;   /* 32 bytes; in a refresh the old one */
    Bytes verification; /* PK_1, …, PK_n, 32 bytes each */
    Secret *share;      /* this node's, 32 bytes */
} FrostDkgResult;

void frost_dkg_result_clear(FrostDkgResult *result);
#define _cleanup_frost_dkg_result_ _cleanup_(frost_dkg_result_clear)

/* Key, verification values and share, the same key and values on all honest nodes. The polynomial stays until frost_dkg_free(): peers may
 * still wait for their evaluations. `old_share` is secret: this node's share of the old key in a refresh, otherwise NULL.
 * Errors: FROST_DKG_E_DEGENERATE; FROST_DKG_E_INVALID_SHARE; -EINVAL an old share without refresh or the reverse; -EAGAIN some
 * vector or evaluation is missing; -ENOMEM; -EPERM. */
int frost_dkg_finish(const FrostDkg *dkg, const Secret *old_share, FrostDkgResult *ret_result) _must_check_;
