#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "quorum/catalog.h"
#include "quorum/pin.h"
#include "quorum/records.h"
#include "quorum/retire.h"
#include "quorum/status.h"
#include "quorum/steps.h"

#define KEY_NAME_SIZE (2 * KEY_ID_SIZE + NODE_LABEL_SIZE_MAX + 8)

typedef struct Sync {
    Quorum *quorum;
    const Roster *roster;
    Groups *groups;
    bool discard_pending;
    SyncReport report;
    void *userdata;
} Sync;

static void say(const Sync *sync, bool done, const char *format, ...) _printf_(3, 4);
static void say(const Sync *sync, bool done, const char *format, ...)
{
    char text[2 * PROBLEM_SIZE_MAX];
    Problem clean = PROBLEM_INIT; /* labels and reasons may hold control characters */
    va_list arguments;

    if (!sync->report)
        return;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    (void)problem_set(&clean, 0, "%s", text);
    sync->report(sync->userdata, done, clean.text);
}

/* "key 0123… ('label')" */
static void name_key(const Sync *sync, const Group *group, char ret_text[KEY_NAME_SIZE])
{
    const NodeRecord *record = record_visible(group, sync->roster->k, NULL);
    char id[2 * KEY_ID_SIZE + 1];

    key_id_format(&group->id, id);
    if (record && record->private_label && *record->private_label)
        (void)snprintf(ret_text, KEY_NAME_SIZE, "%s ('%s')", id, record->private_label);
    else
        (void)snprintf(ret_text, KEY_NAME_SIZE, "%s", id);
}

/* A finding about a key at some nodes: "NODES: TEXT of key KEY: MORE". */
static void say_at(const Sync *sync, const Group *group, NodeSet nodes, const char *text, const char *more)
{
    char key[KEY_NAME_SIZE], names[NODE_NAMES_SIZE];

    if (nodes == 0)
        return;
    name_key(sync, group, key);
    steps_name_nodes(sync->quorum, nodes, names);
    say(sync, false, "Key %s: %s at %s; %s", key, text, names, more);
}

/* What came of a change: "Key KEY: TEXT at NODES", and what the others said. */
static void say_done(const Sync *sync, const Group *group, const NodeAnswers *answers, const char *text)
{
    NodeSet good = node_answers_good(answers);
    char key[KEY_NAME_SIZE], names[NODE_NAMES_SIZE];
    Problem others = PROBLEM_INIT;

    name_key(sync, group, key);
    steps_name_nodes(sync->quorum, good, names);
    if (good)
        say(sync, true, "Key %s: %s at %s", key, text, names);
    if (good == answers->asked)
        return;
    node_answers_describe(sync->quorum, answers, &others);
    say(sync, false, "Key %s: not %s: %s", key, text, others.text);
}

/* One change of this key at some nodes, and its report; `done` (may be NULL) gets those that made it. */
static int change(const Sync *sync, const Group *group, const Step *step, NodeSet nodes, const char *text, NodeSet *done)
{
    _cleanup_node_answers_ NodeAnswers answers = {0};
    int r;

    if (nodes == 0)
        return 0;
    r = steps_take(sync->quorum, step, nodes, &answers);
    if (r == 0)
        say_done(sync, group, &answers, text);
    if (done)
        *done = node_answers_good(&answers);
    return r;
}

static int change_by_id(const Sync *sync, const Group *group, const char *name, const char *method, NodeSet nodes, const char *text)
{
    NodeKeyInput input = {{(uint8_t *)group->id.bytes, KEY_ID_SIZE}};
    const void *inputs[] = {&input};
    const Step step = {name, method, &node_key_input, inputs, .same = true};

    return change(sync, group, &step, nodes, text, NULL);
}

static int activate(const Sync *sync, Group *group)
{
    NodeActivateInput input = {{(uint8_t *)group->id.bytes, KEY_ID_SIZE}, group->core->activation};
    const void *inputs[] = {&input};
    const Step step = {"activate", NODE_METHOD("ActivateKey"), &node_activate_input, inputs, .same = true};

    NodeSet done = 0;
    int r = change(sync, group, &step, group->in[KEY_PENDING], "activated", &done);

    group->in[KEY_PENDING] &= ~done;
    group->in[KEY_ACTIVE] |= done;
    return r;
}

/* A key that no node proves to be active. It may be so on a node that is away or too slow to show it: then it must not be discarded. */
static int settle_pending(const Sync *sync, const Group *group)
{
    NodeSet away = (node_set_all(sync->roster->n) & ~sync->groups->answered) | group->silent;

    say_at(sync, group, group->in[KEY_ACTIVE] & ~group->silent, "reported as active, without a valid activation,",
           "the node lies or is broken");
    if (away && (sync->discard_pending || group->silent))
        say_at(sync, group, away, "not proven to be active, and not discarded because it may be so",
               "repeat the command when all nodes answer in time");
    else if (!sync->discard_pending)
        say_at(sync, group, group->in[KEY_PENDING], "prepared but never activated",
               "unless it is being made now, 'kqctl sync --discard-pending' removes it");
    else
        return change_by_id(sync, group, "discard", NODE_METHOD("DiscardKey"), group->in[KEY_PENDING],
                            "never activated, and now discarded");
    return 0;
}

/* ---- Records ----------------------------------------------------------------------------------------------------------- */

/* The nodes that hold a record at least as new as the visible one, but another. */
static NodeSet ahead_of(const Group *group, const NodeRecord *visible, NodeSet nodes)
{
    NodeSet ahead = 0;

    for (unsigned i = 1; i <= THRESHOLD_NODES_MAX; i++)
        if (nodes & NODE_SET_OF(i) && group->of[i - 1]->record.version >= visible->version)
            ahead |= NODE_SET_OF(i);
    return ahead;
}

/* Could one of the records at `nodes` be the visible one, if the nodes that are away hold it too? */
static bool may_be_visible(const Sync *sync, const Group *group, NodeSet nodes)
{
    unsigned away = sync->roster->n - node_set_count(sync->groups->answered);

    for (unsigned i = 1; i <= THRESHOLD_NODES_MAX; i++)
        if (nodes & NODE_SET_OF(i) && node_set_count(record_holders(group, &group->of[i - 1]->record)) + away >= sync->roster->k)
            return true;
    return false;
}

static int store(const Sync *sync, const Group *group, const NodeRecord *visible, uint64_t version, NodeSet nodes, const char *text)
{
    _cleanup_node_answers_ NodeAnswers answers = {0};
    NodeRecord record = *visible;
    int r;

    if (nodes == 0)
        return 0;
    record.version = version;
    r = record_store(sync->quorum, group, visible, &record, nodes, &answers);
    if (r == 0)
        say_done(sync, group, &answers, text);
    return r;
}

static int settle_record(const Sync *sync, const Group *group)
{
    const NodeRecord *visible = record_visible(group, sync->roster->k, NULL);
    NodeSet live = group_live(group), holders, other, ahead;

    if (!visible)
        return 0;
    holders = record_holders(group, visible);
    other = live & ~holders;
    ahead = ahead_of(group, visible, other);
    if (other == 0)
        return 0;
    if (may_be_visible(sync, group, ahead) || (node_set_count(holders) < sync->roster->k && may_be_visible(sync, group, other))) {
        say_at(sync, group, other, "other labels or ids",
               "which are right cannot be told until more nodes answer: repeat the command then");
        return 0;
    }
    if (ahead == 0 && node_set_count(holders) >= sync->roster->k)
        return store(sync, group, visible, visible->version, other, "missed labels and ids stored");
    /* A version that every node takes: what was begun and not finished is taken back. */
    return store(sync, group, visible, record_next_version(group, visible), live,
                 "a change of labels or ids was cut off, and those that are shown stored anew");
}

/* ---- Keys ---------------------------------------------------------------------------------------------------------------- */

static void say_unusable(const Sync *sync, const Group *group)
{
    for (unsigned i = 1; i <= sync->roster->n; i++)
        if (group->in[KEY_UNUSABLE] & NODE_SET_OF(i)) {
            const char *reason = group->of[i - 1]->reason;

            say_at(sync, group, NODE_SET_OF(i), "the share cannot be used", reason && *reason ? reason : "the node does not say why");
        }
}

/* A generation that has a successor. */
static int settle_old(const Sync *sync, const Group *group, const Group *successor)
{
    _cleanup_node_answers_ NodeAnswers records = {0}, retired = {0};
    int r;

    if (successor->in[KEY_ACTIVE] != node_set_all(sync->roster->n)) {
        if (group_live(group))
            say_at(sync, successor, node_set_all(sync->roster->n) & ~successor->in[KEY_ACTIVE], "new shares that are not in use",
                   "the old ones are kept until they are");
        return 0;
    }
    r = retire_carry_record(sync->quorum, group, successor, &records);
    if (r == 0 && records.asked)
        say_done(sync, successor, &records, "later labels and ids of the old shares stored");
    if (r == 0 && node_answers_good(&records) == records.asked)
        r = retire_everywhere(sync->quorum, group, &retired);
    if (r == 0 && retired.asked)
        say_done(sync, group, &retired, "old shares destroyed, since new ones are in use,");
    return r;
}

/* A key whose activation is proven. */
static int settle_active(const Sync *sync, Group *group)
{
    NodeSet missing = sync->groups->answered & ~(group_live(group) | group->in[KEY_UNUSABLE] | group->in[KEY_DESTROYED]);
    unsigned live = node_set_count(group_live(group));
    char key[KEY_NAME_SIZE];
    int r = activate(sync, group);

    if (r != 0)
        return r;
    if (live >= sync->roster->k) {
        say_at(sync, group, missing, "no share",
               threshold_scheme_has_dealer(threshold_key_scheme(group->core->threshold))
                   ? "it is lost there; if more get lost the key is: make a new one in time"
                   : "it is lost there; 'kqctl key repair' has it made anew");
        return settle_record(sync, group);
    }
    name_key(sync, group, key);
    say(sync, false, "Key %s: only %u of the %u shares that signing needs are at nodes that answer", key, live, sync->roster->k);
    return 0;
}

static int settle_key(const Sync *sync, Group *group)
{
    NodeSet tombstones = group->in[KEY_DESTROYED];

    if (node_set_count(tombstones) >= sync->roster->n - sync->roster->k + 1)
        return change_by_id(sync, group, "destroy", NODE_METHOD("DestroyKey"), sync->groups->answered & ~tombstones, "destroyed");
    say_at(sync, group, tombstones, "destroyed only",
           "a destruction was cut off, or the node lies: 'kqctl key destroy' with this key id finishes it");
    say_unusable(sync, group);
    if (group->core)
        return settle_active(sync, group);
    return group_live(group) ? settle_pending(sync, group) : 0;
}

/* Old generations last: they wait for what is done about the new ones. */
static int settle_groups(const Sync *sync)
{
    const unsigned k = sync->roster->k;
    Groups *groups = sync->groups;
    int r = 0;

    for (size_t i = 0; r == 0 && i < groups->count; i++)
        if (!groups->items[i].core || !retire_successor(groups, &groups->items[i], k))
            r = settle_key(sync, &groups->items[i]);
    for (size_t i = 0; r == 0 && i < groups->count; i++) {
        const Group *successor = groups->items[i].core ? retire_successor(groups, &groups->items[i], k) : NULL;

        if (successor)
            r = settle_old(sync, &groups->items[i], successor);
    }
    return r;
}

static int settle_keys(Sync *sync, Problem *problem)
{
    _cleanup_catalog_view_ CatalogView view = {0};
    Problem away = PROBLEM_INIT;
    int r = catalog_view(sync->quorum, 1, &view);

    if (r != 0)
        return r;
    if (node_set_count(view.groups.answered) < sync->roster->k) {
        node_answers_describe(sync->quorum, &view.answers, problem);
        return problem_prefix(problem, QUORUM_E_TOO_FEW_NODES, "Bringing the nodes together needs %u of them", sync->roster->k);
    }
    if (view.groups.answered != node_set_all(sync->roster->n)) {
        node_answers_describe(sync->quorum, &view.answers, &away);
        say(sync, false, "Not all nodes answer: %s", away.text);
    }
    sync->groups = &view.groups;
    r = settle_groups(sync);
    sync->groups = NULL;
    return r;
}

/* ---- PIN --------------------------------------------------------------------------------------------------------------- */

/* 0: it did not say, or is of another token. */
static uint64_t pin_version(const Sync *sync, const NodeAnswers *answers, unsigned i)
{
    const NodeStatusOutput *status = answers->of[i].output;

    return status && status_is_member(sync->roster, i + 1, status) ? status->pin_version : 0;
}

/* The newest version that at least k nodes hold; 0: none. */
static uint64_t pin_in_force(const Sync *sync, const NodeAnswers *answers)
{
    uint64_t newest = 0;

    for (unsigned i = 0; i < sync->roster->n; i++) {
        unsigned holders = 0;

        for (unsigned j = 0; j < sync->roster->n; j++)
            holders += pin_version(sync, answers, j) == pin_version(sync, answers, i);
        if (holders >= sync->roster->k && pin_version(sync, answers, i) > newest)
            newest = pin_version(sync, answers, i);
    }
    return newest;
}

/* Give the stale nodes the verifier of the PIN in force, which `pin` has been shown to be. */
static int reset_pin(const Sync *sync, const Secret *pin, NodeSet stale, uint64_t version)
{
    _cleanup_node_answers_ NodeAnswers answers = {0};
    _cleanup_secret_ Secret *master = NULL;
    const Roster *roster = sync->roster;
    uint8_t verifiers[THRESHOLD_NODES_MAX][NODE_VERIFIER_SIZE];
    NodeInitTokenInput resets[THRESHOLD_NODES_MAX];
    const void *inputs[THRESHOLD_NODES_MAX] = {NULL};
    char names[NODE_NAMES_SIZE];
    Problem others = PROBLEM_INIT;
    int r = pin_master(roster, pin, &master);

    for (unsigned i = 0; r == 0 && i < roster->n; i++) {
        r = pin_verifier(roster, master, i + 1, verifiers[i]);
        resets[i] = (NodeInitTokenInput){{(uint8_t *)roster->token, sizeof(roster->token)},
                                         i + 1,
                                         roster->n,
                                         roster->k,
                                         {verifiers[i], NODE_VERIFIER_SIZE},
                                         true,
                                         version};
        inputs[i] = &resets[i];
    }
    quorum_step(sync->quorum, "reset pin");
    if (r == 0)
        r = quorum_ask(sync->quorum, stale, ASK_FRESH, NODE_METHOD("InitToken"), &node_init_token_input, inputs, false, &node_no_parameters,
                       clock_now() + STEP_TIMEOUT, &answers);
    if (r != 0)
        return r;
    steps_name_nodes(sync->quorum, node_answers_good(&answers), names);
    if (*names)
        say(sync, true, "PIN: brought to version %llu at %s", (unsigned long long)version, names);
    if (node_answers_good(&answers) == stale)
        return 0;
    node_answers_describe(sync->quorum, &answers, &others);
    say(sync, false, "PIN: not reset (this works on the node's own host only): %s", others.text);
    return 0;
}

/* Only a PIN that the nodes accept may be spread. */
static int check_pin(const Sync *sync, const Secret *pin, Problem *problem)
{
    bool decided = false;
    int r = quorum_login(sync->quorum, pin, &decided, problem);

    if (r == 0 && !decided)
        return problem_set(problem, QUORUM_E_TOO_FEW_NODES, "Too few nodes answer to tell whether the PIN is right");
    return r;
}

static int settle_pin(const Sync *sync, const Secret *pin, Problem *problem)
{
    _cleanup_node_answers_ NodeAnswers answers = {0};
    NodeSet stale = 0, ahead = 0;
    char names[NODE_NAMES_SIZE];
    uint64_t version;
    int r = status_ask(sync->quorum, &answers);

    if (r != 0)
        return r;
    version = pin_in_force(sync, &answers);
    for (unsigned i = 0; version > 0 && i < sync->roster->n; i++) {
        stale |= pin_version(sync, &answers, i) > 0 && pin_version(sync, &answers, i) < version ? NODE_SET_OF(i + 1) : 0;
        ahead |= pin_version(sync, &answers, i) > version ? NODE_SET_OF(i + 1) : 0;
    }
    steps_name_nodes(sync->quorum, ahead, names);
    if (ahead)
        say(sync, false, "PIN: %s hold a newer one than the others: a change was cut off, or they lie; change the PIN again", names);
    steps_name_nodes(sync->quorum, stale, names);
    if (stale && !pin)
        say(sync, false, "PIN: %s missed a change and are not asked; 'kqctl sync --reset-stale-pins' on their hosts helps", names);
    if (!stale || !pin)
        return 0;
    r = check_pin(sync, pin, problem);
    return r == 0 ? reset_pin(sync, pin, stale, version) : r;
}

int quorum_sync(Quorum *quorum, bool discard_pending, const Secret *pin, SyncReport report, void *userdata, Problem *problem)
{
    Sync sync = {
        .quorum = quorum,
        .roster = quorum_roster(quorum),
        .discard_pending = discard_pending,
        .report = report,
        .userdata = userdata,
    };
    int r;

    if (!quorum_logged_in(quorum))
        return problem_set(problem, QUORUM_E_LOGIN_REQUIRED, "Bringing the nodes together needs the PIN");
    r = settle_keys(&sync, problem);
    catalog_changed(quorum);
    return r == 0 ? settle_pin(&sync, pin, problem) : r;
}
