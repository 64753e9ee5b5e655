#include <errno.h>
#include <string.h>

#include "quorum/catalog.h"
#include "quorum/records.h"
#include "quorum/run.h"
#include "quorum/steps.h"

/* docs/protocol.md "Runs": in the first message of a run, behind a contribution and a key of 32 bytes each. */
#define APPROVED_AT 64

typedef struct Repair {
    Quorum *quorum;
    const Group *group;
    unsigned lost; /* index of the node whose share is made anew */
    Bytes common;
    uint8_t helpers[THRESHOLD_NODES_MAX]; /* k indices, ascending */
} Repair;

static void repair_clear(Repair *repair)
{
    bytes_clear(&repair->common);
}

static const char *name_of(const Repair *repair, unsigned index)
{
    return quorum_roster(repair->quorum)->nodes[index - 1].name;
}

static void set_helpers(Repair *repair, NodeSet nodes)
{
    unsigned n = 0;

    for (unsigned i = 1; i <= THRESHOLD_NODES_MAX; i++)
        if (nodes & NODE_SET_OF(i))
            repair->helpers[n++] = (uint8_t)i;
}

static NodeBeginRunInput input_of(const Repair *repair)
{
    const NodeRecord *record = record_visible(repair->group, quorum_roster(repair->quorum)->k, NULL);

    return (NodeBeginRunInput){
        .kind = (char *)(uintptr_t)node_run_kind_name(NODE_RUN_REPAIR),
        .key = {(uint8_t *)(uintptr_t)repair->group->id.bytes, KEY_ID_SIZE},
        .header = repair->common,
        .lost = repair->lost,
        .helpers = {(uint8_t *)(uintptr_t)repair->helpers, quorum_roster(repair->quorum)->k},
        .record = *record,
    };
}

/* ---- Who helps ------------------------------------------------------------------------------------------------------------------ */

/* The first k nodes of the set, in order of index. */
static NodeSet first_of(NodeSet nodes, unsigned k)
{
    NodeSet first = 0;

    for (unsigned i = 1; i <= THRESHOLD_NODES_MAX && node_set_count(first) < k; i++)
        first |= nodes & NODE_SET_OF(i);
    return first;
}

/* Which of these k nodes' operators have approved it? A run that goes no further says so. */
static int probe(Repair *repair, NodeSet nodes, NodeSet *ret_approved)
{
    _cleanup_node_answers_ NodeAnswers begun = {0}, ended = {0};
    NodeRunInput ends[THRESHOLD_NODES_MAX] = {{{0}}};
    const void *end_inputs[THRESHOLD_NODES_MAX];
    NodeSet approved = 0;

    set_helpers(repair, nodes);

    const NodeBeginRunInput input = input_of(repair);
    const void *inputs[] = {&input};
    int r = quorum_ask(repair->quorum, nodes, ASK_LOGGED_IN, NODE_METHOD("BeginRun"), &node_begin_run_input, inputs, true,
                       &node_begin_run_output, clock_now() + STEP_TIMEOUT, &begun);

    for (unsigned i = 0; r == 0 && i < THRESHOLD_NODES_MAX; i++) {
        const NodeBeginRunOutput *output = begun.of[i].output;
        const NodeRunMessage *message = output ? output->messages.items : NULL;

        end_inputs[i] = &ends[i];
        if (!output)
            continue;
        ends[i].run = output->run;
        if (message->message.size > APPROVED_AT && message->message.data[APPROVED_AT] == 1)
            approved |= NODE_SET_OF(i + 1);
    }
    *ret_approved = approved;
    if (r != 0 || !node_answers_good(&begun))
        return r;
    return quorum_ask(repair->quorum, node_answers_good(&begun), ASK_LOGGED_IN, NODE_METHOD("EndRun"), &node_run_input, end_inputs, false,
                      &node_no_parameters, clock_now() + quorum_roster(repair->quorum)->connect_timeout, &ended);
}

/* K of the nodes that have the share, those whose operators have approved it before others. */
static int choose_helpers(Repair *repair, NodeSet candidates)
{
    const unsigned k = quorum_roster(repair->quorum)->k;
    NodeSet approved = 0, unasked = candidates;
    int r = 0;

    while (r == 0 && unasked && node_set_count(approved) < k) {
        NodeSet next = first_of(unasked, k), said = 0;

        unasked &= ~next;
        if (node_set_count(next) < k)
            next |= first_of(candidates & ~next, k - node_set_count(next));
        r = probe(repair, next, &said);
        approved |= said;
    }
    approved = first_of(approved, k);
    set_helpers(repair, approved | first_of(candidates & ~approved, k - node_set_count(approved)));
    return r;
}

/* ---- Before anything is begun -------------------------------------------------------------------------------------------------------- */

static int too_few(const Repair *repair, const CatalogView *view, NodeSet candidates, Problem *problem)
{
    const unsigned k = quorum_roster(repair->quorum)->k;

    node_answers_describe(repair->quorum, &view->answers, problem);
    return problem_prefix(problem, QUORUM_E_TOO_FEW_NODES, "A repair needs %u other nodes that have their shares in use; there are %u", k,
                          node_set_count(candidates));
}

static int check_lost(const Repair *repair, const CatalogView *view, Problem *problem)
{
    const NodeSet lost = NODE_SET_OF(repair->lost);
    const char *name = name_of(repair, repair->lost);

    if (threshold_scheme_has_dealer(threshold_key_scheme(repair->group->core->threshold)))
        return problem_set(problem, QUORUM_E_REFUSED,
                           "The shares of an RSA key are dealt once and for all: restore node %s from its backup, or roll the key", name);
    if (!(view->groups.answered & lost)) {
        node_answers_describe(repair->quorum, &view->answers, problem);
        return problem_prefix(problem, QUORUM_E_TOO_FEW_NODES, "Node %s has to take part in the repair of its share", name);
    }
    if (group_live(repair->group) & lost)
        return problem_set(problem, QUORUM_E_REFUSED, "Node %s has its share of this key: there is nothing to repair", name);
    if (repair->group->in[KEY_DESTROYED] & lost)
        return problem_set(problem, QUORUM_E_REFUSED, "The key is destroyed at node %s, which takes no share of it for ever", name);
    return 0;
}

static int prepare(Repair *repair, const CatalogView *view, const KeyId *id, Problem *problem)
{
    const unsigned k = quorum_roster(repair->quorum)->k;
    NodeSet candidates;
    int r;

    repair->group = groups_find(&view->groups, id);
    if (!repair->group || !repair->group->core || !record_visible(repair->group, k, NULL))
        return problem_set(problem, QUORUM_E_UNKNOWN_KEY, "The key is not, or no longer, one of this token");
    r = check_lost(repair, view, problem);
    if (r != 0)
        return r;
    candidates = repair->group->in[KEY_ACTIVE] & ~NODE_SET_OF(repair->lost);
    if (node_set_count(candidates) < k)
        return too_few(repair, view, candidates, problem);
    r = header_encode(&repair->group->core->header, &repair->common);
    if (r == 0)
        r = choose_helpers(repair, candidates);
    return r == 0 ? 0 : problem_set(problem, r, "The nodes cannot be asked");
}

/* ---- The repair ---------------------------------------------------------------------------------------------------------------------- */

/* It has the share as that of a pending key; the others' proof makes it active. */
static int activate(const Repair *repair, Problem *problem)
{
    _cleanup_node_answers_ NodeAnswers answers = {0};
    NodeActivateInput input = {{(uint8_t *)(uintptr_t)repair->group->id.bytes, KEY_ID_SIZE}, repair->group->core->activation};
    const void *inputs[] = {&input};
    const Step step = {"activate", NODE_METHOD("ActivateKey"), &node_activate_input, inputs, .same = true};
    int r = steps_take(repair->quorum, &step, NODE_SET_OF(repair->lost), &answers);

    if (r != 0)
        return problem_set(problem, r, "Node %s cannot be asked", name_of(repair, repair->lost));
    if (node_answers_good(&answers))
        return 0;
    node_answers_describe(repair->quorum, &answers, problem);
    return problem_prefix(problem, QUORUM_E_TOO_FEW_NODES, "The share is made, and not in use yet: 'kqctl sync' finishes it");
}

static int run(Repair *repair, Problem *problem)
{
    _cleanup_run_end_ RunEnd end = {0};
    const NodeBeginRunInput input = input_of(repair);
    NodeSet nodes = NODE_SET_OF(repair->lost);
    int r;

    for (unsigned i = 0; i < quorum_roster(repair->quorum)->k; i++)
        nodes |= NODE_SET_OF(repair->helpers[i]);
    r = quorum_run(repair->quorum, nodes, &input, &end, problem);
    return r == 0 ? activate(repair, problem) : r;
}

int quorum_repair(Quorum *quorum, const KeyId *id, unsigned lost, Problem *problem)
{
    _cleanup_catalog_view_ CatalogView view = {0};
    _cleanup_(repair_clear) Repair repair = {.quorum = quorum, .lost = lost};
    int r;

    if (!quorum_logged_in(quorum))
        return problem_set(problem, QUORUM_E_LOGIN_REQUIRED, "A repair needs the PIN");
    r = catalog_view(quorum, 1, &view);
    if (r == 0)
        r = prepare(&repair, &view, id, problem);
    if (r == 0)
        r = run(&repair, problem);
    catalog_view_close(&view);
    catalog_changed(quorum);
    return r;
}
