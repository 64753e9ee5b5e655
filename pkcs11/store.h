/*
 * The objects of one application: those of the token's keys, kept in step with what the quorum knows, and those of sessions.
 * The caller holds the token's lock; objects are owned by the store and have to be ref'd before the lock is dropped.
 */
#pragma once

#include "pkcs11/handle.h"
#include "pkcs11/object.h"

typedef struct StoreEntry {
    QuorumKey *key;
    CK_OBJECT_HANDLE handles[ROLE_MAX]; /* 0: no such object (a hidden public key, a key that is not shown) */
    bool complete;                      /* the objects are those of `key`; false after memory ran out */
} StoreEntry;

typedef struct Store {
    const Roster *roster;
    HandleTable objects;
    StoreEntry *entries; /* in order of key id */
    size_t n_entries;
    uint64_t changes; /* made by this process; a list of keys that was asked for before one is not to be believed */
} Store;

void store_clear(Store *store);

/* Make the token's objects those of `keys` (in order of key id). Handles of keys that stay are kept. Errors: -ENOMEM (what could
 * be done is done). */
int store_sync(Store *store, QuorumKey *const *keys, size_t n_keys) _must_check_;
/* A key that this process made or changed. Errors: -ENOMEM. */
int store_put(Store *store, QuorumKey *key) _must_check_;
/* The entry of a key; NULL if there is none. */
const StoreEntry *store_find(const Store *store, const KeyId *id);
/* A key that this process destroyed. Its public half's handle stays good for one C_DestroyObject, since applications destroy both. */
void store_key_destroyed(Store *store, const KeyId *id);

/* Take over a session's object and give it a handle. Errors: -ENOMEM (then it is not taken over). */
int store_add(Store *store, Object *object, CK_SESSION_HANDLE session) _must_check_;
/* Take over `changed` in the place of `object`. */
void store_replace(Store *store, const Object *object, Object *changed);
Object *store_get(const Store *store, CK_OBJECT_HANDLE handle);
void store_remove(Store *store, CK_OBJECT_HANDLE handle);
/* The next object that is not destroyed; `*cursor` is 0 at first; NULL at the end. */
Object *store_next(const Store *store, size_t *cursor);

void store_session_closed(Store *store, CK_SESSION_HANDLE session);
/* Logged out: private objects of all sessions go. */
void store_logged_out(Store *store);
