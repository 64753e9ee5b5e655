#include "quorum/creation.h"

#include <errno.h>
#include <syslog.h>
#include <time.h>

#include "quorum/catalog.h"
#include "quorum/key.h"
#include "quorum/records.h"
#include "quorum/state.h"
#include "quorum/steps.h"

void creation_clear(Creation *creation)
{
    roster_free(creation->roster);
    bytes_clear(&creation->common);
    threshold_key_free(creation->threshold);
    bytes_clear(&creation->activation);
}

NodeRecord creation_record(const KeyRecord *requested)
{
    NodeRecord record = key_record_borrow(requested);

    record.version = 1;
    record.created = (uint64_t)time(NULL); /* for people; nothing depends on it */
    return record;
}

int creation_begin(Quorum *quorum, Bytes *common, const NodeRecord *record, Creation *ret_creation, Problem *problem)
{
    _cleanup_creation_ Creation creation = {
        .quorum = quorum,
        .roster = quorum_roster_now(quorum),
        .all = node_set_all(quorum_roster(quorum)->n),
        .common = bytes_take(common),
        .record = *record,
    };
    _cleanup_header_ Header header = {0};
    int r = header_decode(&creation.common, &header, problem);

    if (r == 0 && (header.parameters.n != creation.roster->n || header.parameters.k != creation.roster->k))
        r = problem_set(problem, -ERANGE, "The key is made for %u of %u nodes, the roster says %u of %u", header.parameters.k,
                        header.parameters.n, creation.roster->k, creation.roster->n);
    if (r == 0)
        r = threshold_key_new(&header.parameters, &header.public_key, &header.verification, &creation.threshold, problem);
    if (r == 0)
        r = header_key_id(&creation.common, &creation.id);
    if (r != 0)
        return r;
    key_id_format(&creation.id, creation.id_text);
    *ret_creation = creation;
    creation = (Creation){0};
    return 0;
}

static int discard(const Creation *creation, NodeSet nodes, NodeAnswers *answers)
{
    NodeKeyInput input = {{(uint8_t *)creation->id.bytes, KEY_ID_SIZE}};
    const void *inputs[] = {&input};
    const Step step = {"discard", NODE_METHOD("DiscardKey"), &node_key_input, inputs, .same = true};

    return steps_take(creation->quorum, &step, nodes, answers);
}

void creation_discard(const Creation *creation, Problem *problem)
{
    _cleanup_node_answers_ NodeAnswers answers = {0};
    char names[NODE_NAMES_SIZE];
    NodeSet left = creation->stored;

    if (left == 0)
        return;
    if (discard(creation, left, &answers) == 0)
        left &= ~(node_answers_good(&answers) | steps_with_error(&answers, NODE_ERROR_UNKNOWN_KEY));
    if (left == 0)
        return;
    steps_name_nodes(creation->quorum, left, names);
    quorum_log(creation->quorum, LOG_WARNING,
               "Key %s was not made; it may be left pending at %s: remove it with 'kqctl sync --discard-pending'", creation->id_text,
               names);
    (void)problem_prefix(problem, 0, "The unfinished key may be left pending at %s ('kqctl sync --discard-pending' removes it)", names);
}

/* Some nodes may have stored the activation: then the key is active, and the others must keep their shares. */
static int activation_unknown(const Creation *creation, int r, Problem *problem)
{
    return problem_prefix(problem, r,
                          "Key %s is prepared and tested, but whether it was activated is unknown; 'kqctl sync' finishes it when all nodes "
                          "can be reached",
                          creation->id_text);
}

/* No node has confirmed the activation. One that did not answer may have stored it all the same. Whether it has is learnt by telling it to
 * discard, first. */
static int activation_failed(Creation *creation, const NodeAnswers *activated, Problem *problem)
{
    _cleanup_node_answers_ NodeAnswers discarded = {0};
    NodeSet unknown = steps_unanswered(activated);
    int r = unknown ? discard(creation, unknown, &discarded) : 0;

    if (r != 0)
        return activation_unknown(creation, r, problem);
    if (steps_unanswered(&discarded) || steps_with_error(&discarded, NODE_ERROR_KEY_ACTIVE))
        return activation_unknown(creation, QUORUM_E_TOO_FEW_NODES, problem);
    (void)problem_prefix(problem, 0, "No node could activate the key; no key was made");
    creation_discard(creation, problem);
    return unknown ? QUORUM_E_TOO_FEW_NODES : QUORUM_E_REFUSED;
}

/* Not enough nodes say that they activated it for at least one of them to be honest. `r`: of taking the steps. */
static int not_activated(Creation *creation, int r, const NodeAnswers *answers, Problem *problem)
{
    NodeSet lost = steps_with_error(answers, NODE_ERROR_UNKNOWN_KEY) | steps_with_error(answers, NODE_ERROR_KEY_DESTROYED);

    if (node_set_count(creation->all & ~lost) < creation->roster->k)
        return problem_set(problem, QUORUM_E_CONFLICT, "Another client discarded key %s while it was made", creation->id_text);
    if (r != 0)
        return activation_unknown(creation, problem_set(problem, r, "the activation was cut off"), problem);
    node_answers_describe(creation->quorum, answers, problem);
    if (node_answers_good(answers))
        return activation_unknown(creation, QUORUM_E_TOO_FEW_NODES, problem);
    return activation_failed(creation, answers, problem);
}

/* Step 3. The first honest success decides: from then on the key is active, and nodes that missed it learn it from any client. */
static int activate(Creation *creation, NodeSet *ret_holders, Problem *problem)
{
    _cleanup_node_answers_ NodeAnswers answers = {0};
    NodeActivateInput input = {{creation->id.bytes, KEY_ID_SIZE}, creation->activation};
    const void *inputs[] = {&input};
    const Step step = {"activate", NODE_METHOD("ActivateKey"), &node_activate_input, inputs, .same = true};
    Problem missed = PROBLEM_INIT;
    int r = steps_take(creation->quorum, &step, creation->all, &answers);
    NodeSet holders = node_answers_good(&answers);

    if (node_set_count(holders) <= quorum_liars_max(creation->roster))
        return not_activated(creation, r, &answers, problem);
    if (holders != creation->all) {
        node_answers_describe(creation->quorum, &answers, &missed);
        quorum_log(creation->quorum, LOG_WARNING, "Key %s is active, but not yet at all nodes; 'kqctl sync' tells them: %s",
                   creation->id_text, missed.text);
    }
    *ret_holders = holders;
    return 0;
}

static int make_known(Creation *creation, NodeSet holders, QuorumKey **ret_key, Problem *problem)
{
    _cleanup_key_core_ KeyCore *core = NULL;
    _cleanup_quorum_key_ QuorumKey *key = NULL;
    int r = key_core_new(creation->roster, &creation->id, &creation->common, &creation->activation, &core, problem);

    if (r == 0)
        r = key_new(core, &creation->record, holders, &key);
    if (r == 0)
        r = catalog_add(quorum_catalog(creation->quorum), key);
    if (r != 0)
        return r;
    catalog_changed(creation->quorum);
    *ret_key = TAKE_PTR(key);
    return 0;
}

int creation_finish(Creation *creation, QuorumKey **ret_key, Problem *problem)
{
    NodeSet holders = 0;
    int r = creation_test(creation, problem);

    if (r != 0) {
        creation_discard(creation, problem);
        return r;
    }
    r = activate(creation, &holders, problem);
    return r == 0 ? make_known(creation, holders, ret_key, problem) : r;
}
