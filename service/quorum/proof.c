#include "quorum/proof.h"

#include <errno.h>
#include <string.h>

/* How many times longer than the fastest a node may take before it is spared. */
#define SLOWNESS_MAX 4

/* One key to be proven, and by whom it may be. */
typedef struct Task {
    Group *group;
    NodeSet candidates; /* report it as active and have not been asked */
} Task;

typedef struct Tasks {
    Task *items;
    size_t count;
    size_t first;                     /* all before it are done or hopeless */
    Task *given[THRESHOLD_NODES_MAX]; /* the task of each node in this round */
    NodeSet away;                     /* did not answer in this fetch */
    Microseconds patience;            /* what a node may take in all before it is compared with others */
    Microseconds took[THRESHOLD_NODES_MAX];
} Tasks;

static void tasks_clear(Tasks *tasks)
{
    free(tasks->items);
}

static int tasks_new(Groups *groups, unsigned holders_min, Microseconds patience, Tasks *ret_tasks)
{
    Task *items = calloc(groups->count + 1, sizeof(*items));
    size_t count = 0;

    if (!items)
        return -ENOMEM;
    for (size_t i = 0; i < groups->count; i++) {
        Group *group = &groups->items[i];

        if (!group->core && group->in[KEY_ACTIVE] && node_set_count(group_live(group)) >= holders_min)
            items[count++] = (Task){.group = group, .candidates = group->in[KEY_ACTIVE]};
    }
    *ret_tasks = (Tasks){.items = items, .count = count, .patience = patience};
    return 0;
}

static bool task_open(const Tasks *tasks, const Task *task)
{
    return !task->group->core && (task->candidates & ~tasks->away);
}

/* Without those that have taken too long in all for what others do in much less: a round lasts as long as its slowest node. */
static NodeSet fast_enough(const Tasks *tasks, NodeSet nodes)
{
    Microseconds least = MICROSECONDS_FOREVER;
    NodeSet fast = 0;

    for (unsigned i = 0; i < THRESHOLD_NODES_MAX; i++)
        if (nodes & NODE_SET_OF(i + 1) && tasks->took[i] < least)
            least = tasks->took[i];
    for (unsigned i = 0; i < THRESHOLD_NODES_MAX; i++)
        if (nodes & NODE_SET_OF(i + 1) && (tasks->took[i] <= tasks->patience || tasks->took[i] / SLOWNESS_MAX <= least))
            fast |= NODE_SET_OF(i + 1);
    return fast;
}

/* Give each free node a task; returns the nodes that got one. */
static NodeSet give_tasks(Tasks *tasks, NodeSet nodes)
{
    NodeSet busy = 0;

    while (tasks->first < tasks->count && !task_open(tasks, &tasks->items[tasks->first]))
        tasks->first++;
    for (size_t i = tasks->first; i < tasks->count && (nodes & ~tasks->away & ~busy); i++) {
        Task *task = &tasks->items[i];
        NodeSet able = task_open(tasks, task) ? fast_enough(tasks, task->candidates & ~tasks->away) & ~busy : 0;

        if (able) {
            unsigned index = node_set_lowest(able);

            tasks->given[index - 1] = task;
            task->candidates &= ~NODE_SET_OF(index);
            busy |= NODE_SET_OF(index);
        }
    }
    return busy;
}

static FindingKind finding_of(int r)
{
    if (r == THRESHOLD_E_INVALID_SIGNATURE)
        return FINDING_ACTIVATION;
    return r == -ERANGE ? FINDING_ROSTER : FINDING_HEADER;
}

static int check_answer(const Roster *roster, Task *task, unsigned index, const NodeGetKeyOutput *output, Findings *findings)
{
    Problem problem = PROBLEM_INIT;
    int r = key_core_new(roster, &task->group->id, &output->header, &output->activation, &task->group->core, &problem);

    if (r == -ENOMEM || r == -EIO || r == 0)
        return r;
    findings_add(findings, index, finding_of(r), &task->group->id, 0);
    return 0;
}

/* One question to each busy node, about the task it was given. */
static int ask_round(Quorum *quorum, Tasks *tasks, NodeSet busy, Findings *findings)
{
    _cleanup_node_answers_ NodeAnswers answers = {0};
    NodeKeyInput keys[THRESHOLD_NODES_MAX] = {0};
    const void *inputs[THRESHOLD_NODES_MAX] = {NULL};
    int r;

    for (unsigned i = 0; i < THRESHOLD_NODES_MAX; i++)
        if (busy & NODE_SET_OF(i + 1)) {
            keys[i].key = (Bytes){tasks->given[i]->group->id.bytes, KEY_ID_SIZE};
            inputs[i] = &keys[i];
        }
    r = quorum_ask(quorum, busy, ASK_HELLO, NODE_METHOD("GetKey"), &node_key_input, inputs, false, &node_get_key_output,
                   clock_now() + quorum_roster(quorum)->connect_timeout / 2, &answers);
    for (unsigned i = 0; r == 0 && i < THRESHOLD_NODES_MAX; i++) {
        if (!(busy & NODE_SET_OF(i + 1)))
            continue;
        tasks->took[i] += answers.of[i].took;
        if (answers.of[i].r != 0)
            tasks->away |= NODE_SET_OF(i + 1);
        else if (answers.of[i].output)
            r = check_answer(quorum_roster(quorum), tasks->given[i], i + 1, answers.of[i].output, findings);
        else
            tasks->given[i]->group->silent |= NODE_SET_OF(i + 1);
    }
    return r;
}

/* Of each key: who may still prove it. */
static bool note_silent(const Tasks *tasks)
{
    bool complete = true;

    for (size_t i = 0; i < tasks->count; i++) {
        Group *group = tasks->items[i].group;

        group->silent = group->core ? 0 : group->silent | (group->in[KEY_ACTIVE] & tasks->away);
        complete &= group->silent == 0;
    }
    return complete;
}

int proofs_fetch(Quorum *quorum, Groups *groups, unsigned holders_min, Findings *findings, bool *ret_complete)
{
    _cleanup_(tasks_clear) Tasks tasks = {0};
    NodeSet busy;
    int r = tasks_new(groups, holders_min, quorum_roster(quorum)->connect_timeout / 2, &tasks);

    while (r == 0 && (busy = give_tasks(&tasks, groups->answered)))
        r = ask_round(quorum, &tasks, busy, findings);
    if (r == 0)
        *ret_complete = note_silent(&tasks);
    return r;
}
