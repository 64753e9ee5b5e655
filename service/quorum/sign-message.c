/*
 * Signing with FROST (RFC 9591). A round is k nodes, a commitment of each, and in the end a signature share of each: its list of
 * commitments goes to all of them, so a node that drops out of a round cannot be made up for but by another round, with new commitments of
 * all its nodes.
 *
 * A node is waited for by one question at a time: for commitments, where its connection has none in stock, or for a share of one round. One
 * that is late holds up its round only: the others begin the next, and whichever is complete first is the signature.
 */
#include "quorum/sign-message.h"

#include <errno.h>
#include <string.h>

#include "quorum/commitments.h"
#include "quorum/state.h"
#include "quorum/turnout.h"

#define ROUNDS_MAX 4 /* that may still become complete */

/* The stock is filled up by so many when it has come down to this, with the answer to a signature. */
#define COMMITMENTS_BATCH 6
#define COMMITMENTS_LOW   2

typedef struct Round {
    NodeSet nodes;   /* k; 0: there is no round here */
    NodeSet signers; /* whose shares are here */
    bool lost;       /* some node's will not come */
    FrostCommitment commitments[THRESHOLD_NODES_MAX];
    FrostPartial partials[THRESHOLD_NODES_MAX]; /* in the order they came */
    uint8_t list[THRESHOLD_NODES_MAX * FROST_COMMITMENT_SIZE];
} Round;

/* One signature of a message on its way. */
typedef struct Signing {
    Turnout nodes; /* answered: has a commitment for the next round */
    const FrostKey *frost;
    const void *message;
    size_t size;
    bool test;        /* of a new key: every share is checked, and a liar is the end */
    NodeSet liars;    /* found out by this call */
    NodeSet forgiven; /* their commitments were good no more, once */
    Round rounds[ROUNDS_MAX];
    unsigned n_rounds;                    /* so far: the place of the next is the turn of this */
    Round *round_of[THRESHOLD_NODES_MAX]; /* that the node is asked for a share of; NULL: for commitments */
    NodeSignShareInput inputs[THRESHOLD_NODES_MAX];
    NodeGetCommitmentsInput wanted;
} Signing;

static FrostRequest request_of(const Signing *signing, const Round *round)
{
    return (FrostRequest){signing->frost, round->commitments, signing->message, signing->size};
}

/* May this round become complete without anybody being late? */
static bool is_on_time(const Signing *signing, const Round *round)
{
    NodeSet missing = round->nodes & ~round->signers, in_time = signing->nodes.waiting & ~signing->nodes.late;

    return round->nodes != 0 && !round->lost && !(missing & ~in_time);
}

static bool has_hope(const Signing *signing)
{
    for (unsigned i = 0; i < ROUNDS_MAX; i++)
        if (is_on_time(signing, &signing->rounds[i]))
            return true;
    return false;
}

/* ---- Asking for commitments ----------------------------------------------------------------------------------------------- */

/* The node's exchange, with its connection if it has one that can be gone on with. */
static Exchange *exchange_with(Signing *signing, unsigned index)
{
    Exchange *exchange = &signing->nodes.of[index - 1];

    if (signing->nodes.begun & NODE_SET_OF(index) && exchange->connection)
        return exchange;
    return turnout_begin_exchange(&signing->nodes, index);
}

static void ask_for_commitments(Signing *signing, unsigned index)
{
    signing->round_of[index - 1] = NULL;
    exchange_ask(exchange_with(signing, index), NODE_METHOD("GetCommitments"), &node_get_commitments_input, &signing->wanted);
    turnout_asked(&signing->nodes, index);
}

/* k that are expected to take part in a round in time, unless one is under way. */
static void ask_needed(Signing *signing)
{
    NodeSet chosen = has_hope(signing) ? 0 : turnout_choose(&signing->nodes, signing->nodes.k);

    for (unsigned i = 1; i <= THRESHOLD_NODES_MAX; i++) {
        if (!(chosen & NODE_SET_OF(i)))
            continue;

        Exchange *exchange = exchange_with(signing, i);

        if (exchange_take(exchange) && commitments_count(exchange->connection, signing->nodes.need.key) > 0)
            signing->nodes.answered |= NODE_SET_OF(i);
        else
            ask_for_commitments(signing, i);
    }
}

/* One node more than is needed, if there is one to look after. */
static void ask_extra(Signing *signing)
{
    NodeSet extra = turnout_choose_extra(&signing->nodes);

    for (unsigned i = 1; i <= THRESHOLD_NODES_MAX; i++)
        if (extra & NODE_SET_OF(i)) {
            ask_for_commitments(signing, i);
            turnout_asked_beside(&signing->nodes, i);
        }
}

/* ---- A round ---------------------------------------------------------------------------------------------------------------- */

static void ask_for_share(Signing *signing, Round *round, unsigned index)
{
    Exchange *exchange = &signing->nodes.of[index - 1];
    bool low = commitments_count(exchange->connection, signing->nodes.need.key) <= COMMITMENTS_LOW;
    NodeSignShareInput *input = &signing->inputs[index - 1];

    *input = (NodeSignShareInput){
        .key = signing->wanted.key,
        .message = {(uint8_t *)(uintptr_t)signing->message, signing->size},
        .commitments = {round->list, signing->nodes.k * FROST_COMMITMENT_SIZE},
        .more = low ? COMMITMENTS_BATCH : 0,
    };
    signing->round_of[index - 1] = round;
    exchange_ask_here(exchange, NODE_METHOD("SignShare"), &node_sign_share_input, input);
    turnout_asked(&signing->nodes, index);
}

/* The place of the next round. Nobody waits any more for the nodes of the one that was there. */
static Round *place_of_next(Signing *signing)
{
    Round *round = &signing->rounds[signing->n_rounds++ % ROUNDS_MAX];

    for (unsigned i = 1; i <= THRESHOLD_NODES_MAX; i++)
        if (signing->nodes.waiting & NODE_SET_OF(i) && signing->round_of[i - 1] == round)
            turnout_leave(&signing->nodes, i);
    *round = (Round){0};
    return round;
}

static void begin_round(Signing *signing)
{
    Round *round;
    unsigned taken = 0;

    if (node_set_count(signing->nodes.answered) < signing->nodes.k || has_hope(signing))
        return;
    round = place_of_next(signing);
    for (unsigned i = 1; i <= THRESHOLD_NODES_MAX && taken < signing->nodes.k; i++)
        if (signing->nodes.answered & NODE_SET_OF(i) &&
            commitments_take(signing->nodes.of[i - 1].connection, signing->nodes.need.key, &round->commitments[taken])) {
            round->nodes |= NODE_SET_OF(i);
            taken++;
        }
    frost_commitments_write(round->commitments, taken, round->list);
    signing->nodes.answered &= ~round->nodes;
    for (unsigned i = 1; i <= THRESHOLD_NODES_MAX; i++)
        if (round->nodes & NODE_SET_OF(i))
            ask_for_share(signing, round, i);
}

/* ---- Liars -------------------------------------------------------------------------------------------------------------------- */

static void on_lie(Signing *signing, unsigned index, const char *words)
{
    Turnout *nodes = &signing->nodes;
    Exchange *exchange = &nodes->of[index - 1];

    if (nodes->waiting & NODE_SET_OF(index))
        turnout_leave(nodes, index);
    signing->liars |= NODE_SET_OF(index);
    nodes->answered &= ~NODE_SET_OF(index);
    if (words != exchange->words)
        (void)snprintf(exchange->words, sizeof(exchange->words), "%s", words);
    if (signing->test)
        nodes->refused |= NODE_SET_OF(index);
    else
        turnout_lied(nodes, index, words);
}

/* Who of the round lied? First about commitments alone: honest nodes refuse a list with bad ones, and cannot be blamed for it. Errors:
 * those of frost_find_liars(). */
static int find_liars(Signing *signing, const Round *round, NodeSet *ret_liars)
{
    const FrostRequest request = request_of(signing, round);
    const char *words = "commitments that are not of the group";
    uint32_t liars = 0;
    int r = frost_find_liars(&request, round->partials, 0, &liars);

    if (r == 0 && liars == 0 && round->signers != 0) {
        words = "a wrong signature share";
        r = frost_find_liars(&request, round->partials, node_set_count(round->signers), &liars);
    }
    if (r != 0)
        return r;
    for (unsigned i = 1; i <= THRESHOLD_NODES_MAX; i++)
        if (liars & NODE_SET_OF(i))
            on_lie(signing, i, words);
    *ret_liars = liars;
    return 0;
}

/* ---- Answers ------------------------------------------------------------------------------------------------------------------ */

/* Into the stock. False: they are of no use. */
static bool keep_commitments(Signing *signing, unsigned index, const Bytes *commitments)
{
    static const char *const lies[COMMITMENTS_E_MAX] = {
        [COMMITMENTS_E_FOREIGN] = "what it calls commitments is none, or another node's",
        [COMMITMENTS_E_REPEATED] = "the same commitment twice",
    };
    Exchange *exchange = &signing->nodes.of[index - 1];
    int r = commitments_add(signing->nodes.quorum, exchange->connection, signing->nodes.need.key, commitments);

    if (r > 0)
        on_lie(signing, index, lies[r]);
    return r == 0;
}

static Microseconds time_taken(const Exchange *exchange)
{
    return exchange->alone ? exchange->done_at - exchange->asked_at : 0;
}

static void on_commitments(Signing *signing, unsigned index)
{
    Turnout *nodes = &signing->nodes;
    Exchange *exchange = &nodes->of[index - 1];
    NodeCommitmentsOutput output = {0};

    if (exchange_output(exchange, &node_commitments_output, &output) < 0) {
        turnout_broken(nodes, index);
        return;
    }
    if (keep_commitments(signing, index, &output.commitments)) {
        nodes->answered |= NODE_SET_OF(index);
        peer_answered(nodes->quorum, index, nodes->need.size, time_taken(exchange));
    }
    message_clear(&node_commitments_output, &output);
}

static void on_share(Signing *signing, unsigned index, Round *round)
{
    Turnout *nodes = &signing->nodes;
    Exchange *exchange = &nodes->of[index - 1];
    NodeSignShareOutput output = {0};

    if (exchange_output(exchange, &node_sign_share_output, &output) < 0) {
        round->lost = true;
        turnout_broken(nodes, index);
        return;
    }
    if (output.partial.size == FROST_PARTIAL_SIZE) {
        frost_partial_read(output.partial.data, index, &round->partials[node_set_count(round->signers)]);
        round->signers |= NODE_SET_OF(index);
        peer_answered(nodes->quorum, index, nodes->need.size, time_taken(exchange));
        (void)peer_knows_commitment(nodes->quorum, index, true);
        if (output.commitments.size > 0)
            (void)keep_commitments(signing, index, &output.commitments);
    } else {
        (void)snprintf(exchange->words, sizeof(exchange->words), "its signature share has %zu bytes instead of %d", output.partial.size,
                       FROST_PARTIAL_SIZE);
        round->lost = true;
        on_lie(signing, index, exchange->words);
    }
    message_clear(&node_sign_share_output, &output);
}

/* Its commitments are good no more, or their connection is gone: the node has started anew, or made room. Once, others will do. */
static bool forgive(Signing *signing, unsigned index)
{
    Exchange *exchange = &signing->nodes.of[index - 1];
    bool in_order = true;

    if (!exchange_was_stale(exchange)) {
        if (exchange->error != NODE_ERROR_UNKNOWN_COMMITMENT)
            return false;
        commitments_forget(exchange->connection, signing->nodes.need.key);
        in_order = peer_knows_commitment(signing->nodes.quorum, index, false);
    }
    if (!in_order || signing->forgiven & NODE_SET_OF(index))
        return false;
    signing->forgiven |= NODE_SET_OF(index);
    return true;
}

/* Has it refused because others lied? */
static bool others_lied(Signing *signing, unsigned index, const Round *round)
{
    NodeSet liars = 0;

    if (signing->nodes.of[index - 1].error != NODE_ERROR_REJECTED || find_liars(signing, round, &liars) != 0)
        return false;
    return liars != 0 && !(liars & NODE_SET_OF(index));
}

static void on_failure(Signing *signing, unsigned index, Round *round)
{
    Turnout *nodes = &signing->nodes;

    if (round) {
        round->lost = true;
        if (forgive(signing, index) || others_lied(signing, index, round))
            return;
    }
    if (nodes->refused & NODE_SET_OF(index))
        return; /* it lied itself */
    turnout_failed(nodes, index);
    if (nodes->of[index - 1].too_old)
        peer_keyless(nodes->quorum, index, nodes->need.key, PEER_KEYLESS);
}

static void on_done(Signing *signing, unsigned index)
{
    Round *round = TAKE_PTR(signing->round_of[index - 1]);

    if (signing->nodes.refused & NODE_SET_OF(index)) { /* it was found out meanwhile */
        if (round)
            round->lost = true;
    } else if (!exchange_good(&signing->nodes.of[index - 1]))
        on_failure(signing, index, round);
    else if (round)
        on_share(signing, index, round);
    else
        on_commitments(signing, index);
}

static void collect(Signing *signing)
{
    NodeSet done = turnout_collect(&signing->nodes);

    for (unsigned i = 1; i <= THRESHOLD_NODES_MAX; i++) {
        if (!(done & NODE_SET_OF(i)))
            continue;
        on_done(signing, i);
        if (!(signing->nodes.answered & NODE_SET_OF(i)))
            turnout_release(&signing->nodes, i);
    }
}

/* ---- The signature ------------------------------------------------------------------------------------------------------------ */

/* All shares of a round are there. 1: the signature; 0: some of them were wrong, and it is known whose. */
static int combine(Signing *signing, Round *round, uint8_t *ret_signature)
{
    NodeSet liars = 0;
    int r = frost_combine(signing->frost, signing->message, signing->size, round->partials, ret_signature);
    int blamed;

    if (r < 0)
        return r;
    if (r == 0 && !signing->test)
        return 1;
    blamed = find_liars(signing, round, &liars);
    if (blamed < 0)
        return blamed;
    if (liars == 0)
        return r == 0 ? 1 : -EIO; /* which cannot be: all honest, and no signature */
    round->lost = true;
    return 0;
}

static int combine_rounds(Signing *signing, uint8_t *ret_signature)
{
    int r = 0;

    for (unsigned i = 0; i < ROUNDS_MAX && r == 0; i++) {
        Round *round = &signing->rounds[i];

        if (round->nodes != 0 && !round->lost && round->signers == round->nodes)
            r = combine(signing, round, ret_signature);
    }
    return r;
}

static int check_end(Signing *signing, Problem *problem)
{
    Turnout *nodes = &signing->nodes;
    int r = signing->test && signing->liars != 0 ? QUORUM_E_SIGNATURE : turnout_end(nodes, signing->liars != 0, false);
    unsigned came = node_set_count(nodes->all & nodes->begun & ~(nodes->waiting | nodes->down | nodes->refused));

    return r == 0 ? 0 : turnout_give_up(nodes, r, came, "it would sign", problem);
}

static int run(Signing *signing, uint8_t *ret_signature, Problem *problem)
{
    Turnout *nodes = &signing->nodes;

    ask_needed(signing);
    begin_round(signing);
    if (!signing->test)
        ask_extra(signing);
    for (;;) {
        int r;

        collect(signing);
        r = combine_rounds(signing, ret_signature);
        if (r != 0)
            return r < 0 ? problem_set(problem, r, "the signature shares cannot be combined: %s", strerror(-r)) : 0;
        r = nodes->refused != 0 ? login_check(nodes->login, nodes->quorum, problem) : 0;
        if (r != 0)
            return r;
        turnout_note_late(nodes);
        ask_needed(signing);
        begin_round(signing);
        r = check_end(signing, problem);
        if (r != 0)
            return r;
        turnout_wait(nodes, false);
    }
}

static void signing_clear(Signing *signing)
{
    turnout_clear(&signing->nodes);
}

/* `signing` has its message; the nodes are those of `all`. */
static int sign(Signing *signing, Quorum *quorum, const KeyId *id, const ThresholdKey *threshold, NodeSet all, uint8_t *ret_signature,
                Problem *problem)
{
    int r = turnout_begin(&signing->nodes, quorum, id, threshold, all, problem);

    signing->frost = threshold_key_frost(threshold);
    signing->wanted = (NodeGetCommitmentsInput){{(uint8_t *)(uintptr_t)id->bytes, KEY_ID_SIZE}, COMMITMENTS_BATCH};
    return r == 0 ? run(signing, ret_signature, problem) : r;
}

/* The key that takes its place, if nodes say that this generation is destroyed: its shares were made anew meanwhile. NULL: there is none.
 */
static QuorumKey *find_successor(Signing *signing, Quorum *quorum, const QuorumKey *key)
{
    _cleanup_quorum_key_ QuorumKey *shown = NULL;
    bool destroyed = false;

    for (unsigned i = 0; i < THRESHOLD_NODES_MAX; i++)
        destroyed |= signing->nodes.begun & NODE_SET_OF(i + 1) && signing->nodes.of[i].error == NODE_ERROR_KEY_DESTROYED;
    if (!destroyed)
        return NULL;
    catalog_changed(quorum);
    shown = quorum_key_shown(quorum, key);
    return shown && !key_id_equal(quorum_key_id(shown), quorum_key_id(key)) ? TAKE_PTR(shown) : NULL;
}

static int sign_again(Signing *signing, Quorum *quorum, const QuorumKey *key, int r, uint8_t *ret_signature, Problem *problem)
{
    _cleanup_(signing_clear) Signing again = {.message = signing->message, .size = signing->size};
    _cleanup_quorum_key_ QuorumKey *successor = find_successor(signing, quorum, key);

    if (!successor)
        return r;
    return sign(&again, quorum, quorum_key_id(successor), quorum_key_threshold(successor), node_set_all(quorum->roster->n), ret_signature,
                problem);
}

int quorum_sign_message(Quorum *quorum, const QuorumKey *key, const void *message, size_t size, uint8_t *ret_signature, Problem *problem)
{
    _cleanup_(signing_clear) Signing signing = {.message = message, .size = size};
    const ThresholdKey *threshold = quorum_key_threshold(key);

    if (!threshold_key_frost(threshold))
        return problem_set(problem, -EINVAL, "a key of algorithm %s signs digests, not messages",
                           threshold_scheme_name(threshold_key_scheme(threshold)));
    if (size > FROST_MESSAGE_SIZE_MAX)
        return problem_set(problem, -EINVAL, "the message has %zu bytes, and at most %d are signed", size, FROST_MESSAGE_SIZE_MAX);

    int r = sign(&signing, quorum, quorum_key_id(key), threshold, node_set_all(quorum->roster->n), ret_signature, problem);

    return r == 0 ? 0 : sign_again(&signing, quorum, key, r, ret_signature, problem);
}

int sign_message_test(Quorum *quorum, const KeyId *id, const ThresholdKey *threshold, NodeSet nodes, const void *message, size_t size,
                      uint8_t *ret_signature, NodeSet *ret_liars, Problem *problem)
{
    _cleanup_(signing_clear) Signing signing = {.message = message, .size = size, .test = true};
    int r = sign(&signing, quorum, id, threshold, nodes, ret_signature, problem);

    if (r == QUORUM_E_SIGNATURE)
        *ret_liars = signing.liars;
    return r;
}
