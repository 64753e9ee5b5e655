/* The TCP sockets that a gate listens on: handed over by the service manager (sd_listen_fds(3)), or made here. */
#pragma once

#include <stddef.h>

#include "base/problem.h"

#define LISTENERS_MAX 8

typedef struct Listeners {
    int fds[LISTENERS_MAX];
    size_t n;
} Listeners;

/* Take the sockets that were passed in; without any, make one at `address` ("tls:…"). Errors: -EINVAL what was passed is not a listening
 * TCP socket; -errno. */
int listeners_open(const char *address, Listeners *ret_listeners, Problem *problem) _must_check_;
void listeners_close(Listeners *listeners);
