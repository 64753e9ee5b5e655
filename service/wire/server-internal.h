/* What server.c, server-connection.c and server-service.c share. */
#pragma once

#include "wire/envelope.h"
#include "wire/frame.h"
#include "wire/server.h"

typedef struct Listener {
    struct Listener *next;
    Server *server;
    int fd;
    void *userdata;
    sd_event_source *io;
    sd_event_source *retry; /* ends the pause after accept() lacked something */
} Listener;

struct Server {
    sd_event *event;
    ServerOptions options;
    Listener *listeners;
    ServerConnection *connections;
    unsigned n_connections;
    bool draining;
    void (*drained)(void *userdata);
    void *drained_userdata;
    sd_event_source *drain_deadline, *drain_done;
};

/*
 * A connection is alive; then dead: its stream is closed, nothing more is read or written; then released. It stays dead for as long as
 * the call in hand has not been answered, since the handler's side may still use the connection's state.
 */
struct ServerConnection {
    ServerConnection *previous, *next;
    Server *server;
    Stream *stream; /* NULL: dead */
    FrameBuffer *buffer;
    sd_event_source *io, *idle;
    sd_event_source *again; /* a time long past: runs it once more from the loop, in line with the others */
    uint32_t events;        /* that `io` waits for */
    uid_t client;
    const ServerLimits *limits; /* that it counts towards */
    void *state;
    ServerCall *call;       /* the one in hand, or NULL */
    Microseconds last_call; /* when one came or was answered */
    bool ended;             /* nothing more can be read */
    bool unread;            /* the stream may hold more without becoming readable again */
    bool running;           /* its calls are being handled, below us on the stack */
};

struct ServerCall {
    ServerConnection *connection; /* NULL: released with the server */
    const ServerMethod *method;   /* NULL until it is found */
    bool oneway;
    void *parameters; /* as method->input says; NULL: none */
};

/* Owns `fd` on success. Errors: -ENOBUFS the limits are reached; -ENOMEM, -errno. */
int server_connection_new(Server *server, int fd, void *listener) _must_check_;
/* Close at once and release; a call in hand lives on without it. */
void server_connection_free(ServerConnection *connection);
/* Let the loop look at it again. */
void server_connection_wake(ServerConnection *connection);
/* The call in hand was answered (r < 0: not successfully) and released. */
void server_connection_call_done(ServerConnection *connection, int r);

/* Handle a request. Errors: -errno; the connection is to be closed. */
int server_call_take(ServerConnection *connection, json_object *object) _must_check_;
/* Reply with parameters that are built already (taken over, may be NULL) and release the call. */
int server_call_finish(ServerCall *call, const char *error, json_object *parameters);

/* The last connection was released: is the draining done? */
void server_drain_check(Server *server);

/* org.varlink.service itself. */
extern const ServerInterface server_service_interface;
/* `name` is `size` bytes long. NULL: there is none of that name. */
const ServerInterface *server_find_interface(const Server *server, const char *name, size_t size);
