#include "wire/server.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "wire/server-internal.h"

/* Connections accepted in one go before others get their turn. */
#define ACCEPT_MAX 16
/* How long to wait after accept() lacked descriptors or memory. */
#define ACCEPT_PAUSE (100 * MICROSECONDS_PER_MILLISECOND)

/* ---- Listening ---- */

static int pause_listener(Listener *listener)
{
    int r = sd_event_source_set_enabled(listener->io, SD_EVENT_OFF);

    if (r >= 0)
        r = sd_event_source_set_time(listener->retry, clock_now() + ACCEPT_PAUSE);
    return r < 0 ? r : sd_event_source_set_enabled(listener->retry, SD_EVENT_ONESHOT);
}

static int on_retry(sd_event_source *source, uint64_t now, void *userdata)
{
    Listener *listener = userdata;

    return sd_event_source_set_enabled(listener->io, SD_EVENT_ON);
}

/* 0: go on; negative: none to accept now. A connection over the limits is closed at once, so that it does not wait for nothing. */
static int accept_one(Listener *listener)
{
    _cleanup_close_ int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0)
        return errno == EINTR || errno == ECONNABORTED ? 0 : -errno;
    if (server_connection_new(listener->server, fd, listener->userdata) == 0)
        (void)TAKE_FD(fd);
    return 0;
}

static int on_accept(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    Listener *listener = userdata;
    int r = 0;

    for (unsigned n = 0; r == 0 && n < ACCEPT_MAX; n++)
        r = accept_one(listener);
    return r == 0 || r == -EAGAIN ? 0 : pause_listener(listener);
}

static Listener *listener_free(Listener *listener)
{
    sd_event_source_disable_unref(listener->io);
    sd_event_source_disable_unref(listener->retry);
    if (listener->fd >= 0)
        (void)close(listener->fd);
    free(listener);
    return NULL;
}

DEFINE_CLEANUP(Listener, listener_free)

static int make_non_blocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    return flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ? -errno : 0;
}

static int add_sources(Listener *listener, int fd)
{
    sd_event *event = listener->server->event;
    int r = sd_event_add_io(event, &listener->io, fd, EPOLLIN, on_accept, listener);

    if (r >= 0)
        r = sd_event_add_time(event, &listener->retry, CLOCK_MONOTONIC, UINT64_MAX, 0, on_retry, listener);
    if (r >= 0)
        r = sd_event_source_set_enabled(listener->retry, SD_EVENT_OFF);
    return r < 0 ? r : 0;
}

int server_listen(Server *server, int fd, void *userdata)
{
    _cleanup_(listener_freep) Listener *listener = calloc(1, sizeof(*listener));
    int r;

    if (!listener)
        return -ENOMEM;
    *listener = (Listener){.server = server, .fd = -1, .userdata = userdata, .next = server->listeners};
    r = make_non_blocking(fd);
    if (r < 0)
        return r;
    r = add_sources(listener, fd);
    if (r < 0)
        return r;
    listener->fd = fd;
    server->listeners = TAKE_PTR(listener);
    return 0;
}

int server_add(Server *server, int fd, void *listener)
{
    return server->draining ? -ESHUTDOWN : server_connection_new(server, fd, listener);
}

static void close_listeners(Server *server)
{
    Listener *listener;

    while ((listener = server->listeners)) {
        server->listeners = listener->next;
        listener_free(listener);
    }
}

/* ---- The end ---- */

static void finish_drain(Server *server)
{
    void (*drained)(void *) = TAKE_PTR(server->drained);

    server->drain_deadline = sd_event_source_disable_unref(server->drain_deadline);
    server->drain_done = sd_event_source_disable_unref(server->drain_done);
    if (drained)
        drained(server->drained_userdata);
}

static int on_drain_deadline(sd_event_source *source, uint64_t now, void *userdata)
{
    finish_drain(userdata);
    return 0;
}

static int on_drain_done(sd_event_source *source, void *userdata)
{
    finish_drain(userdata);
    return 0;
}

void server_drain_check(Server *server)
{
    if (server->drain_done && server->n_connections == 0)
        (void)sd_event_source_set_enabled(server->drain_done, SD_EVENT_ONESHOT);
}

static int add_drain_sources(Server *server, Microseconds deadline)
{
    int r = sd_event_add_defer(server->event, &server->drain_done, on_drain_done, server);

    if (r >= 0)
        r = sd_event_source_set_enabled(server->drain_done, SD_EVENT_OFF);
    if (r >= 0 && deadline != MICROSECONDS_FOREVER)
        r = sd_event_add_time(server->event, &server->drain_deadline, CLOCK_MONOTONIC, deadline, MICROSECONDS_PER_MILLISECOND,
                              on_drain_deadline, server);
    return r < 0 ? r : 0;
}

int server_drain(Server *server, Microseconds deadline, void (*drained)(void *userdata), void *userdata)
{
    int r = server->draining ? -EALREADY : add_drain_sources(server, deadline);

    if (r < 0)
        return r;
    server->draining = true;
    server->drained = drained;
    server->drained_userdata = userdata;
    close_listeners(server);
    for (ServerConnection *connection = server->connections; connection; connection = connection->next)
        server_connection_wake(connection);
    server_drain_check(server);
    return 0;
}

unsigned server_connections(const Server *server)
{
    return server->n_connections;
}

int server_new(sd_event *event, const ServerOptions *options, Server **ret_server)
{
    Server *server = calloc(1, sizeof(*server));

    if (!server)
        return -ENOMEM;
    *server = (Server){.event = sd_event_ref(event), .options = *options};
    *ret_server = server;
    return 0;
}

Server *server_free(Server *server)
{
    if (!server)
        return NULL;
    close_listeners(server);
    sd_event_source_disable_unref(server->drain_deadline);
    sd_event_source_disable_unref(server->drain_done);
    server->drain_done = NULL;
    while (server->connections)
        server_connection_free(server->connections);
    sd_event_unref(server->event);
    free(server);
    return NULL;
}
