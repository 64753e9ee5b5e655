#include "model-checks.h"

#include <sys/wait.h>

#include "quorum/records.h"

START_TEST(keys_are_listed_in_order)
{
    KeyId ids[3] = {model_key_put(ALL, 0, "a"), model_key_put(ALL, 1, "b"), model_key_put(ALL, 2, "c")};
    _cleanup_keys_ Keys keys = list_keys();

    ck_assert_uint_eq(keys.count, 3);
    for (size_t i = 0; i < 3; i++) {
        QuorumKey *known = quorum_key_by_id(&model.quorum, &ids[i]);

        ck_assert(i == 0 || memcmp(quorum_key_id(keys.items[i - 1]), quorum_key_id(keys.items[i]), KEY_ID_SIZE) < 0);
        ck_assert_ptr_nonnull(known);
        ck_assert_int_eq(quorum_key_record(known)->private_label[0], 'a' + (int)i);
        ck_assert_uint_eq(quorum_key_holders(known), ALL);
        ck_assert_uint_eq(quorum_key_header(known)->parameters.bits, 2048);
        quorum_key_unref(known);
    }
    ck_assert_uint_eq(model_log_lines(), 0);
}
END_TEST

START_TEST(nothing_new_costs_nothing)
{
    _cleanup_keys_ Keys before = {0}, after = {0};

    model_key_put(ALL, 0, "a");
    before = list_keys();
    for (unsigned i = 0; i < 5; i++)
        model.nodes[i].pages = model.nodes[i].gets = 0;
    after = list_keys();
    ck_assert_ptr_eq(before.items[0], after.items[0]);
    for (unsigned i = 0; i < 5; i++)
        ck_assert_uint_eq(model.nodes[i].pages + model.nodes[i].gets, 0);
}
END_TEST

START_TEST(a_young_answer_is_not_asked_for_again)
{
    _cleanup_keys_ Keys keys = {0};

    ck_assert_uint_eq(count_keys(), 0);
    model_key_put(ALL, 0, "a");
    ck_assert_int_eq(quorum_keys(&model.quorum, 60 * MICROSECONDS_PER_SECOND, &keys.items, &keys.count, NULL), 0);
    ck_assert_uint_eq(keys.count, 0);
    ck_assert_uint_eq(count_keys(), 1);
}
END_TEST

START_TEST(old_snapshots_do_not_change)
{
    KeyId id = model_key_put(ALL, 0, "old");
    _cleanup_keys_ Keys before = list_keys();

    for (unsigned i = 1; i <= 5; i++)
        model_key_set_record(i, &id, 2, "new");
    check_label("new");
    ck_assert_str_eq(quorum_key_record(before.items[0])->private_label, "old");
    for (unsigned i = 1; i <= 5; i++)
        model_key_forget(i, &id);
    ck_assert_uint_eq(count_keys(), 0);
    ck_assert_ptr_null(quorum_key_by_id(&model.quorum, &id));
    ck_assert_uint_eq(threshold_key_signature_size(quorum_key_threshold(before.items[0])), 256);
}
END_TEST

START_TEST(too_few_nodes_change_nothing)
{
    Problem problem = PROBLEM_INIT;
    _cleanup_keys_ Keys keys = {0};

    model_key_put(ALL, 0, "a");
    model.nodes[0].down = model.nodes[2].down = model.nodes[4].down = true;
    ck_assert_int_eq(quorum_keys(&model.quorum, 0, &keys.items, &keys.count, &problem), QUORUM_E_TOO_FEW_NODES);
    ck_assert_ptr_nonnull(strstr(problem.text, "node3"));
    model.nodes[4].down = false;
    ck_assert_uint_eq(count_keys(), 1); /* three are enough */
    model.nodes[3].down = true;
    ck_assert_uint_eq(count_keys(), 1); /* with two, what was known stays */
}
END_TEST

/* A key exists if k nodes report it; what fewer report is hidden and they are named. */
START_TEST(k_nodes_make_a_key)
{
    KeyId id = model_key_put(NODE_SET_OF(2) | NODE_SET_OF(4), 0, "a");

    ck_assert_uint_eq(count_keys(), 0);
    ck_assert_ptr_null(quorum_key_by_id(&model.quorum, &id));
    ck_assert_uint_eq(model_log_lines(), 2);
    ck_assert(model_logged(4, "fewer than k"));
    ck_assert_uint_eq(count_keys(), 0);
    ck_assert_uint_eq(model_log_lines(), 0); /* once per change, not per call */
    model_key_put(NODE_SET_OF(5), 0, "a");
    ck_assert_uint_eq(count_keys(), 1);
    ck_assert(model_logged(1, "does not report keys that exist"));
}
END_TEST

START_TEST(unusable_and_destroyed_do_not_count)
{
    KeyId id = model_key_put(ALL, 0, "a");

    model_key_set_state(1, &id, KEY_UNUSABLE);
    model_key_set_state(2, &id, KEY_DESTROYED);
    ck_assert_uint_eq(count_keys(), 1);
    model_key_set_state(3, &id, KEY_UNUSABLE);
    ck_assert_uint_eq(count_keys(), 0);
}
END_TEST

/* The liar `_i` offers its own key under a label that exists. */
START_TEST(own_key_under_an_existing_label)
{
    unsigned liar = (unsigned)_i;
    KeyId id = model_key_put(ALL, 0, "zsk"), own = model_key_put(NODE_SET_OF(liar), 1, "zsk");

    for (unsigned again = 0; again < 2; again++) {
        _cleanup_keys_ Keys keys = list_keys();

        ck_assert_uint_eq(keys.count, 1);
        ck_assert(key_id_equal(quorum_key_id(keys.items[0]), &id));
        ck_assert_ptr_null(quorum_key_by_id(&model.quorum, &own));
        ck_assert_uint_eq(model_log_lines(), again == 0);
        ck_assert_int_eq(model_logged(liar, "fewer than k"), again == 0);
    }
}
END_TEST

START_TEST(false_tombstone)
{
    unsigned liar = (unsigned)_i;
    KeyId id = model_key_put(ALL, 0, "zsk");

    model_key_set_state(liar, &id, KEY_DESTROYED);
    for (unsigned again = 0; again < 2; again++) {
        check_label("zsk");
        ck_assert_uint_eq(model_log_lines(), again == 0);
        ck_assert_int_eq(model_logged(liar, "as destroyed"), again == 0);
    }
}
END_TEST

START_TEST(false_label)
{
    unsigned liar = (unsigned)_i;
    KeyId id = model_key_put(ALL, 0, "zsk");
    static const uint64_t versions[] = {1, 2, 9, INT64_MAX};

    for (size_t i = 0; i < ELEMENTS(versions); i++) {
        model_key_set_record(liar, &id, versions[i], "ksk");
        check_label("zsk");
        ck_assert(model_logged(liar, "other labels"));
        check_label("zsk");
        ck_assert(!model_logged(liar, "other labels"));
    }
}
END_TEST

START_TEST(stale_label)
{
    unsigned liar = (unsigned)_i;
    KeyId id = model_key_put(ALL, 0, "old");

    for (unsigned i = 1; i <= 5; i++)
        if (i != liar)
            model_key_set_record(i, &id, 2, "new");
    check_label("new");
    ck_assert(model_logged(liar, "other labels"));
}
END_TEST

START_TEST(someone_elses_records)
{
    unsigned liar = (unsigned)_i;
    KeyId a = model_key_put(ALL, 0, "a"), b = model_key_put(ALL, 1, "b");
    _cleanup_keys_ Keys keys = {0};

    model_key_set_record(liar, &a, 1, "b");
    model_key_set_record(liar, &b, 1, "a");
    keys = list_keys();
    for (size_t i = 0; i < keys.count; i++)
        ck_assert_str_eq(quorum_key_record(keys.items[i])->public_label, key_id_equal(quorum_key_id(keys.items[i]), &a) ? "a" : "b");
    ck_assert(model_logged(liar, "other labels"));
}
END_TEST

START_TEST(everything_pending)
{
    unsigned liar = (unsigned)_i;
    KeyId id = model_key_put(ALL, 0, "zsk");

    model.nodes[liar - 1].all_pending = true;
    check_label("zsk");
    model.nodes[liar - 1].revision++;
    check_label("zsk");
    ck_assert(model_logged(liar, "as pending although"));
    ck_assert_uint_eq(model_key_find(&model.nodes[liar - 1], &id)->state, KEY_ACTIVE);
}
END_TEST

START_TEST(false_header_and_activation)
{
    model_key_put(ALL, 0, "zsk");
    model.nodes[0].false_header = true; /* the one that is asked first */
    model.nodes[1].no_activation = true;
    check_label("zsk");
    ck_assert_uint_eq(model_log_lines(), 2);
    ck_assert_ptr_nonnull(strstr(model.log, "Node node1 (1) at model: shows false headers"));
    ck_assert_ptr_nonnull(strstr(model.log, "Node node2 (2) at model: shows false activations"));
}
END_TEST

START_TEST(a_list_out_of_order)
{
    ModelKey swap;

    model_key_put(ALL, 0, "a");
    model_key_put(ALL, 1, "b");
    swap = model.nodes[2].keys[0];
    model.nodes[2].keys[0] = model.nodes[2].keys[1];
    model.nodes[2].keys[1] = swap;
    ck_assert_uint_eq(count_keys(), 2);
    for (unsigned i = 0; i < 2; i++) {
        _cleanup_keys_ Keys keys = list_keys();

        ck_assert_uint_eq(quorum_key_holders(keys.items[0]), ALL & ~NODE_SET_OF(3));
    }
}
END_TEST

/* A node that proves the activation is enough; the others are told, by a client that is logged in. */
START_TEST(pending_keys_are_promoted)
{
    KeyId id = model_key_put(ALL, 0, "zsk");

    for (unsigned i = 1; i <= 5; i++)
        if (i != 3)
            model_key_set_state(i, &id, KEY_PENDING);
    model.logged_in = false;
    ck_assert_uint_eq(count_keys(), 1);
    ck_assert_uint_eq(model_key_find(&model.nodes[0], &id)->state, KEY_PENDING);
    model.logged_in = true;
    model.nodes[0].revision++;
    ck_assert_uint_eq(count_keys(), 1);
    for (unsigned i = 0; i < 5; i++)
        ck_assert_uint_eq(model_key_find(&model.nodes[i], &id)->state, KEY_ACTIVE);
    ck_assert_uint_eq(count_keys(), 1);
    ck_assert_uint_eq(model_log_lines(), 0);
}
END_TEST

START_TEST(pending_everywhere_does_not_exist)
{
    KeyId id = model_key_put(ALL, 0, "zsk");

    for (unsigned i = 1; i <= 5; i++)
        model_key_set_state(i, &id, KEY_PENDING);
    ck_assert_uint_eq(count_keys(), 0);
    model_key_set_state(1, &id, KEY_ACTIVE); /* says so, and shows nothing */
    ck_assert_uint_eq(count_keys(), 0);
    ck_assert(model_logged(1, "false activations"));
}
END_TEST

static bool child_lists(size_t expected)
{
    QuorumKey **keys;
    size_t count;

    return quorum_keys(&model.quorum, 0, &keys, &count, NULL) == 0 && count == expected;
}

/* The child finds the locks held and the listings in any state. */
START_TEST(a_fork_while_another_thread_asks)
{
    _cleanup_catalog_view_ CatalogView view = {0};
    pid_t pid;
    int status;

    model_key_put(ALL, 0, "a");
    ck_assert_uint_eq(count_keys(), 1);
    ck_assert_int_eq(catalog_view(&model.quorum, 0, &view), 0);
    pid = fork();
    if (pid == 0) {
        catalog_forked(model.quorum.catalog);
        _exit(child_lists(1) && child_lists(1) ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}
END_TEST

static void *list_again_and_again(void *userdata)
{
    const KeyId *id = userdata;
    bool seen = true;

    for (unsigned i = 0; i < 50 && seen; i++) {
        QuorumKey **keys, *key = quorum_key_by_id(&model.quorum, id);
        size_t count;

        seen = key && quorum_keys(&model.quorum, i % 2, &keys, &count, NULL) == 0;
        if (seen)
            quorum_keys_free(keys, count);
        if (key)
            quorum_key_unref(key);
    }
    return seen ? userdata : NULL;
}

START_TEST(many_threads)
{
    KeyId id = model_key_put(ALL, 0, "a");
    pthread_t threads[4];
    void *seen;

    ck_assert_uint_eq(count_keys(), 1);
    for (size_t i = 0; i < ELEMENTS(threads); i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, list_again_and_again, &id), 0);
    for (unsigned i = 0; i < 20; i++)
        ck_assert_int_eq(set_label(&id, i % 2 ? "a" : "b"), 0);
    for (size_t i = 0; i < ELEMENTS(threads); i++) {
        ck_assert_int_eq(pthread_join(threads[i], &seen), 0);
        ck_assert_ptr_nonnull(seen);
    }
}
END_TEST

START_TEST(a_thousand_keys)
{
    Microseconds began, first, again;
    unsigned gets = 0;

    for (unsigned i = 0; i < 1000; i++)
        model_key_put(ALL, i, "many");
    began = clock_now();
    ck_assert_uint_eq(count_keys(), 1000);
    first = clock_now() - began;
    ck_assert_uint_eq(count_keys(), 1000);
    again = clock_now() - began - first;
    for (unsigned i = 0; i < 5; i++) {
        gets += model.nodes[i].gets;
        ck_assert_uint_eq(model.nodes[i].pages, 2);
        ck_assert_uint_eq(model.nodes[i].gets, 200); /* spread over the nodes, each header once */
    }
    ck_assert_uint_eq(gets, 1000);
    printf("# 1000 keys: first listing %llu ms, unchanged %llu us\n", (unsigned long long)first / 1000, (unsigned long long)again);
}
END_TEST

/* ---- docs/protocol.md "Record" ------------------------------------------------------------------------------------------ */

typedef struct RecordCase {
    unsigned k;
    const char *held[6]; /* "2b": version 2, label "b"; "-": none */
    const char *before, *visible;
} RecordCase;

static const RecordCase record_cases[] = {
    {3, {"1a", "1a", "1a", "1a", "1a"}, NULL, "1a"},
    {3, {"1a", "1a", "2b", "2b", "2b"}, NULL, "2b"},
    {3, {"1a", "1a", "1a", "2b", "2b"}, NULL, "1a"}, /* two of five do not decide */
    {3, {"1a", "1a", "1a", "2b", "2b"}, "2b", "1a"}, /* nor what was seen before */
    {3, {"1a", "1a", "1a", "9z", "9y"}, NULL, "1a"},
    {2, {"1a", "1a", "1b", "1b", "1b"}, NULL, "1b"}, /* more holders */
    {2, {"1a", "1a", "1b", "1b"}, NULL, "1b"},       /* later in order */
    {2, {"1b", "1b", "1a", "1a"}, NULL, "1b"},
    {2, {"3a", "3a", "2b", "2b", "2b"}, NULL, "3a"}, /* newer before more */
    {4, {"1a", "1a", "1a", "2b", "2b"}, NULL, "1a"}, /* nobody has k: the most common */
    {4, {"1a", "1a", "2b", "2b", "2b"}, NULL, "2b"},
    {4, {"1a", "1a", "2b", "2b"}, NULL, "2b"},
    {4, {"1a", "1a", "2b", "2b"}, "1a", "1a"}, /* what was visible stays */
    {4, {"1a", "1a", "2b", "2b"}, "1c", "2b"}, /* unless nobody holds it any more */
    {3, {"1a", "1a", "9z"}, NULL, "1a"},
    {3, {"-", "-", "-"}, NULL, NULL},
};

static NodeRecord record_from(const char *text)
{
    return (NodeRecord){.version = (uint64_t)(text[0] - '0'), .private_label = (char *)text + 1};
}

START_TEST(visible_record)
{
    const RecordCase *test = &record_cases[_i];
    NodeKeyEntry entries[6] = {0};
    Group group = {0};
    NodeRecord before = test->before ? record_from(test->before) : (NodeRecord){0};
    const NodeRecord *visible;

    for (unsigned i = 0; test->held[i]; i++) {
        entries[i].record = test->held[i][0] == '-' ? (NodeRecord){0} : record_from(test->held[i]);
        group.of[i] = &entries[i];
        group.in[KEY_ACTIVE] |= NODE_SET_OF(i + 1);
    }
    visible = record_visible(&group, test->k, test->before ? &before : NULL);
    if (!test->visible) {
        ck_assert_ptr_null(visible);
        return;
    }
    before = record_from(test->visible);
    ck_assert_ptr_nonnull(visible);
    ck_assert_int_eq(record_compare(visible, &before), 0);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_checked_fixture(cases, start, model_stop);
    tcase_add_test(cases, keys_are_listed_in_order);
    tcase_add_test(cases, nothing_new_costs_nothing);
    tcase_add_test(cases, a_young_answer_is_not_asked_for_again);
    tcase_add_test(cases, old_snapshots_do_not_change);
    tcase_add_test(cases, too_few_nodes_change_nothing);
    tcase_add_test(cases, k_nodes_make_a_key);
    tcase_add_test(cases, unusable_and_destroyed_do_not_count);
    tcase_add_loop_test(cases, own_key_under_an_existing_label, 1, 6);
    tcase_add_loop_test(cases, false_tombstone, 1, 6);
    tcase_add_loop_test(cases, false_label, 1, 6);
    tcase_add_loop_test(cases, stale_label, 1, 6);
    tcase_add_loop_test(cases, someone_elses_records, 1, 6);
    tcase_add_loop_test(cases, everything_pending, 1, 6);
    tcase_add_test(cases, false_header_and_activation);
    tcase_add_test(cases, a_list_out_of_order);
    tcase_add_test(cases, pending_keys_are_promoted);
    tcase_add_test(cases, pending_everywhere_does_not_exist);
    tcase_add_test(cases, a_fork_while_another_thread_asks);
    tcase_add_test(cases, many_threads);
    tcase_add_test(cases, a_thousand_keys);
    tcase_add_loop_test(cases, visible_record, 0, ELEMENTS(record_cases));
}

UNIT_MAIN("catalog", add_tests)
