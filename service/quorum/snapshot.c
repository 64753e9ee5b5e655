#include "quorum/snapshot.h"

#include <errno.h>
#include <string.h>

#include "quorum/records.h"

Snapshot *snapshot_free(Snapshot *snapshot)
{
    for (size_t i = 0; snapshot && i < snapshot->count; i++)
        quorum_key_unref(snapshot->items[i].key);
    free(snapshot);
    return NULL;
}

/* Room for `keys_max`, holding none yet. */
static int allocate(size_t keys_max, Snapshot **ret_snapshot)
{
    Snapshot *snapshot = calloc(1, sizeof(*snapshot) + keys_max * sizeof(snapshot->items[0]));

    if (!snapshot)
        return -ENOMEM;
    *ret_snapshot = snapshot;
    return 0;
}

static int compare_id(const void *id, const void *entry)
{
    return memcmp(((const KeyId *)id)->bytes, quorum_key_id(((const SnapshotEntry *)entry)->key)->bytes, KEY_ID_SIZE);
}

static const SnapshotEntry *find_entry(const Snapshot *snapshot, const KeyId *id)
{
    return snapshot && snapshot->count > 0 ? bsearch(id, snapshot->items, snapshot->count, sizeof(snapshot->items[0]), compare_id) : NULL;
}

QuorumKey *snapshot_find(const Snapshot *snapshot, const KeyId *id)
{
    const SnapshotEntry *entry = find_entry(snapshot, id);

    return entry ? entry->key : NULL;
}

bool snapshot_shows(const Snapshot *snapshot, const KeyId *id)
{
    const SnapshotEntry *entry = find_entry(snapshot, id);

    return entry && !entry->hidden;
}

/* ---- Generations ------------------------------------------------------------------------------------------------------- */

/* What has no generations is itself alone. */
static bool is_same_key(const Header *a, const Header *b)
{
    return header_same_key(a, b) || (a->parameters.algorithm == b->parameters.algorithm && bytes_equal(&a->public_key, &b->public_key) &&
                                     bytes_equal(&a->verification, &b->verification));
}

QuorumKey *snapshot_find_shown(const Snapshot *snapshot, const Header *header)
{
    for (size_t i = 0; snapshot && i < snapshot->count; i++)
        if (!snapshot->items[i].hidden && is_same_key(quorum_key_header(snapshot->items[i].key), header))
            return snapshot->items[i].key;
    return NULL;
}

/* By public key, then as they are fit to stand for it: first the one that most nodes report as active, of several the latest. */
static int compare_generations(const void *a, const void *b)
{
    const QuorumKey *keys[] = {(*(SnapshotEntry *const *)a)->key, (*(SnapshotEntry *const *)b)->key};
    const Header *headers[] = {quorum_key_header(keys[0]), quorum_key_header(keys[1])};
    const unsigned holders[] = {node_set_count(quorum_key_holders(keys[0])), node_set_count(quorum_key_holders(keys[1]))};
    int order = memcmp(headers[0]->public_key.data, headers[1]->public_key.data, headers[0]->public_key.size);

    if (order != 0)
        return order;
    if (holders[0] != holders[1])
        return holders[0] > holders[1] ? -1 : 1;
    if (headers[0]->generation != headers[1]->generation)
        return headers[0]->generation > headers[1]->generation ? -1 : 1;
    return memcmp(quorum_key_id(keys[0])->bytes, quorum_key_id(keys[1])->bytes, KEY_ID_SIZE);
}

/* Ed25519 is the only such scheme, so their public keys are of one size. */
static int hide_generations(Snapshot *snapshot)
{
    _cleanup_free_ SnapshotEntry **entries = calloc(snapshot->count + 1, sizeof(*entries));
    size_t n = 0;

    if (!entries)
        return -ENOMEM;
    for (size_t i = 0; i < snapshot->count; i++)
        if (header_has_generations(quorum_key_header(snapshot->items[i].key)))
            entries[n++] = &snapshot->items[i];
    qsort(entries, n, sizeof(*entries), compare_generations);
    for (size_t i = 0; i < n; i++)
        entries[i]->hidden = i > 0 && header_same_key(quorum_key_header(entries[i - 1]->key), quorum_key_header(entries[i]->key));
    return 0;
}

/* ---- Making one ----------------------------------------------------------------------------------------------------------- */

static void append(Snapshot *snapshot, QuorumKey *key)
{
    snapshot->items[snapshot->count++] = (SnapshotEntry){.key = key};
}

/* The old snapshot's key if nothing about it changed, else a new one. */
static int make_key(QuorumKey *old, const Group *group, unsigned k, QuorumKey **ret_key)
{
    static const NodeRecord none = {0};
    NodeRecord before = old ? key_record_borrow(quorum_key_record(old)) : none;
    const NodeRecord *record = record_visible(group, k, old ? &before : NULL);

    if (!record)
        record = &none;
    if (old && quorum_key_holders(old) == group->in[KEY_ACTIVE] && record_compare(record, &before) == 0) {
        *ret_key = quorum_key_ref(old);
        return 0;
    }
    return key_new(group->core, record, group->in[KEY_ACTIVE], ret_key);
}

/* `group` and `old` are of the same key; one of them may be NULL. */
static int add_key(Snapshot *snapshot, const Groups *groups, const Group *group, QuorumKey *old, const Roster *roster)
{
    QuorumKey *key = NULL;
    int r = 0;

    if (group && group_exists(group, roster->k))
        r = make_key(old, group, roster->k, &key);
    else if (old && group_may_exist(group, groups->answered, roster))
        key = quorum_key_ref(old);
    if (key)
        append(snapshot, key);
    return r;
}

int snapshot_new(const Snapshot *old, const Groups *groups, const Roster *roster, Snapshot **ret_snapshot)
{
    _cleanup_snapshot_ Snapshot *snapshot = NULL;
    size_t old_count = old ? old->count : 0, i = 0, j = 0;
    int r = allocate(groups->count + old_count, &snapshot);

    while (r == 0 && (i < groups->count || j < old_count)) {
        const Group *group = i < groups->count ? &groups->items[i] : NULL;
        QuorumKey *key = j < old_count ? old->items[j].key : NULL;
        int order = !group ? 1 : !key ? -1 : compare_id(&group->id, &old->items[j]);

        r = add_key(snapshot, groups, order <= 0 ? group : NULL, order >= 0 ? key : NULL, roster);
        i += order <= 0;
        j += order >= 0;
    }
    if (r == 0)
        r = hide_generations(snapshot);
    if (r == 0)
        *ret_snapshot = TAKE_PTR(snapshot);
    return r;
}

int snapshot_replace(const Snapshot *old, const KeyId *id, QuorumKey *add, Snapshot **ret_snapshot)
{
    _cleanup_snapshot_ Snapshot *snapshot = NULL;
    size_t count = old ? old->count : 0, i = 0;
    int r = allocate(count + 1, &snapshot);

    if (r < 0)
        return r;
    for (; i < count && compare_id(id, &old->items[i]) > 0; i++)
        append(snapshot, quorum_key_ref(old->items[i].key));
    if (add)
        append(snapshot, quorum_key_ref(add));
    for (; i < count; i++)
        if (!key_id_equal(id, quorum_key_id(old->items[i].key)))
            append(snapshot, quorum_key_ref(old->items[i].key));
    r = hide_generations(snapshot);
    if (r == 0)
        *ret_snapshot = TAKE_PTR(snapshot);
    return r;
}
