/* The instance's units: what is asked of systemd, over the system bus (org.freedesktop.systemd1(5)). */
#include <errno.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-journal.h>

#include "base/clock.h"
#include "ctl/instance.h"

#define MANAGER      "org.freedesktop.systemd1"
#define MANAGER_PATH "/org/freedesktop/systemd1"

/* Reading all units anew takes a busy host longer than the 25 seconds that are usual on the bus; systemctl(1) is as patient. */
#define MANAGER_TIMEOUT (3 * 60 * MICROSECONDS_PER_SECOND)

#define _cleanup_bus_       _cleanup_(sd_bus_flush_close_unrefp)
#define _cleanup_message_   _cleanup_(sd_bus_message_unrefp)
#define _cleanup_bus_error_ _cleanup_(sd_bus_error_free)

static int manager_open(sd_bus **ret_bus, Problem *problem)
{
    int r = sd_bus_open_system(ret_bus);

    if (r >= 0)
        r = sd_bus_set_method_call_timeout(*ret_bus, MANAGER_TIMEOUT);
    return r < 0 ? problem_set(problem, r, "systemd cannot be asked over the system bus: %s", strerror(-r)) : 0;
}

/* `types` and what follows as in sd_bus_call_method(). */
#define manager_call(bus, what, method, problem, ...)                                                                                      \
    ({                                                                                                                                     \
        _cleanup_bus_error_ sd_bus_error _error = SD_BUS_ERROR_NULL;                                                                       \
        int _r = sd_bus_call_method((bus), MANAGER, MANAGER_PATH, MANAGER ".Manager", (method), &_error, NULL, __VA_ARGS__);               \
        _r < 0 ? problem_set((problem), _r, "%s: systemd says: %s", (what), _error.message ? _error.message : strerror(-_r)) : 0;          \
    })

typedef struct Unit {
    const char *prefix, *type; /* PREFIX@INSTANCE.TYPE */
} Unit;

static const Unit units[] = {
    {"keyquorum", "target"},      {"keyquorum-gate", "socket"},  {"keyquorum-gate", "service"}, {"keyquorum-node-gate", "socket"},
    {"keyquorum-node", "socket"}, {"keyquorum-node", "service"}, {"keyquorum-load", "socket"},  {"keyquorum-load", "service"},
};

static void unit_name(const Unit *unit, const Instance *instance, char ret_name[INSTANCE_UNIT_SIZE_MAX])
{
    (void)snprintf(ret_name, INSTANCE_UNIT_SIZE_MAX, "%s@%s.%s", unit->prefix, instance->name, unit->type);
}

static int reload(sd_bus *bus, Problem *problem)
{
    return manager_call(bus, "the units cannot be read anew", "Reload", problem, "");
}

int instance_start(const Instance *instance, Problem *problem)
{
    _cleanup_bus_ sd_bus *bus = NULL;
    int r = manager_open(&bus, problem);

    if (r == 0)
        r = reload(bus, problem);
    if (r == 0)
        r = manager_call(bus, "the node cannot be enabled", "EnableUnitFiles", problem, "asbb", 1, instance->target, 0, 0);
    if (r == 0)
        r = reload(bus, problem);
    if (r == 0)
        r = manager_call(bus, "the node cannot be started", "StartUnit", problem, "ss", instance->target, "replace");
    return r;
}

/* ---- How they are ---- */

/* `*ret_path` is in the reply. False: nobody can tell. */
static bool ask_state(sd_bus *bus, const char *unit, sd_bus_message **ret_reply, const char **ret_path, char **ret_state)
{
    return sd_bus_call_method(bus, MANAGER, MANAGER_PATH, MANAGER ".Manager", "LoadUnit", NULL, ret_reply, "s", unit) >= 0 &&
           sd_bus_message_read(*ret_reply, "o", ret_path) > 0 &&
           sd_bus_get_property_string(bus, MANAGER, *ret_path, MANAGER ".Unit", "ActiveState", NULL, ret_state) >= 0;
}

static bool has_failed(sd_bus *bus, const char *unit, bool is_service)
{
    _cleanup_message_ sd_bus_message *reply = NULL;
    _cleanup_free_ char *state = NULL;
    uint32_t restarts = 0;
    const char *path;

    if (!ask_state(bus, unit, &reply, &path, &state))
        return false;
    if (strcmp(state, "failed") == 0)
        return true;
    return is_service && sd_bus_get_property_trivial(bus, MANAGER, path, MANAGER ".Service", "NRestarts", NULL, 'u', &restarts) >= 0 &&
           restarts > 0;
}

bool instance_gate_runs(const Instance *instance)
{
    _cleanup_bus_ sd_bus *bus = NULL;
    _cleanup_message_ sd_bus_message *reply = NULL;
    _cleanup_free_ char *state = NULL;
    char unit[INSTANCE_UNIT_SIZE_MAX];
    const char *path;

    if (access(instance->drop_in, F_OK) < 0)
        return true;
    (void)snprintf(unit, sizeof(unit), "keyquorum-gate@%s.service", instance->name);
    return manager_open(&bus, NULL) == 0 && ask_state(bus, unit, &reply, &path, &state) && strcmp(state, "active") == 0;
}

static void take_message(sd_journal *journal, char *ret_words, size_t size)
{
    static const char field[] = "MESSAGE=";
    const void *data;
    size_t length;

    if (sd_journal_get_data(journal, "MESSAGE", &data, &length) >= 0 && length >= strlen(field))
        (void)snprintf(ret_words, size, "%.*s", (int)(length - strlen(field)), (const char *)data + strlen(field));
}

void instance_last_words(const char *unit, char *ret_words, size_t size)
{
    char match[sizeof("_SYSTEMD_UNIT=") + INSTANCE_UNIT_SIZE_MAX];
    sd_journal *journal = NULL;

    ret_words[0] = '\0';
    (void)snprintf(match, sizeof(match), "_SYSTEMD_UNIT=%s", unit);
    if (sd_journal_open(&journal, SD_JOURNAL_LOCAL_ONLY) < 0)
        return;
    if (sd_journal_add_match(journal, match, 0) >= 0 && sd_journal_add_match(journal, "PRIORITY=3", 0) >= 0 &&
        sd_journal_seek_tail(journal) >= 0 && sd_journal_previous(journal) > 0)
        take_message(journal, ret_words, size);
    sd_journal_close(journal);
}

bool instance_has_failed(const Instance *instance, char ret_unit[INSTANCE_UNIT_SIZE_MAX])
{
    _cleanup_bus_ sd_bus *bus = NULL;

    if (manager_open(&bus, NULL) < 0)
        return false;
    for (size_t i = 0; i < ELEMENTS(units); i++) {
        unit_name(&units[i], instance, ret_unit);
        if (has_failed(bus, ret_unit, strcmp(units[i].type, "service") == 0))
            return true;
    }
    return false;
}

/* ---- Stopping: waits for its end, so that nothing of the node runs when its files go ---- */

#define STOP_PATIENCE (60 * MICROSECONDS_PER_SECOND)

typedef struct Stopping {
    char jobs[ELEMENTS(units)][64]; /* object paths; empty: none, or over */
    unsigned left;
    bool failed;
} Stopping;

static int on_job_removed(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
    Stopping *stopping = userdata;
    const char *path, *result;

    if (sd_bus_message_read(message, "uoss", NULL, &path, NULL, &result) <= 0)
        return 0;
    for (size_t i = 0; i < ELEMENTS(units); i++)
        if (strcmp(stopping->jobs[i], path) == 0) {
            stopping->jobs[i][0] = '\0';
            stopping->left--;
            stopping->failed |= strcmp(result, "done") != 0;
        }
    return 0;
}

static void ask_to_stop(sd_bus *bus, const char *unit, char ret_job[64], unsigned *left)
{
    _cleanup_message_ sd_bus_message *reply = NULL;
    const char *job;

    if (sd_bus_call_method(bus, MANAGER, MANAGER_PATH, MANAGER ".Manager", "StopUnit", NULL, &reply, "ss", unit, "replace") < 0 ||
        sd_bus_message_read(reply, "o", &job) <= 0)
        return; /* there is no such unit */
    (void)snprintf(ret_job, 64, "%s", job);
    (*left)++;
}

static int watch_jobs(sd_bus *bus, Stopping *stopping)
{
    int r = manager_call(bus, "", "Subscribe", NULL, "");

    return r < 0 ? r : sd_bus_match_signal(bus, NULL, MANAGER, MANAGER_PATH, MANAGER ".Manager", "JobRemoved", on_job_removed, stopping);
}

static int await_jobs(sd_bus *bus, const Stopping *stopping)
{
    Microseconds until = clock_now() + STOP_PATIENCE;

    while (stopping->left > 0 && clock_now() < until) {
        int r = sd_bus_process(bus, NULL);

        if (r == 0)
            r = sd_bus_wait(bus, MICROSECONDS_PER_SECOND);
        if (r < 0)
            return r;
    }
    return stopping->left > 0 ? -ETIMEDOUT : 0;
}

static int stop_all(sd_bus *bus, const Instance *instance)
{
    Stopping stopping = {0};
    int r = watch_jobs(bus, &stopping);

    if (r < 0)
        return r;
    for (size_t i = 0; i < ELEMENTS(units); i++) {
        char unit[INSTANCE_UNIT_SIZE_MAX];

        unit_name(&units[i], instance, unit);
        ask_to_stop(bus, unit, stopping.jobs[i], &stopping.left);
    }
    return await_jobs(bus, &stopping);
}

int instance_halt(const Instance *instance, Problem *problem)
{
    _cleanup_bus_ sd_bus *bus = NULL;
    int r = manager_open(&bus, problem);

    if (r < 0)
        return r;
    r = stop_all(bus, instance);
    return r < 0 ? problem_set(problem, r, "the units of node %s do not stop: %s", instance->name, strerror(-r)) : 0;
}

int instance_restart_unit(const Instance *instance, const char *prefix, Problem *problem)
{
    _cleanup_bus_ sd_bus *bus = NULL;
    _cleanup_message_ sd_bus_message *reply = NULL;
    Stopping job = {.left = 1};
    const char *path;
    char unit[96];
    int r = manager_open(&bus, problem);

    if (r < 0)
        return r;
    (void)snprintf(unit, sizeof(unit), "%s@%s.service", prefix, instance->name);
    r = watch_jobs(bus, &job);
    if (r >= 0)
        r = sd_bus_call_method(bus, MANAGER, MANAGER_PATH, MANAGER ".Manager", "TryRestartUnit", NULL, &reply, "ss", unit, "replace");
    if (r >= 0)
        r = sd_bus_message_read(reply, "o", &path);
    if (r < 0)
        return problem_set(problem, r, "%s cannot be started again: %s", unit, strerror(-r));
    (void)snprintf(job.jobs[0], sizeof(job.jobs[0]), "%s", path);
    r = await_jobs(bus, &job);
    if (r == 0 && job.failed)
        r = -EIO;
    return r < 0 ? problem_set(problem, r, "%s did not start again: 'systemctl status %s' says why", unit, unit) : 0;
}

void instance_stop(const Instance *instance)
{
    _cleanup_bus_ sd_bus *bus = NULL;

    if (manager_open(&bus, NULL) < 0)
        return;
    (void)stop_all(bus, instance);
    (void)manager_call(bus, "", "DisableUnitFiles", NULL, "asb", 1, instance->target, 0);
    (void)reload(bus, NULL);
}
