#include "quorum/steps.h"

#include <string.h>

void node_answer_move(NodeAnswers *from, NodeAnswers *to, unsigned index)
{
    NodeAnswer before = to->of[index - 1];

    to->layout = from->layout;
    to->asked |= NODE_SET_OF(index);
    to->of[index - 1] = from->of[index - 1];
    from->asked &= ~NODE_SET_OF(index);
    from->of[index - 1] = before; /* released with the others */
}

/* Until when the next node may take. */
static Microseconds step_deadline(const Quorum *quorum, const Step *step, const NodeAnswers *answers)
{
    bool enough = step->enough > 0 && node_set_count(node_answers_good(answers)) >= step->enough;

    return clock_now() + (enough ? quorum_roster(quorum)->connect_timeout : STEP_TIMEOUT);
}

int steps_take(Quorum *quorum, const Step *step, NodeSet nodes, NodeAnswers *answers)
{
    for (unsigned index = 1; index <= THRESHOLD_NODES_MAX; index++) {
        _cleanup_node_answers_ NodeAnswers one = {0};
        int r;

        if (!(nodes & NODE_SET_OF(index)))
            continue;
        quorum_step(quorum, "%s %u", step->name, index);
        r = quorum_ask(quorum, NODE_SET_OF(index), ASK_LOGGED_IN, step->method, step->input, step->inputs, step->same, &node_no_parameters,
                       step_deadline(quorum, step, answers), &one);
        if (r != 0)
            return r;

        bool failed = node_answers_good(&one) == 0;

        node_answer_move(&one, answers, index);
        if (failed && step->stop)
            return 0;
    }
    return 0;
}

NodeSet steps_with_error(const NodeAnswers *answers, NodeError error)
{
    NodeSet nodes = 0;

    for (unsigned i = 1; i <= THRESHOLD_NODES_MAX; i++)
        if (answers->asked & NODE_SET_OF(i) && answers->of[i - 1].r == 0 && answers->of[i - 1].error == error)
            nodes |= NODE_SET_OF(i);
    return nodes;
}

NodeSet steps_unanswered(const NodeAnswers *answers)
{
    NodeSet nodes = 0;

    for (unsigned i = 1; i <= THRESHOLD_NODES_MAX; i++)
        if (answers->asked & NODE_SET_OF(i) && answers->of[i - 1].r != 0)
            nodes |= NODE_SET_OF(i);
    return nodes;
}

void steps_name_nodes(const Quorum *quorum, NodeSet nodes, char ret_text[NODE_NAMES_SIZE])
{
    const Roster *roster = quorum_roster(quorum);
    size_t used = 0;

    ret_text[0] = '\0';
    for (unsigned i = 1; i <= roster->n && used < NODE_NAMES_SIZE; i++)
        if (nodes & NODE_SET_OF(i))
            used += (size_t)snprintf(ret_text + used, NODE_NAMES_SIZE - used, "%s%s (%u)", used ? ", " : "", roster->nodes[i - 1].name, i);
}
