#include "dbus/bus-objects.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "dbus/bus-internal.h"

/* What a vtable's offsets lead into: filled when sd-bus looks for the object, and read until it looks for the next. */
typedef struct ManagerFound {
    BusManager manager;
} ManagerFound;

typedef struct KeyFound {
    BusObjects *objects;
    uint8_t id[NODE_KEY_ID_SIZE];
    char id_text[BUS_ID_TEXT_SIZE], *id_at;
    BusKey key;
} KeyFound;

#define SLOTS_MAX 8

struct BusObjects {
    sd_bus *bus;
    const BusSource *source;
    void *userdata;
    ManagerFound manager;
    KeyFound key;
    BusCalls calls;
    BusChanges *changes; /* NULL: nobody is told yet */
    sd_bus_slot *slots[SLOTS_MAX];
    size_t n_slots;
};

/* ---- Finding ---- */

static int find_manager(sd_bus *bus, const char *path, const char *interface, void *userdata, void **ret_found, sd_bus_error *error)
{
    BusObjects *objects = userdata;

    if (strcmp(path, BUS_MANAGER_PATH) != 0)
        return 0;
    objects->source->manager(objects->userdata, &objects->manager.manager);
    *ret_found = &objects->manager;
    return 1;
}

static int find_key(sd_bus *bus, const char *path, const char *interface, void *userdata, void **ret_found, sd_bus_error *error)
{
    BusObjects *objects = userdata;
    KeyFound *found = &objects->key;
    int r;

    if (bus_key_from_path(path, found->id) < 0)
        return 0;
    bytes_clear(&found->key.public_key);
    found->key = (BusKey){0};
    r = objects->source->key(objects->userdata, found->id, &found->key);
    if (r <= 0)
        return r;
    hex_encode(found->id, sizeof(found->id), found->id_text);
    found->id_at = found->id_text;
    found->objects = objects;
    *ret_found = found;
    return 1;
}

static size_t count_keys(const BusObjects *objects)
{
    uint8_t id[NODE_KEY_ID_SIZE];
    BusKeyState state;
    size_t n = 0;

    for (bool more = objects->source->next_key(objects->userdata, NULL, id, &state); more;
         more = objects->source->next_key(objects->userdata, id, id, &state))
        n++;
    return n;
}

static void paths_free(char **paths)
{
    for (char **path = paths; path && *path; path++)
        free(*path);
    free(paths);
}

static void paths_freep(char ***paths)
{
    paths_free(*paths);
}

static int list_keys(sd_bus *bus, const char *prefix, void *userdata, char ***ret_paths, sd_bus_error *error)
{
    BusObjects *objects = userdata;
    const size_t n = count_keys(objects);
    _cleanup_(paths_freep) char **paths = calloc(n + 1, sizeof(char *));
    uint8_t id[NODE_KEY_ID_SIZE];
    BusKeyState state;

    if (!paths)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        if (!objects->source->next_key(objects->userdata, i == 0 ? NULL : id, id, &state))
            break;
        paths[i] = malloc(sizeof(BUS_KEY_PATH) + BUS_ID_TEXT_SIZE);
        if (!paths[i])
            return -ENOMEM;
        bus_key_path(id, paths[i]);
    }
    *ret_paths = TAKE_PTR(paths);
    return 0;
}

/* ---- Properties ---- */

static int get_bytes(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply, void *userdata,
                     sd_bus_error *error)
{
    const Bytes *bytes = userdata;

    return sd_bus_message_append_array(reply, 'y', bytes->data, bytes->size);
}

/* ---- Methods ---- */

static int reply_nothing(sd_bus_message *request, const void *output)
{
    return sd_bus_reply_method_return(request, NULL);
}

static int reply_partial(sd_bus_message *request, const void *parameters)
{
    const NodePartialSignOutput *output = parameters;
    sd_bus_message *reply = NULL;
    int r = sd_bus_message_new_method_return(request, &reply);

    if (r >= 0)
        r = sd_bus_message_append_array(reply, 'y', output->partial.data, output->partial.size);
    if (r >= 0)
        r = sd_bus_send(NULL, reply, NULL);
    sd_bus_message_unref(reply);
    return r;
}

static int call_node(KeyFound *found, const BusCallClass *class, sd_bus_message *request, const void *input, sd_bus_error *error)
{
    return bus_calls_add(&found->objects->calls, class, request, input, error);
}

static Bytes id_of(KeyFound *found)
{
    return (Bytes){found->id, sizeof(found->id)};
}

static int on_partial_sign(sd_bus_message *request, void *userdata, sd_bus_error *error)
{
    static const BusCallClass class = {NODE_METHOD("PartialSign"), &node_partial_sign_input, &node_partial_sign_output, reply_partial};
    const char *hash;
    const void *digest;
    size_t size;
    int r = sd_bus_message_read(request, "s", &hash);

    if (r >= 0)
        r = sd_bus_message_read_array(request, 'y', &digest, &size);
    if (r < 0)
        return r;

    const NodePartialSignInput input = {id_of(userdata), (char *)hash, {(uint8_t *)digest, size}};

    return call_node(userdata, &class, request, &input, error);
}

static int on_lock(sd_bus_message *request, void *userdata, sd_bus_error *error)
{
    static const BusCallClass class = {NODE_METHOD("LockKey"), &node_key_input, &node_no_parameters, reply_nothing, .administrative = true};
    const NodeKeyInput input = {id_of(userdata)};

    return call_node(userdata, &class, request, &input, error);
}

static int on_unlock(sd_bus_message *request, void *userdata, sd_bus_error *error)
{
    static const BusCallClass class = {NODE_METHOD("UnlockKey"), &node_unlock_input, &node_no_parameters, reply_nothing,
                                       .administrative = true};
    NodeUnlockInput input = {.key = id_of(userdata)};
    int r = sd_bus_message_read(request, "tt", &input.seconds, &input.count);

    return r < 0 ? r : call_node(userdata, &class, request, &input, error);
}

static int on_destroy(sd_bus_message *request, void *userdata, sd_bus_error *error)
{
    static const BusCallClass class = {NODE_METHOD("DestroyKey"), &node_key_input, &node_no_parameters, reply_nothing,
                                       .administrative = true};
    const NodeKeyInput input = {id_of(userdata)};

    return call_node(userdata, &class, request, &input, error);
}

/* ---- The tables: as in the XML files ---- */

/* clang-format off */

#define CONST   SD_BUS_VTABLE_PROPERTY_CONST
#define CHANGES SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE
#define MANAGER(member) offsetof(ManagerFound, manager.member)
#define KEY(member)     offsetof(KeyFound, key.member)

const sd_bus_vtable bus_manager_vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_PROPERTY("Version",       "s",  NULL,      MANAGER(version),          CONST),
    SD_BUS_PROPERTY("Instance",      "s",  NULL,      MANAGER(instance),         CONST),
    SD_BUS_PROPERTY("Token",         "ay", get_bytes, MANAGER(token),            CHANGES),
    SD_BUS_PROPERTY("Index",         "u",  NULL,      MANAGER(state.index),      CHANGES),
    SD_BUS_PROPERTY("Threshold",     "u",  NULL,      MANAGER(state.threshold),  CHANGES),
    SD_BUS_PROPERTY("Nodes",         "u",  NULL,      MANAGER(state.nodes),      CHANGES),
    SD_BUS_PROPERTY("Custody",       "s",  NULL,      MANAGER(custody),          CONST),
    SD_BUS_PROPERTY("Separation",    "b",  NULL,      MANAGER(separation),       CONST),
    SD_BUS_PROPERTY("KeysActive",    "u",  NULL,      MANAGER(state.active),     CHANGES),
    SD_BUS_PROPERTY("KeysPending",   "u",  NULL,      MANAGER(state.pending),    CHANGES),
    SD_BUS_PROPERTY("KeysUnusable",  "u",  NULL,      MANAGER(state.unusable),   CHANGES),
    SD_BUS_PROPERTY("KeysDestroyed", "u",  NULL,      MANAGER(state.destroyed),  CHANGES),
    SD_BUS_PROPERTY("Signatures",    "t",  NULL,      MANAGER(state.signatures), CHANGES),
    SD_BUS_PROPERTY("LastError",     "s",  NULL,      MANAGER(last_error),       CHANGES),
    SD_BUS_PROPERTY("LastErrorTime", "t",  NULL,      MANAGER(last_error_time),  CHANGES),
    SD_BUS_VTABLE_END,
};

/* As far as sd-bus is concerned: it is the bus's policy that says who may. */
#define ANYBODY SD_BUS_VTABLE_UNPRIVILEGED

const sd_bus_vtable bus_key_vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD_WITH_ARGS("PartialSign", SD_BUS_ARGS("s", hash, "ay", digest), SD_BUS_RESULT("ay", partial), on_partial_sign, ANYBODY),
    SD_BUS_METHOD_WITH_ARGS("Lock", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, on_lock, ANYBODY),
    SD_BUS_METHOD_WITH_ARGS("Unlock", SD_BUS_ARGS("t", seconds, "t", count), SD_BUS_NO_RESULT, on_unlock, ANYBODY),
    SD_BUS_METHOD_WITH_ARGS("Destroy", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, on_destroy, ANYBODY),
    SD_BUS_PROPERTY("Id",              "s",  NULL,      offsetof(KeyFound, id_at),   CONST),
    SD_BUS_PROPERTY("Algorithm",       "s",  NULL,      KEY(algorithm),              CONST),
    SD_BUS_PROPERTY("Bits",            "u",  NULL,      KEY(bits),                   CONST),
    SD_BUS_PROPERTY("Label",           "s",  NULL,      KEY(label),                  CHANGES),
    SD_BUS_PROPERTY("CkaId",           "ay", get_bytes, KEY(cka_id),                 CHANGES),
    SD_BUS_PROPERTY("PublicKey",       "ay", get_bytes, KEY(public_key),             CONST),
    SD_BUS_PROPERTY("Threshold",       "u",  NULL,      KEY(threshold),              CONST),
    SD_BUS_PROPERTY("Nodes",           "u",  NULL,      KEY(nodes),                  CONST),
    SD_BUS_PROPERTY("Index",           "u",  NULL,      KEY(index),                  CONST),
    SD_BUS_PROPERTY("State",           "s",  NULL,      KEY(state_name),             CHANGES),
    SD_BUS_PROPERTY("Reason",          "s",  NULL,      KEY(reason),                 CHANGES),
    SD_BUS_PROPERTY("Custody",         "s",  NULL,      KEY(custody),                CONST),
    SD_BUS_PROPERTY("Locked",          "b",  NULL,      KEY(state.locked),           CHANGES),
    SD_BUS_PROPERTY("Unlocked",        "b",  NULL,      KEY(state.unlocked),         CHANGES),
    SD_BUS_PROPERTY("UnlockedSeconds", "t",  NULL,      KEY(state.unlocked_seconds), 0),
    SD_BUS_PROPERTY("UnlockedCount",   "t",  NULL,      KEY(state.unlocked_count),   CHANGES),
    SD_BUS_PROPERTY("Created",         "t",  NULL,      KEY(created),                CHANGES),
    SD_BUS_PROPERTY("NotAfter",        "t",  NULL,      KEY(not_after),              CHANGES),
    SD_BUS_PROPERTY("SignaturesMade",  "t",  NULL,      KEY(state.signatures),       CHANGES),
    SD_BUS_PROPERTY("LastUsed",        "t",  NULL,      KEY(state.last_used),        CHANGES),
    SD_BUS_VTABLE_END,
};

/* clang-format on */

/* ---- Introspection ---- */

/* Before sd-bus looks at the objects itself. 0: not ours. */
static int on_message(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
    BusObjects *objects = userdata;
    uint8_t id[NODE_KEY_ID_SIZE];
    const char *path = sd_bus_message_get_path(message);
    void *found;

    if (!sd_bus_message_is_method_call(message, "org.freedesktop.DBus.Introspectable", "Introspect") || !path)
        return 0;
    if (strcmp(path, BUS_MANAGER_PATH) == 0)
        return bus_introspection_reply(message, bus_manager_xml, true);
    if (strcmp(path, BUS_LOG_PATH) == 0)
        return bus_introspection_reply(message, bus_log_xml, false);
    if (bus_key_from_path(path, id) < 0 || find_key(objects->bus, path, BUS_KEY_INTERFACE, objects, &found, error) <= 0)
        return 0;
    return bus_introspection_reply(message, bus_key_xml, false);
}

/* ---- All of it ---- */

static sd_bus_slot **next_slot(BusObjects *objects)
{
    return &objects->slots[objects->n_slots++];
}

static int add_objects(BusObjects *objects)
{
    sd_bus *bus = objects->bus;
    int r = sd_bus_add_filter(bus, next_slot(objects), on_message, objects);

    if (r >= 0)
        r = sd_bus_add_fallback_vtable(bus, next_slot(objects), BUS_MANAGER_PATH, BUS_MANAGER_INTERFACE, bus_manager_vtable, find_manager,
                                       objects);
    if (r >= 0)
        r = sd_bus_add_fallback_vtable(bus, next_slot(objects), BUS_KEY_PATH, BUS_KEY_INTERFACE, bus_key_vtable, find_key, objects);
    if (r >= 0)
        r = sd_bus_add_node_enumerator(bus, next_slot(objects), BUS_KEY_PATH, list_keys, objects);
    if (r >= 0)
        r = sd_bus_add_object_manager(bus, next_slot(objects), BUS_MANAGER_PATH);
    if (r >= 0)
        r = sd_bus_add_object_vtable(bus, next_slot(objects), BUS_LOG_PATH, BUS_LOG_INTERFACE, bus_log_vtable, NULL);
    return r < 0 ? r : 0;
}

int bus_objects_new(sd_bus *bus, const BusSource *source, void *userdata, BusObjects **ret_objects)
{
    _cleanup_(bus_objects_freep) BusObjects *objects = calloc(1, sizeof(*objects));
    int r;

    if (!objects)
        return -ENOMEM;
    *objects = (BusObjects){.bus = sd_bus_ref(bus), .source = source, .userdata = userdata};
    objects->calls = (BusCalls){.event = sd_bus_get_event(bus), .source = source, .userdata = userdata};
    r = add_objects(objects);
    if (r == 0)
        *ret_objects = TAKE_PTR(objects);
    return r;
}

BusObjects *bus_objects_free(BusObjects *objects)
{
    if (!objects)
        return NULL;
    bus_calls_finish(&objects->calls);
    bus_changes_freep(&objects->changes);
    for (size_t i = 0; i < objects->n_slots; i++)
        sd_bus_slot_unref(objects->slots[i]);
    bytes_clear(&objects->key.key.public_key);
    sd_bus_unref(objects->bus);
    free(objects);
    return NULL;
}

int bus_objects_announce(BusObjects *objects)
{
    return objects->changes ? 0 : bus_changes_new(objects->bus, objects->source, objects->userdata, &objects->changes);
}

void bus_objects_changed(BusObjects *objects)
{
    if (objects->changes)
        bus_changes_look(objects->changes);
}

void bus_objects_counted(BusObjects *objects)
{
    if (objects->changes)
        bus_changes_count(objects->changes);
}
