#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "dbus/bus-internal.h"

/* How often counters are told at most. */
#define COUNTERS_EVERY MICROSECONDS_PER_SECOND

/* A property is told when these bytes of the state have changed. */
typedef struct Watch {
    const char *property;
    size_t offset, size;
    bool counter;
} Watch;

#define WATCH(structure, member, name)                                                                                                     \
    {                                                                                                                                      \
        name, offsetof(structure, member), sizeof(((structure *)NULL)->member), false                                                      \
    }
#define COUNTER(structure, member, name)                                                                                                   \
    {                                                                                                                                      \
        name, offsetof(structure, member), sizeof(((structure *)NULL)->member), true                                                       \
    }

static const Watch manager_watches[] = {
    WATCH(BusManagerState, index, "Token"),
    WATCH(BusManagerState, index, "Index"),
    WATCH(BusManagerState, threshold, "Threshold"),
    WATCH(BusManagerState, nodes, "Nodes"),
    WATCH(BusManagerState, active, "KeysActive"),
    WATCH(BusManagerState, pending, "KeysPending"),
    WATCH(BusManagerState, unusable, "KeysUnusable"),
    WATCH(BusManagerState, destroyed, "KeysDestroyed"),
    COUNTER(BusManagerState, signatures, "Signatures"),
    COUNTER(BusManagerState, errors, "LastError"),
    COUNTER(BusManagerState, errors, "LastErrorTime"),
};

static const Watch key_watches[] = {
    WATCH(BusKeyState, version, "Label"),
    WATCH(BusKeyState, version, "CkaId"),
    WATCH(BusKeyState, version, "Created"),
    WATCH(BusKeyState, version, "NotAfter"),
    WATCH(BusKeyState, state, "State"),
    WATCH(BusKeyState, state, "Reason"),
    WATCH(BusKeyState, locked, "Locked"),
    WATCH(BusKeyState, unlocked, "Unlocked"),
    COUNTER(BusKeyState, unlocked_count, "UnlockedCount"),
    COUNTER(BusKeyState, signatures, "SignaturesMade"),
    COUNTER(BusKeyState, last_used, "LastUsed"),
};

#define WATCHES_MAX (ELEMENTS(manager_watches) + ELEMENTS(key_watches))

typedef struct Told {
    uint8_t id[NODE_KEY_ID_SIZE];
    BusKeyState state;
} Told;

typedef struct ToldKeys {
    Told *items; /* ascending by id */
    size_t n, room;
} ToldKeys;

struct BusChanges {
    sd_bus *bus;
    const BusSource *source;
    void *userdata;
    BusManagerState manager;
    ToldKeys keys;
    sd_event_source *look; /* the next look, by CLOCK_BOOTTIME as unlocking is */
    Microseconds look_at;
    Microseconds counters_told;
};

/* ---- Time ---- */

static Microseconds now_boottime(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_BOOTTIME, &now);
    return (Microseconds)now.tv_sec * MICROSECONDS_PER_SECOND + (Microseconds)now.tv_nsec / 1000;
}

/* Look then, unless it will be looked at before. */
static void look_by(BusChanges *changes, Microseconds at)
{
    if (at >= changes->look_at)
        return;
    changes->look_at = at;
    (void)sd_event_source_set_time(changes->look, at);
    (void)sd_event_source_set_enabled(changes->look, SD_EVENT_ONESHOT);
}

/* ---- What is told ---- */

/* The names of the properties that differ, ended by NULL; returns whether there are any. What they depend on is copied. */
static bool update(const Watch *watches, size_t n, bool counters, void *told, const void *now, char *ret_names[WATCHES_MAX + 1])
{
    size_t found = 0;

    for (size_t i = 0; i < n; i++) {
        const Watch *watch = &watches[i];

        if ((counters || !watch->counter) && memcmp((char *)told + watch->offset, (const char *)now + watch->offset, watch->size) != 0)
            ret_names[found++] = (char *)watch->property;
    }
    ret_names[found] = NULL;
    for (size_t i = 0; i < n; i++)
        if (counters || !watches[i].counter)
            memcpy((char *)told + watches[i].offset, (const char *)now + watches[i].offset, watches[i].size);
    return found > 0;
}

/* A signal that cannot be sent is lost with the connection, and whoever comes back reads everything anew. */
static void tell_manager(BusChanges *changes, bool counters)
{
    char *names[WATCHES_MAX + 1];
    BusManager manager = {0};

    changes->source->manager(changes->userdata, &manager);
    if (update(manager_watches, ELEMENTS(manager_watches), counters, &changes->manager, &manager.state, names))
        (void)sd_bus_emit_properties_changed_strv(changes->bus, BUS_MANAGER_PATH, BUS_MANAGER_INTERFACE, names);
}

static void tell_key(BusChanges *changes, bool counters, Told *told, const BusKeyState *now)
{
    char path[sizeof(BUS_KEY_PATH) + BUS_ID_TEXT_SIZE], *names[WATCHES_MAX + 1];

    if (!update(key_watches, ELEMENTS(key_watches), counters, &told->state, now, names))
        return;
    bus_key_path(told->id, path);
    (void)sd_bus_emit_properties_changed_strv(changes->bus, path, BUS_KEY_INTERFACE, names);
}

static void tell_added(BusChanges *changes, const uint8_t id[NODE_KEY_ID_SIZE])
{
    char path[sizeof(BUS_KEY_PATH) + BUS_ID_TEXT_SIZE];

    bus_key_path(id, path);
    (void)sd_bus_emit_interfaces_added(changes->bus, path, BUS_KEY_INTERFACE, NULL);
}

static void tell_removed(BusChanges *changes, const uint8_t id[NODE_KEY_ID_SIZE])
{
    char path[sizeof(BUS_KEY_PATH) + BUS_ID_TEXT_SIZE];

    bus_key_path(id, path);
    (void)sd_bus_emit_interfaces_removed(changes->bus, path, BUS_KEY_INTERFACE, NULL);
}

/* ---- Comparing ---- */

static int append(ToldKeys *keys, const Told *told)
{
    if (keys->n == keys->room) {
        size_t room = keys->room ? 2 * keys->room : 64;
        Told *items = reallocarray(keys->items, room, sizeof(Told));

        if (!items)
            return -ENOMEM;
        keys->items = items;
        keys->room = room;
    }
    keys->items[keys->n++] = *told;
    return 0;
}

/* Both lists are in the order of the ids: what was told, and what is; `at` is where we are in the first. */
static void tell_removed_before(BusChanges *changes, size_t *at, const uint8_t *id)
{
    for (; *at < changes->keys.n; ++*at) {
        const uint8_t *told = changes->keys.items[*at].id;

        if (id && memcmp(told, id, NODE_KEY_ID_SIZE) >= 0)
            return;
        tell_removed(changes, told);
    }
}

/* An open window closes by itself. */
static void look_when_closed(BusChanges *changes, const BusKeyState *state)
{
    if (state->unlocked && state->unlocked_seconds > 0)
        look_by(changes, now_boottime() + state->unlocked_seconds * MICROSECONDS_PER_SECOND);
}

static int tell_keys(BusChanges *changes, bool counters)
{
    ToldKeys now = {0};
    Told key;
    size_t at = 0;
    int r = 0;

    for (bool more = changes->source->next_key(changes->userdata, NULL, key.id, &key.state); more && r == 0;
         more = changes->source->next_key(changes->userdata, key.id, key.id, &key.state)) {
        Told told = key;

        tell_removed_before(changes, &at, key.id);
        if (at < changes->keys.n && memcmp(changes->keys.items[at].id, key.id, NODE_KEY_ID_SIZE) == 0) {
            told.state = changes->keys.items[at++].state;
            tell_key(changes, counters, &told, &key.state);
        } else {
            tell_added(changes, key.id);
        }
        look_when_closed(changes, &key.state);
        r = append(&now, &told);
    }
    if (r == 0)
        tell_removed_before(changes, &at, NULL);
    free(changes->keys.items);
    changes->keys = now;
    return r;
}

static int on_look(sd_event_source *source, uint64_t scheduled, void *userdata)
{
    BusChanges *changes = userdata;
    const Microseconds now = now_boottime();
    const bool counters = now >= changes->counters_told + COUNTERS_EVERY;

    changes->look_at = MICROSECONDS_FOREVER;
    if (counters)
        changes->counters_told = now;
    else
        look_by(changes, changes->counters_told + COUNTERS_EVERY);
    tell_manager(changes, counters);
    /* Without memory some keys count as never told: they are told again. */
    (void)tell_keys(changes, counters);
    return 0;
}

/* ---- The outside ---- */

void bus_changes_look(BusChanges *changes)
{
    look_by(changes, now_boottime());
}

void bus_changes_count(BusChanges *changes)
{
    look_by(changes, changes->counters_told + COUNTERS_EVERY);
}

/* What is there now needs no telling: nobody has known us before. */
static int take_stock(BusChanges *changes)
{
    BusManager manager = {0};
    Told key;
    int r = 0;

    changes->source->manager(changes->userdata, &manager);
    changes->manager = manager.state;
    for (bool more = changes->source->next_key(changes->userdata, NULL, key.id, &key.state); more && r == 0;
         more = changes->source->next_key(changes->userdata, key.id, key.id, &key.state)) {
        look_when_closed(changes, &key.state);
        r = append(&changes->keys, &key);
    }
    return r;
}

int bus_changes_new(sd_bus *bus, const BusSource *source, void *userdata, BusChanges **ret_changes)
{
    _cleanup_(bus_changes_freep) BusChanges *changes = calloc(1, sizeof(*changes));
    int r;

    if (!changes)
        return -ENOMEM;
    *changes = (BusChanges){.bus = bus, .source = source, .userdata = userdata, .look_at = MICROSECONDS_FOREVER};
    r = sd_event_add_time(sd_bus_get_event(bus), &changes->look, CLOCK_BOOTTIME, UINT64_MAX, MICROSECONDS_PER_MILLISECOND, on_look,
                          changes);
    if (r >= 0)
        r = sd_event_source_set_enabled(changes->look, SD_EVENT_OFF);
    if (r >= 0)
        r = take_stock(changes);
    if (r < 0)
        return r;
    *ret_changes = TAKE_PTR(changes);
    return 0;
}

BusChanges *bus_changes_free(BusChanges *changes)
{
    if (!changes)
        return NULL;
    sd_event_source_disable_unref(changes->look);
    free(changes->keys.items);
    free(changes);
    return NULL;
}
