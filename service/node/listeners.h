/* The sockets that a node listens on: handed over by the service manager (sd_listen_fds(3)), or made here. */
#pragma once

#include <stddef.h>

#include "base/node-config.h"
#include "node/callers.h"

#define LISTENERS_MAX 8

typedef struct Listeners {
    int fds[LISTENERS_MAX];     /* -1 once somebody else owns it */
    Door doors[LISTENERS_MAX];  /* of the sockets */
    char *paths[LISTENERS_MAX]; /* of those made here, to be removed; NULL: passed in */
    size_t n;
} Listeners;

/* Take the sockets that were passed in, each by its name (FileDescriptorName=): "local" or "gate". Without any, make one at Listen= and, if
 * the configuration has it, one at GateSocket=, mode 0600. A socket file that nobody answers on is replaced.
 * Errors: -EADDRINUSE somebody answers there, or it is not a socket; -EINVAL what was passed is not a listening unix socket, has an unknown
 * name, or is a gate's although there is no GateSocket=; -errno. */
int listeners_open(const NodeConfig *config, Listeners *ret_listeners, Problem *problem) _must_check_;
void listeners_close(Listeners *listeners);
