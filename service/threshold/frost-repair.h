/*
 * A lost share made anew by k other nodes, none of which learns it (Stinson, Wei, "Combinatorial repairability for threshold schemes",
 * 2018, the enrolment protocol; also the Zcash Foundation's FROST library). Helper i of the set S splits ζ_i·s_i, where ζ_i is the Lagrange
 * coefficient at the lost index, into k random parts, one for each helper; each adds up what it got; the sums add up to the share.
 *
 * Here each helper also commits to its parts, so that every one that cheats is found: the commitments must add up to ζ_i·PK_i, and each
 * part and each sum must fit them.
 *
 *   a helper          frost_repair_split(): the vector goes to all helpers and to the node that lost its share, the part for helper j
 *                     sealed to j; frost_repair_check_vector() and frost_repair_check_part() for each; frost_repair_sum(), sealed to the
 *                     node that lost its share
 *   who lost a share  frost_repair_check_vector() for each; frost_repair_finish()
 *
 * That all see the same vectors, that peers are who they claim, and that parts and sums are sealed is the caller's part. Call
 * ed25519_group_init() before anything else here. Thread-safe.
 */
#pragma once

#include <stdint.h>

#include "base/bytes.h"
#include "base/secret.h"
#include "threshold/frost.h"

typedef enum FrostRepairError {
    FROST_REPAIR_E_OK,
    FROST_REPAIR_E_INVALID_VECTOR, /* a helper's vector has not k points of the group, or they do not add up to what is its to give */
    FROST_REPAIR_E_INVALID_PART,   /* a helper's part has the wrong size or encoding, or is not what it committed to */
    FROST_REPAIR_E_INVALID_SUM,    /* a helper's sum has the wrong size or encoding, or is not the sum of what all committed to */
    FROST_REPAIR_E_INVALID_SHARE,  /* the sums are no share of this key: some vector was not checked */
    FROST_REPAIR_E_MAX,
} FrostRepairError;

/* What all taking part agree on. Nothing in it is owned. */
typedef struct FrostRepair {
    const FrostKey *key;
    unsigned lost;           /* index of the node whose share is to be made anew */
    const unsigned *helpers; /* indices of exactly k others, ascending */
} FrostRepair;

/* Vectors and sums are in the order of the helpers. */

typedef struct FrostRepairParts {
    Bytes vector;                       /* the commitments: k points, 32 bytes each */
    Secret *parts[THRESHOLD_NODES_MAX]; /* the first k: 32 bytes each; parts[j] is for helpers[j] only, one's own among them */
} FrostRepairParts;

void frost_repair_parts_clear(FrostRepairParts *parts);
#define _cleanup_frost_repair_parts_ _cleanup_(frost_repair_parts_clear)

/* Split what the helper `index` has to give. `share` is secret. Errors: -EINVAL the repair's indices, `index` is no helper, or the share's
 * size; -EPERM memory cannot be locked; -ENOMEM; -EIO no randomness. */
int frost_repair_split(const FrostRepair *repair, unsigned index, const Secret *share, FrostRepairParts *ret_parts) _must_check_;

/* Check the vector of the helper `index`. Errors: FROST_REPAIR_E_INVALID_VECTOR; -EINVAL the repair's indices, or `index` is no helper. */
int frost_repair_check_vector(const FrostRepair *repair, unsigned index, const Bytes *vector) _must_check_;

/* Does the part that the helper `to` got fit the vector that came with it, which has been checked? `part` is secret.
 * Errors: FROST_REPAIR_E_INVALID_PART; -EINVAL the repair's indices, `to` is no helper, or the vector's size. */
int frost_repair_check_part(const FrostRepair *repair, unsigned to, const Bytes *vector, const Secret *part) _must_check_;

/* Add up k parts, each checked. `parts` and the sum are secret. Errors: -EINVAL the repair's indices, or a part's size or
 * encoding; -EPERM. */
int frost_repair_sum(const FrostRepair *repair, const Secret *const *parts, Secret **ret_sum) _must_check_;

/* Does the sum of the helper `index` fit the k vectors, which have been checked? `sum` is secret.
 * Errors: FROST_REPAIR_E_INVALID_SUM; -EINVAL the repair's indices, `index` is no helper, or a vector's size. */
int frost_repair_check_sum(const FrostRepair *repair, unsigned index, const Bytes *vectors, const Secret *sum) _must_check_;

/* The lost share from k sums, each checked; it fits PK_lost. `sums` and the share are secret. Errors: FROST_REPAIR_E_INVALID_SHARE; -EINVAL
 * the repair's indices, or a sum's size; -EPERM. */
int frost_repair_finish(const FrostRepair *repair, const Secret *const *sums, Secret **ret_share) _must_check_;
