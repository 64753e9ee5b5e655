/*
 * The node: its state, the state of its connections, and how it answers. Everything here belongs to who has the floor (crew.h), except
 * where it says so. What waits for a disk or the loader is a change (change.h), what exponentiates is a job; both go on without the floor.
 */
#pragma once

#include <systemd/sd-event.h>

#include "base/node-config.h"
#include "dbus/bus-connection.h"
#include "keyring/keyring.h"
#include "node/approvals.h"
#include "node/audit.h"
#include "node/callers.h"
#include "node/change.h"
#include "node/clients.h"
#include "node/crew.h"
#include "node/keys.h"
#include "node/listeners.h"
#include "node/loader-client.h"
#include "node/peers.h"
#include "node/pin.h"
#include "node/repeats.h"
#include "node/store.h"
#include "wire/node-interface.h"
#include "wire/server.h"

struct Node {
    NodeConfig config;
    CustodyKind custody; /* the default */
    uint8_t sealing_key[NODE_PUBLIC_KEY_SIZE], identity_key[NODE_PUBLIC_KEY_SIZE];
    sd_event *event;
    KeySerial ring;
    Store *store;
    StoredToken token;      /* changes only in the PIN lane's done(): its work() may read it */
    PinFailures failures;   /* the same */
    Clients clients;        /* the same */
    bool unpublished;       /* the gate does not know it as it is; the same */
    Peers peers;            /* the same */
    Approvals approvals;    /* given by operators of this host */
    Client *callers;        /* the connections */
    unsigned nonce_batches; /* of all connections, with those that left the stock and are in use still (nonces.h) */
    uint64_t nonce_number;  /* of the next batch */
    Keys keys;
    struct NodeRun *runs; /* under way (ops-run.c) */
    LoaderClient *loader; /* the key lane's work() only, but for its quota */
    Audit *audit;
    Repeats *repeats;
    Crew *crew;
    CrewQueue *signers;
    Lane *pin_lane; /* changes of the token, the PIN and its failures, one at a time */
    Lane *key_lane; /* changes of keys, and loading, one at a time */
    Server *server;
    Listeners listeners;
    BusConnection *bus; /* NULL: none is asked for */
    bool stopping;
    bool loading_all; /* in the background, one key after the other … */
    bool loaded_any;  /* … behind this one */
    KeyId loaded_last;
    uint64_t signatures;
    uint64_t errors; /* times that it failed at something; the last of them: */
    Problem last_error;
    uint64_t last_error_time; /* seconds since 1970, for people only */
    uint64_t changes;         /* of the key table; part of the revision */
    char revision_start[17];
};

typedef struct NodeOptions {
    const char *config_path;
    const char *loader_path; /* NULL: beside this program, or where it is installed */
    bool require_separation;
    const char *bus; /* "no", "system" or an address (bus.h) */
} NodeOptions;

/* Everything up to the point where calls can be answered. Before any thread exists. Errors: -errno or positive, always with a problem. */
int node_new(const NodeOptions *options, Node **ret_node, Problem *problem) _must_check_;
/* Serve until SIGTERM or SIGINT. Errors: -errno. */
int node_run(Node *node) _must_check_;
/* Is no thread at work any more? If one is, node_free() waits for it. */
bool node_idle(const Node *node);
Node *node_free(Node *node);
DEFINE_CLEANUP(Node, node_free)
#define _cleanup_node_ _cleanup_(node_freep)

/* The key table changed: a new revision, and a new status for the service manager. */
void node_changed(Node *node);
#define NODE_REVISION_SIZE 40
void node_revision(const Node *node, char ret_revision[NODE_REVISION_SIZE]);
