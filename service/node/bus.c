#include "node/bus.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/journal.h"
#include "dbus/bus-connection.h"
#include "node/node.h"

/* ---- What the node knows ------------------------------------------------------------------------------------------------------ */

static void fill_manager(void *userdata, BusManager *ret_manager)
{
    const Node *node = userdata;
    const StoredToken *token = &node->token;
    uint64_t counts[KEY_STATE_MAX];

    keys_count(&node->keys, counts);
    *ret_manager = (BusManager){
        .version = KEYQUORUM_VERSION,
        .instance = node->config.name,
        .custody = node->config.custody,
        .separation = node->config.separation,
        .token = token->token,
        .last_error = node->last_error.text,
        .last_error_time = node->last_error_time,
        .state =
            {
                .index = (uint32_t)token->index,
                .threshold = (uint32_t)token->k,
                .nodes = (uint32_t)token->n,
                .active = (uint32_t)counts[KEY_ACTIVE],
                .pending = (uint32_t)counts[KEY_PENDING],
                .unusable = (uint32_t)counts[KEY_UNUSABLE],
                .destroyed = (uint32_t)counts[KEY_DESTROYED],
                .signatures = node->signatures,
                .errors = node->errors,
            },
    };
}

/* What is left, in seconds begun, so that it is 0 only when nothing is. */
static uint64_t seconds_left(const LockWindow *window, Microseconds now)
{
    return window->until == MICROSECONDS_FOREVER ? 0 : (window->until - now + MICROSECONDS_PER_SECOND - 1) / MICROSECONDS_PER_SECOND;
}

static BusKeyState state_of(const Key *key)
{
    const Microseconds now = lock_now();
    const bool unlocked = key->stored.locked && lock_window_is_open(&key->window, now);

    return (BusKeyState){
        .version = key->stored.record.version,
        .state = (uint32_t)key_state(key),
        .locked = key->stored.locked,
        .unlocked = unlocked,
        .unlocked_seconds = unlocked ? seconds_left(&key->window, now) : 0,
        .unlocked_count = unlocked && key->window.left != UINT64_MAX ? key->window.left : 0,
        .signatures = key->signatures,
        .last_used = key->last_used,
    };
}

/* Of a share that is damaged there is nothing to tell. */
static int fill_header(const Key *key, BusKey *bus_key)
{
    _cleanup_header_ Header header = {0};

    if (key->stored.common.size == 0 || header_decode(&key->stored.common, &header, NULL) < 0)
        return 0;

    const Scheme *scheme = threshold_scheme_by_algorithm(header.parameters.algorithm);

    bus_key->algorithm = threshold_scheme_name(scheme);
    bus_key->bits = header.parameters.bits;
    bus_key->threshold = header.parameters.k;
    bus_key->nodes = header.parameters.n;
    bus_key->custody = custody_name(header.custody);
    return threshold_scheme_public_info(scheme, &header.public_key, &bus_key->public_key);
}

static int fill_key(void *userdata, const uint8_t id[NODE_KEY_ID_SIZE], BusKey *ret_key)
{
    const Node *node = userdata;
    KeyId key_id;

    memcpy(key_id.bytes, id, sizeof(key_id.bytes));

    const Key *key = keys_find(&node->keys, &key_id);

    if (!key || key->stored.destroyed)
        return 0;

    BusKey bus_key = {
        .label = key->stored.record.private_label,
        .cka_id = key->stored.record.private_id,
        .created = key->stored.record.created,
        .not_after = key->stored.record.not_after,
        .index = (uint32_t)node->token.index,
        .state_name = key_state_name(key_state(key)),
        .reason = key->stored.damage,
        .state = state_of(key),
    };
    int r = fill_header(key, &bus_key);

    if (r < 0)
        return r;
    *ret_key = bus_key;
    return 1;
}

static bool next_key(void *userdata, const uint8_t *after, uint8_t ret_id[NODE_KEY_ID_SIZE], BusKeyState *ret_state)
{
    const Keys *keys = &((const Node *)userdata)->keys;
    KeyId id;

    if (after)
        memcpy(id.bytes, after, sizeof(id.bytes));
    for (size_t at = keys_after(keys, after ? &id : NULL); at < keys->n; at++) {
        const Key *key = keys->items[at];

        if (key->stored.destroyed)
            continue;
        memcpy(ret_id, key->stored.id.bytes, NODE_KEY_ID_SIZE);
        *ret_state = state_of(key);
        return true;
    }
    return false;
}

/* What comes through here is treated as what comes through any other door. */
static int connect_node(void *userdata, int *ret_fd)
{
    Node *node = userdata;
    int fds[2], r;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
        return -errno;
    r = server_add(node->server, fds[0], door_listener(DOOR_BUS));
    if (r < 0) {
        (void)close(fds[0]);
        (void)close(fds[1]);
        return r;
    }
    *ret_fd = fds[1];
    return 0;
}

static void tell(void *userdata, int priority, const char *text)
{
    journal_log(priority, "%s", text);
}

static const BusSource source = {.manager = fill_manager, .key = fill_key, .next_key = next_key, .connect = connect_node};

/* ---- The outside --------------------------------------------------------------------------------------------------------------- */

int bus_open(Node *node, const char *address, Problem *problem)
{
    const bool system = strcmp(address, BUS_SYSTEM) == 0;
    const BusOptions options = {
        .address = system ? NULL : address, .instance = node->config.name, .source = &source, .userdata = node, .tell = tell};
    int r;

    if (strcmp(address, BUS_NONE) == 0)
        return 0;
    if (!system && !strchr(address, ':'))
        return problem_set(problem, -EINVAL, "--bus=%s is neither no nor system nor the address of a bus, such as unix:path=/run/bus",
                           address);
    r = bus_connection_new(node->event, &options, &node->bus);
    return r < 0 ? problem_set(problem, r, "no connection to D-Bus can be made: %s", strerror(-r)) : 0;
}

void bus_close(Node *node)
{
    if (node->bus)
        node->bus = bus_connection_free(node->bus);
}

void bus_changed(Node *node)
{
    if (node->bus)
        bus_connection_changed(node->bus);
}

void bus_counted(Node *node)
{
    if (node->bus)
        bus_connection_counted(node->bus);
}

void bus_error(Node *node, const char *text)
{
    (void)problem_set(&node->last_error, 0, "%s", text);
    node->last_error_time = (uint64_t)time(NULL);
    node->errors++;
    bus_counted(node);
}
