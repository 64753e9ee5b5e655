#include "quorum/retire.h"

#include "quorum/catalog.h"
#include "quorum/records.h"
#include "quorum/steps.h"

bool group_same_key(const Group *a, const Group *b)
{
    return a->core && b->core && header_same_key(&a->core->header, &b->core->header);
}

const Group *retire_successor(const Groups *groups, const Group *group, unsigned k)
{
    const Group *latest = group;

    for (size_t i = 0; i < groups->count; i++) {
        const Group *other = &groups->items[i];

        if (group_same_key(other, group) && group_exists(other, k) && other->core->header.generation > latest->core->header.generation)
            latest = other;
    }
    return latest != group ? latest : NULL;
}

int retire_carry_record(Quorum *quorum, const Group *old, const Group *successor, NodeAnswers *answers)
{
    const unsigned k = quorum_roster(quorum)->k;
    const NodeRecord *from = record_visible(old, k, NULL), *to = record_visible(successor, k, NULL);

    if (!from || !to || from->version <= to->version)
        return 0;
    return record_store(quorum, successor, to, from, group_live(successor), answers);
}

int retire_everywhere(Quorum *quorum, const Group *old, NodeAnswers *answers)
{
    NodeKeyInput input = {{(uint8_t *)(uintptr_t)old->id.bytes, KEY_ID_SIZE}};
    const void *inputs[] = {&input};
    const Step step = {"retire", NODE_METHOD("RetireKey"), &node_key_input, inputs, .same = true};

    return steps_take(quorum, &step, group_live(old) | old->in[KEY_UNUSABLE], answers);
}

/* Any failure leaves what quorum_sync() goes on with. */
static int say_kept(Quorum *quorum, const NodeAnswers *answers, Problem *problem)
{
    if (node_answers_good(answers) == answers->asked)
        return 0;
    node_answers_describe(quorum, answers, problem);
    return problem_prefix(problem, QUORUM_E_TOO_FEW_NODES,
                          "The new shares are in use, and the old ones are not destroyed everywhere; 'kqctl sync' finishes it");
}

static int not_everywhere(Quorum *quorum, const Group *successor, Problem *problem)
{
    char names[NODE_NAMES_SIZE];

    steps_name_nodes(quorum, node_set_all(quorum_roster(quorum)->n) & ~successor->in[KEY_ACTIVE], names);
    return problem_set(problem, QUORUM_E_TOO_FEW_NODES,
                       "The old shares are kept, because the new ones are not in use at %s; 'kqctl sync' finishes it when they are", names);
}

static int retire(Quorum *quorum, const CatalogView *view, const KeyId *id, Problem *problem)
{
    _cleanup_node_answers_ NodeAnswers records = {0}, retired = {0};
    const Group *old = groups_find(&view->groups, id);
    const Group *successor = old && old->core ? retire_successor(&view->groups, old, quorum_roster(quorum)->k) : NULL;
    int r;

    if (old && !group_live(old))
        return 0; /* it is done */
    if (!successor)
        return problem_set(problem, QUORUM_E_UNKNOWN_KEY, "There is no later generation of this key");
    if (successor->in[KEY_ACTIVE] != node_set_all(quorum_roster(quorum)->n))
        return not_everywhere(quorum, successor, problem);
    r = retire_carry_record(quorum, old, successor, &records);
    if (r == 0)
        r = say_kept(quorum, &records, problem);
    if (r == 0)
        r = retire_everywhere(quorum, old, &retired);
    return r == 0 ? say_kept(quorum, &retired, problem) : r;
}

int quorum_retire(Quorum *quorum, const KeyId *id, Problem *problem)
{
    _cleanup_catalog_view_ CatalogView view = {0};
    int r;

    if (!quorum_logged_in(quorum))
        return problem_set(problem, QUORUM_E_LOGIN_REQUIRED, "Retiring old shares needs the PIN");
    r = catalog_view(quorum, 1, &view);
    if (r == 0)
        r = retire(quorum, &view, id, problem);
    catalog_view_close(&view);
    catalog_changed(quorum);
    return r;
}
