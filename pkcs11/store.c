#include "pkcs11/store.h"

#include <errno.h>
#include <string.h>

static int compare_ids(const KeyId *a, const KeyId *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

static void drop_object(Store *store, CK_OBJECT_HANDLE *handle)
{
    if (*handle == 0)
        return;
    object_unref(handle_remove(&store->objects, *handle));
    *handle = 0;
}

static void drop_entry(Store *store, StoreEntry *entry)
{
    for (KeyRole role = 0; role < ROLE_MAX; role++)
        drop_object(store, &entry->handles[role]);
    quorum_key_unref(entry->key);
}

void store_clear(Store *store)
{
    size_t cursor = 0;
    Object *object;

    for (size_t i = 0; i < store->n_entries; i++)
        quorum_key_unref(store->entries[i].key);
    while ((object = handle_next(&store->objects, &cursor)))
        object_unref(object);
    handle_table_clear(&store->objects);
    free(store->entries);
    *store = (Store){0};
}

/* Put `object` (taken over) behind `*handle`, which stays what it is if it is something already. */
static int place_object(Store *store, CK_OBJECT_HANDLE *handle, Object *object)
{
    if (*handle != 0) {
        object->handle = *handle;
        object_unref(handle_replace(&store->objects, *handle, object));
        return 0;
    }
    object->handle = handle_add(&store->objects, object);
    if (object->handle == 0) {
        object_unref(object);
        return -ENOMEM;
    }
    *handle = object->handle;
    return 0;
}

/* A key of a type that this module does not know, or is told not to show, is none. */
static bool is_hidden(const Store *store, const QuorumKey *key, KeyRole role)
{
    const KeyType *type = key_type_by_algorithm(quorum_key_header(key)->parameters.algorithm);

    return !type || !key_type_shown(type, store->roster) || (role == ROLE_PUBLIC && quorum_key_record(key)->public_hidden);
}

static int refresh_object(Store *store, StoreEntry *entry, KeyRole role)
{
    Object *object;
    int r;

    if (is_hidden(store, entry->key, role)) {
        drop_object(store, &entry->handles[role]);
        return 0;
    }
    r = object_of_key(store->roster, entry->key, role, &object);
    return r < 0 ? r : place_object(store, &entry->handles[role], object);
}

/* Make the entry one of `key`. A key's changes make a new QuorumKey, so the same pointer means nothing changed. */
static int refresh_entry(Store *store, StoreEntry *entry, QuorumKey *key)
{
    if (entry->key == key && entry->complete)
        return 0;
    quorum_key_ref(key);
    quorum_key_unref(entry->key);
    entry->key = key;
    entry->complete = false;
    for (KeyRole role = 0; role < ROLE_MAX; role++) {
        int r = refresh_object(store, entry, role);

        if (r < 0)
            return r;
    }
    entry->complete = true;
    return 0;
}

/* Another generation of it (quorum.h): the same for applications. */
static bool is_same_key(const QuorumKey *a, const QuorumKey *b)
{
    return header_same_key(quorum_key_header(a), quorum_key_header(b));
}

/* Move the entries of keys that stay into `entries`, and those of the others to the front of the store's. How many are those? */
static size_t match_entries(Store *store, QuorumKey *const *keys, size_t n_keys, StoreEntry *entries)
{
    size_t old = 0, n_gone = 0;

    for (size_t i = 0; i < n_keys; i++) {
        while (old < store->n_entries && compare_ids(quorum_key_id(store->entries[old].key), quorum_key_id(keys[i])) < 0)
            store->entries[n_gone++] = store->entries[old++];
        if (old < store->n_entries && key_id_equal(quorum_key_id(store->entries[old].key), quorum_key_id(keys[i])))
            entries[i] = store->entries[old++];
    }
    while (old < store->n_entries)
        store->entries[n_gone++] = store->entries[old++];
    return n_gone;
}

/* A new generation has the handles of the one that is gone, which applications go on using. */
static void inherit(StoreEntry *entry, const QuorumKey *key, StoreEntry *gone, size_t *n_gone)
{
    for (size_t i = 0; i < *n_gone; i++)
        if (is_same_key(gone[i].key, key)) {
            *entry = gone[i];
            gone[i] = gone[--*n_gone];
            return;
        }
}

int store_sync(Store *store, QuorumKey *const *keys, size_t n_keys)
{
    StoreEntry *entries = calloc(n_keys + 1, sizeof(*entries));
    size_t n_gone;
    int result = 0;

    if (!entries)
        return -ENOMEM;
    n_gone = match_entries(store, keys, n_keys, entries);
    for (size_t i = 0; i < n_keys; i++) {
        if (!entries[i].key)
            inherit(&entries[i], keys[i], store->entries, &n_gone);

        int r = refresh_entry(store, &entries[i], keys[i]);

        if (r < 0)
            result = r;
    }
    for (size_t i = 0; i < n_gone; i++)
        drop_entry(store, &store->entries[i]);
    free(store->entries);
    store->entries = entries;
    store->n_entries = n_keys;
    return result;
}

/* Where the key's entry is, or would be. */
static size_t position_of(const Store *store, const KeyId *id, bool *ret_found)
{
    size_t low = 0, high = store->n_entries;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_ids(quorum_key_id(store->entries[middle].key), id);

        if (order == 0) {
            *ret_found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *ret_found = false;
    return low;
}

static int make_room(Store *store, size_t at)
{
    StoreEntry *entries = realloc(store->entries, (store->n_entries + 1) * sizeof(*entries));

    if (!entries)
        return -ENOMEM;
    store->entries = entries;
    memmove(&entries[at + 1], &entries[at], (store->n_entries - at) * sizeof(*entries));
    entries[at] = (StoreEntry){0};
    store->n_entries++;
    return 0;
}

int store_put(Store *store, QuorumKey *key)
{
    bool found;
    size_t at = position_of(store, quorum_key_id(key), &found);
    int r;

    store->changes++;
    if (!found) {
        r = make_room(store, at);
        if (r < 0)
            return r;
    }
    return refresh_entry(store, &store->entries[at], key);
}

const StoreEntry *store_find(const Store *store, const KeyId *id)
{
    bool found;
    size_t at = position_of(store, id, &found);

    return found ? &store->entries[at] : NULL;
}

/* Only the handle is left of it, and one C_DestroyObject. */
static void leave_ghost(Store *store, CK_OBJECT_HANDLE *handle)
{
    const Object *object = handle_get(&store->objects, *handle);
    Object *ghost;

    if (!object)
        return;
    if (object_copy(object, &ghost) < 0) {
        drop_object(store, handle);
        return;
    }
    ghost->destroyed = true;
    (void)place_object(store, handle, ghost);
    *handle = 0;
}

void store_key_destroyed(Store *store, const KeyId *id)
{
    bool found;
    size_t at = position_of(store, id, &found);

    store->changes++;
    if (!found)
        return;
    leave_ghost(store, &store->entries[at].handles[ROLE_PUBLIC]);
    drop_entry(store, &store->entries[at]);
    store->n_entries--;
    memmove(&store->entries[at], &store->entries[at + 1], (store->n_entries - at) * sizeof(*store->entries));
}

int store_add(Store *store, Object *object, CK_SESSION_HANDLE session)
{
    object->session = session;
    object->handle = handle_add(&store->objects, object);
    if (object->handle == 0)
        return -ENOMEM;
    (void)snprintf(object->unique_id, sizeof(object->unique_id), "session-%lu-%lu", session, object->handle);
    return 0;
}

void store_replace(Store *store, const Object *object, Object *changed)
{
    changed->handle = object->handle;
    changed->session = object->session;
    memcpy(changed->unique_id, object->unique_id, sizeof(changed->unique_id));
    object_unref(handle_replace(&store->objects, changed->handle, changed));
}

Object *store_get(const Store *store, CK_OBJECT_HANDLE handle)
{
    return handle_get(&store->objects, handle);
}

void store_remove(Store *store, CK_OBJECT_HANDLE handle)
{
    object_unref(handle_remove(&store->objects, handle));
}

Object *store_next(const Store *store, size_t *cursor)
{
    Object *object;

    do
        object = handle_next(&store->objects, cursor);
    while (object && object->destroyed);
    return object;
}

void store_session_closed(Store *store, CK_SESSION_HANDLE session)
{
    size_t cursor = 0;
    const Object *object;

    while ((object = handle_next(&store->objects, &cursor)))
        if (object->session == session)
            store_remove(store, object->handle);
}

void store_logged_out(Store *store)
{
    size_t cursor = 0;
    const Object *object;

    while ((object = handle_next(&store->objects, &cursor)))
        if (object->session != 0 && object_is_private(object))
            store_remove(store, object->handle);
}
