#include "quorum/run.h"

#include <errno.h>
#include <string.h>

#include "quorum/state.h"
#include "quorum/steps.h"

#define STEPS_MAX 16 /* more than any kind of run has: nodes that lie cannot keep us here */

void run_end_clear(RunEnd *end)
{
    bytes_clear(&end->header);
    end->stored = 0;
}

/* One run. Node i's things are at i - 1. */
typedef struct Relay {
    Quorum *quorum;
    NodeSet nodes;
    NodeSet begun; /* know of it, or may */
    uint8_t names[THRESHOLD_NODES_MAX][NODE_RUN_SIZE];
    List messages[THRESHOLD_NODES_MAX]; /* what it said last; owned by `answers` */
    NodeAnswers answers;
} Relay;

static void relay_clear(Relay *relay)
{
    node_answers_clear(&relay->answers);
}

static const char *name_of(const Relay *relay, unsigned index)
{
    return quorum_roster(relay->quorum)->nodes[index - 1].name;
}

static int wrong(const Relay *relay, unsigned index, const char *what, Problem *problem)
{
    return problem_set(problem, QUORUM_E_SIGNATURE, "Node %s (%u) %s", name_of(relay, index), index, what);
}

/* Why not all have taken the step. */
static int judge(const Relay *relay, Problem *problem)
{
    const NodeAnswers *answers = &relay->answers;

    if (node_answers_good(answers) == relay->nodes)
        return 0;
    node_answers_describe(relay->quorum, answers, problem);
    if (steps_unanswered(answers))
        return problem_prefix(problem, QUORUM_E_TOO_FEW_NODES, "Not all nodes taking part answered");
    if (steps_with_error(answers, NODE_ERROR_RUN_FAILED))
        return problem_prefix(problem, QUORUM_E_SIGNATURE, "The nodes could not do this together");
    return problem_prefix(problem, QUORUM_E_REFUSED, "Not all nodes take part");
}

/* ---- Steps ----------------------------------------------------------------------------------------------------------------------- */

static int begin(Relay *relay, const NodeBeginRunInput *input, Problem *problem)
{
    const void *inputs[] = {input};
    int r;

    quorum_step(relay->quorum, "run begin");
    r = quorum_ask(relay->quorum, relay->nodes, ASK_LOGGED_IN, NODE_METHOD("BeginRun"), &node_begin_run_input, inputs, true,
                   &node_begin_run_output, clock_now() + STEP_TIMEOUT, &relay->answers);
    if (r != 0)
        return problem_set(problem, r, "The nodes cannot be asked");
    for (unsigned i = 0; i < THRESHOLD_NODES_MAX; i++) {
        const NodeBeginRunOutput *output = relay->answers.of[i].output;

        if (!output)
            continue;
        relay->begun |= NODE_SET_OF(i + 1);
        memcpy(relay->names[i], output->run.data, sizeof(relay->names[i]));
        relay->messages[i] = output->messages;
    }
    return judge(relay, problem);
}

/* The message of node `from` for node `to`; NULL: there is none. */
static const NodeRunMessage *message_for(const Relay *relay, unsigned from, unsigned to)
{
    const NodeRunMessage *messages = relay->messages[from - 1].items;

    for (size_t i = 0; i < relay->messages[from - 1].count; i++)
        if (messages[i].index == 0 || messages[i].index == to)
            return &messages[i];
    return NULL;
}

/* What the others said, for node `to`. The messages are borrowed. */
static int collect(const Relay *relay, unsigned to, NodeRunMessage *ret_messages, size_t *ret_count, Problem *problem)
{
    size_t count = 0;

    for (unsigned from = 1; from <= THRESHOLD_NODES_MAX; from++) {
        if (from == to || !(relay->nodes & NODE_SET_OF(from)))
            continue;

        const NodeRunMessage *message = message_for(relay, from, to);

        if (!message)
            return wrong(relay, from, "has nothing to say to another node, as it should", problem);
        ret_messages[count++] = (NodeRunMessage){.index = from, .message = message->message};
    }
    *ret_count = count;
    return 0;
}

static int send(Relay *relay, NodeAnswers *ret_answers, Problem *problem)
{
    NodeRunMessage messages[THRESHOLD_NODES_MAX][THRESHOLD_NODES_MAX];
    NodeContinueRunInput inputs[THRESHOLD_NODES_MAX];
    const void *pointers[THRESHOLD_NODES_MAX] = {NULL};

    for (unsigned i = 0; i < THRESHOLD_NODES_MAX; i++) {
        size_t count = 0;
        int r = relay->nodes & NODE_SET_OF(i + 1) ? collect(relay, i + 1, messages[i], &count, problem) : 0;

        if (r != 0)
            return r;
        inputs[i] = (NodeContinueRunInput){{relay->names[i], NODE_RUN_SIZE}, {messages[i], count}};
        pointers[i] = &inputs[i];
    }

    int r = quorum_ask(relay->quorum, relay->nodes, ASK_LOGGED_IN, NODE_METHOD("ContinueRun"), &node_continue_run_input, pointers, false,
                       &node_continue_run_output, clock_now() + STEP_TIMEOUT, ret_answers);

    return r == 0 ? 0 : problem_set(problem, r, "The nodes cannot be asked");
}

/* The answers of a step take the place of those before. */
static int advance(Relay *relay, unsigned step, Problem *problem)
{
    NodeAnswers answers = {0};
    int r;

    quorum_step(relay->quorum, "run %u", step);
    r = send(relay, &answers, problem);
    if (r != 0)
        return r;
    node_answers_clear(&relay->answers);
    relay->answers = answers;
    for (unsigned i = 0; i < THRESHOLD_NODES_MAX; i++) {
        const NodeContinueRunOutput *output = answers.of[i].output;

        relay->messages[i] = output ? output->messages : (List){0};
    }
    return judge(relay, problem);
}

/* ---- The end ----------------------------------------------------------------------------------------------------------------------- */

static const Bytes *header_of(const Relay *relay, unsigned index)
{
    const NodeContinueRunOutput *output = relay->answers.of[index - 1].output;

    return output && output->header.size > 0 ? &output->header : NULL;
}

/* The nodes that have come to the end with this header. */
static NodeSet agreeing(const Relay *relay, const Bytes *header)
{
    NodeSet nodes = 0;

    for (unsigned i = 1; i <= THRESHOLD_NODES_MAX; i++)
        if (header_of(relay, i) && bytes_equal(header_of(relay, i), header))
            nodes |= NODE_SET_OF(i);
    return nodes;
}

/* The header of more nodes than may lie; NULL: there is none, so nobody honest has come to the end. */
static const Bytes *agreed_header(const Relay *relay)
{
    const unsigned liars_max = quorum_liars_max(quorum_roster(relay->quorum));
    const Bytes *best = NULL;
    unsigned most = liars_max;

    for (unsigned i = 1; i <= THRESHOLD_NODES_MAX; i++) {
        const Bytes *header = header_of(relay, i);
        const unsigned count = header ? node_set_count(agreeing(relay, header)) : 0;

        if (count > most) {
            best = header;
            most = count;
        }
    }
    return best;
}

/* The nodes `done` have come to the same end, and others not. The one that lies is with the fewer. */
static int name_wrong(const Relay *relay, NodeSet done, Problem *problem)
{
    const NodeSet others = relay->nodes & ~done;
    const unsigned other = node_set_lowest(others);
    char names[NODE_NAMES_SIZE];
    NodeSet elsewhere = 0;

    for (unsigned i = 1; i <= THRESHOLD_NODES_MAX; i++)
        if (others & NODE_SET_OF(i) && header_of(relay, i))
            elsewhere |= NODE_SET_OF(i);
    if (node_set_count(done) > node_set_count(others))
        return wrong(relay, other, header_of(relay, other) ? "comes to another key than the others" : "is not done when others are",
                     problem);
    if (node_set_count(done) < node_set_count(others) && elsewhere == 0)
        return wrong(relay, node_set_lowest(done), "says that it is done when others are not", problem);
    steps_name_nodes(relay->quorum, relay->nodes, names);
    return problem_set(problem, QUORUM_E_SIGNATURE,
                       "Nodes %s do not come to the same end, and nothing tells which of them lies ('kqctl sync --discard-pending' removes "
                       "what they may have stored)",
                       names);
}

/* The nodes with the header that is followed or, if none is, with the first that is shown. */
static NodeSet find_done(const Relay *relay, const Bytes *agreed)
{
    for (unsigned i = 1; !agreed && i <= THRESHOLD_NODES_MAX; i++)
        agreed = header_of(relay, i);
    return agreed ? agreeing(relay, agreed) : 0;
}

/* Who has come to the end, and with what. Of those that did not answer nobody knows, if others have. */
static int take_end(const Relay *relay, RunEnd *end, Problem *problem)
{
    const Bytes *agreed = agreed_header(relay);
    const NodeSet done = find_done(relay, agreed);
    int r = agreed ? bytes_copy(agreed->data, agreed->size, &end->header) : 0;

    if (r < 0)
        return r;
    if (agreed)
        end->stored = relay->nodes;
    return done == 0 || done == relay->nodes ? 0 : name_wrong(relay, done, problem);
}

static int steps(Relay *relay, RunEnd *end, Problem *problem)
{
    for (unsigned step = 1; step <= STEPS_MAX; step++) {
        int r = advance(relay, step, problem), taken = take_end(relay, end, r == 0 ? problem : NULL);

        if (r != 0 || taken != 0)
            return r != 0 ? r : taken;
        if (end->header.size > 0)
            return 0;
    }
    return problem_set(problem, QUORUM_E_SIGNATURE, "The nodes do not come to an end");
}

/* So that they need not wait for what will not come. What they say to it does not matter. */
static void give_up(const Relay *relay)
{
    _cleanup_node_answers_ NodeAnswers answers = {0};
    NodeRunInput inputs[THRESHOLD_NODES_MAX];
    const void *pointers[THRESHOLD_NODES_MAX];

    for (unsigned i = 0; i < THRESHOLD_NODES_MAX; i++) {
        inputs[i] = (NodeRunInput){{(uint8_t *)(uintptr_t)relay->names[i], NODE_RUN_SIZE}};
        pointers[i] = &inputs[i];
    }
    if (quorum_ask(relay->quorum, relay->begun, ASK_LOGGED_IN, NODE_METHOD("EndRun"), &node_run_input, pointers, false, &node_no_parameters,
                   clock_now() + quorum_roster(relay->quorum)->connect_timeout, &answers) != 0)
        return;
}

int quorum_run(Quorum *quorum, NodeSet nodes, const NodeBeginRunInput *input, RunEnd *ret_end, Problem *problem)
{
    _cleanup_(relay_clear) Relay relay = {.quorum = quorum, .nodes = nodes};
    RunEnd end = {0};
    int r = begin(&relay, input, problem);

    if (r == 0)
        r = steps(&relay, &end, problem);
    if (r != 0 && relay.begun != 0)
        give_up(&relay);
    *ret_end = end;
    return r;
}
