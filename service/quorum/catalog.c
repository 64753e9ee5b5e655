#include "quorum/catalog.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

#include "quorum/findings.h"
#include "quorum/proof.h"
#include "quorum/records.h"
#include "quorum/snapshot.h"
#include "quorum/steps.h"

/* A node that did not answer, or held up the others, is left out of the next refreshes, for longer each time it does so again. */
#define PAUSE_MIN MICROSECONDS_PER_SECOND
#define PAUSE_MAX (30 * MICROSECONDS_PER_SECOND)

/* How many times longer than k others a node may take. */
#define SLOWNESS_MAX 4

typedef struct Pause {
    Microseconds length, until;
} Pause;

struct Catalog {
    pthread_mutex_t turn; /* guards `busy`, and the wait for it; held for moments */
    pthread_cond_t free;  /* nobody is busy any more; its waits go by the monotonic clock */
    bool busy;            /* one thread asks or changes: everything down to `lock` is its own */
    Listing listings[THRESHOLD_NODES_MAX];
    bool dirty;       /* a listing has changed since the snapshot was made, or it could not be made whole */
    NodeSet answered; /* whose listings the snapshot was made of */
    Pause pauses[THRESHOLD_NODES_MAX];
    Findings findings;

    pthread_mutex_t lock;  /* guards what follows; held for moments */
    Snapshot *current;     /* NULL: nothing has ever been known */
    Microseconds asked;    /* when the last refresh began, or the time until which a failed one counts; 0: none */
    Microseconds patience; /* for how long it counted */
    Problem problem;       /* of the last refresh that failed */
};

/* ---- Snapshots -------------------------------------------------------------------------------------------------------- */

/* Only the thread that is busy publishes, so it may read `current` without the lock. */
static void publish(Catalog *catalog, Snapshot *snapshot)
{
    Snapshot *old = catalog->current;

    pthread_mutex_lock(&catalog->lock);
    catalog->current = snapshot;
    pthread_mutex_unlock(&catalog->lock);
    snapshot_free(old);
}

/* The present snapshot without the key of this id, and with `add` (may be NULL) in its place. */
static int replace_key(Catalog *catalog, const KeyId *id, QuorumKey *add)
{
    Snapshot *snapshot = NULL;
    int r = snapshot_replace(catalog->current, id, add, &snapshot);

    if (r == 0)
        publish(catalog, snapshot);
    return r;
}

/* ---- The catalog ------------------------------------------------------------------------------------------------------- */

static void make_locks(Catalog *catalog)
{
    pthread_condattr_t monotonic;

    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&catalog->free, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&catalog->turn, NULL);
    pthread_mutex_init(&catalog->lock, NULL);
}

int catalog_new(Catalog **ret_catalog)
{
    Catalog *catalog = calloc(1, sizeof(*catalog));

    if (!catalog)
        return -ENOMEM;
    make_locks(catalog);
    *ret_catalog = catalog;
    return 0;
}

Catalog *catalog_free(Catalog *catalog)
{
    if (!catalog)
        return NULL;
    for (unsigned i = 0; i < THRESHOLD_NODES_MAX; i++)
        listing_clear(&catalog->listings[i]);
    snapshot_free(catalog->current);
    pthread_cond_destroy(&catalog->free);
    pthread_mutex_destroy(&catalog->turn);
    pthread_mutex_destroy(&catalog->lock);
    free(catalog);
    return NULL;
}

void catalog_forked(Catalog *catalog)
{
    make_locks(catalog);
    if (!catalog->busy)
        return;
    /* Another thread of the parent was changing these: they cannot even be released. The snapshot is whole. */
    memset(catalog->listings, 0, sizeof(catalog->listings));
    catalog->answered = 0;
    catalog->dirty = true;
    catalog->busy = false;
}

/* Become the busy one, waiting until `at` at the most (NULL: as long as it takes). */
static bool asking_try(Catalog *catalog, const struct timespec *at)
{
    int r = 0;

    pthread_mutex_lock(&catalog->turn);
    while (catalog->busy && r == 0)
        r = at ? pthread_cond_timedwait(&catalog->free, &catalog->turn, at) : pthread_cond_wait(&catalog->free, &catalog->turn);

    bool mine = !catalog->busy;

    catalog->busy = true;
    pthread_mutex_unlock(&catalog->turn);
    return mine;
}

static void asking_begin(Catalog *catalog)
{
    (void)asking_try(catalog, NULL);
}

static void asking_end(Catalog *catalog)
{
    pthread_mutex_lock(&catalog->turn);
    catalog->busy = false;
    pthread_cond_signal(&catalog->free);
    pthread_mutex_unlock(&catalog->turn);
}

static void asking_endp(Catalog **catalog)
{
    if (*catalog)
        asking_end(*catalog);
}

/* ---- What the nodes report -------------------------------------------------------------------------------------------- */

static void pause_update(Pause *pause, bool answered)
{
    if (answered) {
        pause->length = 0;
        return;
    }
    pause->length = pause->length == 0 ? PAUSE_MIN : pause->length * 2;
    if (pause->length > PAUSE_MAX)
        pause->length = PAUSE_MAX;
    pause->until = clock_now() + pause->length;
}

/* In what time k nodes had answered. */
static Microseconds usual_time(const NodeAnswers *answers, unsigned k)
{
    Microseconds usual = MICROSECONDS_FOREVER;

    for (unsigned i = 0; i < THRESHOLD_NODES_MAX; i++) {
        Microseconds took = answers->of[i].took;
        unsigned n = 0;

        for (unsigned j = 0; j < THRESHOLD_NODES_MAX; j++)
            n += answers->asked & NODE_SET_OF(j + 1) && answers->of[j].r == 0 && answers->of[j].took <= took;
        if (n >= k && took < usual)
            usual = took;
    }
    return usual;
}

/* A refresh lasts as long as its slowest node: one that answers just in time would delay every one of them. */
static bool holds_up(const Roster *roster, Microseconds took, Microseconds usual)
{
    return took > roster->connect_timeout / 8 && took / SLOWNESS_MAX > usual;
}

/* Everybody, but those that failed lately only if they are needed. */
static NodeSet nodes_to_ask(const Catalog *catalog, const Roster *roster)
{
    NodeSet all = node_set_all(roster->n), nodes = 0;
    Microseconds now = clock_now();

    for (unsigned i = 0; i < roster->n; i++)
        if (catalog->pauses[i].length == 0 || catalog->pauses[i].until <= now)
            nodes |= NODE_SET_OF(i + 1);
    return node_set_count(nodes) >= roster->k ? nodes : all;
}

static int ask_listings(Quorum *quorum, Catalog *catalog, NodeSet nodes, NodeAnswers *ret_answers)
{
    NodeSet changed = 0;
    int r = listing_update(quorum, nodes, catalog->listings, &changed, ret_answers);

    if (r != 0)
        return r;
    catalog->dirty |= changed != 0;

    const Roster *roster = quorum_roster(quorum);
    Microseconds usual = usual_time(ret_answers, roster->k);

    for (unsigned i = 0; i < THRESHOLD_NODES_MAX; i++)
        if (nodes & NODE_SET_OF(i + 1))
            pause_update(&catalog->pauses[i], ret_answers->of[i].r == 0 && !holds_up(roster, ret_answers->of[i].took, usual));
    return 0;
}

/* Lay the listings side by side and prove the activations; what was proven once is known. */
static int make_groups(Quorum *quorum, Catalog *catalog, NodeSet answered, unsigned holders_min, Findings *findings, Groups *ret_groups)
{
    _cleanup_groups_ Groups groups = {0};
    bool complete = true;
    int r = groups_new(catalog->listings, answered, &groups);

    if (r < 0)
        return r;
    for (size_t i = 0; i < groups.count; i++) {
        QuorumKey *key = snapshot_find(catalog->current, &groups.items[i].id);

        groups.items[i].core = key ? key_core_ref(key_core(key)) : NULL;
    }
    r = holders_min > 0 ? proofs_fetch(quorum, &groups, holders_min, findings, &complete) : 0;
    if (r != 0)
        return r;
    catalog->dirty = !complete;
    *ret_groups = groups;
    groups = (Groups){0};
    return 0;
}

/* Pass the activation on to nodes that missed it: any client that sees it may. Nodes that do not answer are added to `away`. */
static int promote(Quorum *quorum, Group *group, Microseconds deadline, NodeSet *away)
{
    _cleanup_node_answers_ NodeAnswers answers = {0};
    NodeActivateInput input = {{group->id.bytes, KEY_ID_SIZE}, group->core->activation};
    const void *inputs[] = {&input};
    NodeSet nodes = group->in[KEY_PENDING] & ~group->core->told & ~group->core->forbids & ~*away;
    int r;

    if (nodes == 0)
        return 0;
    r = quorum_ask(quorum, nodes, ASK_LOGGED_IN, NODE_METHOD("ActivateKey"), &node_activate_input, inputs, true, &node_no_parameters,
                   deadline, &answers);
    if (r != 0)
        return r < 0 ? r : 0; /* logged out meanwhile: the next client does it */

    NodeSet done = node_answers_good(&answers);

    group->core->told |= done;
    group->core->forbids |= steps_with_error(&answers, NODE_ERROR_PERMISSION_DENIED);
    group->in[KEY_PENDING] &= ~done;
    group->in[KEY_ACTIVE] |= done;
    *away |= nodes & ~done;
    return 0;
}

/* What there is no time for is done when the listings have changed, or by the next client. */
static int promote_all(Quorum *quorum, Groups *groups)
{
    Microseconds deadline = clock_now() + quorum_roster(quorum)->connect_timeout / 2;
    NodeSet away = 0;
    int r = 0;

    if (!quorum_logged_in(quorum))
        return 0;
    for (size_t i = 0; r == 0 && i < groups->count && clock_now() < deadline; i++)
        if (group_exists(&groups->items[i], quorum_roster(quorum)->k))
            r = promote(quorum, &groups->items[i], deadline, &away);
    return r;
}

/* ---- What of that exists --------------------------------------------------------------------------------------------- */

static void add_for_all(Findings *findings, NodeSet nodes, FindingKind kind, const KeyId *id)
{
    for (unsigned i = 1; i <= THRESHOLD_NODES_MAX; i++)
        if (nodes & NODE_SET_OF(i))
            findings_add(findings, i, kind, id, 0);
}

/* What single nodes say of a key that exists, and the others do not. */
static void find_in_key(const Group *group, NodeSet answered, const QuorumKey *key, Findings *findings)
{
    NodeRecord visible = key_record_borrow(quorum_key_record(key));
    NodeSet other = answered & (group_live(group) | group->in[KEY_UNUSABLE]) & ~record_holders(group, &visible);
    NodeSet reported = group_live(group) | group->in[KEY_UNUSABLE] | group->in[KEY_DESTROYED];

    add_for_all(findings, answered & ~reported, FINDING_MISSING, &group->id);
    add_for_all(findings, group->in[KEY_DESTROYED], FINDING_TOMBSTONE, &group->id);
    add_for_all(findings, group->in[KEY_UNUSABLE], FINDING_UNUSABLE, &group->id);
    add_for_all(findings, group->in[KEY_PENDING] & group->core->told, FINDING_PENDING, &group->id);
    for (unsigned i = 1; i <= THRESHOLD_NODES_MAX; i++)
        if (other & NODE_SET_OF(i))
            findings_add(findings, i, FINDING_RECORD, &group->id, group->of[i - 1]->record.version);
}

static void find_all(const Groups *groups, unsigned k, const Snapshot *snapshot, Findings *findings)
{
    for (size_t i = 0; i < groups->count; i++) {
        const Group *group = &groups->items[i];
        const QuorumKey *key = snapshot_find(snapshot, &group->id);

        if (key && snapshot_shows(snapshot, &group->id))
            find_in_key(group, groups->answered, key, findings);
        else if (!key && node_set_count(group_live(group)) < k)
            add_for_all(findings, group_live(group), FINDING_ALONE, &group->id);
    }
}

/* From the listings of the nodes that answered to the next snapshot. */
static int evaluate(Quorum *quorum, Catalog *catalog, NodeSet answered)
{
    _cleanup_groups_ Groups groups = {0};
    _cleanup_snapshot_ Snapshot *snapshot = NULL;
    unsigned k = quorum_roster(quorum)->k;
    Findings findings = {0};
    int r = make_groups(quorum, catalog, answered, k, &findings, &groups);

    if (r == 0)
        r = promote_all(quorum, &groups);
    if (r == 0)
        r = snapshot_new(catalog->current, &groups, quorum_roster(quorum), &snapshot);
    if (r != 0)
        return r;
    find_all(&groups, k, snapshot, &findings);
    findings_report(quorum, &findings, answered, &catalog->findings);
    catalog->answered = answered;
    publish(catalog, TAKE_PTR(snapshot));
    return 0;
}

static int refresh_locked(Quorum *quorum, Catalog *catalog, Problem *problem)
{
    _cleanup_node_answers_ NodeAnswers answers = {0};
    const Roster *roster = quorum_roster(quorum);
    NodeSet answered;
    int r = ask_listings(quorum, catalog, nodes_to_ask(catalog, roster), &answers);

    if (r != 0)
        return r;
    answered = node_answers_good(&answers);
    if (node_set_count(answered) < roster->k) {
        node_answers_describe(quorum, &answers, problem);
        return problem_prefix(problem, QUORUM_E_TOO_FEW_NODES, "Listing the keys needs %u nodes", roster->k);
    }
    if (!catalog->dirty && catalog->current && answered == catalog->answered)
        return 0;
    r = evaluate(quorum, catalog, answered);
    catalog->dirty |= r != 0;
    return r;
}

/* Has a refresh begun at or after `since`? */
static bool asked_since(Catalog *catalog, Microseconds since)
{
    bool asked;

    pthread_mutex_lock(&catalog->lock);
    asked = catalog->asked != 0 && catalog->asked >= since;
    pthread_mutex_unlock(&catalog->lock);
    return asked;
}

/* A refresh that failed is not tried again for as long as it took, then for twice as long and so on, up to sixteen times, so that callers
 * do not spend their time waiting for nodes that are not there. As long as nothing is known, each call tries. */
static void set_asked(Catalog *catalog, Microseconds began, int r, const Problem *problem)
{
    Microseconds now = clock_now(), longest = 16 * (now - began);

    pthread_mutex_lock(&catalog->lock);
    catalog->asked = began;
    if (r == 0) {
        catalog->patience = 0;
    } else {
        catalog->problem = *problem;
        catalog->patience = catalog->patience == 0 ? now - began : 2 * catalog->patience;
        if (catalog->patience > longest)
            catalog->patience = longest;
        if (catalog->patience > PAUSE_MAX)
            catalog->patience = PAUSE_MAX;
        if (catalog->current)
            catalog->asked = now + catalog->patience;
    }
    pthread_mutex_unlock(&catalog->lock);
}

/* Become the one who asks. Who knows something does not wait for long while another thread asks, or changes a key. */
static bool asking_wait(Catalog *catalog, Microseconds time)
{
    Microseconds deadline = clock_now() + time;
    struct timespec at = {(time_t)(deadline / MICROSECONDS_PER_SECOND), (long)(deadline % MICROSECONDS_PER_SECOND) * 1000};
    bool known;

    pthread_mutex_lock(&catalog->lock);
    known = catalog->current;
    pthread_mutex_unlock(&catalog->lock);
    return asking_try(catalog, known ? &at : NULL);
}

/* Ask the nodes, unless another thread does or did after `since`. Too few nodes are no error here: what was known stays. */
static int refresh(Quorum *quorum, Catalog *catalog, Microseconds since)
{
    Problem problem = PROBLEM_INIT;
    Microseconds began;
    int r;

    if (!asking_wait(catalog, quorum_roster(quorum)->connect_timeout))
        return 0;

    _cleanup_(asking_endp) Catalog *asking = catalog;

    if (asked_since(asking, since))
        return 0;
    began = clock_now();
    r = refresh_locked(quorum, catalog, &problem);
    set_asked(catalog, began, r, &problem);
    return r < 0 ? r : 0;
}

/* ---- The keys --------------------------------------------------------------------------------------------------------- */

static int copy_keys(Catalog *catalog, QuorumKey ***ret_keys, size_t *ret_n_keys, Problem *problem)
{
    const Snapshot *current;
    QuorumKey **keys = NULL;
    int r = 0;

    pthread_mutex_lock(&catalog->lock);
    current = catalog->current;
    if (!current)
        r = problem_set(problem, QUORUM_E_TOO_FEW_NODES, "%s", catalog->problem.text);
    else if (!(keys = calloc(current->count + 1, sizeof(QuorumKey *))))
        r = -ENOMEM;
    if (r == 0) {
        size_t n = 0;

        for (size_t i = 0; i < current->count; i++)
            if (!current->items[i].hidden)
                keys[n++] = quorum_key_ref(current->items[i].key);
        *ret_keys = keys;
        *ret_n_keys = n;
    }
    pthread_mutex_unlock(&catalog->lock);
    return r;
}

int quorum_keys(Quorum *quorum, Microseconds max_age, QuorumKey ***ret_keys, size_t *ret_n_keys, Problem *problem)
{
    Catalog *catalog = quorum_catalog(quorum);
    Microseconds now = clock_now();
    int r = 0;

    if (!asked_since(catalog, now > max_age ? now - max_age : 1))
        r = refresh(quorum, catalog, now);
    if (r != 0)
        return problem_set(problem, r, "The keys cannot be listed: %s", strerror(-r));
    return copy_keys(catalog, ret_keys, ret_n_keys, problem);
}

void quorum_keys_free(QuorumKey **keys, size_t n_keys)
{
    for (size_t i = 0; keys && i < n_keys; i++)
        quorum_key_unref(keys[i]);
    free(keys);
}

QuorumKey *quorum_key_by_id(Quorum *quorum, const KeyId *id)
{
    Catalog *catalog = quorum_catalog(quorum);
    QuorumKey *key;

    pthread_mutex_lock(&catalog->lock);
    key = snapshot_find(catalog->current, id);
    if (key)
        quorum_key_ref(key);
    pthread_mutex_unlock(&catalog->lock);
    return key;
}

QuorumKey *quorum_key_shown(Quorum *quorum, const QuorumKey *key)
{
    Catalog *catalog = quorum_catalog(quorum);
    QuorumKey *shown;

    pthread_mutex_lock(&catalog->lock);
    shown = snapshot_find_shown(catalog->current, quorum_key_header(key));
    if (shown)
        quorum_key_ref(shown);
    pthread_mutex_unlock(&catalog->lock);
    return shown;
}

/* ---- Changes ----------------------------------------------------------------------------------------------------------- */

int catalog_view(Quorum *quorum, unsigned holders_min, CatalogView *ret_view)
{
    Catalog *catalog = quorum_catalog(quorum);
    CatalogView view = {.catalog = catalog};
    Findings findings = {0}, known = {0};
    bool dirty;
    int r;

    asking_begin(catalog);
    r = ask_listings(quorum, catalog, node_set_all(quorum_roster(quorum)->n), &view.answers);
    dirty = catalog->dirty;
    if (r == 0 && node_set_count(node_answers_good(&view.answers)) >= quorum_roster(quorum)->k)
        set_asked(catalog, 1, 0, NULL); /* enough are there: the next refresh need not wait */
    if (r == 0)
        r = make_groups(quorum, catalog, node_answers_good(&view.answers), holders_min, &findings, &view.groups);
    catalog->dirty |= dirty; /* the snapshot has not been made of it */
    findings_report(quorum, &findings, view.groups.answered, &known);
    if (r != 0)
        catalog_view_close(&view);
    else
        *ret_view = view;
    return r;
}

void catalog_view_close(CatalogView *view)
{
    if (!view->catalog)
        return;
    groups_clear(&view->groups);
    node_answers_clear(&view->answers);
    asking_end(view->catalog);
    *view = (CatalogView){0};
}

int catalog_add(Catalog *catalog, QuorumKey *key)
{
    int r;

    asking_begin(catalog);
    r = replace_key(catalog, quorum_key_id(key), key);
    catalog->dirty = true;
    asking_end(catalog);
    return r;
}

int catalog_remove(Catalog *catalog, const KeyId *id)
{
    int r;

    asking_begin(catalog);
    r = replace_key(catalog, id, NULL);
    catalog->dirty = true;
    asking_end(catalog);
    return r;
}

void catalog_changed(Quorum *quorum)
{
    Catalog *catalog = quorum_catalog(quorum);

    if (refresh(quorum, catalog, clock_now()) < 0)
        quorum_log(quorum, LOG_WARNING, "The keys cannot be listed after a change: out of memory. The next listing shows it.");
}
