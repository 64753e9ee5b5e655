#include "bus-fixture.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "dbus/bus-objects.h"
#include "unit.h"

#define SYSTEM_PATH "/usr/bin:/bin:/usr/sbin:/sbin"

/* ---- The bus ---- */

static const char bus_config[] = "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\" "
                                 "\"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n"
                                 "<busconfig><type>session</type><listen>%s</listen><auth>EXTERNAL</auth><policy context=\"default\">"
                                 "<allow send_destination=\"*\"/><allow receive_sender=\"*\"/><allow own=\"*\"/></policy></busconfig>\n";

void bus_start(TestBus *bus)
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
    /* It says its address when it can be reached. */
    ck_assert_msg(read(ends[0], line, sizeof(line)) > 0, "dbus-daemon does not start");
    (void)close(ends[0]);
}

void bus_stop(TestBus *bus)
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

TestBus bus_for(TestNode *node)
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

void client_close(sd_bus **client)
{
    (void)sd_bus_flush_close_unref(*client);
}

sd_bus *client_open(const TestBus *bus)
{
    sd_bus *client = NULL;

    ck_assert_int_ge(sd_bus_new(&client), 0);
    ck_assert_int_ge(sd_bus_set_address(client, bus->address), 0);
    ck_assert_int_ge(sd_bus_set_bus_client(client, 1), 0);
    ck_assert_int_ge(sd_bus_start(client), 0);
    return client;
}

void client_run(sd_bus *client, bool (*done)(void *userdata), void *userdata)
{
    const Microseconds deadline = clock_now() + BUS_WAIT;

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

    if (sd_bus_message_read(signal, "sss", &name, &before, &after) >= 0 && strcmp(name, BUS_NODE_NAME) == 0)
        *(bool *)userdata = *after != '\0';
    return 0;
}

static bool is_true(void *userdata)
{
    return *(const bool *)userdata;
}

void client_wait_for_node(sd_bus *client)
{
    sd_bus_slot *slot = NULL;
    sd_bus_creds *creds = NULL;
    bool owned = false;

    ck_assert_int_ge(
        sd_bus_match_signal(client, &slot, "org.freedesktop.DBus", NULL, "org.freedesktop.DBus", "NameOwnerChanged", on_owner, &owned), 0);
    if (sd_bus_get_name_creds(client, BUS_NODE_NAME, 0, &creds) < 0)
        client_run(client, is_true, &owned);
    sd_bus_creds_unref(creds);
    sd_bus_slot_unref(slot);
}

TestPath key_path(const DealtKey *key)
{
    TestPath path;

    (void)snprintf(path.text, sizeof(path.text), "%s/", BUS_KEY_PATH);
    key_id_format(&key->id, path.text + strlen(path.text));
    return path;
}

const char *key_call(sd_bus *client, const DealtKey *key, const char *method, const char *types, uint64_t a, uint64_t b)
{
    static char name[256];
    sd_bus_error error = SD_BUS_ERROR_NULL;
    int r = sd_bus_call_method(client, BUS_NODE_NAME, key_path(key).text, BUS_KEY_INTERFACE, method, &error, NULL, types, a, b);

    (void)snprintf(name, sizeof(name), "%s", r < 0 ? error.name : "");
    if (r < 0 && strncmp(error.name, BUS_ERROR(""), strlen(BUS_ERROR(""))) == 0)
        ck_assert_msg(error.message && strlen(error.message) > 8, "%s without a reason", error.name);
    sd_bus_error_free(&error);
    return name;
}

const char *key_sign(sd_bus *client, const DealtKey *key, const char *hash, const void *digest, size_t size, Bytes *ret_partial)
{
    static char name[256];
    sd_bus_message *request = NULL, *reply = NULL;
    sd_bus_error error = SD_BUS_ERROR_NULL;
    const void *partial;
    size_t partial_size;

    ck_assert_int_ge(sd_bus_message_new_method_call(client, &request, BUS_NODE_NAME, key_path(key).text, BUS_KEY_INTERFACE, "PartialSign"),
                     0);
    ck_assert_int_ge(sd_bus_message_append(request, "s", hash), 0);
    ck_assert_int_ge(sd_bus_message_append_array(request, 'y', digest, size), 0);

    int r = sd_bus_call(client, request, BUS_WAIT, &error, &reply);

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

uint64_t get_number(sd_bus *client, const char *path, const char *interface, const char *property, char type)
{
    sd_bus_error error = SD_BUS_ERROR_NULL;
    uint64_t number = 0;
    uint32_t small = 0;
    int r =
        sd_bus_get_property_trivial(client, BUS_NODE_NAME, path, interface, property, &error, type, type == 't' ? (void *)&number : &small);

    ck_assert_msg(r >= 0, "%s: %s", property, error.message);
    return type == 't' ? number : small;
}

bool text_is(sd_bus *client, const char *path, const char *interface, const char *property, const char *expected)
{
    sd_bus_error error = SD_BUS_ERROR_NULL;
    char *text = NULL;
    int r = sd_bus_get_property_string(client, BUS_NODE_NAME, path, interface, property, &error, &text);

    ck_assert_msg(r >= 0, "%s: %s", property, error.message);

    bool is = strcmp(text, expected) == 0;

    free(text);
    return is;
}

void bytes_are(sd_bus *client, const char *path, const char *interface, const char *property, const Bytes *expected)
{
    sd_bus_message *reply = NULL;
    const void *data;
    size_t size;

    ck_assert_int_ge(sd_bus_get_property(client, BUS_NODE_NAME, path, interface, property, NULL, &reply, "ay"), 0);
    ck_assert_int_ge(sd_bus_message_read_array(reply, 'y', &data, &size), 0);
    ck_assert_uint_eq(size, expected->size);
    if (size > 0)
        ck_assert_mem_eq(data, expected->data, size);
    sd_bus_message_unref(reply);
}

void bus_check_logged(TestNode *node, const char *text)
{
    (void)test_node_stop(node, SIGTERM);
    ck_assert_msg(test_node_logged(node, text), "it has not logged: %s", text);
}

/* ---- Signals ---- */

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

void listen_to(sd_bus *client, Heard *heard)
{
    static const char objects[] = "org.freedesktop.DBus.ObjectManager", properties[] = "org.freedesktop.DBus.Properties";

    ck_assert_int_ge(sd_bus_match_signal(client, NULL, BUS_NODE_NAME, BUS_MANAGER_PATH, objects, "InterfacesAdded", on_added, heard), 0);
    ck_assert_int_ge(sd_bus_match_signal(client, NULL, BUS_NODE_NAME, BUS_MANAGER_PATH, objects, "InterfacesRemoved", on_removed, heard),
                     0);
    ck_assert_int_ge(sd_bus_match_signal(client, NULL, BUS_NODE_NAME, NULL, properties, "PropertiesChanged", on_changed, heard), 0);
}

bool heard_added(void *heard)
{
    return ((const Heard *)heard)->added > 0;
}

bool heard_removed(void *heard)
{
    return ((const Heard *)heard)->removed > 0;
}

bool heard_active(void *heard)
{
    return ((const Heard *)heard)->state && ((const Heard *)heard)->keys_active;
}

bool heard_locked(void *heard)
{
    return ((const Heard *)heard)->locked;
}

/* ---- All of it ---- */

void bus_fixture_clear(BusFixture *fixture)
{
    client_close(&fixture->client);
    (void)link_close(fixture->link);
    bus_clear(&fixture->bus);
    dealt_key_clear(&fixture->key);
    test_node_clear(&fixture->node);
}

void bus_fixture_start(BusFixture *fixture)
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
