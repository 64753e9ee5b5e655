#include "quorum/turnout.h"

#include <poll.h>
#include <string.h>

#include "quorum/state.h"

#define RETRY_MIN      (50 * MICROSECONDS_PER_MILLISECOND) /* a node that is down is asked again within one call, after this and longer */
#define OVERDUE_FACTOR 4                                   /* times the patience with the node */

int turnout_begin(Turnout *turnout, Quorum *quorum, const KeyId *id, const ThresholdKey *threshold, NodeSet all, Problem *problem)
{
    *turnout = (Turnout){
        .quorum = quorum,
        .login = quorum_login_now(quorum),
        .need = {.key = id, .size = threshold_key_partial_size(threshold)},
        .k = quorum->roster->k,
        .all = all,
        .deadline = quorum_deadline(quorum),
    };
    if (!turnout->login)
        return problem_set(problem, QUORUM_E_LOGIN_REQUIRED, "nobody is logged in to token %s", quorum->roster->label);
    peer_look(quorum);
    return login_check(turnout->login, quorum, problem);
}

void turnout_clear(Turnout *turnout)
{
    for (unsigned i = 1; i <= THRESHOLD_NODES_MAX; i++) {
        if (turnout->waiting & NODE_SET_OF(i))
            turnout_leave(turnout, i);
        turnout_release(turnout, i);
        if (turnout->begun & NODE_SET_OF(i))
            exchange_end(&turnout->of[i - 1]);
    }
    login_unref(turnout->login);
}

/* ---- Asking ------------------------------------------------------------------------------------------------------------- */

static NodeSet retriable(const Turnout *turnout, Microseconds now)
{
    NodeSet nodes = 0;

    for (unsigned i = 0; i < THRESHOLD_NODES_MAX; i++)
        if (turnout->down & NODE_SET_OF(i + 1) && now >= turnout->retry_at[i])
            nodes |= NODE_SET_OF(i + 1);
    return nodes;
}

NodeSet turnout_choose(Turnout *turnout, unsigned wanted)
{
    NodeSet fresh = turnout->all & ~(turnout->waiting | turnout->answered | turnout->down | turnout->refused);
    unsigned answered = node_set_count(turnout->answered);
    unsigned in_time = answered + node_set_count(turnout->waiting & ~turnout->late);
    unsigned perhaps = answered + node_set_count(turnout->waiting & ~turnout->overdue);
    NodeSet chosen = 0;

    if (in_time >= wanted)
        return 0;
    chosen = peer_choose(turnout->quorum, &turnout->need, fresh, wanted - in_time, true);
    perhaps += node_set_count(chosen);
    if (perhaps < wanted)
        chosen |= peer_choose(turnout->quorum, &turnout->need, fresh & ~chosen, wanted - perhaps, false);
    perhaps = answered + node_set_count(chosen | (turnout->waiting & ~turnout->overdue));
    if (perhaps < wanted && turnout->down != 0)
        chosen |= peer_choose(turnout->quorum, &turnout->need, retriable(turnout, clock_now()), wanted - perhaps, false);
    turnout->claimed |= chosen;
    turnout->down &= ~chosen;
    return chosen;
}

NodeSet turnout_choose_extra(Turnout *turnout)
{
    NodeSet extra = peer_choose_extra(turnout->quorum, &turnout->need, turnout->all & ~(turnout->waiting | turnout->answered));

    turnout->claimed |= extra;
    return extra;
}

Exchange *turnout_begin_exchange(Turnout *turnout, unsigned index)
{
    Exchange *exchange = &turnout->of[index - 1];

    if (turnout->begun & NODE_SET_OF(index))
        exchange_end(exchange);
    turnout->begun |= NODE_SET_OF(index);
    exchange_begin(exchange, turnout->quorum, index, ASK_LOGGED_IN, turnout->login);
    return exchange;
}

void turnout_asked(Turnout *turnout, unsigned index)
{
    Microseconds patience = peer_patience(turnout->quorum, &turnout->need, index), now = clock_now();

    turnout->waiting |= NODE_SET_OF(index);
    turnout->late_at[index - 1] = now + patience;
    turnout->overdue_at[index - 1] = now + OVERDUE_FACTOR * patience;
}

void turnout_asked_beside(Turnout *turnout, unsigned index)
{
    turnout_asked(turnout, index);
    turnout->late |= NODE_SET_OF(index);
    turnout->overdue |= NODE_SET_OF(index);
}

void turnout_note_late(Turnout *turnout)
{
    Microseconds now = clock_now();

    for (unsigned i = 0; i < THRESHOLD_NODES_MAX; i++) {
        NodeSet node = turnout->waiting & NODE_SET_OF(i + 1);

        if (now >= turnout->late_at[i])
            turnout->late |= node;
        if (now >= turnout->overdue_at[i])
            turnout->overdue |= node;
    }
}

/* ---- Answers ------------------------------------------------------------------------------------------------------------ */

static void stop_waiting(Turnout *turnout, NodeSet nodes)
{
    turnout->waiting &= ~nodes;
    turnout->late &= ~nodes;
    turnout->overdue &= ~nodes;
}

NodeSet turnout_collect(Turnout *turnout)
{
    NodeSet done = 0;

    for (unsigned i = 1; i <= THRESHOLD_NODES_MAX; i++)
        if (turnout->waiting & NODE_SET_OF(i) && exchange_done(&turnout->of[i - 1]))
            done |= NODE_SET_OF(i);
    stop_waiting(turnout, done);
    return done;
}

static void on_down(Turnout *turnout, unsigned index)
{
    Microseconds *pause = &turnout->pause[index - 1];

    *pause = *pause == 0 ? RETRY_MIN : *pause * 2;
    turnout->retry_at[index - 1] = clock_now() + *pause;
    turnout->down |= NODE_SET_OF(index);
    peer_failed(turnout->quorum, index, turnout->of[index - 1].words);
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
static void on_refusal(Turnout *turnout, unsigned index)
{
    const Exchange *exchange = &turnout->of[index - 1];

    if (!peer_alive(exchange)) {
        turnout_broken(turnout, index);
        return;
    }
    turnout->refused |= NODE_SET_OF(index);
    peer_answered(turnout->quorum, index, turnout->need.size, 0);
    if (exchange->too_old)
        return; /* for what it does know it is as good as ever */
    if (exchange->error == NODE_ERROR_KEY_LOCKED || exchange->error == NODE_ERROR_PERMISSION_DENIED)
        turnout->forbids |= NODE_SET_OF(index);
    peer_keyless(turnout->quorum, index, turnout->need.key, keyless_for(exchange->error));
}

void turnout_failed(Turnout *turnout, unsigned index)
{
    const Exchange *exchange = &turnout->of[index - 1];

    if (exchange->r < 0 || exchange->error == NODE_ERROR_UNAVAILABLE)
        on_down(turnout, index);
    else
        on_refusal(turnout, index);
}

void turnout_broken(Turnout *turnout, unsigned index)
{
    turnout->refused |= NODE_SET_OF(index);
    peer_failed(turnout->quorum, index, turnout->of[index - 1].words);
}

void turnout_lied(Turnout *turnout, unsigned index, const char *words)
{
    turnout->refused |= NODE_SET_OF(index);
    peer_lied(turnout->quorum, index, turnout->need.key, words);
}

void turnout_release(Turnout *turnout, unsigned index)
{
    if (turnout->claimed & NODE_SET_OF(index))
        peer_release(turnout->quorum, index);
    turnout->claimed &= ~NODE_SET_OF(index);
}

void turnout_leave(Turnout *turnout, unsigned index)
{
    stop_waiting(turnout, NODE_SET_OF(index));
    turnout_release(turnout, index);
    turnout->begun &= ~NODE_SET_OF(index);
    peer_leave_pending(turnout->quorum, index, turnout->need.size, &turnout->of[index - 1]);
}

/* ---- The end ------------------------------------------------------------------------------------------------------------ */

/* When something is to be done even if no node stirs. */
static Microseconds next_event(const Turnout *turnout)
{
    Microseconds until = turnout->deadline;

    for (unsigned i = 0; i < THRESHOLD_NODES_MAX; i++) {
        NodeSet node = NODE_SET_OF(i + 1);

        if (turnout->waiting & ~turnout->late & node && turnout->late_at[i] < until)
            until = turnout->late_at[i];
        if (turnout->waiting & ~turnout->overdue & node && turnout->overdue_at[i] < until)
            until = turnout->overdue_at[i];
        if (turnout->down & node && turnout->retry_at[i] < until)
            until = turnout->retry_at[i];
    }
    return until;
}

void turnout_wait(Turnout *turnout, bool more)
{
    Exchange *list[THRESHOLD_NODES_MAX];
    Microseconds until = more ? 0 : next_event(turnout);
    unsigned n = 0;

    for (unsigned i = 0; i < THRESHOLD_NODES_MAX; i++)
        if (turnout->waiting & NODE_SET_OF(i + 1))
            list[n++] = &turnout->of[i];
    if (n > 0)
        exchange_poll(list, n, until);
    else if (!more)
        (void)poll(NULL, 0, clock_poll_timeout(until));
}

int turnout_end(const Turnout *turnout, bool enough, bool more)
{
    unsigned spare = node_set_count(turnout->all) - turnout->k;
    /* Those that are down may come back; but not if even with them there are too few. */
    bool hopeless = (turnout->waiting == 0 && turnout->down == 0) || node_set_count(turnout->refused) > spare;

    if ((more || !hopeless) && clock_now() < turnout->deadline)
        return 0;
    if (node_set_count(turnout->forbids) > spare)
        return QUORUM_E_REFUSED;
    return enough ? QUORUM_E_SIGNATURE : QUORUM_E_TOO_FEW_NODES;
}

static const char *said_by(const Turnout *turnout, unsigned index, const char *said)
{
    NodeSet node = NODE_SET_OF(index);

    if (turnout->waiting & node)
        return clock_now() < turnout->deadline ? "not waited for" : "nothing: it does not answer";
    if ((turnout->down | turnout->refused) & node)
        return turnout->of[index - 1].words;
    return turnout->begun & node ? said : "not asked";
}

int turnout_give_up(Turnout *turnout, int error, unsigned came, const char *said, Problem *problem)
{
    Problem said_by_all = PROBLEM_INIT;
    char id[2 * KEY_ID_SIZE + 1];
    unsigned left = node_set_count(turnout->all);

    for (unsigned i = 1; i <= THRESHOLD_NODES_MAX; i++)
        if (turnout->all & NODE_SET_OF(i))
            node_words_share(turnout->quorum, i, said_by(turnout, i, said), left--, &said_by_all);
    key_id_format(turnout->need.key, id);
    return problem_set(problem, error, "no signature with key %.16s: %u of the %u answers needed came. %s", id, came, turnout->k,
                       said_by_all.text);
}
