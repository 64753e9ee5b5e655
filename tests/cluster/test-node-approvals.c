/* Approvals at a node: who may give them, for what, and what forgets them (docs/protocol.md "Approvals"). */
#include "made-key.h"
#include "node-fixture.h"
#include "unit.h"

#include <signal.h>
#include <string.h>

static uint8_t fills[NODE_INDEX_MAX + 1][32];

static NodePeer some_peer(unsigned index)
{
    static char names[NODE_INDEX_MAX + 1][8];

    (void)snprintf(names[index], sizeof(names[index]), "node%u", index);
    memset(fills[index], (int)index, sizeof(fills[index]));
    return (NodePeer){
        .name = names[index],
        .index = index,
        .address = (char *)"tls:192.0.2.11:7853",
        .tls_pin = {fills[index], 32},
        .sealing_key = {fills[index], 32},
        .identity_key = {fills[index], 32},
    };
}

/* Nodes 2 to `last`. */
static void set_peers(Link *link, unsigned last)
{
    NodePeer peers[NODE_INDEX_MAX];
    NodePeers input = {{peers, 0}};

    for (unsigned index = 2; index <= last; index++)
        peers[input.peers.count++] = some_peer(index);
    call_well(link, "SetPeers", &input, NULL);
}

static NodeApprovalInput refresh_of(const KeyId *id)
{
    return (NodeApprovalInput){.kind = (char *)"refresh", .key = {(uint8_t *)(uintptr_t)id->bytes, KEY_ID_SIZE}};
}

static NodeApprovalInput repair_of(const KeyId *id, unsigned lost)
{
    return (NodeApprovalInput){
        .kind = (char *)"repair",
        .key = {(uint8_t *)(uintptr_t)id->bytes, KEY_ID_SIZE},
        .lost = lost,
        .identity_key = {fills[lost], 32},
    };
}

static NodeError approve(Link *link, const NodeApprovalInput *input)
{
    return call(link, "ApproveRun", input, NULL);
}

static NodeError withdraw(Link *link, const NodeApprovalInput *input)
{
    const NodeApprovalInput shorter = {.kind = input->kind, .key = input->key, .lost = input->lost};

    return call(link, "WithdrawApproval", &shorter, NULL);
}

/* "refresh repair3". */
static void check_approvals(Link *link, const char *expected)
{
    NodeApprovalsOutput output = {0};
    char text[512] = "";

    call_well(link, "ListApprovals", NULL, &output);
    for (size_t i = 0; i < output.approvals.count; i++) {
        const NodeApprovalEntry *entry = (const NodeApprovalEntry *)output.approvals.items + i;
        const size_t used = strlen(text);

        (void)snprintf(text + used, sizeof(text) - used, "%s%s", used > 0 ? " " : "", entry->kind);
        if (entry->lost > 0)
            (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "%u", (unsigned)entry->lost);
        ck_assert_uint_gt(entry->seconds, 3500);
        ck_assert_uint_le(entry->seconds, 3600);
    }
    message_clear(&node_approvals_output, &output);
    ck_assert_str_eq(text, expected);
}

static void prepare(Link *link, const TestNode *node, const MadeKey *key)
{
    _cleanup_bytes_ Bytes sealed = made_key_seal(key, node->sealing_key, node->index);

    ck_assert_msg(call_prepare(link, &sealed) == NODE_ERROR_NONE, "%s: %s", call_error, call_detail.reason);
}

static void make_active(Link *link, const TestNode *node, const MadeKey *key)
{
    uint8_t activation[FROST_SIGNATURE_SIZE];

    prepare(link, node, key);
    made_key_activation(key, activation);
    ck_assert_int_eq(call_activate(link, &key->id, activation, sizeof(activation)), NODE_ERROR_NONE);
}

START_TEST(runs_are_approved_and_withdrawn)
{
    _cleanup_test_node_ TestNode node = test_node_running();
    Link *link = call_open_logged_in(&node);
    _cleanup_made_key_ MadeKey key = made_key("ksk", 5, 3, 0);
    const NodeApprovalInput refresh = refresh_of(&key.id);

    make_active(link, &node, &key);
    set_peers(link, 5);

    const NodeApprovalInput repair = repair_of(&key.id, 3), other = repair_of(&key.id, 2);

    check_approvals(link, "");
    ck_assert_int_eq(approve(link, &refresh), NODE_ERROR_NONE);
    ck_assert_int_eq(approve(link, &repair), NODE_ERROR_NONE);
    ck_assert_int_eq(approve(link, &refresh), NODE_ERROR_NONE); /* the same again is one */
    check_approvals(link, "refresh repair3");
    ck_assert_int_eq(withdraw(link, &other), NODE_ERROR_REJECTED);
    ck_assert_int_eq(withdraw(link, &refresh), NODE_ERROR_NONE);
    ck_assert_int_eq(withdraw(link, &refresh), NODE_ERROR_REJECTED);
    check_approvals(link, "repair3");
    (void)link_close(link);
    test_node_restart(&node);
    link = call_open(&node);
    check_approvals(link, "");
    ck_assert_int_eq(approve(link, &repair), NODE_ERROR_NONE);
    set_peers(link, 5); /* node 3 may be another one now */
    check_approvals(link, "");
    (void)link_close(link);
    (void)test_node_stop(&node, SIGTERM);
    ck_assert_uint_eq(test_node_count_logged(&node, "local approves the next refresh of key"), 2);
    ck_assert_uint_eq(test_node_count_logged(&node, "local approves the next repair of key"), 2);
    ck_assert(test_node_logged(&node, ", the share of node node3"));
    ck_assert_uint_eq(test_node_count_logged(&node, "local withdraws the approval of the refresh of key"), 1);
    ck_assert(test_node_logged(&node, "what was approved here is approved no more"));
}
END_TEST

/* The reason says what to do. */
static void check_refused(Link *link, const NodeApprovalInput *input, NodeError error, const char *words)
{
    ck_assert_int_eq(approve(link, input), error);
    ck_assert_msg(strstr(call_detail.reason, words), "'%s' does not say '%s'", call_detail.reason, words);
}

START_TEST(what_cannot_be_done_is_not_approved)
{
    _cleanup_test_node_ TestNode node = test_node_running();
    _cleanup_link_ Link *link = call_open_logged_in(&node);
    _cleanup_made_key_ MadeKey active = made_key("active", 5, 3, 0), pending = made_key("pending", 5, 3, 0),
                               destroyed = made_key("destroyed", 5, 3, 0), unknown = made_key("unknown", 5, 3, 0);
    _cleanup_dealt_key_ DealtKey rsa = dealt_key(0);
    NodeApprovalInput input = refresh_of(&active.id);

    make_active(link, &node, &active);
    make_active(link, &node, &destroyed);
    ck_assert_int_eq(call_key(link, "DestroyKey", &destroyed.id), NODE_ERROR_NONE);
    prepare(link, &node, &pending);
    call_make_active(link, &node, &rsa);
    check_refused(link, &input, NODE_ERROR_REJECTED, "kqctl node peers CARD...");
    set_peers(link, 4);
    check_refused(link, &input, NODE_ERROR_REJECTED, "knows 3 of the 4 other nodes");
    set_peers(link, 5);
    ck_assert_int_eq(approve(link, &input), NODE_ERROR_NONE);
    input = refresh_of(&pending.id);
    check_refused(link, &input, NODE_ERROR_KEY_PENDING, "not active");
    input = refresh_of(&destroyed.id);
    check_refused(link, &input, NODE_ERROR_KEY_DESTROYED, "destroyed");
    input = refresh_of(&unknown.id);
    check_refused(link, &input, NODE_ERROR_UNKNOWN_KEY, "no such key");
    input = repair_of(&unknown.id, 2);
    check_refused(link, &input, NODE_ERROR_UNKNOWN_KEY, "no such key");
    input = refresh_of(&rsa.id);
    check_refused(link, &input, NODE_ERROR_REJECTED, "RSA");
    input = repair_of(&active.id, 6);
    check_refused(link, &input, NODE_ERROR_REJECTED, "there is no node 6");
    input = repair_of(&active.id, 3);
    input.identity_key.data = fills[2];
    check_refused(link, &input, NODE_ERROR_REJECTED, "another identity key");
    check_approvals(link, "refresh");
}
END_TEST

/* The node that has lost its share approves as well: of its own identity, and of a key that it does not know. */
START_TEST(the_node_itself_approves)
{
    _cleanup_test_node_ TestNode node = test_node_running();
    _cleanup_link_ Link *link = call_open_logged_in(&node);
    _cleanup_made_key_ MadeKey key = made_key("lost", 5, 3, 0);
    NodeApprovalInput input = repair_of(&key.id, node.index);
    NodeStatusOutput status = {0};

    set_peers(link, 5);
    check_refused(link, &input, NODE_ERROR_REJECTED, "another identity key");
    call_well(link, "GetStatus", NULL, &status);
    input.identity_key = status.identity_key;
    ck_assert_int_eq(approve(link, &input), NODE_ERROR_NONE);
    check_approvals(link, "repair1");
    ck_assert_int_eq(call_key(link, "DestroyKey", &key.id), NODE_ERROR_NONE);
    check_refused(link, &input, NODE_ERROR_KEY_DESTROYED, "destroyed");
    message_clear(&node_status_output, &status);
}
END_TEST

START_TEST(senseless_approvals_are_invalid)
{
    _cleanup_test_node_ TestNode node = test_node_running();
    _cleanup_link_ Link *link = call_open_logged_in(&node);
    _cleanup_made_key_ MadeKey key = made_key("ksk", 5, 3, 0);
    NodeApprovalInput inputs[] = {refresh_of(&key.id), refresh_of(&key.id),   refresh_of(&key.id),
                                  refresh_of(&key.id), repair_of(&key.id, 2), repair_of(&key.id, 2)};

    make_active(link, &node, &key);
    set_peers(link, 5);
    inputs[0].kind = (char *)"generate";
    inputs[1].kind = (char *)"Refresh";
    inputs[2].lost = 2;
    inputs[3].identity_key = (Bytes){fills[2], 32};
    inputs[4].lost = 0;
    inputs[5].identity_key = (Bytes){0};
    for (size_t i = 0; i < ELEMENTS(inputs); i++)
        call_invalid(link, "ApproveRun", &inputs[i]);
    check_approvals(link, "");
}
END_TEST

START_TEST(approvals_are_limited)
{
    _cleanup_test_node_ TestNode node = test_node_running();
    _cleanup_link_ Link *link = call_open_logged_in(&node);
    NodeApprovalInput input;

    set_peers(link, 5);
    for (unsigned i = 0; i <= NODE_APPROVALS_MAX; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "key %u", i);

        _cleanup_made_key_ MadeKey key = made_key(name, 5, 3, 0);

        make_active(link, &node, &key);
        input = refresh_of(&key.id);
        if (i < NODE_APPROVALS_MAX)
            ck_assert_int_eq(approve(link, &input), NODE_ERROR_NONE);
        else
            check_refused(link, &input, NODE_ERROR_UNAVAILABLE, "withdraw");
    }
}
END_TEST

START_TEST(no_token_no_approval)
{
    _cleanup_test_node_ TestNode node = test_node_new();
    _cleanup_made_key_ MadeKey key = made_key("ksk", 5, 3, 0);
    const NodeApprovalInput input = refresh_of(&key.id);

    test_node_start(&node);

    _cleanup_link_ Link *link = call_open(&node);

    ck_assert_int_eq(approve(link, &input), NODE_ERROR_NOT_INITIALIZED);
}
END_TEST

static void add(TCase *cases)
{
    tcase_add_test(cases, runs_are_approved_and_withdrawn);
    tcase_add_test(cases, what_cannot_be_done_is_not_approved);
    tcase_add_test(cases, the_node_itself_approves);
    tcase_add_test(cases, senseless_approvals_are_invalid);
    tcase_add_test(cases, approvals_are_limited);
    tcase_add_test(cases, no_token_no_approval);
}

UNIT_MAIN("node-approvals", add)
