#include <errno.h>
#include <string.h>

#include "quorum/state.h"
#include "quorum/turnout.h"
#include "threshold/subset.h"

/* One signature of a digest on its way: partial signatures of any k nodes are combined. */
typedef struct Signing {
    Turnout nodes;
    const ThresholdKey *threshold;
    const Digest *digest;
    NodePartialSignInput input;
    Partial partials[THRESHOLD_NODES_MAX]; /* in the order they came */
    unsigned n_partials;
    SubsetSearch search;
    Subset good; /* positions that combined */
} Signing;

/* ---- Asking ----------------------------------------------------------------------------------------------------------- */

static void ask(Signing *signing, unsigned index)
{
    exchange_ask(turnout_begin_exchange(&signing->nodes, index), NODE_METHOD("PartialSign"), &node_partial_sign_input, &signing->input);
    turnout_asked(&signing->nodes, index);
}

/* k that are expected to answer in time, or all once a combination has failed. */
static void ask_needed(Signing *signing)
{
    NodeSet chosen = turnout_choose(&signing->nodes, signing->search.n_failed > 0 ? node_set_count(signing->nodes.all) : signing->nodes.k);

    for (unsigned i = 1; i <= THRESHOLD_NODES_MAX; i++)
        if (chosen & NODE_SET_OF(i))
            ask(signing, i);
}

/* One node more than is needed, if there is one to look after. */
static void ask_extra(Signing *signing)
{
    NodeSet extra = turnout_choose_extra(&signing->nodes);

    for (unsigned i = 1; i <= THRESHOLD_NODES_MAX; i++)
        if (extra & NODE_SET_OF(i)) {
            ask(signing, i);
            turnout_asked_beside(&signing->nodes, i);
        }
}

/* ---- Answers ------------------------------------------------------------------------------------------------------------ */

static void on_partial(Signing *signing, unsigned index)
{
    Turnout *nodes = &signing->nodes;
    Exchange *exchange = &nodes->of[index - 1];
    NodePartialSignOutput output = {0};
    Microseconds took = exchange->alone ? exchange->done_at - exchange->asked_at : 0;

    if (exchange_output(exchange, &node_partial_sign_output, &output) < 0) {
        turnout_broken(nodes, index);
        return;
    }
    if (output.partial.size != nodes->need.size) {
        (void)snprintf(exchange->words, sizeof(exchange->words), "its partial signature has %zu bytes instead of %zu", output.partial.size,
                       nodes->need.size);
        turnout_lied(nodes, index, exchange->words);
    } else {
        Partial *partial = &signing->partials[signing->n_partials++];

        partial->index = index;
        memcpy(partial->bytes, output.partial.data, output.partial.size);
        nodes->answered |= NODE_SET_OF(index);
        peer_answered(nodes->quorum, index, nodes->need.size, took);
    }
    message_clear(&node_partial_sign_output, &output);
}

static void collect(Signing *signing)
{
    NodeSet done = turnout_collect(&signing->nodes);

    for (unsigned i = 1; done != 0; i++) {
        if (!(done & NODE_SET_OF(i)))
            continue;
        done &= ~NODE_SET_OF(i);
        if (exchange_good(&signing->nodes.of[i - 1]))
            on_partial(signing, i);
        else
            turnout_failed(&signing->nodes, i);
        turnout_release(&signing->nodes, i);
    }
}

/* ---- Combining and blame -------------------------------------------------------------------------------------------------- */

/* The partials at the positions of a subset, one after the other. */
static const Partial *pick(const Signing *signing, Subset subset, Partial ret_picked[THRESHOLD_NODES_MAX])
{
    unsigned n = 0;

    if (subset == ((Subset)1 << signing->nodes.k) - 1)
        return signing->partials;
    for (unsigned p = 0; p < signing->n_partials; p++)
        if (subset & ((Subset)1 << p))
            ret_picked[n++] = signing->partials[p];
    return ret_picked;
}

/* Try one set of partials that has not failed yet. 1: the signature is there; 0: not yet, *ret_more says whether there are more sets. */
static int combine(Signing *signing, uint8_t *ret_signature, bool *ret_more)
{
    Partial picked[THRESHOLD_NODES_MAX];
    Subset subset;
    int r;

    *ret_more = false;
    if (signing->n_partials < signing->nodes.k)
        return 0;
    r = subset_search_next(&signing->search, signing->n_partials, &subset);
    if (r <= 0)
        return r;
    r = threshold_key_combine(signing->threshold, signing->digest, pick(signing, subset, picked), ret_signature);
    if (r == 0) {
        signing->good = subset;
        return 1;
    }
    if (r != THRESHOLD_E_INVALID_SIGNATURE)
        return r;
    *ret_more = true;
    return subset_search_failed(&signing->search, subset);
}

/* A good set is known and another one failed: who else told the truth (threshold.md, blame step 2)? */
static void blame(Signing *signing)
{
    Partial picked[THRESHOLD_NODES_MAX];
    const Partial *good = pick(signing, signing->good, picked);

    for (unsigned p = 0; p < signing->n_partials; p++) {
        int r;

        if (signing->good & ((Subset)1 << p))
            continue;
        r = threshold_key_check_partial(signing->threshold, good, &signing->partials[p]);
        if (r == THRESHOLD_E_INVALID_PARTIAL)
            peer_lied(signing->nodes.quorum, signing->partials[p].index, signing->nodes.need.key, "a wrong partial signature");
    }
}

/* ---- The whole ---------------------------------------------------------------------------------------------------------------- */

/* The end without a signature, if it has come. */
static int check_end(Signing *signing, bool more, Problem *problem)
{
    int r = turnout_end(&signing->nodes, signing->n_partials >= signing->nodes.k, more);

    return r == 0 ? 0
                  : turnout_give_up(&signing->nodes, r, signing->n_partials,
                                    signing->search.n_failed > 0 ? "a partial signature that does not combine with the others"
                                                                 : "a partial signature",
                                    problem);
}

static int run(Signing *signing, uint8_t *ret_signature, Problem *problem)
{
    Turnout *nodes = &signing->nodes;

    ask_needed(signing);
    ask_extra(signing);
    for (;;) {
        bool more;
        int r;

        collect(signing);
        r = combine(signing, ret_signature, &more);
        if (r != 0)
            return r < 0 ? problem_set(problem, r, "the partial signatures cannot be combined: %s", strerror(-r)) : 0;
        r = nodes->refused != 0 ? login_check(nodes->login, nodes->quorum, problem) : 0;
        if (r != 0)
            return r;
        turnout_note_late(nodes);
        ask_needed(signing);
        r = check_end(signing, more, problem);
        if (r != 0)
            return r;
        turnout_wait(nodes, more);
    }
}

static void signing_clear(Signing *signing)
{
    turnout_clear(&signing->nodes);
    subset_search_clear(&signing->search);
}

static NodePartialSignInput input_of(const QuorumKey *key, const Digest *digest)
{
    NodePartialSignInput input = {
        .key = {(uint8_t *)(uintptr_t)quorum_key_id(key)->bytes, KEY_ID_SIZE},
        .hash = (char *)(uintptr_t)hash_name(digest->hash),
        .digest = {(uint8_t *)(uintptr_t)digest->bytes, digest->size},
    };

    if (digest->encoding != ENCODING_PKCS1_V15) { /* which goes without saying, to nodes that know no other as well */
        input.encoding = (char *)(uintptr_t)encoding_name(digest->encoding);
        input.salt = (Bytes){(uint8_t *)(uintptr_t)digest->salt, digest->salt_size};
    }
    return input;
}

int quorum_sign(Quorum *quorum, const QuorumKey *key, const Digest *digest, uint8_t *ret_signature, Problem *problem)
{
    const ThresholdKey *threshold = quorum_key_threshold(key);

    if (!threshold_scheme_has_dealer(threshold_key_scheme(threshold)))
        return problem_set(problem, -EINVAL, "a key of algorithm %s signs messages, not digests",
                           threshold_scheme_name(threshold_key_scheme(threshold)));
    if (digest->hash == HASH_SHA1 && !quorum->roster->allow_sha1)
        return problem_set(problem, QUORUM_E_REFUSED, "SHA-1 is not signed: AllowSha1=no in the roster of token %s", quorum->roster->label);
    if (digest_bits_min(digest) > threshold_key_parameters(threshold)->bits)
        return problem_set(problem, -EINVAL, "the key is too small for %s with so long a salt", hash_name(digest->hash));

    _cleanup_(signing_clear) Signing signing = {.threshold = threshold, .digest = digest, .input = input_of(key, digest)};
    int r;

    subset_search_init(&signing.search, quorum->roster->k);
    r = turnout_begin(&signing.nodes, quorum, quorum_key_id(key), threshold, node_set_all(quorum->roster->n), problem);
    if (r == 0)
        r = run(&signing, ret_signature, problem);
    if (r == 0 && signing.search.n_failed > 0)
        blame(&signing);
    return r;
}
