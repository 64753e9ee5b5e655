/*
 * Commitments: the stock of a connection: what its node has committed to on it (frost.h), per key, in the order it came. Each is for one
 * signature; they go with the connection. For whoever has the connection.
 */
#pragma once

#include "base/clock.h"
#include "quorum/quorum.h"
#include "threshold/frost-encoding.h"

#define COMMITMENTS_MAX      8 /* of one key, on one connection */
#define COMMITMENTS_KEYS_MAX 8 /* on one connection; the one not used for longest makes room for another */

typedef struct Connection Connection;
typedef struct Commitments Commitments;

typedef enum CommitmentsError {
    COMMITMENTS_E_OK,
    COMMITMENTS_E_FOREIGN,  /* of another node, or no commitments at all */
    COMMITMENTS_E_REPEATED, /* the node has handed it out before: who signs twice with one gives his share away */
    COMMITMENTS_E_MAX,
} CommitmentsError;

/* Put what the node sent into the stock; what has no room in it is dropped. Nothing is added on error. Errors: CommitmentsError; -ENOMEM.
 */
int commitments_add(Quorum *quorum, Connection *connection, const KeyId *key, const Bytes *bytes) _must_check_;
unsigned commitments_count(const Connection *connection, const KeyId *key);
/* The oldest; it is in the stock no longer. False: there is none. */
bool commitments_take(Connection *connection, const KeyId *key, FrostCommitment *ret_commitment);
/* The node knows them no more. */
void commitments_forget(Connection *connection, const KeyId *key);
Commitments *commitments_free(Commitments *commitments);

/* ---- For peer.h ------------------------------------------------------------------------------------------------------ */

#define COMMITMENTS_SEEN_SETS 128
#define COMMITMENTS_SEEN_WAYS 8

/* Fingerprints of what a node has handed out of late, on whichever connection: about a thousand. */
typedef struct CommitmentsSeen {
    uint64_t of[COMMITMENTS_SEEN_SETS][COMMITMENTS_SEEN_WAYS];
    uint8_t oldest[COMMITMENTS_SEEN_SETS];
} CommitmentsSeen;
