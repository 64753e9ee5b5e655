/*
 * The node as D-Bus objects, described by the XML files beside this one:
 *   /org/keyquorum/Node1             org.keyquorum.Node1.Manager, and an ObjectManager of what is below it
 *   /org/keyquorum/Node1/key/ID      org.keyquorum.Node1.Key, one for each key that is not destroyed
 *   /org/freedesktop/LogControl1     org.freedesktop.LogControl1
 * Reading asks a source; methods become varlink calls over a socket that the source gives, so that they pass through what every other
 * caller passes through. Who may call what is the bus's policy (org.keyquorum.Node1.conf). One thread at a time: who runs the loop.
 */
#pragma once

#include <systemd/sd-bus.h>

#include "wire/node-interface.h"

#define BUS_NAME_PREFIX       "org.keyquorum.Node1." /* the instance follows */
#define BUS_ERROR(name)       "org.keyquorum.Node1.Error." name
#define BUS_MANAGER_PATH      "/org/keyquorum/Node1"
#define BUS_MANAGER_INTERFACE "org.keyquorum.Node1.Manager"
#define BUS_KEY_PATH          "/org/keyquorum/Node1/key"
#define BUS_KEY_INTERFACE     "org.keyquorum.Node1.Key"
#define BUS_LOG_PATH          "/org/freedesktop/LogControl1"
#define BUS_LOG_INTERFACE     "org.freedesktop.LogControl1"

#define BUS_CALLS_MAX  32 /* in hand at a time, from all callers: so many connections to the node */
#define BUS_CALLS_KEPT 8  /* of these, for the methods of administrators: who signs cannot keep them from locking a key */

/* Booleans are int: so sd-bus reads them. */

/* What of the manager may change, in a form that can be compared. */
typedef struct BusManagerState {
    uint32_t index, threshold, nodes; /* 0: part of no token */
    uint32_t active, pending, unusable, destroyed;
    uint64_t signatures;
    uint64_t errors; /* how often LastError was set */
} BusManagerState;

/* Texts and bytes are the source's, and stay as long as nothing else runs on the loop. */
typedef struct BusManager {
    const char *version, *instance, *custody, *last_error;
    Bytes token;
    int separation;
    uint64_t last_error_time;
    BusManagerState state;
} BusManager;

/* The same of a key. */
typedef struct BusKeyState {
    uint64_t version; /* of the record: label, CKA_ID, created, not_after */
    uint32_t state;   /* any number that stands for `state_name` and `reason` */
    int locked, unlocked;
    uint64_t unlocked_seconds, unlocked_count;
    uint64_t signatures, last_used;
} BusKeyState;

typedef struct BusKey {
    const char *algorithm, *label, *state_name, *reason, *custody;
    uint32_t bits, threshold, nodes, index;
    uint64_t created, not_after;
    Bytes cka_id;
    Bytes public_key; /* DER; the receiver's */
    BusKeyState state;
} BusKey;

typedef struct BusSource {
    void (*manager)(void *userdata, BusManager *ret_manager);
    /* 1, or 0: there is no key of that id, or it is destroyed. Errors: -ENOMEM, -errno. */
    int (*key)(void *userdata, const uint8_t id[NODE_KEY_ID_SIZE], BusKey *ret_key);
    /* The first key behind `after` in ascending order of ids; `after` NULL: the first of all. false: there is none. */
    bool (*next_key)(void *userdata, const uint8_t *after, uint8_t ret_id[NODE_KEY_ID_SIZE], BusKeyState *ret_state);
    /* A connected unix socket at whose other end a node answers varlink; the receiver's. Errors: -ESHUTDOWN the node stops; -errno. */
    int (*connect)(void *userdata, int *ret_fd);
} BusSource;

typedef struct BusObjects BusObjects;

/* Put the objects on a bus connection that is attached to an event loop. Errors: -ENOMEM, -errno. */
int bus_objects_new(sd_bus *bus, const BusSource *source, void *userdata, BusObjects **ret_objects) _must_check_;
/* Answers the calls in hand that have an answer, and the others that the node is away. */
BusObjects *bus_objects_free(BusObjects *objects);
DEFINE_CLEANUP(BusObjects, bus_objects_free)

/* From now on tell the bus what changes. */
int bus_objects_announce(BusObjects *objects) _must_check_;
/* Something may have changed: it is compared with what was told, and told from the loop. Counters are told at most once a second. */
void bus_objects_changed(BusObjects *objects);
/* Nothing has changed but counters. Cheap. */
void bus_objects_counted(BusObjects *objects);
