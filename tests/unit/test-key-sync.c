/* Destruction and sync against model nodes, with everything that can go wrong in between. */
#include "model-checks.h"

/* ---- Destruction ----------------------------------------------------------------------------------------------------------- */

START_TEST(a_key_is_destroyed)
{
    KeyId id = model_key_put(ALL, 0, "old");

    ck_assert_uint_eq(count_keys(), 1);
    ck_assert_int_eq(destroy_key(&id), 0);
    ck_assert_ptr_null(quorum_key_by_id(&model.quorum, &id));
    ck_assert_uint_eq(count_keys(), 0);
    check_nodes_agree();
    ck_assert_uint_eq(model.steps, 5);
    ck_assert_int_eq(destroy_key(&id), QUORUM_E_UNKNOWN_KEY);
    check_sync();
}
END_TEST

START_TEST(too_few_nodes_destroy_nothing)
{
    KeyId id = model_key_put(ALL, 0, "old"), other = {.bytes = {7}};

    ck_assert_int_eq(destroy_key(&other), QUORUM_E_UNKNOWN_KEY);
    model.nodes[0].down = model.nodes[1].down = model.nodes[2].down = true;
    ck_assert_int_eq(destroy_key(&id), QUORUM_E_TOO_FEW_NODES);
    model.nodes[2].down = false;
    model.logged_in = false;
    ck_assert_int_eq(destroy_key(&id), QUORUM_E_LOGIN_REQUIRED);
    ck_assert_uint_eq(count_changes(), 0);
    model.logged_in = true;
    ck_assert_int_eq(destroy_key(&id), 0);
    model_new_client();
    ck_assert_uint_eq(count_keys(), 0);
    check_sync();
}
END_TEST

START_TEST(client_dies_while_destroying)
{
    KeyId id = model_key_put(ALL, 0, "old");
    size_t exists = _i <= 3; /* three tombstones before step 4 */
    Told to;

    model.dies_at = (unsigned)_i;
    ck_assert_int_eq(destroy_key(&id), exists ? QUORUM_E_TOO_FEW_NODES : 0);
    model_new_client();
    ck_assert_uint_eq(count_keys(), exists);
    to = sync_nodes(false);
    ck_assert_uint_eq(to.left, _i == 2 || _i == 3); /* one or two tombstones: the operator decides */
    ck_assert_uint_eq(count_keys(), exists);
    ck_assert_int_eq(destroy_key(&id), exists ? 0 : QUORUM_E_UNKNOWN_KEY);
    check_sync();
    ck_assert_uint_eq(count_keys(), 0);
}
END_TEST

START_TEST(node_dies_while_destroying)
{
    KeyId id = model_key_put(ALL, 0, "old");

    *(_i > 5 ? &model.sleeps_at : &model.falls_at) = (unsigned)(_i - 1) % 5 + 1;
    ck_assert_int_eq(destroy_key(&id), 0);
    model_new_client();
    ck_assert_uint_eq(count_keys(), 0);
    check_sync();
}
END_TEST

static void three_fall(unsigned step)
{
    if (step == 3)
        model.nodes[2].down = model.nodes[3].down = model.nodes[4].down = true;
}

/* A destruction that was cut off can be finished even if the key does not exist any more for lack of nodes. */
START_TEST(a_destruction_is_repeated)
{
    KeyId id = model_key_put(ALL, 0, "old");
    Problem problem = PROBLEM_INIT;

    model.on_step = three_fall;
    ck_assert_int_eq(quorum_destroy(&model.quorum, &id, &problem), QUORUM_E_TOO_FEW_NODES);
    ck_assert_ptr_nonnull(strstr(problem.text, "Only 2 of the 3"));
    ck_assert_ptr_nonnull(strstr(problem.text, "repeat"));
    model_new_client();
    model.nodes[4].down = true;
    ck_assert_uint_eq(count_keys(), 0);
    ck_assert_int_eq(destroy_key(&id), 0);
    model_new_client();
    ck_assert_uint_eq(count_keys(), 0);
    check_sync();
}
END_TEST

/* ---- Sync ------------------------------------------------------------------------------------------------------------------- */

START_TEST(few_tombstones_are_reported_only)
{
    KeyId id = model_key_put(ALL, 0, "old");
    Told to;

    model_key_set_state(2, &id, KEY_DESTROYED);
    model_key_set_state(3, &id, KEY_DESTROYED);
    for (unsigned again = 0; again < 2; again++) {
        to = sync_nodes(true);
        ck_assert_uint_eq(to.done, 0);
        ck_assert_uint_eq(to.left, 1);
        ck_assert_ptr_nonnull(strstr(to.text, "node2 (2), node3 (3)"));
    }
    check_label("old");
    model_key_set_state(4, &id, KEY_DESTROYED);
    check_sync();
    ck_assert_uint_eq(count_keys(), 0);
}
END_TEST

START_TEST(sync_needs_k_nodes_and_the_pin)
{
    Problem problem = PROBLEM_INIT;

    model.nodes[0].down = model.nodes[1].down = model.nodes[2].down = true;
    ck_assert_int_eq(quorum_sync(&model.quorum, false, NULL, NULL, NULL, &problem), QUORUM_E_TOO_FEW_NODES);
    model.logged_in = false;
    ck_assert_int_eq(quorum_sync(&model.quorum, false, NULL, NULL, NULL, &problem), QUORUM_E_LOGIN_REQUIRED);
}
END_TEST

/* A pending key may be active on a node that is away. */
START_TEST(pending_keys_wait_for_all_nodes)
{
    KeyId id = model_key_put(ALL, 0, "old");
    Told to;

    for (unsigned i = 2; i <= 5; i++)
        model_key_set_state(i, &id, KEY_PENDING);
    model.nodes[0].down = true;
    to = sync_nodes(true);
    ck_assert_uint_eq(to.done, 0);
    ck_assert_uint_eq(to.left, 2);
    model.nodes[0].down = false;
    check_sync();
    check_label("old");
}
END_TEST

/* A node that is slow, or cannot show the activation now, is no liar; what it may prove is not discarded. */
START_TEST(an_activation_that_is_not_shown_in_time)
{
    KeyId id = model_key_put(ALL, 0, "old");
    ModelNode *first = &model.nodes[0];
    Told to;

    for (unsigned i = 2; i <= 5; i++)
        model_key_set_state(i, &id, KEY_PENDING);
    first->slow_method = "GetKey";
    first->slow = _i ? 0 : model.quorum.roster->connect_timeout;
    first->ill = _i;
    for (unsigned discard = 0; discard < 2; discard++) {
        to = sync_nodes(discard);
        ck_assert_uint_eq(to.done, 0);
        ck_assert_msg(to.left == 1 && !strstr(to.text, "lies") && strstr(to.text, "node1 (1)"), "%s", to.text);
        ck_assert_uint_eq(count_changes(), 0);
    }
    first->slow = 0;
    first->ill = false;
    check_sync();
    check_label("old");
}
END_TEST

START_TEST(a_key_of_one_node_is_not_lost_elsewhere)
{
    Told to;

    model_key_put(NODE_SET_OF(2), 0, "old");
    to = sync_nodes(true);
    ck_assert_uint_eq(to.left, 1);
    ck_assert_ptr_nonnull(strstr(to.text, "only 1 of the 3 shares"));
}
END_TEST

START_TEST(pending_keys_are_discarded_by_command_only)
{
    KeyId id = model_key_put(ALL, 0, "old");
    Told to;

    for (unsigned i = 1; i <= 5; i++)
        model_key_set_state(i, &id, KEY_PENDING);
    to = sync_nodes(false);
    ck_assert_uint_eq(to.done, 0);
    ck_assert_uint_eq(to.left, 1);
    ck_assert_uint_eq(model.nodes[0].n_keys, 1);
    to = sync_nodes(true);
    ck_assert_uint_eq(to.done, 1);
    ck_assert_uint_eq(model.nodes[0].n_keys, 0);
}
END_TEST

START_TEST(lost_shares_are_reported)
{
    KeyId id = model_key_put(ALL, 0, "old");
    Told to;

    model_key_forget(1, &id);
    model_key_set_state(2, &id, KEY_UNUSABLE);
    to = sync_nodes(true);
    ck_assert_uint_eq(to.done, 0);
    ck_assert_uint_eq(to.left, 2);
    model_key_forget(3, &id);
    to = sync_nodes(true);
    ck_assert_ptr_nonnull(strstr(to.text, "only 2 of the 3 shares"));
}
END_TEST

/* The label that k nodes hold is not known while too many are away: nothing is overwritten. */
START_TEST(undecided_labels_wait_for_more_nodes)
{
    KeyId id = model_key_put(ALL, 0, "old");
    Told to;

    for (unsigned i = 3; i <= 5; i++)
        model_key_set_record(i, &id, 2, "new");
    model.nodes[3].down = model.nodes[4].down = true;
    to = sync_nodes(true);
    ck_assert_uint_eq(to.done, 0);
    ck_assert_uint_eq(to.left, 2);
    model.nodes[3].down = model.nodes[4].down = false;
    check_sync();
    check_label("new");
}
END_TEST

static int sync_pin(const char *text, Told *to)
{
    _cleanup_secret_ Secret *pin = NULL;
    Problem problem = PROBLEM_INIT;

    ck_assert_int_eq(secret_new_copy(text, strlen(text), &pin), 0);
    return quorum_sync(&model.quorum, false, pin, told, to, &problem);
}

START_TEST(stale_pins)
{
    Told to = {0};

    for (unsigned i = 0; i < 5; i++)
        model.nodes[i].pin_version = i == 2 ? 1 : 2;
    to = sync_nodes(false);
    ck_assert_uint_eq(to.done, 0);
    ck_assert_uint_eq(to.left, 1);
    ck_assert_ptr_nonnull(strstr(to.text, "node3 (3)"));
    ck_assert_int_eq(sync_pin("wrong", &to), QUORUM_E_PIN_INCORRECT);
    ck_assert_uint_eq(model.nodes[2].pin_version, 1);
    ck_assert_int_eq(sync_pin("right", &to), 0);
    ck_assert_uint_eq(to.done, 1);
    ck_assert_uint_eq(model.nodes[2].pin_version, 2);
    to = sync_nodes(false);
    ck_assert_uint_eq(to.done + to.left, 0);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_checked_fixture(cases, start, model_stop);
    tcase_add_test(cases, a_key_is_destroyed);
    tcase_add_test(cases, too_few_nodes_destroy_nothing);
    tcase_add_loop_test(cases, client_dies_while_destroying, 1, 6);
    tcase_add_loop_test(cases, node_dies_while_destroying, 1, 11);
    tcase_add_test(cases, a_destruction_is_repeated);
    tcase_add_test(cases, few_tombstones_are_reported_only);
    tcase_add_test(cases, sync_needs_k_nodes_and_the_pin);
    tcase_add_test(cases, pending_keys_wait_for_all_nodes);
    tcase_add_loop_test(cases, an_activation_that_is_not_shown_in_time, 0, 2);
    tcase_add_test(cases, a_key_of_one_node_is_not_lost_elsewhere);
    tcase_add_test(cases, pending_keys_are_discarded_by_command_only);
    tcase_add_test(cases, lost_shares_are_reported);
    tcase_add_test(cases, undecided_labels_wait_for_more_nodes);
    tcase_add_test(cases, stale_pins);
}

UNIT_MAIN("key-sync", add_tests)
