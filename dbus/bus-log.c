#include <errno.h>
#include <string.h>

#include "base/journal.h"
#include "dbus/bus-internal.h"

/* By syslog's number; the names of org.freedesktop.LogControl1(5). */
static const char *const level_names[] = {
    [LOG_EMERG] = "emerg",     [LOG_ALERT] = "alert",   [LOG_CRIT] = "crit", [LOG_ERR] = "err",
    [LOG_WARNING] = "warning", [LOG_NOTICE] = "notice", [LOG_INFO] = "info", [LOG_DEBUG] = "debug",
};

static const char *target(void)
{
    return journal_is_native() ? "journal" : "console";
}

static int get_level(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply, void *userdata,
                     sd_bus_error *error)
{
    return sd_bus_message_append(reply, "s", level_names[journal_level()]);
}

static int set_level(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *value, void *userdata,
                     sd_bus_error *error)
{
    const char *name;
    int r = sd_bus_message_read(value, "s", &name);

    if (r < 0)
        return r;
    for (int level = 0; level < (int)ELEMENTS(level_names); level++)
        if (strcmp(name, level_names[level]) == 0) {
            journal_level_set(level);
            journal_log(LOG_NOTICE, "messages up to %s are logged, as D-Bus asked", name);
            return 1;
        }
    return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS, "a level is one of emerg, alert, crit, err, warning, notice, info and debug");
}

static int get_target(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply, void *userdata,
                      sd_bus_error *error)
{
    return sd_bus_message_append(reply, "s", target());
}

static int set_target(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *value, void *userdata,
                      sd_bus_error *error)
{
    const char *name;
    int r = sd_bus_message_read(value, "s", &name);

    if (r < 0 || strcmp(name, target()) == 0)
        return r;
    return sd_bus_error_setf(error, SD_BUS_ERROR_NOT_SUPPORTED, "it is %s as long as the node runs", target());
}

static int get_identifier(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply, void *userdata,
                          sd_bus_error *error)
{
    return sd_bus_message_append(reply, "s", program_invocation_short_name);
}

/* Who may set them, the bus's policy says. */
const sd_bus_vtable bus_log_vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_WRITABLE_PROPERTY("LogLevel", "s", get_level, set_level, 0, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_WRITABLE_PROPERTY("LogTarget", "s", get_target, set_target, 0, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_PROPERTY("SyslogIdentifier", "s", get_identifier, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_VTABLE_END,
};
