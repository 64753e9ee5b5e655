#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/crypto.h"
#include "base/file.h"
#include "node/state-file.h"
#include "node/store-internal.h"

#define RECORD_FORMAT 1

#define ID_TEXT_SIZE (2 * KEY_ID_SIZE)

/* The files of a key; a bit each while the directory is read. */
enum {
    FILE_SHARE,
    FILE_RECORD,
    FILE_TOMBSTONE,
    FILE_ASIDE,
    FILE_MAX,
};

static const char *const suffixes[FILE_MAX] = {
    [FILE_SHARE] = ".share",
    [FILE_RECORD] = ".record",
    [FILE_TOMBSTONE] = ".tombstone",
    [FILE_ASIDE] = ".set-aside",
};

typedef struct RecordContent {
    Bytes key;        /* the id again, so that a file under a wrong name is noticed */
    Bytes share;      /* SHA-256 of the share file */
    Bytes activation; /* empty: pending */
    NodeRecord record;
    bool locked;
} RecordContent;

static const Layout record_layout = {
    "record",
    sizeof(RecordContent),
    (const Field[]){
        {.name = "format", .type = FIELD_CONSTANT, .min = RECORD_FORMAT},
        {"key", FIELD_BYTES, offsetof(RecordContent, key), KEY_ID_SIZE, KEY_ID_SIZE},
        {"share", FIELD_BYTES, offsetof(RecordContent, share), SHA256_SIZE, SHA256_SIZE},
        {"activation", FIELD_BYTES, offsetof(RecordContent, activation), 1, NODE_SIGNATURE_SIZE_MAX, .optional = true},
        {"record", FIELD_STRUCT, offsetof(RecordContent, record), .of = &node_record},
        {"locked", FIELD_BOOL, offsetof(RecordContent, locked), .optional = true},
        {NULL},
    },
};

typedef struct TombstoneContent {
    Bytes key;
    char *client; /* who destroyed it, for people */
} TombstoneContent;

static const Layout tombstone_layout = {
    "tombstone",
    sizeof(TombstoneContent),
    (const Field[]){
        {.name = "format", .type = FIELD_CONSTANT, .min = RECORD_FORMAT},
        {"key", FIELD_BYTES, offsetof(TombstoneContent, key), KEY_ID_SIZE, KEY_ID_SIZE},
        {"client", FIELD_STRING, offsetof(TombstoneContent, client), 0, NODE_NAME_SIZE_MAX},
        {NULL},
    },
};

#define KEY_FILE_NAME_SIZE (ID_TEXT_SIZE + sizeof(".tombstone"))

static void file_name(const KeyId *id, unsigned which, char ret_name[KEY_FILE_NAME_SIZE])
{
    key_id_format(id, ret_name);
    (void)strcpy(ret_name + ID_TEXT_SIZE, suffixes[which]);
}

static mode_t share_mode(const Store *store)
{
    return store->group_readable ? 0640 : 0600;
}

void stored_key_clear(StoredKey *key)
{
    free(key->damage);
    bytes_clear(&key->activation);
    bytes_clear(&key->share_hash);
    bytes_clear(&key->common);
    message_clear(&node_record, &key->record);
    *key = (StoredKey){0};
}

static Bytes id_bytes(const KeyId *id)
{
    return (Bytes){(uint8_t *)id->bytes, KEY_ID_SIZE};
}

static int hash_of(const Bytes *content, Bytes *ret_hash)
{
    uint8_t digest[SHA256_SIZE];
    int r = crypto_sha256(content, 1, digest);

    return r < 0 ? r : bytes_copy(digest, sizeof(digest), ret_hash);
}

/* ---- Writing ---------------------------------------------------------------------------------------------------------- */

static int write_record(Store *store, const StoredKey *key)
{
    const RecordContent content = {id_bytes(&key->id), key->share_hash, key->activation, key->record, key->locked};
    char name[KEY_FILE_NAME_SIZE];

    file_name(&key->id, FILE_RECORD, name);
    return store_wrote(store, state_file_write(store->keys, name, 0600, &record_layout, &content));
}

int store_write_record(Store *store, const StoredKey *key, Problem *problem)
{
    int r = write_record(store, key);

    return r < 0 ? problem_set(problem, r, "the key's record cannot be written: %s", store_write_fault(r)) : 0;
}

int store_add_key(Store *store, StoredKey *key, const Bytes *sealed, Problem *problem)
{
    char name[KEY_FILE_NAME_SIZE];

    bytes_clear(&key->share_hash);

    int r = hash_of(sealed, &key->share_hash);

    file_name(&key->id, FILE_SHARE, name);
    if (r == 0)
        r = store_wrote(store, file_create(store->keys, name, sealed->data, sealed->size, share_mode(store)));
    if (r == -EEXIST)
        return problem_set(problem, r, "there is a share of this key already");
    if (r == 0)
        r = write_record(store, key);
    if (r == 0)
        return 0;
    if (store_remove_key(store, &key->id, NULL) < 0)
        return problem_set(problem, r, "the share cannot be stored (%s), and what was begun stays until the next start",
                           store_write_fault(r));
    return problem_set(problem, r, "the share cannot be stored: %s", store_write_fault(r));
}

static int remove_file(Store *store, const KeyId *id, unsigned which)
{
    char name[KEY_FILE_NAME_SIZE];

    file_name(id, which, name);

    int r = store_wrote(store, file_remove(store->keys, name));

    return r == -ENOENT ? 0 : r;
}

int store_remove_key(Store *store, const KeyId *id, Problem *problem)
{
    int r = remove_file(store, id, FILE_RECORD);

    if (r == 0)
        r = remove_file(store, id, FILE_SHARE);
    return r < 0 ? problem_set(problem, r, "the key's files cannot be removed: %s", store_write_fault(r)) : 0;
}

int store_remove_destroyed(Store *store, const KeyId *id, Problem *problem)
{
    int r = store_remove_key(store, id, problem);

    if (r < 0)
        return r;
    r = remove_file(store, id, FILE_ASIDE);
    return r < 0 ? problem_set(problem, r, "the key's share that was set aside cannot be removed: %s", store_write_fault(r)) : 0;
}

int store_write_tombstone(Store *store, const KeyId *id, const char *client, Problem *problem)
{
    const TombstoneContent content = {id_bytes(id), (char *)client};
    char name[KEY_FILE_NAME_SIZE];

    file_name(id, FILE_TOMBSTONE, name);

    int r = store_wrote(store, state_file_write(store->keys, name, 0600, &tombstone_layout, &content));

    return r < 0 ? problem_set(problem, r, "the tombstone cannot be written: %s", store_write_fault(r)) : 0;
}

/* ---- Reading ---------------------------------------------------------------------------------------------------------- */

/* Files found of one key. */
typedef struct Found {
    KeyId id;
    bool has[FILE_MAX];
} Found;

typedef struct Listing {
    Found *found;
    size_t n, room;
} Listing;

static void listing_clear(Listing *listing)
{
    free(listing->found);
}

static int add_found(Listing *listing, const KeyId *id, unsigned which)
{
    if (listing->n == listing->room) {
        size_t room = listing->room ? 2 * listing->room : 64;
        Found *more = reallocarray(listing->found, room, sizeof(*more));

        if (!more)
            return -ENOMEM;
        listing->found = more;
        listing->room = room;
    }
    listing->found[listing->n] = (Found){.id = *id};
    listing->found[listing->n++].has[which] = true;
    return 0;
}

/* Files of other names are nobody's business. */
static int list_name(void *userdata, const char *name)
{
    char text[ID_TEXT_SIZE + 1];
    KeyId id;

    if (strlen(name) <= ID_TEXT_SIZE)
        return 0;
    memcpy(text, name, ID_TEXT_SIZE);
    text[ID_TEXT_SIZE] = '\0';
    if (strspn(text, "0123456789abcdef") != ID_TEXT_SIZE || key_id_parse(text, &id) < 0)
        return 0;
    for (unsigned which = 0; which < FILE_MAX; which++)
        if (strcmp(name + ID_TEXT_SIZE, suffixes[which]) == 0)
            return add_found(userdata, &id, which);
    return 0;
}

static int compare_found(const void *a, const void *b)
{
    return memcmp(((const Found *)a)->id.bytes, ((const Found *)b)->id.bytes, KEY_ID_SIZE);
}

/* One entry per key instead of one per file. */
static void merge(Listing *listing)
{
    size_t n = 0;

    if (listing->n > 0)
        qsort(listing->found, listing->n, sizeof(Found), compare_found);
    for (size_t i = 0; i < listing->n; i++) {
        const Found file = listing->found[i];

        if (n == 0 || !key_id_equal(&listing->found[n - 1].id, &file.id))
            listing->found[n++] = (Found){.id = file.id};
        for (unsigned which = 0; which < FILE_MAX; which++)
            listing->found[n - 1].has[which] |= file.has[which];
    }
    listing->n = n;
}

static int read_record(const Store *store, StoredKey *key, Problem *problem)
{
    RecordContent content = {0};
    char name[KEY_FILE_NAME_SIZE];

    file_name(&key->id, FILE_RECORD, name);

    int r = state_file_read(store->keys, name, &record_layout, &content, problem);

    if (r < 0)
        return r;
    if (memcmp(content.key.data, key->id.bytes, KEY_ID_SIZE) != 0) {
        message_clear(&record_layout, &content);
        return problem_set(problem, -EBADMSG, "%s is the record of another key", name);
    }
    key->has_record = true;
    key->record = content.record;
    key->locked = content.locked;
    key->activation = bytes_take(&content.activation);
    key->share_hash = bytes_take(&content.share);
    bytes_clear(&content.key);
    return 0;
}

static int read_share(const Store *store, StoredKey *key, Problem *problem)
{
    _cleanup_bytes_ Bytes content = {0}, hash = {0};
    _cleanup_sealed_share_ SealedShare share = {0};
    char name[KEY_FILE_NAME_SIZE];

    file_name(&key->id, FILE_SHARE, name);

    int r = file_read(store->keys, name, SEALED_SHARE_SIZE_MAX, &content);

    if (r < 0)
        return problem_set(problem, r, "%s cannot be read: %s", name, strerror(-r));
    r = hash_of(&content, &hash);
    if (r < 0)
        return r;
    if (!bytes_equal(&hash, &key->share_hash))
        return problem_set(problem, -EBADMSG, "%s is damaged: it is not what was stored", name);
    r = sealed_share_decode(&content, &share, problem);
    if (r == 0 && !key_id_equal(&share.id, &key->id))
        r = problem_set(problem, -EBADMSG, "it is the share of another key");
    if (r < 0)
        return problem_prefix(problem, r, "%s", name);
    key->common = bytes_take(&share.common);
    return 0;
}

/* What cannot be read makes this key unusable, and only this one. */
static int read_key(const Store *store, StoredKey *key)
{
    Problem problem = PROBLEM_INIT;
    int r = read_record(store, key, &problem);

    if (r == 0)
        r = read_share(store, key, &problem);
    if (r == -ENOMEM)
        return r;
    if (r < 0) {
        key->damage = strdup(problem.text);
        if (!key->damage)
            return -ENOMEM;
    }
    return 0;
}

static int rename_file(Store *store, const KeyId *id, unsigned from, unsigned to)
{
    char from_name[KEY_FILE_NAME_SIZE], to_name[KEY_FILE_NAME_SIZE];

    file_name(id, from, from_name);
    file_name(id, to, to_name);
    return store_wrote(store, file_rename(store->keys, from_name, to_name));
}

static int read_file(const Store *store, const KeyId *id, unsigned which, Bytes *ret_content)
{
    char name[KEY_FILE_NAME_SIZE];

    file_name(id, which, name);
    return file_read(store->keys, name, SEALED_SHARE_SIZE_MAX, ret_content);
}

/* It does not take the place of another one, which may be the share of a real key. */
static int set_aside(Store *store, const Found *found, bool *ret_is_second)
{
    _cleanup_bytes_ Bytes share = {0}, before = {0};

    *ret_is_second = found->has[FILE_ASIDE] && (read_file(store, &found->id, FILE_SHARE, &share) < 0 ||
                                                read_file(store, &found->id, FILE_ASIDE, &before) < 0 || !bytes_equal(&share, &before));
    return *ret_is_second ? 0 : rename_file(store, &found->id, FILE_SHARE, FILE_ASIDE);
}

/* A tombstone finishes its interrupted destruction. A share without a record is an unfinished preparation or removal; or the record of a
 * real key was lost, which looks the same: so nothing is removed, and with the record the share comes back. */
static int tidy(Store *store, const Found *found, StoredKey *key)
{
    const bool *has = found->has;

    if (has[FILE_TOMBSTONE])
        return has[FILE_SHARE] || has[FILE_RECORD] || has[FILE_ASIDE] ? store_remove_destroyed(store, &found->id, NULL) : 0;
    if (has[FILE_RECORD])
        return !has[FILE_SHARE] && has[FILE_ASIDE] ? rename_file(store, &found->id, FILE_ASIDE, FILE_SHARE) : 0;
    key->set_aside = has[FILE_SHARE];
    return has[FILE_SHARE] ? set_aside(store, found, &key->is_second) : 0;
}

static int read_found(Store *store, const Found *found, int (*callback)(void *userdata, StoredKey *key), void *userdata)
{
    _cleanup_stored_key_ StoredKey key = {.id = found->id, .destroyed = found->has[FILE_TOMBSTONE]};
    int r = tidy(store, found, &key);

    if (r == 0 && !key.destroyed && !key.set_aside && !found->has[FILE_RECORD])
        return 0;
    if (r == 0 && !key.destroyed && !key.set_aside)
        r = read_key(store, &key);
    return r < 0 ? r : callback(userdata, &key);
}

int store_read_keys(Store *store, int (*found)(void *userdata, StoredKey *key), void *userdata, Problem *problem)
{
    _cleanup_(listing_clear) Listing listing = {0};
    int r = store_each_name(store->keys, list_name, &listing);

    merge(&listing);
    for (size_t i = 0; r == 0 && i < listing.n; i++)
        r = read_found(store, &listing.found[i], found, userdata);
    return r < 0 ? problem_set(problem, r, "the keys cannot be read: %s", strerror(-r)) : 0;
}
