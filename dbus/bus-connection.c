#include "dbus/bus-connection.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "base/clock.h"
#include "dbus/bus-internal.h"

#define SYSTEM_BUS "unix:path=/run/dbus/system_bus_socket"

#define PAUSE_MIN (MICROSECONDS_PER_SECOND / 2)
#define PAUSE_MAX (60 * MICROSECONDS_PER_SECOND)

/* Whoever signs goes before whoever looks. */
#define PRIORITY (SD_EVENT_PRIORITY_NORMAL + 10)

/* The answers of org.freedesktop.DBus.RequestName. */
#define NAME_OWNER  1
#define NAME_QUEUED 2

struct BusConnection {
    sd_event *event;
    BusOptions options;
    char name[sizeof(BUS_NAME_PREFIX) + NODE_NAME_SIZE_MAX];
    sd_bus *bus; /* NULL: between two tries */
    BusObjects *objects;
    sd_bus_slot *lost, *acquired, *request;
    sd_event_source *again;
    Microseconds pause; /* before the next try */
    bool told;          /* that the bus is away or refuses the name: not once for each try */
    bool queued;        /* somebody else has the name */
};

static void _printf_(3, 4) tell(BusConnection *connection, int priority, const char *format, ...)
{
    char text[PROBLEM_SIZE_MAX];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    connection->options.tell(connection->options.userdata, priority, text);
}

/* ---- The end of a try ---- */

static void hang_up(BusConnection *connection)
{
    connection->objects = bus_objects_free(connection->objects);
    connection->request = sd_bus_slot_unref(connection->request);
    connection->lost = sd_bus_slot_unref(connection->lost);
    connection->acquired = sd_bus_slot_unref(connection->acquired);
    connection->bus = sd_bus_close_unref(connection->bus);
    connection->queued = false;
}

/* Whatever is on the stack may still use the connection: it is hung up from the loop, before the next try. */
static void try_again(BusConnection *connection, const char *why)
{
    if (sd_event_source_get_enabled(connection->again, NULL) > 0)
        return;
    if (!connection->told)
        tell(connection, LOG_WARNING, "not on D-Bus as %s: %s; the node goes on without, and tries again", connection->name, why);
    connection->told = true;
    (void)sd_event_source_set_time_relative(connection->again, connection->pause);
    (void)sd_event_source_set_enabled(connection->again, SD_EVENT_ONESHOT);
    connection->pause = 2 * connection->pause < PAUSE_MAX ? 2 * connection->pause : PAUSE_MAX;
}

/* ---- The name ---- */

static void name_is_ours(BusConnection *connection)
{
    int r = bus_objects_announce(connection->objects);

    if (r < 0) {
        try_again(connection, strerror(-r));
        return;
    }
    tell(connection, LOG_INFO, "on D-Bus as %s", connection->name);
    connection->told = false;
    connection->pause = PAUSE_MIN;
}

static int on_name(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
    BusConnection *connection = userdata;
    uint32_t answer = 0;

    if (sd_bus_message_is_method_error(reply, NULL)) {
        const sd_bus_error *refusal = sd_bus_message_get_error(reply);

        /* That of a connection which is lost has been told already. */
        if (sd_event_source_get_enabled(connection->again, NULL) == 0)
            try_again(connection, refusal->message ? refusal->message : refusal->name);
        return 1;
    }
    (void)sd_bus_message_read(reply, "u", &answer);
    connection->queued = answer == NAME_QUEUED;
    if (answer == NAME_OWNER)
        name_is_ours(connection);
    else if (connection->queued)
        tell(connection, LOG_WARNING,
             "somebody else on D-Bus is %s: is there another node of this name? The node goes on, and waits for it", connection->name);
    return 1;
}

/* Whoever had it has let it go. */
static int on_acquired(sd_bus_message *signal, void *userdata, sd_bus_error *error)
{
    BusConnection *connection = userdata;
    const char *name;

    if (sd_bus_message_read(signal, "s", &name) >= 0 && strcmp(name, connection->name) == 0 && connection->queued) {
        connection->queued = false;
        name_is_ours(connection);
    }
    return 0;
}

static int on_lost(sd_bus_message *signal, void *userdata, sd_bus_error *error)
{
    BusConnection *connection = userdata;

    try_again(connection, "the bus is gone");
    return 0;
}

/* ---- A try ---- */

static const char *address_of(const BusConnection *connection)
{
    const char *system = getenv("DBUS_SYSTEM_BUS_ADDRESS");

    if (connection->options.address)
        return connection->options.address;
    return system ? system : SYSTEM_BUS;
}

static int start_bus(BusConnection *connection)
{
    sd_bus *bus;
    int r = sd_bus_new(&connection->bus);

    if (r < 0)
        return r;
    bus = connection->bus;
    r = sd_bus_set_address(bus, address_of(connection));
    if (r >= 0)
        r = sd_bus_set_bus_client(bus, 1);
    if (r >= 0)
        r = sd_bus_attach_event(bus, connection->event, PRIORITY);
    if (r >= 0)
        r = sd_bus_match_signal_async(bus, &connection->lost, "org.freedesktop.DBus.Local", "/org/freedesktop/DBus/Local",
                                      "org.freedesktop.DBus.Local", "Disconnected", on_lost, NULL, connection);
    return r < 0 ? r : sd_bus_start(bus);
}

static int connect_bus(BusConnection *connection)
{
    int r = start_bus(connection);

    if (r >= 0)
        r = bus_objects_new(connection->bus, connection->options.source, connection->options.userdata, &connection->objects);
    if (r >= 0)
        r = sd_bus_match_signal_async(connection->bus, &connection->acquired, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                      "org.freedesktop.DBus", "NameAcquired", on_acquired, NULL, connection);
    if (r >= 0)
        r = sd_bus_request_name_async(connection->bus, &connection->request, connection->name, SD_BUS_NAME_QUEUE, on_name, connection);
    return r < 0 ? r : 0;
}

static int on_again(sd_event_source *source, uint64_t now, void *userdata)
{
    BusConnection *connection = userdata;
    int r;

    hang_up(connection);
    r = connect_bus(connection);
    if (r < 0) {
        hang_up(connection);
        try_again(connection, strerror(-r));
    }
    return 0;
}

/* ---- The outside ---- */

int bus_connection_new(sd_event *event, const BusOptions *options, BusConnection **ret_connection)
{
    _cleanup_(bus_connection_freep) BusConnection *connection = calloc(1, sizeof(*connection));
    int r;

    if (!connection)
        return -ENOMEM;
    *connection = (BusConnection){.event = sd_event_ref(event), .options = *options, .pause = PAUSE_MIN};
    (void)snprintf(connection->name, sizeof(connection->name), BUS_NAME_PREFIX "%s", options->instance);
    r = sd_event_add_time(event, &connection->again, CLOCK_MONOTONIC, 0, 0, on_again, connection);
    if (r < 0)
        return r;
    *ret_connection = TAKE_PTR(connection);
    return 0;
}

BusConnection *bus_connection_free(BusConnection *connection)
{
    if (!connection)
        return NULL;
    hang_up(connection);
    sd_event_source_disable_unref(connection->again);
    sd_event_unref(connection->event);
    free(connection);
    return NULL;
}

void bus_connection_changed(BusConnection *connection)
{
    if (connection->objects)
        bus_objects_changed(connection->objects);
}

void bus_connection_counted(BusConnection *connection)
{
    if (connection->objects)
        bus_objects_counted(connection->objects);
}
