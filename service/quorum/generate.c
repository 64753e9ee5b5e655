#include "quorum/generate.h"

#include <errno.h>

#include "quorum/records.h"
#include "quorum/run-key.h"
#include "quorum/state.h"
#include "quorum/status.h"
#include "quorum/steps.h"
#include "share/sealed.h"

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

/* ---- From the deal to stored shares --------------------------------------------------------------------------------------- */

/* One for each node. */
typedef struct SealedShares {
    Bytes of[THRESHOLD_NODES_MAX];
} SealedShares;

static void sealed_shares_clear(SealedShares *sealed)
{
    for (unsigned i = 0; i < THRESHOLD_NODES_MAX; i++)
        bytes_clear(&sealed->of[i]);
}

/* The header takes the public parts out of the deal. */
static int begin(Quorum *quorum, const GenerateRequest *request, Deal *deal, Creation *ret_creation, Problem *problem)
{
    const Roster *roster = quorum_roster(quorum);
    _cleanup_bytes_ Bytes common = {0};
    _cleanup_header_ Header header = {
        .parameters = {request->algorithm, request->bits, roster->n, roster->k},
        .custody = request->custody,
        .public_key = bytes_take(&deal->public_key),
        .verification = bytes_take(&deal->verification),
    };
    int r = header_encode(&header, &common);

    const NodeRecord record = creation_record(&request->record);

    return r == 0 ? creation_begin(quorum, &common, &record, ret_creation, problem) : r;
}

static int seal_shares(const Creation *creation, Deal *deal, SealedShares *sealed)
{
    for (unsigned i = 0; i < creation->roster->n; i++) {
        int r = sealed_share_new(&creation->common, i + 1, creation->roster->nodes[i].sealing_key, deal->shares[i], &sealed->of[i]);

        if (r != 0)
            return r;
        deal->shares[i] = secret_free(deal->shares[i]);
    }
    return 0;
}

static int prepare(Creation *creation, const SealedShares *sealed, Problem *problem)
{
    _cleanup_node_answers_ NodeAnswers answers = {0};
    NodePrepareInput shares[THRESHOLD_NODES_MAX];
    const void *inputs[THRESHOLD_NODES_MAX] = {NULL};
    const Step step = {"prepare", NODE_METHOD("PrepareKey"), &node_prepare_input, inputs, .stop = true};
    int r;

    for (unsigned i = 0; i < creation->roster->n; i++) {
        shares[i] = (NodePrepareInput){sealed->of[i], creation->record};
        inputs[i] = &shares[i];
    }
    r = steps_take(creation->quorum, &step, creation->all, &answers);
    creation->stored = answers.asked & ~steps_with_error(&answers, NODE_ERROR_REJECTED);
    if (r != 0)
        return problem_set(problem, r, "The shares cannot be sent");
    if ((node_answers_good(&answers) | steps_with_error(&answers, NODE_ERROR_KEY_EXISTS)) == creation->all)
        return 0;
    node_answers_describe(creation->quorum, &answers, problem);
    return problem_prefix(problem, steps_unanswered(&answers) ? QUORUM_E_TOO_FEW_NODES : QUORUM_E_REFUSED,
                          "Not all nodes could store their share; no key was made");
}

int quorum_create_from_deal(Quorum *quorum, const GenerateRequest *request, Deal *deal, QuorumKey **ret_key, Problem *problem)
{
    _cleanup_creation_ Creation creation = {0};
    _cleanup_(sealed_shares_clear) SealedShares sealed = {0};
    int r = begin(quorum, request, deal, &creation, problem);

    if (r == 0)
        r = seal_shares(&creation, deal, &sealed);
    threshold_deal_clear(deal);
    if (r != 0)
        return problem_prefix(problem, r < 0 ? r : -EIO, "The shares cannot be sealed");
    r = prepare(&creation, &sealed, problem);
    if (r == 0)
        return creation_finish(&creation, ret_key, problem);
    creation_discard(&creation, problem);
    return r;
}

/* ---- Keys that the nodes make among themselves ------------------------------------------------------------------------------ */

typedef struct Asked {
    const Roster *roster;
    const GenerateRequest *request;
} Asked;

/* All nodes say so; but what they all say is not what this process asked for. */
static int check_made(const Creation *creation, const void *userdata, Problem *problem)
{
    const ThresholdParameters *made = threshold_key_parameters(creation->threshold);
    const Asked *asked = userdata;

    if (made->algorithm == asked->request->algorithm && made->bits == asked->request->bits && made->n == asked->roster->n &&
        made->k == asked->roster->k)
        return 0;
    return problem_set(problem, QUORUM_E_REFUSED, "The nodes have made another kind of key than they were asked for, %s",
                       creation->id_text);
}

static int make_among_nodes(Quorum *quorum, const GenerateRequest *request, QuorumKey **ret_key, Problem *problem)
{
    const Asked asked = {quorum_roster(quorum), request};
    const NodeBeginRunInput input = {
        .kind = (char *)(uintptr_t)node_run_kind_name(NODE_RUN_GENERATE),
        .record = creation_record(&request->record),
    };

    return creation_by_run(quorum, &input, check_made, &asked, ret_key, problem);
}

/* ---- Either way ---------------------------------------------------------------------------------------------------------------- */

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

static int generate_dealt(Quorum *quorum, const ThresholdParameters *parameters, const GenerateRequest *request, QuorumKey **ret_key,
                          Problem *problem)
{
    _cleanup_(threshold_deal_clear) Deal dealt = {0};
    int r = deal(quorum, parameters, request->threads, &dealt, problem);

    return r == 0 ? quorum_create_from_deal(quorum, request, &dealt, ret_key, problem) : r;
}

/* Shares that the nodes compute with themselves cannot be where nobody can read them; so the nodes' default does not matter. */
static int settle_custody(const Scheme *scheme, CustodyKind *custody, Problem *problem)
{
    if (threshold_scheme_has_dealer(scheme))
        return 0;
    if (*custody == CUSTODY_INVALID)
        *custody = CUSTODY_KEYRING;
    if (custody_can_hold(*custody, scheme))
        return 0;
    return problem_set(
        problem, QUORUM_E_REFUSED,
        "Shares of %s keys cannot be in custody '%s', since the kernel does not compute with them: ask for 'keyring' (or what "
        "the roster's KernelLabels says of this label)",
        threshold_scheme_name(scheme), custody_name(*custody));
}

/* Whether this token lets a signer's process deal (Deal=) is the module's business: kqctl always may. */
int quorum_generate(Quorum *quorum, const GenerateRequest *request, QuorumKey **ret_key, Problem *problem)
{
    const Roster *roster = quorum_roster(quorum);
    const ThresholdParameters parameters = {request->algorithm, request->bits, roster->n, roster->k};
    const Scheme *scheme = threshold_scheme_by_algorithm(request->algorithm);
    GenerateRequest full = *request;
    int r = threshold_parameters_check(&parameters, problem);

    if (r == 0)
        r = key_record_check(&request->record, problem);
    if (r == 0 && !quorum_logged_in(quorum))
        r = problem_set(problem, QUORUM_E_LOGIN_REQUIRED, "Making a key needs the PIN");
    follow_roster(quorum);
    if (r == 0) {
        full.custody = generate_custody(roster, request);
        r = settle_custody(scheme, &full.custody, problem);
    }
    if (r == 0)
        r = check_nodes(quorum, &full.custody, problem);
    if (r != 0)
        return r;
    return threshold_scheme_has_dealer(scheme) ? generate_dealt(quorum, &parameters, &full, ret_key, problem)
                                               : make_among_nodes(quorum, &full, ret_key, problem);
}
