/*
 * The node's connection to a message bus: connects, takes the name, puts the objects there, and begins again, later and later, when the bus
 * is away or refuses the name. Nobody waits for it, and nothing that it meets is an error of the node. One thread at a time: who runs the
 * loop.
 */
#pragma once

#include <systemd/sd-event.h>

#include "dbus/bus-objects.h"

typedef struct BusConnection BusConnection;

typedef struct BusOptions {
    const char *address;  /* of the bus ("unix:path=/…"); NULL: the system's */
    const char *instance; /* the name is org.keyquorum.Node1.INSTANCE */
    const BusSource *source;
    void *userdata;
    /* Something that an operator may want to know; `priority` as syslog's. */
    void (*tell)(void *userdata, int priority, const char *text);
} BusOptions;

/* Connects from the loop. What the options point to must outlive the connection. Errors: -ENOMEM, -errno. */
int bus_connection_new(sd_event *event, const BusOptions *options, BusConnection **ret_connection) _must_check_;
BusConnection *bus_connection_free(BusConnection *connection);
DEFINE_CLEANUP(BusConnection, bus_connection_free)

/* As bus_objects_changed() and bus_objects_counted(). */
void bus_connection_changed(BusConnection *connection);
void bus_connection_counted(BusConnection *connection);
