#include <string.h>
#include <syslog.h>

#include "quorum/creation.h"
#include "quorum/key.h"
#include "quorum/sign-message.h"
#include "quorum/steps.h"
#include "threshold/subset.h"

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

static int say_wrong(const Creation *creation, NodeSet wrong, Problem *problem)
{
    char names[NODE_NAMES_SIZE];

    steps_name_nodes(creation->quorum, wrong, names);
    quorum_log(creation->quorum, LOG_ERR, "Wrong test signature of new key %s by %s: lying, or a broken machine", creation->id_text, names);
    return problem_set(problem, QUORUM_E_SIGNATURE, "Wrong test signature by %s; no key was made", names);
}

/* Every node's partial signature must be right, not only those of a quorum: each holds its share or the key is not made. */
static int check_partials(Creation *creation, const Digest *digest, const Partial *partials, Problem *problem)
{
    Partial good[THRESHOLD_NODES_MAX];
    uint8_t signature[THRESHOLD_SIGNATURE_SIZE_MAX];
    NodeSet wrong = 0;
    int r = find_good(creation, digest, partials, good, signature);

    if (r != 0)
        return problem_set(problem, r > 0 ? QUORUM_E_SIGNATURE : r, "No %u of the nodes' test signatures fit together",
                           creation->roster->k);
    r = find_wrong(creation, partials, good, &wrong);
    if (r != 0)
        return problem_set(problem, r, "The test signatures cannot be checked");
    if (wrong)
        return say_wrong(creation, wrong, problem);
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

/* A key that signs digests: all n nodes at once. */
static int test_at_once(Creation *creation, const Digest *digest, Problem *problem)
{
    _cleanup_node_answers_ NodeAnswers answers = {0};
    Partial partials[THRESHOLD_NODES_MAX];
    NodePartialSignInput input = {
        .key = {creation->id.bytes, KEY_ID_SIZE},
        .hash = (char *)(uintptr_t)hash_name(digest->hash),
        .digest = {(uint8_t *)(uintptr_t)digest->bytes, digest->size},
    };
    int r = quorum_ask(creation->quorum, creation->all, ASK_LOGGED_IN, NODE_METHOD("PartialSign"), &node_partial_sign_input,
                       (const void *[]){&input}, true, &node_partial_sign_output, quorum_deadline(creation->quorum), &answers);

    if (r != 0)
        return problem_set(problem, r, "The new key cannot be tested");
    if (node_answers_good(&answers) != creation->all) {
        node_answers_describe(creation->quorum, &answers, problem);
        return problem_prefix(problem, steps_unanswered(&answers) ? QUORUM_E_TOO_FEW_NODES : QUORUM_E_REFUSED,
                              "Not all nodes could sign with the new key; no key was made");
    }
    r = take_partials(creation, &answers, partials, problem);
    return r == 0 ? check_partials(creation, digest, partials, problem) : r;
}

/* A key that signs messages: k nodes at a time, until each had its turn. */
static int test_in_turns(Creation *creation, const Digest *digest, Problem *problem)
{
    const Roster *roster = creation->roster;
    uint8_t signature[THRESHOLD_SIGNATURE_SIZE_MAX], statement[THRESHOLD_STATEMENT_SIZE_MAX];
    const size_t size = threshold_statement(digest, statement);
    NodeSet tested = 0, liars = 0;
    int r = 0;

    for (unsigned first = 0; r == 0 && tested != creation->all; first += roster->k) {
        unsigned last_first = roster->n - roster->k;
        NodeSet nodes = node_set_all(roster->k) << (first < last_first ? first : last_first);

        r = sign_message_test(creation->quorum, &creation->id, creation->threshold, nodes, statement, size, signature, &liars, problem);
        tested |= nodes;
    }
    if (liars != 0)
        return say_wrong(creation, liars, problem);
    if (r != 0)
        return problem_prefix(problem, r, "Not all nodes could sign with the new key; no key was made");
    return bytes_copy(signature, threshold_key_signature_size(creation->threshold), &creation->activation);
}

/* Step 2 of "Life of a key". */
int creation_test(Creation *creation, Problem *problem)
{
    Digest digest;
    int r = key_activation_digest(&creation->id, &digest);

    if (r != 0)
        return r;
    return threshold_scheme_has_dealer(threshold_key_scheme(creation->threshold)) ? test_at_once(creation, &digest, problem)
                                                                                  : test_in_turns(creation, &digest, problem);
}
