#include <errno.h>
#include <string.h>

#include "ctl/session.h"
#include "ctl/terminal.h"

/* The node of the roster that has this name or index. */
static int find_node(const Roster *roster, const char *text, unsigned *ret_index, Problem *problem)
{
    for (unsigned i = 1; i <= roster->n; i++) {
        char number[16];

        (void)snprintf(number, sizeof(number), "%u", i);
        if (strcmp(text, roster->nodes[i - 1].name) == 0 || strcmp(text, number) == 0) {
            *ret_index = i;
            return 0;
        }
    }
    return problem_set(problem, -EINVAL, "the roster has no node '%s': 'kqctl roster show' lists them", text);
}

static int repair(Quorum *quorum, const QuorumKey *key, unsigned lost, Problem *problem)
{
    Problem name; /* the label, without control characters */
    int r = quorum_repair(quorum, quorum_key_id(key), lost, problem);

    if (r != 0)
        return problem_prefix(problem, r, "Key '%s'", quorum_key_record(key)->private_label);
    (void)problem_set(&name, 0, "%s", quorum_key_record(key)->private_label);
    fprintf(stderr, "Node %s has its share of key '%s' again.\n", quorum_roster(quorum)->nodes[lost - 1].name, name.text);
    return 0;
}

/* Could it be made anew, and is it lost there? */
static bool is_lost(const QuorumKey *key, unsigned index)
{
    const Scheme *scheme = threshold_scheme_by_algorithm(quorum_key_header(key)->parameters.algorithm);

    return !threshold_scheme_has_dealer(scheme) && !(quorum_key_holders(key) & (uint32_t)1 << (index - 1));
}

static int repair_all(Quorum *quorum, unsigned lost, Problem *problem)
{
    QuorumKey **keys = NULL;
    size_t n_keys = 0, done = 0;
    int r = quorum_keys(quorum, 0, &keys, &n_keys, problem);

    for (size_t i = 0; i < n_keys && r == 0; i++)
        if (is_lost(keys[i], lost)) {
            r = repair(quorum, keys[i], lost, problem);
            done += r == 0;
        }
    if (r == 0 && done == 0)
        fprintf(stderr, "Node %s has lost no share that could be made anew.\n", quorum_roster(quorum)->nodes[lost - 1].name);
    quorum_keys_free(keys, n_keys);
    return r;
}

static int repair_one(Quorum *quorum, const char *text, unsigned lost, Problem *problem)
{
    _cleanup_(quorum_key_unrefp) QuorumKey *key = NULL;
    int r = session_key(quorum, text, &key, problem);

    return r == 0 ? repair(quorum, key, lost, problem) : r;
}

int verb_key_repair(const Call *call, Problem *problem)
{
    _cleanup_(quorum_freep) Quorum *quorum = NULL;
    const bool all = call->options[OPTION_ALL] != NULL;
    unsigned lost = 0;
    int r;

    if (all == (call->n_arguments > 0))
        return problem_set(problem, CTL_E_USAGE, "say which key has lost a share, or --all");
    r = session_open(call, NULL, NULL, &quorum, problem);
    if (r == 0)
        r = find_node(quorum_roster(quorum), call->options[OPTION_LOST_NODE], &lost, problem);
    if (r == 0)
        r = session_login(call, quorum, NULL, problem);
    if (r != 0)
        return r;
    return all ? repair_all(quorum, lost, problem) : repair_one(quorum, call->arguments[0], lost, problem);
}
