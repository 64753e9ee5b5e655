/*
 * The state directory: what a node must not forget. Everything is written whole or not at all (base/file.h), so kill -9 or a power cut at
 * any point leaves each key wholly there or wholly absent.
 *
 *   format                   "keyquorum node state 1"
 *   token.json               the token this node is part of, with its PIN verifiers
 *   clients.json             the authorized clients
 *   peers.json               the other nodes of the token
 *   failures/CLIENT.json     wrong PINs in a row of that client
 *   keys/ID.share            the sealed share as it came
 *   keys/ID.record           what else is known of the key, and the SHA-256 of its share file
 *   keys/ID.tombstone        the key is destroyed; this file wins over the others
 *   keys/ID.set-aside        a share without a record, found at a start
 *
 * A key is stored share first, record second, and removed record first: a share without a record is an unfinished preparation or
 * removal. It may also be that a real key has lost its record, so the share is set aside at the next start, where it harms nothing, and
 * taken back when a start finds the record. One that was set aside is not replaced by another. Functions that write may be called from one
 * thread per kind of file (token, clients, peers and failures; keys).
 */
#pragma once

#include <stdbool.h>

#include "base/problem.h"
#include "node/clients.h"
#include "node/peers.h"
#include "share/sealed.h"
#include "wire/node-interface.h"

typedef struct Store Store;

/* Open and lock the directory; make it if it does not exist or holds nothing of a node yet; clear away temporary files. With
 * `group_readable` the loader, another user of the node's group, may read the shares.
 * Errors: -EBUSY another node uses it; -EPROTONOSUPPORT another format; -errno. The problem says what to do. */
int store_open(const char *path, bool group_readable, Store **ret_store, Problem *problem) _must_check_;
Store *store_close(Store *store);
DEFINE_CLEANUP(Store, store_close)
#define _cleanup_store_ _cleanup_(store_closep)
/* A directory could not be synced: nobody knows which of two states a crash would leave, and the one in memory may be neither. Whoever
 * holds the store must stop and begin with what is on the disk. From any thread. */
bool store_in_doubt(const Store *store);

/* ---- The token ------------------------------------------------------------------------------------------------------ */

typedef struct StoredToken {
    Bytes token; /* NODE_TOKEN_SIZE bytes; empty: part of no token yet */
    uint64_t index, n, k;
    uint64_t pin_version;
    Bytes verifier;
    uint64_t next_pin_version; /* 0: none prepared */
    Bytes next_verifier;
} StoredToken;

void stored_token_clear(StoredToken *token);
#define _cleanup_stored_token_ _cleanup_(stored_token_clear)

/* An empty token if there is none. Errors: -EBADMSG damaged: the node must not start, the problem says what to do; -errno. */
int store_read_token(const Store *store, StoredToken *ret_token, Problem *problem) _must_check_;
int store_write_token(Store *store, const StoredToken *token, Problem *problem) _must_check_;

/* ---- Clients and peers -------------------------------------------------------------------------------------------------- */

/* Empty tables if there are none. Errors: -EBADMSG damaged: the node must not start, the problem says what to do; -errno. */
int store_read_clients(const Store *store, Clients *ret_clients, Problem *problem) _must_check_;
int store_write_clients(Store *store, const Clients *clients, Problem *problem) _must_check_;
int store_read_peers(const Store *store, Peers *ret_peers, Problem *problem) _must_check_;
int store_write_peers(Store *store, const Peers *peers, Problem *problem) _must_check_;

/* ---- Wrong PINs in a row ---------------------------------------------------------------------------------------------- */

#define STORE_FAILURES_DAMAGED UINT64_MAX /* nobody knows how many: counts as locked */

/* Call `found` for each client that has failures. Errors: -errno. */
int store_read_failures(const Store *store, int (*found)(void *userdata, const char *client, uint64_t failures), void *userdata,
                        Problem *problem) _must_check_;
/* Durable when it returns; 0 forgets them. Errors: -errno. */
int store_write_failures(Store *store, const char *client, uint64_t failures, Problem *problem) _must_check_;

/* ---- Keys ------------------------------------------------------------------------------------------------------------- */

typedef struct StoredKey {
    KeyId id;
    bool destroyed;  /* then nothing else is known */
    bool set_aside;  /* its share was, right now: it is no key of this node; nothing else is known */
    bool is_second;  /* (only with set_aside) it was not: another one was before, and both stay where they are */
    char *damage;    /* why the key cannot be used, in words; NULL: it can */
    bool has_record; /* false (only with damage): record and activation are unknown */
    NodeRecord record;
    bool locked;      /* it signs only while an operator has unlocked it */
    Bytes activation; /* empty: pending */
    Bytes share_hash; /* SHA-256 of the share file */
    Bytes common;     /* the common header; empty if the share file is damaged */
} StoredKey;

void stored_key_clear(StoredKey *key);
#define _cleanup_stored_key_ _cleanup_(stored_key_clear)

/* Finish what a crash interrupted, then call `found` for each key; it may take what `key` owns. Errors: -errno; what `found` returned. */
int store_read_keys(Store *store, int (*found)(void *userdata, StoredKey *key), void *userdata, Problem *problem) _must_check_;

/* Store a new key: its sealed share, then its record (key->record, activation; the hash is made here, into key->share_hash). After
 * failure nothing is left behind. Errors: -EEXIST; -errno. */
int store_add_key(Store *store, StoredKey *key, const Bytes *sealed, Problem *problem) _must_check_;
/* Replace the record file. Errors: -errno. */
int store_write_record(Store *store, const StoredKey *key, Problem *problem) _must_check_;
/* Remove record and share. Errors: -errno. */
int store_remove_key(Store *store, const KeyId *id, Problem *problem) _must_check_;
/* And a share that was set aside: with a tombstone, nothing of the key is kept. Errors: -errno. */
int store_remove_destroyed(Store *store, const KeyId *id, Problem *problem) _must_check_;
/* Write the tombstone; durable when this returns 0. Errors: -errno: the key is as it was. */
int store_write_tombstone(Store *store, const KeyId *id, const char *client, Problem *problem) _must_check_;
