/* What sd-bus itself says of the vtables: its own introspection of each, one after the other. For tests/unit/test-bus-interfaces. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "dbus/bus-internal.h"

#define CHECK(r)                                                                                                                           \
    do {                                                                                                                                   \
        if ((r) < 0)                                                                                                                       \
            abort();                                                                                                                       \
    } while (false)

static sd_bus *start_end(sd_event *event, int fd, int server)
{
    const sd_id128_t id = SD_ID128_MAKE(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16);
    sd_bus *bus = NULL;

    CHECK(sd_bus_new(&bus));
    CHECK(sd_bus_set_fd(bus, fd, fd));
    if (server)
        CHECK(sd_bus_set_server(bus, 1, id));
    CHECK(sd_bus_start(bus));
    CHECK(sd_bus_attach_event(bus, event, 0));
    return bus;
}

static int print(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
    const char *text;

    CHECK(sd_bus_message_read(reply, "s", &text));
    (void)fputs(text, stdout);
    (void)fputc('\0', stdout);
    --*(unsigned *)userdata;
    return 0;
}

int main(void)
{
    static const struct {
        const char *path, *interface;
        const sd_bus_vtable *vtable;
    } objects[] = {
        {"/manager", BUS_MANAGER_INTERFACE, bus_manager_vtable},
        {"/key", BUS_KEY_INTERFACE, bus_key_vtable},
        {"/log", BUS_LOG_INTERFACE, bus_log_vtable},
    };
    sd_event *event = NULL;
    unsigned left = 3;
    int fds[2];

    CHECK(sd_event_new(&event));
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds));

    sd_bus *server = start_end(event, fds[0], 1), *client = start_end(event, fds[1], 0);

    CHECK(sd_bus_add_object_manager(server, NULL, "/manager"));
    for (unsigned i = 0; i < left; i++)
        CHECK(sd_bus_add_object_vtable(server, NULL, objects[i].path, objects[i].interface, objects[i].vtable, &left));
    for (unsigned i = 0; i < 3; i++)
        CHECK(sd_bus_call_method_async(client, NULL, NULL, objects[i].path, "org.freedesktop.DBus.Introspectable", "Introspect", print,
                                       &left, NULL));
    while (left > 0)
        CHECK(sd_event_run(event, UINT64_MAX));
    sd_bus_close_unref(client);
    sd_bus_close_unref(server);
    sd_event_unref(event);
    return EXIT_SUCCESS;
}
