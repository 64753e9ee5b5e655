/* The node on D-Bus: a bus and a node of our own. */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <systemd/sd-bus.h>

#include "dbus/bus-objects.h"
#include "node-fixture.h"
#include "threshold/rsa-public.h"
#include "unit.h"

#define NAME        "org.keyquorum.Node1.alpha"
#define WAIT        (30 * MICROSECONDS_PER_SECOND)
#define SYSTEM_PATH "/usr/bin:/bin:/usr/sbin:/sbin"

/* ---- The bus ---- */

typedef struct TestBus {
    char path[96], address[128];
    pid_t pid;
} TestBus;

static const char bus_config[] = "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\" "
                                 "\"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n"
                                 "<busconfig><type>session</type><listen>%s</listen><auth>EXTERNAL</auth><policy context=\"default\">"
                                 "<allow send_destination=\"*\"/><allow receive_sender=\"*\"/><allow own=\"*\"/></policy></busconfig>\n";

/* It says its address when it can be reached. */
static void bus_start(TestBus *bus)
{
    char option[160], line[256];
    int ends[2];

    ck_assert_int_eq(pipe(ends), 0);
    (void)unlink(bus->path);
    bus->pid = fork();
    if (bus->pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)setenv("PATH", SYSTEM_PATH, 1);
        (void)snprintf(option, sizeof(option), "--config-file=%s.conf", bus->path);
        (void)dup2(ends[1], STDOUT_FILENO);
        (void)execlp("dbus-daemon", "dbus-daemon", option, "--nofork", "--nopidfile", "--print-address", NULL);
        _exit(127);
    }
    (void)close(ends[1]);
    ck_assert_msg(read(ends[0], line, sizeof(line)) > 0, "dbus-daemon does not start");
    (void)close(ends[0]);
}

static void bus_stop(TestBus *bus)
{
    ck_assert_int_eq(kill(bus->pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(bus->pid, NULL, 0), bus->pid);
    bus->pid = 0;
}

static void bus_clear(TestBus *bus)
{
    if (bus->pid > 0)
        bus_stop(bus);
}

#define _cleanup_bus_ _cleanup_(bus_clear)

/* In the directory of the node, which is told to be there. */
static TestBus bus_for(TestNode *node)
{
    static char address[128];
    TestBus bus = {0};
    char text[1024];
    int size;

    (void)snprintf(bus.path, sizeof(bus.path), "%s/bus", node->directory);
    (void)snprintf(bus.address, sizeof(bus.address), "unix:path=%s", bus.path);
    size = snprintf(text, sizeof(text), bus_config, bus.address);
    test_node_put_file(node, "bus.conf", text, (size_t)size);
    (void)snprintf(address, sizeof(address), "%s", bus.address);
    node->bus = address;
    return bus;
}

/* ---- Its client ---- */

static void flush_close(sd_bus **client)
{
    (void)sd_bus_flush_close_unref(*client);
}

#define _cleanup_client_ _cleanup_(flush_close)

static sd_bus *client_open(const TestBus *bus)
{
    sd_bus *client = NULL;

    ck_assert_int_ge(sd_bus_new(&client), 0);
    ck_assert_int_ge(sd_bus_set_address(client, bus->address), 0);
    ck_assert_int_ge(sd_bus_set_bus_client(client, 1), 0);
    ck_assert_int_ge(sd_bus_start(client), 0);
    return client;
}

/* Until `done` holds; fails when it takes too long. */
static void client_run(sd_bus *client, bool (*done)(void *userdata), void *userdata)
{
    const Microseconds deadline = clock_now() + WAIT;

    while (!done(userdata)) {
        const Microseconds now = clock_now();
        int r = sd_bus_process(client, NULL);

        ck_assert_int_ge(r, 0);
        ck_assert_msg(now < deadline, "it takes too long");
        if (r == 0)
            ck_assert_int_ge(sd_bus_wait(client, deadline - now), 0);
    }
}

static int on_owner(sd_bus_message *signal, void *userdata, sd_bus_error *error)
{
    const char *name, *before, *after;

    if (sd_bus_message_read(signal, "sss", &name, &before, &after) >= 0 && strcmp(name, NAME) == 0)
        *(bool *)userdata = *after != '\0';
    return 0;
}

static bool is_true(void *userdata)
{
    return *(const bool *)userdata;
}

/* Until the node has its name. */
static void client_wait_for_node(sd_bus *client)
{
    sd_bus_slot *slot = NULL;
    sd_bus_creds *creds = NULL;
    bool owned = false;

    ck_assert_int_ge(
        sd_bus_match_signal(client, &slot, "org.freedesktop.DBus", NULL, "org.freedesktop.DBus", "NameOwnerChanged", on_owner, &owned), 0);
    if (sd_bus_get_name_creds(client, NAME, 0, &creds) < 0)
        client_run(client, is_true, &owned);
    sd_bus_creds_unref(creds);
    sd_bus_slot_unref(slot);
}

typedef struct TestPath {
    char text[128];
} TestPath;

static TestPath key_path(const DealtKey *key)
{
    TestPath path;

    (void)snprintf(path.text, sizeof(path.text), "%s/", BUS_KEY_PATH);
    key_id_format(&key->id, path.text + strlen(path.text));
    return path;
}

/* Calls a method of the key; returns "" or the error's name. */
static const char *key_call(sd_bus *client, const DealtKey *key, const char *method, const char *types, uint64_t a, uint64_t b)
{
    static char name[256];
    sd_bus_error error = SD_BUS_ERROR_NULL;
    int r = sd_bus_call_method(client, NAME, key_path(key).text, BUS_KEY_INTERFACE, method, &error, NULL, types, a, b);

    (void)snprintf(name, sizeof(name), "%s", r < 0 ? error.name : "");
    if (r < 0 && strncmp(error.name, BUS_ERROR(""), strlen(BUS_ERROR(""))) == 0)
        ck_assert_msg(error.message && strlen(error.message) > 8, "%s without a reason", error.name);
    sd_bus_error_free(&error);
    return name;
}

static const char *sign(sd_bus *client, const DealtKey *key, const char *hash, const void *digest, size_t size, Bytes *ret_partial)
{
    static char name[256];
    sd_bus_message *request = NULL, *reply = NULL;
    sd_bus_error error = SD_BUS_ERROR_NULL;
    const void *partial;
    size_t partial_size;

    ck_assert_int_ge(sd_bus_message_new_method_call(client, &request, NAME, key_path(key).text, BUS_KEY_INTERFACE, "PartialSign"), 0);
    ck_assert_int_ge(sd_bus_message_append(request, "s", hash), 0);
    ck_assert_int_ge(sd_bus_message_append_array(request, 'y', digest, size), 0);

    int r = sd_bus_call(client, request, WAIT, &error, &reply);

    (void)snprintf(name, sizeof(name), "%s", r < 0 ? error.name : "");
    if (r >= 0 && ret_partial) {
        ck_assert_int_ge(sd_bus_message_read_array(reply, 'y', &partial, &partial_size), 0);
        ck_assert_int_eq(bytes_copy(partial, partial_size, ret_partial), 0);
    }
    sd_bus_error_free(&error);
    sd_bus_message_unref(request);
    sd_bus_message_unref(reply);
    return name;
}

static uint64_t get_number(sd_bus *client, const char *path, const char *interface, const char *property, char type)
{
    sd_bus_error error = SD_BUS_ERROR_NULL;
    uint64_t number = 0;
    uint32_t small = 0;
    int r = sd_bus_get_property_trivial(client, NAME, path, interface, property, &error, type, type == 't' ? (void *)&number : &small);

    ck_assert_msg(r >= 0, "%s: %s", property, error.message);
    return type == 't' ? number : small;
}

static bool text_is(sd_bus *client, const char *path, const char *interface, const char *property, const char *expected)
{
    sd_bus_error error = SD_BUS_ERROR_NULL;
    char *text = NULL;
    int r = sd_bus_get_property_string(client, NAME, path, interface, property, &error, &text);

    ck_assert_msg(r >= 0, "%s: %s", property, error.message);

    bool is = strcmp(text, expected) == 0;

    free(text);
    return is;
}

static void bytes_are(sd_bus *client, const char *path, const char *interface, const char *property, const Bytes *expected)
{
    sd_bus_message *reply = NULL;
    const void *data;
    size_t size;

    ck_assert_int_ge(sd_bus_get_property(client, NAME, path, interface, property, NULL, &reply, "ay"), 0);
    ck_assert_int_ge(sd_bus_message_read_array(reply, 'y', &data, &size), 0);
    ck_assert_uint_eq(size, expected->size);
    if (size > 0)
        ck_assert_mem_eq(data, expected->data, size);
    sd_bus_message_unref(reply);
}

/* What it has logged is all there when it has ended. */
static void check_logged(TestNode *node, const char *text)
{
    (void)test_node_stop(node, SIGTERM);
    ck_assert_msg(test_node_logged(node, text), "it has not logged: %s", text);
}

/* ---- Signals ---- */

/* What has come from the node. */
typedef struct Heard {
    unsigned added, removed, changes_of_signatures;
    bool locked, state, keys_active;
    uint64_t signatures;
} Heard;

static int on_added(sd_bus_message *signal, void *userdata, sd_bus_error *error)
{
    ((Heard *)userdata)->added++;
    return 0;
}

static int on_removed(sd_bus_message *signal, void *userdata, sd_bus_error *error)
{
    ((Heard *)userdata)->removed++;
    return 0;
}

static int on_changed(sd_bus_message *signal, void *userdata, sd_bus_error *error)
{
    Heard *heard = userdata;
    const char *interface, *name;

    ck_assert_int_ge(sd_bus_message_read(signal, "s", &interface), 0);
    ck_assert_int_ge(sd_bus_message_enter_container(signal, 'a', "{sv}"), 0);
    while (sd_bus_message_enter_container(signal, 'e', "sv") > 0) {
        ck_assert_int_ge(sd_bus_message_read(signal, "s", &name), 0);
        if (strcmp(name, "SignaturesMade") == 0) {
            ck_assert_int_ge(sd_bus_message_read(signal, "v", "t", &heard->signatures), 0);
            heard->changes_of_signatures++;
        } else {
            heard->locked |= strcmp(name, "Locked") == 0;
            heard->state |= strcmp(name, "State") == 0;
            heard->keys_active |= strcmp(name, "KeysActive") == 0;
            ck_assert_int_ge(sd_bus_message_skip(signal, "v"), 0);
        }
        ck_assert_int_ge(sd_bus_message_exit_container(signal), 0);
    }
    return 0;
}

static void listen_to(sd_bus *client, Heard *heard)
{
    static const char objects[] = "org.freedesktop.DBus.ObjectManager", properties[] = "org.freedesktop.DBus.Properties";

    ck_assert_int_ge(sd_bus_match_signal(client, NULL, NAME, BUS_MANAGER_PATH, objects, "InterfacesAdded", on_added, heard), 0);
    ck_assert_int_ge(sd_bus_match_signal(client, NULL, NAME, BUS_MANAGER_PATH, objects, "InterfacesRemoved", on_removed, heard), 0);
    ck_assert_int_ge(sd_bus_match_signal(client, NULL, NAME, NULL, properties, "PropertiesChanged", on_changed, heard), 0);
}

static bool heard_added(void *heard)
{
    return ((const Heard *)heard)->added > 0;
}

static bool heard_removed(void *heard)
{
    return ((const Heard *)heard)->removed > 0;
}

static bool heard_active(void *heard)
{
    return ((const Heard *)heard)->state && ((const Heard *)heard)->keys_active;
}

static bool heard_locked(void *heard)
{
    return ((const Heard *)heard)->locked;
}

/* ---- Tests ---- */

typedef struct Fixture {
    TestNode node;
    TestBus bus;
    DealtKey key;
    Link *link;
    sd_bus *client;
} Fixture;

static void fixture_clear(Fixture *fixture)
{
    flush_close(&fixture->client);
    (void)link_close(fixture->link);
    bus_clear(&fixture->bus);
    dealt_key_clear(&fixture->key);
    test_node_clear(&fixture->node);
}

#define _cleanup_fixture_ _cleanup_(fixture_clear)

/* A node with an active key, on a bus. */
static void fixture_start(Fixture *fixture)
{
    fixture->node = test_node_new();
    fixture->bus = bus_for(&fixture->node);
    bus_start(&fixture->bus);
    test_node_start(&fixture->node);
    call_init_token(&fixture->node);
    fixture->link = call_open_logged_in(&fixture->node);
    fixture->key = dealt_key(0);
    call_make_active(fixture->link, &fixture->node, &fixture->key);
    fixture->client = client_open(&fixture->bus);
    client_wait_for_node(fixture->client);
}

START_TEST(properties_say_what_is)
{
    _cleanup_fixture_ Fixture fixture = {0};

    fixture_start(&fixture);

    _cleanup_bytes_ Bytes public_key = {0};
    static const uint8_t exponent[] = {1, 0, 1};
    sd_bus *client = fixture.client;
    const TestPath path = key_path(&fixture.key);

    ck_assert(text_is(client, BUS_MANAGER_PATH, BUS_MANAGER_INTERFACE, "Instance", "alpha"));
    ck_assert(text_is(client, BUS_MANAGER_PATH, BUS_MANAGER_INTERFACE, "Version", KEYQUORUM_VERSION));
    ck_assert(text_is(client, BUS_MANAGER_PATH, BUS_MANAGER_INTERFACE, "LastError", ""));
    ck_assert_uint_eq(get_number(client, BUS_MANAGER_PATH, BUS_MANAGER_INTERFACE, "Index", 'u'), 1);
    ck_assert_uint_eq(get_number(client, BUS_MANAGER_PATH, BUS_MANAGER_INTERFACE, "Threshold", 'u'), 3);
    ck_assert_uint_eq(get_number(client, BUS_MANAGER_PATH, BUS_MANAGER_INTERFACE, "Nodes", 'u'), 5);
    ck_assert_uint_eq(get_number(client, BUS_MANAGER_PATH, BUS_MANAGER_INTERFACE, "KeysActive", 'u'), 1);
    ck_assert_uint_eq(get_number(client, BUS_MANAGER_PATH, BUS_MANAGER_INTERFACE, "Signatures", 't'), 1);
    bytes_are(client, BUS_MANAGER_PATH, BUS_MANAGER_INTERFACE, "Token", &(Bytes){fixture.node.token, NODE_TOKEN_SIZE});

    ck_assert(text_is(client, path.text, BUS_KEY_INTERFACE, "Id", strrchr(path.text, '/') + 1));
    ck_assert(text_is(client, path.text, BUS_KEY_INTERFACE, "Algorithm", "rsa"));
    ck_assert(text_is(client, path.text, BUS_KEY_INTERFACE, "Label", "label"));
    ck_assert(text_is(client, path.text, BUS_KEY_INTERFACE, "State", "active"));
    ck_assert(text_is(client, path.text, BUS_KEY_INTERFACE, "Reason", ""));
    ck_assert(text_is(client, path.text, BUS_KEY_INTERFACE, "Custody", "keyring"));
    ck_assert_uint_eq(get_number(client, path.text, BUS_KEY_INTERFACE, "Bits", 'u'), 2048);
    ck_assert_uint_eq(get_number(client, path.text, BUS_KEY_INTERFACE, "Created", 't'), 1700000000);
    ck_assert_uint_eq(get_number(client, path.text, BUS_KEY_INTERFACE, "SignaturesMade", 't'), 1);
    ck_assert_uint_gt(get_number(client, path.text, BUS_KEY_INTERFACE, "LastUsed", 't'), 1700000000);
    bytes_are(client, path.text, BUS_KEY_INTERFACE, "CkaId", &(Bytes){(uint8_t *)"id", 2});
    ck_assert_int_eq(rsa_public_info(threshold_key_public(fixture.key.key), &(Bytes){(uint8_t *)exponent, 3}, &public_key), 0);
    bytes_are(client, path.text, BUS_KEY_INTERFACE, "PublicKey", &public_key);
}
END_TEST

START_TEST(what_changes_is_told)
{
    _cleanup_fixture_ Fixture fixture = {0};
    _cleanup_dealt_key_ DealtKey other = dealt_key(1);
    Heard heard = {0};

    fixture_start(&fixture);
    listen_to(fixture.client, &heard);
    call_make_active(fixture.link, &fixture.node, &other);
    client_run(fixture.client, heard_added, &heard);
    client_run(fixture.client, heard_active, &heard);
    ck_assert_str_eq(key_call(fixture.client, &other, "Lock", NULL, 0, 0), "");
    client_run(fixture.client, heard_locked, &heard);
    ck_assert_int_eq(call_key(fixture.link, "DestroyKey", &other.id), NODE_ERROR_NONE);
    client_run(fixture.client, heard_removed, &heard);
    ck_assert_uint_eq(heard.added, 1);
    ck_assert_uint_eq(heard.removed, 1);
    ck_assert_str_eq(key_call(fixture.client, &other, "Lock", NULL, 0, 0), SD_BUS_ERROR_UNKNOWN_OBJECT);
}
END_TEST

static bool heard_all_signatures(void *heard)
{
    return ((const Heard *)heard)->signatures == 101;
}

START_TEST(counters_are_not_told_for_each_signature)
{
    _cleanup_fixture_ Fixture fixture = {0};
    Heard heard = {0};
    const Digest digest = test_digest(HASH_SHA256, 7);

    fixture_start(&fixture);
    listen_to(fixture.client, &heard);

    const Microseconds start = clock_now();

    for (unsigned i = 0; i < 100; i++)
        ck_assert_int_eq(call_sign(fixture.link, &fixture.key.id, &digest, NULL), NODE_ERROR_NONE);
    client_run(fixture.client, heard_all_signatures, &heard);
    ck_assert_uint_le(heard.changes_of_signatures, 2 + (clock_now() - start) / MICROSECONDS_PER_SECOND);
}
END_TEST

START_TEST(signatures_are_those_of_the_other_door)
{
    _cleanup_fixture_ Fixture fixture = {0};
    static const struct {
        HashAlgorithm hash;
        const char *name;
    } hashes[] = {{HASH_SHA1, "sha1"}, {HASH_SHA256, "sha256"}, {HASH_SHA384, "sha384"}, {HASH_SHA512, "sha512"}};

    fixture_start(&fixture);
    for (size_t i = 0; i < ELEMENTS(hashes); i++) {
        const Digest digest = test_digest(hashes[i].hash, (uint8_t)i);
        _cleanup_bytes_ Bytes by_bus = {0}, by_link = {0};
        uint8_t signature[THRESHOLD_SIGNATURE_SIZE_MAX];

        ck_assert_str_eq(sign(fixture.client, &fixture.key, hashes[i].name, digest.bytes, digest.size, &by_bus), "");
        ck_assert_int_eq(call_sign(fixture.link, &fixture.key.id, &digest, &by_link), NODE_ERROR_NONE);
        ck_assert(bytes_equal(&by_bus, &by_link));
        dealt_key_combine(&fixture.key, &digest, &by_bus, signature);
    }
}
END_TEST

START_TEST(wrong_arguments_are_refused)
{
    _cleanup_fixture_ Fixture fixture = {0};
    const uint8_t digest[NODE_DIGEST_SIZE_MAX + 1] = {0};

    fixture_start(&fixture);

    sd_bus *client = fixture.client;
    const DealtKey *key = &fixture.key;

    ck_assert_str_eq(sign(client, key, "sha256", digest, 31, NULL), SD_BUS_ERROR_INVALID_ARGS);
    ck_assert_str_eq(sign(client, key, "sha256", digest, sizeof(digest), NULL), SD_BUS_ERROR_INVALID_ARGS);
    ck_assert_str_eq(sign(client, key, "sha256", digest, 0, NULL), SD_BUS_ERROR_INVALID_ARGS);
    ck_assert_str_eq(sign(client, key, "md5", digest, 16, NULL), SD_BUS_ERROR_INVALID_ARGS);
    ck_assert_str_eq(sign(client, key, "", digest, 32, NULL), SD_BUS_ERROR_INVALID_ARGS);
    ck_assert_str_eq(key_call(client, key, "Unlock", "tt", UINT64_MAX, 1), SD_BUS_ERROR_INVALID_ARGS);
    ck_assert_str_eq(key_call(client, key, "Unlock", "tt", 0, 0), SD_BUS_ERROR_INVALID_ARGS);
    ck_assert_str_eq(key_call(client, key, "Unlock", "tt", 60, 1), BUS_ERROR("Rejected"));
    ck_assert_str_eq(sign(client, key, "sha256", digest, 32, NULL), "");
}
END_TEST

START_TEST(locks_hold)
{
    _cleanup_fixture_ Fixture fixture = {0};
    const Digest digest = test_digest(HASH_SHA256, 1);
    const KeyId *id;
    TestPath path;

    fixture_start(&fixture);
    id = &fixture.key.id;
    path = key_path(&fixture.key);

    sd_bus *client = fixture.client;
    const DealtKey *key = &fixture.key;

    ck_assert_str_eq(key_call(client, key, "Lock", NULL, 0, 0), "");
    ck_assert_uint_eq(get_number(client, path.text, BUS_KEY_INTERFACE, "Locked", 'b'), 1);
    ck_assert_uint_eq(get_number(client, path.text, BUS_KEY_INTERFACE, "Unlocked", 'b'), 0);
    ck_assert_str_eq(sign(client, key, "sha256", digest.bytes, digest.size, NULL), BUS_ERROR("KeyLocked"));
    ck_assert_int_eq(call_sign(fixture.link, id, &digest, NULL), NODE_ERROR_KEY_LOCKED);

    ck_assert_str_eq(key_call(client, key, "Unlock", "tt", 600, 2), "");
    ck_assert_uint_eq(get_number(client, path.text, BUS_KEY_INTERFACE, "Unlocked", 'b'), 1);
    ck_assert_uint_eq(get_number(client, path.text, BUS_KEY_INTERFACE, "UnlockedCount", 't'), 2);
    ck_assert_uint_le(get_number(client, path.text, BUS_KEY_INTERFACE, "UnlockedSeconds", 't'), 600);
    ck_assert_uint_gt(get_number(client, path.text, BUS_KEY_INTERFACE, "UnlockedSeconds", 't'), 500);
    ck_assert_str_eq(sign(client, key, "sha256", digest.bytes, digest.size, NULL), "");
    ck_assert_int_eq(call_sign(fixture.link, id, &digest, NULL), NODE_ERROR_NONE);
    ck_assert_uint_eq(get_number(client, path.text, BUS_KEY_INTERFACE, "Unlocked", 'b'), 0);
    ck_assert_str_eq(sign(client, key, "sha256", digest.bytes, digest.size, NULL), BUS_ERROR("KeyLocked"));
}
END_TEST

static bool heard_closed(void *userdata)
{
    const uint64_t *unlocked = userdata;

    return *unlocked == 2;
}

/* Counts how often Unlocked was told. */
static int on_unlocked(sd_bus_message *signal, void *userdata, sd_bus_error *error)
{
    uint64_t *unlocked = userdata;
    const char *interface, *name;

    ck_assert_int_ge(sd_bus_message_read(signal, "s", &interface), 0);
    ck_assert_int_ge(sd_bus_message_enter_container(signal, 'a', "{sv}"), 0);
    while (sd_bus_message_enter_container(signal, 'e', "sv") > 0) {
        ck_assert_int_ge(sd_bus_message_read(signal, "s", &name), 0);
        *unlocked += strcmp(name, "Unlocked") == 0;
        ck_assert_int_ge(sd_bus_message_skip(signal, "v"), 0);
        ck_assert_int_ge(sd_bus_message_exit_container(signal), 0);
    }
    return 0;
}

START_TEST(the_end_of_a_window_is_told)
{
    _cleanup_fixture_ Fixture fixture = {0};
    uint64_t unlocked = 0;

    fixture_start(&fixture);
    ck_assert_str_eq(key_call(fixture.client, &fixture.key, "Lock", NULL, 0, 0), "");
    ck_assert_int_ge(sd_bus_match_signal(fixture.client, NULL, NAME, key_path(&fixture.key).text, "org.freedesktop.DBus.Properties",
                                         "PropertiesChanged", on_unlocked, &unlocked),
                     0);
    ck_assert_str_eq(key_call(fixture.client, &fixture.key, "Unlock", "tt", 1, 0), "");
    client_run(fixture.client, heard_closed, &unlocked);
    ck_assert_uint_eq(get_number(fixture.client, key_path(&fixture.key).text, BUS_KEY_INTERFACE, "Unlocked", 'b'), 0);
}
END_TEST

START_TEST(keys_are_destroyed)
{
    _cleanup_fixture_ Fixture fixture = {0};

    fixture_start(&fixture);
    ck_assert_str_eq(key_call(fixture.client, &fixture.key, "Destroy", NULL, 0, 0), "");
    ck_assert_str_eq(call_key_state(fixture.link, &fixture.key.id), "destroyed");
    ck_assert_str_eq(key_call(fixture.client, &fixture.key, "Destroy", NULL, 0, 0), SD_BUS_ERROR_UNKNOWN_OBJECT);
    ck_assert_uint_eq(get_number(fixture.client, BUS_MANAGER_PATH, BUS_MANAGER_INTERFACE, "KeysDestroyed", 'u'), 1);
    check_logged(&fixture.node, "local destroys key");
}
END_TEST

/* Ask without waiting for the answer; `answered` may be NULL. */
static void send_sign(sd_bus *client, const DealtKey *key, const Digest *digest, sd_bus_message_handler_t answered, void *userdata)
{
    sd_bus_message *request = NULL;

    ck_assert_int_ge(sd_bus_message_new_method_call(client, &request, NAME, key_path(key).text, BUS_KEY_INTERFACE, "PartialSign"), 0);
    ck_assert_int_ge(sd_bus_message_append(request, "s", hash_name(digest->hash)), 0);
    ck_assert_int_ge(sd_bus_message_append_array(request, 'y', digest->bytes, digest->size), 0);
    ck_assert_int_ge(answered ? sd_bus_call_async(client, NULL, request, answered, userdata, WAIT) : sd_bus_send(client, request, NULL), 0);
    sd_bus_message_unref(request);
}

static int on_signed(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
    unsigned *n_left = userdata;
    const sd_bus_error *refusal = sd_bus_message_get_error(reply);

    ck_assert_msg(!refusal, "%s", refusal ? refusal->message : "");
    --*n_left;
    return 0;
}

static bool is_zero(void *userdata)
{
    return *(const unsigned *)userdata == 0;
}

/* As many as are promised; twice, since connections that are being closed still count for a moment. */
START_TEST(many_calls_at_once_are_answered)
{
    _cleanup_fixture_ Fixture fixture = {0};
    const Digest digest = test_digest(HASH_SHA256, 3);

    fixture_start(&fixture);
    for (unsigned times = 0; times < 2; times++) {
        unsigned n_left = BUS_CALLS_MAX;

        for (unsigned i = 0; i < BUS_CALLS_MAX; i++)
            send_sign(fixture.client, &fixture.key, &digest, on_signed, &n_left);
        client_run(fixture.client, is_zero, &n_left);
    }
}
END_TEST

/* It dies with calls in hand. */
START_TEST(the_node_survives_its_bus)
{
    _cleanup_fixture_ Fixture fixture = {0};
    const Digest digest = test_digest(HASH_SHA256, 2);

    fixture_start(&fixture);
    for (unsigned i = 0; i < 20; i++)
        send_sign(fixture.client, &fixture.key, &digest, NULL, NULL);
    ck_assert_int_eq(call_sign(fixture.link, &fixture.key.id, &digest, NULL), NODE_ERROR_NONE);
    bus_stop(&fixture.bus);
    for (unsigned i = 0; i < 20; i++)
        ck_assert_int_eq(call_sign(fixture.link, &fixture.key.id, &digest, NULL), NODE_ERROR_NONE);
    bus_start(&fixture.bus);
    flush_close(&fixture.client);
    fixture.client = client_open(&fixture.bus);
    client_wait_for_node(fixture.client);
    ck_assert_str_eq(sign(fixture.client, &fixture.key, "sha256", digest.bytes, digest.size, NULL), "");
    check_logged(&fixture.node, "not on D-Bus as " NAME ": the bus is gone");
}
END_TEST

START_TEST(a_bus_that_comes_later_is_found)
{
    _cleanup_fixture_ Fixture fixture = {.node = test_node_new()};

    fixture.bus = bus_for(&fixture.node);
    test_node_start(&fixture.node);
    call_init_token(&fixture.node);
    bus_start(&fixture.bus);
    fixture.client = client_open(&fixture.bus);
    client_wait_for_node(fixture.client);
    ck_assert_uint_eq(get_number(fixture.client, BUS_MANAGER_PATH, BUS_MANAGER_INTERFACE, "Index", 'u'), 1);
    check_logged(&fixture.node, "not on D-Bus as " NAME);
}
END_TEST

/* Until two want the name. */
static void wait_for_queue(sd_bus *client)
{
    const Microseconds deadline = clock_now() + WAIT;
    unsigned n = 0;

    while (n < 2) {
        sd_bus_message *reply = NULL;
        char **owners = NULL;

        ck_assert_msg(clock_now() < deadline, "the node does not ask for its name");
        ck_assert_int_ge(sd_bus_call_method(client, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                            "ListQueuedOwners", NULL, &reply, "s", NAME),
                         0);
        ck_assert_int_ge(sd_bus_message_read_strv(reply, &owners), 0);
        for (n = 0; owners && owners[n]; n++)
            free(owners[n]);
        free(owners);
        sd_bus_message_unref(reply);
    }
}

START_TEST(a_name_that_is_taken_is_waited_for)
{
    _cleanup_fixture_ Fixture fixture = {.node = test_node_new(), .key = dealt_key(0)};
    _cleanup_client_ sd_bus *thief = NULL;
    Heard heard = {0};

    fixture.bus = bus_for(&fixture.node);
    bus_start(&fixture.bus);
    thief = client_open(&fixture.bus);
    ck_assert_int_ge(sd_bus_request_name(thief, NAME, 0), 0);
    test_node_start(&fixture.node);
    wait_for_queue(thief);
    fixture.client = client_open(&fixture.bus);
    ck_assert_int_ge(sd_bus_release_name(thief, NAME), 0);
    client_wait_for_node(fixture.client);
    ck_assert(text_is(fixture.client, BUS_MANAGER_PATH, BUS_MANAGER_INTERFACE, "Instance", "alpha"));
    /* And what changes is told from now on. */
    listen_to(fixture.client, &heard);
    call_init_token(&fixture.node);
    fixture.link = call_open_logged_in(&fixture.node);
    call_make_active(fixture.link, &fixture.node, &fixture.key);
    client_run(fixture.client, heard_added, &heard);
    check_logged(&fixture.node, "somebody else on D-Bus is " NAME);
}
END_TEST

/* The one share on the disk. */
static void damage_share(const TestNode *node, const DealtKey *key)
{
    char id[2 * KEY_ID_SIZE + 1], name[128];

    key_id_format(&key->id, id);
    (void)snprintf(name, sizeof(name), "state/keys/%s.share", id);
    test_node_put_file(node, name, "nothing", 7);
}

START_TEST(what_is_damaged_is_told)
{
    _cleanup_fixture_ Fixture fixture = {0};
    TestPath path;

    fixture_start(&fixture);
    path = key_path(&fixture.key);
    (void)test_node_stop(&fixture.node, SIGTERM);
    damage_share(&fixture.node, &fixture.key);
    test_node_start(&fixture.node);
    client_wait_for_node(fixture.client);

    sd_bus *client = fixture.client;

    ck_assert_uint_eq(get_number(client, BUS_MANAGER_PATH, BUS_MANAGER_INTERFACE, "KeysUnusable", 'u'), 1);
    ck_assert(!text_is(client, BUS_MANAGER_PATH, BUS_MANAGER_INTERFACE, "LastError", ""));
    ck_assert_uint_gt(get_number(client, BUS_MANAGER_PATH, BUS_MANAGER_INTERFACE, "LastErrorTime", 't'), 1700000000);
    ck_assert(text_is(client, path.text, BUS_KEY_INTERFACE, "State", "unusable"));
    ck_assert(!text_is(client, path.text, BUS_KEY_INTERFACE, "Reason", ""));
    ck_assert(text_is(client, path.text, BUS_KEY_INTERFACE, "Algorithm", ""));
    ck_assert_uint_eq(get_number(client, path.text, BUS_KEY_INTERFACE, "Bits", 'u'), 0);
    bytes_are(client, path.text, BUS_KEY_INTERFACE, "PublicKey", &(Bytes){0});
}
END_TEST

START_TEST(the_log_level_is_set)
{
    _cleanup_fixture_ Fixture fixture = {0};
    sd_bus_error error = SD_BUS_ERROR_NULL;

    fixture_start(&fixture);

    sd_bus *client = fixture.client;

    ck_assert(text_is(client, BUS_LOG_PATH, BUS_LOG_INTERFACE, "LogLevel", "info"));
    ck_assert(text_is(client, BUS_LOG_PATH, BUS_LOG_INTERFACE, "SyslogIdentifier", "keyquorum-node"));
    ck_assert_int_ge(sd_bus_set_property(client, NAME, BUS_LOG_PATH, BUS_LOG_INTERFACE, "LogLevel", NULL, "s", "err"), 0);
    ck_assert(text_is(client, BUS_LOG_PATH, BUS_LOG_INTERFACE, "LogLevel", "err"));
    ck_assert_int_lt(sd_bus_set_property(client, NAME, BUS_LOG_PATH, BUS_LOG_INTERFACE, "LogLevel", &error, "s", "loud"), 0);
    ck_assert_str_eq(error.name, SD_BUS_ERROR_INVALID_ARGS);
    sd_bus_error_free(&error);
    /* What a node says when it stops is of level info. */
    (void)test_node_stop(&fixture.node, SIGTERM);
    ck_assert(!test_node_logged(&fixture.node, "stopping:"));
}
END_TEST

START_TEST(what_is_no_bus_is_refused)
{
    _cleanup_test_node_ TestNode node = test_node_new();

    node.bus = "elsewhere";
    ck_assert_int_eq(test_node_start_in_vain(&node, NULL), EXIT_FAILURE);
    ck_assert(test_node_logged(&node, "--bus=elsewhere"));
}
END_TEST

static void add(TCase *cases)
{
    tcase_add_test(cases, properties_say_what_is);
    tcase_add_test(cases, what_changes_is_told);
    tcase_add_test(cases, counters_are_not_told_for_each_signature);
    tcase_add_test(cases, signatures_are_those_of_the_other_door);
    tcase_add_test(cases, wrong_arguments_are_refused);
    tcase_add_test(cases, locks_hold);
    tcase_add_test(cases, the_end_of_a_window_is_told);
    tcase_add_test(cases, keys_are_destroyed);
    tcase_add_test(cases, many_calls_at_once_are_answered);
    tcase_add_test(cases, the_node_survives_its_bus);
    tcase_add_test(cases, a_bus_that_comes_later_is_found);
    tcase_add_test(cases, a_name_that_is_taken_is_waited_for);
    tcase_add_test(cases, what_is_damaged_is_told);
    tcase_add_test(cases, the_log_level_is_set);
    tcase_add_test(cases, what_is_no_bus_is_refused);
}

UNIT_MAIN("bus", add)
