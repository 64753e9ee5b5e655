#include <errno.h>
#include <string.h>

#include "base/journal.h"
#include "node/generations.h"
#include "node/loading.h"
#include "node/sign-job.h"

/* A change of one key. */
typedef struct KeyChange {
    Change change;
    Key *target;     /* of the table; NULL: none yet */
    StoredKey fresh; /* what is to be known of it afterwards */
    /* PrepareKey, and the end of a run: */
    const Bytes *sealed;
    const NodeRecord *record;
    Bytes made_sealed; /* of a run: what the two point to */
    NodeRecord made_record;
    KeyId refreshed; /* the key whose next generation it is */
    bool has_refreshed;
    SealedShare share; /* parsed */
    Loaded *loaded;    /* ready for use */
} KeyChange;

static void clear_key_change(Change *change)
{
    KeyChange *key_change = (KeyChange *)change;

    key_unrefp(&key_change->target);
    loaded_unrefp(&key_change->loaded);
    stored_key_clear(&key_change->fresh);
    sealed_share_clear(&key_change->share);
    bytes_clear(&key_change->made_sealed);
    message_clear(&node_record, &key_change->made_record);
}

/* The key that the call names goes into `target`. */
static bool find_target(Change *change)
{
    Key *key = op_find_key(change->node, &change->key, &change->outcome);

    if (key)
        ((KeyChange *)change)->target = key_ref(key);
    return key;
}

static bool unavailable(Change *change, const Problem *problem)
{
    return outcome_set(&change->outcome, NODE_ERROR_UNAVAILABLE, "%s", problem->text);
}

static bool no_memory(Change *change)
{
    return outcome_set(&change->outcome, NODE_ERROR_UNAVAILABLE, "out of memory");
}

static bool well(const Change *change)
{
    return change->outcome.error == NODE_ERROR_NONE;
}

/* ---- PrepareKey ----------------------------------------------------------------------------------------------------------- */

static bool parse_sealed(Change *change)
{
    const StoredToken *token = &change->node->token;
    SealedShare *share = &((KeyChange *)change)->share;
    Problem problem = PROBLEM_INIT;
    int r = sealed_share_decode(((KeyChange *)change)->sealed, share, &problem);

    if (r == -ENOMEM)
        return no_memory(change);
    if (r < 0)
        return outcome_set(&change->outcome, NODE_ERROR_REJECTED, "this is not a sealed share: %s", problem.text);
    change->key = share->id;
    change->has_key = true;
    if (share->header.parameters.n != token->n || share->header.parameters.k != token->k || share->index != token->index)
        return outcome_set(&change->outcome, NODE_ERROR_REJECTED,
                           "the share is node %u's of a %u-of-%u key; this is node %u of a %u-of-%u token", share->index,
                           share->header.parameters.k, share->header.parameters.n, (unsigned)token->index, (unsigned)token->k,
                           (unsigned)token->n);
    return true;
}

static bool is_new(Change *change)
{
    const Key *known = keys_find(&change->node->keys, &change->key);

    if (known && known->stored.destroyed)
        return outcome_set(&change->outcome, NODE_ERROR_KEY_DESTROYED, "this key was destroyed here and is refused for ever");
    if (known)
        return outcome_set(&change->outcome, NODE_ERROR_KEY_EXISTS, "this key is here already");
    return generation_may_come(&change->node->keys, &change->key, &((KeyChange *)change)->share.header, &change->outcome);
}

/* The key as it will be in the table. */
static bool make_target(Change *change)
{
    KeyChange *key_change = (KeyChange *)change;
    StoredKey *fresh = &key_change->fresh;

    fresh->id = change->key;
    fresh->has_record = true;
    fresh->locked = generation_is_locked(&change->node->keys, &key_change->share.header);
    fresh->common = bytes_take(&key_change->share.common);
    if (node_record_copy(key_change->record, &fresh->record) == 0)
        key_change->target = key_new(fresh);
    return key_change->target || no_memory(change);
}

static bool begin_prepare(Change *change)
{
    int r;

    if (!parse_sealed(change) || !is_new(change))
        return false;
    r = keys_reserve(&change->node->keys);
    if (r == -E2BIG)
        return outcome_set(&change->outcome, NODE_ERROR_UNAVAILABLE, "this node holds as many keys and tombstones as it can");
    return r == 0 ? make_target(change) : no_memory(change);
}

/* In the lane's thread: the share of a stored key out of the ring. One that is not there is as good. */
static void unlink_share(Change *change)
{
    const Bytes *common = &((KeyChange *)change)->target->stored.common;
    _cleanup_header_ Header header = {0};
    int r;

    if (common->size == 0 || header_decode(common, &header, NULL) < 0)
        return; /* it never got there */
    r = keyring_share_remove(change->node->ring, header.custody, &change->key);
    if (r < 0 || (r > 0 && r != KEYRING_E_GONE))
        (void)problem_set(&change->outcome.problem, 0, "the share stays in the kernel until the node ends (%d)", r);
}

/* First durable, then proved usable: the answer says both. */
static void work_prepare(Change *change)
{
    KeyChange *key_change = (KeyChange *)change;
    StoredKey *stored = &key_change->target->stored;
    Problem problem = PROBLEM_INIT;

    if (store_add_key(change->node->store, stored, key_change->sealed, &problem) < 0) {
        (void)unavailable(change, &problem);
        return;
    }
    if (loading_load(change->node, &change->key, &stored->common, &key_change->loaded, &change->outcome))
        return;
    unlink_share(change);
    if (store_remove_key(change->node->store, &change->key, &problem) < 0)
        journal_log(LOG_ERR, "a share that was refused stays behind until the next start: %s", problem.text);
}

static void done_prepare(Change *change)
{
    KeyChange *key_change = (KeyChange *)change;

    if (!well(change))
        return;
    key_change->target->loaded = TAKE_PTR(key_change->loaded);
    keys_insert(&change->node->keys, key_ref(key_change->target));
    node_changed(change->node);
}

static const ChangeClass prepare_key = {.what = "prepares key",
                                        .event = EVENT_KEY_PREPARED,
                                        .begin = begin_prepare,
                                        .work = work_prepare,
                                        .done = done_prepare,
                                        .clear = clear_key_change};

int op_prepare_key(Node *node, ServerCall *call, Client *client, const void *parameters)
{
    const NodePrepareInput *input = parameters;

    if (input->record.version < 1)
        return server_call_invalid(call, "record.version");

    KeyChange *change = change_new(sizeof(*change), &prepare_key, node, call, client, parameters);

    if (!change)
        return -ENOMEM;
    change->sealed = &input->sealed;
    change->record = &input->record;
    lane_submit(node->key_lane, &change->change);
    return 0;
}

/* The generation before it may have gone while the run went on: then the key is to be no more. */
static bool begin_made(Change *change)
{
    const KeyChange *key_change = (KeyChange *)change;
    const Key *refreshed = key_change->has_refreshed ? keys_find(&change->node->keys, &key_change->refreshed) : NULL;

    if (key_change->has_refreshed && !(refreshed && key_state(refreshed) == KEY_ACTIVE))
        return outcome_set(&change->outcome, NODE_ERROR_RUN_FAILED, "the key that was to get new shares is not active at node %s any more",
                           change->node->config.name);
    return begin_prepare(change);
}

static int reply_made(Change *change)
{
    const NodeContinueRunOutput output = {.header = ((KeyChange *)change)->target->stored.common};

    return server_call_reply(change->call, &output);
}

static const ChangeClass store_made_key = {.what = "prepares key",
                                           .event = EVENT_KEY_PREPARED,
                                           .begin = begin_made,
                                           .work = work_prepare,
                                           .done = done_prepare,
                                           .reply = reply_made,
                                           .clear = clear_key_change};

int op_store_made_share(Node *node, ServerCall *call, Client *client, const KeyId *refreshed, Bytes *sealed, NodeRecord *record)
{
    KeyChange *change = change_new(sizeof(*change), &store_made_key, node, call, client, NULL);

    if (!change)
        return -ENOMEM;
    if (refreshed)
        change->refreshed = *refreshed;
    change->has_refreshed = refreshed;
    change->made_sealed = bytes_take(sealed);
    change->made_record = *record;
    *record = (NodeRecord){0};
    change->sealed = &change->made_sealed;
    change->record = &change->made_record;
    lane_submit(node->key_lane, &change->change);
    return 0;
}

/* ---- ActivateKey ------------------------------------------------------------------------------------------------------------ */

static bool begin_activate(Change *change)
{
    const NodeActivateInput *input = change->parameters;
    KeyChange *key_change = (KeyChange *)change;

    if (!find_target(change))
        return false;
    if (key_change->target->stored.damage)
        return outcome_set(&change->outcome, NODE_ERROR_KEY_UNUSABLE, "%s", key_change->target->stored.damage);
    if (bytes_copy(input->activation.data, input->activation.size, &key_change->fresh.activation) < 0)
        return no_memory(change);
    return true;
}

static int check_activation(const Key *key, const Bytes *activation)
{
    _cleanup_header_ Header header = {0};
    _cleanup_threshold_key_ ThresholdKey *threshold = NULL;
    Digest statement;
    int r = header_decode(&key->stored.common, &header, NULL);

    if (r == 0)
        r = threshold_key_new(&header.parameters, &header.public_key, &header.verification, &threshold, NULL);
    if (r == 0)
        r = key_activation_statement(&key->stored.id, &statement);
    return r == 0 ? threshold_key_verify(threshold, &statement, activation->data, activation->size) : r;
}

/* Borrow for the time of one write what does not change. */
static void write_changed(Change *change, const NodeRecord *record, const Bytes *activation)
{
    const StoredKey *present = &((KeyChange *)change)->target->stored;
    StoredKey changed = *present;
    Problem problem = PROBLEM_INIT;

    changed.record = *record;
    changed.activation = *activation;
    if (store_write_record(change->node->store, &changed, &problem) < 0)
        (void)unavailable(change, &problem);
}

static void work_activate(Change *change)
{
    KeyChange *key_change = (KeyChange *)change;
    const Key *key = key_change->target;
    int r = check_activation(key, &key_change->fresh.activation);

    if (r == THRESHOLD_E_INVALID_SIGNATURE)
        (void)outcome_set(&change->outcome, NODE_ERROR_INVALID_ACTIVATION, "this does not activate the key: the signature is wrong");
    else if (r != 0)
        (void)outcome_set(&change->outcome, NODE_ERROR_UNAVAILABLE, "the activation cannot be checked: %s", strerror(-r));
    else if (key->stored.activation.size == 0)
        write_changed(change, &key->stored.record, &key_change->fresh.activation);
}

static void done_activate(Change *change)
{
    KeyChange *key_change = (KeyChange *)change;
    StoredKey *stored = &key_change->target->stored;

    if (!well(change) || stored->activation.size > 0)
        return;
    stored->activation = bytes_take(&key_change->fresh.activation);
    node_changed(change->node);
}

static const ChangeClass activate_key = {.what = "activates key",
                                         .event = EVENT_KEY_ACTIVATED,
                                         .begin = begin_activate,
                                         .work = work_activate,
                                         .done = done_activate,
                                         .clear = clear_key_change};

int op_activate_key(Node *node, ServerCall *call, Client *client, const void *parameters)
{
    const NodeActivateInput *input = parameters;

    return op_change(node->key_lane, sizeof(KeyChange), &activate_key, node, call, client, parameters, &input->key);
}

/* ---- SetRecord ---------------------------------------------------------------------------------------------------------------- */

static bool begin_set_record(Change *change)
{
    const NodeSetRecordInput *input = change->parameters;
    KeyChange *key_change = (KeyChange *)change;

    if (!find_target(change))
        return false;

    const StoredKey *stored = &key_change->target->stored;

    if (!stored->has_record)
        return outcome_set(&change->outcome, NODE_ERROR_KEY_UNUSABLE, "%s", stored->damage);
    if (node_record_equal(&stored->record, &input->record))
        return false; /* it is so already */
    if (input->record.version <= stored->record.version) {
        change->outcome.number = stored->record.version;
        return outcome_set(&change->outcome, NODE_ERROR_STALE_VERSION, "version %llu of the record is held here",
                           (unsigned long long)stored->record.version);
    }
    return node_record_copy(&input->record, &key_change->fresh.record) == 0 || no_memory(change);
}

static void work_set_record(Change *change)
{
    KeyChange *key_change = (KeyChange *)change;

    write_changed(change, &key_change->fresh.record, &key_change->target->stored.activation);
}

static void done_set_record(Change *change)
{
    KeyChange *key_change = (KeyChange *)change;
    NodeRecord *record = &key_change->target->stored.record;

    if (!well(change))
        return;
    message_clear(&node_record, record);
    *record = key_change->fresh.record;
    key_change->fresh.record = (NodeRecord){0};
    node_changed(change->node);
}

static const ChangeClass set_record = {.what = "changes the record of key",
                                       .event = EVENT_KEY_RECORD_CHANGED,
                                       .begin = begin_set_record,
                                       .work = work_set_record,
                                       .done = done_set_record,
                                       .clear = clear_key_change};

int op_set_record(Node *node, ServerCall *call, Client *client, const void *parameters)
{
    const NodeSetRecordInput *input = parameters;

    if (input->record.version < 1)
        return server_call_invalid(call, "record.version");
    return op_change(node->key_lane, sizeof(KeyChange), &set_record, node, call, client, parameters, &input->key);
}

/* ---- DiscardKey, DestroyKey ------------------------------------------------------------------------------------------------------ */

static bool begin_discard(Change *change)
{
    if (!find_target(change))
        return false;

    const StoredKey *stored = &((KeyChange *)change)->target->stored;

    if (!stored->has_record)
        return outcome_set(&change->outcome, NODE_ERROR_KEY_UNUSABLE, "nobody knows whether it is active (%s): destroy it", stored->damage);
    if (stored->activation.size > 0)
        return outcome_set(&change->outcome, NODE_ERROR_KEY_ACTIVE, "this key is active; it can only be destroyed");
    return true;
}

static void work_discard(Change *change)
{
    Problem problem = PROBLEM_INIT;

    if (store_remove_key(change->node->store, &change->key, &problem) < 0)
        (void)unavailable(change, &problem);
    else
        unlink_share(change);
}

static void done_discard(Change *change)
{
    Key *key = ((KeyChange *)change)->target;

    if (!well(change))
        return;
    key->stored.destroyed = true; /* for the signatures on their way */
    loading_forget(change->node, key);
    keys_remove(&change->node->keys, &change->key);
    node_changed(change->node);
}

static const ChangeClass discard_key = {.what = "discards pending key",
                                        .event = EVENT_KEY_DISCARDED,
                                        .begin = begin_discard,
                                        .work = work_discard,
                                        .done = done_discard,
                                        .clear = clear_key_change};

int op_discard_key(Node *node, ServerCall *call, Client *client, const void *parameters)
{
    const NodeKeyInput *input = parameters;

    return op_change(node->key_lane, sizeof(KeyChange), &discard_key, node, call, client, parameters, &input->key);
}

static bool begin_destroy(Change *change)
{
    KeyChange *key_change = (KeyChange *)change;
    Key *key = keys_find(&change->node->keys, &change->key);
    int r;

    if (key && key->stored.destroyed)
        return false; /* it is so already */
    if (key) {
        key_change->target = key_ref(key);
        return generation_may_go(&change->node->keys, key, &change->outcome);
    }
    /* Never seen: the tombstone gets a row of its own. */
    r = keys_reserve(&change->node->keys);
    if (r == -E2BIG)
        return outcome_set(&change->outcome, NODE_ERROR_UNAVAILABLE, "this node holds as many keys and tombstones as it can");
    key_change->fresh = (StoredKey){.id = change->key};
    key_change->target = r == 0 ? key_new(&key_change->fresh) : NULL;
    return key_change->target || no_memory(change);
}

/* As if it were destroyed; but no signature is lost by it, so only where a later generation is active. */
static bool begin_retire(Change *change)
{
    const Key *key = keys_find(&change->node->keys, &change->key);

    if (key && key->stored.destroyed)
        return false; /* it is so already */
    return find_target(change) && generation_is_over(&change->node->keys, ((KeyChange *)change)->target, &change->outcome);
}

/* The tombstone decides; what cannot be removed behind it now is removed at the next start. */
static void work_destroy(Change *change)
{
    Problem problem = PROBLEM_INIT;

    if (store_write_tombstone(change->node->store, &change->key, change->client->name, &problem) < 0) {
        (void)unavailable(change, &problem);
        return;
    }
    unlink_share(change);
    if (store_remove_destroyed(change->node->store, &change->key, &problem) < 0)
        (void)problem_set(&change->outcome.problem, 0, "its sealed share stays on the disk until the next start: %s", problem.text);
}

static void done_destroy(Change *change)
{
    Key *key = ((KeyChange *)change)->target;

    if (!well(change))
        return;
    stored_key_clear(&key->stored);
    key->stored.id = change->key;
    key->stored.destroyed = true;
    loading_forget(change->node, key);
    if (!keys_find(&change->node->keys, &change->key))
        keys_insert(&change->node->keys, key_ref(key));
    node_changed(change->node);
}

static const ChangeClass destroy_key = {.what = "destroys key",
                                        .event = EVENT_KEY_DESTROYED,
                                        .begin = begin_destroy,
                                        .work = work_destroy,
                                        .done = done_destroy,
                                        .clear = clear_key_change};

int op_destroy_key(Node *node, ServerCall *call, Client *client, const void *parameters)
{
    const NodeKeyInput *input = parameters;

    return op_change(node->key_lane, sizeof(KeyChange), &destroy_key, node, call, client, parameters, &input->key);
}

static const ChangeClass retire_key = {.what = "retires key",
                                       .event = EVENT_KEY_RETIRED,
                                       .begin = begin_retire,
                                       .work = work_destroy,
                                       .done = done_destroy,
                                       .clear = clear_key_change};

int op_retire_key(Node *node, ServerCall *call, Client *client, const void *parameters)
{
    const NodeKeyInput *input = parameters;

    return op_change(node->key_lane, sizeof(KeyChange), &retire_key, node, call, client, parameters, &input->key);
}
