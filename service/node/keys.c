#include "node/keys.h"

#include <errno.h>
#include <string.h>

#include "base/crypto.h"

#define ACTIVATION_LABEL "keyquorum activate v1"

Loaded *loaded_ref(Loaded *loaded)
{
    loaded->references++;
    return loaded;
}

Loaded *loaded_unref(Loaded *loaded)
{
    if (!loaded || --loaded->references > 0)
        return NULL;
    keyring_share_freep(&loaded->share);
    threshold_key_freep(&loaded->threshold);
    free(loaded);
    return NULL;
}

Key *key_new(StoredKey *stored)
{
    Key *key = calloc(1, sizeof(*key));

    if (!key)
        return NULL;
    key->references = 1;
    key->stored = *stored;
    *stored = (StoredKey){0};
    return key;
}

Key *key_ref(Key *key)
{
    key->references++;
    return key;
}

Key *key_unref(Key *key)
{
    if (!key || --key->references > 0)
        return NULL;
    loaded_unrefp(&key->loaded);
    stored_key_clear(&key->stored);
    free(key);
    return NULL;
}

KeyState key_state(const Key *key)
{
    if (key->stored.destroyed)
        return KEY_DESTROYED;
    if (key->stored.damage)
        return KEY_UNUSABLE;
    return key->stored.activation.size > 0 ? KEY_ACTIVE : KEY_PENDING;
}

const char *key_state_name(KeyState state)
{
    static const char *const names[KEY_STATE_MAX] = {
        [KEY_PENDING] = "pending",
        [KEY_ACTIVE] = "active",
        [KEY_UNUSABLE] = "unusable",
        [KEY_DESTROYED] = "destroyed",
    };

    return names[state];
}

int key_activation_statement(const KeyId *id, Digest *ret_statement)
{
    const Bytes parts[] = {{(uint8_t *)ACTIVATION_LABEL, sizeof(ACTIVATION_LABEL) - 1}, {(uint8_t *)id->bytes, KEY_ID_SIZE}};
    uint8_t hash[SHA256_SIZE];
    int r = crypto_sha256(parts, ELEMENTS(parts), hash);

    return r < 0 ? r : digest_set(HASH_SHA256, hash, sizeof(hash), ret_statement);
}

void keys_clear(Keys *keys)
{
    for (size_t i = 0; i < keys->n; i++)
        (void)key_unref(keys->items[i]);
    free(keys->items);
    *keys = (Keys){0};
}

static int compare(const Key *key, const KeyId *id)
{
    return memcmp(key->stored.id.bytes, id->bytes, KEY_ID_SIZE);
}

/* The position of the first key that is not before `id`. */
static size_t position(const Keys *keys, const KeyId *id)
{
    size_t low = 0, high = keys->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (compare(keys->items[middle], id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

Key *keys_find(const Keys *keys, const KeyId *id)
{
    size_t at = position(keys, id);

    return at < keys->n && compare(keys->items[at], id) == 0 ? keys->items[at] : NULL;
}

size_t keys_after(const Keys *keys, const KeyId *id)
{
    if (!id)
        return 0;

    size_t at = position(keys, id);

    return at < keys->n && compare(keys->items[at], id) == 0 ? at + 1 : at;
}

int keys_reserve(Keys *keys)
{
    if (keys->n < keys->room)
        return 0;
    if (keys->n >= KEYS_MAX)
        return -E2BIG;

    size_t room = keys->room ? 2 * keys->room : 64;
    Key **items = reallocarray(keys->items, room, sizeof(Key *));

    if (!items)
        return -ENOMEM;
    keys->items = items;
    keys->room = room;
    return 0;
}

void keys_insert(Keys *keys, Key *key)
{
    size_t at = position(keys, &key->stored.id);

    memmove(keys->items + at + 1, keys->items + at, (keys->n - at) * sizeof(Key *));
    keys->items[at] = key;
    keys->n++;
}

void keys_remove(Keys *keys, const KeyId *id)
{
    size_t at = position(keys, id);

    if (at == keys->n || compare(keys->items[at], id) != 0)
        return;
    (void)key_unref(keys->items[at]);
    keys->n--;
    memmove(keys->items + at, keys->items + at + 1, (keys->n - at) * sizeof(Key *));
}

void keys_count(const Keys *keys, uint64_t ret_counts[KEY_STATE_MAX])
{
    memset(ret_counts, 0, KEY_STATE_MAX * sizeof(ret_counts[0]));
    for (size_t i = 0; i < keys->n; i++)
        ret_counts[key_state(keys->items[i])]++;
}

static int copy_text(const char *text, char **ret_copy)
{
    *ret_copy = strdup(text ? text : "");
    return *ret_copy ? 0 : -ENOMEM;
}

int node_record_copy(const NodeRecord *record, NodeRecord *ret_copy)
{
    NodeRecord copy = {
        .version = record->version,
        .public_hidden = record->public_hidden,
        .created = record->created,
        .not_after = record->not_after,
    };
    int r = copy_text(record->private_label, &copy.private_label);

    if (r == 0)
        r = copy_text(record->public_label, &copy.public_label);
    if (r == 0)
        r = bytes_copy(record->private_id.data, record->private_id.size, &copy.private_id);
    if (r == 0)
        r = bytes_copy(record->public_id.data, record->public_id.size, &copy.public_id);
    if (r < 0) {
        message_clear(&node_record, &copy);
        return r;
    }
    *ret_copy = copy;
    return 0;
}

bool node_record_equal(const NodeRecord *a, const NodeRecord *b)
{
    return a->version == b->version && a->public_hidden == b->public_hidden && a->created == b->created && a->not_after == b->not_after &&
           strcmp(a->private_label, b->private_label) == 0 && strcmp(a->public_label, b->public_label) == 0 &&
           bytes_equal(&a->private_id, &b->private_id) && bytes_equal(&a->public_id, &b->public_id);
}
