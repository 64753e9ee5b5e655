#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "wire/server-internal.h"
#include "wire/strict-json.h"

/* Calls taken in one go before other connections get their turn. */
#define RUN_MAX 16

/* ---- Life and death ---- */

/* What remains is a shell for the call in hand. */
static void kill_connection(ServerConnection *connection)
{
    connection->io = sd_event_source_disable_unref(connection->io);
    connection->idle = sd_event_source_disable_unref(connection->idle);
    connection->stream = stream_close(connection->stream);
}

static void unlink_connection(ServerConnection *connection)
{
    if (connection->next)
        connection->next->previous = connection->previous;
    if (connection->previous)
        connection->previous->next = connection->next;
    else
        connection->server->connections = connection->next;
    connection->server->n_connections--;
}

static void link_connection(ServerConnection *connection)
{
    Server *server = connection->server;

    connection->next = server->connections;
    if (connection->next)
        connection->next->previous = connection;
    server->connections = connection;
    server->n_connections++;
}

/* What server_connection_new() had made. */
static ServerConnection *release_connection(ServerConnection *connection)
{
    kill_connection(connection);
    sd_event_source_disable_unref(connection->again);
    frame_buffer_free(connection->buffer);
    free(connection);
    return NULL;
}

DEFINE_CLEANUP(ServerConnection, release_connection)

void server_connection_free(ServerConnection *connection)
{
    Server *server = connection->server;

    kill_connection(connection);
    if (connection->call)
        connection->call->connection = NULL;
    unlink_connection(connection);
    if (server->options.disconnected)
        server->options.disconnected(server->options.userdata, connection->state);
    release_connection(connection);
    server_drain_check(server);
}

void server_connection_wake(ServerConnection *connection)
{
    (void)sd_event_source_set_enabled(connection->again, SD_EVENT_ONESHOT);
}

/* The loop releases it, since whoever closes it may come from one of its calls. */
void server_connection_close(ServerConnection *connection)
{
    kill_connection(connection);
    server_connection_wake(connection);
}

/* ---- Reading and writing ---- */

static bool wants_write(const ServerConnection *connection)
{
    return frame_buffer_wants_write(connection->buffer);
}

/* While a call is in hand or its reply waits, a little is read ahead; then reading stops. */
static int update_events(ServerConnection *connection)
{
    bool busy = connection->call || wants_write(connection);
    bool reads = !connection->ended && (!busy || frame_buffer_waiting(connection->buffer) == 0);
    uint32_t events = (reads ? EPOLLIN : 0) | (wants_write(connection) ? EPOLLOUT : 0);
    int r = events == connection->events ? 0 : sd_event_source_set_io_events(connection->io, events);

    if (r >= 0)
        connection->events = events;
    return r;
}

static void fill(ServerConnection *connection)
{
    int r = connection->ended ? 0 : frame_buffer_fill(connection->buffer);

    connection->unread = r == 1;
    connection->ended |= r < 0; /* what is here already is still answered */
}

static int next_frame(ServerConnection *connection, json_object **ret_object)
{
    int r = frame_buffer_pull(connection->buffer, ret_object);

    if (r != 0 || !connection->unread)
        return r;
    fill(connection);
    return frame_buffer_pull(connection->buffer, ret_object);
}

/* ---- Running ---- */

/* 1: a call was taken, 0: there is none now; -errno: the end. */
static int take_call(ServerConnection *connection)
{
    _cleanup_json_ json_object *object = NULL;
    int r = next_frame(connection, &object);

    if (r == 0)
        return connection->ended ? -ECONNRESET : 0;
    if (r < 0)
        return r;
    connection->last_call = clock_now();
    r = server_call_take(connection, object);
    return r < 0 ? r : 1;
}

static bool may_take_call(const ServerConnection *connection)
{
    return connection->stream && !connection->call && !wants_write(connection) && !connection->server->draining;
}

static int take_calls(ServerConnection *connection)
{
    int r = frame_buffer_flush(connection->buffer);

    for (unsigned n = 0; r == 0 && may_take_call(connection); n++) {
        if (n == RUN_MAX) {
            server_connection_wake(connection);
            return 0;
        }
        r = take_call(connection);
        if (r == 0)
            return 0;
        r = r > 0 ? 0 : r;
    }
    return r;
}

/* Answer what can be answered; close and release if it is time. */
static void run(ServerConnection *connection)
{
    int r = 0;

    if (connection->stream) {
        connection->running = true;
        r = take_calls(connection);
        connection->running = false;
    }
    if (r < 0 || (connection->server->draining && !connection->call && !wants_write(connection)))
        kill_connection(connection);
    if (connection->stream && update_events(connection) < 0)
        kill_connection(connection);
    if (!connection->stream && !connection->call)
        server_connection_free(connection);
}

void server_connection_call_done(ServerConnection *connection, int r)
{
    connection->last_call = clock_now();
    if (r < 0)
        kill_connection(connection);
    if (connection->running)
        return;
    /* The loop takes the next step, so that whoever replies can still use the connection's state. */
    if (!connection->stream || connection->ended || connection->unread || connection->server->draining ||
        frame_buffer_waiting(connection->buffer) > 0 || update_events(connection) < 0)
        server_connection_wake(connection);
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    ServerConnection *connection = userdata;

    if (events & ~(uint32_t)EPOLLOUT)
        fill(connection);
    /* Nobody is there to read a reply. The event would come again and again until the call is answered. */
    if ((events & EPOLLHUP) && connection->call)
        kill_connection(connection);
    else
        run(connection);
    return 0;
}

static int on_again(sd_event_source *source, uint64_t now, void *userdata)
{
    run(userdata);
    return 0;
}

/* The timer is moved only when it fires, not with each call. */
static int on_idle(sd_event_source *source, uint64_t now, void *userdata)
{
    ServerConnection *connection = userdata;
    Microseconds idle = connection->limits->idle;
    Microseconds end = (connection->call ? clock_now() : connection->last_call) + idle;

    if (clock_now() < end && sd_event_source_set_time(source, end) >= 0 && sd_event_source_set_enabled(source, SD_EVENT_ONESHOT) >= 0)
        return 0;
    kill_connection(connection);
    run(connection);
    return 0;
}

/* ---- Beginning ---- */

/* On a unix socket, the peer's user. */
static uid_t client_of(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 ? peer.uid : (uid_t)-1;
}

static const ServerLimits *limits_of(const Server *server, void *listener)
{
    const ServerOptions *options = &server->options;
    const ServerLimits *limits = options->limits_of ? options->limits_of(options->userdata, listener) : NULL;

    return limits ? limits : &options->limits;
}

static bool limits_reached(const Server *server, const ServerLimits *limits, uid_t client)
{
    unsigned n = 0, n_of_client = 0;

    for (const ServerConnection *connection = server->connections; connection; connection = connection->next) {
        n += connection->limits == limits;
        n_of_client += connection->limits == limits && connection->client == client;
    }
    return n >= limits->connections || n_of_client >= limits->connections_per_client;
}

/* sd-event serves first what became pending first. A deferred event counts as pending since it was made, and would come before every other
 * connection; one of a time long past becomes pending when it is enabled. */
static int add_sources(ServerConnection *connection, int fd)
{
    sd_event *event = connection->server->event;
    Microseconds idle = connection->limits->idle;
    int r = sd_event_add_io(event, &connection->io, fd, EPOLLIN, on_io, connection);

    connection->events = EPOLLIN;
    if (r >= 0)
        r = sd_event_add_time(event, &connection->again, CLOCK_MONOTONIC, 0, 1, on_again, connection);
    if (r >= 0)
        r = sd_event_source_set_enabled(connection->again, SD_EVENT_OFF);
    if (r >= 0 && idle != MICROSECONDS_FOREVER)
        r = sd_event_add_time(event, &connection->idle, CLOCK_MONOTONIC, connection->last_call + idle, 0, on_idle, connection);
    return r < 0 ? r : 0;
}

static int add_stream(ServerConnection *connection, int fd)
{
    int r = stream_from_unix_fd(fd, &connection->stream);

    if (r < 0)
        return r;
    r = frame_buffer_new(connection->stream, &connection->buffer);
    if (r < 0)
        connection->stream->fd = -1; /* still the caller's */
    return r;
}

int server_connection_new(Server *server, int fd, void *listener)
{
    const ServerLimits *limits = limits_of(server, listener);
    uid_t client = client_of(fd);
    _cleanup_(release_connectionp) ServerConnection *connection = NULL;

    if (limits_reached(server, limits, client))
        return -ENOBUFS;
    connection = calloc(1, sizeof(*connection));
    if (!connection)
        return -ENOMEM;
    *connection = (ServerConnection){.server = server, .client = client, .limits = limits, .last_call = clock_now()};

    int r = add_sources(connection, fd);

    if (r < 0)
        return r;
    r = add_stream(connection, fd);
    if (r < 0)
        return r;
    link_connection(connection);
    if (server->options.connected)
        connection->state = server->options.connected(server->options.userdata, connection, listener);
    (void)TAKE_PTR(connection);
    return 0;
}
