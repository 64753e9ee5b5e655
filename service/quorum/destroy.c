#include <errno.h>
#include <string.h>

#include "quorum/catalog.h"
#include "quorum/retire.h"
#include "quorum/status.h"
#include "quorum/steps.h"

/* So many tombstones leave fewer than k shares. */
static unsigned tombstones_needed(const Roster *roster)
{
    return roster->n - roster->k + 1;
}

static int too_few(Quorum *quorum, const NodeAnswers *answers, Problem *problem)
{
    node_answers_describe(quorum, answers, problem);
    return problem_prefix(problem, QUORUM_E_TOO_FEW_NODES, "Destroying a key needs %u nodes; nothing was touched",
                          tombstones_needed(quorum_roster(quorum)));
}

/* Is there something to destroy? Whatever a node reports will do, so that a destruction that was cut off can be finished. */
static int check_known(Quorum *quorum, const CatalogView *view, const KeyId *id, Problem *problem)
{
    unsigned needed = tombstones_needed(quorum_roster(quorum));
    const Group *group = groups_find(&view->groups, id);

    if (node_set_count(view->groups.answered) < needed)
        return too_few(quorum, &view->answers, problem);
    if (!group || node_set_count(group->in[KEY_DESTROYED]) >= needed)
        return problem_set(problem, QUORUM_E_UNKNOWN_KEY, "The key is not, or no longer, one of this token");
    return 0;
}

static int not_permitted(Quorum *quorum, NodeSet forbidding, Problem *problem)
{
    char names[NODE_NAMES_SIZE];

    steps_name_nodes(quorum, forbidding, names);
    return problem_set(
        problem, QUORUM_E_REFUSED,
        "Destroying a key needs the permission 'destroy' at %u nodes (kqctl node authorize); missing at %s; nothing was touched",
        tombstones_needed(quorum_roster(quorum)), names);
}

/* The nodes that answer and accept the login: a node that would refuse is not counted on. */
static int reach(Quorum *quorum, NodeSet *ret_reached, Problem *problem)
{
    _cleanup_node_answers_ NodeAnswers answers = {0};
    const Roster *roster = quorum_roster(quorum);
    NodeSet forbidding;
    int r = quorum_ask(quorum, node_set_all(roster->n), ASK_LOGGED_IN, NODE_METHOD("GetStatus"), &node_no_parameters,
                       (const void *[]){NULL}, true, &node_status_output, quorum_deadline(quorum), &answers);

    if (r != 0)
        return problem_set(problem, r, "Destroying a key needs the PIN");
    if (node_set_count(node_answers_good(&answers)) < tombstones_needed(roster))
        return too_few(quorum, &answers, problem);
    forbidding = status_forbidding(&answers, NODE_PERMISSION_DESTROY);
    if (node_set_count(node_answers_good(&answers) & ~forbidding) < tombstones_needed(roster))
        return not_permitted(quorum, forbidding, problem);
    *ret_reached = node_answers_good(&answers) & ~forbidding;
    return 0;
}

static int bury(Quorum *quorum, const KeyId *id, NodeSet nodes, NodeSet already, Problem *problem)
{
    _cleanup_node_answers_ NodeAnswers answers = {0};
    NodeKeyInput input = {{(uint8_t *)id->bytes, KEY_ID_SIZE}};
    const void *inputs[] = {&input};
    const Step step = {"destroy", NODE_METHOD("DestroyKey"), &node_key_input, inputs, .same = true};
    unsigned needed = tombstones_needed(quorum_roster(quorum)), done;
    int r = steps_take(quorum, &step, nodes, &answers);

    done = node_set_count(node_answers_good(&answers) | already);
    if (done >= needed)
        return 0;
    if (r != 0)
        return problem_set(problem, r, "Only %u of the %u nodes needed have destroyed the key: repeat the command", done, needed);
    node_answers_describe(quorum, &answers, problem);
    if (steps_with_error(&answers, NODE_ERROR_REJECTED))
        return problem_prefix(problem, QUORUM_E_REFUSED,
                              "Only %u of the %u nodes needed have destroyed the key; if a refresh of it was cut off: 'kqctl sync "
                              "--discard-pending', then repeat the command",
                              done, needed);
    return problem_prefix(problem, QUORUM_E_TOO_FEW_NODES,
                          "Only %u of the %u nodes needed have destroyed the key: repeat the command when more can be reached", done,
                          needed);
}

#define GENERATIONS_MAX 4 /* of one key, that exist at one time: two, or a few after refreshes that were cut off */

typedef struct Buried {
    KeyId ids[GENERATIONS_MAX];
    size_t n;
} Buried;

static int bury_group(Quorum *quorum, const Group *group, NodeSet reached, Buried *buried, Problem *problem)
{
    int r = bury(quorum, &group->id, reached, group->in[KEY_DESTROYED], problem);

    if (r == 0 && buried->n < GENERATIONS_MAX)
        buried->ids[buried->n++] = group->id;
    return r;
}

/* The one that was asked for last: as long as it is there, the command can be repeated. */
static int bury_generations(Quorum *quorum, const Groups *groups, const KeyId *id, NodeSet reached, Buried *buried, Problem *problem)
{
    const Group *last = groups_find(groups, id);
    int r = 0;

    for (size_t i = 0; i < groups->count && r == 0; i++)
        if (&groups->items[i] != last && group_same_key(&groups->items[i], last))
            r = bury_group(quorum, &groups->items[i], reached, buried, problem);
    return r == 0 ? bury_group(quorum, last, reached, buried, problem) : r;
}

static int destroy(Quorum *quorum, const KeyId *id, Buried *buried, Problem *problem)
{
    _cleanup_catalog_view_ CatalogView view = {0};
    NodeSet reached = 0;
    int r = catalog_view(quorum, 0, &view);

    if (r == 0)
        r = check_known(quorum, &view, id, problem);
    if (r == 0)
        r = reach(quorum, &reached, problem);
    return r == 0 ? bury_generations(quorum, &view.groups, id, reached, buried, problem) : r;
}

int quorum_destroy(Quorum *quorum, const KeyId *id, Problem *problem)
{
    Buried buried = {0};
    int r, removed = 0;

    if (!quorum_logged_in(quorum))
        return problem_set(problem, QUORUM_E_LOGIN_REQUIRED, "Destroying a key needs the PIN");
    r = destroy(quorum, id, &buried, problem);
    for (size_t i = 0; i < buried.n && removed == 0; i++)
        removed = catalog_remove(quorum_catalog(quorum), &buried.ids[i]);
    return r == 0 ? removed : r;
}
