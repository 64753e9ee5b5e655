/* quorum_sign_message() against nodes that are slow, silent, dead, forgetful or lie. */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/wait.h>

#include "fake-node.h"
#include "quorum/ask.h"
#include "quorum/peer.h"
#include "quorum/state.h"
#include "unit.h"

#define TIMEOUT (10 * MICROSECONDS_PER_SECOND)
#define SHORT   (1 * MICROSECONDS_PER_SECOND)

static void start(void)
{
    fake_start(true, TIMEOUT);
    ck_assert_int_eq(fake_login("1234", NULL), 0);
}

static void new_client(void)
{
    fake_new_client(TIMEOUT);
    ck_assert_int_eq(fake_login("1234", NULL), 0);
    fake_log_forget();
}

static void sign_well(unsigned number)
{
    Problem problem = PROBLEM_INIT;
    int r = fake_sign_message(number, &problem);

    ck_assert_msg(r == 0, "%d: %s", r, problem.text);
}

static void sign_many(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        sign_well(i);
}

static Microseconds time_of(unsigned count)
{
    Microseconds begin = clock_now();

    sign_many(count);
    return clock_now() - begin;
}

/* The messages that the nodes have seen. */
typedef struct Seen {
    unsigned connections, hellos, challenges, commits, signs;
} Seen;

static Seen seen(void)
{
    Seen sum = {0};

    for (unsigned i = 1; i <= FAKE_NODES; i++) {
        const FakeNode *node = fake_node(i);

        sum.connections += node->connections;
        sum.hellos += node->hellos;
        sum.challenges += node->challenges;
        sum.commits += node->commits;
        sum.signs += node->signs;
    }
    return sum;
}

/* ---- Round trips ------------------------------------------------------------------------------------------------------------ */

/* With three nodes there is nobody to hedge with and nobody to look after: every message is counted. */
START_TEST(a_signature_is_one_round_trip)
{
    Seen before, after;

    start();
    fake_node_stop(2);
    fake_node_stop(4);
    sign_well(0);
    before = seen();
    ck_assert_uint_eq(before.commits, FAKE_THRESHOLD); /* the first time, with an empty stock */
    sign_many(200);
    after = seen();
    ck_assert_uint_eq(after.signs - before.signs, 200 * FAKE_THRESHOLD);
    ck_assert_uint_eq(after.commits, before.commits);
    ck_assert_uint_eq(after.connections, before.connections);
    ck_assert_uint_eq(after.hellos, before.hellos);
    ck_assert_uint_eq(after.challenges, before.challenges);
    fake_stop();
}
END_TEST

/* Where nothing comes with the signature shares, the commitments are asked for. */
START_TEST(few_commitments_are_enough)
{
    start();
    for (unsigned i = 1; i <= FAKE_NODES; i++)
        fake_node(i)->share = COMMITMENTS_FEW;
    sign_many(50);
    ck_assert_uint_eq(fake_log_lines(""), 0);
    ck_assert_uint_ge(seen().commits, 50 * FAKE_THRESHOLD);
    fake_stop();
}
END_TEST

START_TEST(messages_of_all_sizes)
{
    static uint8_t message[FROST_MESSAGE_SIZE_MAX + 1];
    const size_t sizes[] = {0, 1, 3000, FROST_MESSAGE_SIZE_MAX};
    const ThresholdKey *key;
    uint8_t signature[FROST_SIGNATURE_SIZE];
    Problem problem = PROBLEM_INIT;

    start();
    key = quorum_key_threshold(fake.ed25519_key);
    for (size_t i = 0; i < ELEMENTS(sizes); i++) {
        int r = quorum_sign_message(fake.quorum, fake.ed25519_key, sizes[i] ? message : NULL, sizes[i], signature, &problem);

        ck_assert_msg(r == 0, "%s", problem.text);
        ck_assert_int_eq(threshold_key_verify_message(key, message, sizes[i], signature, sizeof(signature)), 0);
    }
    ck_assert_int_eq(quorum_sign_message(fake.quorum, fake.ed25519_key, message, sizeof(message), signature, &problem), -EINVAL);
    ck_assert_msg(strstr(problem.text, "65537 bytes"), "%s", problem.text);
    fake_stop();
}
END_TEST

/* ---- Nodes that are away ------------------------------------------------------------------------------------------------ */

START_TEST(every_quorum_signs)
{
    start();
    sign_well(0);
    for (unsigned i = 1; i <= FAKE_NODES; i++)
        for (unsigned j = i + 1; j <= FAKE_NODES; j++) {
            fake_node_stop(i);
            fake_node_stop(j);
            sign_many(3);
            fake_node_start(i);
            fake_node_start(j);
        }
    fake_stop();
}
END_TEST

/* What they had committed to is gone with them; the client has it in stock. */
START_TEST(restarted_nodes_sign)
{
    start();
    sign_many(10);
    fake_log_forget();
    for (unsigned i = 1; i <= FAKE_NODES; i++) {
        fake_node_stop(i);
        fake_node_start(i);
    }
    sign_many(10);
    ck_assert_uint_eq(fake_log_lines(""), 0);
    fake_stop();
}
END_TEST

/* The same of nodes that are there, and know nothing of it. */
START_TEST(forgotten_commitments_cost_a_retry)
{
    Seen before, after;

    start();
    fake_node_stop(2);
    fake_node_stop(4);
    sign_many(10);
    fake_log_forget();
    before = seen();
    for (unsigned i = 1; i <= FAKE_NODES; i += 2)
        fake_node(i)->forgets = 1;
    sign_well(1);
    after = seen();
    ck_assert_uint_eq(after.commits - before.commits, FAKE_THRESHOLD);
    ck_assert_uint_eq(after.signs - before.signs, 2 * FAKE_THRESHOLD);
    ck_assert_uint_eq(after.connections, before.connections);
    ck_assert_uint_eq(fake_log_lines(""), 0);
    sign_many(10);
    fake_stop();
}
END_TEST

/* Slower ones are there, so that it is asked whenever it may be. */
START_TEST(a_node_that_forgets_always_is_left_out)
{
    start();
    sign_many(20);
    for (unsigned i = 1; i <= FAKE_NODES; i++)
        fake_node(i)->delay_ms = i == 4 ? 0 : 20;
    fake_node(4)->forgets = UINT32_MAX;
    for (unsigned i = 0; i < 100 && !fake_logged(4, "is left out"); i++)
        sign_well(i);
    ck_assert(fake_logged(4, "is left out until it answers again: UnknownCommitment"));
    fake_node(4)->forgets = 0;
    while (!fake_logged(4, ") answers again"))
        sign_well(1);
    ck_assert_uint_eq(fake_log_lines("lied"), 0);
    fake_stop();
}
END_TEST

START_TEST(a_node_that_hangs_up_is_left_out)
{
    start();
    fake_node(4)->hang_up = true;
    sign_many(30);
    ck_assert(fake_logged(4, "is left out until it answers again"));
    ck_assert_uint_lt(fake_node(4)->signs, 30);
    fake_node(4)->hang_up = false;
    while (!fake_logged(4, ") answers again"))
        sign_well(1);
    fake_stop();
}
END_TEST

static void delay(unsigned index, bool commitments)
{
    if (commitments)
        fake_node(index)->commit_delay_ms = 3000;
    else
        fake_node(index)->delay_ms = 3000;
}

/* With its share, or with its commitments to a client that has none. */
START_TEST(a_late_node_is_not_waited_for)
{
    start();
    sign_many(20);
    delay(2, _i);
    if (_i)
        new_client();
    ck_assert_uint_lt(time_of(20), 2 * MICROSECONDS_PER_SECOND);
    fake_stop();
}
END_TEST

/* Each round is slower than expected, until the client has learnt it: the first that is complete is taken. */
START_TEST(slow_nodes_sign)
{
    start();
    sign_many(20);
    for (unsigned i = 1; i <= FAKE_NODES; i++)
        fake_node(i)->delay_ms = 300;
    ck_assert_uint_lt(time_of(1), 3 * MICROSECONDS_PER_SECOND);
    ck_assert_uint_eq(fake_log_lines("lied"), 0);
    fake_stop();
}
END_TEST

START_TEST(stopped_nodes_are_left_out)
{
    start();
    sign_many(20);
    fake_node_freeze(1);
    fake_node_freeze(5);
    ck_assert_uint_lt(time_of(100), 5 * MICROSECONDS_PER_SECOND);
    while (!fake_logged(1, "is left out") || !fake_logged(5, "is left out"))
        sign_well(2);
    fake_node_thaw(1);
    fake_node_thaw(5);
    while (!fake_logged(1, ") answers again") || !fake_logged(5, ") answers again"))
        sign_well(3);
    ck_assert_uint_eq(fake_log_lines("lied"), 0);
    fake_stop();
}
END_TEST

START_TEST(too_few_nodes_are_all_named)
{
    Problem problem = PROBLEM_INIT;
    Microseconds begin;

    fake_start(true, SHORT);
    ck_assert_int_eq(fake_login("1234", NULL), 0);
    sign_many(3);
    fake_node_freeze(1);
    fake_node_freeze(3);
    fake_node_stop(4);
    begin = clock_now();
    ck_assert_int_eq(fake_sign_message(1, &problem), QUORUM_E_TOO_FEW_NODES);
    ck_assert_uint_ge(clock_now() - begin, SHORT);
    ck_assert_uint_lt(clock_now() - begin, 2 * SHORT);
    for (unsigned i = 1; i <= FAKE_NODES; i++)
        ck_assert_msg(strstr(problem.text, quorum_roster(fake.quorum)->nodes[i - 1].name), "%s", problem.text);
    ck_assert_msg(strstr(problem.text, "alpha (1): nothing: it does not answer"), "%s", problem.text);
    ck_assert_msg(strstr(problem.text, "2 of the 3 answers"), "%s", problem.text);
    fake_node_thaw(1);
    fake_node_thaw(3);
    sign_well(2);
    fake_stop();
}
END_TEST

static void *start_nodes(void *userdata)
{
    for (unsigned i = 1; i <= 3; i++)
        fake_node_start(i);
    return NULL;
}

START_TEST(a_signature_waits_for_restarting_nodes)
{
    pthread_t thread;

    start();
    sign_many(5);
    for (unsigned i = 1; i <= 3; i++)
        fake_node_stop(i);
    ck_assert_int_eq(pthread_create(&thread, NULL, start_nodes, NULL), 0);
    sign_well(1);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    fake_stop();
}
END_TEST

/* ---- Liars ---------------------------------------------------------------------------------------------------------------- */

static void lie(NodeSet liars, FakeShare how)
{
    for (unsigned j = 1; j <= FAKE_NODES; j++)
        fake_node(j)->share = liars & NODE_SET_OF(j) ? how : SHARE_HONEST;
}

/* Sign until the liars are found out; every signature is good on the way, and nobody else is named. */
static void find_liars(NodeSet liars)
{
    bool found = false;

    for (unsigned i = 0; !found; i++) {
        sign_well(i);
        found = true;
        for (unsigned j = 1; j <= FAKE_NODES; j++)
            found = found && (!(liars & NODE_SET_OF(j)) || fake_logged(j, "lied"));
    }
    for (unsigned j = 1; j <= FAKE_NODES; j++) {
        ck_assert_int_eq(fake_logged(j, "lied"), (liars & NODE_SET_OF(j)) != 0);
        ck_assert(!fake_logged(j, "Rejected"));
    }
    ck_assert_uint_eq(fake_log_lines("lied"), node_set_count(liars));

    unsigned before[FAKE_NODES];

    for (unsigned j = 0; j < FAKE_NODES; j++)
        before[j] = fake.nodes[j].signs;
    sign_many(20);
    for (unsigned j = 1; j <= FAKE_NODES; j++)
        if (liars & NODE_SET_OF(j))
            ck_assert_uint_le(fake_node(j)->signs, before[j - 1] + 4);
}

START_TEST(every_liar_is_named)
{
    start();
    for (unsigned j = 1; j <= FAKE_NODES; j++) {
        lie(NODE_SET_OF(j), (FakeShare)_i);
        new_client();
        find_liars(NODE_SET_OF(j));
    }
    fake_stop();
}
END_TEST

START_TEST(every_pair_of_liars_is_named)
{
    start();
    for (unsigned i = 1; i <= FAKE_NODES; i++)
        for (unsigned j = i + 1; j <= FAKE_NODES; j++) {
            lie(NODE_SET_OF(i) | NODE_SET_OF(j), (FakeShare)_i);
            new_client();
            find_liars(NODE_SET_OF(i) | NODE_SET_OF(j));
        }
    fake_stop();
}
END_TEST

START_TEST(three_liars_get_no_signature)
{
    Problem problem = PROBLEM_INIT;
    Microseconds begin;

    start();
    lie(NODE_SET_OF(1) | NODE_SET_OF(2) | NODE_SET_OF(4), (FakeShare)_i);
    begin = clock_now();
    ck_assert_int_eq(fake_sign_message(1, &problem), QUORUM_E_SIGNATURE);
    ck_assert_uint_lt(clock_now() - begin, TIMEOUT / 2);
    ck_assert_msg(strstr(problem.text, "alpha (1): a wrong signature share"), "%s", problem.text);
    ck_assert_msg(strstr(problem.text, "epsilon (5): "), "%s", problem.text);
    fake_stop();
}
END_TEST

/* A commitment that was used is never used again, though the node hands it out again. */
START_TEST(nothing_is_signed_twice_with_one_commitment)
{
    start();
    fake_node_stop(4);
    fake_node_stop(5);
    fake_node(2)->share = COMMITMENT_REPEATED;
    for (unsigned i = 0; !fake_logged(2, "lied"); i++) {
        Problem problem = PROBLEM_INIT;
        int r = fake_sign_message(i, &problem);

        ck_assert(r == 0 || r == QUORUM_E_SIGNATURE);
    }
    ck_assert(fake_logged(2, "the same commitment twice"));
    fake_stop();
}
END_TEST

/* ---- Many at once ------------------------------------------------------------------------------------------------------------ */

#define THREADS 32

static void *sign_in_thread(void *userdata)
{
    unsigned number = (unsigned)(uintptr_t)userdata;

    for (unsigned i = 0; i < 10; i++) {
        Problem problem = PROBLEM_INIT;

        if (fake_sign_message(1000 * number + i, &problem) != 0)
            return strdup(problem.text);
    }
    return NULL;
}

static void sign_in_threads(void)
{
    pthread_t threads[THREADS];

    for (unsigned i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, sign_in_thread, (void *)(uintptr_t)i), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        void *words;

        ck_assert_int_eq(pthread_join(threads[i], &words), 0);
        ck_assert_msg(!words, "%s", (const char *)words);
    }
}

START_TEST(threads_sign_at_once)
{
    start();
    sign_in_threads();

    /* The work is spread. */
    for (unsigned i = 1; i <= FAKE_NODES; i++)
        ck_assert_uint_gt(fake_node(i)->signs, THREADS * 10 * FAKE_THRESHOLD / FAKE_NODES / 4);
    ck_assert_uint_eq(fake_log_lines(""), 0);
    fake_stop();
}
END_TEST

START_TEST(threads_sign_with_a_liar_and_a_dead_node)
{
    start();
    fake_node(3)->share = SHARE_WRONG_Z;
    fake_node_stop(2);
    sign_in_threads();
    ck_assert_uint_eq(fake_log_lines("lied"), 1);
    fake_stop();
}
END_TEST

START_TEST(a_wrong_pin_costs_one_try_however_many_threads)
{
    pthread_t threads[THREADS];
    Problem problem = PROBLEM_INIT;
    bool decided = true;

    fake_start(true, TIMEOUT);
    for (unsigned i = 1; i <= FAKE_NODES; i++)
        fake_node_stop(i);
    ck_assert_int_eq(fake_login("4321", &decided), 0);
    ck_assert(!decided);
    for (unsigned i = 1; i <= FAKE_NODES; i++)
        fake_node_start(i);
    for (unsigned i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, sign_in_thread, (void *)(uintptr_t)i), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        void *words;

        ck_assert_int_eq(pthread_join(threads[i], &words), 0);
        free(words);
    }
    ck_assert_int_eq(fake_sign_message(1, &problem), QUORUM_E_PIN_INCORRECT);
    for (unsigned i = 1; i <= FAKE_NODES; i++)
        ck_assert_uint_le(fake_node(i)->failures_in_all, 1);
    fake_stop();
}
END_TEST

/* ---- Login, fork ------------------------------------------------------------------------------------------------------------- */

/* The stock goes with the connections. */
START_TEST(a_logout_leaves_nothing)
{
    unsigned commits;

    start();
    sign_many(10);
    commits = seen().commits;
    quorum_logout(fake.quorum);
    ck_assert_int_eq(fake_login("1234", NULL), 0);
    sign_well(1);
    ck_assert_uint_ge(seen().commits, commits + FAKE_THRESHOLD);
    fake_stop();
}
END_TEST

START_TEST(a_child_starts_anew)
{
    Problem problem = PROBLEM_INIT;
    Seen before;
    int status;
    pid_t child;

    start();
    fake_node_stop(1);
    fake_node_stop(2);
    sign_many(3);
    before = seen();
    child = fork();
    if (child == 0) {
        quorum_forked(fake.quorum);

        bool good = !quorum_logged_in(fake.quorum) && fake_sign_message(1, &problem) == QUORUM_E_LOGIN_REQUIRED &&
                    fake_login("1234", NULL) == 0 && fake_sign_message(2, &problem) == 0;

        _exit(good ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    ck_assert_uint_eq(seen().commits, before.commits + FAKE_THRESHOLD); /* the child's, on connections of its own */
    sign_many(20);                                                      /* with the parent's, which are as good as ever */
    ck_assert_uint_eq(seen().commits, before.commits + FAKE_THRESHOLD);
    fake_stop();
}
END_TEST

START_TEST(forgotten_logins_are_repeated)
{
    start();
    sign_many(5);
    for (unsigned i = 1; i <= FAKE_NODES; i++)
        fake_node(i)->forget_logins = i % 2 == 0;
    sign_many(20);
    fake_stop();
}
END_TEST

/* ---- Refusals ------------------------------------------------------------------------------------------------------------------ */

static void set_errors(NodeSet nodes, NodeError error)
{
    for (unsigned i = 1; i <= FAKE_NODES; i++)
        if (nodes & NODE_SET_OF(i))
            fake_node(i)->sign_error = error;
}

START_TEST(a_node_without_the_key_is_not_asked_each_time)
{
    Microseconds begin = clock_now();

    start();
    sign_many(_i % 2 ? 10 : 0); /* with commitments in stock, or without */
    set_errors(NODE_SET_OF(2), (NodeError)_i);

    unsigned before = fake_node(2)->signs + fake_node(2)->commits;

    sign_many(40);
    ck_assert_uint_le(fake_node(2)->signs + fake_node(2)->commits, before + 3 + (unsigned)((clock_now() - begin) / PEER_KEYLESS));
    ck_assert_uint_eq(fake_log_lines(""), 0);
    fake_stop();
}
END_TEST

START_TEST(two_nodes_may_forbid_it)
{
    start();
    set_errors(NODE_SET_OF(1), NODE_ERROR_PERMISSION_DENIED);
    set_errors(NODE_SET_OF(4), NODE_ERROR_KEY_LOCKED);
    sign_many(40);
    ck_assert_uint_eq(fake_log_lines(""), 0);
    fake_stop();
}
END_TEST

static void check_forbidden(NodeSet nodes)
{
    Problem problem = PROBLEM_INIT;
    Microseconds begin = clock_now();

    ck_assert_int_eq(fake_sign_message(1, &problem), QUORUM_E_REFUSED);
    ck_assert_uint_lt(clock_now() - begin, TIMEOUT / 4); /* nothing to wait for */
    for (unsigned i = 1; i <= FAKE_NODES; i++)
        if (nodes & NODE_SET_OF(i))
            ck_assert_msg(strstr(problem.text, quorum_roster(fake.quorum)->nodes[i - 1].name), "%s", problem.text);
    ck_assert_msg(strstr(problem.text, "KeyLocked"), "%s", problem.text);
}

START_TEST(three_nodes_forbid_it)
{
    const NodeSet three = NODE_SET_OF(1) | NODE_SET_OF(3) | NODE_SET_OF(5);

    start();
    set_errors(three, NODE_ERROR_KEY_LOCKED);
    check_forbidden(three);
    set_errors(NODE_SET_OF(3), NODE_ERROR_PERMISSION_DENIED);
    check_forbidden(three);
    set_errors(three, NODE_ERROR_NONE); /* unlocked: at once, since it is needed */
    sign_many(5);
    set_errors(three, NODE_ERROR_KEY_LOCKED);
    check_forbidden(three);
    fake_stop();
}
END_TEST

/* It cannot now: it may a moment later, in the same call. */
static void *recover(void *userdata)
{
    while (fake_node(1)->commits < 3)
        (void)sched_yield();
    set_errors(NODE_SET_OF(1), NODE_ERROR_NONE);
    return NULL;
}

START_TEST(a_node_that_cannot_now_is_asked_again)
{
    pthread_t thread;

    start();
    fake_node_stop(4);
    fake_node_stop(5);
    set_errors(NODE_SET_OF(1), NODE_ERROR_UNAVAILABLE);
    ck_assert_int_eq(pthread_create(&thread, NULL, recover, NULL), 0);
    sign_well(1);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    fake_stop();
}
END_TEST

/* Nodes from before there were Ed25519 keys. */
START_TEST(old_nodes_are_passed_over)
{
    Problem problem = PROBLEM_INIT;

    start();
    fake_node(1)->too_old = fake_node(2)->too_old = true;
    sign_many(20);
    ck_assert_uint_eq(fake_log_lines(""), 0);
    fake_node(3)->too_old = true;
    fake_new_client(TIMEOUT);
    ck_assert_int_eq(fake_login("1234", NULL), 0);
    ck_assert_int_eq(fake_sign_message(1, &problem), QUORUM_E_TOO_FEW_NODES);
    for (unsigned i = 0; i < 3; i++) {
        char words[100];

        (void)snprintf(words, sizeof(words), "%s (%u): its version does not know Ed25519: upgrade it",
                       quorum_roster(fake.quorum)->nodes[i].name, i + 1);
        ck_assert_msg(strstr(problem.text, words) != NULL, "%s", problem.text);
    }
    ck_assert_uint_eq(fake_log_lines(""), 0);
    ck_assert_int_eq(fake_sign(1, &problem), 0); /* with an RSA key they sign */
    fake_stop();
}
END_TEST

START_TEST(what_is_not_signed)
{
    const uint8_t bytes[32] = {1};
    uint8_t signature[THRESHOLD_SIGNATURE_SIZE_MAX];
    Problem problem = PROBLEM_INIT;
    Digest digest;

    fake_start(true, TIMEOUT);
    ck_assert_int_eq(fake_sign_message(1, &problem), QUORUM_E_LOGIN_REQUIRED);
    ck_assert_int_eq(fake_login("1234", NULL), 0);
    ck_assert_int_eq(digest_set(HASH_SHA256, bytes, sizeof(bytes), &digest), 0);
    ck_assert_int_eq(quorum_sign(fake.quorum, fake.ed25519_key, &digest, signature, &problem), -EINVAL);
    ck_assert_msg(strstr(problem.text, "ed25519 signs messages"), "%s", problem.text);
    ck_assert_int_eq(quorum_sign_message(fake.quorum, fake.key, "m", 1, signature, &problem), -EINVAL);
    ck_assert_msg(strstr(problem.text, "rsa signs digests"), "%s", problem.text);
    ck_assert_uint_eq(seen().signs + seen().commits, 0);
    fake_stop();
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_test(cases, a_signature_is_one_round_trip);
    tcase_add_test(cases, few_commitments_are_enough);
    tcase_add_test(cases, messages_of_all_sizes);
    tcase_add_test(cases, every_quorum_signs);
    tcase_add_test(cases, restarted_nodes_sign);
    tcase_add_test(cases, forgotten_commitments_cost_a_retry);
    tcase_add_test(cases, a_node_that_forgets_always_is_left_out);
    tcase_add_test(cases, a_node_that_hangs_up_is_left_out);
    tcase_add_loop_test(cases, a_late_node_is_not_waited_for, 0, 2);
    tcase_add_test(cases, slow_nodes_sign);
    tcase_add_test(cases, stopped_nodes_are_left_out);
    tcase_add_test(cases, too_few_nodes_are_all_named);
    tcase_add_test(cases, a_signature_waits_for_restarting_nodes);
    tcase_add_loop_test(cases, every_liar_is_named, SHARE_WRONG_R, SHARE_LIE_MAX);
    tcase_add_loop_test(cases, every_pair_of_liars_is_named, SHARE_WRONG_Z, SHARE_WRONG_Z + 1);
    tcase_add_loop_test(cases, every_pair_of_liars_is_named, COMMITMENT_NO_POINT, COMMITMENT_NO_POINT + 1);
    tcase_add_loop_test(cases, every_pair_of_liars_is_named, COMMITMENT_REPEATED, COMMITMENT_REPEATED + 1);
    tcase_add_loop_test(cases, three_liars_get_no_signature, SHARE_WRONG_R, SHARE_WRONG_Z + 1);
    tcase_add_test(cases, nothing_is_signed_twice_with_one_commitment);
    tcase_add_test(cases, threads_sign_at_once);
    tcase_add_test(cases, threads_sign_with_a_liar_and_a_dead_node);
    tcase_add_test(cases, a_wrong_pin_costs_one_try_however_many_threads);
    tcase_add_test(cases, a_logout_leaves_nothing);
    tcase_add_test(cases, a_child_starts_anew);
    tcase_add_test(cases, forgotten_logins_are_repeated);
    tcase_add_loop_test(cases, a_node_without_the_key_is_not_asked_each_time, NODE_ERROR_UNKNOWN_KEY, NODE_ERROR_KEY_EXISTS);
    tcase_add_loop_test(cases, a_node_without_the_key_is_not_asked_each_time, NODE_ERROR_KEY_DESTROYED, NODE_ERROR_KEY_PENDING);
    tcase_add_test(cases, two_nodes_may_forbid_it);
    tcase_add_test(cases, three_nodes_forbid_it);
    tcase_add_test(cases, a_node_that_cannot_now_is_asked_again);
    tcase_add_test(cases, old_nodes_are_passed_over);
    tcase_add_test(cases, what_is_not_signed);
}

UNIT_MAIN("sign-message", add_tests)
