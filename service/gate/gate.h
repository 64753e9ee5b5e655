/*
 * The gate of a node: takes TLS connections from clients, lets those in whose pins the node has published, and passes their bytes on to the
 * node, which it tells once who they are. One thread, one loop.
 */
#pragma once

#include <systemd/sd-event.h>

#include "base/node-config.h"
#include "gate/clients.h"
#include "gate/listeners.h"
#include "gate/pipe.h"
#include "gate/refusals.h"

#define GATE_CONNECTIONS_MAX            2048
#define GATE_CONNECTIONS_PER_CLIENT_MAX 256
#define GATE_HANDSHAKES_MAX             256
#define GATE_HANDSHAKES_PER_ORIGIN_MAX  16
#define GATE_HANDSHAKE_TIME             (5 * MICROSECONDS_PER_SECOND)
#define GATE_IDLE_TIME                  (15 * 60 * MICROSECONDS_PER_SECOND)
#define GATE_DRAIN_TIME                 (5 * MICROSECONDS_PER_SECOND)

typedef struct Connection Connection;

/* In the order in which they came. */
typedef struct ConnectionList {
    Connection *first, *last;
    unsigned n;
} ConnectionList;

typedef struct Gate {
    const char *config_path;
    NodeConfig config;
    TlsIdentity *identity;
    Clients clients;
    Listeners listeners;
    sd_event *event;
    sd_event_source *accepting[LISTENERS_MAX];
    sd_event_source *turn, *pause, *end;
    Microseconds turn_at;     /* when new clients have their next turn */
    unsigned connections_max; /* GATE_CONNECTIONS_MAX, or what the limit of open files allows */
    ConnectionList handshakes, open;
    Refusals unknown, refused, known; /* `known`: clients come and go */
    bool stopping;
    uint8_t chunk[PIPE_CHUNK];
} Gate;

int gate_new(const char *config_path, Gate **ret_gate, Problem *problem) _must_check_;
int gate_run(Gate *gate) _must_check_;
Gate *gate_free(Gate *gate);
DEFINE_CLEANUP(Gate, gate_free)
#define _cleanup_gate_ _cleanup_(gate_freep)

/* A connection has ended: if it was the last one and the gate is stopping, stop. */
void gate_connection_ended(Gate *gate);
/* A client is being served. However many there are and however much they say, new ones have their turn now and then. */
void gate_served(Gate *gate);
