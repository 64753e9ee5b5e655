#include "ctl/session.h"
#include "ctl/terminal.h"

/* Prints a line for the node; is it as the roster says? */
static bool check_node(const NodeState *state)
{
    printf("%s (%u): ", state->name, state->index);
    terminal_print(state->problem ? state->problem : "as the roster says", 0);
    putchar('\n');
    return !state->problem;
}

int verb_roster_check(const Call *call, Problem *problem)
{
    _cleanup_(quorum_freep) Quorum *quorum = NULL;
    NodeState *states = NULL;
    bool good = true;
    int r = session_open(call, NULL, NULL, &quorum, problem);

    if (r == 0)
        r = quorum_status(quorum, &states, problem);
    if (r != 0)
        return r;
    for (unsigned i = 0; i < quorum_roster(quorum)->n; i++)
        good = check_node(&states[i]) && good;
    quorum_status_free(states, quorum_roster(quorum)->n);
    return good ? 0 : CTL_E_ATTENTION;
}
