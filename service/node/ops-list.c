#include <errno.h>
#include <string.h>

#include "node/ops.h"
#include "wire/frame.h"

/* One reply holds less than half a frame, whatever is in the labels. */
#define LIST_SIZE_MAX (FRAME_SIZE_MAX / 2)

static size_t text_size(const char *text)
{
    return text ? 6 * strlen(text) : 0; /* JSON may write \uXXXX for a byte */
}

static size_t entry_size(const Key *key)
{
    const NodeRecord *record = &key->stored.record;

    return 512 + text_size(record->private_label) + text_size(record->public_label) + text_size(key->stored.damage) +
           2 * (record->private_id.size + record->public_id.size);
}

static void fill_entry(Key *key, NodeKeyEntry *entry)
{
    *entry = (NodeKeyEntry){
        .key = {key->stored.id.bytes, KEY_ID_SIZE},
        .state = (char *)key_state_name(key_state(key)),
        .reason = key->stored.damage,
        .record = key->stored.record,
        .locked = key->stored.locked,
    };
}

/* Fill from position `at`; entries borrow what the keys own. */
static void fill_list(const Keys *keys, size_t at, NodeKeyEntry *entries, NodeListOutput *output)
{
    size_t size = 0;

    output->keys.items = entries;
    for (; at < keys->n && output->keys.count < NODE_LIST_MAX; at++) {
        size += entry_size(keys->items[at]);
        if (size > LIST_SIZE_MAX)
            break;
        fill_entry(keys->items[at], &entries[output->keys.count++]);
    }
    output->more = at < keys->n;
}

int op_list_keys(Node *node, ServerCall *call, Client *client, const void *parameters)
{
    const NodeListInput *input = parameters;
    _cleanup_free_ NodeKeyEntry *entries = NULL;
    char revision[NODE_REVISION_SIZE];

    node_revision(node, revision);

    NodeListOutput output = {.revision = revision};

    if (input->known_revision && strcmp(input->known_revision, revision) == 0) {
        output.unchanged = true;
        return server_call_reply(call, &output);
    }
    entries = calloc(NODE_LIST_MAX, sizeof(*entries));
    if (!entries)
        return -ENOMEM;
    if (input->after.size == 0) {
        fill_list(&node->keys, 0, entries, &output);
    } else {
        const KeyId after = op_key_id(&input->after);

        fill_list(&node->keys, keys_after(&node->keys, &after), entries, &output);
    }
    return server_call_reply(call, &output);
}

int op_get_key(Node *node, ServerCall *call, Client *client, const void *parameters)
{
    const NodeKeyInput *input = parameters;
    const KeyId id = op_key_id(&input->key);
    Outcome outcome = {0};
    const Key *key = op_find_key(node, &id, &outcome);

    if (!key)
        return op_answer(call, &outcome);
    if (key->stored.common.size == 0)
        return op_fail(call, NODE_ERROR_KEY_UNUSABLE, "%s", key->stored.damage);

    const NodeGetKeyOutput output = {key->stored.common, key->stored.activation};

    return server_call_reply(call, &output);
}
