#include "quorum/snapshot.h"

#include <errno.h>
#include <string.h>

#include "quorum/records.h"

Snapshot *snapshot_free(Snapshot *snapshot)
{
    for (size_t i = 0; snapshot && i < snapshot->count; i++)
        quorum_key_unref(snapshot->keys[i]);
    free(snapshot);
    return NULL;
}

/* Room for `keys_max`, holding none yet. */
static int allocate(size_t keys_max, Snapshot **ret_snapshot)
{
    Snapshot *snapshot = calloc(1, sizeof(*snapshot) + keys_max * sizeof(snapshot->keys[0]));

    if (!snapshot)
        return -ENOMEM;
    *ret_snapshot = snapshot;
    return 0;
}

static int compare_id(const void *id, const void *key)
{
    return memcmp(((const KeyId *)id)->bytes, quorum_key_id(*(QuorumKey *const *)key)->bytes, KEY_ID_SIZE);
}

QuorumKey *snapshot_find(const Snapshot *snapshot, const KeyId *id)
{
    QuorumKey *const *key = NULL;

    if (snapshot && snapshot->count > 0)
        key = bsearch(id, snapshot->keys, snapshot->count, sizeof(snapshot->keys[0]), compare_id);
    return key ? *key : NULL;
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
    QuorumKey **place = &snapshot->keys[snapshot->count];
    int r;

    if (group && group_exists(group, roster->k)) {
        r = make_key(old, group, roster->k, place);
        snapshot->count += r == 0;
        return r;
    }
    if (old && group_may_exist(group, groups->answered, roster)) {
        *place = quorum_key_ref(old);
        snapshot->count++;
    }
    return 0;
}

int snapshot_new(const Snapshot *old, const Groups *groups, const Roster *roster, Snapshot **ret_snapshot)
{
    _cleanup_snapshot_ Snapshot *snapshot = NULL;
    size_t old_count = old ? old->count : 0, i = 0, j = 0;
    int r = allocate(groups->count + old_count, &snapshot);

    while (r == 0 && (i < groups->count || j < old_count)) {
        const Group *group = i < groups->count ? &groups->items[i] : NULL;
        QuorumKey *key = j < old_count ? old->keys[j] : NULL;
        int order = !group ? 1 : !key ? -1 : compare_id(&group->id, &key);

        r = add_key(snapshot, groups, order <= 0 ? group : NULL, order >= 0 ? key : NULL, roster);
        i += order <= 0;
        j += order >= 0;
    }
    if (r == 0)
        *ret_snapshot = TAKE_PTR(snapshot);
    return r;
}

int snapshot_replace(const Snapshot *old, const KeyId *id, QuorumKey *add, Snapshot **ret_snapshot)
{
    Snapshot *snapshot = NULL;
    size_t count = old ? old->count : 0, i = 0;
    int r = allocate(count + 1, &snapshot);

    if (r < 0)
        return r;
    for (; i < count && compare_id(id, &old->keys[i]) > 0; i++)
        snapshot->keys[snapshot->count++] = quorum_key_ref(old->keys[i]);
    if (add)
        snapshot->keys[snapshot->count++] = quorum_key_ref(add);
    for (; i < count; i++)
        if (!key_id_equal(id, quorum_key_id(old->keys[i])))
            snapshot->keys[snapshot->count++] = quorum_key_ref(old->keys[i]);
    *ret_snapshot = snapshot;
    return 0;
}
