/* The loader's varlink end: answers what comes, and ends when nothing more does. */
#pragma once

#include "base/node-config.h"

/* Serve a listening socket until it has been idle for a moment. Takes `fd`. Errors: -errno. */
int serve_listener(const NodeConfig *config, int fd, Problem *problem) _must_check_;
/* Serve one connection until it is closed. Takes `fd`. Errors: -errno. */
int serve_connection(const NodeConfig *config, int fd, Problem *problem) _must_check_;
