#include "quorum/generate.h"

#include <errno.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

#include "quorum/catalog.h"
#include "quorum/key.h"
#include "quorum/records.h"
#include "quorum/state.h"
#include "quorum/status.h"
#include "quorum/steps.h"
#include "share/sealed.h"
#include "threshold/subset.h"

/* A key on its way. */
typedef struct Creation {
    Quorum *quorum;
    Roster *roster; /* with the sealing keys of now */
    NodeSet all;
    KeyId id;
    char id_text[2 * KEY_ID_SIZE + 1];
    Bytes common;
    ThresholdKey *threshold;
    NodeRecord record; /* borrowed from the request */
    Bytes sealed[THRESHOLD_NODES_MAX];
    NodeAnswers prepared;
    Bytes activation;
} Creation;

static void creation_clear(Creation *creation)
{
    roster_free(creation->roster);
    bytes_clear(&creation->common);
    threshold_key_free(creation->threshold);
    for (unsigned i = 0; i < THRESHOLD_NODES_MAX; i++)
        bytes_clear(&creation->sealed[i]);
    node_answers_clear(&creation->prepared);
    bytes_clear(&creation->activation);
}

/* ---- Before dealing: are all nodes there, and of one mind? ---------------------------------------------------------------- */

static int check_node(const Roster *roster, unsigned index, const NodeStatusOutput *status, Problem *problem)
{
    _cleanup_free_ char *words = NULL;
    int r = status_compare(roster, index, status, &words);

    if (r < 0 || !words)
        return r;
    return problem_set(problem, QUORUM_E_REFUSED, "Node %s (%u): %s", roster->nodes[index - 1].name, index, words);
}

/* The custody that all nodes have as their default. */
static int common_custody(const Roster *roster, const NodeAnswers *answers, CustodyKind *ret_custody, Problem *problem)
{
    const NodeStatusOutput *first = answers->of[0].output;
    CustodyKind custody = custody_from_name(first->custody);

    if (custody == CUSTODY_INVALID)
        return problem_set(problem, QUORUM_E_REFUSED, "Node %s (1) has a custody that this version does not know: '%s'",
                           roster->nodes[0].name, first->custody);
    for (unsigned i = 1; i < roster->n; i++) {
        const NodeStatusOutput *other = answers->of[i].output;

        if (custody_from_name(other->custody) != custody)
            return problem_set(problem, QUORUM_E_REFUSED,
                               "The nodes have different custodies: %s (1) has %s, %s (%u) has %s; say which the key shall have",
                               roster->nodes[0].name, first->custody, roster->nodes[i].name, i + 1, other->custody);
    }
    *ret_custody = custody;
    return 0;
}

static int check_permissions(Quorum *quorum, const NodeAnswers *answers, Problem *problem)
{
    NodeSet forbidding = status_forbidding(answers, NODE_PERMISSION_GENERATE) | status_forbidding(answers, NODE_PERMISSION_SIGN);
    char names[NODE_NAMES_SIZE];

    if (forbidding == 0)
        return 0;
    steps_name_nodes(quorum, forbidding, names);
    return problem_set(problem, QUORUM_E_REFUSED,
                       "Making a key needs the permissions 'generate' and 'sign' at all nodes (kqctl node authorize); missing at %s",
                       names);
}

/* All n nodes answer, accept the login and fit the roster. `custody` is filled in if the caller left it open. */
static int check_nodes(Quorum *quorum, CustodyKind *custody, Problem *problem)
{
    _cleanup_node_answers_ NodeAnswers answers = {0};
    _cleanup_(roster_freep) Roster *roster = quorum_roster_now(quorum);
    NodeSet all = node_set_all(roster->n);
    int r = quorum_ask(quorum, all, ASK_LOGGED_IN, NODE_METHOD("GetStatus"), &node_no_parameters, (const void *[]){NULL}, true,
                       &node_status_output, quorum_deadline(quorum), &answers);

    if (r != 0)
        return problem_set(problem, r, "Making a key needs the PIN");
    if (node_answers_good(&answers) != all) {
        node_answers_describe(quorum, &answers, problem);
        return problem_prefix(problem, QUORUM_E_TOO_FEW_NODES, "Making a key needs all %u nodes", roster->n);
    }
    for (unsigned i = 1; r == 0 && i <= roster->n; i++)
        r = check_node(roster, i, answers.of[i - 1].output, problem);
    if (r == 0)
        r = check_permissions(quorum, &answers, problem);
    if (r == 0 && *custody == CUSTODY_INVALID)
        r = common_custody(roster, &answers, custody, problem);
    return r;
}

/* ---- From the deal to sealed shares --------------------------------------------------------------------------------------- */

/* The header takes the public parts out of the deal. */
static int make_header(Creation *creation, const GenerateRequest *request, Deal *deal, Problem *problem)
{
    _cleanup_header_ Header header = {
        .parameters = {request->algorithm, request->bits, creation->roster->n, creation->roster->k},
        .custody = request->custody,
        .public_key = bytes_take(&deal->public_key),
        .verification = bytes_take(&deal->verification),
    };
    int r = threshold_key_new(&header.parameters, &header.public_key, &header.verification, &creation->threshold, problem);

    if (r == 0)
        r = header_encode(&header, &creation->common);
    if (r == 0)
        r = header_key_id(&creation->common, &creation->id);
    if (r == 0)
        key_id_format(&creation->id, creation->id_text);
    return r;
}

static int seal_shares(Creation *creation, Deal *deal)
{
    for (unsigned i = 0; i < creation->roster->n; i++) {
        int r = sealed_share_new(&creation->common, i + 1, creation->roster->nodes[i].sealing_key, deal->shares[i], &creation->sealed[i]);

        if (r != 0)
            return r;
        deal->shares[i] = secret_free(deal->shares[i]);
    }
    return 0;
}

/* ---- Prepare, test, activate ------------------------------------------------------------------------------------------------ */

static int prepare(Creation *creation, Problem *problem)
{
    NodePrepareInput shares[THRESHOLD_NODES_MAX];
    const void *inputs[THRESHOLD_NODES_MAX] = {NULL};
    const Step step = {"prepare", NODE_METHOD("PrepareKey"), &node_prepare_input, inputs, .stop = true};
    NodeSet stored;
    int r;

    for (unsigned i = 0; i < creation->roster->n; i++) {
        shares[i] = (NodePrepareInput){creation->sealed[i], creation->record};
        inputs[i] = &shares[i];
    }
    r = steps_take(creation->quorum, &step, creation->all, &creation->prepared);
    if (r != 0)
        return problem_set(problem, r, "The shares cannot be sent");
    stored = node_answers_good(&creation->prepared) | steps_with_error(&creation->prepared, NODE_ERROR_KEY_EXISTS);
    if (stored == creation->all)
        return 0;
    node_answers_describe(creation->quorum, &creation->prepared, problem);
    return problem_prefix(problem, steps_unanswered(&creation->prepared) ? QUORUM_E_TOO_FEW_NODES : QUORUM_E_REFUSED,
                          "Not all nodes could store their share; no key was made");
}

/* The quorum among the n partial signatures that combines to a valid signature. */
static int find_good(const Creation *creation, const Digest *digest, const Partial *partials, Partial *ret_good, uint8_t *ret_signature)
{
    _cleanup_(subset_search_clear) SubsetSearch search;
    unsigned n = creation->roster->n;
    Subset subset;

    subset_search_init(&search, creation->roster->k);
    while (subset_search_next(&search, n, &subset) > 0) {
        unsigned taken = 0;
        int r;

        for (unsigned i = 0; i < n; i++)
            if (subset & (Subset)1 << i)
                ret_good[taken++] = partials[i];
        r = threshold_key_combine(creation->threshold, digest, ret_good, ret_signature);
        if (r != THRESHOLD_E_INVALID_SIGNATURE)
            return r;
        r = subset_search_failed(&search, subset);
        if (r < 0)
            return r;
    }
    return THRESHOLD_E_INVALID_SIGNATURE;
}

/* Hold the others against a quorum that combined well. */
static int find_wrong(const Creation *creation, const Partial *partials, const Partial *good, NodeSet *ret_wrong)
{
    NodeSet fine = 0, wrong = 0;

    for (unsigned i = 0; i < creation->roster->k; i++)
        fine |= NODE_SET_OF(good[i].index);
    for (unsigned i = 0; i < creation->roster->n; i++) {
        int r = fine & NODE_SET_OF(i + 1) ? 0 : threshold_key_check_partial(creation->threshold, good, &partials[i]);

        if (r == THRESHOLD_E_INVALID_PARTIAL)
            wrong |= NODE_SET_OF(i + 1);
        else if (r != 0)
            return r;
    }
    *ret_wrong = wrong;
    return 0;
}

/* Every node's partial signature must be right, not only those of a quorum: each holds its share or the key is not made. */
static int check_partials(Creation *creation, const Digest *digest, const Partial *partials, Problem *problem)
{
    Partial good[THRESHOLD_NODES_MAX];
    uint8_t signature[THRESHOLD_SIGNATURE_SIZE_MAX];
    char names[NODE_NAMES_SIZE];
    NodeSet wrong = 0;
    int r = find_good(creation, digest, partials, good, signature);

    if (r != 0)
        return problem_set(problem, r > 0 ? QUORUM_E_SIGNATURE : r, "No %u of the nodes' test signatures fit together",
                           creation->roster->k);
    r = find_wrong(creation, partials, good, &wrong);
    if (r != 0)
        return problem_set(problem, r, "The test signatures cannot be checked");
    if (wrong) {
        steps_name_nodes(creation->quorum, wrong, names);
        quorum_log(creation->quorum, LOG_ERR, "Wrong test signature of new key %s by %s: lying, or a broken machine", creation->id_text,
                   names);
        return problem_set(problem, QUORUM_E_SIGNATURE, "Wrong test signature by %s; no key was made", names);
    }
    return bytes_copy(signature, threshold_key_signature_size(creation->threshold), &creation->activation);
}

static int take_partials(const Creation *creation, const NodeAnswers *answers, Partial *ret_partials, Problem *problem)
{
    size_t size = threshold_key_partial_size(creation->threshold);

    for (unsigned i = 0; i < creation->roster->n; i++) {
        const NodePartialSignOutput *output = answers->of[i].output;

        if (output->partial.size != size)
            return problem_set(problem, QUORUM_E_SIGNATURE, "The test signature of %s (%u) has %zu bytes instead of %zu; no key was made",
                               creation->roster->nodes[i].name, i + 1, output->partial.size, size);
        ret_partials[i].index = i + 1;
        memcpy(ret_partials[i].bytes, output->partial.data, size);
    }
    return 0;
}

/* Step 2 of "Life of a key": all n sign the activation statement. */
static int test(Creation *creation, Problem *problem)
{
    _cleanup_node_answers_ NodeAnswers answers = {0};
    Partial partials[THRESHOLD_NODES_MAX];
    Digest digest;
    int r = key_activation_digest(&creation->id, &digest);

    if (r != 0)
        return r;

    NodePartialSignInput input = {{creation->id.bytes, KEY_ID_SIZE}, (char *)hash_name(digest.hash), {digest.bytes, digest.size}};

    r = quorum_ask(creation->quorum, creation->all, ASK_LOGGED_IN, NODE_METHOD("PartialSign"), &node_partial_sign_input,
                   (const void *[]){&input}, true, &node_partial_sign_output, quorum_deadline(creation->quorum), &answers);
    if (r != 0)
        return problem_set(problem, r, "The new key cannot be tested");
    if (node_answers_good(&answers) != creation->all) {
        node_answers_describe(creation->quorum, &answers, problem);
        return problem_prefix(problem, steps_unanswered(&answers) ? QUORUM_E_TOO_FEW_NODES : QUORUM_E_REFUSED,
                              "Not all nodes could sign with the new key; no key was made");
    }
    r = take_partials(creation, &answers, partials, problem);
    return r == 0 ? check_partials(creation, &digest, partials, problem) : r;
}

static int discard(const Creation *creation, NodeSet nodes, NodeAnswers *answers)
{
    NodeKeyInput input = {{(uint8_t *)creation->id.bytes, KEY_ID_SIZE}};
    const void *inputs[] = {&input};
    const Step step = {"discard", NODE_METHOD("DiscardKey"), &node_key_input, inputs, .same = true};

    return steps_take(creation->quorum, &step, nodes, answers);
}

/* Remove what was prepared. Nodes that cannot be told keep a pending key, which does no harm; it is said which. */
static void discard_prepared(const Creation *creation, Problem *problem)
{
    _cleanup_node_answers_ NodeAnswers answers = {0};
    char names[NODE_NAMES_SIZE];
    NodeSet left = creation->prepared.asked & ~steps_with_error(&creation->prepared, NODE_ERROR_REJECTED);

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
    discard_prepared(creation, problem);
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

static int create(Creation *creation, QuorumKey **ret_key, Problem *problem)
{
    NodeSet holders = 0;
    int r = prepare(creation, problem);

    if (r == 0)
        r = test(creation, problem);
    if (r != 0) {
        discard_prepared(creation, problem);
        return r;
    }
    r = activate(creation, &holders, problem);
    return r == 0 ? make_known(creation, holders, ret_key, problem) : r;
}

int quorum_create_from_deal(Quorum *quorum, const GenerateRequest *request, Deal *deal, QuorumKey **ret_key, Problem *problem)
{
    _cleanup_(creation_clear) Creation creation = {
        .quorum = quorum,
        .roster = quorum_roster_now(quorum),
        .all = node_set_all(quorum_roster(quorum)->n),
        .record = key_record_borrow(&request->record),
    };
    int r = make_header(&creation, request, deal, problem);

    creation.record.version = 1;
    creation.record.created = (uint64_t)time(NULL); /* for people; nothing depends on it */
    if (r == 0)
        r = seal_shares(&creation, deal);
    threshold_deal_clear(deal);
    if (r != 0)
        return problem_prefix(problem, r < 0 ? r : -EIO, "The shares cannot be sealed");
    return create(&creation, ret_key, problem);
}

static int deal(Quorum *quorum, const ThresholdParameters *parameters, unsigned search_threads, Deal *ret_deal, Problem *problem)
{
    const QuorumHooks *hooks = &quorum->hooks;
    const DealOptions options = {search_threads, hooks->progress, hooks->userdata};
    int r = threshold_deal(parameters, &options, ret_deal, problem);

    return r == THRESHOLD_E_CANCELLED ? problem_set(problem, QUORUM_E_CANCELLED, "Stopped before the key was made") : r;
}

CustodyKind generate_custody(const Roster *roster, const GenerateRequest *request)
{
    const char *label = request->record.private_label;

    if (request->custody != CUSTODY_INVALID)
        return request->custody;
    if (!label || !*label)
        label = request->record.public_label;
    return label ? roster_custody(roster, label) : CUSTODY_INVALID;
}

/* Whether this token lets a signer's process deal (Deal=) is the module's business: kqctl always may. */
int quorum_generate(Quorum *quorum, const GenerateRequest *request, QuorumKey **ret_key, Problem *problem)
{
    _cleanup_(threshold_deal_clear) Deal dealt = {0};
    const Roster *roster = quorum_roster(quorum);
    const ThresholdParameters parameters = {request->algorithm, request->bits, roster->n, roster->k};
    GenerateRequest full = *request;
    int r = threshold_parameters_check(&parameters, problem);

    if (r == 0)
        r = key_record_check(&request->record, problem);
    if (r == 0 && !quorum_logged_in(quorum))
        r = problem_set(problem, QUORUM_E_LOGIN_REQUIRED, "Making a key needs the PIN");
    follow_roster(quorum);
    if (r == 0)
        full.custody = generate_custody(roster, request);
    if (r == 0)
        r = check_nodes(quorum, &full.custody, problem);
    if (r == 0)
        r = deal(quorum, &parameters, request->threads, &dealt, problem);
    return r == 0 ? quorum_create_from_deal(quorum, &full, &dealt, ret_key, problem) : r;
}
