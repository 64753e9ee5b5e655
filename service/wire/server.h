/*
 * Server: the listening end of varlink on an sd-event loop. Answers org.varlink.service itself. One connection's calls
 * are handled one after the other, in order; further pipelined requests wait in its buffer (bounded: reading stops).
 */
#pragma once

#include <systemd/sd-event.h>

#include "base/clock.h"
#include "wire/message.h"

typedef struct Server Server;
typedef struct ServerConnection ServerConnection;
typedef struct ServerCall ServerCall;

/* Handle one call. `parameters` is the parsed structure (owned by the call; NULL if it has no size). The handler replies now or later,
 * exactly once; from another thread only while nothing else uses the loop. A negative return closes the connection (for -ENOMEM and the
 * like). */
typedef int (*ServerHandler)(ServerCall *call, void *parameters, void *userdata);

typedef struct ServerMethod {
    const char *name;     /* "PartialSign"; NULL ends the table */
    const Layout *input;  /* NULL: no parameters allowed */
    const Layout *output; /* NULL: no parameters */
    ServerHandler handler;
} ServerMethod;

typedef struct ServerInterface {
    const char *name;        /* "org.keyquorum.Node" */
    const char *description; /* the .varlink file */
    const ServerMethod *methods;
} ServerInterface;

/* They count the connections that share them. */
typedef struct ServerLimits {
    unsigned connections;            /* in all: 1024 */
    unsigned connections_per_client; /* 64; a client is the peer's user (SO_PEERCRED) */
    Microseconds idle;               /* a connection without a call for this long is closed; MICROSECONDS_FOREVER: never */
} ServerLimits;

/* Strings, tables and what they point to must outlive the server and every call. */
typedef struct ServerOptions {
    const char *vendor, *product, *version, *url; /* for GetInfo */
    const ServerInterface *const *interfaces;     /* ended by NULL */
    ServerLimits limits;
    void *userdata;
    /* Other limits than these for the connections of a listener; may be NULL, or return NULL. They must outlive the server. */
    const ServerLimits *(*limits_of)(void *userdata, void *listener);
    /* May this connection have an answer at all to what it sends? Asked before anything else is looked at; `method` is NULL where the
     * request is broken. false: it is closed without one. May be NULL. */
    bool (*admits)(void *userdata, void *connection_state, const char *method);
    /* A new connection: return the caller's own state for it (may be NULL). `listener` is what server_listen() was given. */
    void *(*connected)(void *userdata, ServerConnection *connection, void *listener);
    /* It was closed and its last call answered: the state is no longer used. If the call in hand is answered later than that (the server
     * was released first), server_call_state() is NULL. */
    void (*disconnected)(void *userdata, void *connection_state);
} ServerOptions;

int server_new(sd_event *event, const ServerOptions *options, Server **ret_server) _must_check_;
/* Closes everything. Calls still in hand may be answered afterwards, to nobody. Not from inside a handler. */
Server *server_free(Server *server);
DEFINE_CLEANUP(Server, server_free)

/* Accept on a listening unix socket; owns `fd` on success. Errors: -ENOMEM, -errno. */
int server_listen(Server *server, int fd, void *listener) _must_check_;
/* Serve one connected socket (a socketpair, an inherited connection); owns `fd` on success.
 * Errors: -ENOBUFS the limits are reached; -ESHUTDOWN draining; -ENOMEM, -errno. */
int server_add(Server *server, int fd, void *listener) _must_check_;
/* Stop accepting; finish the calls in hand (requests behind them are dropped); `drained` is called once, from the loop, when no connection
 * is left or `deadline` has passed. Errors: -EALREADY; -ENOMEM, -errno. */
int server_drain(Server *server, Microseconds deadline, void (*drained)(void *userdata), void *userdata) _must_check_;
unsigned server_connections(const Server *server);
/* Close it at once; the call in hand goes on, and its answer to nobody. Not before connected() has returned, nor after disconnected(). */
void server_connection_close(ServerConnection *connection);

void *server_call_state(const ServerCall *call); /* what connected() returned */
/* Reply with `output` as described by the method's layout. Releases the call and its parameters. If the client has gone, or wanted no
 * reply, nothing is sent and that is success. The connection's state stays valid until the handler or callback returns to the loop. Errors:
 * -errno; the connection is then closed (a handler may return it). */
int server_call_reply(ServerCall *call, const void *output);
/* Reply with an error: full name, and its parameters (both NULL: none). Otherwise as server_call_reply(). */
int server_call_error(ServerCall *call, const char *error, const Layout *layout, const void *parameters);
/* org.varlink.service.InvalidParameter naming the field (at most MESSAGE_FIELD_NAME_MAX bytes). */
int server_call_invalid(ServerCall *call, const char *field);
