#include <stdlib.h>
#include <string.h>

#include "base/journal.h"
#include "node/generations.h"
#include "node/ops.h"

/* LockKey, and UnlockKey in its two forms: open a window in memory, or remove the flag. */
typedef struct LockChange {
    Change change;
    Key *target;
    /* LockKey: of all its generations those that are to be marked, and how many of them are. */
    Key **unmarked;
    size_t n_unmarked, marked;
} LockChange;

static void clear_lock(Change *change)
{
    LockChange *lock = (LockChange *)change;

    for (size_t i = 0; i < lock->n_unmarked; i++)
        (void)key_unref(lock->unmarked[i]);
    free(lock->unmarked);
    key_unrefp(&lock->target);
}

static bool find_target(Change *change)
{
    Key *key = op_find_key(change->node, &change->key, &change->outcome);

    if (!key)
        return false;
    if (!key->stored.has_record)
        return outcome_set(&change->outcome, NODE_ERROR_KEY_UNUSABLE, "%s", key->stored.damage);
    ((LockChange *)change)->target = key_ref(key);
    return true;
}

static bool write_flag(Change *change, const Key *key, bool locked)
{
    StoredKey changed = key->stored; /* borrowed for the time of one write */
    Problem problem = PROBLEM_INIT;

    changed.locked = locked;
    return store_write_record(change->node->store, &changed, &problem) == 0 ||
           outcome_set(&change->outcome, NODE_ERROR_UNAVAILABLE, "%s", problem.text);
}

/* ---- LockKey ---------------------------------------------------------------------------------------------------------------- */

/* Of all generations of the key: what signs with one signs for the others. */
static void close_windows(const Node *node, const Key *key)
{
    for (size_t i = 0; i < node->keys.n; i++) {
        Key *other = node->keys.items[i];

        if (!generation_of_same_key(key, other))
            continue;
        other->window = (LockWindow){0};
        other->closings++;
    }
}

static bool add_unmarked(LockChange *lock, Key *key)
{
    Key **more = reallocarray(lock->unmarked, lock->n_unmarked + 1, sizeof(*more));

    if (!more)
        return outcome_set(&lock->change.outcome, NODE_ERROR_UNAVAILABLE, "out of memory");
    lock->unmarked = more;
    lock->unmarked[lock->n_unmarked++] = key_ref(key);
    return true;
}

/* Windows again: what stood before us in the line may have opened one. */
static bool begin_lock(Change *change)
{
    LockChange *lock = (LockChange *)change;
    const Keys *keys = &change->node->keys;

    if (!find_target(change))
        return false;
    close_windows(change->node, lock->target);
    for (size_t i = 0; i < keys->n; i++) {
        const StoredKey *stored = &keys->items[i]->stored;

        if (stored->has_record && !stored->locked && generation_of_same_key(lock->target, keys->items[i]) &&
            !add_unmarked(lock, keys->items[i]))
            return false;
    }
    return lock->n_unmarked > 0;
}

static void work_lock(Change *change)
{
    LockChange *lock = (LockChange *)change;

    while (lock->marked < lock->n_unmarked && write_flag(change, lock->unmarked[lock->marked], true))
        lock->marked++;
}

static void done_lock(Change *change)
{
    LockChange *lock = (LockChange *)change;

    close_windows(change->node, lock->target);
    for (size_t i = 0; i < lock->marked; i++)
        lock->unmarked[i]->stored.locked = true;
    if (lock->marked > 0)
        node_changed(change->node);
}

static const ChangeClass lock_key = {
    .what = "locks key", .begin = begin_lock, .work = work_lock, .done = done_lock, .clear = clear_lock, .event = EVENT_KEY_LOCKED};

/* The windows close at once, whatever the lane is waiting for, and whatever becomes of the marks. */
int op_lock_key(Node *node, ServerCall *call, Client *client, const void *parameters)
{
    const NodeKeyInput *input = parameters;
    const KeyId id = op_key_id(&input->key);
    const Key *key = keys_find(&node->keys, &id);

    if (key)
        close_windows(node, key);
    return op_change(node->key_lane, sizeof(LockChange), &lock_key, node, call, client, parameters, &input->key);
}

/* ---- UnlockKey -------------------------------------------------------------------------------------------------------------- */

static void log_window(const Change *change, const NodeUnlockInput *input)
{
    char key[2 * KEY_ID_SIZE + 1], seconds[24], count[24];

    key_id_format(&change->key, key);
    (void)snprintf(seconds, sizeof(seconds), "%llu", (unsigned long long)input->seconds);
    (void)snprintf(count, sizeof(count), "%llu", (unsigned long long)input->count);

    const JournalFields fields = {
        [JOURNAL_CLIENT] = change->client->name,
        [JOURNAL_KEY] = key,
        [JOURNAL_LABEL] = ((const LockChange *)change)->target->stored.record.private_label,
        [JOURNAL_SECONDS] = input->seconds > 0 ? seconds : NULL,
        [JOURNAL_COUNT] = input->count > 0 ? count : NULL,
    };

    journal_event(EVENT_KEY_UNLOCKED, fields, "%s unlocks key %s for %s%s%s%s%s", change->client->name, key,
                  input->seconds > 0 ? seconds : "", input->seconds > 0 ? " seconds" : "",
                  input->seconds > 0 && input->count > 0 ? ", " : "", input->count > 0 ? count : "", input->count > 0 ? " signatures" : "");
}

/* Nothing is stored: a change only so as to stand in line with what was asked before. */
static bool begin_unlock(Change *change)
{
    const NodeUnlockInput *input = change->parameters;

    if (!find_target(change))
        return false;

    Key *key = ((LockChange *)change)->target;

    if (!key->stored.locked)
        return outcome_set(&change->outcome, NODE_ERROR_REJECTED, "this key is not locked here, and so cannot be unlocked for a while");
    key->window = lock_window(input->seconds, input->count, lock_now());
    log_window(change, input);
    return false;
}

static const ChangeClass unlock_key = {.what = "unlocks key", .begin = begin_unlock, .clear = clear_lock, .quiet = true};

static bool begin_unlock_permanently(Change *change)
{
    return find_target(change) && ((LockChange *)change)->target->stored.locked;
}

static void work_unlock_permanently(Change *change)
{
    (void)write_flag(change, ((LockChange *)change)->target, false);
}

static void done_unlock_permanently(Change *change)
{
    if (change->outcome.error != NODE_ERROR_NONE)
        return;
    ((LockChange *)change)->target->stored.locked = false;
    node_changed(change->node);
}

static const ChangeClass unlock_key_permanently = {.what = "unlocks for good key",
                                                   .begin = begin_unlock_permanently,
                                                   .work = work_unlock_permanently,
                                                   .done = done_unlock_permanently,
                                                   .clear = clear_lock,
                                                   .event = EVENT_KEY_UNLOCKED};

int op_unlock_key(Node *node, ServerCall *call, Client *client, const void *parameters)
{
    const NodeUnlockInput *input = parameters;
    const bool limited = input->seconds > 0 || input->count > 0;

    if (limited == input->permanently)
        return server_call_invalid(call, input->permanently ? "permanently" : "seconds");
    return op_change(node->key_lane, sizeof(LockChange), input->permanently ? &unlock_key_permanently : &unlock_key, node, call, client,
                     parameters, &input->key);
}
