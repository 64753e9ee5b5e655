/* Generation and refresh among real nodes, with the client or a node killed at each step: there is a key, whole, or none; and what was
 * there signs throughout. */
#include "quorum/quorum.h"
#include "run-fixture.h"

#include <sys/wait.h>

#define NODES     3
#define THRESHOLD 2
#define VICTIM    2

static TestToken token;
static Quorum *quorum; /* the client of this process, logged in */

/* The step at which to kill, counted from 1; 0: none. The node gets the signal. */
static unsigned kill_client_at, kill_node_at, steps;
static int node_signal = SIGKILL;

static void at_step(void *userdata, const char *name)
{
    steps++;
    if (steps == kill_client_at)
        (void)kill(getpid(), SIGKILL);
    if (steps != kill_node_at)
        return;
    if (node_signal == SIGKILL)
        (void)test_node_stop(&token.nodes[VICTIM - 1], SIGKILL);
    else
        ck_assert_int_eq(kill(token.nodes[VICTIM - 1].pid, node_signal), 0);
}

static Roster *make_roster(void)
{
    Roster *roster = calloc(1, sizeof(*roster));

    ck_assert_ptr_nonnull(roster);
    strcpy(roster->label, "test");
    strcpy(roster->client, "local");
    memcpy(roster->token, token.nodes[0].token, TOKEN_ID_SIZE);
    roster->n = NODES;
    roster->k = THRESHOLD;
    roster->timeout = 30 * MICROSECONDS_PER_SECOND;
    roster->connect_timeout = 10 * MICROSECONDS_PER_SECOND;
    for (unsigned i = 0; i < NODES; i++) {
        NodeCard *card = &roster->nodes[i];

        (void)snprintf(card->name, sizeof(card->name), "node%u", i + 1);
        card->address = strdup(token.nodes[i].address);
        memcpy(card->sealing_key, token.nodes[i].sealing_key, sizeof(card->sealing_key));
        memcpy(card->identity_key, token.identity_keys[i], sizeof(card->identity_key));
    }
    return roster;
}

static Secret *test_pin(void)
{
    Secret *pin;

    ck_assert_int_eq(secret_new_copy("123456", 6, &pin), 0);
    return pin;
}

static void new_client(void)
{
    static const QuorumHooks hooks = {.step = at_step};
    _cleanup_secret_ Secret *pin = test_pin();
    Problem problem = PROBLEM_INIT;

    quorum_free(quorum);
    steps = kill_client_at = kill_node_at = 0;
    ck_assert_int_eq(quorum_new(make_roster(), &hooks, &quorum), 0);
    ck_assert_msg(quorum_login(quorum, pin, NULL, &problem) == 0, "%s", problem.text);
}

static void start(void)
{
    _cleanup_secret_ Secret *pin = test_pin();
    Problem problem = PROBLEM_INIT;

    token_start_nodes(NODES, THRESHOLD, &token);
    ck_assert_int_eq(quorum_new(make_roster(), NULL, &quorum), 0);
    ck_assert_msg(quorum_init_token(quorum, pin, false, &problem) == 0, "%s", problem.text);
    new_client();
}

static void stop(void)
{
    quorum_free(quorum);
    token_stop(&token);
}

/* So that no run of a client that died keeps others from theirs for a minute. */
static void restart_nodes(void)
{
    for (unsigned i = 0; i < NODES; i++) {
        if (token.nodes[i].pid)
            (void)test_node_stop(&token.nodes[i], SIGKILL);
        test_node_start(&token.nodes[i]);
    }
    new_client();
}

/* ---- What a client does --------------------------------------------------------------------------------------------------------- */

static int generate(const char *label, Problem *problem)
{
    const GenerateRequest request = {
        .algorithm = THRESHOLD_ED25519,
        .bits = 256,
        .custody = CUSTODY_INVALID,
        .record = {.private_label = (char *)(uintptr_t)label, .public_label = (char *)(uintptr_t)label},
    };
    QuorumKey *key = NULL;
    int r = quorum_generate(quorum, &request, &key, problem);

    quorum_key_unref(key);
    return r;
}

/* The one key with that label; NULL: there is none. */
static QuorumKey *find(const char *label)
{
    Problem problem = PROBLEM_INIT;
    QuorumKey **keys = NULL, *found = NULL;
    size_t n = 0;

    ck_assert_msg(quorum_keys(quorum, 0, &keys, &n, &problem) == 0, "%s", problem.text);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(quorum_key_record(keys[i])->private_label, label) != 0)
            continue;
        ck_assert_ptr_null(found);
        found = quorum_key_ref(keys[i]);
    }
    quorum_keys_free(keys, n);
    return found;
}

static int refresh(const char *label, Problem *problem)
{
    _cleanup_(quorum_key_unrefp) QuorumKey *key = find(label), *fresh = NULL;

    ck_assert_ptr_nonnull(key);
    return quorum_refresh(quorum, quorum_key_id(key), &fresh, problem);
}

typedef int (*Action)(const char *label, Problem *problem);

static void client_dies(Action act, const char *label, unsigned step)
{
    pid_t pid = fork();
    int status;

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        quorum_forked(quorum);
        new_client();
        kill_client_at = step;
        (void)act(label, NULL);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFSIGNALED(status), "the client did not come to step %u", step);
}

/* How many steps it takes where nobody dies. */
static unsigned count_steps(Action act, const char *label)
{
    Problem problem = PROBLEM_INIT;

    new_client();
    ck_assert_msg(act(label, &problem) == 0, "%s", problem.text);
    return steps;
}

/* ---- What must be so afterwards ------------------------------------------------------------------------------------------------------ */

/* Generation of the key with that label, which signs; 0: there is none. */
static unsigned sign(const char *label)
{
    static const char message[] = "a message";
    _cleanup_(quorum_key_unrefp) QuorumKey *key = find(label);
    uint8_t signature[THRESHOLD_SIGNATURE_SIZE_MAX];
    Problem problem = PROBLEM_INIT;

    if (!key)
        return 0;
    ck_assert_msg(quorum_sign_message(quorum, key, message, sizeof(message), signature, &problem) == 0, "%s", problem.text);
    ck_assert_int_eq(threshold_key_verify_message(quorum_key_threshold(key), message, sizeof(message), signature, 64), 0);
    return quorum_key_header(key)->generation;
}

typedef struct Told {
    unsigned done, left;
    char text[4096];
} Told;

static void told(void *userdata, bool done, const char *text)
{
    Told *to = userdata;

    *(done ? &to->done : &to->left) += 1;
    strncat(to->text, text, sizeof(to->text) - strlen(to->text) - 2);
    strcat(to->text, "\n");
}

static Told sync_nodes(void)
{
    Problem problem = PROBLEM_INIT;
    Told to = {0};
    int r = quorum_sync(quorum, true, NULL, told, &to, &problem);

    ck_assert_msg(r == 0, "%d: %s", r, problem.text);
    return to;
}

static char *describe(const TestNode *node)
{
    _cleanup_link_ Link *link = call_open(node);
    NodeHelloOutput hello;
    NodeListOutput list;
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);

    ck_assert_int_eq(call_hello(link, node, &hello), NODE_ERROR_NONE);
    call_well(link, "ListKeys", &(NodeListInput){0}, &list);
    for (size_t i = 0; i < list.keys.count; i++) {
        const NodeKeyEntry *entry = &((NodeKeyEntry *)list.keys.items)[i];

        fprintf(file, "%02x%02x %s %s\n", entry->key.data[0], entry->key.data[1], entry->state, entry->record.private_label);
    }
    (void)fclose(file);
    message_clear(&node_hello_output, &hello);
    message_clear(&node_list_output, &list);
    return text;
}

/* Sync brings the nodes together, and a second one finds nothing to do. Nothing is pending then. */
static void check_sync(void)
{
    Told to = sync_nodes();
    _cleanup_free_ char *first = describe(&token.nodes[0]);

    ck_assert_msg(to.left == 0, "%s", to.text);
    ck_assert_msg(!strstr(first, "pending"), "%s", first);
    for (unsigned i = 1; i < NODES; i++) {
        _cleanup_free_ char *other = describe(&token.nodes[i]);

        ck_assert_str_eq(other, first);
    }
    to = sync_nodes();
    ck_assert_msg(to.done + to.left == 0, "%s", to.text);
    new_client();
}

/* ---- Generation ------------------------------------------------------------------------------------------------------------------------
 */

START_TEST(client_dies_in_a_generation)
{
    char label[16];

    start();

    const unsigned n = count_steps(generate, "whole");

    ck_assert_uint_ge(n, 5 + NODES);
    for (unsigned step = 1; step <= n; step++) {
        (void)snprintf(label, sizeof(label), "key %u", step);
        client_dies(generate, label, step);
        restart_nodes();
        check_sync();
        /* Before the second node is told to activate it, at least, it is none. */
        ck_assert_msg(step > 6 || sign(label) == 0, "step %u", step);
        ck_assert_uint_eq(sign("whole"), 1);
    }
    ck_assert_uint_eq(sign(label), 1); /* the last step is that of the last node */
    stop();
}
END_TEST

START_TEST(node_dies_in_a_generation)
{
    char label[16];

    start();

    const unsigned n = count_steps(generate, "whole");

    for (unsigned step = 1; step <= n; step++) {
        Problem problem = PROBLEM_INIT;

        (void)snprintf(label, sizeof(label), "key %u", step);
        new_client();
        kill_node_at = step;

        int r = generate(label, &problem);

        ck_assert_msg((step <= 5) == (r != 0), "step %u: %d, %s", step, r, problem.text);
        ck_assert_msg(r == 0 || strstr(problem.text, "node2 (2): "), "%s", problem.text);
        restart_nodes();
        check_sync();
        ck_assert_uint_eq(sign(label), r == 0);
    }
    stop();
}
END_TEST

/* It answers no more, and is named. */
START_TEST(node_is_silent_in_a_generation)
{
    Problem problem = PROBLEM_INIT;

    start();
    kill_node_at = 3;
    node_signal = SIGSTOP;
    ck_assert_int_eq(generate("silent", &problem), QUORUM_E_TOO_FEW_NODES);
    ck_assert_msg(strstr(problem.text, "node2 (2): it did not answer in time"), "%s", problem.text);
    ck_assert_int_eq(kill(token.nodes[VICTIM - 1].pid, SIGCONT), 0);
    restart_nodes();
    check_sync();
    ck_assert_uint_eq(sign("silent"), 0);
    stop();
}
END_TEST

/* ---- Refresh
 * ----------------------------------------------------------------------------------------------------------------------------- */

static void approve(const char *label)
{
    _cleanup_(quorum_key_unrefp) QuorumKey *key = find(label);
    const NodeApprovalInput input = {.kind = (char *)"refresh", .key = {(uint8_t *)(uintptr_t)quorum_key_id(key)->bytes, KEY_ID_SIZE}};

    for (unsigned i = 0; i < THRESHOLD; i++) {
        _cleanup_link_ Link *link = call_open(&token.nodes[i]);

        call_well(link, "ApproveRun", &input, NULL);
    }
}

START_TEST(client_dies_in_a_refresh)
{
    Problem problem = PROBLEM_INIT;
    unsigned generation = 1;

    start();
    ck_assert_msg(generate("key", &problem) == 0, "%s", problem.text);
    approve("key");

    const unsigned n = count_steps(refresh, "key");

    ck_assert_uint_eq(sign("key"), ++generation);
    ck_assert_uint_ge(n, 5 + 2 * NODES);
    for (unsigned step = 1; step <= n; step++) {
        approve("key");
        client_dies(refresh, "key", step);
        new_client();
        ck_assert_uint_ge(sign("key"), generation);
        restart_nodes();
        ck_assert_uint_ge(sign("key"), generation);
        check_sync();
        ck_assert_msg(sign("key") <= generation + 1, "step %u", step);
        generation = sign("key");
    }
    stop();
}
END_TEST

START_TEST(node_dies_in_a_refresh)
{
    Problem problem = PROBLEM_INIT;
    unsigned generation = 1;

    start();
    ck_assert_msg(generate("key", &problem) == 0, "%s", problem.text);
    approve("key");

    const unsigned n = count_steps(refresh, "key");

    ck_assert_uint_eq(sign("key"), ++generation);
    for (unsigned step = 1; step <= n; step++) {
        approve("key");
        new_client();
        kill_node_at = step;
        (void)refresh("key", &problem);
        ck_assert_uint_ge(sign("key"), generation); /* the others do */
        restart_nodes();
        ck_assert_uint_ge(sign("key"), generation);
        check_sync();
        ck_assert_msg(sign("key") <= generation + 1, "step %u", step);
        generation = sign("key");
    }
    stop();
}
END_TEST

/* ---- What is refused
 * ----------------------------------------------------------------------------------------------------------------------- */

START_TEST(kernel_custody_is_refused_in_words)
{
    const GenerateRequest request = {
        .algorithm = THRESHOLD_ED25519,
        .bits = 256,
        .custody = CUSTODY_KERNEL,
        .record = {.private_label = (char *)"", .public_label = (char *)""},
    };
    Problem problem = PROBLEM_INIT;
    QuorumKey *key = NULL;

    start();
    ck_assert_int_eq(quorum_generate(quorum, &request, &key, &problem), QUORUM_E_REFUSED);
    ck_assert_msg(strstr(problem.text, "ed25519") && strstr(problem.text, "'kernel'") && strstr(problem.text, "KernelLabels"), "%s",
                  problem.text);
    ck_assert_ptr_null(key);
    /* A node that does not know the others is named, and says what to do. */
    token_pin(&token, VICTIM, 1);
    ck_assert_int_eq(generate("", &problem), QUORUM_E_REFUSED);
    ck_assert_msg(strstr(problem.text, "node2 (2): ") && strstr(problem.text, "kqctl node peers"), "%s", problem.text);
    stop();
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_set_timeout(cases, 280);
    tcase_add_test(cases, client_dies_in_a_generation);
    tcase_add_test(cases, node_dies_in_a_generation);
    tcase_add_test(cases, node_is_silent_in_a_generation);
    tcase_add_test(cases, client_dies_in_a_refresh);
    tcase_add_test(cases, node_dies_in_a_refresh);
    tcase_add_test(cases, kernel_custody_is_refused_in_words);
}

UNIT_MAIN("run-deaths", add_tests)
