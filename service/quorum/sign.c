#include <errno.h>
#include <poll.h>
#include <string.h>

#include "quorum/exchange.h"
#include "quorum/peer.h"
#include "quorum/state.h"
#include "threshold/subset.h"

#define RETRY_MIN      (50 * MICROSECONDS_PER_MILLISECOND) /* a node that is down is asked again within one call, after this and longer */
#define OVERDUE_FACTOR 4                                   /* times the patience with the node */

/* One signature on its way. */
typedef struct Signing {
    Quorum *quorum;
    const ThresholdKey *threshold;
    const Digest *digest;
    Login *login;
    PeerNeed need;
    NodePartialSignInput input;
    unsigned n, k;
    Microseconds deadline;

    NodeSet waiting;  /* asked, no answer yet */
    NodeSet late;     /* of those, the ones a ready node is asked instead of */
    NodeSet overdue;  /* of the late ones, those that any node is asked instead of. Nodes asked beside the needed ones are both */
    NodeSet answered; /* with a partial signature */
    NodeSet down;     /* failed; may be asked again at retry_at */
    NodeSet refused;  /* said no for good: not asked again by this call */
    NodeSet forbids;  /* of those, the ones that would sign if somebody let them: the key is locked, or the client not permitted */
    Exchange of[THRESHOLD_NODES_MAX];
    Microseconds late_at[THRESHOLD_NODES_MAX], overdue_at[THRESHOLD_NODES_MAX];
    Microseconds retry_at[THRESHOLD_NODES_MAX], pause[THRESHOLD_NODES_MAX];

    Partial partials[THRESHOLD_NODES_MAX]; /* in the order they came */
    unsigned n_partials;
    SubsetSearch search;
    Subset good; /* positions that combined */
} Signing;

/* The exchanges of a set, for exchange_poll(). */
static unsigned list_of(Signing *signing, NodeSet nodes, Exchange *ret_list[THRESHOLD_NODES_MAX])
{
    unsigned n = 0;

    for (unsigned i = 0; i < signing->n; i++)
        if (nodes & NODE_SET_OF(i + 1))
            ret_list[n++] = &signing->of[i];
    return n;
}

/* ---- Asking ----------------------------------------------------------------------------------------------------------- */

static void ask(Signing *signing, unsigned index)
{
    Exchange *exchange = &signing->of[index - 1];
    NodeSet node = NODE_SET_OF(index);

    if (signing->down & node)
        exchange_end(exchange);
    signing->down &= ~node;
    signing->waiting |= node;
    exchange_begin(exchange, signing->quorum, index, ASK_LOGGED_IN, signing->login);
    exchange_ask(exchange, NODE_METHOD("PartialSign"), &node_partial_sign_input, &signing->input);

    Microseconds patience = peer_patience(signing->quorum, &signing->need, index);

    signing->late_at[index - 1] = clock_now() + patience;
    signing->overdue_at[index - 1] = clock_now() + OVERDUE_FACTOR * patience;
}

static void ask_set(Signing *signing, NodeSet nodes)
{
    for (unsigned i = 1; i <= THRESHOLD_NODES_MAX; i++)
        if (nodes & NODE_SET_OF(i))
            ask(signing, i);
}

static NodeSet retriable(const Signing *signing, Microseconds now)
{
    NodeSet nodes = 0;

    for (unsigned i = 0; i < signing->n; i++)
        if (signing->down & NODE_SET_OF(i + 1) && now >= signing->retry_at[i])
            nodes |= NODE_SET_OF(i + 1);
    return nodes;
}

/* Ask as many more nodes as are needed: k that are expected to answer in time, or all once a combination has failed. For a late one, a
 * node that is in good order is asked; one that is paused or has lied would hardly be faster. */
static void ask_needed(Signing *signing)
{
    NodeSet fresh = node_set_all(signing->n) & ~(signing->waiting | signing->answered | signing->down | signing->refused);
    unsigned answered = node_set_count(signing->answered);
    unsigned in_time = answered + node_set_count(signing->waiting & ~signing->late);
    unsigned perhaps = answered + node_set_count(signing->waiting & ~signing->overdue);
    unsigned wanted = signing->search.n_failed > 0 ? signing->n : signing->k;
    NodeSet chosen = 0;

    if (in_time >= wanted)
        return;
    chosen = peer_choose(signing->quorum, &signing->need, fresh, wanted - in_time, true);
    perhaps += node_set_count(chosen);
    if (perhaps < wanted)
        chosen |= peer_choose(signing->quorum, &signing->need, fresh & ~chosen, wanted - perhaps, false);
    perhaps = answered + node_set_count(chosen | (signing->waiting & ~signing->overdue));
    if (perhaps < wanted && signing->down != 0)
        chosen |= peer_choose(signing->quorum, &signing->need, retriable(signing, clock_now()), wanted - perhaps, false);
    ask_set(signing, chosen);
}

/* Ask one node more than is needed, if there is one to look after; nobody waits for it. */
static void ask_extra(Signing *signing)
{
    NodeSet extra = peer_choose_extra(signing->quorum, &signing->need, node_set_all(signing->n) & ~signing->waiting);

    signing->late |= extra;
    signing->overdue |= extra;
    ask_set(signing, extra);
}

static void note_late(Signing *signing)
{
    Microseconds now = clock_now();

    for (unsigned i = 0; i < signing->n; i++) {
        NodeSet node = signing->waiting & NODE_SET_OF(i + 1);

        if (now >= signing->late_at[i])
            signing->late |= node;
        if (now >= signing->overdue_at[i])
            signing->overdue |= node;
    }
}

/* ---- Answers ------------------------------------------------------------------------------------------------------------ */

static void on_down(Signing *signing, unsigned index)
{
    Exchange *exchange = &signing->of[index - 1];
    Microseconds *pause = &signing->pause[index - 1];

    *pause = *pause == 0 ? RETRY_MIN : *pause * 2;
    signing->retry_at[index - 1] = clock_now() + *pause;
    signing->down |= NODE_SET_OF(index);
    peer_failed(signing->quorum, index, exchange->words);
}

/* What an operator can change at any moment is soon asked again. */
static Microseconds keyless_for(NodeError error)
{
    static const Microseconds soon[NODE_ERROR_MAX] = {
        [NODE_ERROR_KEY_PENDING] = PEER_PENDING,
        [NODE_ERROR_KEY_LOCKED] = PEER_PENDING,
        [NODE_ERROR_PERMISSION_DENIED] = PEER_PENDING,
    };

    return soon[error] ? soon[error] : PEER_KEYLESS;
}

/* It is there but will not sign. */
static void on_refusal(Signing *signing, unsigned index)
{
    Exchange *exchange = &signing->of[index - 1];

    signing->refused |= NODE_SET_OF(index);
    if (!peer_alive(exchange)) {
        peer_failed(signing->quorum, index, exchange->words);
        return;
    }
    peer_answered(signing->quorum, index, signing->need.size, 0);
    if (exchange->too_old)
        return; /* for the other encoding it is as good as ever */
    if (exchange->error == NODE_ERROR_KEY_LOCKED || exchange->error == NODE_ERROR_PERMISSION_DENIED)
        signing->forbids |= NODE_SET_OF(index);
    peer_keyless(signing->quorum, index, signing->need.key, keyless_for(exchange->error));
}

static void on_partial(Signing *signing, unsigned index)
{
    Exchange *exchange = &signing->of[index - 1];
    NodePartialSignOutput output = {0};
    Microseconds took = exchange->alone ? exchange->done_at - exchange->asked_at : 0;
    int r = exchange_output(exchange, &node_partial_sign_output, &output);

    if (r < 0) {
        signing->refused |= NODE_SET_OF(index);
        peer_failed(signing->quorum, index, exchange->words);
        return;
    }
    if (output.partial.size != signing->need.size) {
        (void)snprintf(exchange->words, sizeof(exchange->words), "its partial signature has %zu bytes instead of %zu", output.partial.size,
                       signing->need.size);
        signing->refused |= NODE_SET_OF(index);
        peer_lied(signing->quorum, index, signing->need.key, exchange->words);
    } else {
        Partial *partial = &signing->partials[signing->n_partials++];

        partial->index = index;
        memcpy(partial->bytes, output.partial.data, output.partial.size);
        signing->answered |= NODE_SET_OF(index);
        peer_answered(signing->quorum, index, signing->need.size, took);
    }
    message_clear(&node_partial_sign_output, &output);
}

static void collect(Signing *signing)
{
    for (unsigned i = 1; i <= signing->n; i++) {
        NodeSet node = NODE_SET_OF(i);
        Exchange *exchange = &signing->of[i - 1];

        if (!(signing->waiting & node) || !exchange_done(exchange))
            continue;
        signing->waiting &= ~node;
        signing->late &= ~node;
        signing->overdue &= ~node;
        if (exchange_good(exchange))
            on_partial(signing, i);
        else if (exchange->r < 0 || exchange->error == NODE_ERROR_UNAVAILABLE)
            on_down(signing, i);
        else
            on_refusal(signing, i);
        peer_release(signing->quorum, i);
    }
}

/* ---- Combining and blame -------------------------------------------------------------------------------------------------- */

/* The partials at the positions of a subset, one after the other. */
static const Partial *pick(const Signing *signing, Subset subset, Partial ret_picked[THRESHOLD_NODES_MAX])
{
    unsigned n = 0;

    if (subset == ((Subset)1 << signing->k) - 1)
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
    if (signing->n_partials < signing->k)
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
            peer_lied(signing->quorum, signing->partials[p].index, signing->need.key, "a wrong partial signature");
    }
}

/* ---- No signature ----------------------------------------------------------------------------------------------------------- */

static const char *said(const Signing *signing, unsigned index)
{
    NodeSet node = NODE_SET_OF(index);

    if (signing->answered & node)
        return signing->search.n_failed > 0 ? "a partial signature that does not combine with the others" : "a partial signature";
    if (signing->waiting & node)
        return clock_now() < signing->deadline ? "not waited for" : "nothing: it does not answer";
    return (signing->down | signing->refused) & node ? signing->of[index - 1].words : "not asked";
}

static int give_up(Signing *signing, int error, Problem *problem)
{
    Problem said_by_all = PROBLEM_INIT;
    char id[2 * KEY_ID_SIZE + 1];

    for (unsigned i = 1; i <= signing->n; i++)
        node_words_share(signing->quorum, i, said(signing, i), signing->n - i + 1, &said_by_all);
    key_id_format(signing->need.key, id);
    return problem_set(problem, error, "no signature with key %.16s: %u of the %u answers needed came. %s", id, signing->n_partials,
                       signing->k, said_by_all.text);
}

/* The time is up; or nothing can come any more, and there are no `more` sets to try. */
static int check_end(Signing *signing, bool more, Problem *problem)
{
    /* Those that are down may come back; but not if even with them there are too few. */
    bool hopeless = (signing->waiting == 0 && signing->down == 0) || node_set_count(signing->refused) > signing->n - signing->k;

    if ((more || !hopeless) && clock_now() < signing->deadline)
        return 0;
    if (node_set_count(signing->forbids) > signing->n - signing->k)
        return give_up(signing, QUORUM_E_REFUSED, problem);
    return give_up(signing, signing->n_partials >= signing->k ? QUORUM_E_SIGNATURE : QUORUM_E_TOO_FEW_NODES, problem);
}

/* ---- The whole ---------------------------------------------------------------------------------------------------------------- */

/* When something is to be done even if no node stirs. */
static Microseconds next_event(const Signing *signing)
{
    Microseconds until = signing->deadline;

    for (unsigned i = 0; i < signing->n; i++) {
        NodeSet node = NODE_SET_OF(i + 1);

        if (signing->waiting & ~signing->late & node && signing->late_at[i] < until)
            until = signing->late_at[i];
        if (signing->waiting & ~signing->overdue & node && signing->overdue_at[i] < until)
            until = signing->overdue_at[i];
        if (signing->down & node && signing->retry_at[i] < until)
            until = signing->retry_at[i];
    }
    return until;
}

static void wait_for_nodes(Signing *signing, bool more_to_try)
{
    Exchange *list[THRESHOLD_NODES_MAX];
    unsigned n = list_of(signing, signing->waiting, list);
    Microseconds until = more_to_try ? 0 : next_event(signing);

    if (n > 0)
        exchange_poll(list, n, until);
    else if (!more_to_try)
        (void)poll(NULL, 0, clock_poll_timeout(until));
}

static int run(Signing *signing, uint8_t *ret_signature, Problem *problem)
{
    int r = login_check(signing->login, signing->quorum, problem);

    if (r != 0)
        return r;
    ask_needed(signing);
    ask_extra(signing);
    for (;;) {
        bool more;

        collect(signing);

        r = combine(signing, ret_signature, &more);
        if (r != 0)
            return r < 0 ? problem_set(problem, r, "the partial signatures cannot be combined: %s", strerror(-r)) : 0;
        r = signing->refused != 0 ? login_check(signing->login, signing->quorum, problem) : 0;
        if (r != 0)
            return r;
        note_late(signing);
        ask_needed(signing);
        r = check_end(signing, more, problem);
        if (r != 0)
            return r;
        wait_for_nodes(signing, more);
    }
}

static void signing_clear(Signing *signing)
{
    for (unsigned i = 1; i <= signing->n; i++) {
        NodeSet node = NODE_SET_OF(i);

        if (signing->waiting & node) {
            peer_release(signing->quorum, i);
            peer_leave_pending(signing->quorum, i, signing->need.size, &signing->of[i - 1]);
        } else if ((signing->answered | signing->down | signing->refused) & node) {
            exchange_end(&signing->of[i - 1]);
        }
    }
    subset_search_clear(&signing->search);
    login_unref(signing->login);
}

static void signing_begin(Signing *signing, Quorum *quorum, const QuorumKey *key, const Digest *digest)
{
    const Roster *roster = quorum->roster;

    signing->quorum = quorum;
    signing->threshold = quorum_key_threshold(key);
    signing->digest = digest;
    signing->need = (PeerNeed){.key = quorum_key_id(key), .size = threshold_key_partial_size(signing->threshold)};
    signing->input = (NodePartialSignInput){
        .key = {(uint8_t *)(uintptr_t)signing->need.key->bytes, KEY_ID_SIZE},
        .hash = (char *)(uintptr_t)hash_name(digest->hash),
        .digest = {(uint8_t *)(uintptr_t)digest->bytes, digest->size},
    };
    if (digest->encoding != ENCODING_PKCS1_V15) { /* which goes without saying, to nodes that know no other as well */
        signing->input.encoding = (char *)(uintptr_t)encoding_name(digest->encoding);
        signing->input.salt = (Bytes){(uint8_t *)(uintptr_t)digest->salt, digest->salt_size};
    }
    signing->n = roster->n;
    signing->k = roster->k;
    signing->deadline = quorum_deadline(quorum);
    subset_search_init(&signing->search, signing->k);
}

int quorum_sign(Quorum *quorum, const QuorumKey *key, const Digest *digest, uint8_t *ret_signature, Problem *problem)
{
    if (digest->hash == HASH_SHA1 && !quorum->roster->allow_sha1)
        return problem_set(problem, QUORUM_E_REFUSED, "SHA-1 is not signed: AllowSha1=no in the roster of token %s", quorum->roster->label);

    if (digest_bits_min(digest) > threshold_key_parameters(quorum_key_threshold(key))->bits)
        return problem_set(problem, -EINVAL, "the key is too small for %s with so long a salt", hash_name(digest->hash));

    _cleanup_(signing_clear) Signing signing = {.login = quorum_login_now(quorum)};

    if (!signing.login)
        return problem_set(problem, QUORUM_E_LOGIN_REQUIRED, "nobody is logged in to token %s", quorum->roster->label);
    signing_begin(&signing, quorum, key, digest);
    peer_look(quorum);

    int r = run(&signing, ret_signature, problem);

    if (r == 0 && signing.search.n_failed > 0)
        blame(&signing);
    return r;
}
