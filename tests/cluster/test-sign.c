/* quorum_sign() against nodes that are slow, silent, dead or lie. */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/wait.h>

#include "base/crypto.h"
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

static void sign_well(unsigned number)
{
    Problem problem = PROBLEM_INIT;
    int r = fake_sign(number, &problem);

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

START_TEST(a_node_that_hangs_up_is_left_out)
{
    start();
    fake_node(4)->hang_up = true;
    sign_many(30);
    ck_assert(fake_logged(4, "is left out until it answers again"));
    ck_assert_uint_lt(fake_node(4)->signs, 30);
    fake_node(4)->hang_up = false;
    while (fake_log_lines("delta (4") < 2)
        sign_well(1);
    ck_assert(fake_logged(4, "/4.sock) answers again"));
    fake_stop();
}
END_TEST

START_TEST(a_late_node_is_not_waited_for)
{
    start();
    sign_many(20);
    fake_node(2)->delay_ms = 3000;
    ck_assert_uint_lt(time_of(20), 2 * MICROSECONDS_PER_SECOND);
    fake_stop();
}
END_TEST

/* What was sent to them meanwhile they see when they go on. */
START_TEST(stopped_nodes_are_left_out)
{
    start();
    sign_many(20);

    unsigned before = fake_node(1)->signs + fake_node(5)->signs;

    fake_node_freeze(1);
    fake_node_freeze(5);
    sign_many(100);
    while (!fake_logged(1, "is left out") || !fake_logged(5, "is left out"))
        sign_well(2);
    fake_node_thaw(1);
    fake_node_thaw(5);
    while (!fake_logged(1, ") answers again") || !fake_logged(5, ") answers again"))
        sign_well(3);
    ck_assert_uint_le(fake_node(1)->signs + fake_node(5)->signs, before + 30);
    ck_assert_uint_eq(fake_log_lines(""), 4);
    fake_stop();
}
END_TEST

START_TEST(too_few_nodes_are_all_named)
{
    Problem problem = PROBLEM_INIT;

    fake_start(true, SHORT);
    ck_assert_int_eq(fake_login("1234", NULL), 0);
    sign_many(3);
    fake_log_forget();
    fake_node_freeze(1);
    fake_node_freeze(3);
    fake_node_stop(4);

    Microseconds begin = clock_now();

    ck_assert_int_eq(fake_sign(1, &problem), QUORUM_E_TOO_FEW_NODES);
    ck_assert_uint_ge(clock_now() - begin, SHORT);
    ck_assert_uint_lt(clock_now() - begin, 2 * SHORT);
    for (unsigned i = 1; i <= FAKE_NODES; i++)
        ck_assert_ptr_nonnull(strstr(problem.text, quorum_roster(fake.quorum)->nodes[i - 1].name));
    ck_assert_ptr_nonnull(strstr(problem.text, "alpha (1): nothing: it does not answer"));
    ck_assert_uint_eq(fake_log_lines("no signature with key"), 0); /* it is the caller's to tell */
    fake_node_thaw(1);
    fake_node_thaw(3);
    sign_well(2);
    fake_stop();
}
END_TEST

/* Each node that was asked, however much the others say: to a signature, and to any other question. */
START_TEST(wordy_nodes_are_all_named)
{
    _cleanup_node_answers_ NodeAnswers answers = {0};
    Problem problem = PROBLEM_INIT, asked = PROBLEM_INIT;

    start();
    for (unsigned i = 1; i <= FAKE_NODES; i++) {
        fake_node(i)->wordy = true;
        fake_node(i)->sign_error = NODE_ERROR_KEY_UNUSABLE;
        fake_node(i)->wrong_token = true;
    }
    ck_assert_int_eq(fake_sign(1, &problem), QUORUM_E_TOO_FEW_NODES);
    quorum_disconnect(fake.quorum);
    ck_assert_int_eq(quorum_ask(fake.quorum, node_set_all(FAKE_NODES), ASK_LOGGED_IN, NODE_METHOD("GetStatus"), &node_no_parameters,
                                (const void *[]){NULL}, true, &node_status_output, clock_now() + TIMEOUT, &answers),
                     0);
    node_answers_describe(fake.quorum, &answers, &asked);
    for (unsigned i = 1; i <= FAKE_NODES; i++) {
        const char *name = quorum_roster(fake.quorum)->nodes[i - 1].name;

        ck_assert_msg(strstr(problem.text, name), "%s", problem.text);
        ck_assert_msg(strstr(asked.text, name), "%s", asked.text);
    }
    fake_stop();
}
END_TEST

static void *start_nodes(void *userdata)
{
    for (unsigned i = 1; i <= 3; i++)
        fake_node_start(i);
    return NULL;
}

/* A signature that is under way when nodes come back uses them. */
START_TEST(a_signature_waits_for_restarting_nodes)
{
    pthread_t thread;

    start();
    for (unsigned i = 1; i <= 3; i++)
        fake_node_stop(i);
    ck_assert_int_eq(pthread_create(&thread, NULL, start_nodes, NULL), 0);
    sign_well(1);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    fake_stop();
}
END_TEST

/* ---- Liars ---------------------------------------------------------------------------------------------------------------- */

/* Sign until the liars are found out; every signature is good on the way. */
static void find_liars(NodeSet liars)
{
    bool found = false;

    for (unsigned i = 0; !found; i++) {
        sign_well(i);
        found = true;
        for (unsigned j = 1; j <= FAKE_NODES; j++)
            found = found && (!(liars & NODE_SET_OF(j)) || fake_logged(j, "lied"));
    }
    for (unsigned j = 1; j <= FAKE_NODES; j++)
        ck_assert_int_eq(fake_logged(j, "lied"), (liars & NODE_SET_OF(j)) != 0);
    ck_assert_uint_eq(fake_log_lines("lied"), node_set_count(liars));

    unsigned before[FAKE_NODES];

    for (unsigned j = 0; j < FAKE_NODES; j++)
        before[j] = fake.nodes[j].signs;
    sign_many(20); /* twelve times, if they were asked as the others are; an overloaded machine may need them now and then */
    for (unsigned j = 1; j <= FAKE_NODES; j++)
        if (liars & NODE_SET_OF(j))
            ck_assert_uint_le(fake_node(j)->signs, before[j - 1] + 4);
}

static void lie(NodeSet liars, FakePartial how)
{
    for (unsigned j = 1; j <= FAKE_NODES; j++)
        fake_node(j)->partial = liars & NODE_SET_OF(j) ? how : PARTIAL_HONEST;
}

START_TEST(every_liar_is_named)
{
    start();
    for (unsigned j = 1; j <= FAKE_NODES; j++) {
        lie(NODE_SET_OF(j), (FakePartial)_i);
        fake_new_client(TIMEOUT);
        ck_assert_int_eq(fake_login("1234", NULL), 0);
        fake_log_forget();
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
            NodeSet liars = NODE_SET_OF(i) | NODE_SET_OF(j);

            lie(liars, (FakePartial)_i);
            fake_new_client(TIMEOUT);
            ck_assert_int_eq(fake_login("1234", NULL), 0);
            fake_log_forget();
            find_liars(liars);
        }
    fake_stop();
}
END_TEST

START_TEST(three_liars_get_no_signature)
{
    Problem problem = PROBLEM_INIT;

    start();
    lie(NODE_SET_OF(1) | NODE_SET_OF(2) | NODE_SET_OF(4), (FakePartial)_i);
    for (unsigned i = 0; i < 5; i++) {
        int r = fake_sign(i, &problem);

        ck_assert(r == QUORUM_E_SIGNATURE || r == QUORUM_E_TOO_FEW_NODES);
        ck_assert_ptr_nonnull(strstr(problem.text, "epsilon (5): "));
    }
    fake_stop();
}
END_TEST

/* ---- Many at once ------------------------------------------------------------------------------------------------------------ */

#define THREADS 16

static void *sign_in_thread(void *userdata)
{
    unsigned number = (unsigned)(uintptr_t)userdata;

    for (unsigned i = 0; i < 10; i++) {
        Problem problem = PROBLEM_INIT;

        if (fake_sign(1000 * number + i, &problem) != 0)
            return (void *)(uintptr_t) "no signature";
    }
    return NULL;
}

static void sign_in_threads(void)
{
    pthread_t threads[THREADS];

    for (unsigned i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, sign_in_thread, (void *)(uintptr_t)i), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        void *result;

        ck_assert_int_eq(pthread_join(threads[i], &result), 0);
        ck_assert_ptr_null(result);
    }
}

START_TEST(threads_sign_at_once)
{
    start();
    sign_in_threads();

    /* The work is spread. */
    for (unsigned i = 1; i <= FAKE_NODES; i++)
        ck_assert_uint_gt(fake_node(i)->signs, THREADS * 10 * FAKE_THRESHOLD / FAKE_NODES / 4);
    fake_stop();
}
END_TEST

START_TEST(threads_sign_with_a_liar_and_a_dead_node)
{
    start();
    fake_node(3)->partial = PARTIAL_RANDOM;
    fake_node_stop(2);
    sign_in_threads();
    ck_assert_uint_eq(fake_log_lines("lied"), 1);
    fake_stop();
}
END_TEST

/* The PIN was accepted for now; then many threads find nodes that refuse it: each node is asked once. */
START_TEST(a_wrong_pin_costs_one_try_however_many_threads)
{
    pthread_t threads[THREADS];
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
    for (unsigned i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);

    Problem problem = PROBLEM_INIT;

    ck_assert_int_eq(fake_sign(1, &problem), QUORUM_E_PIN_INCORRECT);
    for (unsigned i = 1; i <= FAKE_NODES; i++)
        ck_assert_uint_le(fake_node(i)->failures_in_all, 1);
    fake_stop();
}
END_TEST

/* ---- Logging out -------------------------------------------------------------------------------------------------------- */

/* The nodes with an exchange that outlived its call. */
static NodeSet pending_nodes(void)
{
    NodeSet pending = 0;

    (void)pthread_mutex_lock(&fake.quorum->lock);
    for (unsigned i = 0; i < FAKE_NODES; i++)
        pending |= fake.quorum->peers[i].pending ? NODE_SET_OF(i + 1) : 0;
    (void)pthread_mutex_unlock(&fake.quorum->lock);
    return pending;
}

static unsigned connections(bool logged_in)
{
    unsigned n = 0;

    (void)pthread_mutex_lock(&fake.quorum->lock);
    for (unsigned i = 0; i < FAKE_NODES; i++)
        for (unsigned j = 0; j < PEER_CONNECTIONS_MAX; j++) {
            const Connection *connection = fake.quorum->peers[i].pool.slots[j];

            n += connection && (!logged_in || connection->epoch != 0);
        }
    (void)pthread_mutex_unlock(&fake.quorum->lock);
    return n;
}

static bool is_asked(unsigned index)
{
    (void)pthread_mutex_lock(&fake.quorum->lock);

    bool asked = fake.quorum->peers[index - 1].outstanding > 0;

    (void)pthread_mutex_unlock(&fake.quorum->lock);
    return asked;
}

/* What is left of an earlier signature knows the PIN: it goes with the login. */
START_TEST(a_logout_leaves_nothing)
{
    NodeState *states;

    start();
    sign_many(10);
    fake_node_freeze(1);
    while (pending_nodes() != NODE_SET_OF(1))
        sign_well(1);
    quorum_logout(fake.quorum);
    ck_assert_uint_eq(pending_nodes(), 0);
    ck_assert_uint_eq(connections(true), 0);
    ck_assert_int_eq(fake_login("1234", NULL), 0);
    sign_many(10);
    fake_node_thaw(1);
    quorum_logout(fake.quorum);
    ck_assert_int_eq(quorum_status(fake.quorum, &states, NULL), 0);
    quorum_status_free(states, FAKE_NODES);
    ck_assert_uint_gt(connections(false), 0); /* without a login */
    quorum_disconnect(fake.quorum);
    ck_assert_uint_eq(connections(false), 0);
    ck_assert_int_eq(fake_login("1234", NULL), 0);
    sign_many(10);
    fake_stop();
}
END_TEST

/* The same of a probe of a paused node that is being looked at in that moment: another may be made later. */
START_TEST(a_probe_goes_with_the_logout)
{
    start();
    sign_many(10);
    fake_node_freeze(1);
    while (pending_nodes() != NODE_SET_OF(1))
        sign_well(1);
    (void)pthread_mutex_lock(&fake.quorum->lock);
    fake.quorum->peers[0].probing = true;
    fake.quorum->logged_out_epoch = fake.quorum->last_epoch;
    (void)pthread_mutex_unlock(&fake.quorum->lock);
    peer_look(fake.quorum);
    ck_assert_uint_eq(pending_nodes(), 0);
    ck_assert(!fake.quorum->peers[0].probing);
    fake_node_thaw(1);
    fake_stop();
}
END_TEST

static void *sign_one(void *userdata)
{
    sign_well(1);
    return NULL;
}

/* The same of a signature that is under way at the time, when it ends. */
START_TEST(a_logout_leaves_nothing_of_calls_under_way)
{
    pthread_t thread;

    start();
    sign_many(10);
    for (unsigned i = 1; i <= 3; i++)
        fake_node_freeze(i);
    ck_assert_int_eq(pthread_create(&thread, NULL, sign_one, NULL), 0);
    while (!is_asked(1) || !is_asked(2))
        (void)sched_yield();
    quorum_logout(fake.quorum);
    fake_node_thaw(2);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_uint_eq(pending_nodes(), 0);
    ck_assert_uint_eq(connections(true), 0);
    fake_node_thaw(1);
    fake_node_thaw(3);
    fake_stop();
}
END_TEST

/* A node refuses, too late, a PIN that it took before, together with the question that was sent behind it; then it takes the next one.
 * The call that asked is over: what it asked is not asked again, for its parameters are gone. */
START_TEST(what_a_call_asked_is_not_asked_again_after_it)
{
    start();
    sign_many(20);
    while (pending_nodes() != 0)
        peer_look(fake.quorum);
    fake_node_stop(1);
    fake_node(1)->next = (FakePinVerifier){.version = 2};
    memcpy(fake_node(1)->next.verifier, fake_node(1)->in_force.verifier, NODE_VERIFIER_SIZE);
    fake_node(1)->refuse_after_ms = 500;
    fake_node_start(1);
    fake_log_forget();
    while (!(pending_nodes() & NODE_SET_OF(1)))
        sign_well(1);

    unsigned before = fake_node(1)->signs, challenges = fake_node(1)->challenges;

    while (pending_nodes() != 0) {
        peer_look(fake.quorum);
        (void)sched_yield();
    }
    ck_assert_uint_gt(fake_node(1)->challenges, challenges); /* the next one was tried */
    ck_assert_uint_eq(fake_node(1)->signs, before);
    ck_assert_uint_eq(fake_log_lines(""), 0);
    fake_node(1)->refuse_after_ms = 0;
    sign_many(20);
    fake_stop();
}
END_TEST

START_TEST(a_child_starts_anew)
{
    Problem problem = PROBLEM_INIT;
    int status;

    start();
    sign_many(3);

    pid_t child = fork();

    if (child == 0) {
        quorum_forked(fake.quorum);

        bool good = !quorum_logged_in(fake.quorum) && fake_sign(1, &problem) == QUORUM_E_LOGIN_REQUIRED && fake_login("1234", NULL) == 0 &&
                    fake_sign(2, &problem) == 0;

        _exit(good ? 0 : 1);
    }
    sign_many(10);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);

    unsigned connections = 0, before = 0;

    for (unsigned i = 1; i <= FAKE_NODES; i++)
        before += fake_node(i)->connections;
    sign_many(10); /* the child's end has not closed the parent's connections */
    for (unsigned i = 1; i <= FAKE_NODES; i++)
        connections += fake_node(i)->connections;
    ck_assert_uint_eq(connections, before);
    fake_stop();
}
END_TEST

/* ---- Refusals ------------------------------------------------------------------------------------------------------------------ */

START_TEST(a_node_without_the_key_is_not_asked_each_time)
{
    Microseconds begin = clock_now();

    start();
    fake_node(2)->sign_error = (NodeError)_i;
    sign_many(40);
    ck_assert_uint_le(fake_node(2)->signs, 2 + (unsigned)((clock_now() - begin) / PEER_KEYLESS));
    ck_assert_uint_eq(fake_log_lines(""), 0);
    fake_stop();
}
END_TEST

static void set_errors(NodeSet nodes, NodeError error)
{
    for (unsigned i = 1; i <= FAKE_NODES; i++)
        if (nodes & NODE_SET_OF(i))
            fake_node(i)->sign_error = error;
}

/* Locked, or not permitted: at two of five nodes nobody notices, and they are asked again only after PEER_PENDING. */
START_TEST(two_nodes_may_forbid_it)
{
    Microseconds begin = clock_now();
    unsigned most;

    start();
    set_errors(NODE_SET_OF(1), (NodeError)_i);
    set_errors(NODE_SET_OF(4), NODE_ERROR_KEY_LOCKED);
    sign_many(40);
    most = 2 + (unsigned)((clock_now() - begin) / PEER_PENDING);
    ck_assert_uint_le(fake_node(1)->signs, most);
    ck_assert_uint_le(fake_node(4)->signs, most);
    ck_assert_uint_eq(fake_log_lines(""), 0);
    fake_stop();
}
END_TEST

static void check_forbidden(NodeSet nodes)
{
    Problem problem = PROBLEM_INIT;
    Microseconds begin = clock_now();

    ck_assert_int_eq(fake_sign(1, &problem), QUORUM_E_REFUSED);
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
    set_errors(NODE_SET_OF(3), NODE_ERROR_NONE); /* unlocked: at once, since it is needed */
    sign_many(5);
    set_errors(three, NODE_ERROR_KEY_LOCKED);
    check_forbidden(three);
    fake_stop();
}
END_TEST

/* With nodes down it is not the lock alone. */
START_TEST(locked_and_down_is_too_few)
{
    Problem problem = PROBLEM_INIT;

    fake_start(true, SHORT);
    ck_assert_int_eq(fake_login("1234", NULL), 0);
    set_errors(NODE_SET_OF(1) | NODE_SET_OF(2), NODE_ERROR_KEY_LOCKED);
    fake_node_stop(3);
    ck_assert_int_eq(fake_sign(1, &problem), QUORUM_E_TOO_FEW_NODES);
    ck_assert_ptr_nonnull(strstr(problem.text, "alpha (1): KeyLocked"));
    fake_stop();
}
END_TEST

START_TEST(forgotten_logins_are_repeated)
{
    start();
    sign_many(5);
    for (unsigned i = 1; i <= FAKE_NODES; i++)
        fake_node(i)->forget_logins = true;
    for (unsigned i = 1; i <= FAKE_NODES; i++)
        fake_node(i)->forget_logins = i % 2 == 0;
    sign_many(20);
    fake_stop();
}
END_TEST

START_TEST(what_is_not_signed)
{
    const uint8_t bytes[20] = {1};
    uint8_t signature[THRESHOLD_SIGNATURE_SIZE_MAX];
    Problem problem = PROBLEM_INIT;
    Digest digest;

    fake_start(true, TIMEOUT);
    ck_assert_int_eq(fake_sign(1, &problem), QUORUM_E_LOGIN_REQUIRED);
    ck_assert_int_eq(fake_login("1234", NULL), 0);
    ck_assert_int_eq(digest_set(HASH_SHA1, bytes, sizeof(bytes), &digest), 0);
    ck_assert_int_eq(quorum_sign(fake.quorum, fake.key, &digest, signature, &problem), QUORUM_E_REFUSED);
    ck_assert_ptr_nonnull(strstr(problem.text, "AllowSha1"));
    sign_well(1);
    quorum_logout(fake.quorum);
    ck_assert_int_eq(fake_sign(1, &problem), QUORUM_E_LOGIN_REQUIRED);
    fake_stop();
}
END_TEST

/* ---- RSA-PSS -------------------------------------------------------------------------------------------------------------- */

static int sign_pss(size_t salt_size, Problem *problem)
{
    uint8_t bytes[DIGEST_SIZE_MAX], salt[DIGEST_SALT_SIZE_MAX], signature[THRESHOLD_SIGNATURE_SIZE_MAX] = {0};
    const ThresholdKey *key = quorum_key_threshold(fake.key);
    Digest digest;
    int r;

    ck_assert_int_eq(crypto_random(bytes, sizeof(bytes)), 0);
    ck_assert_int_eq(crypto_random(salt, sizeof(salt)), 0);
    ck_assert_int_eq(digest_set(HASH_SHA256, bytes, 32, &digest), 0);
    ck_assert_int_eq(digest_set_pss(&digest, salt, salt_size), 0);
    r = quorum_sign(fake.quorum, fake.key, &digest, signature, problem);
    ck_assert_int_eq(r == 0, threshold_key_verify(key, &digest, signature, threshold_key_signature_size(key)) == 0);
    return r;
}

START_TEST(nodes_encode_pss)
{
    Problem problem = PROBLEM_INIT;

    start();
    ck_assert_int_eq(sign_pss(0, &problem), 0);
    ck_assert_int_eq(sign_pss(32, &problem), 0);
    ck_assert_int_eq(sign_pss(256 - 32 - 2, &problem), 0);
    ck_assert_int_eq(sign_pss(256 - 32 - 1, &problem), -EINVAL);
    ck_assert_ptr_nonnull(strstr(problem.text, "too small"));
    sign_well(1);
    fake_stop();
}
END_TEST

START_TEST(a_liar_about_pss_is_named)
{
    Problem problem = PROBLEM_INIT;

    start();
    fake_node(2)->partial = PARTIAL_OTHER_NODE;
    while (!fake_logged(2, "a wrong partial signature"))
        ck_assert_int_eq(sign_pss(32, &problem), 0);
    fake_stop();
}
END_TEST

/* Nodes from before there was RSA-PSS: they are passed over, and are neither liars nor out of order. */
START_TEST(old_nodes_are_passed_over)
{
    Problem problem = PROBLEM_INIT;
    unsigned signs;

    start();
    fake_node(1)->too_old = fake_node(2)->too_old = true;
    for (unsigned i = 0; i < 20; i++) {
        int r = sign_pss(32, &problem);

        ck_assert_msg(r == 0, "%s", problem.text);
    }
    ck_assert_uint_eq(fake_log_lines(""), 0);
    for (unsigned i = 3; i <= FAKE_NODES; i++)
        fake_node_stop(i);
    fake_node_start(3);
    signs = fake_node(1)->signs + fake_node(2)->signs;
    sign_well(1); /* which needs both of them, at once */
    ck_assert_uint_ge(fake_node(1)->signs + fake_node(2)->signs, signs + 2);
    fake_stop();
}
END_TEST

START_TEST(too_many_old_nodes_are_named)
{
    Problem problem = PROBLEM_INIT;

    start();
    for (unsigned i = 1; i <= FAKE_NODES; i++)
        fake_node(i)->too_old = i <= 3;
    ck_assert_int_eq(sign_pss(32, &problem), QUORUM_E_TOO_FEW_NODES);
    for (unsigned i = 0; i < 3; i++) {
        char words[100];

        (void)snprintf(words, sizeof(words), "%s (%u): its version does not know RSA-PSS: upgrade it",
                       quorum_roster(fake.quorum)->nodes[i].name, i + 1);
        ck_assert_msg(strstr(problem.text, words) != NULL, "%s", problem.text);
    }
    ck_assert_uint_eq(fake_log_lines(""), 0);
    sign_many(5);
    fake_stop();
}
END_TEST

START_TEST(a_node_of_another_token_is_named)
{
    Problem problem = PROBLEM_INIT;

    fake_start(true, SHORT);
    for (unsigned i = 3; i <= FAKE_NODES; i++)
        fake_node(i)->wrong_token = true;
    ck_assert_int_eq(fake_login("1234", NULL), 0);
    ck_assert_int_eq(fake_sign(1, &problem), QUORUM_E_TOO_FEW_NODES);
    ck_assert_ptr_nonnull(strstr(problem.text, "gamma (3): WrongToken"));
    fake_stop();
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_test(cases, every_quorum_signs);
    tcase_add_test(cases, restarted_nodes_sign);
    tcase_add_test(cases, a_node_that_hangs_up_is_left_out);
    tcase_add_test(cases, a_late_node_is_not_waited_for);
    tcase_add_test(cases, stopped_nodes_are_left_out);
    tcase_add_test(cases, too_few_nodes_are_all_named);
    tcase_add_test(cases, wordy_nodes_are_all_named);
    tcase_add_test(cases, a_signature_waits_for_restarting_nodes);
    tcase_add_loop_test(cases, every_liar_is_named, PARTIAL_RANDOM, PARTIAL_MAX);
    tcase_add_loop_test(cases, every_pair_of_liars_is_named, PARTIAL_RANDOM, PARTIAL_OTHER_NODE + 1);
    tcase_add_loop_test(cases, three_liars_get_no_signature, PARTIAL_RANDOM, PARTIAL_MAX);
    tcase_add_test(cases, threads_sign_at_once);
    tcase_add_test(cases, threads_sign_with_a_liar_and_a_dead_node);
    tcase_add_test(cases, a_wrong_pin_costs_one_try_however_many_threads);
    tcase_add_test(cases, a_logout_leaves_nothing);
    tcase_add_test(cases, a_logout_leaves_nothing_of_calls_under_way);
    tcase_add_test(cases, a_probe_goes_with_the_logout);
    tcase_add_test(cases, what_a_call_asked_is_not_asked_again_after_it);
    tcase_add_test(cases, a_child_starts_anew);
    tcase_add_loop_test(cases, a_node_without_the_key_is_not_asked_each_time, NODE_ERROR_UNKNOWN_KEY, NODE_ERROR_KEY_EXISTS);
    tcase_add_loop_test(cases, two_nodes_may_forbid_it, NODE_ERROR_PERMISSION_DENIED, NODE_ERROR_KEY_LOCKED + 1);
    tcase_add_test(cases, three_nodes_forbid_it);
    tcase_add_test(cases, locked_and_down_is_too_few);
    tcase_add_test(cases, forgotten_logins_are_repeated);
    tcase_add_test(cases, what_is_not_signed);
    tcase_add_test(cases, nodes_encode_pss);
    tcase_add_test(cases, a_liar_about_pss_is_named);
    tcase_add_test(cases, old_nodes_are_passed_over);
    tcase_add_test(cases, too_many_old_nodes_are_named);
    tcase_add_test(cases, a_node_of_another_token_is_named);
}

UNIT_MAIN("sign", add_tests)
