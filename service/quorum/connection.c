#include "quorum/connection.h"

#include <errno.h>
#include <string.h>

#include "quorum/card.h"
#include "quorum/state.h"

static ConnectionPool *pool_of(Quorum *quorum, unsigned index)
{
    return &quorum->peers[index - 1].pool;
}

/* Under the lock. */
static void mark_busy(ConnectionPool *pool, Connection *connection)
{
    connection->busy = true;
    pool->idle--;
    if (connection->late > 0)
        pool->late--;
}

/* Under the lock. */
static void mark_idle(ConnectionPool *pool, Connection *connection)
{
    connection->busy = false;
    pool->idle++;
    if (connection->late > 0)
        pool->late++;
}

/* The first idle connection at or after the slot. */
static Connection *claim_idle(Quorum *quorum, unsigned index, unsigned first)
{
    ConnectionPool *pool = pool_of(quorum, index);
    Connection *found = NULL;

    (void)pthread_mutex_lock(&quorum->lock);
    for (unsigned i = first; i < pool->n_slots && pool->idle > 0 && !found; i++)
        if (pool->slots[i] && !pool->slots[i]->busy)
            found = pool->slots[i];
    if (found)
        mark_busy(pool, found);
    (void)pthread_mutex_unlock(&quorum->lock);
    return found;
}

static void put_idle(Quorum *quorum, Connection *connection)
{
    (void)pthread_mutex_lock(&quorum->lock);
    mark_idle(pool_of(quorum, connection->index), connection);
    (void)pthread_mutex_unlock(&quorum->lock);
}

/* Read what has come: 0 it is quiet, -EAGAIN replies are still on their way, else it is dead. */
static int settle(Connection *connection)
{
    int r = link_advance(connection->link);

    while (r == 0) {
        _cleanup_(reply_freep) Reply *reply = NULL;
        int taken = link_take_reply(connection->link, &reply);

        if (taken < 0)
            return taken;
        if (taken == 0)
            break;
    }
    connection->late = link_outstanding(connection->link);
    if (r < 0)
        return r;
    return connection->late > 0 ? -EAGAIN : 0;
}

/* It was made with what the roster says now. */
static bool leads_to_node(Quorum *quorum, const Connection *connection)
{
    (void)pthread_mutex_lock(&quorum->lock);

    bool leads = follow_keeps(connection->roster, quorum->current, connection->index);

    (void)pthread_mutex_unlock(&quorum->lock);
    return leads;
}

Connection *connection_take(Quorum *quorum, unsigned index)
{
    unsigned first = 0;

    for (;;) {
        Connection *connection = claim_idle(quorum, index, first);

        if (!connection)
            return NULL;
        first = connection->slot + 1;

        int r = leads_to_node(quorum, connection) ? settle(connection) : -ESTALE;

        if (r == 0)
            return connection;
        if (r == -EAGAIN)
            put_idle(quorum, connection);
        else
            connection_close(quorum, connection);
    }
}

static int take_slot(Quorum *quorum, Connection *connection)
{
    ConnectionPool *pool = pool_of(quorum, connection->index);
    int r = -EMFILE;

    (void)pthread_mutex_lock(&quorum->lock);
    for (unsigned i = 0; i < PEER_CONNECTIONS_MAX && r < 0; i++) {
        if (pool->slots[i])
            continue;
        connection->slot = i;
        pool->slots[i] = connection;
        if (i >= pool->n_slots)
            pool->n_slots = i + 1;
        r = 0;
    }
    (void)pthread_mutex_unlock(&quorum->lock);
    return r;
}

static int open_link(const Quorum *quorum, const NodeCard *card, TlsIdentity *identity, Link **ret_link, Problem *problem)
{
    StreamPeer peer = {
        .own = identity,
        .n_pins = card_has_key(card->next_tls_pin) ? 2 : 1,
        .silence = quorum->roster->connect_timeout,
    };

    memcpy(peer.pins[0], card->tls_pin, TLS_PIN_SIZE);
    memcpy(peer.pins[1], card->next_tls_pin, TLS_PIN_SIZE);
    return link_open(card->address, &peer, ret_link, problem);
}

int connection_open(Quorum *quorum, unsigned index, Connection **ret_connection, Problem *problem)
{
    _cleanup_(link_closep) Link *link = NULL;
    _cleanup_free_ Connection *connection = NULL;
    _cleanup_(roster_freep) Roster *roster = NULL;
    _cleanup_tls_identity_ TlsIdentity *identity = NULL;
    int r = follow_contact(quorum, index, &roster, &identity, problem);

    if (r == 0)
        r = open_link(quorum, &roster->nodes[index - 1], identity, &link, problem);
    if (r < 0)
        return r;
    connection = calloc(1, sizeof(*connection));
    if (!connection)
        return problem_set(problem, -ENOMEM, "out of memory");
    *connection = (Connection){.link = link, .roster = roster, .index = index, .busy = true};
    r = take_slot(quorum, connection);
    if (r < 0)
        return problem_set(problem, r, "%d connections to it are in use", PEER_CONNECTIONS_MAX);
    link = NULL;
    roster = NULL;
    *ret_connection = TAKE_PTR(connection);
    return 0;
}

/* Under the lock: is there room for one more idle connection, and may it be kept? */
static bool worth_keeping(const Quorum *quorum, const ConnectionPool *pool, const Connection *connection)
{
    if (connection->epoch != 0 && connection->epoch <= quorum->logged_out_epoch)
        return false;
    return pool->idle < PEER_IDLE_MAX && (connection->late == 0 || pool->late < PEER_LATE_MAX);
}

void connection_give(Quorum *quorum, Connection *connection)
{
    if (!connection)
        return;

    ConnectionPool *pool = pool_of(quorum, connection->index);

    connection->late = link_outstanding(connection->link);
    (void)pthread_mutex_lock(&quorum->lock);

    bool keep = worth_keeping(quorum, pool, connection);

    if (keep)
        mark_idle(pool, connection);
    (void)pthread_mutex_unlock(&quorum->lock);
    if (!keep)
        connection_close(quorum, connection);
}

void connection_close(Quorum *quorum, Connection *connection)
{
    if (!connection)
        return;
    (void)pthread_mutex_lock(&quorum->lock);
    pool_of(quorum, connection->index)->slots[connection->slot] = NULL;
    (void)pthread_mutex_unlock(&quorum->lock);
    link_close(connection->link);
    roster_free(connection->roster);
    commitments_free(connection->commitments);
    free(connection);
}

void connection_pool_close(Quorum *quorum, unsigned index, bool logged_in_only)
{
    unsigned first = 0;

    for (;;) {
        Connection *connection = claim_idle(quorum, index, first);

        if (!connection)
            return;
        first = connection->slot + 1;
        if (logged_in_only && connection->epoch == 0)
            put_idle(quorum, connection);
        else
            connection_close(quorum, connection);
    }
}

void connection_pool_forked(ConnectionPool *pool)
{
    for (unsigned i = 0; i < PEER_CONNECTIONS_MAX; i++) {
        Connection *connection = pool->slots[i];

        if (!connection)
            continue;
        if (connection->busy) {
            (void)close(link_fd(connection->link));
            continue;
        }
        link_close_inherited(connection->link);
        roster_free(connection->roster);
        commitments_free(connection->commitments);
        free(connection);
    }
    *pool = (ConnectionPool){0};
}
