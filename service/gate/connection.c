#include "gate/connection.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>

#include "gate/origin.h"

#define RETRY_TIME        (10 * MICROSECONDS_PER_MILLISECOND) /* when the node's queue is full */
#define HANDSHAKE_SECONDS ((unsigned)(GATE_HANDSHAKE_TIME / MICROSECONDS_PER_SECOND))

/* Who is being served comes before who wants to be, but for gate_served(). */
#define PRIORITY_OPEN      SD_EVENT_PRIORITY_NORMAL
#define PRIORITY_HANDSHAKE (SD_EVENT_PRIORITY_NORMAL + 10)

_Static_assert((uint32_t)POLLIN == EPOLLIN && (uint32_t)POLLOUT == EPOLLOUT, "what poll() calls them epoll does");

struct Connection {
    Gate *gate;
    Connection *previous, *next;
    ConnectionList *list;
    Origin origin;
    ClientPin client; /* the name is empty until the pin is known */
    bool asked;       /* the client has shown its pin */
    bool unlisted;    /* it has, and nobody can say whether it is known */
    Stream *tls, *node;
    sd_event_source *tls_io, *node_io, *timer, *again;
    Pipe up, down; /* to the node, to the client */
    Microseconds deadline, moved_at;
};

/* ---- Lists ----------------------------------------------------------------------------------------------------------------------------
 */

static void list_remove(Connection *connection)
{
    ConnectionList *list = connection->list;

    if (!list)
        return;
    *(connection->previous ? &connection->previous->next : &list->first) = connection->next;
    *(connection->next ? &connection->next->previous : &list->last) = connection->previous;
    list->n--;
    connection->list = NULL;
}

static void list_append(ConnectionList *list, Connection *connection)
{
    connection->list = list;
    connection->next = NULL;
    connection->previous = list->last;
    *(list->last ? &list->last->next : &list->first) = connection;
    list->last = connection;
    list->n++;
}

Connection *connection_next(const Connection *connection)
{
    return connection->next;
}

static unsigned connections_of(const Gate *gate, const char *client)
{
    unsigned n = 0;

    for (const Connection *at = gate->open.first; at; at = at->next)
        n += strcmp(at->client.name, client) == 0;
    return n;
}

/* ---- The log --------------------------------------------------------------------------------------------------------------------------
 */

static void log_unknown(const Connection *connection)
{
    char pin[TLS_PIN_TEXT_SIZE];

    if (!refusals_take(&connection->gate->unknown))
        return;
    tls_pin_format(connection->client.pin, pin);
    journal_event(EVENT_CLIENT_UNKNOWN, (JournalFields){[JOURNAL_PIN] = pin, [JOURNAL_PEER] = connection->origin.text},
                  "refused a client that is not known here: pin %s, from %s; if it should be let in: kqctl node authorize", pin,
                  connection->origin.text);
}

static void log_refused(const Connection *connection, const char *reason)
{
    const char *client = connection->client.name[0] ? connection->client.name : NULL;

    if (!refusals_take(&connection->gate->refused))
        return;
    journal_event(EVENT_CONNECTION_REFUSED,
                  (JournalFields){[JOURNAL_CLIENT] = client, [JOURNAL_PEER] = connection->origin.text, [JOURNAL_REASON] = reason},
                  "refused a connection%s%s from %s: %s", client ? " of client " : "", client ?: "", connection->origin.text, reason);
}

/* A client keeps several connections: the first one and the last one are worth a line. */
static void log_client(const Connection *connection, JournalEvent event, const char *words)
{
    if (connections_of(connection->gate, connection->client.name) != 1 || !refusals_take(&connection->gate->known))
        return;
    journal_event(event, (JournalFields){[JOURNAL_CLIENT] = connection->client.name, [JOURNAL_PEER] = connection->origin.text},
                  "client %s (%s) %s", connection->client.name, connection->origin.text, words);
}

/* ---- Ends -----------------------------------------------------------------------------------------------------------------------------
 */

void connection_end(Connection *connection)
{
    Gate *gate = connection->gate;

    if (connection->list == &gate->open)
        log_client(connection, EVENT_CLIENT_DISCONNECTED, "is connected no more");
    list_remove(connection);
    sd_event_source_disable_unref(connection->tls_io);
    sd_event_source_disable_unref(connection->node_io);
    sd_event_source_disable_unref(connection->timer);
    sd_event_source_disable_unref(connection->again);
    stream_close(connection->tls);
    stream_close(connection->node);
    pipe_clear(&connection->up);
    pipe_clear(&connection->down);
    free(connection);
    gate_connection_ended(gate);
}

static int refuse(Connection *connection, const char *reason)
{
    log_refused(connection, reason);
    connection_end(connection);
    return 0;
}

/* ---- Passing on -----------------------------------------------------------------------------------------------------------------------
 */

/* A source that waits for nothing is taken out: else it would go on telling that the other side has gone. */
static int watch(sd_event_source *source, const Stream *stream, const Pipe *reads, const Pipe *writes)
{
    short wanted = (short)((pipe_wants_read(reads) ? POLLIN : 0) | (pipe_wants_write(writes) ? POLLOUT : 0));
    short events = wanted ? stream_events(stream, wanted) : 0;
    int r = sd_event_source_set_io_events(source, (uint32_t)events);

    return r < 0 ? r : sd_event_source_set_enabled(source, events ? SD_EVENT_ON : SD_EVENT_OFF);
}

static int watch_both(Connection *connection)
{
    int r = watch(connection->tls_io, connection->tls, &connection->up, &connection->down);

    return r < 0 ? r : watch(connection->node_io, connection->node, &connection->down, &connection->up);
}

/* 0: wait, 1: more at once; negative: the client has gone. A node that takes nothing more may still have something to say. */
static int move_up(Connection *connection, uint64_t *moved)
{
    bool finished = connection->up.finished, writing;
    int r = pipe_move(&connection->up, connection->tls, connection->node, connection->gate->chunk, moved, &writing);

    if (r < 0 && !writing)
        return r;
    if (r < 0) {
        pipe_clear(&connection->up);
        connection->up.ended = connection->up.finished = true;
        return 0;
    }
    if (!finished && connection->up.finished)
        (void)shutdown(connection->node->fd, SHUT_WR);
    return r;
}

static int move_down(Connection *connection, uint64_t *moved)
{
    bool writing;
    int r = pipe_move(&connection->down, connection->node, connection->tls, connection->gate->chunk, moved, &writing);

    return r == 0 && connection->down.finished ? -ECONNRESET : r;
}

static int move(Connection *connection)
{
    uint64_t moved = 0;
    int up = move_up(connection, &moved);
    int down = up < 0 ? up : move_down(connection, &moved);

    if (moved > 0)
        connection->moved_at = clock_now();
    if (down < 0)
        return down;
    if (up == 1 || down == 1)
        return sd_event_source_set_enabled(connection->again, SD_EVENT_ONESHOT);
    return watch_both(connection);
}

static int serve(Connection *connection)
{
    gate_served(connection->gate);
    if (move(connection) < 0)
        connection_end(connection);
    return 0;
}

void connection_drain(Connection *connection)
{
    connection->up.ended = true;
    if (connection->node)
        (void)serve(connection);
    else
        connection_end(connection);
}

static int on_moving(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    return serve(userdata);
}

static int on_again(sd_event_source *source, uint64_t now, void *userdata)
{
    return serve(userdata);
}

static int on_idle(sd_event_source *source, uint64_t now, void *userdata)
{
    Connection *connection = userdata;

    if (clock_now() >= connection->moved_at + GATE_IDLE_TIME ||
        sd_event_source_set_time(source, connection->moved_at + GATE_IDLE_TIME) < 0 ||
        sd_event_source_set_enabled(source, SD_EVENT_ONESHOT) < 0)
        connection_end(connection);
    return 0;
}

/* ---- To the node ----------------------------------------------------------------------------------------------------------------------
 */

/* The only message that the gate makes. Names and pins need no escapes. */
static int announce(Connection *connection)
{
    char pin[TLS_PIN_TEXT_SIZE], text[256];

    tls_pin_format(connection->client.pin, pin);

    int size =
        snprintf(text, sizeof(text),
                 "{\"method\":\"org.keyquorum.Node.AnnounceClient\",\"parameters\":{\"protocol\":1,\"name\":\"%s\",\"tlsPin\":\"%s\"},"
                 "\"oneway\":true}",
                 connection->client.name, pin);

    return size < 0 || (size_t)size >= sizeof(text) ? -EMSGSIZE : pipe_put(&connection->up, text, (size_t)size + 1);
}

static int set_timer(Connection *connection, Microseconds at, sd_event_time_handler_t handler)
{
    sd_event_source_disable_unref(connection->timer);
    connection->timer = NULL;
    return sd_event_add_time(connection->gate->event, &connection->timer, CLOCK_MONOTONIC, at, 0, handler, connection);
}

static int open_pipes(Connection *connection)
{
    sd_event *event = connection->gate->event;
    int r = announce(connection);

    if (r == 0)
        r = sd_event_add_io(event, &connection->node_io, connection->node->fd, 0, on_moving, connection);
    if (r >= 0)
        r = sd_event_add_time(event, &connection->again, CLOCK_MONOTONIC, 0, 1, on_again, connection); /* a deferred one would come first */
    if (r >= 0)
        r = sd_event_source_set_enabled(connection->again, SD_EVENT_OFF);
    connection->tls_io = sd_event_source_disable_unref(connection->tls_io);
    if (r >= 0)
        r = sd_event_add_io(event, &connection->tls_io, connection->tls->fd, 0, on_moving, connection);
    if (r >= 0)
        r = set_timer(connection, connection->moved_at + GATE_IDLE_TIME, on_idle);
    return r;
}

static int reach_node(Connection *connection);

static int on_retry(sd_event_source *source, uint64_t now, void *userdata)
{
    return reach_node(userdata);
}

static int reach_node(Connection *connection)
{
    Problem problem = PROBLEM_INIT;
    int r = stream_connect(connection->gate->config.gate_socket, NULL, &connection->node, &problem);
    Microseconds again = clock_now() + RETRY_TIME;

    if (r == -EAGAIN && again < connection->deadline && set_timer(connection, again, on_retry) >= 0)
        return 0;
    if (r == 0)
        r = open_pipes(connection);
    if (r < 0)
        return refuse(connection, problem.text[0] ? problem.text : strerror(-r));
    return serve(connection); /* what came with the handshake waits to be read, and nothing would tell */
}

/* ---- The handshake --------------------------------------------------------------------------------------------------------------------
 */

static int is_known(void *userdata, const uint8_t pin[TLS_PIN_SIZE])
{
    Connection *connection = userdata;
    Clients *clients = &connection->gate->clients;
    Problem problem = PROBLEM_INIT;

    if (clients_refresh(clients, &problem) < 0 && refusals_take(&connection->gate->refused))
        journal_log(LOG_ERR, "%s", problem.text);

    const char *name = clients_find(clients, pin);

    connection->unlisted = !clients->listed;
    if (connection->unlisted)
        return -ENOENT;
    connection->asked = true;
    memcpy(connection->client.pin, pin, TLS_PIN_SIZE);
    (void)snprintf(connection->client.name, sizeof(connection->client.name), "%s", name ?: "");
    return name != NULL;
}

static const char *why(const Connection *connection, int r)
{
    const char *words = stream_words(connection->tls);

    if (connection->unlisted)
        return "the node has not said whom it knows: is keyquorum-node running?";
    if (words)
        return words;
    return r == -ECONNRESET ? "it closed before the handshake was done" : strerror(-r);
}

static int fail(Connection *connection, int r)
{
    if (connection->asked && !connection->client.name[0])
        log_unknown(connection);
    else
        log_refused(connection, why(connection, r));
    connection_end(connection);
    return 0;
}

/* The handshake is done: it counts as the client's from now on. */
static int admit(Connection *connection)
{
    if (connections_of(connection->gate, connection->client.name) >= GATE_CONNECTIONS_PER_CLIENT_MAX)
        return refuse(connection, "the client has as many connections as one may have");
    list_remove(connection);
    list_append(&connection->gate->open, connection);
    connection->moved_at = clock_now();
    /* Nothing is read before the node is there. */
    if (sd_event_source_set_enabled(connection->tls_io, SD_EVENT_OFF) < 0)
        return refuse(connection, "out of memory");
    log_client(connection, EVENT_CLIENT_CONNECTED, "is connected");
    return reach_node(connection);
}

static int shake_hands(Connection *connection)
{
    int r = stream_tls_handshake(connection->tls);

    if (r == 0)
        return admit(connection);
    if (r == -EAGAIN && sd_event_source_set_io_events(connection->tls_io, (uint32_t)stream_events(connection->tls, 0)) >= 0)
        return 0;
    return fail(connection, r);
}

static int on_handshake(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    return shake_hands(userdata);
}

void connection_handshakes(Gate *gate, unsigned n)
{
    Connection *next;

    for (Connection *at = gate->handshakes.first; at && n > 0; at = next) {
        next = at->next;
        if (sd_event_source_get_pending(at->tls_io) <= 0)
            continue;
        (void)shake_hands(at);
        n--;
    }
}

static int on_slow(sd_event_source *source, uint64_t now, void *userdata)
{
    char reason[64];

    (void)snprintf(reason, sizeof(reason), "the handshake was not done within %u seconds", HANDSHAKE_SECONDS);
    return refuse(userdata, reason);
}

static int watch_handshake(Connection *connection, int fd)
{
    const TlsCheck check = {.known = is_known, .userdata = connection};
    int r = stream_tls_accept(fd, connection->gate->identity, &check, &connection->tls);

    if (r < 0) {
        (void)close(fd);
        return r;
    }
    connection->deadline = clock_now() + GATE_HANDSHAKE_TIME;
    r = set_timer(connection, connection->deadline, on_slow);
    if (r >= 0)
        r = sd_event_add_io(connection->gate->event, &connection->tls_io, fd, EPOLLIN, on_handshake, connection);
    return r < 0 ? r : sd_event_source_set_priority(connection->tls_io, PRIORITY_HANDSHAKE);
}

static unsigned handshakes_from(const Gate *gate, const Origin *origin, Connection **ret_oldest)
{
    unsigned n = 0;

    for (Connection *at = gate->handshakes.first; at; at = at->next)
        if (origin_equal(&at->origin, origin) && n++ == 0)
            *ret_oldest = at;
    return n;
}

/* For a new one the oldest must go, which has had the most time: that of the same origin first. */
static void make_room(Gate *gate, const Origin *origin)
{
    Connection *oldest = NULL;

    if (handshakes_from(gate, origin, &oldest) >= GATE_HANDSHAKES_PER_ORIGIN_MAX)
        (void)refuse(oldest, "there are too many unfinished handshakes from its address");
    else if (gate->handshakes.n >= GATE_HANDSHAKES_MAX)
        (void)refuse(gate->handshakes.first, "there are too many unfinished handshakes");
    else if (gate->handshakes.first && gate->handshakes.n + gate->open.n >= gate->connections_max)
        (void)refuse(gate->handshakes.first, "there are as many connections as there may be");
}

void connection_start(Gate *gate, int fd, const struct sockaddr_storage *address)
{
    Connection *connection = calloc(1, sizeof(*connection));

    if (!connection) {
        (void)close(fd);
        return;
    }
    connection->gate = gate;
    origin_of(address, &connection->origin);
    make_room(gate, &connection->origin);
    list_append(&gate->handshakes, connection);
    if (gate->handshakes.n + gate->open.n > gate->connections_max) {
        (void)close(fd);
        (void)refuse(connection, "there are as many connections as there may be");
        return;
    }

    int r = watch_handshake(connection, fd);

    if (r < 0)
        (void)refuse(connection, strerror(-r));
}
