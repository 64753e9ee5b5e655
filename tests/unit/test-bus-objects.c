/* The objects of a node that is none: two ends of a D-Bus connection, and a varlink server behind one of them, on one event loop. */
#include "unit.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "dbus/bus-internal.h"
#include "wire/server.h"

#define KEYS_MAX  4
#define LATER_MAX 40
#define ID_OF_1   "0101010101010101010101010101010101010101010101010101010101010101"
#define KEY_1     BUS_KEY_PATH "/" ID_OF_1
#define TIMEOUT   (30 * MICROSECONDS_PER_SECOND)

/* ---- The node ---- */

typedef struct FakeNode {
    sd_event *event;
    Server *server;
    BusManagerState manager;
    BusKeyState keys[KEYS_MAX]; /* key i has i + 1 in every byte of its id */
    bool there[KEYS_MAX];
    ServerCall *later[LATER_MAX];
    unsigned n_later;
    bool stops, signs_later;
} FakeNode;

static void fake_manager(void *userdata, BusManager *ret_manager)
{
    const FakeNode *node = userdata;

    *ret_manager = (BusManager){.version = "1.2", .instance = "alpha", .custody = "kernel", .separation = 1, .state = node->manager};
}

static int fake_key(void *userdata, const uint8_t id[NODE_KEY_ID_SIZE], BusKey *ret_key)
{
    const FakeNode *node = userdata;
    BusKey key = {.algorithm = "rsa", .label = "ksk", .state_name = "active", .bits = 3072, .cka_id = {(uint8_t *)"\1\2", 2}};
    const unsigned i = id[0] - 1u;

    if (i >= KEYS_MAX || !node->there[i])
        return 0;
    key.state = node->keys[i];
    if (bytes_copy("der", 3, &key.public_key) < 0)
        return -ENOMEM;
    *ret_key = key;
    return 1;
}

static bool fake_next_key(void *userdata, const uint8_t *after, uint8_t ret_id[NODE_KEY_ID_SIZE], BusKeyState *ret_state)
{
    const FakeNode *node = userdata;

    for (unsigned i = after ? after[0] : 0; i < KEYS_MAX; i++)
        if (node->there[i]) {
            memset(ret_id, (int)i + 1, NODE_KEY_ID_SIZE);
            *ret_state = node->keys[i];
            return true;
        }
    return false;
}

static int fake_connect(void *userdata, int *ret_fd)
{
    FakeNode *node = userdata;
    int fds[2];

    if (node->stops)
        return -ESHUTDOWN;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    ck_assert_int_eq(server_add(node->server, fds[0], NULL), 0);
    *ret_fd = fds[1];
    return 0;
}

static const BusSource source = {.manager = fake_manager, .key = fake_key, .next_key = fake_next_key, .connect = fake_connect};

/* It is answered when the test wants it to be. */
static int keep(FakeNode *node, ServerCall *call)
{
    ck_assert_uint_lt(node->n_later, LATER_MAX);
    node->later[node->n_later++] = call;
    return 0;
}

static int serve_sign(ServerCall *call, void *parameters, void *userdata)
{
    FakeNode *node = userdata;
    const NodePartialSignInput *input = parameters;
    const NodePartialSignOutput output = {input->digest};

    ck_assert_uint_eq(input->key.data[31], 1);
    if (node->signs_later)
        return keep(node, call);
    return strcmp(input->hash, "sha256") == 0 ? server_call_reply(call, &output) : server_call_invalid(call, "hash");
}

static int serve_lock(ServerCall *call, void *parameters, void *userdata)
{
    const NodeErrorDetail detail = {.reason = (char *)"it is full moon"};

    return server_call_error(call, NODE_ERROR("KeyUnusable"), &node_error_detail, &detail);
}

static int serve_unlock(ServerCall *call, void *parameters, void *userdata)
{
    const NodeUnlockInput *input = parameters;

    ck_assert_uint_eq(input->seconds, 60);
    ck_assert_uint_eq(input->count, 3);
    ck_assert(!input->permanently);
    return server_call_reply(call, NULL);
}

static int serve_destroy(ServerCall *call, void *parameters, void *userdata)
{
    return keep(userdata, call);
}

static void start_node(FakeNode *node)
{
    static const ServerMethod methods[] = {
        {"PartialSign", &node_partial_sign_input, &node_partial_sign_output, serve_sign},
        {"LockKey", &node_key_input, &node_no_parameters, serve_lock},
        {"UnlockKey", &node_unlock_input, &node_no_parameters, serve_unlock},
        {"DestroyKey", &node_key_input, &node_no_parameters, serve_destroy},
        {NULL},
    };
    static const ServerInterface interface = {NODE_INTERFACE, node_interface_description, methods};
    static const ServerInterface *const interfaces[] = {&interface, NULL};
    const ServerOptions options = {"", "", "", "", interfaces, {100, 100, MICROSECONDS_FOREVER}, .userdata = node};

    ck_assert_int_ge(sd_event_new(&node->event), 0);
    ck_assert_int_eq(server_new(node->event, &options, &node->server), 0);
    node->there[0] = true;
}

/* ---- Both ends ---- */

typedef struct Fixture {
    FakeNode node;
    sd_bus *bus, *client;
    BusObjects *objects;
} Fixture;

static sd_bus *start_end(sd_event *event, int fd, bool server)
{
    sd_bus *bus = NULL;
    sd_id128_t id = SD_ID128_MAKE(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16);

    ck_assert_int_ge(sd_bus_new(&bus), 0);
    ck_assert_int_ge(sd_bus_set_fd(bus, fd, fd), 0);
    if (server)
        ck_assert_int_ge(sd_bus_set_server(bus, 1, id), 0);
    ck_assert_int_ge(sd_bus_start(bus), 0);
    ck_assert_int_ge(sd_bus_attach_event(bus, event, 0), 0);
    return bus;
}

static void start(Fixture *fixture)
{
    int fds[2];

    start_node(&fixture->node);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    fixture->bus = start_end(fixture->node.event, fds[0], true);
    fixture->client = start_end(fixture->node.event, fds[1], false);
    ck_assert_int_eq(bus_objects_new(fixture->bus, &source, &fixture->node, &fixture->objects), 0);
}

static void stop(Fixture *fixture)
{
    bus_objects_freep(&fixture->objects);
    sd_bus_close_unref(fixture->client);
    sd_bus_close_unref(fixture->bus);
    server_freep(&fixture->node.server);
    sd_event_unref(fixture->node.event);
}

#define _cleanup_fixture_ _cleanup_(stop)

static void turn(const Fixture *fixture, uint64_t timeout)
{
    ck_assert_int_ge(sd_event_run(fixture->node.event, timeout), 0);
}

/* An answer: its error's name or "", and itself. */
typedef struct Answer {
    sd_bus_message *message;
    const char *error, *words;
} Answer;

static int on_answer(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
    Answer *answer = userdata;
    const sd_bus_error *refusal = sd_bus_message_get_error(message);

    *answer = (Answer){sd_bus_message_ref(message), refusal ? refusal->name : "", refusal ? refusal->message : ""};
    return 0;
}

static sd_bus_message *request_to(const Fixture *fixture, const char *path, const char *interface, const char *method)
{
    sd_bus_message *request = NULL;

    ck_assert_int_ge(sd_bus_message_new_method_call(fixture->client, &request, NULL, path, interface, method), 0);
    return request;
}

static void send_request(const Fixture *fixture, sd_bus_message *request, Answer *answer)
{
    ck_assert_int_ge(sd_bus_call_async(fixture->client, NULL, request, on_answer, answer, TIMEOUT), 0);
    sd_bus_message_unref(request);
}

static Answer call(const Fixture *fixture, sd_bus_message *request)
{
    Answer answer = {0};

    send_request(fixture, request, &answer);
    while (!answer.message)
        turn(fixture, UINT64_MAX);
    return answer;
}

static void answer_clear(Answer *answer)
{
    sd_bus_message_unref(answer->message);
}

#define _cleanup_answer_ _cleanup_(answer_clear)

static Answer call_key(const Fixture *fixture, const char *method)
{
    return call(fixture, request_to(fixture, KEY_1, BUS_KEY_INTERFACE, method));
}

static sd_bus_message *sign_request(const Fixture *fixture, const char *hash, size_t size)
{
    sd_bus_message *request = request_to(fixture, KEY_1, BUS_KEY_INTERFACE, "PartialSign");
    static const uint8_t digest[NODE_DIGEST_SIZE_MAX + 1] = {5, 6, 7};

    ck_assert_int_ge(sd_bus_message_append(request, "s", hash), 0);
    ck_assert_int_ge(sd_bus_message_append_array(request, 'y', digest, size), 0);
    return request;
}

static Answer call_sign(const Fixture *fixture, const char *hash, size_t size)
{
    return call(fixture, sign_request(fixture, hash, size));
}

static Answer get_property(const Fixture *fixture, const char *path, const char *interface, const char *name)
{
    sd_bus_message *request = request_to(fixture, path, "org.freedesktop.DBus.Properties", "Get");

    ck_assert_int_ge(sd_bus_message_append(request, "ss", interface, name), 0);
    return call(fixture, request);
}

/* ---- Reading ---- */

START_TEST(objects_are_found)
{
    _cleanup_fixture_ Fixture fixture = {0};
    const char *text;
    uint32_t number;

    start(&fixture);
    fixture.node.manager.active = 7;

    _cleanup_answer_ Answer instance = get_property(&fixture, BUS_MANAGER_PATH, BUS_MANAGER_INTERFACE, "Instance");
    _cleanup_answer_ Answer active = get_property(&fixture, BUS_MANAGER_PATH, BUS_MANAGER_INTERFACE, "KeysActive");
    _cleanup_answer_ Answer id = get_property(&fixture, KEY_1, BUS_KEY_INTERFACE, "Id");
    _cleanup_answer_ Answer bits = get_property(&fixture, KEY_1, BUS_KEY_INTERFACE, "Bits");

    ck_assert_int_ge(sd_bus_message_read(instance.message, "v", "s", &text), 0);
    ck_assert_str_eq(text, "alpha");
    ck_assert_int_ge(sd_bus_message_read(active.message, "v", "u", &number), 0);
    ck_assert_uint_eq(number, 7);
    ck_assert_int_ge(sd_bus_message_read(id.message, "v", "s", &text), 0);
    ck_assert_str_eq(text, ID_OF_1);
    ck_assert_int_ge(sd_bus_message_read(bits.message, "v", "u", &number), 0);
    ck_assert_uint_eq(number, 3072);
}
END_TEST

static const char *const no_keys[] = {
    BUS_KEY_PATH,
    BUS_KEY_PATH "/01",
    BUS_KEY_PATH "/0101010101010101010101010101010101010101010101010101010101010101/x",
    BUS_KEY_PATH "/01010101010101010101010101010101010101010101010101010101010101010",
    BUS_KEY_PATH "/ABababababababababababababababababababababababababababababababab",
    BUS_KEY_PATH "/0202020202020202020202020202020202020202020202020202020202020202",
    BUS_KEY_PATH "/ff02020202020202020202020202020202020202020202020202020202020202",
};

START_TEST(what_is_no_key_is_not_found)
{
    _cleanup_fixture_ Fixture fixture = {0};

    start(&fixture);

    _cleanup_answer_ Answer lock = call(&fixture, request_to(&fixture, no_keys[_i], BUS_KEY_INTERFACE, "Lock"));
    _cleanup_answer_ Answer label = get_property(&fixture, no_keys[_i], BUS_KEY_INTERFACE, "Label");

    ck_assert_msg(strcmp(lock.error, SD_BUS_ERROR_UNKNOWN_OBJECT) == 0 || strcmp(lock.error, SD_BUS_ERROR_UNKNOWN_METHOD) == 0, "%s",
                  lock.error);
    ck_assert_str_ne(label.error, "");
}
END_TEST

START_TEST(all_objects_are_listed)
{
    _cleanup_fixture_ Fixture fixture = {0};
    unsigned keys = 0;

    start(&fixture);
    fixture.node.there[2] = true;

    _cleanup_answer_ Answer answer =
        call(&fixture, request_to(&fixture, BUS_MANAGER_PATH, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects"));
    const char *path;

    ck_assert_str_eq(answer.error, "");
    ck_assert_int_ge(sd_bus_message_enter_container(answer.message, 'a', "{oa{sa{sv}}}"), 0);
    while (sd_bus_message_enter_container(answer.message, 'e', "oa{sa{sv}}") > 0) {
        ck_assert_int_ge(sd_bus_message_read(answer.message, "o", &path), 0);
        keys += strncmp(path, BUS_KEY_PATH "/", sizeof(BUS_KEY_PATH)) == 0 && strlen(path) == sizeof(KEY_1) - 1;
        ck_assert_int_ge(sd_bus_message_skip(answer.message, "a{sa{sv}}"), 0);
        ck_assert_int_ge(sd_bus_message_exit_container(answer.message), 0);
    }
    ck_assert_uint_eq(keys, 2);
}
END_TEST

static const struct {
    const char *path, *member, *xml;
} descriptions[] = {
    {BUS_MANAGER_PATH, "KeysActive", bus_manager_xml},
    {KEY_1, "UnlockedSeconds", bus_key_xml},
    {BUS_LOG_PATH, "LogLevel", bus_log_xml},
};

START_TEST(introspection_has_the_words)
{
    _cleanup_fixture_ Fixture fixture = {0};
    const char *text;

    start(&fixture);

    _cleanup_answer_ Answer answer =
        call(&fixture, request_to(&fixture, descriptions[_i].path, "org.freedesktop.DBus.Introspectable", "Introspect"));

    ck_assert_int_ge(sd_bus_message_read(answer.message, "s", &text), 0);

    const char *member = strstr(text, descriptions[_i].member), *start_of = strstr(descriptions[_i].xml, "  <interface");
    _cleanup_free_ char *interface = strndup(start_of, (size_t)(strstr(start_of, "</node>") - start_of));

    ck_assert_ptr_nonnull(member);
    ck_assert_ptr_nonnull(strstr(member, "org.gtk.GDBus.DocString"));
    ck_assert_ptr_nonnull(strstr(text, interface));
    ck_assert_ptr_nonnull(strstr(text, "org.freedesktop.DBus.Peer"));
    ck_assert_int_eq(strstr(text, "org.freedesktop.DBus.ObjectManager") != NULL, _i == 0);
}
END_TEST

/* ---- Methods ---- */

START_TEST(methods_reach_the_node)
{
    _cleanup_fixture_ Fixture fixture = {0};
    const void *partial;
    size_t size;

    start(&fixture);

    _cleanup_answer_ Answer sign = call_sign(&fixture, "sha256", 32);
    sd_bus_message *request = request_to(&fixture, KEY_1, BUS_KEY_INTERFACE, "Unlock");

    ck_assert_str_eq(sign.error, "");
    ck_assert_int_ge(sd_bus_message_read_array(sign.message, 'y', &partial, &size), 0);
    ck_assert_uint_eq(size, 32);
    ck_assert_mem_eq(partial, "\5\6\7", 3);
    ck_assert_int_ge(sd_bus_message_append(request, "tt", (uint64_t)60, (uint64_t)3), 0);

    _cleanup_answer_ Answer unlock = call(&fixture, request);

    ck_assert_str_eq(unlock.error, "");
}
END_TEST

START_TEST(errors_have_name_and_reason)
{
    _cleanup_fixture_ Fixture fixture = {0};

    start(&fixture);

    _cleanup_answer_ Answer lock = call_key(&fixture, "Lock");
    _cleanup_answer_ Answer hash = call_sign(&fixture, "sha3", 32), empty = call_sign(&fixture, "sha256", 0);
    _cleanup_answer_ Answer large = call_sign(&fixture, "sha256", NODE_DIGEST_SIZE_MAX + 1);

    ck_assert_str_eq(lock.error, "org.keyquorum.Node1.Error.KeyUnusable");
    ck_assert_str_eq(lock.words, "it is full moon");
    ck_assert_str_eq(hash.error, SD_BUS_ERROR_INVALID_ARGS);
    ck_assert_ptr_nonnull(strstr(hash.words, "hash"));
    ck_assert_str_eq(empty.error, SD_BUS_ERROR_INVALID_ARGS);
    ck_assert_str_eq(large.error, SD_BUS_ERROR_INVALID_ARGS);
    fixture.node.stops = true;

    _cleanup_answer_ Answer late = call_key(&fixture, "Lock");

    ck_assert_str_eq(late.error, BUS_ERROR("Unavailable"));
}
END_TEST

START_TEST(calls_do_not_wait_for_each_other)
{
    _cleanup_fixture_ Fixture fixture = {0};
    Answer slow = {0};

    start(&fixture);
    send_request(&fixture, request_to(&fixture, KEY_1, BUS_KEY_INTERFACE, "Destroy"), &slow);
    while (fixture.node.n_later == 0)
        turn(&fixture, UINT64_MAX);

    _cleanup_answer_ Answer sign = call_sign(&fixture, "sha256", 32);

    ck_assert_str_eq(sign.error, "");
    ck_assert_ptr_null(slow.message);
    ck_assert_int_eq(server_call_reply(fixture.node.later[0], NULL), 0);
    while (!slow.message)
        turn(&fixture, UINT64_MAX);
    ck_assert_str_eq(slow.error, "");
    answer_clear(&slow);
}
END_TEST

START_TEST(calls_in_hand_are_limited)
{
    _cleanup_fixture_ Fixture fixture = {0};
    Answer slow[BUS_CALLS_MAX] = {0};

    start(&fixture);
    for (size_t i = 0; i < ELEMENTS(slow); i++)
        send_request(&fixture, request_to(&fixture, KEY_1, BUS_KEY_INTERFACE, "Destroy"), &slow[i]);
    while (fixture.node.n_later < ELEMENTS(slow))
        turn(&fixture, UINT64_MAX);

    _cleanup_answer_ Answer more = call_key(&fixture, "Destroy");

    ck_assert_str_eq(more.error, SD_BUS_ERROR_LIMITS_EXCEEDED);
    for (size_t i = 0; i < ELEMENTS(slow); i++)
        ck_assert_int_eq(server_call_reply(fixture.node.later[i], NULL), 0);
    for (size_t i = 0; i < ELEMENTS(slow); i++) {
        while (!slow[i].message)
            turn(&fixture, UINT64_MAX);
        answer_clear(&slow[i]);
    }
}
END_TEST

/* However much is signed, a key can be locked. */
START_TEST(who_signs_leaves_room_for_administrators)
{
    enum { SIGNERS = BUS_CALLS_MAX - BUS_CALLS_KEPT };

    _cleanup_fixture_ Fixture fixture = {0};
    Answer slow[BUS_CALLS_MAX] = {0};

    start(&fixture);
    fixture.node.signs_later = true;
    for (size_t i = 0; i < SIGNERS; i++)
        send_request(&fixture, sign_request(&fixture, "sha256", 32), &slow[i]);
    while (fixture.node.n_later < SIGNERS)
        turn(&fixture, UINT64_MAX);

    _cleanup_answer_ Answer more = call_sign(&fixture, "sha256", 32), lock = call_key(&fixture, "Lock");

    ck_assert_str_eq(more.error, SD_BUS_ERROR_LIMITS_EXCEEDED);
    ck_assert_str_eq(lock.error, BUS_ERROR("KeyUnusable")); /* the node's own answer */
    for (size_t i = SIGNERS; i < BUS_CALLS_MAX; i++)
        send_request(&fixture, request_to(&fixture, KEY_1, BUS_KEY_INTERFACE, "Destroy"), &slow[i]);
    while (fixture.node.n_later < BUS_CALLS_MAX)
        turn(&fixture, UINT64_MAX);

    _cleanup_answer_ Answer one_more = call_key(&fixture, "Lock");

    ck_assert_str_eq(one_more.error, SD_BUS_ERROR_LIMITS_EXCEEDED);
    fixture.objects = bus_objects_free(fixture.objects);
    for (size_t i = 0; i < BUS_CALLS_MAX; i++) {
        while (!slow[i].message)
            turn(&fixture, UINT64_MAX);
        answer_clear(&slow[i]);
        ck_assert_int_eq(server_call_reply(fixture.node.later[i], i < SIGNERS ? &(NodePartialSignOutput){{(uint8_t *)"p", 1}} : NULL), 0);
    }
}
END_TEST

/* The objects go: one call has been answered by the node, the other has not. */
START_TEST(the_end_answers_what_is_in_hand)
{
    _cleanup_fixture_ Fixture fixture = {0};
    Answer first = {0}, second = {0};

    start(&fixture);
    send_request(&fixture, request_to(&fixture, KEY_1, BUS_KEY_INTERFACE, "Destroy"), &first);
    send_request(&fixture, request_to(&fixture, KEY_1, BUS_KEY_INTERFACE, "Destroy"), &second);
    while (fixture.node.n_later < 2)
        turn(&fixture, UINT64_MAX);
    ck_assert_int_eq(server_call_reply(fixture.node.later[0], NULL), 0);
    fixture.objects = bus_objects_free(fixture.objects);
    while (!first.message || !second.message)
        turn(&fixture, UINT64_MAX);
    ck_assert_str_eq(first.error, "");
    ck_assert_str_eq(second.error, BUS_ERROR("Unavailable"));
    ck_assert_int_eq(server_call_reply(fixture.node.later[1], NULL), 0);
    answer_clear(&first);
    answer_clear(&second);
}
END_TEST

/* ---- What changes ---- */

typedef struct Heard {
    unsigned added, removed, changes;
    char names[256]; /* of the last change, each with a space behind it */
} Heard;

static int on_signal(sd_bus_message *signal, void *userdata, sd_bus_error *error)
{
    Heard *heard = userdata;
    const char *name;

    heard->added += sd_bus_message_is_signal(signal, NULL, "InterfacesAdded") > 0;
    heard->removed += sd_bus_message_is_signal(signal, NULL, "InterfacesRemoved") > 0;
    if (!sd_bus_message_is_signal(signal, NULL, "PropertiesChanged"))
        return 0;
    heard->changes++;
    heard->names[0] = '\0';
    ck_assert_int_ge(sd_bus_message_skip(signal, "s"), 0);
    ck_assert_int_ge(sd_bus_message_enter_container(signal, 'a', "{sv}"), 0);
    while (sd_bus_message_enter_container(signal, 'e', "sv") > 0) {
        ck_assert_int_ge(sd_bus_message_read(signal, "s", &name), 0);
        (void)snprintf(heard->names + strlen(heard->names), sizeof(heard->names) - strlen(heard->names), "%s ", name);
        ck_assert_int_ge(sd_bus_message_skip(signal, "v"), 0);
        ck_assert_int_ge(sd_bus_message_exit_container(signal), 0);
    }
    return 0;
}

static void listen_to(Fixture *fixture, Heard *heard)
{
    start(fixture);
    ck_assert_int_ge(sd_bus_add_filter(fixture->client, NULL, on_signal, heard), 0);
    ck_assert_int_eq(bus_objects_announce(fixture->objects), 0);
    /* The first look is the beginning of the first second. */
    bus_objects_changed(fixture->objects);
    turn(fixture, UINT64_MAX);
    _cleanup_answer_ Answer answer = call_sign(fixture, "sha256", 32);
    ck_assert_uint_eq(heard->added + heard->removed + heard->changes, 0);
}

static void wait_for(const Fixture *fixture, const unsigned *count, unsigned n)
{
    while (*count < n)
        turn(fixture, UINT64_MAX);
}

START_TEST(objects_come_and_go)
{
    _cleanup_fixture_ Fixture fixture = {0};
    Heard heard = {0};

    listen_to(&fixture, &heard);
    fixture.node.there[1] = fixture.node.there[3] = true;
    bus_objects_changed(fixture.objects);
    wait_for(&fixture, &heard.added, 2);
    fixture.node.there[0] = fixture.node.there[3] = false;
    fixture.node.there[2] = true;
    bus_objects_changed(fixture.objects);
    wait_for(&fixture, &heard.added, 3);
    wait_for(&fixture, &heard.removed, 2);
    fixture.node.there[1] = fixture.node.there[2] = false;
    bus_objects_changed(fixture.objects);
    wait_for(&fixture, &heard.removed, 4);
    ck_assert_uint_eq(heard.added, 3);
    ck_assert_uint_eq(heard.changes, 0);
}
END_TEST

START_TEST(only_what_changed_is_told)
{
    _cleanup_fixture_ Fixture fixture = {0};
    Heard heard = {0};

    listen_to(&fixture, &heard);
    fixture.node.keys[0].state = 3;
    bus_objects_changed(fixture.objects);
    wait_for(&fixture, &heard.changes, 1);
    ck_assert_str_eq(heard.names, "State Reason ");
    fixture.node.keys[0].version = 2;
    bus_objects_changed(fixture.objects);
    wait_for(&fixture, &heard.changes, 2);
    ck_assert_str_eq(heard.names, "Label CkaId Created NotAfter ");
    fixture.node.keys[0].locked = 1;
    bus_objects_changed(fixture.objects);
    wait_for(&fixture, &heard.changes, 3);
    ck_assert_str_eq(heard.names, "Locked ");
    fixture.node.manager.destroyed = 1;
    bus_objects_changed(fixture.objects);
    wait_for(&fixture, &heard.changes, 4);
    ck_assert_str_eq(heard.names, "KeysDestroyed ");
}
END_TEST

START_TEST(counters_are_told_once_a_second)
{
    _cleanup_fixture_ Fixture fixture = {0};
    Heard heard = {0};

    listen_to(&fixture, &heard);

    const Microseconds start = clock_now();

    while (clock_now() < start + 5 * MICROSECONDS_PER_SECOND / 2) {
        fixture.node.keys[0].signatures++;
        fixture.node.keys[0].last_used = fixture.node.keys[0].signatures / 1000;
        bus_objects_counted(fixture.objects);
        turn(&fixture, MICROSECONDS_PER_MILLISECOND);
    }
    ck_assert_uint_ge(heard.changes, 1);
    ck_assert_uint_le(heard.changes, 3);
    ck_assert_ptr_nonnull(strstr(heard.names, "SignaturesMade "));

    const unsigned before = heard.changes;

    fixture.node.keys[0].locked = 1;
    bus_objects_changed(fixture.objects);
    wait_for(&fixture, &heard.changes, before + 1);
    ck_assert_ptr_nonnull(strstr(heard.names, "Locked "));
}
END_TEST

START_TEST(the_end_of_an_unlocking_is_noticed)
{
    _cleanup_fixture_ Fixture fixture = {0};
    Heard heard = {0};

    listen_to(&fixture, &heard);
    fixture.node.keys[0].locked = fixture.node.keys[0].unlocked = 1;
    fixture.node.keys[0].unlocked_seconds = 1;
    bus_objects_changed(fixture.objects);
    wait_for(&fixture, &heard.changes, 1);
    fixture.node.keys[0].unlocked = 0;
    fixture.node.keys[0].unlocked_seconds = 0;
    wait_for(&fixture, &heard.changes, 2);
    ck_assert_str_eq(heard.names, "Unlocked ");
}
END_TEST

static void add(TCase *cases)
{
    tcase_add_test(cases, objects_are_found);
    tcase_add_loop_test(cases, what_is_no_key_is_not_found, 0, ELEMENTS(no_keys));
    tcase_add_test(cases, all_objects_are_listed);
    tcase_add_loop_test(cases, introspection_has_the_words, 0, ELEMENTS(descriptions));
    tcase_add_test(cases, methods_reach_the_node);
    tcase_add_test(cases, errors_have_name_and_reason);
    tcase_add_test(cases, calls_do_not_wait_for_each_other);
    tcase_add_test(cases, calls_in_hand_are_limited);
    tcase_add_test(cases, who_signs_leaves_room_for_administrators);
    tcase_add_test(cases, the_end_answers_what_is_in_hand);
    tcase_add_test(cases, objects_come_and_go);
    tcase_add_test(cases, only_what_changed_is_told);
    tcase_add_test(cases, counters_are_told_once_a_second);
    tcase_add_test(cases, the_end_of_an_unlocking_is_noticed);
}

UNIT_MAIN("bus-objects", add)
