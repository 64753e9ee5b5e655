/* The sockets that a node listens on: handed over by the service manager (sd_listen_fds(3)), or made here. */
#pragma once

#include <stddef.h>

#include "base/problem.h"

#define LISTENERS_MAX 8

typedef struct Listeners {
    int fds[LISTENERS_MAX]; /* -1 once somebody else owns it */
    size_t n;
    char *path; /* of the socket made here, to be removed; NULL: none was */
} Listeners;

/* Take the sockets that were passed in; without any, make one at `address` ("unix:/…"), mode 0600. A socket file that nobody answers on is
 * replaced. Errors: -EADDRINUSE somebody answers there, or it is not a socket; -EINVAL what was passed is not a listening unix
 * socket; -errno. */
int listeners_open(const char *address, Listeners *ret_listeners, Problem *problem) _must_check_;
void listeners_close(Listeners *listeners);
