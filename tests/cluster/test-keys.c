/* The life of keys with real nodes: the client killed at each step, nodes killed with -9 at each step, and one key from deal to signature.
 */
#include "token-fixture.h"
#include "unit.h"

#include <sys/wait.h>

#include "keyring/keyring.h"
#include "quorum/generate.h"
#include "quorum/quorum.h"

/* The step at which to kill, counted from 1; 0: none. */
static unsigned kill_client_at, kill_node_at, steps;

static void at_step(void *userdata, const char *name)
{
    const char *number = strrchr(name, ' ');

    steps++;
    if (steps == kill_client_at)
        (void)kill(getpid(), SIGKILL);
    if (steps == kill_node_at && number)
        (void)test_node_stop(&nodes[strtoul(number, NULL, 10) - 1], SIGKILL);
}

static void new_client(void)
{
    static const QuorumHooks hooks = {.step = at_step};

    steps = kill_client_at = kill_node_at = 0;
    token_new_client(&hooks);
}

static void start(void)
{
    token_start();
    new_client();
}

static void stop(void)
{
    token_stop();
}

/* ---- What a client does --------------------------------------------------------------------------------------------------- */

static int make_key_in(CustodyKind custody, unsigned variant, QuorumKey **ret_key, Problem *problem)
{
    _cleanup_dealt_key_ DealtKey dealt = dealt_key(variant);
    _cleanup_header_ Header header = {0};
    GenerateRequest request = {
        .algorithm = THRESHOLD_RSA,
        .bits = 2048,
        .custody = custody,
        .record = {.private_label = (char *)"old", .public_label = (char *)"old"},
    };
    Deal deal = {0};

    ck_assert_int_eq(header_decode(&dealt.common, &header, problem), 0);
    deal.public_key = bytes_take(&header.public_key);
    deal.verification = bytes_take(&header.verification);
    for (unsigned i = 0; i < NODES; i++)
        deal.shares[i] = TAKE_PTR(dealt.shares[i]);
    return quorum_create_from_deal(quorum, &request, &deal, ret_key, problem);
}

static int make_key(unsigned variant, QuorumKey **ret_key)
{
    Problem problem = PROBLEM_INIT;

    return make_key_in(CUSTODY_KEYRING, variant, ret_key, &problem);
}

static KeyId key_id(unsigned variant)
{
    _cleanup_dealt_key_ DealtKey dealt = dealt_key(variant);

    return dealt.id;
}

static void make_key_well(unsigned variant)
{
    QuorumKey *key = NULL;

    ck_assert_int_eq(make_key(variant, &key), 0);
    quorum_key_unref(key);
}

static int set_label(const KeyId *id, const char *label)
{
    KeyRecord record = {.private_label = (char *)label, .public_label = (char *)label};
    Problem problem = PROBLEM_INIT;
    QuorumKey **keys, *known;
    size_t n_keys;

    if (quorum_keys(quorum, 0, &keys, &n_keys, NULL) == 0)
        quorum_keys_free(keys, n_keys);
    known = quorum_key_by_id(quorum, id);
    if (known)
        record.version = quorum_key_record(known)->version;
    quorum_key_unref(known);
    return quorum_set_record(quorum, id, &record, &problem);
}

static int destroy(const KeyId *id)
{
    Problem problem = PROBLEM_INIT;

    return quorum_destroy(quorum, id, &problem);
}

typedef void (*Action)(unsigned variant);

static void act_create(unsigned variant)
{
    QuorumKey *key = NULL;

    (void)make_key(variant, &key);
    quorum_key_unref(key);
}

static void act_change(unsigned variant)
{
    const KeyId id = key_id(variant);

    (void)set_label(&id, "new");
}

static void act_destroy(unsigned variant)
{
    const KeyId id = key_id(variant);

    (void)destroy(&id);
}

/* A client of its own is killed with -9 at this step. */
static void client_dies(Action act, unsigned variant, unsigned step)
{
    pid_t pid = fork();
    int status;

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        quorum_forked(quorum);
        new_client();
        kill_client_at = step;
        act(variant);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFSIGNALED(status));
}

/* A node is killed with -9 when it is its turn; afterwards it is started again. */
static void node_dies(Action act, unsigned variant, unsigned step)
{
    kill_node_at = step;
    act(variant);
    ck_assert_uint_ge(steps, step);
    for (unsigned i = 0; i < NODES; i++)
        if (nodes[i].pid == 0)
            test_node_start(&nodes[i]);
}

/* ---- What must be so afterwards --------------------------------------------------------------------------------------------- */

/* The label of the key for a new client; "" if it does not exist. If it exists, it signs. */
static void check_key(unsigned variant, const char *label)
{
    const KeyId id = key_id(variant);
    uint8_t signature[THRESHOLD_SIGNATURE_SIZE_MAX], digest_bytes[32] = {(uint8_t)variant};
    Problem problem = PROBLEM_INIT;
    QuorumKey **keys = NULL, *key;
    size_t n_keys = 0;
    Digest digest;

    ck_assert_msg(quorum_keys(quorum, 0, &keys, &n_keys, &problem) == 0, "%s", problem.text);
    quorum_keys_free(keys, n_keys);
    key = quorum_key_by_id(quorum, &id);
    ck_assert_str_eq(key ? quorum_key_record(key)->private_label : "", label);
    if (!key)
        return;
    ck_assert_int_eq(digest_set(HASH_SHA256, digest_bytes, sizeof(digest_bytes), &digest), 0);
    ck_assert_msg(quorum_sign(quorum, key, &digest, signature, &problem) == 0, "%s", problem.text);
    quorum_key_unref(key);
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

/* Everything that a node lists, as text. */
static char *describe(const TestNode *node)
{
    Link *link = call_open(node);
    NodeHelloOutput hello;
    NodeListOutput list;
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);

    ck_assert_int_eq(call_hello(link, node, &hello), NODE_ERROR_NONE);
    call_well(link, "ListKeys", &(NodeListInput){0}, &list);
    for (size_t i = 0; i < list.keys.count; i++) {
        const NodeKeyEntry *entry = &((NodeKeyEntry *)list.keys.items)[i];

        fprintf(file, "%02x%02x %s %llu %s\n", entry->key.data[0], entry->key.data[1], entry->state,
                (unsigned long long)entry->record.version, entry->record.private_label);
    }
    fclose(file);
    message_clear(&node_hello_output, &hello);
    message_clear(&node_list_output, &list);
    link_close(link);
    return text;
}

/* Sync brings the nodes together, and a second one finds nothing to do. */
static void check_sync(void)
{
    Told to = sync_nodes();
    _cleanup_free_ char *first = describe(&nodes[0]);

    ck_assert_msg(to.left == 0, "%s", to.text);
    for (unsigned i = 1; i < NODES; i++) {
        _cleanup_free_ char *other = describe(&nodes[i]);

        ck_assert_str_eq(other, first);
    }
    to = sync_nodes();
    ck_assert_msg(to.done + to.left == 0, "%s", to.text);
    new_client();
}

/* ---- The tests ---------------------------------------------------------------------------------------------------------------- */

START_TEST(from_deal_to_signature)
{
    const GenerateRequest request = {
        .algorithm = THRESHOLD_RSA,
        .bits = 2048,
        .custody = CUSTODY_INVALID,
        .record = {.private_label = (char *)"zsk", .public_label = (char *)"zsk"},
    };
    uint8_t signature[THRESHOLD_SIGNATURE_SIZE_MAX], bytes[32] = {1};
    Problem problem = PROBLEM_INIT;
    QuorumKey *key = NULL;
    Digest digest;

    ck_assert_msg(quorum_generate(quorum, &request, &key, &problem) == 0, "%s", problem.text);
    ck_assert_int_eq(digest_set(HASH_SHA256, bytes, sizeof(bytes), &digest), 0);
    ck_assert_msg(quorum_sign(quorum, key, &digest, signature, &problem) == 0, "%s", problem.text);
    ck_assert_int_eq(destroy(quorum_key_id(key)), 0);
    quorum_key_unref(key);
    check_sync();
}
END_TEST

/* The nodes' own is keyring; the key asks for kernel. */
START_TEST(custody_is_obeyed_or_refused)
{
    Problem problem = PROBLEM_INIT, reason = PROBLEM_INIT;
    bool possible = keyring_custody_check(CUSTODY_KERNEL, &reason) == 0;
    _cleanup_(quorum_key_unrefp) QuorumKey *key = NULL;
    int r = make_key_in(CUSTODY_KERNEL, 0, &key, &problem);

    if (possible) {
        ck_assert_msg(r == 0, "%s", problem.text);
        ck_assert_int_eq(quorum_key_header(key)->custody, CUSTODY_KERNEL);
        return;
    }
    ck_assert_int_ne(r, 0);
    ck_assert_msg(strstr(problem.text, "custody 'kernel'") && strstr(problem.text, "node1"), "%s", problem.text);
    ck_assert(!key);
    for (unsigned i = 0; i < NODES; i++) {
        _cleanup_free_ char *text = describe(&nodes[i]);

        ck_assert_str_eq(text, "");
    }
}
END_TEST

/* Steps 1 to 5 prepare, 6 to 10 activate: the key exists from the first activation on. */
START_TEST(client_dies_while_creating)
{
    for (unsigned step = 1; step <= 2 * NODES; step++) {
        const char *label = step > NODES + 1 ? "old" : "";

        client_dies(act_create, step, step);
        new_client();
        check_key(step, label);
        check_sync();
        check_key(step, label);
    }
}
END_TEST

START_TEST(client_dies_while_changing)
{
    for (unsigned step = 1; step <= NODES; step++) {
        const char *label = step > THRESHOLD ? "new" : "old";

        make_key_well(step);
        client_dies(act_change, step, step);
        new_client();
        check_key(step, label);
        check_sync();
        check_key(step, label);
    }
}
END_TEST

/* With n-k+1 = 3 tombstones it is destroyed; with fewer it exists, and destroying it again finishes it. */
START_TEST(client_dies_while_destroying)
{
    for (unsigned step = 1; step <= NODES; step++) {
        const KeyId id = key_id(step);
        bool exists = step <= NODES - THRESHOLD + 1;

        make_key_well(step);
        client_dies(act_destroy, step, step);
        new_client();
        check_key(step, exists ? "old" : "");
        ck_assert_int_eq(destroy(&id), exists ? 0 : QUORUM_E_UNKNOWN_KEY);
        check_sync();
        check_key(step, "");
    }
}
END_TEST

START_TEST(node_dies_while_creating)
{
    for (unsigned step = 1; step <= 2 * NODES; step++) {
        const char *label = step > NODES ? "old" : "";

        node_dies(act_create, step, step);
        new_client();
        check_sync();
        check_key(step, label);
    }
}
END_TEST

START_TEST(node_dies_while_changing)
{
    for (unsigned step = 1; step <= NODES; step++) {
        make_key_well(step);
        steps = 0;
        node_dies(act_change, step, step);
        new_client();
        check_key(step, "new");
        check_sync();
        check_key(step, "new");
    }
}
END_TEST

START_TEST(node_dies_while_destroying)
{
    for (unsigned step = 1; step <= NODES; step++) {
        make_key_well(step);
        steps = 0;
        node_dies(act_destroy, step, step);
        new_client();
        check_key(step, "");
        check_sync();
        check_key(step, "");
    }
}
END_TEST

/* All five killed at once and started again hold what they held. */
START_TEST(all_nodes_die)
{
    make_key_well(0);
    for (unsigned i = 0; i < NODES; i++)
        (void)test_node_stop(&nodes[i], SIGKILL);
    for (unsigned i = 0; i < NODES; i++)
        test_node_start(&nodes[i]);
    new_client();
    check_key(0, "old");
    check_sync();
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_checked_fixture(cases, start, stop);
    tcase_add_test(cases, from_deal_to_signature);
    tcase_add_test(cases, custody_is_obeyed_or_refused);
    tcase_add_test(cases, client_dies_while_creating);
    tcase_add_test(cases, client_dies_while_changing);
    tcase_add_test(cases, client_dies_while_destroying);
    tcase_add_test(cases, node_dies_while_creating);
    tcase_add_test(cases, node_dies_while_changing);
    tcase_add_test(cases, node_dies_while_destroying);
    tcase_add_test(cases, all_nodes_die);
}

UNIT_MAIN("keys", add_tests)
