/* The PIN against nodes that lie, are stale, locked or away; and changes of it that are cut off at each step. */
#include <errno.h>
#include <string.h>
#include <sys/wait.h>

#include "fake-node.h"
#include "quorum/ask.h"
#include "quorum/state.h"
#include "unit.h"

#define TIMEOUT (5 * MICROSECONDS_PER_SECOND)

static void set_scripts(NodeSet nodes, FakePin script)
{
    for (unsigned i = 1; i <= FAKE_NODES; i++)
        if (nodes & NODE_SET_OF(i))
            fake_node(i)->pin = script;
}

static void stop_nodes(NodeSet nodes)
{
    for (unsigned i = 1; i <= FAKE_NODES; i++)
        if (nodes & NODE_SET_OF(i))
            fake_node_stop(i);
}

static void start_nodes(NodeSet nodes)
{
    for (unsigned i = 1; i <= FAKE_NODES; i++)
        if (nodes & NODE_SET_OF(i))
            fake_node_start(i);
}

static void expect_login(const char *pin, int result, bool decided)
{
    bool was_decided = !decided;
    int r = fake_login(pin, &was_decided);

    ck_assert_msg(r == result, "login with %s: %d instead of %d", pin, r, result);
    if (r == 0)
        ck_assert_int_eq(was_decided, decided);
}

/* As another process would. */
static void expect_new_login(const char *pin, int result, bool decided)
{
    fake_new_client(TIMEOUT);
    expect_login(pin, result, decided);
}

static int change(const char *old_pin, const char *new_pin, Problem *problem)
{
    _cleanup_secret_ Secret *before = fake_pin(old_pin), *after = fake_pin(new_pin);

    return quorum_set_pin(fake.quorum, before, after, problem);
}

static void change_well(const char *old_pin, const char *new_pin)
{
    Problem problem = PROBLEM_INIT;
    int r = change(old_pin, new_pin, &problem);

    ck_assert_msg(r == 0, "%d: %s", r, problem.text);
}

/* All pairs of nodes. */
static NodeSet pair(int i)
{
    for (unsigned a = 1; a <= FAKE_NODES; a++)
        for (unsigned b = a + 1; b <= FAKE_NODES; b++)
            if (i-- == 0)
                return NODE_SET_OF(a) | NODE_SET_OF(b);
    return 0;
}

#define PAIRS 10

/* ---- Right and wrong ---------------------------------------------------------------------------------------------------- */

START_TEST(right_and_wrong)
{
    fake_start(true, TIMEOUT);
    ck_assert(!quorum_logged_in(fake.quorum));
    ck_assert_uint_eq(quorum_pin_tries_left(fake.quorum), 10);
    ck_assert(quorum_pin_initialized(fake.quorum));
    expect_login("4321", QUORUM_E_PIN_INCORRECT, false);
    ck_assert(!quorum_logged_in(fake.quorum));
    ck_assert_uint_eq(quorum_pin_tries_left(fake.quorum), 9);
    expect_login("1235", QUORUM_E_PIN_INCORRECT, false);
    ck_assert_uint_eq(quorum_pin_tries_left(fake.quorum), 8);
    for (unsigned i = 1; i <= FAKE_NODES; i++)
        ck_assert_uint_eq(fake_node(i)->failures, 2);
    expect_login("1234", 0, true);
    ck_assert(quorum_logged_in(fake.quorum));
    ck_assert_uint_eq(quorum_pin_tries_left(fake.quorum), 10);
    for (unsigned i = 1; i <= FAKE_NODES; i++)
        ck_assert_uint_eq(fake_node(i)->failures, 0);
    quorum_logout(fake.quorum);
    ck_assert(!quorum_logged_in(fake.quorum));
    fake_stop();
}
END_TEST

START_TEST(what_is_no_pin)
{
    fake_start(true, TIMEOUT);
    expect_login("123", -EINVAL, false);
    fake_stop();
}
END_TEST

START_TEST(ten_wrong_ones_lock)
{
    fake_start(true, TIMEOUT);
    for (unsigned i = 0; i < FAKE_TRIES; i++)
        expect_login("4321", QUORUM_E_PIN_INCORRECT, false);
    ck_assert_uint_eq(quorum_pin_tries_left(fake.quorum), 0);
    expect_login("1234", QUORUM_E_PIN_LOCKED, false);
    fake_stop();
}
END_TEST

START_TEST(with_two_nodes_down)
{
    fake_start(true, TIMEOUT);
    stop_nodes(pair(_i));
    expect_login("4321", QUORUM_E_PIN_INCORRECT, false);
    expect_login("1234", 0, true);
    fake_stop();
}
END_TEST

START_TEST(with_three_nodes_down_it_is_accepted_for_now)
{
    Problem problem = PROBLEM_INIT;

    fake_start(true, TIMEOUT);
    stop_nodes(NODE_SET_OF(2) | NODE_SET_OF(3) | NODE_SET_OF(4));
    expect_login("4321", 0, false);
    ck_assert(quorum_logged_in(fake.quorum));
    fake_node_start(2);
    ck_assert_int_eq(fake_sign(1, &problem), QUORUM_E_PIN_INCORRECT);
    ck_assert_int_eq(fake_sign(1, &problem), QUORUM_E_PIN_INCORRECT);
    for (unsigned i = 1; i <= FAKE_NODES; i++)
        ck_assert_uint_le(fake_node(i)->failures, 1);
    expect_login("1234", 0, true);
    ck_assert_int_eq(fake_sign(1, &problem), 0);
    fake_stop();
}
END_TEST

/* As for signatures, so for whatever else needs the PIN. */
START_TEST(what_was_accepted_for_now_is_refused_to_every_question)
{
    _cleanup_node_answers_ NodeAnswers answers = {0};

    fake_start(true, TIMEOUT);
    stop_nodes(NODE_SET_OF(2) | NODE_SET_OF(3) | NODE_SET_OF(4));
    expect_login("4321", 0, false);
    start_nodes(NODE_SET_OF(2) | NODE_SET_OF(3) | NODE_SET_OF(4));
    ck_assert_int_eq(quorum_ask(fake.quorum, node_set_all(FAKE_NODES), ASK_LOGGED_IN, NODE_METHOD("GetStatus"), &node_no_parameters,
                                (const void *[]){NULL}, true, &node_status_output, clock_now() + TIMEOUT, &answers),
                     QUORUM_E_PIN_INCORRECT);
    ck_assert_uint_eq(answers.asked, 0);
    fake_stop();
}
END_TEST

/* ---- Liars ------------------------------------------------------------------------------------------------------------------ */

static const FakePin lies[] = {PIN_REFUSE, PIN_ACCEPT, PIN_CLAIM_LOCKED};

START_TEST(two_liars_neither_lock_out_nor_let_in)
{
    Problem problem = PROBLEM_INIT;

    fake_start(true, TIMEOUT);
    set_scripts(pair(_i % PAIRS), lies[_i / PAIRS]);
    expect_login("4321", QUORUM_E_PIN_INCORRECT, false);
    expect_new_login("1234", 0, true);
    ck_assert_int_eq(fake_sign(1, &problem), 0);
    fake_stop();
}
END_TEST

START_TEST(claimed_versions_change_nothing)
{
    Problem problem = PROBLEM_INIT;

    fake_start(true, TIMEOUT);
    for (unsigned i = 1; i <= FAKE_NODES; i++)
        fake_node(i)->claim_version = pair(_i) & NODE_SET_OF(i) ? 99 : 0;
    expect_login("4321", QUORUM_E_PIN_INCORRECT, false);
    expect_new_login("1234", 0, true);
    ck_assert_int_eq(fake_sign(1, &problem), 0);
    fake_stop();
}
END_TEST

/* ---- Changes ---------------------------------------------------------------------------------------------------------------- */

START_TEST(a_change_takes_effect)
{
    Problem problem = PROBLEM_INIT;

    fake_start(true, TIMEOUT);
    change_well("1234", "56789");
    ck_assert(!quorum_logged_in(fake.quorum));
    expect_new_login("1234", QUORUM_E_PIN_INCORRECT, false);
    expect_new_login("56789", 0, true);
    change_well("56789", "1234"); /* while somebody is logged in, who stays so */
    ck_assert_int_eq(fake_sign(1, &problem), 0);
    ck_assert_int_eq(change("4321", "1111", &problem), QUORUM_E_PIN_INCORRECT);
    ck_assert_int_eq(fake_sign(2, &problem), 0);
    fake_stop();
}
END_TEST

/* Two nodes are away while the PIN changes; then two others are. */
START_TEST(stale_nodes_do_not_count)
{
    Problem problem = PROBLEM_INIT;

    fake_start(true, TIMEOUT);
    stop_nodes(NODE_SET_OF(1) | NODE_SET_OF(2));
    change_well("1234", "56789");
    start_nodes(NODE_SET_OF(1) | NODE_SET_OF(2));
    expect_new_login("1234", QUORUM_E_PIN_INCORRECT, false);
    ck_assert_uint_eq(fake_node(1)->challenges, 0);
    expect_new_login("56789", 0, true);
    ck_assert_int_eq(fake_sign(1, &problem), 0);
    ck_assert_uint_eq(fake_node(1)->challenges + fake_node(2)->challenges, 0);

    /* With a liar among the rest it cannot be decided, and is accepted. */
    set_scripts(NODE_SET_OF(3), PIN_REFUSE);
    expect_new_login("56789", 0, false);
    expect_new_login("1234", QUORUM_E_PIN_INCORRECT, false);
    fake_stop();
}
END_TEST

START_TEST(a_change_needs_three_nodes)
{
    Problem problem = PROBLEM_INIT;

    fake_start(true, TIMEOUT);
    stop_nodes(NODE_SET_OF(1) | NODE_SET_OF(2));
    set_scripts(NODE_SET_OF(3), PIN_REFUSE);
    ck_assert_int_eq(change("1234", "56789", &problem), QUORUM_E_TOO_FEW_NODES);
    for (unsigned i = 1; i <= FAKE_NODES; i++)
        ck_assert_uint_eq(fake_node(i)->next.version, 0);
    fake_stop();
}
END_TEST

START_TEST(a_change_may_be_forbidden)
{
    Problem problem = PROBLEM_INIT;

    fake_start(true, TIMEOUT);
    for (unsigned i = 1; i <= 3; i++)
        fake_node(i)->forbids_pin = true;
    ck_assert_int_eq(change("1234", "56789", &problem), QUORUM_E_REFUSED);
    ck_assert_ptr_nonnull(strstr(problem.text, "PermissionDenied"));
    expect_new_login("1234", 0, true);
    fake_node(3)->forbids_pin = false; /* those who miss it are stale */
    change_well("1234", "56789");
    expect_new_login("56789", 0, true);

    /* Permission would not help: too few are there. */
    stop_nodes(NODE_SET_OF(1) | NODE_SET_OF(3) | NODE_SET_OF(4));
    ck_assert_int_eq(change("56789", "1234", &problem), QUORUM_E_TOO_FEW_NODES);
    fake_stop();
}
END_TEST

static unsigned cut_at, steps;

static void cut(const char *name)
{
    if (++steps == cut_at)
        _exit(1);
}

/* Change the PIN in a process that dies before its step `at`. Returns whether it lived to the end. */
static bool change_and_die(const char *old_pin, const char *new_pin, unsigned at)
{
    int status;
    pid_t child = fork();

    if (child == 0) {
        Problem problem = PROBLEM_INIT;

        quorum_forked(fake.quorum);
        fake.on_step = cut;
        cut_at = at;
        steps = 0;
        _exit(change(old_pin, new_pin, &problem) == 0 ? 0 : 2);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status));
    ck_assert_int_ne(WEXITSTATUS(status), 2);
    return WEXITSTATUS(status) == 0;
}

/* Which of the two is right now? Both may be, in the middle. */
static const char *right_one(const char *one, const char *other)
{
    bool decided = false;

    fake_new_client(TIMEOUT);
    if (fake_login(one, &decided) == 0 && decided)
        return one;
    expect_new_login(other, 0, true);
    return other;
}

/* After each cut one of the PINs is right, and a change from it to a third one brings all nodes together again. */
START_TEST(a_change_may_be_cut_anywhere)
{
    const char *first = _i % 2 == 0 ? "1234" : "56789", *second = _i % 2 == 0 ? "56789" : "1234";

    fake_start(true, TIMEOUT);
    ck_assert(!change_and_die("1234", "56789", (unsigned)_i / 2 + 1));

    const char *right = right_one(first, second);

    fake_new_client(TIMEOUT);
    change_well(right, "third");
    expect_new_login("third", 0, true);
    expect_new_login("1234", QUORUM_E_PIN_INCORRECT, false);
    expect_new_login("56789", QUORUM_E_PIN_INCORRECT, false);
    for (unsigned i = 1; i <= FAKE_NODES; i++)
        ck_assert_uint_le(fake_node(i)->failures, 8);
    fake_stop();
}
END_TEST

/* ---- Changes where a PIN needs more nodes than a signature -------------------------------------------------------------------- */

/* Any two of five sign, but four must take a new PIN. */
static void new_client_of_two(void)
{
    fake_new_client(TIMEOUT);
    fake.quorum->roster->k = 2;
}

static void expect_login_of_two(const char *pin, int result, bool decided)
{
    new_client_of_two();
    expect_login(pin, result, decided);
}

/* Three were prepared, which is more than k: those that were not have missed nothing. */
START_TEST(a_change_that_fails_leaves_nobody_stale)
{
    Problem problem = PROBLEM_INIT;

    fake_start(true, TIMEOUT);
    new_client_of_two();
    fake_node(4)->forbids_pin = fake_node(5)->forbids_pin = true;
    ck_assert_int_eq(change("1234", "56789", &problem), QUORUM_E_REFUSED);
    expect_login_of_two("1234", 0, true);
    ck_assert_uint_eq(peer_stale_pin(fake.quorum), 0);
    expect_login_of_two("56789", QUORUM_E_PIN_INCORRECT, false);
    fake_node(4)->forbids_pin = fake_node(5)->forbids_pin = false;
    new_client_of_two();
    change_well("1234", "56789");
    expect_login_of_two("56789", 0, true);
    expect_login_of_two("1234", QUORUM_E_PIN_INCORRECT, false);
    fake_stop();
}
END_TEST

/* As a_change_may_be_cut_anywhere: whichever PIN is right afterwards, one of the two can be changed. */
START_TEST(such_a_change_may_be_cut_anywhere)
{
    Problem problem = PROBLEM_INIT;

    fake_start(true, TIMEOUT);
    new_client_of_two();
    ck_assert(!change_and_die("1234", "56789", (unsigned)_i + 1));
    new_client_of_two();
    if (change("1234", "third", &problem) != 0) {
        new_client_of_two();
        change_well("56789", "third");
    }
    expect_login_of_two("third", 0, true);
    expect_login_of_two("1234", QUORUM_E_PIN_INCORRECT, false);
    expect_login_of_two("56789", QUORUM_E_PIN_INCORRECT, false);
    fake_stop();
}
END_TEST

START_TEST(what_too_few_accept_changes_nothing)
{
    Problem problem = PROBLEM_INIT;

    fake_start(true, TIMEOUT);
    new_client_of_two();
    ck_assert(!change_and_die("1234", "56789", 4)); /* at three of five */
    new_client_of_two();
    ck_assert_int_eq(change("56789", "third", &problem), QUORUM_E_TOO_FEW_NODES);
    for (unsigned i = 1; i <= FAKE_NODES; i++)
        ck_assert_uint_eq(fake_node(i)->in_force.version, 1);
    new_client_of_two();
    change_well("1234", "third");
    expect_login_of_two("third", 0, true);
    fake_stop();
}
END_TEST

START_TEST(an_uncut_change_has_ten_steps)
{
    fake_start(true, TIMEOUT);
    ck_assert(change_and_die("1234", "56789", 2 * FAKE_NODES + 1));
    fake_stop();
}
END_TEST

/* In the middle of a change a wrong PIN is tried with both versions, and no more. */
START_TEST(a_wrong_pin_costs_two_tries_at_most)
{
    fake_start(true, TIMEOUT);
    ck_assert(!change_and_die("1234", "56789", FAKE_NODES + 2));
    expect_new_login("4321", QUORUM_E_PIN_INCORRECT, false);
    for (unsigned i = 1; i <= FAKE_NODES; i++)
        ck_assert_uint_le(fake_node(i)->failures, 2);
    fake_stop();
}
END_TEST

/* ---- The token's beginning ------------------------------------------------------------------------------------------------------ */

static int init(const char *text, bool reset, Problem *problem)
{
    _cleanup_secret_ Secret *pin = fake_pin(text);

    return quorum_init_token(fake.quorum, pin, reset, problem);
}

START_TEST(a_token_begins)
{
    Problem problem = PROBLEM_INIT;

    fake_start(false, TIMEOUT);
    ck_assert(!quorum_pin_initialized(fake.quorum));
    expect_login("1234", QUORUM_E_PIN_NOT_INITIALIZED, false);
    ck_assert_int_eq(init("1234", true, &problem), QUORUM_E_REFUSED);
    fake_node_stop(3);
    ck_assert_int_eq(init("1234", false, &problem), QUORUM_E_TOO_FEW_NODES);
    ck_assert_ptr_nonnull(strstr(problem.text, "gamma (3): "));
    ck_assert(!fake_node(1)->initialized);
    fake_node_start(3);
    ck_assert_msg(init("1234", false, &problem) == 0, "%s", problem.text);
    ck_assert(quorum_pin_initialized(fake.quorum));
    expect_login("1234", 0, true);
    ck_assert_int_eq(init("1234", false, &problem), QUORUM_E_REFUSED);
    fake_stop();
}
END_TEST

static void cut_init(unsigned at)
{
    int status;
    pid_t child = fork();

    if (child == 0) {
        Problem problem = PROBLEM_INIT;

        quorum_forked(fake.quorum);
        fake.on_step = cut;
        cut_at = at;
        steps = 0;
        _exit(init("1234", false, &problem));
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 1);
}

START_TEST(a_beginning_may_be_cut_anywhere)
{
    Problem problem = PROBLEM_INIT;

    fake_start(false, TIMEOUT);
    cut_init((unsigned)_i);
    ck_assert_msg(init("56789", false, &problem) == 0, "%s", problem.text);
    expect_login("56789", 0, true);
    expect_new_login("1234", QUORUM_E_PIN_INCORRECT, false);
    fake_stop();
}
END_TEST

START_TEST(a_forgotten_pin_is_replaced)
{
    Problem problem = PROBLEM_INIT;

    fake_start(true, TIMEOUT);
    for (unsigned i = 0; i < FAKE_TRIES; i++)
        expect_login("4321", QUORUM_E_PIN_INCORRECT, false);
    fake_node(5)->claim_version = (uint64_t)1 << 60; /* a leap that is not followed */
    stop_nodes(NODE_SET_OF(1) | NODE_SET_OF(2) | NODE_SET_OF(3));
    ck_assert_int_eq(init("56789", true, &problem), QUORUM_E_TOO_FEW_NODES);
    start_nodes(NODE_SET_OF(2) | NODE_SET_OF(3));
    ck_assert_msg(init("56789", true, &problem) == 0, "%s", problem.text);
    ck_assert_uint_eq(fake_node(2)->in_force.version, 2);
    start_nodes(NODE_SET_OF(1));
    expect_new_login("56789", 0, true);
    expect_new_login("1234", QUORUM_E_PIN_INCORRECT, false);
    fake_stop();
}
END_TEST

START_TEST(a_node_of_another_token_stops_the_beginning)
{
    Problem problem = PROBLEM_INIT;

    fake_start(false, TIMEOUT);
    fake_node_stop(2);
    fake_node(2)->initialized = true;
    fake_node_start(2);
    ck_assert_int_eq(init("1234", false, &problem), QUORUM_E_REFUSED);
    ck_assert_ptr_nonnull(strstr(problem.text, "beta (2): it belongs to another token"));
    ck_assert(!fake_node(1)->initialized);
    fake_stop();
}
END_TEST

/* ---- Status ------------------------------------------------------------------------------------------------------------------------ */

START_TEST(status_compares_with_the_roster)
{
    Problem problem = PROBLEM_INIT;
    NodeState *states;

    fake_start(true, TIMEOUT);
    fake_node_stop(1);
    fake_node_stop(2);
    fake_node(2)->token[0] ^= 1;
    fake_node_start(2);
    ck_assert_int_eq(quorum_status(fake.quorum, &states, &problem), 0);
    ck_assert(!states[0].reachable);
    ck_assert_ptr_nonnull(states[0].problem);
    ck_assert(states[1].reachable);
    ck_assert_str_eq(states[1].problem, "it belongs to another token");
    ck_assert_ptr_null(states[2].problem);
    ck_assert_str_eq(states[2].name, "gamma");
    ck_assert_str_eq(states[2].custody, "keyring");
    ck_assert_uint_gt(states[2].latency, 0);
    quorum_status_free(states, FAKE_NODES);
    fake_stop();
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_test(cases, right_and_wrong);
    tcase_add_test(cases, what_is_no_pin);
    tcase_add_test(cases, ten_wrong_ones_lock);
    tcase_add_loop_test(cases, with_two_nodes_down, 0, PAIRS);
    tcase_add_test(cases, with_three_nodes_down_it_is_accepted_for_now);
    tcase_add_test(cases, what_was_accepted_for_now_is_refused_to_every_question);
    tcase_add_loop_test(cases, two_liars_neither_lock_out_nor_let_in, 0, PAIRS * (int)ELEMENTS(lies));
    tcase_add_loop_test(cases, claimed_versions_change_nothing, 0, PAIRS);
    tcase_add_test(cases, a_change_takes_effect);
    tcase_add_test(cases, stale_nodes_do_not_count);
    tcase_add_test(cases, a_change_needs_three_nodes);
    tcase_add_test(cases, a_change_may_be_forbidden);
    tcase_add_loop_test(cases, a_change_may_be_cut_anywhere, 0, 4 * FAKE_NODES);
    tcase_add_test(cases, a_change_that_fails_leaves_nobody_stale);
    tcase_add_loop_test(cases, such_a_change_may_be_cut_anywhere, 0, 2 * FAKE_NODES);
    tcase_add_test(cases, what_too_few_accept_changes_nothing);
    tcase_add_test(cases, an_uncut_change_has_ten_steps);
    tcase_add_test(cases, a_wrong_pin_costs_two_tries_at_most);
    tcase_add_test(cases, a_token_begins);
    tcase_add_loop_test(cases, a_beginning_may_be_cut_anywhere, 1, FAKE_NODES + 1);
    tcase_add_test(cases, a_forgotten_pin_is_replaced);
    tcase_add_test(cases, a_node_of_another_token_stops_the_beginning);
    tcase_add_test(cases, status_compares_with_the_roster);
}

UNIT_MAIN("pin", add_tests)
