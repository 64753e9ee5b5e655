/* The client's part in runs, against model nodes: whose header it follows, whom it names, what it cleans up. */
#include "model-checks.h"

#include "made-key.h"
#include "quorum/run-key.h"
#include "quorum/run.h"

static MadeKey made;

static void start_with(const TestKey *key)
{
    model_start(key);
    made = made_key("run", key->n, key->k, 1);
    model.run_header = &made.common;
    for (unsigned i = 0; i < key->n; i++)
        model.ed25519_shares[i] = made.shares[i];
}

static void start_run(void)
{
    start_with(&rsa2048_3_of_5);
}

static void stop_run(void)
{
    model_stop();
    made_key_clear(&made);
}

static const NodeBeginRunInput input = {
    .kind = (char *)(uintptr_t) "generate",
    .record = {.version = 1, .private_label = (char *)(uintptr_t) "made", .public_label = (char *)(uintptr_t) "made"},
};

static int accept(const Creation *creation, const void *userdata, Problem *problem)
{
    ck_assert(key_id_equal(&creation->id, &made.id));
    return 0;
}

/* Run, and whoever is in `named`, and nobody else, is in the words; nowhere is a key, or a run that goes on. */
static void check_fails(int expected, NodeSet named, const char *words)
{
    Problem problem = PROBLEM_INIT;
    QuorumKey *key = NULL;
    const int r = creation_by_run(&model.quorum, &input, accept, NULL, &key, &problem);

    ck_assert_msg(r == expected && strstr(problem.text, words), "%d: %s", r, problem.text);
    for (unsigned i = 1; i <= model.key->n; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "node%u (", i);
        ck_assert_msg(!(named & NODE_SET_OF(i)) == !strstr(problem.text, name), "%s: %s", name, problem.text);
        ck_assert_uint_eq(model.nodes[i - 1].run_step, 0);
    }
}

static void check_nothing_left(NodeSet nodes)
{
    for (unsigned i = 1; i <= model.key->n; i++)
        if (nodes & NODE_SET_OF(i))
            ck_assert_uint_eq(model.nodes[i - 1].n_keys, 0);
}

START_TEST(a_run_makes_a_key)
{
    _cleanup_quorum_key_ QuorumKey *key = NULL;
    Problem problem = PROBLEM_INIT;
    const int r = creation_by_run(&model.quorum, &input, accept, NULL, &key, &problem);

    ck_assert_msg(r == 0, "%s", problem.text);
    ck_assert(key_id_equal(quorum_key_id(key), &made.id));
    check_label("made");
    check_sync();
}
END_TEST

/* One that lies is alone with its header: all have stored the others' key, and discard it. */
START_TEST(who_comes_to_another_key_is_named)
{
    model.nodes[_i - 1].other_header = 1;
    check_fails(QUORUM_E_SIGNATURE, NODE_SET_OF(_i), "comes to another key than the others");
    check_nothing_left(ALL);
}
END_TEST

/* As many as may lie, and of one mind. The first of them is named. */
START_TEST(the_header_of_more_than_may_lie_is_followed)
{
    model.nodes[_i - 1].other_header = 1;
    model.nodes[_i % 5].other_header = 1;
    check_fails(QUORUM_E_SIGNATURE, NODE_SET_OF(_i < _i % 5 + 1 ? _i : _i % 5 + 1), "comes to another key than the others");
    check_nothing_left(ALL);
}
END_TEST

/* In any step but the last one it is the only one that is done. */
START_TEST(who_is_done_early_is_named)
{
    model.nodes[_i % 5].over_at = (unsigned)_i / 5 + 1;
    check_fails(QUORUM_E_SIGNATURE, NODE_SET_OF(_i % 5 + 1), "says that it is done when others are not");
    check_nothing_left(ALL);
}
END_TEST

START_TEST(who_is_not_done_is_named)
{
    model.nodes[_i - 1].over_at = MODEL_RUN_STEPS + 1;
    check_fails(QUORUM_E_SIGNATURE, NODE_SET_OF(_i), "is not done when others are");
    check_nothing_left(ALL);
}
END_TEST

/* ---- What is followed ---------------------------------------------------------------------------------------------------------------- */

static void check_end(int expected, bool followed)
{
    _cleanup_run_end_ RunEnd end = {0};
    Problem problem = PROBLEM_INIT;
    const int r = quorum_run(&model.quorum, ALL, &input, &end, &problem);

    ck_assert_msg(r == expected, "%d: %s", r, problem.text);
    ck_assert_uint_eq(end.stored, followed ? ALL : 0);
    ck_assert(followed ? bytes_equal(&end.header, model.run_header) : end.header.size == 0);
}

/* Two liars that agree, or do not, and nobody else is done. */
START_TEST(what_no_honest_node_shows_is_not_followed)
{
    model.nodes[0].over_at = model.nodes[3].over_at = 2;
    model.nodes[0].other_header = 1;
    model.nodes[3].other_header = (uint8_t)_i;
    check_end(QUORUM_E_SIGNATURE, false);
}
END_TEST

static void node_5_falls(unsigned step)
{
    model.nodes[4].down = step == 1 + MODEL_RUN_STEPS;
}

/* As the last step is taken a node is gone. With one liar the others are still more than may lie; with two they are as many as those, and
 * nothing tells them from liars. */
START_TEST(equally_many_are_not_followed)
{
    const unsigned liars = (unsigned)_i;

    for (unsigned i = 0; i < liars; i++)
        model.nodes[i].other_header = 1;
    model.on_step = node_5_falls;
    check_end(QUORUM_E_TOO_FEW_NODES, liars < 2);
}
END_TEST

/* ---- Where all nodes are needed to sign: there each counts -----------------------------------------------------------------------------
 */

static void restart_with(const TestKey *key)
{
    stop_run();
    start_with(key);
}

START_TEST(who_is_done_early_is_named_among_all)
{
    restart_with(&rsa2048_16_of_16);
    model.nodes[_i - 1].over_at = 2;
    model.nodes[_i - 1].other_header = 1;
    check_fails(QUORUM_E_SIGNATURE, NODE_SET_OF(_i), "says that it is done when others are not");
    check_nothing_left(ALL);
}
END_TEST

START_TEST(who_comes_to_another_key_is_named_among_all)
{
    restart_with(&rsa2048_16_of_16);
    model.nodes[_i - 1].other_header = 1;
    check_fails(QUORUM_E_SIGNATURE, NODE_SET_OF(_i), "comes to another key than the others");
    check_nothing_left(ALL);
}
END_TEST

START_TEST(of_two_nodes_nobody_can_tell_which_lies)
{
    restart_with(&rsa2048_2_of_2);
    model.nodes[_i % 2].other_header = 1;
    model.nodes[_i % 2].over_at = _i < 2 ? 0 : 3;
    check_fails(QUORUM_E_SIGNATURE, ALL, "node1 (1), node2 (2) do not come to the same end");
}
END_TEST

static void add(TCase *cases)
{
    tcase_add_checked_fixture(cases, start_run, stop_run);
    tcase_add_test(cases, a_run_makes_a_key);
    tcase_add_loop_test(cases, who_comes_to_another_key_is_named, 1, 6);
    tcase_add_loop_test(cases, the_header_of_more_than_may_lie_is_followed, 1, 6);
    tcase_add_loop_test(cases, who_is_done_early_is_named, 0, 5 * (MODEL_RUN_STEPS - 1));
    tcase_add_loop_test(cases, who_is_not_done_is_named, 1, 6);
    tcase_add_loop_test(cases, what_no_honest_node_shows_is_not_followed, 1, 3);
    tcase_add_loop_test(cases, equally_many_are_not_followed, 0, 3);
    tcase_add_loop_test(cases, who_is_done_early_is_named_among_all, 1, 4);
    tcase_add_loop_test(cases, who_comes_to_another_key_is_named_among_all, 1, 4);
    tcase_add_loop_test(cases, of_two_nodes_nobody_can_tell_which_lies, 0, 4);
}

UNIT_MAIN("key-run", add)
