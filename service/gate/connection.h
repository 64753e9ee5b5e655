/* A connection of a client: first its handshake, then its way to the node. All end by themselves. */
#pragma once

#include <sys/socket.h>

#include "gate/gate.h"

/* Serve an accepted socket; owns `fd`. If it cannot be served, it is closed, and that is all. */
void connection_start(Gate *gate, int fd, const struct sockaddr_storage *address);
/* Go on with `n` handshakes: the oldest of those to whom something has come. */
void connection_handshakes(Gate *gate, unsigned n);
/* End it now. */
void connection_end(Connection *connection);
/* Take no more from the client; the node answers what it has been asked, and closes. May end it. */
void connection_drain(Connection *connection);
/* The next younger one, of the same list. */
Connection *connection_next(const Connection *connection);
