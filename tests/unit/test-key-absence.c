/* What a client knows and how long it waits while nodes are slow or away. */
#include "model-checks.h"

#include <pthread.h>

#define CONNECT_TIMEOUT (model.quorum.roster->connect_timeout)

/* The virtual time of one listing. */
static Microseconds time_listing(size_t expected)
{
    Microseconds began = model.waited;

    ck_assert_uint_eq(count_keys(), expected);
    return model.waited - began;
}

/* ---- Keys that are known ---------------------------------------------------------------------------------------------- */

/* One share is damaged, then other nodes stop: k nodes answer, and too few of them hold the key. */
START_TEST(a_known_key_stays_while_holders_are_away)
{
    KeyId id = model_key_put(ALL, 0, "old");
    QuorumKey *known;

    model_key_set_state(1, &id, KEY_UNUSABLE);
    check_label("old");
    model.nodes[3].down = model.nodes[4].down = true;
    check_label("old");
    known = quorum_key_by_id(&model.quorum, &id);
    ck_assert_ptr_nonnull(known);
    quorum_key_unref(known);
    ck_assert_int_eq(set_label(&id, "new"), QUORUM_E_TOO_FEW_NODES);
    model.nodes[3].down = model.nodes[4].down = false;
    model.waited += 60 * MICROSECONDS_PER_SECOND;
    check_label("old");
    ck_assert_int_eq(set_label(&id, "new"), 0);
    check_label("new");
}
END_TEST

START_TEST(a_known_key_stays_although_nobody_who_answers_has_it)
{
    KeyId id = model_key_put(ALL, 0, "old"), other = model_key_put(ALL, 1, "other");

    ck_assert_uint_eq(count_keys(), 2);
    model_key_set_state(1, &id, KEY_DESTROYED);
    model_key_forget(2, &id);
    model_key_forget(3, &other);
    model.nodes[4].down = true;
    ck_assert_uint_eq(count_keys(), 2);
    model_key_forget(3, &id);
    ck_assert_uint_eq(count_keys(), 1); /* two of five can hold it */
    ck_assert_ptr_null(quorum_key_by_id(&model.quorum, &id));
}
END_TEST

START_TEST(a_destroyed_key_goes_while_holders_are_away)
{
    KeyId id = model_key_put(ALL, 0, "old");

    check_label("old");
    for (unsigned i = 1; i <= 3; i++)
        model_key_set_state(i, &id, KEY_DESTROYED);
    model.nodes[3].down = model.nodes[4].down = true;
    ck_assert_uint_eq(count_keys(), 0);
}
END_TEST

/* What was never known exists only when k nodes report it. */
START_TEST(a_new_key_needs_k_holders)
{
    model_key_put(ALL & ~NODE_SET_OF(1), 0, "old");
    model.nodes[3].down = model.nodes[4].down = true;
    ck_assert_uint_eq(count_keys(), 0);
    model.nodes[3].down = false;
    model.waited += 60 * MICROSECONDS_PER_SECOND;
    ck_assert_uint_eq(count_keys(), 1);
}
END_TEST

/* ---- Time ------------------------------------------------------------------------------------------------------------- */

/* Another thread changes a key for as long as it likes; what is known is there after the connect time-out. */
static void *list_while_another_thread_changes(void *userdata)
{
    QuorumKey **keys;
    size_t *ret_count = userdata;

    if (quorum_keys(&model.quorum, 0, &keys, ret_count, NULL) == 0)
        quorum_keys_free(keys, *ret_count);
    return NULL;
}

START_TEST(a_listing_does_not_wait_for_a_change)
{
    _cleanup_catalog_view_ CatalogView view = {0};
    pthread_t thread;
    size_t count = 0;

    model_key_put(ALL, 0, "old");
    ck_assert_uint_eq(count_keys(), 1);
    CONNECT_TIMEOUT = 50 * MICROSECONDS_PER_MILLISECOND;
    ck_assert_int_eq(catalog_view(&model.quorum, 0, &view), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, list_while_another_thread_changes, &count), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_uint_eq(count, 1);
}
END_TEST

/* After k nodes have stored a change, the others are given little time. */
START_TEST(a_change_does_not_wait_long_for_the_last)
{
    KeyId id = model_key_put(ALL, 0, "old");

    for (unsigned i = 3; i < 5; i++) {
        model.nodes[i].slow = MICROSECONDS_FOREVER;
        model.nodes[i].slow_method = "SetRecord";
    }
    ck_assert_int_eq(set_label(&id, "new"), 0);
    ck_assert_uint_le(model.waited, 2 * CONNECT_TIMEOUT);
    check_label("new");
}
END_TEST

/* A node that takes nearly as long as it may for each activation costs little more than one that is away. */
START_TEST(a_slow_proof)
{
    for (unsigned i = 0; i < 50; i++)
        model_key_put(ALL, i, "many");
    for (unsigned i = 0; i < 5; i++) {
        model.nodes[i].slow = (int)i == _i ? CONNECT_TIMEOUT / 3 : MICROSECONDS_PER_MILLISECOND;
        model.nodes[i].slow_method = "GetKey";
    }
    ck_assert_uint_le(time_listing(50), 2 * CONNECT_TIMEOUT);
    ck_assert_uint_le(model.nodes[_i].gets, 2);
}
END_TEST

/* All nodes are equally far away: the work stays spread over them. */
START_TEST(slow_proofs)
{
    for (unsigned i = 0; i < 50; i++)
        model_key_put(ALL, i, "many");
    for (unsigned i = 0; i < 5; i++)
        model.nodes[i].slow = CONNECT_TIMEOUT / 4;
    ck_assert_uint_eq(count_keys(), 50);
    for (unsigned i = 0; i < 5; i++)
        ck_assert_uint_eq(model.nodes[i].gets, 10);
}
END_TEST

/* Many keys are to be activated at a node that takes its time for each: some the next time. */
START_TEST(slow_activations)
{
    size_t pending = 0;

    for (unsigned i = 0; i < 20; i++) {
        KeyId id = model_key_put(ALL, i, "many");

        model_key_set_state(5, &id, KEY_PENDING);
    }
    model.nodes[4].slow = CONNECT_TIMEOUT / 8;
    model.nodes[4].slow_method = "ActivateKey";
    ck_assert_uint_le(time_listing(20), CONNECT_TIMEOUT);
    for (unsigned i = 0; i < 20; i++)
        (void)time_listing(20);
    for (size_t i = 0; i < model.nodes[4].n_keys; i++)
        pending += model.nodes[4].keys[i].state == KEY_PENDING;
    ck_assert_uint_eq(pending, 0);
}
END_TEST

/* With fewer than k nodes, not each listing waits for those that are away. */
START_TEST(too_few_nodes_do_not_stop_everyone)
{
    Microseconds waited = 0;

    model_key_put(ALL, 0, "old");
    check_label("old");
    for (unsigned i = 2; i < 5; i++)
        model.nodes[i].slow = MICROSECONDS_FOREVER;
    ck_assert_uint_le(time_listing(1), CONNECT_TIMEOUT);
    for (unsigned i = 0; i < 100; i++) {
        waited += time_listing(1);
        model.waited += MICROSECONDS_PER_SECOND; /* what the caller does between two listings */
    }
    ck_assert_uint_le(waited, 6 * CONNECT_TIMEOUT);
    for (unsigned i = 2; i < 5; i++)
        model.nodes[i].slow = 0;
    model.waited += 30 * MICROSECONDS_PER_SECOND;
    ck_assert_int_eq(time_listing(1), 0);
    model_key_put(ALL, 1, "new");
    ck_assert_uint_eq(count_keys(), 2);
}
END_TEST

/* One node answers each time, but only just before it would be given up. */
START_TEST(a_node_that_answers_just_in_time_does_not_delay_everyone)
{
    Microseconds waited = 0;

    model_key_put(ALL, 0, "old");
    check_label("old");
    model.nodes[1].slow = CONNECT_TIMEOUT - MICROSECONDS_PER_MILLISECOND;
    for (unsigned i = 0; i < 100; i++) {
        waited += time_listing(1);
        model.waited += MICROSECONDS_PER_SECOND;
    }
    ck_assert_uint_ge(waited, CONNECT_TIMEOUT / 2);
    ck_assert_uint_le(waited, 10 * CONNECT_TIMEOUT);
    model_key_put(ALL & ~NODE_SET_OF(2), 1, "new");
    ck_assert_uint_eq(count_keys(), 2);
    model.nodes[1].slow = 0;
    model.waited += 30 * MICROSECONDS_PER_SECOND;
    ck_assert_uint_lt(time_listing(2), CONNECT_TIMEOUT / 2);
}
END_TEST

/* A change that worked is seen at once, whatever failed before. */
START_TEST(a_change_ends_the_pause)
{
    KeyId id = model_key_put(ALL, 0, "old");

    check_label("old");
    for (unsigned i = 2; i < 5; i++)
        model.nodes[i].slow = MICROSECONDS_FOREVER;
    check_label("old");
    for (unsigned i = 2; i < 5; i++)
        model.nodes[i].slow = 0;
    ck_assert_int_eq(set_label_from(&id, 1, "new"), 0);
    check_label("new");
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_checked_fixture(cases, start, model_stop);
    tcase_add_test(cases, a_known_key_stays_while_holders_are_away);
    tcase_add_test(cases, a_known_key_stays_although_nobody_who_answers_has_it);
    tcase_add_test(cases, a_destroyed_key_goes_while_holders_are_away);
    tcase_add_test(cases, a_new_key_needs_k_holders);
    tcase_add_test(cases, a_listing_does_not_wait_for_a_change);
    tcase_add_test(cases, a_change_does_not_wait_long_for_the_last);
    tcase_add_loop_test(cases, a_slow_proof, 0, 5);
    tcase_add_test(cases, slow_proofs);
    tcase_add_test(cases, slow_activations);
    tcase_add_test(cases, too_few_nodes_do_not_stop_everyone);
    tcase_add_test(cases, a_node_that_answers_just_in_time_does_not_delay_everyone);
    tcase_add_test(cases, a_change_ends_the_pause);
}

UNIT_MAIN("key-absence", add_tests)
