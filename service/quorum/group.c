#include "quorum/group.h"

#include <errno.h>
#include <string.h>

#include "base/array.h"

void groups_clear(Groups *groups)
{
    for (size_t i = 0; i < groups->count; i++)
        key_core_unref(groups->items[i].core);
    free(groups->items);
    *groups = (Groups){0};
}

/* The smallest key id at the cursors; NULL when all are at their ends. */
static const uint8_t *next_id(const Listing *listings, NodeSet answered, const size_t *cursors)
{
    const uint8_t *least = NULL;

    for (unsigned i = 0; i < THRESHOLD_NODES_MAX; i++) {
        if (!(answered & NODE_SET_OF(i + 1)) || cursors[i] == listings[i].count)
            continue;

        const uint8_t *id = listings[i].entries[cursors[i]].key.data;

        if (!least || memcmp(id, least, KEY_ID_SIZE) < 0)
            least = id;
    }
    return least;
}

/* Take the entries for `id` from under the cursors. */
static void collect(const Listing *listings, NodeSet answered, size_t *cursors, const uint8_t *id, Group *group)
{
    memcpy(group->id.bytes, id, KEY_ID_SIZE);
    for (unsigned i = 0; i < THRESHOLD_NODES_MAX; i++) {
        if (!(answered & NODE_SET_OF(i + 1)) || cursors[i] == listings[i].count)
            continue;

        const NodeKeyEntry *entry = &listings[i].entries[cursors[i]];

        if (memcmp(entry->key.data, group->id.bytes, KEY_ID_SIZE) == 0) {
            group->of[i] = entry;
            group->in[key_state_from_name(entry->state)] |= NODE_SET_OF(i + 1);
            cursors[i]++;
        }
    }
}

static int append(Groups *groups, size_t *room, Group **ret_group)
{
    if (groups->count == *room) {
        size_t larger_room = *room ? 2 * *room : 64;
        Group *larger = array_resize(groups->items, larger_room, sizeof(*larger));

        if (!larger)
            return -ENOMEM;
        groups->items = larger;
        *room = larger_room;
    }
    *ret_group = &groups->items[groups->count++];
    **ret_group = (Group){0};
    return 0;
}

int groups_new(const Listing listings[THRESHOLD_NODES_MAX], NodeSet answered, Groups *ret_groups)
{
    _cleanup_groups_ Groups groups = {.answered = answered};
    size_t cursors[THRESHOLD_NODES_MAX] = {0}, room = 0;
    const uint8_t *id;

    while ((id = next_id(listings, answered, cursors))) {
        Group *group;
        int r = append(&groups, &room, &group);

        if (r < 0)
            return r;
        collect(listings, answered, cursors, id, group);
    }
    *ret_groups = groups;
    groups = (Groups){0};
    return 0;
}

static int compare_id(const void *id, const void *group)
{
    return memcmp(((const KeyId *)id)->bytes, ((const Group *)group)->id.bytes, KEY_ID_SIZE);
}

Group *groups_find(const Groups *groups, const KeyId *id)
{
    return groups->count > 0 ? bsearch(id, groups->items, groups->count, sizeof(*groups->items), compare_id) : NULL;
}

NodeSet group_live(const Group *group)
{
    return group->in[KEY_PENDING] | group->in[KEY_ACTIVE];
}

bool group_exists(const Group *group, unsigned k)
{
    return group->core && node_set_count(group_live(group)) >= k;
}

bool group_may_exist(const Group *group, NodeSet answered, const Roster *roster)
{
    NodeSet unheard = node_set_all(roster->n) & ~answered;

    return node_set_count(unheard | (group ? group_live(group) : 0)) >= roster->k;
}
