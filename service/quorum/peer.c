#include "quorum/peer.h"

#include <errno.h>
#include <string.h>
#include <syslog.h>

#include "quorum/exchange.h"
#include "quorum/state.h"

#define PATIENCE_FACTOR  3
#define PATIENCE_MIN     (5 * MICROSECONDS_PER_MILLISECOND)
#define PATIENCE_UNKNOWN (50 * MICROSECONDS_PER_MILLISECOND) /* never measured */
#define EXPECTED_UNKNOWN 100                                 /* so a node that was never measured is tried early */

typedef enum PeerState {
    PEER_STATE_READY,
    PEER_STATE_LATE,
    PEER_STATE_PAUSED,
    PEER_STATE_KEYLESS,
    PEER_STATE_LIED,
    PEER_STATE_MAX,
} PeerState;

static Peer *peer_of(Quorum *quorum, unsigned index)
{
    return &quorum->peers[index - 1];
}

static Microseconds *average_of(Peer *peer, size_t size)
{
    return &peer->average[size / 128 < ELEMENTS(peer->average) ? size / 128 : ELEMENTS(peer->average) - 1];
}

/* ---- Choosing ------------------------------------------------------------------------------------------------------- */

/* xorshift (Marsaglia 2003), one per thread: so that callers who see the same figures choose differently. Not for secrets. */
static uint32_t dice(void)
{
    static _Thread_local uint32_t state;

    if (state == 0)
        state = (uint32_t)((uintptr_t)&state >> 4) ^ (uint32_t)clock_now() ^ 0x9e3779b9u;
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state;
}

static PeerNote *note_of(Peer *peer, const KeyId *key)
{
    return &peer->notes[key->bytes[0] % PEER_NOTES];
}

static bool is_keyless(Peer *peer, const KeyId *key, Microseconds now)
{
    const PeerNote *note = note_of(peer, key);

    return now < note->until && key_id_equal(&note->key, key);
}

static PeerState state_of(Peer *peer, const KeyId *key, Microseconds now)
{
    if (now < peer->lie_until)
        return PEER_STATE_LIED;
    if (is_keyless(peer, key, now))
        return PEER_STATE_KEYLESS;
    if (peer->pause != 0)
        return PEER_STATE_PAUSED;
    return peer->late ? PEER_STATE_LATE : PEER_STATE_READY;
}

/* The time an answer is expected to take: that of one, for each that is in hand already. */
static Microseconds expected(Peer *peer, size_t size)
{
    Microseconds average = *average_of(peer, size);

    return (average != 0 ? average : EXPECTED_UNKNOWN) * (peer->outstanding + 1);
}

/* Lower is better: state first, then the expected time, blurred by up to a quarter so that equal nodes share the work. */
static uint64_t score(Peer *peer, const PeerNeed *need, Microseconds now)
{
    uint64_t time = expected(peer, need->size) * (1024 + dice() % 256);

    return ((uint64_t)state_of(peer, need->key, now) << 56) | (time >> 56 ? (UINT64_C(1) << 56) - 1 : time);
}

NodeSet peer_choose(Quorum *quorum, const PeerNeed *need, NodeSet candidates, unsigned count, bool ready)
{
    const uint64_t none = ready ? (uint64_t)(PEER_STATE_READY + 1) << 56 : UINT64_MAX;
    uint64_t scores[THRESHOLD_NODES_MAX];
    Microseconds now = clock_now();
    NodeSet chosen = 0;
    unsigned n = quorum->roster->n;

    (void)pthread_mutex_lock(&quorum->lock);
    for (unsigned i = 0; i < n; i++)
        scores[i] = candidates & NODE_SET_OF(i + 1) ? score(&quorum->peers[i], need, now) : UINT64_MAX;
    for (; count > 0; count--) {
        unsigned best = 0;

        for (unsigned i = 1; i < n; i++)
            if (scores[i] < scores[best])
                best = i;
        if (scores[best] >= none)
            break;
        scores[best] = UINT64_MAX;
        quorum->peers[best].outstanding++;
        chosen |= NODE_SET_OF(best + 1);
    }
    (void)pthread_mutex_unlock(&quorum->lock);
    return chosen;
}

/* Under the lock. Claims what it finds, so that no other call asks the same. */
static bool worth_asking(Peer *peer, const PeerNeed *need, Microseconds now)
{
    PeerState state = state_of(peer, need->key, now);

    if (state == PEER_STATE_PAUSED && now >= peer->retry_at && !peer->probing && !peer->late) {
        peer->probing = true;
        return true;
    }
    if (state == PEER_STATE_READY && now >= peer->measured_at + PEER_STALE && now >= peer->refreshed_at + PEER_STALE) {
        peer->refreshed_at = now;
        return true;
    }
    return false;
}

NodeSet peer_choose_extra(Quorum *quorum, const PeerNeed *need, NodeSet candidates)
{
    Microseconds now = clock_now();
    NodeSet chosen = 0;

    (void)pthread_mutex_lock(&quorum->lock);
    for (unsigned i = 0; i < quorum->roster->n && chosen == 0; i++) {
        if (!(candidates & NODE_SET_OF(i + 1)) || !worth_asking(&quorum->peers[i], need, now))
            continue;
        quorum->peers[i].outstanding++;
        chosen = NODE_SET_OF(i + 1);
    }
    (void)pthread_mutex_unlock(&quorum->lock);
    return chosen;
}

void peer_release(Quorum *quorum, unsigned index)
{
    (void)pthread_mutex_lock(&quorum->lock);
    peer_of(quorum, index)->outstanding--;
    (void)pthread_mutex_unlock(&quorum->lock);
}

Microseconds peer_patience(Quorum *quorum, const PeerNeed *need, unsigned index)
{
    Peer *peer = peer_of(quorum, index);

    (void)pthread_mutex_lock(&quorum->lock);

    Microseconds average = *average_of(peer, need->size);
    Microseconds patience = average == 0 ? PATIENCE_UNKNOWN : PATIENCE_FACTOR * average * (peer->outstanding > 0 ? peer->outstanding : 1);

    (void)pthread_mutex_unlock(&quorum->lock);
    return patience < PATIENCE_MIN ? PATIENCE_MIN : patience;
}

/* ---- What became of it ------------------------------------------------------------------------------------------------ */

static void log_peer(Quorum *quorum, int priority, unsigned index, const char *words)
{
    _cleanup_(roster_freep) Roster *roster = quorum_roster_now(quorum);
    const NodeCard *card = &roster->nodes[index - 1];

    quorum_log(quorum, priority, "node %s (%u, %s) %s", card->name, index, card->address, words);
}

/* An eighth of the way to the new figure each time; half of the way if the old one is old. */
static void measure(Peer *peer, size_t size, Microseconds took)
{
    Microseconds *average = average_of(peer, size);
    Microseconds now = clock_now(), alone = took / (peer->outstanding > 0 ? peer->outstanding : 1);
    unsigned weight = now >= peer->measured_at + PEER_STALE ? 2 : 8;

    *average = *average == 0 ? alone : (*average * (weight - 1) + alone) / weight;
    if (*average == 0)
        *average = 1;
    peer->measured_at = now;
}

void peer_answered(Quorum *quorum, unsigned index, size_t size, Microseconds took)
{
    Peer *peer = peer_of(quorum, index);

    (void)pthread_mutex_lock(&quorum->lock);

    bool was_paused = peer->pause != 0;

    peer->pause = peer->retry_at = 0;
    peer->probing = false;
    if (took > 0)
        measure(peer, size, took);
    (void)pthread_mutex_unlock(&quorum->lock);
    if (was_paused)
        log_peer(quorum, LOG_NOTICE, index, "answers again");
}

/* Many calls see one and the same failure: the pause grows only when the node has been asked after its end. */
static bool grow_pause(Peer *peer)
{
    Microseconds now = clock_now();
    bool first = peer->pause == 0;

    if (first)
        peer->pause = PEER_PAUSE_MIN;
    else if (peer->probing || now >= peer->retry_at)
        peer->pause = peer->pause * 2 < PEER_PAUSE_MAX ? peer->pause * 2 : PEER_PAUSE_MAX;
    if (first || peer->probing || now >= peer->retry_at)
        peer->retry_at = now + peer->pause;
    peer->probing = false;
    return first;
}

void peer_failed(Quorum *quorum, unsigned index, const char *words)
{
    char line[NODE_WORDS_SIZE + 64];

    (void)pthread_mutex_lock(&quorum->lock);

    bool first = grow_pause(peer_of(quorum, index));

    (void)pthread_mutex_unlock(&quorum->lock);
    if (!first)
        return;
    (void)snprintf(line, sizeof(line), "is left out until it answers again: %s", words);
    log_peer(quorum, LOG_WARNING, index, line);
}

void peer_lied(Quorum *quorum, unsigned index, const KeyId *key, const char *words)
{
    Peer *peer = peer_of(quorum, index);
    Microseconds now = clock_now();
    char id[2 * KEY_ID_SIZE + 1], line[512];

    (void)pthread_mutex_lock(&quorum->lock);

    bool known = now < peer->lie_until;

    if (!known) {
        peer->lie_pause = peer->lie_pause == 0 ? PEER_LIE_PAUSE_MIN : peer->lie_pause * 2;
        if (peer->lie_pause > PEER_LIE_PAUSE_MAX)
            peer->lie_pause = PEER_LIE_PAUSE_MAX;
        peer->lie_until = now + peer->lie_pause;
    }

    unsigned long long minutes = (unsigned long long)(peer->lie_pause / (60 * MICROSECONDS_PER_SECOND));

    (void)pthread_mutex_unlock(&quorum->lock);
    if (known)
        return;
    key_id_format(key, id);
    (void)snprintf(line, sizeof(line), "lied: %s, for key %s; it is left out for %llu minutes: look into that host", words, id, minutes);
    log_peer(quorum, LOG_ERR, index, line);
}

void peer_keyless(Quorum *quorum, unsigned index, const KeyId *key, Microseconds for_how_long)
{
    Peer *peer = peer_of(quorum, index);

    (void)pthread_mutex_lock(&quorum->lock);
    *note_of(peer, key) = (PeerNote){.key = *key, .until = clock_now() + for_how_long};
    (void)pthread_mutex_unlock(&quorum->lock);
}

bool peer_knows_commitment(Quorum *quorum, unsigned index, bool knows)
{
    Peer *peer = peer_of(quorum, index);

    (void)pthread_mutex_lock(&quorum->lock);
    peer->forgot = knows ? 0 : peer->forgot + 1;

    bool in_order = peer->forgot <= PEER_FORGETS;

    (void)pthread_mutex_unlock(&quorum->lock);
    return in_order;
}

/* ---- Late answers ----------------------------------------------------------------------------------------------------- */

static void end_exchange(Exchange *exchange)
{
    exchange_end(exchange);
    free(exchange);
}

/* Put it where others can take it, unless the place is taken or its login is over: that is forgotten with the last who knows it. */
static bool put_pending(Quorum *quorum, unsigned index, Exchange *exchange)
{
    Peer *peer = peer_of(quorum, index);

    (void)pthread_mutex_lock(&quorum->lock);

    bool over = exchange->login && login_epoch(exchange->login) <= quorum->logged_out_epoch;
    bool put = !peer->pending && !over;

    if (put)
        peer->pending = exchange;
    peer->late = peer->pending != NULL;
    (void)pthread_mutex_unlock(&quorum->lock);
    return put;
}

static Exchange *take_pending(Quorum *quorum, unsigned index)
{
    (void)pthread_mutex_lock(&quorum->lock);

    Exchange *exchange = TAKE_PTR(peer_of(quorum, index)->pending);

    (void)pthread_mutex_unlock(&quorum->lock);
    return exchange;
}

/* Nobody will hear what it answers. */
static void drop_pending(Quorum *quorum, unsigned index, Exchange *exchange)
{
    (void)pthread_mutex_lock(&quorum->lock);
    peer_of(quorum, index)->probing = false;
    (void)pthread_mutex_unlock(&quorum->lock);
    exchange_end(exchange);
}

void peer_leave_pending(Quorum *quorum, unsigned index, size_t size, Exchange *exchange)
{
    Exchange *rest = malloc(sizeof(*rest));

    if (!rest) {
        drop_pending(quorum, index, exchange);
        return;
    }
    *rest = *exchange;
    /* The parameters are the caller's: what is not sent by now is not sent any more. */
    if (!rest->queued)
        rest->method = NULL;
    rest->retried = true;
    rest->size = size;
    rest->left_at = clock_now();
    if (put_pending(quorum, index, rest))
        return;
    drop_pending(quorum, index, rest);
    free(rest);
}

/* When it is looked at long after it came, the time says little: at most twice what the call had waited. */
static Microseconds time_taken(const Exchange *exchange)
{
    if (!exchange->queued || !exchange->alone)
        return 0;

    Microseconds took = exchange->done_at - exchange->asked_at;
    Microseconds waited = exchange->left_at - exchange->asked_at;

    return took < 2 * waited ? took : 2 * waited;
}

bool peer_alive(const Exchange *exchange)
{
    static const bool of_the_key[NODE_ERROR_MAX] = {
        [NODE_ERROR_UNKNOWN_KEY] = true,  [NODE_ERROR_KEY_DESTROYED] = true, [NODE_ERROR_KEY_PENDING] = true,
        [NODE_ERROR_KEY_UNUSABLE] = true, [NODE_ERROR_KEY_LOCKED] = true,    [NODE_ERROR_PERMISSION_DENIED] = true,
    };

    return exchange->r == 0 && (exchange->error == NODE_ERROR_NONE || exchange->too_old != NULL || of_the_key[exchange->error]);
}

/* Nor is it the node's fault if a round of signing came to nothing. */
static bool is_round_over(const Exchange *exchange)
{
    return exchange->here && exchange->r == 0 &&
           (exchange->error == NODE_ERROR_REJECTED || exchange->error == NODE_ERROR_UNKNOWN_COMMITMENT);
}

static void settle_pending(Quorum *quorum, unsigned index, Exchange *exchange)
{
    (void)pthread_mutex_lock(&quorum->lock);
    peer_of(quorum, index)->late = false;
    (void)pthread_mutex_unlock(&quorum->lock);
    if (peer_alive(exchange) || is_round_over(exchange))
        peer_answered(quorum, index, exchange->size, time_taken(exchange));
    else
        peer_failed(quorum, index, exchange->words);
    end_exchange(exchange);
}

static void look_at(Quorum *quorum, unsigned index, Exchange *exchange)
{
    exchange_advance(exchange);
    if (!exchange_done(exchange) && clock_now() >= exchange->began + PEER_SILENT)
        exchange_give_up(exchange, -ETIMEDOUT, "it does not answer");
    if (exchange_done(exchange))
        settle_pending(quorum, index, exchange);
    else if (!put_pending(quorum, index, exchange)) {
        drop_pending(quorum, index, exchange);
        free(exchange);
    }
}

void peer_end_pending(Quorum *quorum, unsigned index)
{
    Exchange *exchange = take_pending(quorum, index);
    Peer *peer = peer_of(quorum, index);

    if (!exchange)
        return;
    (void)pthread_mutex_lock(&quorum->lock);
    peer->late = peer->probing = false;
    (void)pthread_mutex_unlock(&quorum->lock);
    end_exchange(exchange);
}

void peer_look(Quorum *quorum)
{
    NodeSet pending = 0;

    (void)pthread_mutex_lock(&quorum->lock);
    for (unsigned i = 0; i < quorum->roster->n; i++)
        if (quorum->peers[i].pending)
            pending |= NODE_SET_OF(i + 1);
    (void)pthread_mutex_unlock(&quorum->lock);
    for (unsigned i = 1; pending != 0 && i <= quorum->roster->n; i++) {
        Exchange *exchange = pending & NODE_SET_OF(i) ? take_pending(quorum, i) : NULL;

        pending &= ~NODE_SET_OF(i);
        if (exchange)
            look_at(quorum, i, exchange);
    }
}

/* ---- PIN versions ------------------------------------------------------------------------------------------------------- */

void peer_note_hello(Quorum *quorum, unsigned index, uint64_t pin_version, uint64_t next_pin_version)
{
    Peer *peer = peer_of(quorum, index);

    (void)pthread_mutex_lock(&quorum->lock);
    peer->pin_version = pin_version;
    peer->next_pin_version = next_pin_version;
    peer->initialized = true;
    peer->uninitialized = false;
    (void)pthread_mutex_unlock(&quorum->lock);
}

void peer_note_uninitialized(Quorum *quorum, unsigned index)
{
    Peer *peer = peer_of(quorum, index);

    (void)pthread_mutex_lock(&quorum->lock);
    peer->initialized = false;
    peer->uninitialized = true;
    (void)pthread_mutex_unlock(&quorum->lock);
}

/* Was this version put in force? With fewer than the majority that prepares it, a change to it was given up or cut off before. */
static bool took_effect(const Quorum *quorum, uint64_t version)
{
    unsigned in_force = 0, prepared = 0;

    for (unsigned i = 0; i < quorum->roster->n; i++) {
        in_force += quorum->peers[i].pin_version == version;
        prepared += quorum->peers[i].pin_version == version || quorum->peers[i].next_pin_version == version;
    }
    return in_force >= quorum->roster->k || prepared >= quorum_pin_majority(quorum->roster);
}

/* Under the lock. */
static uint64_t newest_pin(const Quorum *quorum)
{
    uint64_t newest = 0;

    for (unsigned i = 0; i < quorum->roster->n; i++) {
        const Peer *peer = &quorum->peers[i];

        if (peer->pin_version > newest && took_effect(quorum, peer->pin_version))
            newest = peer->pin_version;
        if (peer->next_pin_version > newest && took_effect(quorum, peer->next_pin_version))
            newest = peer->next_pin_version;
    }
    return newest;
}

NodeSet peer_stale_pin(Quorum *quorum)
{
    NodeSet stale = 0;

    (void)pthread_mutex_lock(&quorum->lock);

    uint64_t newest = newest_pin(quorum);

    for (unsigned i = 0; i < quorum->roster->n; i++) {
        const Peer *peer = &quorum->peers[i];

        if (peer->initialized && peer->pin_version < newest && peer->next_pin_version < newest)
            stale |= NODE_SET_OF(i + 1);
    }
    (void)pthread_mutex_unlock(&quorum->lock);
    return stale;
}
