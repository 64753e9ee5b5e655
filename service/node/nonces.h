/*
 * The stock of nonces: the pairs of which this node has handed out the commitments, each for one connection and one key (docs/protocol.md
 * "The mathematics of Ed25519 keys"). A pair leaves the stock before anything is done with it, and comes back never. They are in locked
 * memory only, and go with their connection and their key. With the floor only (crew.h), except where it says so.
 */
#pragma once

#include "node/keys.h"
#include "threshold/frost-encoding.h"
#include "threshold/frost.h"

typedef struct Node Node;
struct Client;

#define NONCES_PAIRS_MAX      58   /* in a batch: they fill a page of locked memory */
#define NONCES_CONNECTION_MAX 128  /* batches of a connection */
#define NONCES_MAX            1024 /* of all: 4 MiB of the 8 that the unit may lock */

/* Pairs that were made together: a page, until the last of them has been used. */
typedef struct NonceBatch NonceBatch;

/* Of a connection. */
typedef struct NonceStock {
    NonceBatch *oldest, *newest;
    unsigned n; /* batches */
} NonceStock;

/* Keep the pairs, which are of `key`, for this connection. Where there are too many, the oldest go: of this connection if it has any. Takes
 * `*pairs` over, also on failure. Errors: -ENOSPC too many are just being used; -ENOMEM. */
int nonces_put(Node *node, struct Client *client, Key *key, FrostNonces **pairs) _must_check_;

/* A pair that left the stock. */
typedef struct NoncePair {
    NonceBatch *batch; /* NULL: none */
    unsigned number;
} NoncePair;

/* Take out the pair with this commitment, whatever key it is of. false: this connection has none. */
bool nonces_take(struct Client *client, const FrostCommitment *commitment, NoncePair *ret_pair);
/* For frost_sign(), without the floor; the key that it is of. */
FrostNonces *nonce_pair_of(const NoncePair *pair);
const Key *nonce_pair_key(const NoncePair *pair);
/* It is given up if it was not used. */
void nonce_pair_clear(NoncePair *pair);
#define _cleanup_nonce_pair_ _cleanup_(nonce_pair_clear)
/* Hand it over. */
NoncePair nonce_pair_move(NoncePair *pair);

/* Wipe what a connection has; what any has of this key. */
void nonces_forget_client(struct Client *client);
void nonces_forget_key(Node *node, const Key *key);
