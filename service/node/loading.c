#include "node/loading.h"

#include <errno.h>
#include <string.h>

#include "base/journal.h"
#include "node/sign-job.h"

static int find(Node *node, CustodyKind custody, const KeyId *id, Loaded *loaded, Problem *problem)
{
    int r = keyring_share_find(node->ring, custody, id, loaded->threshold, &loaded->share, problem);

    if (r != KEYRING_E_GONE)
        return r;
    r = loader_client_load(node->loader, id, problem);
    if (r != 0)
        return r == LOADER_E_REJECTED ? -EBADMSG : r;
    r = keyring_share_find(node->ring, custody, id, loaded->threshold, &loaded->share, problem);
    return r == 0 ? 0 : problem_prefix(problem, -EAGAIN, "the loader has loaded it, but it is not to be found");
}

static int load(Node *node, const KeyId *id, const Bytes *common, Loaded *loaded, Problem *problem)
{
    _cleanup_header_ Header header = {0};
    int r = header_decode(common, &header, problem);

    if (r == 0)
        r = threshold_key_new(&header.parameters, &header.public_key, &header.verification, &loaded->threshold, problem);
    if (r < 0)
        return r == -ENOMEM ? r : -EBADMSG;
    r = find(node, header.custody, id, loaded, problem);
    /* Measured once for each size, here rather than while a signature waits. */
    if (r == 0)
        (void)keyring_share_pair_is_faster(loaded->share, loaded->share);
    return r;
}

bool loading_load(Node *node, const KeyId *id, const Bytes *common, Loaded **ret_loaded, Outcome *outcome)
{
    _cleanup_loaded_ Loaded *loaded = calloc(1, sizeof(*loaded));
    Problem problem = PROBLEM_INIT;

    if (!loaded)
        return outcome_set(outcome, NODE_ERROR_UNAVAILABLE, "out of memory");
    loaded->references = 1;

    int r = load(node, id, common, loaded, &problem);

    if (r == -EBADMSG)
        return outcome_set(outcome, NODE_ERROR_REJECTED, "%s", problem.text);
    if (r != 0)
        return outcome_set(outcome, NODE_ERROR_UNAVAILABLE, "the share cannot be loaded: %s", problem.text);
    *ret_loaded = TAKE_PTR(loaded);
    return true;
}

/* ---- Loading a key of the table --------------------------------------------------------------------------------------------- */

typedef struct Load {
    Change change;
    Key *key;
    Loaded *loaded;
} Load;

static bool begin_load(Change *change)
{
    Key *key = ((Load *)change)->key;

    if (!key->loaded && (key_state(key) == KEY_ACTIVE || key_state(key) == KEY_PENDING))
        return true;
    key->loading = false;
    signing_go_on(change->node, key, &change->outcome);
    return false;
}

static void work_load(Change *change)
{
    Load *load_change = (Load *)change;

    (void)loading_load(change->node, &load_change->key->stored.id, &load_change->key->stored.common, &load_change->loaded,
                       &change->outcome);
}

/* A share that was refused once stays refused until the node starts again. */
static void mark_unusable(Node *node, Key *key, Outcome *outcome)
{
    outcome->error = NODE_ERROR_KEY_UNUSABLE;
    key->stored.damage = strdup(outcome->problem.text);
    node_changed(node);
}

static void done_load(Change *change)
{
    Load *load_change = (Load *)change;
    Key *key = load_change->key;

    key->loading = false;
    key->loaded = TAKE_PTR(load_change->loaded);
    if (change->outcome.error == NODE_ERROR_REJECTED)
        mark_unusable(change->node, key, &change->outcome);
    if (change->outcome.error == NODE_ERROR_UNAVAILABLE)
        change->node->loading_all = false; /* what does not go now goes on first use */
    signing_go_on(change->node, key, &change->outcome);
}

static void clear_load(Change *change)
{
    Load *load_change = (Load *)change;

    loaded_unrefp(&load_change->loaded);
    key_unrefp(&load_change->key);
}

static const ChangeFailure load_failures[] = {
    {NODE_ERROR_KEY_UNUSABLE, EVENT_SHARE_UNUSABLE}, {NODE_ERROR_UNAVAILABLE, EVENT_SHARE_LOAD_FAILED}, {NODE_ERROR_NONE}};

static const ChangeClass load_class = {.what = "loads key",
                                       .event = EVENT_SHARE_LOADED,
                                       .failures = load_failures,
                                       .begin = begin_load,
                                       .work = work_load,
                                       .done = done_load,
                                       .clear = clear_load};

int loading_request(Node *node, Key *key)
{
    if (key->loading)
        return 0;

    Load *load_change = change_new(sizeof(*load_change), &load_class, node, NULL, NULL, NULL);

    if (!load_change)
        return -ENOMEM;
    load_change->key = key_ref(key);
    load_change->change.key = key->stored.id;
    load_change->change.has_key = true;
    key->loading = true;
    lane_submit(node->key_lane, &load_change->change);
    return 0;
}

void loading_next(Node *node)
{
    for (size_t at; node->loading_all && !node->stopping;) {
        at = keys_after(&node->keys, node->loaded_any ? &node->loaded_last : NULL);
        if (at == node->keys.n) {
            node->loading_all = false;
            journal_log(LOG_INFO, "all shares are loaded");
            return;
        }

        Key *key = node->keys.items[at];

        node->loaded_last = key->stored.id;
        node->loaded_any = true;
        if (key->loaded || (key_state(key) != KEY_ACTIVE && key_state(key) != KEY_PENDING))
            continue;
        if (loading_request(node, key) < 0)
            node->loading_all = false;
        return;
    }
}

void loading_forget(Node *node, Key *key)
{
    key->loaded = loaded_unref(key->loaded);
    nonces_forget_key(node, key);
}
