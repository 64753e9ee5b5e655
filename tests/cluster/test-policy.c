/* Who may do what at a node: the doors, what a client is before and after it is announced, and its permissions (docs/protocol.md
 * "Clients"). */
#include "node-fixture.h"
#include "unit.h"

#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#define ALL "list,sign,generate,destroy,admin"

static TestNode gate_node(void)
{
    TestNode node = test_node_new();

    test_node_add_gate(&node);
    test_node_start(&node);
    return node;
}

static TestNode gate_node_of_token(void)
{
    TestNode node = gate_node();

    call_init_token(&node);
    return node;
}

/* ---- Announcing -------------------------------------------------------------------------------------------------------------- */

static void check_client(Link *link, const char *name, const char *permissions)
{
    NodeStatusOutput status = {0};
    char text[128] = "";

    call_well(link, "GetStatus", NULL, &status);
    ck_assert_str_eq(status.client, name);
    for (size_t i = 0; i < status.permissions.count; i++)
        (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", i > 0 ? "," : "",
                       ((const NodeText *)status.permissions.items)[i].text);
    ck_assert_str_eq(text, permissions);
    ck_assert_uint_gt(status.key_bytes_max, 0);
    ck_assert_uint_ge(status.key_bytes_max, status.key_bytes_used);
    ck_assert_uint_gt(status.time, 1700000000);
    message_clear(&node_status_output, &status);
}

START_TEST(the_gate_says_who_a_caller_is)
{
    _cleanup_test_node_ TestNode node = gate_node_of_token();
    _cleanup_link_ Link *local = call_open(&node);

    ck_assert_int_eq(call_authorize(&node, "ns1", 1, 2, "sign,list"), NODE_ERROR_NONE);
    ck_assert_int_eq(call_authorize(&node, "ns2", 3, 0, ""), NODE_ERROR_NONE);
    for (uint8_t pin = 0; pin <= 2; pin++) { /* not said, the first, the second */
        _cleanup_link_ Link *link = call_open_gate(&node);

        call_announce(link, "ns1", pin);
        check_client(link, "ns1", "list,sign");
    }

    _cleanup_link_ Link *other = call_open_as(&node, "ns2");

    check_client(other, "ns2", "");
    check_client(local, "local", ALL);
}
END_TEST

static const char *const not_announcements[] = {
    "{\"method\":\"org.keyquorum.Node.GetStatus\",\"parameters\":{\"protocol\":1}}",
    "{\"method\":\"org.keyquorum.Node.GetStatus\",\"parameters\":{}}",
    "{\"method\":\"org.varlink.service.GetInfo\"}",
    "{\"method\":\"org.keyquorum.Node.announceclient\",\"parameters\":{\"protocol\":1,\"name\":\"ns1\"}}",
    "{\"method\":\"AnnounceClient\",\"parameters\":{\"protocol\":1,\"name\":\"ns1\"}}",
    "{\"method\":\"nothing\"}",
    "{\"parameters\":{}}",
    "{\"method\":7}",
    "{}",
    "[]",
    "{\"method\":\"org.keyquorum.Node.AnnounceClient\",\"parameters\":{\"protocol\":1,\"name\":\"ns2\"}}",
    "{\"method\":\"org.keyquorum.Node.AnnounceClient\",\"parameters\":{\"protocol\":1,\"name\":\"local\"}}",
    "{\"method\":\"org.keyquorum.Node.AnnounceClient\",\"parameters\":{\"protocol\":1,\"name\":\"ns1\","
    "\"tlsPin\":\"AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM=\"}}",
};

/* Closed without a byte, and the gate goes on with others. */
START_TEST(nothing_is_answered_before)
{
    _cleanup_test_node_ TestNode node = gate_node_of_token();

    ck_assert_int_eq(call_authorize(&node, "ns1", 1, 0, ALL), NODE_ERROR_NONE);
    for (size_t i = 0; i < ELEMENTS(not_announcements); i++) {
        _cleanup_link_ Link *link = call_open_gate(&node);
        const size_t size = strlen(not_announcements[i]) + 1;
        char byte;

        ck_assert_int_eq(send(link_fd(link), not_announcements[i], size, MSG_NOSIGNAL), (ssize_t)size);
        call_wait_closed(link);
        ck_assert_msg(recv(link_fd(link), &byte, 1, 0) == 0, "%s", not_announcements[i]);
    }

    _cleanup_link_ Link *link = call_open_as(&node, "ns1");

    check_client(link, "ns1", ALL);
    (void)test_node_stop(&node, SIGTERM); /* what it has logged is all there when it has ended */
    ck_assert(test_node_logged(&node, "connection of client ns2 refused: no client of that name is authorized"));
    ck_assert(test_node_logged(&node, "connection of client ns1 refused: the client's TLS pin is not authorized"));
}
END_TEST

static void check_announcing_is_refused(Link *link)
{
    const NodeAnnounceInput names[] = {{.name = (char *)"ns2"}, {.name = (char *)"ns1"}, {.name = (char *)"local"}};

    for (size_t i = 0; i < ELEMENTS(names); i++)
        ck_assert_int_eq(call(link, "AnnounceClient", &names[i], NULL), NODE_ERROR_PERMISSION_DENIED);
}

START_TEST(only_the_gate_announces_and_only_once)
{
    _cleanup_test_node_ TestNode node = gate_node_of_token();

    ck_assert_int_eq(call_authorize(&node, "ns1", 1, 0, "list"), NODE_ERROR_NONE);
    ck_assert_int_eq(call_authorize(&node, "ns2", 2, 0, ALL), NODE_ERROR_NONE);

    _cleanup_link_ Link *link = call_open_as(&node, "ns1"), *local = call_open(&node);

    check_announcing_is_refused(link);
    check_client(link, "ns1", "list");
    check_announcing_is_refused(local);
    check_client(local, "local", ALL);
    call_announce(link, "ns2", 0); /* oneway: no answer, and nothing comes of it */
    check_client(link, "ns1", "list");
}
END_TEST

/* ---- Permissions ---------------------------------------------------------------------------------------------------------------- */

typedef struct Guarded {
    const char *method, *permission;
    const void *input;
} Guarded;

static uint8_t some[NODE_SIGNATURE_SIZE_MAX] = {1};

#define SOME_KEY                                                                                                                           \
    {                                                                                                                                      \
        some, NODE_KEY_ID_SIZE                                                                                                             \
    }

static const NodeListInput list_input;
static const NodeKeyInput key_input = {SOME_KEY};
static const NodePinInput pin_input = {7, {some, NODE_VERIFIER_SIZE}};
static const NodePrepareInput prepare_input = {{some, 100}, {.version = 1}};
static const NodeActivateInput activate_input = {SOME_KEY, {some, 256}};
static const NodeSetRecordInput record_input = {SOME_KEY, {.version = 1}};
static const NodePartialSignInput sign_input = {SOME_KEY, (char *)"sha256", {some, 32}};
static const NodeBeginRunInput begin_run_input = {.kind = (char *)"generate", .record = {.version = 1}};
static const NodeContinueRunInput continue_run_input = {.run = {some, NODE_RUN_SIZE}};
static const NodeRunInput end_run_input = {{some, NODE_RUN_SIZE}};

static const NodeGetCommitmentsInput commitments_input = {SOME_KEY, 1};
static const NodeSignShareInput share_input = {SOME_KEY, {0}, {some, NODE_COMMITMENT_SIZE}, 0};

static const Guarded guarded[] = {
    {"ListKeys", "list", &list_input},
    {"GetKey", "list", &key_input},
    {"PartialSign", "sign", &sign_input},
    {"GetCommitments", "sign", &commitments_input},
    {"SignShare", "sign", &share_input},
    {"PrepareKey", "generate", &prepare_input},
    {"ActivateKey", "generate", &activate_input},
    {"DiscardKey", "generate", &key_input},
    {"SetRecord", "generate", &record_input},
    {"BeginRun", "generate", &begin_run_input},
    {"ContinueRun", "generate", &continue_run_input},
    {"EndRun", "generate", &end_run_input},
    {"RetireKey", "destroy", &key_input},
    {"DestroyKey", "destroy", &key_input},
    {"PreparePin", "admin", &pin_input},
    {"CommitPin", "admin", &pin_input},
};

static NodeError call_guarded(Link *link, const Guarded *row)
{
    NodeListOutput list = {0};
    NodeError error = call(link, row->method, row->input, &list);

    if (error == NODE_ERROR_NONE && strcmp(row->method, "ListKeys") == 0)
        message_clear(&node_list_output, &list);
    return error;
}

/* All permissions but one, or that one alone. */
static void authorize_around(const TestNode *node, const char *permission, bool alone)
{
    char permissions[128] = "";

    for (NodePermission other = 0; other < NODE_PERMISSION_MAX; other++)
        if ((strcmp(node_permission_name(other), permission) == 0) == alone)
            (void)snprintf(permissions + strlen(permissions), sizeof(permissions) - strlen(permissions), "%s%s", *permissions ? "," : "",
                           node_permission_name(other));
    ck_assert_int_eq(call_authorize(node, "ns1", 1, 0, permissions), NODE_ERROR_NONE);
}

static void check_denied(const char *permission)
{
    char words[64];

    (void)snprintf(words, sizeof(words), "no permission '%s'", permission);
    ck_assert_msg(strstr(call_detail.reason, words) && strstr(call_detail.reason, "ns1") && strstr(call_detail.reason, "alpha"), "%s",
                  call_detail.reason);
}

START_TEST(each_permission_is_needed_by_its_methods)
{
    _cleanup_test_node_ TestNode node = gate_node_of_token();

    for (NodePermission permission = 0; permission < NODE_PERMISSION_MAX; permission++)
        for (unsigned alone = 0; alone < 2; alone++) {
            const char *name = node_permission_name(permission);

            authorize_around(&node, name, alone);

            _cleanup_link_ Link *link = call_open_logged_in_as(&node, "ns1");

            for (size_t i = 0; i < ELEMENTS(guarded); i++) {
                const bool allowed = (strcmp(guarded[i].permission, name) == 0) == (alone == 1);
                NodeError error = call_guarded(link, &guarded[i]);

                ck_assert_msg((error != NODE_ERROR_PERMISSION_DENIED) == allowed, "%s, %s, %u: %s", guarded[i].method, name, alone,
                              call_error);
                if (!allowed)
                    check_denied(guarded[i].permission);
            }
        }
    (void)test_node_stop(&node, SIGTERM);
    ck_assert(test_node_logged(&node, "client ns1 was denied DestroyKey: it has no permission 'destroy'"));
}
END_TEST

/* Who could not retire the old shares makes no new ones. */
START_TEST(a_refresh_needs_the_permission_to_destroy)
{
    _cleanup_test_node_ TestNode node = gate_node_of_token();
    static const NodeBeginRunInput refresh = {.kind = (char *)"refresh", .key = SOME_KEY, .record = {.version = 1}};
    const Guarded row = {"BeginRun", "destroy", &refresh};

    ck_assert_int_eq(call_authorize(&node, "ns1", 1, 0, "list,sign,generate"), NODE_ERROR_NONE);

    _cleanup_link_ Link *link = call_open_logged_in_as(&node, "ns1");

    ck_assert_int_eq(call_guarded(link, &row), NODE_ERROR_PERMISSION_DENIED);
    check_denied("destroy");
    ck_assert_int_eq(call_authorize(&node, "ns1", 1, 0, "list,sign,generate,destroy"), NODE_ERROR_NONE);
    ck_assert_int_eq(call_guarded(link, &row), NODE_ERROR_UNAVAILABLE);
}
END_TEST

/* What a signer has, to the end: a signature, and no more. */
START_TEST(a_signer_signs)
{
    _cleanup_test_node_ TestNode node = gate_node_of_token();
    _cleanup_dealt_key_ DealtKey key = dealt_key(0);
    _cleanup_link_ Link *local = call_open_logged_in(&node);
    const Digest digest = test_digest(HASH_SHA256, 3);

    call_make_active(local, &node, &key);
    ck_assert_int_eq(call_authorize(&node, "ns1", 1, 0, "list,sign"), NODE_ERROR_NONE);

    _cleanup_link_ Link *link = call_open_logged_in_as(&node, "ns1");

    ck_assert_str_eq(call_key_state(link, &key.id), "active");
    ck_assert_int_eq(call_sign(link, &key.id, &digest, NULL), NODE_ERROR_NONE);
    ck_assert_int_eq(call_key(link, "DestroyKey", &key.id), NODE_ERROR_PERMISSION_DENIED);
    ck_assert_int_eq(call_key(link, "LockKey", &key.id), NODE_ERROR_NOT_LOCAL);
    ck_assert_str_eq(call_key_state(link, &key.id), "active");
}
END_TEST

/* ---- What is never available through the gate --------------------------------------------------------------------------------------- */

START_TEST(some_things_are_for_this_host_alone)
{
    _cleanup_test_node_ TestNode node = gate_node_of_token();
    _cleanup_bytes_ Bytes verifier = seed_verifier(node.pin_seed);
    const NodePin pin = {{some, NODE_TLS_PIN_SIZE}};
    const NodeAuthorizeInput authorize = {.name = (char *)"ns9", .tls_pins = {(void *)&pin, 1}};
    const NodeNameInput name = {(char *)"ns1"};
    const NodePeers peers = {0};
    const NodeUnlockInput unlock = {SOME_KEY, 1, 1, false};
    const NodeApprovalInput approve = {(char *)"refresh", SOME_KEY, 0, {0}};
    const NodeApprovalInput withdraw = {(char *)"repair", SOME_KEY, 2, {0}};
    const NodeInitTokenInput reset = {{node.token, sizeof(node.token)}, node.index, node.n, node.k, verifier, true, 1};
    const Guarded table[] = {
        {"AuthorizeClient", NULL, &authorize},
        {"DeauthorizeClient", NULL, &name},
        {"ListClients", NULL, NULL},
        {"SetPeers", NULL, &peers},
        {"ListPeers", NULL, NULL},
        {"LockKey", NULL, &key_input},
        {"UnlockKey", NULL, &unlock},
        {"ApproveRun", NULL, &approve},
        {"WithdrawApproval", NULL, &withdraw},
        {"ListApprovals", NULL, NULL},
        {"InitToken", NULL, &reset},
    };

    ck_assert_int_eq(call_authorize(&node, "ns1", 1, 0, ALL), NODE_ERROR_NONE);

    _cleanup_link_ Link *fresh = call_open_as(&node, "ns1"), *link = call_open_logged_in_as(&node, "ns1");

    for (size_t i = 0; i < ELEMENTS(table); i++) {
        ck_assert_msg(call(fresh, table[i].method, table[i].input, NULL) == NODE_ERROR_NOT_LOCAL, "%s: %s", table[i].method, call_error);
        ck_assert_msg(call(link, table[i].method, table[i].input, NULL) == NODE_ERROR_NOT_LOCAL, "%s: %s", table[i].method, call_error);
    }
}
END_TEST

START_TEST(a_fresh_node_gets_its_token_from_an_administrator)
{
    _cleanup_test_node_ TestNode node = gate_node();
    _cleanup_bytes_ Bytes verifier = seed_verifier(node.pin_seed);
    const NodeInitTokenInput init = {{node.token, sizeof(node.token)}, node.index, node.n, node.k, verifier, false, 1};

    ck_assert_int_eq(call_authorize(&node, "ns1", 1, 0, "list,sign,generate,destroy"), NODE_ERROR_NONE);
    ck_assert_int_eq(call_authorize(&node, "boss", 2, 0, "admin"), NODE_ERROR_NONE);

    _cleanup_link_ Link *signer = call_open_as(&node, "ns1"), *boss = call_open_as(&node, "boss");

    ck_assert_int_eq(call(signer, "InitToken", &init, NULL), NODE_ERROR_PERMISSION_DENIED);
    ck_assert_int_eq(call(boss, "InitToken", &init, NULL), NODE_ERROR_NONE);
    ck_assert_int_eq(call(boss, "InitToken", &init, NULL), NODE_ERROR_ALREADY_INITIALIZED);
}
END_TEST

/* ---- PIN failures ------------------------------------------------------------------------------------------------------------------- */

static NodeError log_in_as(const TestNode *node, const char *name, const uint8_t seed[PIN_SEED_SIZE])
{
    _cleanup_link_ Link *link = call_open_as(node, name);
    NodeHelloOutput hello = {0};

    ck_assert_int_eq(call_hello(link, node, &hello), NODE_ERROR_NONE);

    NodeError error = call_answer(link, node, &hello, seed, node->pin_version);

    message_clear(&node_hello_output, &hello);
    return error;
}

START_TEST(wrong_pins_count_for_each_client)
{
    _cleanup_test_node_ TestNode node = gate_node_of_token();
    static const uint8_t wrong[PIN_SEED_SIZE] = {9};

    ck_assert_int_eq(call_authorize(&node, "ns1", 1, 0, "sign"), NODE_ERROR_NONE);
    ck_assert_int_eq(call_authorize(&node, "ns2", 2, 0, "sign"), NODE_ERROR_NONE);
    for (unsigned i = 0; i < 10; i++)
        ck_assert_int_eq(log_in_as(&node, "ns1", wrong), NODE_ERROR_PIN_INCORRECT);
    ck_assert_int_eq(log_in_as(&node, "ns1", node.pin_seed), NODE_ERROR_PIN_LOCKED);
    ck_assert_int_eq(log_in_as(&node, "ns2", wrong), NODE_ERROR_PIN_INCORRECT);
    ck_assert_uint_eq(call_detail.number, 9);
    ck_assert_int_eq(log_in_as(&node, "ns2", node.pin_seed), NODE_ERROR_NONE);
    ck_assert_int_eq(call_log_in(&node, node.pin_seed, NULL), NODE_ERROR_NONE);
    test_node_restart(&node);
    ck_assert_int_eq(log_in_as(&node, "ns1", node.pin_seed), NODE_ERROR_PIN_LOCKED);
    ck_assert_int_eq(log_in_as(&node, "ns2", node.pin_seed), NODE_ERROR_NONE);
}
END_TEST

/* ---- What a client can make the node log ------------------------------------------------------------------------------------------- */

static void check_logged_once(const TestNode *node, const char *first, const char *sum)
{
    ck_assert_msg(test_node_count_logged(node, first) == 1, "%u times: %s", test_node_count_logged(node, first), first);
    ck_assert_msg(test_node_count_logged(node, sum) == 1, "%s", sum);
}

START_TEST(refusals_are_summed_up)
{
    _cleanup_test_node_ TestNode node = gate_node_of_token();
    static const uint8_t wrong[PIN_SEED_SIZE] = {9};
    const Guarded denied = {"GetKey", "list", &key_input};

    ck_assert_int_eq(call_authorize(&node, "ns1", 1, 0, "destroy"), NODE_ERROR_NONE);

    Link *link = call_open_logged_in_as(&node, "ns1"), *stranger = call_open_as(&node, "nobody");

    call_wait_closed(stranger);
    (void)link_close(stranger);
    for (unsigned i = 0; i < 50; i++)
        ck_assert_int_eq(call_guarded(link, &denied), NODE_ERROR_PERMISSION_DENIED);
    for (unsigned i = 0; i < 5; i++) /* the first leaves a tombstone, the others find it */
        ck_assert_int_eq(call(link, "DestroyKey", &key_input, NULL), NODE_ERROR_NONE);
    for (unsigned i = 0; i < 15; i++)
        ck_assert_int_eq(log_in_as(&node, "ns1", wrong), i < 10 ? NODE_ERROR_PIN_INCORRECT : NODE_ERROR_PIN_LOCKED);
    (void)link_close(link);
    stranger = call_open_as(&node, "somebody");
    call_wait_closed(stranger);
    (void)link_close(stranger);
    (void)test_node_stop(&node, SIGTERM);
    check_logged_once(&node, "ns1 was denied GetKey: ", "ns1 GetKey: PermissionDenied, 49 times more in ");
    check_logged_once(&node, "ns1 logs in: PinIncorrect: ", "ns1 logs in: PinIncorrect, 9 times more in ");
    check_logged_once(&node, "ns1 logs in: PinLocked: ", "ns1 logs in: PinLocked, 4 times more in ");
    check_logged_once(&node, "the gate brings client ns1", "ns1 AnnounceClient: done, 15 times more in ");
    check_logged_once(&node, "connection of client nobody refused", "AnnounceClient: no client of that name");
    ck_assert_uint_eq(test_node_count_logged(&node, "client somebody"), 0);
    ck_assert_uint_eq(test_node_count_logged(&node, "ns1 destroys key "), 2);
    ck_assert_uint_eq(test_node_count_logged(&node, "ns1 destroys key: done, 3 times more in "), 1);
}
END_TEST

START_TEST(failing_loads_are_summed_up)
{
    _cleanup_test_node_ TestNode node = gate_node_of_token();
    _cleanup_dealt_key_ DealtKey key = dealt_key(0);
    const Digest digest = test_digest(HASH_SHA256, 3);
    Link *link = call_open_logged_in(&node);

    call_make_active(link, &node, &key);
    (void)link_close(link);
    ck_assert_int_eq(call_authorize(&node, "ns1", 1, 0, "sign"), NODE_ERROR_NONE);
    (void)test_node_stop(&node, SIGTERM);
    ck_assert_int_eq(setenv("KEYQUORUM_LOADER", "/bin/false", 1), 0);
    test_node_start(&node);
    link = call_open_logged_in_as(&node, "ns1");
    for (unsigned i = 0; i < 5; i++)
        ck_assert_int_eq(call_sign(link, &key.id, &digest, NULL), NODE_ERROR_UNAVAILABLE);
    (void)link_close(link);
    (void)test_node_stop(&node, SIGTERM);
    ck_assert_uint_eq(test_node_count_logged(&node, "node loads key "), 1);
    ck_assert_uint_eq(test_node_count_logged(&node, "loads key: Unavailable, 4 times more in "), 1);
}
END_TEST

/* ---- Limits ---------------------------------------------------------------------------------------------------------------------------
 */

START_TEST(a_client_has_so_many_connections)
{
    _cleanup_test_node_ TestNode node = gate_node_of_token();
    Link *links[256];

    ck_assert_int_eq(call_authorize(&node, "ns1", 1, 0, "list"), NODE_ERROR_NONE);
    ck_assert_int_eq(call_authorize(&node, "ns2", 2, 0, "list"), NODE_ERROR_NONE);
    for (size_t i = 0; i < ELEMENTS(links); i++) {
        links[i] = call_open_as(&node, "ns1");
        check_client(links[i], "ns1", "list");
    }

    _cleanup_link_ Link *one_more = call_open_as(&node, "ns1"), *other = call_open_as(&node, "ns2"), *local = call_open(&node);

    call_wait_closed(one_more);
    check_client(other, "ns2", "list");
    check_client(local, "local", ALL);
    (void)link_close(links[0]);
    links[0] = NULL;
    for (bool in = false; !in;) { /* the node may not have noticed yet */
        NodeClientsOutput clients = {0};

        call_well(local, "ListClients", NULL, &clients);
        in = ((const NodeClientEntry *)clients.clients.items)[0].connections == 255;
        message_clear(&node_clients_output, &clients);
    }
    links[0] = call_open_as(&node, "ns1");
    check_client(links[0], "ns1", "list");
    for (size_t i = 0; i < ELEMENTS(links); i++)
        (void)link_close(links[i]);
}
END_TEST

/* ---- Sockets that are passed in ---------------------------------------------------------------------------------------------------------
 */

START_TEST(passed_sockets_are_told_apart_by_name)
{
    _cleanup_test_node_ TestNode node = test_node_new();

    node.activated = true;
    test_node_add_gate(&node);
    test_node_start(&node);
    ck_assert_int_eq(call_authorize(&node, "ns1", 1, 0, "list"), NODE_ERROR_NONE);

    _cleanup_link_ Link *link = call_open_as(&node, "ns1"), *local = call_open(&node);

    check_client(link, "ns1", "list");
    check_client(local, "local", ALL);
}
END_TEST

START_TEST(sockets_of_unknown_names_are_refused)
{
    _cleanup_test_node_ TestNode node = test_node_new();
    static const char *const names[] = {"gate:unknown", "gate:", "gate:Local", "gate:bus", "gate"};

    node.activated = true;
    node.socket_names = "gate";
    ck_assert_int_eq(test_node_start_in_vain(&node, NULL), 1);
    ck_assert(test_node_logged(&node, "a gate's socket was passed in, but the configuration has no Address="));
    test_node_add_gate(&node);
    for (size_t i = 0; i < ELEMENTS(names); i++) {
        node.socket_names = names[i];
        ck_assert_msg(test_node_start_in_vain(&node, NULL) == 1, "%s", names[i]);
    }
    ck_assert(test_node_logged(&node, "FileDescriptorName= has to be local or gate"));
}
END_TEST

static void add(TCase *cases)
{
    tcase_add_test(cases, the_gate_says_who_a_caller_is);
    tcase_add_test(cases, nothing_is_answered_before);
    tcase_add_test(cases, only_the_gate_announces_and_only_once);
    tcase_add_test(cases, each_permission_is_needed_by_its_methods);
    tcase_add_test(cases, a_signer_signs);
    tcase_add_test(cases, some_things_are_for_this_host_alone);
    tcase_add_test(cases, a_fresh_node_gets_its_token_from_an_administrator);
    tcase_add_test(cases, wrong_pins_count_for_each_client);
    tcase_add_test(cases, refusals_are_summed_up);
    tcase_add_test(cases, failing_loads_are_summed_up);
    tcase_add_test(cases, a_refresh_needs_the_permission_to_destroy);
    tcase_add_test(cases, a_client_has_so_many_connections);
    tcase_add_test(cases, passed_sockets_are_told_apart_by_name);
    tcase_add_test(cases, sockets_of_unknown_names_are_refused);
}

UNIT_MAIN("policy", add)
