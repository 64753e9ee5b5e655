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

/* Handle one call. `parameters` is the parsed structure (owned by the call). The handler replies now or later, exactly once, on the
 * loop's thread. A negative return closes the connection (for -ENOMEM and the like). */
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

typedef struct ServerLimits {
    unsigned connections;            /* in all: 1024 */
    unsigned connections_per_client; /* 64 */
    Microseconds idle;               /* a connection without a call for this long is closed; MICROSECONDS_FOREVER: never */
} ServerLimits;

typedef struct ServerOptions {
    const char *vendor, *product, *version, *url; /* for GetInfo */
    const ServerInterface *const *interfaces;     /* ended by NULL */
    ServerLimits limits;
    void *userdata;
    /* A new connection: return the caller's own state for it (may be NULL). `listener` is what server_listen() was given. */
    void *(*connected)(void *userdata, ServerConnection *connection, void *listener);
    void (*disconnected)(void *userdata, void *connection_state);
} ServerOptions;

int server_new(sd_event *event, const ServerOptions *options, Server **ret_server) _must_check_;
Server *server_free(Server *server);
DEFINE_CLEANUP(Server, server_free)

/* Accept on a listening unix socket; owns `fd` on success. Errors: -ENOMEM, -errno. */
int server_listen(Server *server, int fd, void *listener) _must_check_;
/* Serve one connected socket (a socketpair, an inherited connection); owns `fd` on success. */
int server_add(Server *server, int fd, void *listener) _must_check_;
/* Stop accepting; finish the calls in hand; `drained` is called once none is left or `deadline` has passed. */
int server_drain(Server *server, Microseconds deadline, void (*drained)(void *userdata), void *userdata) _must_check_;
unsigned server_connections(const Server *server);

void *server_call_state(const ServerCall *call); /* what connected() returned */
/* Reply with `output` as described by the method's layout. Releases the call. Errors: -errno; the connection is then closed. */
int server_call_reply(ServerCall *call, const void *output);
/* Reply with an error: full name, and its parameters (both NULL: none). Releases the call. */
int server_call_error(ServerCall *call, const char *error, const Layout *layout, const void *parameters);
/* org.varlink.service.InvalidParameter naming the field. */
int server_call_invalid(ServerCall *call, const char *field);
