/* The table of keys: what the node knows of each key it holds or has destroyed. With the floor only (crew.h), except where it says so. */
#pragma once

#include "keyring/keyring.h"
#include "node/lock.h"
#include "node/store.h"

typedef enum KeyState {
    KEY_PENDING,
    KEY_ACTIVE,
    KEY_UNUSABLE,
    KEY_DESTROYED,
    KEY_STATE_MAX,
} KeyState;

/* A share in the ring, ready for use. Counted, because a key may lose it while a thread still computes with it; the threads
 * only read it. */
typedef struct Loaded {
    unsigned references;
    ThresholdKey *threshold;
    KeyringShare *share;
} Loaded;

Loaded *loaded_ref(Loaded *loaded);
Loaded *loaded_unref(Loaded *loaded);
DEFINE_CLEANUP(Loaded, loaded_unref)
#define _cleanup_loaded_ _cleanup_(loaded_unrefp)

/* `stored` changes only in done() of a change in the key lane: the lane's work() may read it. */
typedef struct Key {
    unsigned references;
    StoredKey stored;
    Loaded *loaded;          /* NULL: not loaded */
    bool loading;            /* a load is on its way */
    LockWindow window;       /* of a locked key */
    uint64_t closings;       /* how often LockKey has closed it: a signature that was begun before is not given away after */
    struct SignJob *waiting; /* for the load */
    uint64_t signatures;     /* partial signatures since the start */
    uint64_t last_used;      /* seconds since 1970, for people only; 0: never */
} Key;

/* Takes what `stored` owns. NULL: no memory. */
Key *key_new(StoredKey *stored);
Key *key_ref(Key *key);
Key *key_unref(Key *key);
DEFINE_CLEANUP(Key, key_unref)

KeyState key_state(const Key *key);
const char *key_state_name(KeyState state); /* as on the wire */

/* What the activation of a key signs, and all that a pending key signs (docs/protocol.md "Activation statement"). Errors: -EIO. */
int key_activation_statement(const KeyId *id, Digest *ret_statement) _must_check_;

#define KEYS_MAX 65536 /* tombstones included: what one node is made for, many times over */

typedef struct Keys {
    Key **items; /* ascending by id; the table holds a reference of each */
    size_t n, room;
} Keys;

void keys_clear(Keys *keys);
Key *keys_find(const Keys *keys, const KeyId *id);
/* The position of the first key behind `id`; `id` NULL: 0. */
size_t keys_after(const Keys *keys, const KeyId *id);
/* Make sure that the next keys_insert() has room. Errors: -ENOMEM; -E2BIG KEYS_MAX is reached. */
int keys_reserve(Keys *keys) _must_check_;
/* Takes over the reference. Needs room. */
void keys_insert(Keys *keys, Key *key);
/* Drops the reference. */
void keys_remove(Keys *keys, const KeyId *id);
void keys_count(const Keys *keys, uint64_t ret_counts[KEY_STATE_MAX]);

/* A deep copy. Errors: -ENOMEM. */
int node_record_copy(const NodeRecord *record, NodeRecord *ret_copy) _must_check_;
bool node_record_equal(const NodeRecord *a, const NodeRecord *b);
