/* A node through its socket: tokens, logins, PINs, and what is no request (docs/protocol.md). */
#include "node-fixture.h"
#include "unit.h"

#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

/* ---- Hello ---------------------------------------------------------------------------------------------------------------- */

typedef struct Needing {
    const char *method;
    const void *input;
    NodeError before_hello, before_login;
} Needing;

static void check_needs(Link *link, bool after_hello)
{
    uint8_t some[NODE_SIGNATURE_SIZE_MAX] = {1};
    const Bytes key = {some, NODE_KEY_ID_SIZE};
    const NodeKeyInput key_input = {key};
    const NodeChallengeInput challenge = {1, {some, NODE_ANSWER_SIZE}};
    const NodePinInput pin = {2, {some, NODE_VERIFIER_SIZE}};
    const NodeListInput list = {0};
    const NodePrepareInput prepare = {{some, 100}, test_record(1, "")};
    const NodeActivateInput activate = {key, {some, 256}};
    const NodeSetRecordInput record = {key, test_record(1, "")};
    const NodePartialSignInput sign = {key, (char *)"sha256", {some, 32}};
    const NodeGetCommitmentsInput commitments = {key, 1};
    const NodeSignShareInput share = {key, {0}, {some, NODE_COMMITMENT_SIZE}, 0};
    const NodeBeginRunInput begin_run = {.kind = (char *)"generate", .record = test_record(1, "")};
    const NodeContinueRunInput continue_run = {.run = {some, NODE_RUN_SIZE}};
    const NodeRunInput end_run = {{some, NODE_RUN_SIZE}};
    const Needing table[] = {
        {"AnswerChallenge", &challenge, NODE_ERROR_HELLO_REQUIRED, NODE_ERROR_PIN_INCORRECT},
        {"ListKeys", &list, NODE_ERROR_HELLO_REQUIRED, NODE_ERROR_NONE},
        {"GetKey", &key_input, NODE_ERROR_HELLO_REQUIRED, NODE_ERROR_UNKNOWN_KEY},
        {"PreparePin", &pin, NODE_ERROR_HELLO_REQUIRED, NODE_ERROR_LOGIN_REQUIRED},
        {"CommitPin", &pin, NODE_ERROR_HELLO_REQUIRED, NODE_ERROR_LOGIN_REQUIRED},
        {"PrepareKey", &prepare, NODE_ERROR_HELLO_REQUIRED, NODE_ERROR_LOGIN_REQUIRED},
        {"ActivateKey", &activate, NODE_ERROR_HELLO_REQUIRED, NODE_ERROR_LOGIN_REQUIRED},
        {"DiscardKey", &key_input, NODE_ERROR_HELLO_REQUIRED, NODE_ERROR_LOGIN_REQUIRED},
        {"SetRecord", &record, NODE_ERROR_HELLO_REQUIRED, NODE_ERROR_LOGIN_REQUIRED},
        {"RetireKey", &key_input, NODE_ERROR_HELLO_REQUIRED, NODE_ERROR_LOGIN_REQUIRED},
        {"DestroyKey", &key_input, NODE_ERROR_HELLO_REQUIRED, NODE_ERROR_LOGIN_REQUIRED},
        {"PartialSign", &sign, NODE_ERROR_HELLO_REQUIRED, NODE_ERROR_LOGIN_REQUIRED},
        {"GetCommitments", &commitments, NODE_ERROR_HELLO_REQUIRED, NODE_ERROR_LOGIN_REQUIRED},
        {"SignShare", &share, NODE_ERROR_HELLO_REQUIRED, NODE_ERROR_LOGIN_REQUIRED},
        {"BeginRun", &begin_run, NODE_ERROR_HELLO_REQUIRED, NODE_ERROR_LOGIN_REQUIRED},
        {"ContinueRun", &continue_run, NODE_ERROR_HELLO_REQUIRED, NODE_ERROR_LOGIN_REQUIRED},
        {"EndRun", &end_run, NODE_ERROR_HELLO_REQUIRED, NODE_ERROR_LOGIN_REQUIRED},
    };

    /* Every method but GetStatus, InitToken, Hello, and the eleven that depend on who calls alone. */
    for (size_t n = 0; n < ELEMENTS(table) + 14; n++)
        ck_assert(node_methods[n].name);
    ck_assert(!node_methods[ELEMENTS(table) + 14].name);
    for (size_t i = 0; i < ELEMENTS(table); i++) {
        NodeListOutput output = {0};
        NodeError error = call(link, table[i].method, table[i].input, &output);

        ck_assert_msg(error == (after_hello ? table[i].before_login : table[i].before_hello), "%s: %s", table[i].method, call_error);
        if (error == NODE_ERROR_NONE)
            message_clear(&node_list_output, &output);
    }
}

START_TEST(nothing_goes_without_hello_and_little_without_login)
{
    _cleanup_test_node_ TestNode node = test_node_running();
    _cleanup_link_ Link *link = call_open(&node);
    NodeHelloOutput hello = {0};
    NodeStatusOutput status = {0};

    call_well(link, "GetStatus", NULL, &status);
    message_clear(&node_status_output, &status);
    check_needs(link, false);
    ck_assert_int_eq(call_hello(link, &node, &hello), NODE_ERROR_NONE);
    ck_assert_str_eq(hello.name, "alpha");
    ck_assert_str_eq(hello.custody, "keyring");
    ck_assert_uint_eq(hello.pin_version, 1);
    ck_assert_uint_eq(hello.next_pin_version, 0);
    ck_assert(!hello.pin_locked);
    message_clear(&node_hello_output, &hello);
    check_needs(link, true);
}
END_TEST

START_TEST(hello_wants_the_right_token)
{
    _cleanup_test_node_ TestNode node = test_node_new();
    NodeHelloOutput hello = {0};

    test_node_start(&node);

    _cleanup_link_ Link *link = call_open(&node);

    ck_assert_int_eq(call_hello(link, &node, &hello), NODE_ERROR_NOT_INITIALIZED);
    call_init_token(&node);

    TestNode other = node;

    other.index = 2;
    ck_assert_int_eq(call_hello(link, &other, &hello), NODE_ERROR_WRONG_TOKEN);
    other = node;
    other.token[3] ^= 1;
    ck_assert_int_eq(call_hello(link, &other, &hello), NODE_ERROR_WRONG_TOKEN);
    ck_assert_int_eq(call_key(link, "DestroyKey", &(KeyId){{0}}), NODE_ERROR_HELLO_REQUIRED);
    ck_assert_int_eq(call_hello(link, &node, &hello), NODE_ERROR_NONE);
    message_clear(&node_hello_output, &hello);
}
END_TEST

static NodeInitTokenInput init_input(const TestNode *node, const Bytes *verifier)
{
    return (NodeInitTokenInput){
        .token = {(uint8_t *)node->token, NODE_TOKEN_SIZE},
        .index = node->index,
        .n = node->n,
        .k = node->k,
        .verifier = *verifier,
        .pin_version = 1,
    };
}

START_TEST(a_token_is_made_once_and_told)
{
    _cleanup_test_node_ TestNode node = test_node_new();
    _cleanup_bytes_ Bytes verifier = seed_verifier(node.pin_seed);
    NodeInitTokenInput input = init_input(&node, &verifier);
    NodeStatusOutput status = {0};

    test_node_start(&node);
    ck_assert(test_node_logged(&node, "no separation: "));

    _cleanup_link_ Link *link = call_open(&node);

    input.k = 6;
    call_invalid(link, "InitToken", &input);
    input.k = 3;
    input.index = 6;
    call_invalid(link, "InitToken", &input);
    input.index = 1;
    input.pin_version = 2;
    call_invalid(link, "InitToken", &input);
    input.pin_version = 1;
    input.reset_pin = true;
    ck_assert_int_eq(call(link, "InitToken", &input, NULL), NODE_ERROR_NOT_INITIALIZED);
    input.reset_pin = false;
    call_well(link, "InitToken", &input, NULL);
    ck_assert_int_eq(call(link, "InitToken", &input, NULL), NODE_ERROR_ALREADY_INITIALIZED);
    test_node_restart(&node);
    (void)link_close(link);
    link = call_open(&node);
    ck_assert_int_eq(call(link, "InitToken", &input, NULL), NODE_ERROR_ALREADY_INITIALIZED);
    call_well(link, "GetStatus", NULL, &status);
    ck_assert(status.initialized && !status.separation);
    ck_assert_mem_eq(status.token.data, node.token, NODE_TOKEN_SIZE);
    ck_assert_uint_eq(status.index, 1);
    ck_assert_uint_eq(status.n, 5);
    ck_assert_uint_eq(status.k, 3);
    ck_assert_uint_gt(status.key_quota_max, 0);
    ck_assert_mem_eq(status.sealing_key.data, node.sealing_key, NODE_PUBLIC_KEY_SIZE);
    message_clear(&node_status_output, &status);
}
END_TEST

/* ---- PIN ------------------------------------------------------------------------------------------------------------------ */

START_TEST(a_challenge_serves_once)
{
    _cleanup_test_node_ TestNode node = test_node_running();
    _cleanup_link_ Link *link = call_open(&node);
    const uint8_t wrong[PIN_SEED_SIZE] = {1};
    NodeHelloOutput hello = {0};

    ck_assert_int_eq(call_hello(link, &node, &hello), NODE_ERROR_NONE);
    ck_assert_int_eq(call_answer(link, &node, &hello, wrong, 1), NODE_ERROR_PIN_INCORRECT);
    ck_assert_uint_eq(call_detail.number, 9);
    ck_assert_int_eq(call_answer(link, &node, &hello, node.pin_seed, 1), NODE_ERROR_HELLO_REQUIRED);
    ck_assert_int_eq(call_key(link, "DestroyKey", &(KeyId){{0}}), NODE_ERROR_LOGIN_REQUIRED);
    message_clear(&node_hello_output, &hello);
    ck_assert_int_eq(call_hello(link, &node, &hello), NODE_ERROR_NONE);
    ck_assert_int_eq(call_answer(link, &node, &hello, node.pin_seed, 2), NODE_ERROR_STALE_VERSION);
    ck_assert_uint_eq(call_detail.number, 1);
    message_clear(&node_hello_output, &hello);
    ck_assert_int_eq(call_hello(link, &node, &hello), NODE_ERROR_NONE);
    ck_assert_int_eq(call_answer(link, &node, &hello, node.pin_seed, 1), NODE_ERROR_NONE);
    ck_assert_int_eq(call_key(link, "DestroyKey", &(KeyId){{0}}), NODE_ERROR_NONE);

    /* Another connection's nonce, and one of the same connection before the last Hello. */
    _cleanup_link_ Link *second = call_open(&node);
    NodeHelloOutput old = {0};

    ck_assert_int_eq(call_hello(second, &node, &old), NODE_ERROR_NONE);
    message_clear(&node_hello_output, &hello);
    ck_assert_int_eq(call_hello(second, &node, &hello), NODE_ERROR_NONE);
    ck_assert_int_eq(call_answer(second, &node, &old, node.pin_seed, 1), NODE_ERROR_PIN_INCORRECT);
    message_clear(&node_hello_output, &hello);
    message_clear(&node_hello_output, &old);
}
END_TEST

START_TEST(ten_wrong_pins_lock_until_the_reset)
{
    _cleanup_test_node_ TestNode node = test_node_running();
    const uint8_t wrong[PIN_SEED_SIZE] = {1}, next[PIN_SEED_SIZE] = {2};
    NodeHelloOutput hello = {0};

    for (unsigned i = 0; i < 9; i++)
        ck_assert_int_eq(call_log_in(&node, wrong, NULL), NODE_ERROR_PIN_INCORRECT);
    ck_assert_int_eq(call_log_in(&node, node.pin_seed, NULL), NODE_ERROR_NONE); /* forgets them */
    for (unsigned i = 0; i < 10; i++) {
        ck_assert_int_eq(call_log_in(&node, wrong, NULL), NODE_ERROR_PIN_INCORRECT);
        ck_assert_uint_eq(call_detail.number, 9 - i);
        if (i == 4)
            test_node_restart(&node);
    }
    ck_assert_int_eq(call_log_in(&node, node.pin_seed, NULL), NODE_ERROR_PIN_LOCKED);
    test_node_restart(&node);
    ck_assert_int_eq(call_log_in(&node, node.pin_seed, NULL), NODE_ERROR_PIN_LOCKED);

    _cleanup_link_ Link *link = call_open(&node);

    ck_assert_int_eq(call_hello(link, &node, &hello), NODE_ERROR_NONE);
    ck_assert(hello.pin_locked);
    message_clear(&node_hello_output, &hello);

    _cleanup_bytes_ Bytes verifier = seed_verifier(next);
    NodeInitTokenInput input = init_input(&node, &verifier);

    input.reset_pin = true;
    input.k = 2;
    ck_assert_int_eq(call(link, "InitToken", &input, NULL), NODE_ERROR_WRONG_TOKEN);
    input.k = 3;
    call_well(link, "InitToken", &input, NULL);
    ck_assert_int_eq(call_log_in(&node, node.pin_seed, NULL), NODE_ERROR_PIN_INCORRECT);
    test_node_restart(&node);
    ck_assert_int_eq(call_log_in(&node, next, NULL), NODE_ERROR_NONE);
}
END_TEST

START_TEST(a_pin_is_changed_in_two_steps)
{
    _cleanup_test_node_ TestNode node = test_node_running();
    _cleanup_link_ Link *link = call_open_logged_in(&node);
    const uint8_t next_seed[PIN_SEED_SIZE] = {2}, other_seed[PIN_SEED_SIZE] = {3};
    _cleanup_bytes_ Bytes next = seed_verifier(next_seed), other = seed_verifier(other_seed);
    TestNode changed = node;

    changed.pin_version = 2;
    ck_assert_int_eq(call(link, "PreparePin", &(NodePinInput){1, next}, NULL), NODE_ERROR_STALE_VERSION);
    ck_assert_int_eq(call(link, "PreparePin", &(NodePinInput){3, next}, NULL), NODE_ERROR_STALE_VERSION);
    ck_assert_int_eq(call(link, "CommitPin", &(NodePinInput){.version = 2}, NULL), NODE_ERROR_STALE_VERSION);
    ck_assert_uint_eq(call_detail.number, 1);
    ck_assert_int_eq(call_log_in(&changed, next_seed, NULL), NODE_ERROR_STALE_VERSION);
    call_well(link, "CommitPin", &(NodePinInput){.version = 1}, NULL); /* in force already */
    call_well(link, "PreparePin", &(NodePinInput){2, other}, NULL);
    call_well(link, "PreparePin", &(NodePinInput){2, next}, NULL); /* another try */
    test_node_restart(&node);
    (void)link_close(link);
    link = call_open_logged_in(&node); /* the old one */
    ck_assert_int_eq(call_log_in(&changed, other_seed, NULL), NODE_ERROR_PIN_INCORRECT);
    ck_assert_int_eq(call_log_in(&changed, next_seed, NULL), NODE_ERROR_NONE);
    call_well(link, "CommitPin", &(NodePinInput){.version = 2}, NULL);
    call_well(link, "CommitPin", &(NodePinInput){.version = 2}, NULL);
    ck_assert_int_eq(call_log_in(&node, node.pin_seed, NULL), NODE_ERROR_STALE_VERSION);
    ck_assert_uint_eq(call_detail.number, 2);
    test_node_restart(&node);
    ck_assert_int_eq(call_log_in(&changed, next_seed, NULL), NODE_ERROR_NONE);
}
END_TEST

/* ---- Bad input ------------------------------------------------------------------------------------------------------------------------
 */

static int connect_raw(const TestNode *node)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", node->address + strlen("unix:"));
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

/* The node closes the connection. It may do so before it has read everything. */
static void check_closed(const TestNode *node, const void *data, size_t size)
{
    _cleanup_close_ int fd = connect_raw(node);
    char answer[4096];

    for (size_t sent = 0; sent < size;) {
        ssize_t r = send(fd, (const char *)data + sent, size - sent, MSG_NOSIGNAL);

        if (r < 0)
            break;
        sent += (size_t)r;
    }
    while (recv(fd, answer, sizeof(answer), 0) > 0)
        ;
}

START_TEST(garbage_harms_nobody_else)
{
    static const char *const bad[] = {
        "garbage", "{}", "[]", "{\"method\":1}", "{\"method\":\"a\",\"method\":\"b\"}", "{\"method\":\"\xff\"}", "", "null", "{",
    };
    _cleanup_test_node_ TestNode node = test_node_running();
    _cleanup_link_ Link *link = call_open_logged_in(&node);
    _cleanup_dealt_key_ DealtKey key = dealt_key(0);
    const Digest digest = test_digest(HASH_SHA256, 9);
    size_t large_size = 2 * 1024 * 1024;
    char *large = malloc(large_size);
    _cleanup_close_ int half = connect_raw(&node);

    ck_assert_ptr_nonnull(large);
    memset(large, 'x', large_size);
    call_make_active(link, &node, &key);
    ck_assert_int_eq(send(half, "{\"method\":", 10, 0), 10); /* and then nothing more */
    for (size_t i = 0; i < ELEMENTS(bad); i++) {
        const Digest now = test_digest(HASH_SHA256, (uint8_t)i);
        const NodePartialSignInput input = {{key.id.bytes, KEY_ID_SIZE}, (char *)"sha256", {(uint8_t *)now.bytes, now.size}};

        ck_assert_int_eq(link_call(link, NODE_METHOD("PartialSign"), &node_partial_sign_input, &input), 0);

        _cleanup_close_ int fd = connect_raw(&node);

        (void)send(fd, bad[i], strlen(bad[i]) + 1, MSG_NOSIGNAL);
        call_take_partial(link, &key, &now);
    }
    check_closed(&node, "garbage", 8);
    check_closed(&node, large, large_size);
    ck_assert_int_eq(call_sign(link, &key.id, &digest, NULL), NODE_ERROR_NONE);
    free(large);
}
END_TEST

START_TEST(unknown_methods_and_fields_are_named)
{
    static const char request[] = "{\"method\":\"org.keyquorum.Node.GetStatus\",\"parameters\":{\"protocol\":1,\"extra\":2}}";
    static const char version[] = "{\"method\":\"org.keyquorum.Node.GetStatus\",\"parameters\":{\"protocol\":2}}";
    static const char method[] = "{\"method\":\"org.keyquorum.Node.Nothing\",\"parameters\":{\"protocol\":1}}";
    _cleanup_test_node_ TestNode node = test_node_running();
    _cleanup_close_ int fd = connect_raw(&node);
    char answer[4096];
    const struct {
        const char *request, *expected;
        size_t size;
    } table[] = {
        {request, "\"extra\"", sizeof(request)},
        {version, "\"protocol\"", sizeof(version)},
        {method, "MethodNotFound", sizeof(method)},
    };

    for (size_t i = 0; i < ELEMENTS(table); i++) {
        ck_assert_int_eq(send(fd, table[i].request, table[i].size, 0), table[i].size);

        ssize_t size = recv(fd, answer, sizeof(answer) - 1, 0);

        ck_assert_int_gt(size, 0);
        answer[size] = '\0';
        ck_assert_msg(strstr(answer, table[i].expected), "%s", answer);
    }
}
END_TEST

START_TEST(callers_may_leave_in_the_middle)
{
    _cleanup_test_node_ TestNode node = test_node_running();
    _cleanup_link_ Link *link = call_open_logged_in(&node);
    _cleanup_dealt_key_ DealtKey key = dealt_key(0);
    const Digest digest = test_digest(HASH_SHA256, 9);
    const NodePartialSignInput sign = {{key.id.bytes, KEY_ID_SIZE}, (char *)"sha256", {(uint8_t *)digest.bytes, digest.size}};
    const NodeKeyInput destroy = {{(uint8_t[NODE_KEY_ID_SIZE]){1}, NODE_KEY_ID_SIZE}};

    call_make_active(link, &node, &key);
    for (unsigned i = 0; i < 20; i++) {
        Link *leaving = call_open_logged_in(&node);

        ck_assert_int_eq(link_call(leaving, NODE_METHOD("DestroyKey"), &node_key_input, &destroy), 0);
        ck_assert_int_eq(link_call(leaving, NODE_METHOD("PartialSign"), &node_partial_sign_input, &sign), 0);
        (void)link_close(leaving);
    }
    ck_assert_int_eq(call_sign(link, &key.id, &digest, NULL), NODE_ERROR_NONE);
    ck_assert_int_eq(WEXITSTATUS(test_node_stop(&node, SIGTERM)), 0);
}
END_TEST

static void add(TCase *cases)
{
    tcase_add_test(cases, nothing_goes_without_hello_and_little_without_login);
    tcase_add_test(cases, hello_wants_the_right_token);
    tcase_add_test(cases, a_token_is_made_once_and_told);
    tcase_add_test(cases, a_challenge_serves_once);
    tcase_add_test(cases, ten_wrong_pins_lock_until_the_reset);
    tcase_add_test(cases, a_pin_is_changed_in_two_steps);
    tcase_add_test(cases, garbage_harms_nobody_else);
    tcase_add_test(cases, unknown_methods_and_fields_are_named);
    tcase_add_test(cases, callers_may_leave_in_the_middle);
}

UNIT_MAIN("node", add)
