/* What the files of this folder share; and a test, which compares the tables with the XML files. */
#pragma once

#include "dbus/bus-objects.h"

#define BUS_ID_TEXT_SIZE (2 * NODE_KEY_ID_SIZE + 1)

extern const sd_bus_vtable bus_manager_vtable[], bus_key_vtable[], bus_log_vtable[];

/* The XML files. */
extern const char bus_manager_xml[], bus_key_xml[], bus_log_xml[], bus_standard_xml[], bus_object_manager_xml[];

/* ---- Calls (bus-calls.c) ---- */

typedef struct BusCall BusCall;

/* The calls in hand. */
typedef struct BusCalls {
    sd_event *event;
    const BusSource *source;
    void *userdata;
    BusCall *first;
    unsigned n;
} BusCalls;

/* How a method is called on the node, and how its result is told. */
typedef struct BusCallClass {
    const char *method; /* "org.keyquorum.Node.LockKey" */
    const Layout *input, *output;
    int (*reply)(sd_bus_message *request, const void *output);
    bool administrative; /* may use BUS_CALLS_KEPT */
} BusCallClass;

/* Call the node; `request` is answered when it has answered. As a handler of sd-bus: 1, or `error` is set and its return value. */
int bus_calls_add(BusCalls *calls, const BusCallClass *class, sd_bus_message *request, const void *input, sd_bus_error *error);
/* No further ones come: answer those that have an answer, and the others that the node is away. */
void bus_calls_finish(BusCalls *calls);

/* ---- What changes (bus-changes.c) ---- */

typedef struct BusChanges BusChanges;

int bus_changes_new(sd_bus *bus, const BusSource *source, void *userdata, BusChanges **ret_changes) _must_check_;
BusChanges *bus_changes_free(BusChanges *changes);
DEFINE_CLEANUP(BusChanges, bus_changes_free)
void bus_changes_look(BusChanges *changes);
void bus_changes_count(BusChanges *changes);

/* ---- Texts (bus-introspection.c) ---- */

/* Answer to org.freedesktop.DBus.Introspectable.Introspect of the manager, a key or the log: every member with what it is for, which
 * sd-bus's own answer could not say. */
int bus_introspection_reply(sd_bus_message *request, const char *interface_xml, bool manager);

/* "/org/keyquorum/Node1/key/0123…" */
void bus_key_path(const uint8_t id[NODE_KEY_ID_SIZE], char ret_path[sizeof(BUS_KEY_PATH) + BUS_ID_TEXT_SIZE]);
/* Errors: -EINVAL it is not the path of a key. */
int bus_key_from_path(const char *path, uint8_t ret_id[NODE_KEY_ID_SIZE]) _must_check_;
