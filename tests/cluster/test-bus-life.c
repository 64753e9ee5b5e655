/* The node and its bus: many calls at once, a bus that goes or comes, and a name that is taken. */
#include <signal.h>
#include <string.h>

#include "bus-fixture.h"
#include "dbus/bus-objects.h"
#include "unit.h"

/* Ask without waiting for the answer; `answered` may be NULL. */
static void send_sign(sd_bus *client, const DealtKey *key, const Digest *digest, sd_bus_message_handler_t answered, void *userdata)
{
    sd_bus_message *request = NULL;

    ck_assert_int_ge(sd_bus_message_new_method_call(client, &request, BUS_NODE_NAME, key_path(key).text, BUS_KEY_INTERFACE, "PartialSign"),
                     0);
    ck_assert_int_ge(sd_bus_message_append(request, "s", hash_name(digest->hash)), 0);
    ck_assert_int_ge(sd_bus_message_append_array(request, 'y', digest->bytes, digest->size), 0);
    ck_assert_int_ge(answered ? sd_bus_call_async(client, NULL, request, answered, userdata, BUS_WAIT) : sd_bus_send(client, request, NULL),
                     0);
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
    _cleanup_bus_fixture_ BusFixture fixture = {0};
    const Digest digest = test_digest(HASH_SHA256, 3);

    bus_fixture_start(&fixture);
    for (unsigned times = 0; times < 2; times++) {
        unsigned n_left = BUS_CALLS_MAX - BUS_CALLS_KEPT;

        for (unsigned i = 0; i < BUS_CALLS_MAX - BUS_CALLS_KEPT; i++)
            send_sign(fixture.client, &fixture.key, &digest, on_signed, &n_left);
        client_run(fixture.client, is_zero, &n_left);
    }
}
END_TEST

/* It dies with calls in hand. */
START_TEST(the_node_survives_its_bus)
{
    _cleanup_bus_fixture_ BusFixture fixture = {0};
    const Digest digest = test_digest(HASH_SHA256, 2);

    bus_fixture_start(&fixture);
    for (unsigned i = 0; i < 20; i++)
        send_sign(fixture.client, &fixture.key, &digest, NULL, NULL);
    ck_assert_int_eq(call_sign(fixture.link, &fixture.key.id, &digest, NULL), NODE_ERROR_NONE);
    bus_stop(&fixture.bus);
    for (unsigned i = 0; i < 20; i++)
        ck_assert_int_eq(call_sign(fixture.link, &fixture.key.id, &digest, NULL), NODE_ERROR_NONE);
    bus_start(&fixture.bus);
    client_close(&fixture.client);
    fixture.client = client_open(&fixture.bus);
    client_wait_for_node(fixture.client);
    ck_assert_str_eq(key_sign(fixture.client, &fixture.key, "sha256", digest.bytes, digest.size, NULL), "");
    bus_check_logged(&fixture.node, "not on D-Bus as " BUS_NODE_NAME ": the bus is gone");
}
END_TEST

START_TEST(a_bus_that_comes_later_is_found)
{
    _cleanup_bus_fixture_ BusFixture fixture = {.node = test_node_new()};

    fixture.bus = bus_for(&fixture.node);
    test_node_start(&fixture.node);
    call_init_token(&fixture.node);
    bus_start(&fixture.bus);
    fixture.client = client_open(&fixture.bus);
    client_wait_for_node(fixture.client);
    ck_assert_uint_eq(get_number(fixture.client, BUS_MANAGER_PATH, BUS_MANAGER_INTERFACE, "Index", 'u'), 1);
    bus_check_logged(&fixture.node, "not on D-Bus as " BUS_NODE_NAME);
}
END_TEST

/* Until two want the name. */
static void wait_for_queue(sd_bus *client)
{
    const Microseconds deadline = clock_now() + BUS_WAIT;
    unsigned n = 0;

    while (n < 2) {
        sd_bus_message *reply = NULL;
        char **owners = NULL;

        ck_assert_msg(clock_now() < deadline, "the node does not ask for its name");
        ck_assert_int_ge(sd_bus_call_method(client, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                            "ListQueuedOwners", NULL, &reply, "s", BUS_NODE_NAME),
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
    _cleanup_bus_fixture_ BusFixture fixture = {.node = test_node_new(), .key = dealt_key(0)};
    _cleanup_client_ sd_bus *thief = NULL;
    Heard heard = {0};

    fixture.bus = bus_for(&fixture.node);
    bus_start(&fixture.bus);
    thief = client_open(&fixture.bus);
    ck_assert_int_ge(sd_bus_request_name(thief, BUS_NODE_NAME, 0), 0);
    test_node_start(&fixture.node);
    wait_for_queue(thief);
    fixture.client = client_open(&fixture.bus);
    ck_assert_int_ge(sd_bus_release_name(thief, BUS_NODE_NAME), 0);
    client_wait_for_node(fixture.client);
    ck_assert(text_is(fixture.client, BUS_MANAGER_PATH, BUS_MANAGER_INTERFACE, "Instance", "alpha"));
    /* And what changes is told from now on. */
    listen_to(fixture.client, &heard);
    call_init_token(&fixture.node);
    fixture.link = call_open_logged_in(&fixture.node);
    call_make_active(fixture.link, &fixture.node, &fixture.key);
    client_run(fixture.client, heard_added, &heard);
    bus_check_logged(&fixture.node, "somebody else on D-Bus is " BUS_NODE_NAME);
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
    tcase_add_test(cases, many_calls_at_once_are_answered);
    tcase_add_test(cases, the_node_survives_its_bus);
    tcase_add_test(cases, a_bus_that_comes_later_is_found);
    tcase_add_test(cases, a_name_that_is_taken_is_waited_for);
    tcase_add_test(cases, what_is_no_bus_is_refused);
}

UNIT_MAIN("bus-life", add)
