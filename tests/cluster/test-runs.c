/* Runs of real nodes: keys that they make, and what is left of a run that does not come to its end. */
#include "base/clock.h"
#include "run-keys.h"

/* ---- Keys ---- */

static void assert_nothing_there(const TestToken *token)
{
    for (unsigned i = 0; i < token->n; i++)
        ck_assert_uint_eq(test_node_count_files(&token->nodes[i], ""), 0);
}

/* Every k of them where that is not too many, else every window. */
static void try_quorums(const TestToken *token, const KeyId *id, const ThresholdKey *key)
{
    uint8_t signature[FROST_SIGNATURE_SIZE];
    const uint32_t all = (1U << token->n) - 1;

    for (uint32_t nodes = 1; token->n <= 5 && nodes <= all; nodes++)
        if ((unsigned)__builtin_popcount(nodes) == token->k)
            run_sign_with(token, id, key, nodes, signature);
    for (unsigned i = 0; token->n > 5 && i < token->n; i++) {
        const uint32_t window = ((1U << token->k) - 1) << i;

        run_sign_with(token, id, key, (window | window >> token->n) & all, signature);
    }
}

static void make_key(unsigned n, unsigned k)
{
    _cleanup_token_ TestToken token;
    _cleanup_test_run_ TestRun run = {.token = &token};
    _cleanup_threshold_key_ ThresholdKey *key = NULL;
    uint8_t signature[FROST_SIGNATURE_SIZE];

    token_start(n, k, &token);

    Microseconds start = clock_now();

    run = run_begin(&token, "made");

    const KeyId id = run_finish(&run);

    fprintf(stderr, "# %u-of-%u: made in %.1f ms, one node after the other\n", k, n, (double)(clock_now() - start) / 1000);
    key = run_key_of(&run.said[0].header, &token, 1);
    for (unsigned i = 0; i < n; i++) {
        ck_assert_str_eq(call_key_state(token.links[i], &id), "pending");
        ck_assert_uint_eq(test_node_count_files(&token.nodes[i], ".share"), 1);
        ck_assert_uint_eq(test_node_count_files(&token.nodes[i], ".record"), 1);
    }
    try_quorums(&token, &id, key);
    /* It is durable, as what a client prepares is. */
    test_node_restart(&token.nodes[0]);
    token_connect(&token);
    ck_assert_str_eq(call_key_state(token.links[0], &id), "pending");
    run_sign_with(&token, &id, key, (1U << k) - 1, signature);
}

START_TEST(two_of_three)
{
    make_key(3, 2);
}
END_TEST

START_TEST(three_of_five)
{
    make_key(5, 3);
}
END_TEST

START_TEST(nine_of_sixteen)
{
    make_key(16, 9);
}
END_TEST

START_TEST(two_runs_at_once)
{
    _cleanup_token_ TestToken token;
    _cleanup_test_run_ TestRun a = {.token = &token}, b = {.token = &token};

    token_start(3, 2, &token);
    a = run_begin(&token, "a");
    b = run_begin(&token, "b");
    for (unsigned round = 0; round < 4; round++) {
        run_step_well(&b);
        run_step_well(&a);
    }

    const KeyId id_a = run_finish(&a), id_b = run_finish(&b);

    ck_assert(!key_id_equal(&id_a, &id_b));
    for (unsigned i = 0; i < 3; i++)
        ck_assert_uint_eq(test_node_count_files(&token.nodes[i], ".share"), 2);
}
END_TEST

/* ---- Refresh ---- */

START_TEST(a_refresh_needs_approval_and_makes_the_next_generation)
{
    _cleanup_token_ TestToken token;
    _cleanup_threshold_key_ ThresholdKey *key = NULL;

    token_start(3, 2, &token);

    const KeyId old = run_make_active(&token);
    _cleanup_test_run_ TestRun run = {.token = &token};

    /* One operator is too few; and a run that failed uses nothing up. */
    ck_assert_int_eq(run_approve(&token, 1, &old), NODE_ERROR_NONE);
    run = run_begin_refresh(&token, &old);
    run_step_all(&run);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_int_eq(run.errors[i], NODE_ERROR_RUN_FAILED);
        ck_assert_msg(strstr(run.words[i], "kqctl node approve"), "%s", run.words[i]);
    }
    run_clear(&run);
    ck_assert_int_eq(run_approve(&token, 3, &old), NODE_ERROR_NONE);
    run = run_begin_refresh(&token, &old);

    const KeyId fresh = run_finish(&run);

    key = run_key_of(&run.said[0].header, &token, 2);
    try_quorums(&token, &fresh, key);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_str_eq(call_key_state(token.links[i], &fresh), "pending");
        ck_assert_str_eq(call_key_state(token.links[i], &old), "active");
    }
    /* The approvals served. Meanwhile there is one that is pending, too. */
    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(call_key(token.links[i], "DiscardKey", &fresh), NODE_ERROR_NONE);
    run_clear(&run);
    run = run_begin_refresh(&token, &old);
    run_step_all(&run);
    ck_assert_int_eq(run.errors[0], NODE_ERROR_RUN_FAILED);
    ck_assert_msg(strstr(run.words[0], "operators of 0 of the nodes"), "%s", run.words[0]);
}
END_TEST

static void assert_gave_nothing(const TestRun *run, unsigned index, const char *words)
{
    ck_assert_int_eq(run->errors[index - 1], NODE_ERROR_RUN_FAILED);
    ck_assert_msg(strstr(run->words[index - 1], words), "%s", run->words[index - 1]);
    ck_assert_uint_eq(run->said[index - 1].messages.count, 0);
}

/* Ends the node: what it has to say is in the log then. */
static void assert_joined(TestToken *token, unsigned index, unsigned count)
{
    TestNode *node = &token->nodes[index - 1];

    token->links[index - 1] = link_close(token->links[index - 1]);
    ck_assert_int_eq(test_node_stop(node, SIGTERM), 0);
    ck_assert_uint_eq(test_node_count_logged(node, "local has this node take part in the refresh of key"), count);
}

/* Two refreshes at once with the same approvals: one gets something, which is all, whether or not it goes on. */
START_TEST(an_approval_serves_once)
{
    _cleanup_token_ TestToken token;

    token_start(3, 2, &token);

    const KeyId old = run_make_active(&token);
    _cleanup_test_run_ TestRun a = {.token = &token}, b = {.token = &token};

    for (unsigned i = 1; i <= 3; i++)
        ck_assert_int_eq(run_approve(&token, i, &old), NODE_ERROR_NONE);
    a = run_begin_refresh(&token, &old);
    b = run_begin_refresh(&token, &old);
    run_step_well(&a);
    run_step_well(&b);
    run_step_well(&a); /* the parts */
    run_step_all(&b);
    for (unsigned i = 1; i <= 3; i++)
        assert_gave_nothing(&b, i, "operator had approved was used for another run");
    run_clear(&b);
    b = run_begin_refresh(&token, &old);
    run_step_all(&b);
    for (unsigned i = 1; i <= 3; i++)
        assert_gave_nothing(&b, i, "operators of 0 of the nodes");
    run_step_well(&a);
    (void)run_finish(&a);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_uint_eq(test_node_count_files(&token.nodes[i], ".share"), 2);
    assert_joined(&token, 1, 1);
}
END_TEST

/* Up to where it would give something away, a node's operator can stop it; and no run that ends before uses an approval up. */
START_TEST(an_approval_can_be_withdrawn_from_a_run)
{
    _cleanup_token_ TestToken token;

    token_start(3, 2, &token);

    const KeyId old = run_make_active(&token);
    const NodeApprovalInput withdrawn = {.kind = (char *)"refresh", .key = {(uint8_t *)(uintptr_t)old.bytes, KEY_ID_SIZE}};
    _cleanup_link_ Link *host = call_open(&token.nodes[0]);
    _cleanup_test_run_ TestRun run = {.token = &token};

    ck_assert_int_eq(run_approve(&token, 1, &old), NODE_ERROR_NONE);
    ck_assert_int_eq(run_approve(&token, 3, &old), NODE_ERROR_NONE);
    run = run_begin_refresh(&token, &old);
    run_step_well(&run);
    for (unsigned i = 1; i <= 3; i++)
        ck_assert_int_eq(run_end_at(&run, i), NODE_ERROR_NONE);
    run_clear(&run);
    run = run_begin_refresh(&token, &old);
    run_step_well(&run);
    ck_assert_int_eq(call(host, "WithdrawApproval", &withdrawn, NULL), NODE_ERROR_NONE);
    run_step_all(&run);
    assert_gave_nothing(&run, 1, "operator had approved was used for another run, was withdrawn");
    ck_assert_int_eq(run.errors[1], NODE_ERROR_NONE);
    ck_assert_int_eq(run.errors[2], NODE_ERROR_NONE);
    assert_joined(&token, 1, 0);
    assert_joined(&token, 2, 1); /* although it was not approved there */
}
END_TEST

/* At node 1 before the last round: there the next generation does not come any more. */
START_TEST(a_key_that_was_destroyed_is_not_refreshed)
{
    _cleanup_token_ TestToken token;

    token_start(3, 2, &token);

    const KeyId old = run_make_active(&token);
    _cleanup_test_run_ TestRun run = {.token = &token};

    for (unsigned i = 1; i <= 3; i++)
        ck_assert_int_eq(run_approve(&token, i, &old), NODE_ERROR_NONE);
    run = run_begin_refresh(&token, &old);
    for (unsigned round = 0; round < 3; round++)
        run_step_well(&run);
    ck_assert_int_eq(call_key(token.links[0], "DestroyKey", &old), NODE_ERROR_NONE);
    run_step_all(&run);
    assert_gave_nothing(&run, 1, "is not active at node alpha any more");
    ck_assert_uint_eq(test_node_count_files(&token.nodes[0], ".share"), 0);
    ck_assert_int_eq(run.errors[1], NODE_ERROR_NONE);
}
END_TEST

/* ---- Who takes part ---- */

START_TEST(a_node_that_does_not_know_the_others_says_what_to_do)
{
    _cleanup_token_ TestToken token;
    _cleanup_test_run_ TestRun run = {.token = &token};
    const NodeBeginRunInput input = run_input("");

    token_start(3, 2, &token);
    for (unsigned known = 1; known <= 2; known++) {
        token_pin(&token, 1, known);
        ck_assert_int_eq(run_begin_at(&run, 1, &input), NODE_ERROR_UNAVAILABLE);
        ck_assert_msg(strstr(run.words[0], "kqctl node peers"), "%s", run.words[0]);
        ck_assert_msg(strstr(run.words[0], known == 1 ? "knows 0 of the 2" : "knows 1 of the 2"), "%s", run.words[0]);
    }
    token_pin(&token, 1, 3);
    ck_assert_int_eq(run_begin_at(&run, 1, &input), NODE_ERROR_NONE);
}
END_TEST

/* A client that plays the other two itself gets no further than round 0: it cannot sign for those whom an operator has told the node of. */
START_TEST(a_client_that_invents_peers_gets_nothing)
{
    _cleanup_token_ TestToken token, invented;
    _cleanup_test_run_ TestRun run = {.token = &token}, other = {.token = &invented};
    NodeContinueRunOutput output = {0};

    token_start(3, 2, &token);
    token_start(3, 2, &invented);
    memcpy(invented.nodes[0].token, token.nodes[0].token, NODE_TOKEN_SIZE);
    run = run_begin(&token, "");
    other = run_begin(&invented, "");
    for (unsigned i = 1; i < 3; i++) {
        message_clear(&node_continue_run_output, &run.said[i]);
        run.said[i] = other.said[i];
        other.said[i] = (NodeContinueRunOutput){0};
    }
    run_step_at(&run, 1, &output);
    ck_assert_int_eq(run.errors[0], NODE_ERROR_RUN_FAILED);
    ck_assert_uint_eq(run.blamed[0], 2);
    ck_assert_msg(strstr(run.words[0], "node2 (2) knows the nodes of this token by other identity keys"), "%s", run.words[0]);
    run_step_at(&run, 1, &output);
    ck_assert_int_eq(run.errors[0], NODE_ERROR_UNKNOWN_RUN);
    assert_nothing_there(&token);
}
END_TEST

/* Whoever wants to make a key says so in full, and nothing else. */
START_TEST(what_does_not_belong_to_the_kind_is_refused)
{
    _cleanup_token_ TestToken token;
    uint8_t some[NODE_KEY_ID_SIZE] = {1};
    NodeBeginRunInput inputs[6];

    token_start(2, 2, &token);
    for (size_t i = 0; i < ELEMENTS(inputs); i++)
        inputs[i] = run_input("");
    inputs[0].kind = (char *)"something";
    inputs[1].key = (Bytes){some, sizeof(some)};
    inputs[2].header = (Bytes){some, sizeof(some)};
    inputs[3].lost = 1;
    inputs[4].helpers = (Bytes){some, 1};
    inputs[5].record.version = 0;
    for (size_t i = 0; i < ELEMENTS(inputs); i++)
        call_invalid(token.links[0], "BeginRun", &inputs[i]);
}
END_TEST

/* ---- What cheats and accidents leave behind ---- */

/* In the round `_i` node 3's messages are changed on the way. All rounds before are over. */
START_TEST(a_failed_run_leaves_nothing)
{
    _cleanup_token_ TestToken token;
    _cleanup_test_run_ TestRun run = {.token = &token};

    token_start(3, 2, &token);
    run = run_begin(&token, "");
    for (int round = 0; round < _i; round++)
        run_step_well(&run);
    for (size_t i = 0; i < run.said[2].messages.count; i++)
        ((NodeRunMessage *)run.said[2].messages.items)[i].message.data[0] ^= 1;
    run_step_all(&run);
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_int_eq(run.errors[i], NODE_ERROR_RUN_FAILED);
        ck_assert_uint_eq(run.blamed[i], 3);
        ck_assert_msg(strstr(run.words[i], "node node3 (3) did not sign this message"), "%s", run.words[i]);
        ck_assert_uint_eq(test_node_count_files(&token.nodes[i], ""), 0);
        ck_assert_int_eq(run_end_at(&run, i + 1), NODE_ERROR_NONE); /* it is over already */
    }
    /* Node 3 saw nothing wrong, and in the last round has a key that nobody needs. */
    ck_assert_int_eq(run.errors[2], NODE_ERROR_NONE);
    ck_assert_uint_eq(test_node_count_files(&token.nodes[2], ".share"), _i == 3);
    token_disconnect(&token);
    ck_assert_int_eq(test_node_stop(&token.nodes[0], SIGTERM), 0); /* what it has to say is in the log then */
    ck_assert(test_node_logged(&token.nodes[0], "local continues a run: RunFailed: node node3 (3)"));
}
END_TEST

/* Node 2 is killed before the round `_i`, as the others see when they have nothing from it. */
START_TEST(a_killed_node_leaves_nothing)
{
    _cleanup_token_ TestToken token;
    _cleanup_test_run_ TestRun run = {.token = &token};
    NodeContinueRunOutput output = {0};

    token_start(3, 2, &token);
    run = run_begin(&token, "");
    for (int round = 0; round < _i; round++)
        run_step_well(&run);
    (void)test_node_stop(&token.nodes[1], SIGKILL);
    message_clear(&node_continue_run_output, &run.said[1]);
    run_step_at(&run, 1, &output);
    ck_assert_int_eq(run.errors[0], NODE_ERROR_RUN_FAILED);
    ck_assert_msg(strstr(run.words[0], "there is no message of node node2 (2)"), "%s", run.words[0]);
    ck_assert_int_eq(run_end_at(&run, 3), NODE_ERROR_NONE);
    run_step_at(&run, 3, &output);
    ck_assert_int_eq(run.errors[2], NODE_ERROR_UNKNOWN_RUN);
    test_node_start(&token.nodes[1]);
    token_connect(&token);
    run_step_at(&run, 2, &output);
    ck_assert_int_eq(run.errors[1], NODE_ERROR_UNKNOWN_RUN);
    ck_assert_msg(strstr(run.words[1], "this node has started anew"), "%s", run.words[1]);
    assert_nothing_there(&token);
}
END_TEST

/* Killed with the last messages on their way: the others have stored a key that is pending, and goes as any other that is. */
START_TEST(a_node_killed_in_the_last_round)
{
    _cleanup_token_ TestToken token;
    _cleanup_test_run_ TestRun run = {.token = &token};
    NodeContinueRunOutput output = {0};
    KeyId id;

    token_start(3, 2, &token);
    run = run_begin(&token, "");
    for (int round = 0; round < 3; round++)
        run_step_well(&run);
    (void)test_node_stop(&token.nodes[1], SIGKILL);
    run_step_at(&run, 1, &output);
    ck_assert_int_eq(run.errors[0], NODE_ERROR_NONE);
    ck_assert_int_eq(header_key_id(&output.header, &id), 0);
    message_clear(&node_continue_run_output, &output);
    test_node_start(&token.nodes[1]);
    token_connect(&token);
    ck_assert_str_eq(call_key_state(token.links[0], &id), "pending");
    ck_assert_str_eq(call_key_state(token.links[1], &id), "");
    ck_assert_int_eq(call_key(token.links[0], "DiscardKey", &id), NODE_ERROR_NONE);
    assert_nothing_there(&token);
}
END_TEST

/* ---- Bounds ---- */

START_TEST(a_client_has_two_runs_and_a_node_four)
{
    static const char *const clients[] = {"a", "b", "c"};
    _cleanup_test_node_ TestNode node = test_node_new();
    TestToken token = {.n = 2, .k = 2};
    const NodeBeginRunInput input = run_input("");
    TestRun run = {.token = &token};
    Link *links[ELEMENTS(clients)];

    node.n = node.k = 2;
    test_node_add_gate(&node);
    test_node_start(&node);
    call_init_token(&node);
    token.nodes[0] = token.nodes[1] = node;
    token_describe(&token, 0);
    token_describe(&token, 1);
    token.identity_keys[1][0] ^= 1;
    token_pin(&token, 1, 2);
    for (size_t i = 0; i < ELEMENTS(clients); i++) {
        ck_assert_int_eq(call_authorize(&node, clients[i], (uint8_t)(i + 1), 0, "list,generate"), NODE_ERROR_NONE);
        links[i] = call_open_logged_in_as(&node, clients[i]);
    }
    for (unsigned i = 0; i < 2; i++) {
        token.links[0] = links[i];
        for (unsigned j = 0; j < 2; j++)
            ck_assert_msg(run_begin_at(&run, 1, &input) == NODE_ERROR_NONE, "%s", run.words[0]);
        run_clear(&run);
        ck_assert_int_eq(run_begin_at(&run, 1, &input), NODE_ERROR_UNAVAILABLE);
        ck_assert_msg(strstr(run.words[0], "this client has 2 runs under way"), "%s", run.words[0]);
    }
    token.links[0] = links[2];
    ck_assert_int_eq(run_begin_at(&run, 1, &input), NODE_ERROR_UNAVAILABLE);
    ck_assert_msg(strstr(run.words[0], "this node has 4 runs under way"), "%s", run.words[0]);
    /* Whose run it is nobody else can end: the name is b's last one. */
    ck_assert_int_eq(run_end_at(&run, 1), NODE_ERROR_NONE);
    ck_assert_int_eq(run_begin_at(&run, 1, &input), NODE_ERROR_UNAVAILABLE);
    token.links[0] = links[1];
    ck_assert_int_eq(run_end_at(&run, 1), NODE_ERROR_NONE);
    ck_assert_int_eq(run_begin_at(&run, 1, &input), NODE_ERROR_NONE);
    run_clear(&run);
    for (size_t i = 0; i < ELEMENTS(clients); i++)
        (void)link_close(links[i]);
}
END_TEST

/* The clock is the node's alone, and jumps. */
START_TEST(a_forgotten_run_expires)
{
    _cleanup_token_ TestToken token;
    _cleanup_test_run_ TestRun run = {.token = &token};
    char path[] = "/tmp/test-runs-clock-XXXXXX";
    const int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    if (!getenv("KEYQUORUM_JUMP_CLOCK"))
        skip_test("a sanitizer's program takes no other clock");
    ck_assert_int_eq(setenv("JUMP_CLOCK", path, 1), 0);
    ck_assert_int_eq(setenv("LD_PRELOAD", getenv("KEYQUORUM_JUMP_CLOCK"), 1), 0);
    token_start(2, 2, &token);
    ck_assert_int_eq(unsetenv("LD_PRELOAD"), 0);
    run = run_begin(&token, "");
    ck_assert_int_eq(pwrite(fd, "59", 2, 0), 2);
    run_step_well(&run); /* each step gives it another minute */
    ck_assert_int_eq(pwrite(fd, "118", 3, 0), 3);
    run_step_well(&run);
    ck_assert_int_eq(pwrite(fd, "180", 3, 0), 3);
    token_connect(&token); /* something happens: the node looks at its clock */
    run_step_all(&run);
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_int_eq(run.errors[i], NODE_ERROR_UNKNOWN_RUN);
        ck_assert_msg(strstr(run.words[i], "was not continued for 60 seconds"), "%s", run.words[i]);
    }
    assert_nothing_there(&token);
    (void)close(fd);
    ck_assert_int_eq(unlink(path), 0);
}
END_TEST

/* A key that was changed behind the node's back is not what the others know it by. */
START_TEST(another_identity_key_needs_a_restart)
{
    _cleanup_token_ TestToken token;
    _cleanup_test_run_ TestRun run = {.token = &token};
    const NodeBeginRunInput input = run_input("");
    uint8_t seed[32] = {1};

    token_start(2, 2, &token);
    test_node_put_file(&token.nodes[0], "identity.key", seed, sizeof(seed));
    ck_assert_int_eq(run_begin_at(&run, 1, &input), NODE_ERROR_UNAVAILABLE);
    ck_assert_msg(strstr(run.words[0], "restart keyquorum-node"), "%s", run.words[0]);
    test_node_restart(&token.nodes[0]);
    token_describe(&token, 0);
    token_pin(&token, 2, 2);
    token_connect(&token);
    run = run_begin(&token, "");
    (void)run_finish(&run);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, two_of_three);
    tcase_add_test(cases, three_of_five);
    tcase_add_test(cases, nine_of_sixteen);
    tcase_add_test(cases, two_runs_at_once);
    tcase_add_test(cases, a_refresh_needs_approval_and_makes_the_next_generation);
    tcase_add_test(cases, an_approval_serves_once);
    tcase_add_test(cases, an_approval_can_be_withdrawn_from_a_run);
    tcase_add_test(cases, a_key_that_was_destroyed_is_not_refreshed);
    tcase_add_test(cases, a_node_that_does_not_know_the_others_says_what_to_do);
    tcase_add_test(cases, a_client_that_invents_peers_gets_nothing);
    tcase_add_test(cases, what_does_not_belong_to_the_kind_is_refused);
    tcase_add_loop_test(cases, a_failed_run_leaves_nothing, 0, 4);
    tcase_add_loop_test(cases, a_killed_node_leaves_nothing, 0, 4);
    tcase_add_test(cases, a_node_killed_in_the_last_round);
    tcase_add_test(cases, a_client_has_two_runs_and_a_node_four);
    tcase_add_test(cases, a_forgotten_run_expires);
    tcase_add_test(cases, another_identity_key_needs_a_restart);
}

UNIT_MAIN("runs", add_tests)
