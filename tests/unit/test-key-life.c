/* Creation and change against model nodes, with everything that can go wrong in between. */
#include "model-checks.h"

#include <errno.h>

#include "quorum/generate.h"

/* ---- Permissions ----------------------------------------------------------------------------------------------------------- */

static void withhold(unsigned nodes, NodePermission permission)
{
    for (unsigned i = 0; i < nodes; i++)
        model.nodes[i].withheld |= 1u << permission;
}

static unsigned denied(void)
{
    unsigned n = 0;

    for (unsigned i = 0; i < 5; i++)
        n += model.nodes[i].denied;
    return n;
}

/* Before anything is dealt, and so before anything is sent. */
START_TEST(making_a_key_needs_permissions)
{
    const GenerateRequest request = {.algorithm = THRESHOLD_RSA, .bits = 2048, .custody = CUSTODY_INVALID};
    static const NodePermission needed[] = {NODE_PERMISSION_GENERATE, NODE_PERMISSION_SIGN};
    Problem problem = PROBLEM_INIT;
    QuorumKey *key = NULL;

    model.nodes[2].withheld = 1u << needed[_i];
    ck_assert_int_eq(quorum_generate(&model.quorum, &request, &key, &problem), QUORUM_E_REFUSED);
    ck_assert_msg(strstr(problem.text, node_permission_name(needed[_i])) && strstr(problem.text, "node3"), "%s", problem.text);
    ck_assert_uint_eq(denied(), 0);
    ck_assert_uint_eq(count_changes(), 0);
}
END_TEST

/* A permission that is withdrawn between the question and the shares. */
START_TEST(making_a_key_is_denied_on_the_way)
{
    Problem problem = PROBLEM_INIT;
    QuorumKey *key = NULL;

    model.nodes[_i].withheld = 1u << NODE_PERMISSION_GENERATE;
    ck_assert_int_eq(make_key(&key, &problem), QUORUM_E_REFUSED);
    for (unsigned i = 0; i < 5; i++)
        ck_assert_uint_eq(model.nodes[i].n_keys, 0);
}
END_TEST

START_TEST(destroying_needs_permission)
{
    KeyId id = model_key_put(ALL, 0, "old");
    Problem problem = PROBLEM_INIT;

    check_label("old");
    withhold(3, NODE_PERMISSION_DESTROY); /* two are left, three are needed */
    ck_assert_int_eq(quorum_destroy(&model.quorum, &id, &problem), QUORUM_E_REFUSED);
    ck_assert_msg(strstr(problem.text, "'destroy'") && strstr(problem.text, "node1") && strstr(problem.text, "node3"), "%s", problem.text);
    ck_assert_uint_eq(denied(), 0);
    ck_assert_uint_eq(count_changes(), 0);
    check_label("old");
    model.nodes[0].withheld = 0;
    ck_assert_int_eq(quorum_destroy(&model.quorum, &id, &problem), 0);
    ck_assert_uint_eq(denied(), 0);
    ck_assert_uint_eq(count_keys(), 0);
}
END_TEST

START_TEST(changing_needs_permission)
{
    KeyId id = model_key_put(ALL, 0, "old");

    check_label("old");
    withhold(5, NODE_PERMISSION_GENERATE);
    ck_assert_int_eq(set_label(&id, "new"), QUORUM_E_REFUSED);
    check_label("old");
}
END_TEST

/* A signer sees a key that is pending at one node: it may not help, and is told so once, not at each look. */
START_TEST(a_signer_does_not_insist_on_helping)
{
    KeyId id = model_key_put(ALL, 0, "old");

    model_key_set_state(4, &id, KEY_PENDING);
    withhold(5, NODE_PERMISSION_GENERATE);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_uint_eq(count_keys(), 1);
        model.nodes[4].revision++; /* something to look at anew */
    }
    ck_assert_uint_eq(model.nodes[3].denied, 1);
    ck_assert_uint_eq(denied(), 1);
    ck_assert_uint_eq(model_log_lines(), 0);
}
END_TEST

/* ---- Creation ------------------------------------------------------------------------------------------------------------ */

START_TEST(a_key_is_made)
{
    Problem problem = PROBLEM_INIT;
    QuorumKey *key = NULL, *known;

    ck_assert_msg(make_key(&key, &problem) == 0, "%s", problem.text);
    check_nodes_agree();
    check_label("old");
    known = quorum_key_by_id(&model.quorum, quorum_key_id(key));
    ck_assert_ptr_nonnull(known);
    ck_assert_uint_eq(quorum_key_holders(known), ALL);
    ck_assert_uint_eq(quorum_key_record(key)->version, 1);
    ck_assert_uint_eq(model.steps, 10); /* 5 times prepare, 5 times activate */
    ck_assert_uint_eq(model_log_lines(), 0);
    check_sync();
    quorum_key_unref(key);
    quorum_key_unref(known);
}
END_TEST

/* It failed as it should, named the node, and left nothing anywhere. */
static void check_not_made(int expected, unsigned index)
{
    Problem problem = PROBLEM_INIT;
    QuorumKey *key = NULL;
    char name[16];

    (void)snprintf(name, sizeof(name), "node%u", index);
    ck_assert_int_eq(make_key(&key, &problem), expected);
    ck_assert_ptr_null(key);
    ck_assert_msg(strstr(problem.text, name), "%s", problem.text);
    for (unsigned i = 0; i < 5; i++)
        ck_assert_uint_eq(model.nodes[i].n_keys, 0);
    ck_assert_uint_eq(count_keys(), 0);
}

START_TEST(one_node_cannot_store)
{
    model.nodes[_i - 1].full = true;
    check_not_made(QUORUM_E_REFUSED, (unsigned)_i);
}
END_TEST

START_TEST(one_node_signs_wrongly)
{
    model.nodes[_i - 1].wrong_partial = true;
    check_not_made(QUORUM_E_SIGNATURE, (unsigned)_i);
    ck_assert(model_logged((unsigned)_i, "Wrong test signature"));
}
END_TEST

START_TEST(two_nodes_sign_wrongly)
{
    model.nodes[0].wrong_partial = model.nodes[3].wrong_partial = true;
    check_not_made(QUORUM_E_SIGNATURE, 1);
    ck_assert(model_logged(4, "Wrong test signature"));
}
END_TEST

START_TEST(all_nodes_must_be_there)
{
    GenerateRequest request = {.algorithm = THRESHOLD_RSA, .bits = 2048, .custody = CUSTODY_INVALID};
    Problem problem = PROBLEM_INIT;
    QuorumKey *key = NULL;

    model.nodes[3].down = true;
    ck_assert_int_eq(quorum_generate(&model.quorum, &request, &key, &problem), QUORUM_E_TOO_FEW_NODES);
    ck_assert_ptr_nonnull(strstr(problem.text, "node4"));
    model.logged_in = false;
    ck_assert_int_eq(quorum_generate(&model.quorum, &request, &key, &problem), QUORUM_E_LOGIN_REQUIRED);
    request.bits = 2047;
    ck_assert_int_eq(quorum_generate(&model.quorum, &request, &key, &problem), -EINVAL);
    request = (GenerateRequest){.algorithm = THRESHOLD_RSA, .bits = 2048, .record = {.public_label = (char *)"\xff"}};
    ck_assert_int_eq(quorum_generate(&model.quorum, &request, &key, &problem), -EINVAL);
    ck_assert_uint_eq(count_changes(), 0);
}
END_TEST

/* What was asked for; else what the roster says of the label; else it is left to the nodes. */
START_TEST(custody_is_chosen)
{
    static const struct {
        CustodyKind asked;
        const char *private_label, *public_label;
        CustodyKind chosen;
    } cases[] = {
        {CUSTODY_INVALID, "zone-ksk-1", "zone-zsk-1", CUSTODY_KERNEL},
        {CUSTODY_INVALID, "zone-zsk-1", "zone-ksk-1", CUSTODY_KEYRING},
        {CUSTODY_INVALID, "", "zone-ksk-1", CUSTODY_KERNEL},
        {CUSTODY_INVALID, NULL, "zone-zsk-1", CUSTODY_KEYRING},
        {CUSTODY_INVALID, "zone", "zone-ksk-1", CUSTODY_INVALID},
        {CUSTODY_INVALID, NULL, NULL, CUSTODY_INVALID},
        {CUSTODY_KEYRING, "zone-ksk-1", "zone-ksk-1", CUSTODY_KEYRING},
        {CUSTODY_KERNEL, "zone-zsk-1", "zone-zsk-1", CUSTODY_KERNEL},
    };
    const Roster roster = {.kernel_labels = (char *)"*-ksk-*", .keyring_labels = (char *)"*-zsk-*"};

    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        const GenerateRequest request = {
            .custody = cases[i].asked,
            .record = {.private_label = (char *)(uintptr_t)cases[i].private_label,
                       .public_label = (char *)(uintptr_t)cases[i].public_label},
        };

        ck_assert_msg(generate_custody(&roster, &request) == cases[i].chosen, "case %zu", i);
    }
}
END_TEST

static int never(void *userdata, uint64_t tried, uint64_t expected)
{
    return 1;
}

START_TEST(dealing_can_be_stopped)
{
    const GenerateRequest request = {.algorithm = THRESHOLD_RSA, .bits = 2048, .custody = CUSTODY_INVALID};
    Problem problem = PROBLEM_INIT;
    QuorumKey *key = NULL;

    model.quorum.hooks.progress = never;
    ck_assert_int_eq(quorum_generate(&model.quorum, &request, &key, &problem), QUORUM_E_CANCELLED);
    ck_assert_uint_eq(count_changes(), 0);
}
END_TEST

/* The client dies at step _i: the key exists for the next one wholly or not at all. Steps 1 to 5 prepare, 6 to 10 activate. */
START_TEST(client_dies_while_creating)
{
    Problem problem = PROBLEM_INIT;
    QuorumKey *key = NULL;
    size_t exists = _i > 6;

    model.dies_at = (unsigned)_i;
    if (make_key(&key, &problem) == 0)
        quorum_key_unref(key);
    model_new_client();
    ck_assert_uint_eq(count_keys(), exists);
    check_sync();
    ck_assert_uint_eq(count_keys(), exists);
    ck_assert_uint_eq(model.nodes[0].n_keys, exists);
}
END_TEST

/* After a node failed while a key was made and came back: what the client was told is so. */
static void check_after_creation(int r)
{
    model_new_client();
    if (r == 0)
        ck_assert_uint_eq(count_keys(), 1);
    check_sync();
    if (r == 0 || model.nodes[0].n_keys > 0)
        ck_assert_uint_eq(count_keys(), 1);
    else
        ck_assert_uint_eq(count_keys(), 0);
}

/* A node dies before it gets the request of step _i. */
START_TEST(node_dies_while_creating)
{
    Problem problem = PROBLEM_INIT;
    QuorumKey *key = NULL;
    int r;

    model.falls_at = (unsigned)_i;
    r = make_key(&key, &problem);
    ck_assert_int_eq(r, _i > 5 ? 0 : QUORUM_E_TOO_FEW_NODES);
    if (r == 0)
        quorum_key_unref(key);
    check_after_creation(r);
}
END_TEST

/* A node stores the change of step _i and dies before it answers. */
START_TEST(node_dies_after_storing)
{
    Problem problem = PROBLEM_INIT;
    QuorumKey *key = NULL;
    int r;

    model.sleeps_at = (unsigned)_i;
    r = make_key(&key, &problem);
    ck_assert_int_eq(r, _i > 5 ? 0 : QUORUM_E_TOO_FEW_NODES);
    if (r == 0)
        quorum_key_unref(key);
    check_after_creation(r);
}
END_TEST

static void all_fall_but_first_activates(unsigned step)
{
    if (step == 6)
        model.nodes[0].asleep = true;
    if (step == 7)
        for (unsigned i = 1; i < 5; i++)
            model.nodes[i].down = true;
}

/* The only node that was activated does not say so, and the others cannot be reached: nobody may discard anything. */
START_TEST(nobody_confirms_the_activation)
{
    Problem problem = PROBLEM_INIT;
    QuorumKey *key = NULL;

    model.on_step = all_fall_but_first_activates;
    ck_assert_int_eq(make_key(&key, &problem), QUORUM_E_TOO_FEW_NODES);
    ck_assert_ptr_nonnull(strstr(problem.text, "sync"));
    model_new_client();
    ck_assert_uint_eq(count_keys(), 1);
    check_sync();
}
END_TEST

static void others_are_full(unsigned step)
{
    if (step != 6)
        return;
    model.nodes[0].asleep = true;
    for (unsigned i = 1; i < 5; i++)
        model.nodes[i].full = true;
}

/* The same, and the others refuse the activation. */
START_TEST(an_activation_may_be_stored)
{
    Problem problem = PROBLEM_INIT;
    QuorumKey *key = NULL;

    model.on_step = others_are_full;
    ck_assert_int_eq(make_key(&key, &problem), QUORUM_E_TOO_FEW_NODES);
    ck_assert_ptr_nonnull(strstr(problem.text, "sync"));
    model_new_client();
    check_sync();
    ck_assert_uint_eq(count_keys(), 1);
}
END_TEST

static void all_are_full(unsigned step)
{
    if (step == 6)
        for (unsigned i = 0; i < 5; i++)
            model.nodes[i].full = true;
}

START_TEST(nobody_takes_the_activation)
{
    Problem problem = PROBLEM_INIT;
    QuorumKey *key = NULL;

    model.on_step = all_are_full;
    ck_assert_int_eq(make_key(&key, &problem), QUORUM_E_REFUSED);
    for (unsigned i = 0; i < 5; i++)
        ck_assert_uint_eq(model.nodes[i].n_keys, 0);
}
END_TEST

typedef struct FewCase {
    bool lie;    /* two nodes say that they activated the key, and did not */
    bool refuse; /* the others refuse, else they do not answer */
} FewCase;

static const FewCase few_cases[] = {{false, false}, {false, true}, {true, false}, {true, true}};
static const FewCase *few;

static void two_activate(unsigned step)
{
    for (unsigned i = 0; step == 6 && i < 5; i++) {
        model.nodes[i].deaf = i < 2 && few->lie;
        model.nodes[i].full = i >= 2 && few->refuse;
        model.nodes[i].down = i >= 2 && !few->refuse;
    }
}

/* Not more than min(n-k, k-1) nodes say that they activated the key: nobody knows, and nothing may be discarded. */
START_TEST(few_confirm_the_activation)
{
    Problem problem = PROBLEM_INIT;
    QuorumKey *key = NULL;

    few = &few_cases[_i];
    model.on_step = two_activate;
    ck_assert_int_eq(make_key(&key, &problem), QUORUM_E_TOO_FEW_NODES);
    ck_assert_ptr_null(key);
    ck_assert_ptr_nonnull(strstr(problem.text, "whether it was activated is unknown; 'kqctl sync'"));
    for (unsigned i = 0; i < 5; i++)
        ck_assert_uint_eq(model.nodes[i].n_keys, 1);
    model_new_client();
    ck_assert_uint_eq(count_keys(), !few->lie);
    for (unsigned i = 0; i < 2; i++)
        model.nodes[i].deaf = false;
    check_sync();
    ck_assert_uint_eq(count_keys(), !few->lie);
}
END_TEST

static void log_out(unsigned step)
{
    model.logged_in = step != 6 + 2;
}

START_TEST(a_logout_cuts_the_activation_off)
{
    Problem problem = PROBLEM_INIT;
    QuorumKey *key = NULL;

    model.on_step = log_out;
    ck_assert_int_eq(make_key(&key, &problem), QUORUM_E_LOGIN_REQUIRED);
    ck_assert_ptr_nonnull(strstr(problem.text, "'kqctl sync'"));
    model_new_client();
    model.logged_in = true;
    ck_assert_uint_eq(count_keys(), 1);
    check_sync();
}
END_TEST

/* ---- Change ---------------------------------------------------------------------------------------------------------------- */

START_TEST(a_label_is_changed)
{
    KeyId id = model_key_put(ALL, 0, "old");

    ck_assert_int_eq(set_label(&id, "new"), 0);
    check_label("new");
    check_nodes_agree();
    ck_assert_uint_eq(model_key_find(&model.nodes[0], &id)->record.version, 2);
    ck_assert_uint_eq(model.steps, 5);
    check_sync();
}
END_TEST

START_TEST(a_last_day_is_set)
{
    KeyId id = model_key_put(ALL, 0, "old");
    KeyRecord record = {.version = 1, .private_label = (char *)"old", .public_label = (char *)"old", .not_after = 1830297599};
    Problem problem = PROBLEM_INIT;
    QuorumKey *key;

    model.nodes[4].down = true;
    ck_assert_int_eq(quorum_set_record(&model.quorum, &id, &record, &problem), 0);
    (void)count_keys(); /* looks at the nodes */
    key = quorum_key_by_id(&model.quorum, &id);
    ck_assert_uint_eq(quorum_key_record(key)->not_after, 1830297599);
    quorum_key_unref(key);
    model_new_client();
    check_sync(); /* the node that was away learns it */
    check_nodes_agree();
    ck_assert_uint_eq(model_key_find(&model.nodes[4], &id)->record.not_after, 1830297599);

    record.version = 2;
    record.not_after = NODE_NOT_AFTER_MAX + 1;
    ck_assert_int_eq(quorum_set_record(&model.quorum, &id, &record, &problem), -EINVAL);
}
END_TEST

START_TEST(absent_nodes_learn_a_label_from_sync)
{
    KeyId id = model_key_put(ALL, 0, "old");

    model.nodes[0].down = model.nodes[4].down = true;
    ck_assert_int_eq(set_label(&id, "new"), 0);
    check_label("new");
    model.nodes[3].down = true;
    ck_assert_int_eq(set_label(&id, "newer"), QUORUM_E_TOO_FEW_NODES);
    model_new_client();
    check_label("new");
    check_sync();
    check_label("new");
}
END_TEST

START_TEST(changes_that_are_refused)
{
    KeyId id = model_key_put(ALL, 0, "old"), other = {.bytes = {7}};
    char large[NODE_LABEL_SIZE_MAX + 2];

    memset(large, 'x', sizeof(large) - 1);
    large[sizeof(large) - 1] = '\0';
    ck_assert_int_eq(set_label(&other, "new"), QUORUM_E_UNKNOWN_KEY);
    ck_assert_int_eq(set_label(&id, large), -EINVAL);
    ck_assert_int_eq(set_label(&id, "\xc0\x80"), -EINVAL);
    model.logged_in = false;
    ck_assert_int_eq(set_label(&id, "new"), QUORUM_E_LOGIN_REQUIRED);
    ck_assert_uint_eq(count_changes(), 0);
}
END_TEST

static KeyId contested;

/* Another client is faster at three nodes. */
static void change_behind_the_back(unsigned step)
{
    for (unsigned i = 2; step == 2 && i <= 4; i++)
        model_key_set_record(i, &contested, 2, "theirs");
}

START_TEST(two_clients_change_at_once)
{
    contested = model_key_put(ALL, 0, "old");
    model.on_step = change_behind_the_back;
    ck_assert_int_eq(set_label(&contested, "ours"), QUORUM_E_CONFLICT);
    model.on_step = NULL;
    check_label("theirs");
    ck_assert_int_eq(set_label(&contested, "ours"), 0);
    check_label("ours");
    check_sync();
    check_label("ours");
}
END_TEST

/* Who changes an old copy would undo what another client has changed meanwhile. */
START_TEST(a_change_of_an_old_copy)
{
    KeyId id = model_key_put(ALL, 0, "old");

    check_label("old");
    for (unsigned i = 1; i <= 5; i++)
        model_key_set_record(i, &id, 2, "theirs");
    ck_assert_int_eq(set_label_from(&id, 1, "ours"), QUORUM_E_CONFLICT);
    ck_assert_uint_eq(count_changes(), 0);
    check_label("theirs");
    ck_assert_int_eq(set_label_from(&id, 1, "ours"), QUORUM_E_CONFLICT);
    ck_assert_int_eq(set_label_from(&id, 3, "ours"), QUORUM_E_CONFLICT);
    ck_assert_int_eq(set_label_from(&id, 2, "ours"), 0);
    check_label("ours");
}
END_TEST

/* Two clients have made the same version: what this one knows is not what is visible. */
START_TEST(a_change_of_another_copy)
{
    KeyId id = model_key_put(ALL, 0, "old");

    check_label("old");
    for (unsigned i = 1; i <= 5; i++)
        model_key_set_record(i, &id, 1, "theirs");
    ck_assert_int_eq(set_label_from(&id, 1, "ours"), QUORUM_E_CONFLICT);
    ck_assert_int_eq(set_label_from(&id, 1, "ours"), 0);
    check_label("ours");
}
END_TEST

/* Up to two nodes claim any version they like; changes go on. */
START_TEST(claimed_versions_block_nothing)
{
    KeyId id = model_key_put(ALL, 0, "old");

    model_key_set_record(1, &id, INT64_MAX, "liar");
    model_key_set_record(2, &id, 1000, "liar");
    ck_assert_int_eq(set_label(&id, "new"), 0);
    check_label("new");
    ck_assert_int_eq(set_label(&id, "newer"), 0);
    check_label("newer");
}
END_TEST

START_TEST(client_dies_while_changing)
{
    KeyId id = model_key_put(ALL, 0, "old");
    const char *label = _i > 3 ? "new" : "old"; /* three nodes have it before step 4 */

    model.dies_at = (unsigned)_i;
    (void)set_label(&id, "new");
    model_new_client();
    check_label(label);
    check_sync();
    check_label(label);
}
END_TEST

/* Two clients die one after the other, at any two steps: k nodes agree at every moment. */
START_TEST(two_clients_die_while_changing)
{
    KeyId id = model_key_put(ALL, 0, "old");
    const char *label = _i % 6 > 2 ? "newer" : _i / 6 > 2 ? "new" : "old";

    model.dies_at = (unsigned)_i / 6 + 1;
    (void)set_label(&id, "new");
    model_new_client();
    model.dies_at = (unsigned)_i % 6 + 1;
    (void)set_label(&id, "newer");
    model_new_client();
    check_label(label);
    check_sync();
    check_label(label);
}
END_TEST

START_TEST(node_dies_while_changing)
{
    KeyId id = model_key_put(ALL, 0, "old");

    *(_i > 5 ? &model.sleeps_at : &model.falls_at) = (unsigned)(_i - 1) % 5 + 1;
    ck_assert_int_eq(set_label(&id, "new"), 0);
    model_new_client();
    check_label("new");
    check_sync();
    check_label("new");
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_checked_fixture(cases, start, model_stop);
    tcase_add_loop_test(cases, making_a_key_needs_permissions, 0, 2);
    tcase_add_loop_test(cases, making_a_key_is_denied_on_the_way, 0, 5);
    tcase_add_test(cases, destroying_needs_permission);
    tcase_add_test(cases, changing_needs_permission);
    tcase_add_test(cases, a_signer_does_not_insist_on_helping);
    tcase_add_test(cases, a_key_is_made);
    tcase_add_loop_test(cases, one_node_cannot_store, 1, 6);
    tcase_add_loop_test(cases, one_node_signs_wrongly, 1, 6);
    tcase_add_test(cases, two_nodes_sign_wrongly);
    tcase_add_test(cases, all_nodes_must_be_there);
    tcase_add_test(cases, custody_is_chosen);
    tcase_add_test(cases, dealing_can_be_stopped);
    tcase_add_loop_test(cases, client_dies_while_creating, 1, 11);
    tcase_add_loop_test(cases, node_dies_while_creating, 1, 11);
    tcase_add_loop_test(cases, node_dies_after_storing, 1, 11);
    tcase_add_test(cases, nobody_confirms_the_activation);
    tcase_add_test(cases, an_activation_may_be_stored);
    tcase_add_test(cases, nobody_takes_the_activation);
    tcase_add_loop_test(cases, few_confirm_the_activation, 0, ELEMENTS(few_cases));
    tcase_add_test(cases, a_logout_cuts_the_activation_off);
    tcase_add_test(cases, a_label_is_changed);
    tcase_add_test(cases, a_last_day_is_set);
    tcase_add_test(cases, absent_nodes_learn_a_label_from_sync);
    tcase_add_test(cases, changes_that_are_refused);
    tcase_add_test(cases, two_clients_change_at_once);
    tcase_add_test(cases, a_change_of_an_old_copy);
    tcase_add_test(cases, a_change_of_another_copy);
    tcase_add_test(cases, claimed_versions_block_nothing);
    tcase_add_loop_test(cases, client_dies_while_changing, 1, 6);
    tcase_add_loop_test(cases, two_clients_die_while_changing, 0, 36);
    tcase_add_loop_test(cases, node_dies_while_changing, 1, 11);
}

UNIT_MAIN("key-life", add_tests)
