/* Generations of an Ed25519 key against model nodes: wherever a refresh is cut off, there is one key that can sign, and sync ends with one
 * generation. */
#include "model-checks.h"

static NodeSet node_set_first(unsigned n)
{
    return n == 0 ? 0 : node_set_all(n);
}

/* The only key that is shown. */
static const QuorumKey *only(const Keys *keys)
{
    ck_assert_uint_eq(keys->count, 1);
    return keys->items[0];
}

/* Could k nodes sign with what is shown? */
static void check_signs(void)
{
    _cleanup_keys_ Keys keys = list_keys();

    ck_assert_uint_ge(node_set_count(quorum_key_holders(only(&keys))), model.key->k);
}

static void check_shown(unsigned generation)
{
    _cleanup_keys_ Keys keys = list_keys();

    ck_assert_uint_eq(quorum_key_header(only(&keys))->generation, generation);
}

/* All nodes: this generation is active, and no share of another is there. */
static void check_only(const KeyId *id, const KeyId *other)
{
    for (unsigned i = 0; i < model.key->n; i++) {
        const ModelKey *key = model_key_find(&model.nodes[i], id), *gone = model_key_find(&model.nodes[i], other);

        ck_assert_ptr_nonnull(key);
        ck_assert_int_eq(key->state, KEY_ACTIVE);
        ck_assert(!gone || gone->state == KEY_DESTROYED);
    }
}

/* ---- Cut off at every point ----------------------------------------------------------------------------------------------------- */

/* `_i` nodes have stored the new generation, as pending. Nobody has proved that it can sign. */
START_TEST(cut_off_while_storing)
{
    const KeyId old = model_generation_put(ALL, 0, KEY_ACTIVE, "zone");
    const KeyId new = model_generation_put(node_set_first((unsigned)_i), 1, KEY_PENDING, "zone");

    check_shown(0);
    check_signs();
    check_sync(); /* and discards it */
    check_only(&old, &new);
    check_shown(0);
}
END_TEST

/* It is active at `_i` nodes, and pending at the others; the client may not pass that on. */
START_TEST(cut_off_while_activating)
{
    const KeyId old = model_generation_put(ALL, 0, KEY_ACTIVE, "zone");
    const KeyId new = model_generation_put(node_set_first((unsigned)_i), 1, KEY_ACTIVE, "zone");

    (void)model_generation_put(ALL & ~node_set_first((unsigned)_i), 1, KEY_PENDING, "zone");
    model.logged_in = false;
    check_signs();
    check_shown((unsigned)_i == model.key->n);
    model.logged_in = true;
    model_new_client();
    check_signs();
    check_shown(1); /* who logged in has told the others */
    check_sync();
    check_only(&new, &old);
    check_shown(1);
}
END_TEST

/* It is active everywhere, and the old one is gone at `_i` nodes. */
START_TEST(cut_off_while_retiring)
{
    const KeyId old = model_generation_put(ALL, 0, KEY_ACTIVE, "zone"), new = model_generation_put(ALL, 1, KEY_ACTIVE, "zone");

    for (unsigned i = 1; i <= (unsigned)_i; i++)
        model_key_set_state(i, &old, KEY_DESTROYED);
    check_signs();
    check_shown(1);
    check_sync();
    check_only(&new, &old);
    check_shown(1);
}
END_TEST

/* A client dies, or a node falls, before each of the steps of retiring. */
START_TEST(dies_while_retiring)
{
    const KeyId old = model_generation_put(ALL, 0, KEY_ACTIVE, "zone"), new = model_generation_put(ALL, 1, KEY_ACTIVE, "zone");
    Problem problem = PROBLEM_INIT;

    *(_i > 5 ? &model.falls_at : &model.dies_at) = (unsigned)(_i - 1) % 5 + 1;
    ck_assert_int_eq(quorum_retire(&model.quorum, &old, &problem), QUORUM_E_TOO_FEW_NODES);
    ck_assert_ptr_nonnull(strstr(problem.text, "kqctl sync"));
    model_new_client();
    check_signs();
    check_shown(1);
    check_sync();
    check_only(&new, &old);
}
END_TEST

/* ---- Retiring ------------------------------------------------------------------------------------------------------------------- */

START_TEST(a_generation_is_retired)
{
    const KeyId old = model_generation_put(ALL, 0, KEY_ACTIVE, "zone"), new = model_generation_put(ALL, 1, KEY_ACTIVE, "zone");
    Problem problem = PROBLEM_INIT;

    ck_assert_int_eq(quorum_retire(&model.quorum, &new, &problem), QUORUM_E_UNKNOWN_KEY);
    ck_assert_uint_eq(count_changes(), 0);
    ck_assert_int_eq(quorum_retire(&model.quorum, &old, &problem), 0);
    ck_assert_int_eq(quorum_retire(&model.quorum, &old, &problem), 0);
    ck_assert_uint_eq(count_changes(), 5);
    check_only(&new, &old);
    check_shown(1);
    model.logged_in = false;
    ck_assert_int_eq(quorum_retire(&model.quorum, &old, &problem), QUORUM_E_LOGIN_REQUIRED);
}
END_TEST

/* A node at which the new generation is not active, or that does not answer, keeps the old one everywhere. */
START_TEST(nothing_is_retired_before_all_have_the_next)
{
    const KeyId old = model_generation_put(ALL, 0, KEY_ACTIVE, "zone"), new = model_generation_put(ALL, 1, KEY_ACTIVE, "zone");
    Problem problem = PROBLEM_INIT;
    Told to;

    switch (_i) {
    case 0:
        model_key_forget(4, &new);
        break;
    case 1:
        model_key_set_state(4, &new, KEY_UNUSABLE);
        break;
    default:
        model.nodes[3].down = true;
    }
    ck_assert_int_eq(quorum_retire(&model.quorum, &old, &problem), QUORUM_E_TOO_FEW_NODES);
    ck_assert_ptr_nonnull(strstr(problem.text, "node4 (4)"));
    to = sync_nodes(false);
    ck_assert_ptr_nonnull(strstr(to.text, "the old ones are kept"));
    ck_assert_uint_eq(count_changes(), 0);
    check_signs();
    check_shown(_i == 2); /* the one that more nodes can sign with */
}
END_TEST

/* A later generation that fewer nodes show than k, by one or by two of them, counts for nothing: it keeps no old shares, */
START_TEST(liars_keep_no_old_generation)
{
    const KeyId old = model_generation_put(ALL, 0, KEY_ACTIVE, "zone"), new = model_generation_put(ALL, 1, KEY_ACTIVE, "zone");
    Problem problem = PROBLEM_INIT;

    (void)model_generation_put(NODE_SET_OF(_i % 5 + 1) | NODE_SET_OF(_i / 5 + 1), 2, KEY_ACTIVE, "liars");
    ck_assert_msg(quorum_retire(&model.quorum, &old, &problem) == 0, "%s", problem.text);
    check_only(&new, &old);
    check_shown(1);
}
END_TEST

/* and has none destroyed. */
START_TEST(liars_retire_nothing)
{
    const KeyId old = model_generation_put(ALL, 0, KEY_ACTIVE, "zone");
    const NodeSet liars = NODE_SET_OF(_i % 5 + 1) | NODE_SET_OF(_i / 5 + 1);

    (void)model_generation_put(liars, 1, KEY_ACTIVE, "liars");
    ck_assert_int_eq(quorum_retire(&model.quorum, &old, NULL), QUORUM_E_UNKNOWN_KEY);
    (void)sync_nodes(true);
    for (unsigned i = 0; i < 5; i++)
        ck_assert_int_eq(model_key_find(&model.nodes[i], &old)->state, KEY_ACTIVE);
    check_shown(0);
    check_signs();
}
END_TEST

/* Labels and ids that were changed while the old generation was shown go to the new one. */
START_TEST(records_come_along)
{
    const KeyId old = model_generation_put(ALL, 0, KEY_ACTIVE, "zone"), new = model_generation_put(ALL, 1, KEY_ACTIVE, "zone");

    for (unsigned i = 1; i <= 5; i++)
        model_key_set_record(i, &old, 4, "changed");
    if (_i == 0)
        check_sync();
    else
        ck_assert_int_eq(quorum_retire(&model.quorum, &old, NULL), 0);
    check_label("changed");
    check_only(&new, &old);
    for (unsigned i = 0; i < 5; i++)
        ck_assert_uint_eq(model_key_find(&model.nodes[i], &new)->record.version, 4);
}
END_TEST

/* ---- What the user sees ----------------------------------------------------------------------------------------------------------- */

START_TEST(changes_go_to_what_is_shown)
{
    const KeyId old = model_generation_put(ALL, 0, KEY_ACTIVE, "zone"), new = model_generation_put(ALL, 1, KEY_ACTIVE, "zone");

    check_shown(1);
    ck_assert_int_eq(set_label(&old, "wrong"), QUORUM_E_CONFLICT);
    ck_assert_int_eq(set_label(&new, "right"), 0);
    check_label("right");
    check_sync();
    check_label("right");
}
END_TEST

START_TEST(whoever_has_the_old_one_finds_the_new_one)
{
    const KeyId old = model_generation_put(ALL, 0, KEY_ACTIVE, "zone");
    _cleanup_keys_ Keys before = list_keys();
    _cleanup_quorum_key_ QuorumKey *same = quorum_key_shown(&model.quorum, only(&before)), *shown = NULL, *none = NULL;
    const KeyId new = model_generation_put(ALL, 1, KEY_ACTIVE, "zone");

    ck_assert_ptr_eq(same, before.items[0]);
    check_shown(1);
    shown = quorum_key_shown(&model.quorum, before.items[0]);
    ck_assert(key_id_equal(quorum_key_id(shown), &new));
    ck_assert_int_eq(quorum_retire(&model.quorum, &old, NULL), 0);
    ck_assert_ptr_null(quorum_key_by_id(&model.quorum, &old));
    ck_assert_int_eq(destroy_key(&new), 0);
    none = quorum_key_shown(&model.quorum, before.items[0]);
    ck_assert_ptr_null(none);
}
END_TEST

/* All generations go: an old one must not come back in the place of the one that was destroyed. */
START_TEST(a_destruction_is_of_all_generations)
{
    const KeyId old = model_generation_put(ALL, 0, KEY_ACTIVE, "zone"), new = model_generation_put(ALL, 1, KEY_ACTIVE, "zone");

    ck_assert_uint_eq(count_keys(), 1);
    ck_assert_int_eq(destroy_key(&new), 0);
    ck_assert_uint_eq(count_keys(), 0);
    model_new_client();
    ck_assert_uint_eq(count_keys(), 0);
    for (unsigned i = 0; i < 5; i++)
        ck_assert_int_eq(model_key_find(&model.nodes[i], &old)->state, KEY_DESTROYED);
    check_sync();
}
END_TEST

/* A refresh was cut off: what is pending could be brought to life later, and goes first. */
START_TEST(a_destruction_waits_for_what_is_pending)
{
    const KeyId old = model_generation_put(ALL, 0, KEY_ACTIVE, "zone"), new = model_generation_put(ALL, 1, KEY_PENDING, "zone");
    Problem problem = PROBLEM_INIT;

    ck_assert_int_eq(quorum_destroy(&model.quorum, &old, &problem), QUORUM_E_REFUSED);
    ck_assert_msg(strstr(problem.text, "Only 0 of the 3 nodes") && strstr(problem.text, "kqctl sync --discard-pending"), "%s",
                  problem.text);
    check_shown(0);
    for (unsigned i = 0; i < 5; i++)
        model_key_forget(i + 1, &new);
    ck_assert_int_eq(destroy_key(&old), 0);
    ck_assert_uint_eq(count_keys(), 0);
}
END_TEST

/* Up to min(n-k, k-1) nodes that say what they like about generations do not make the others' disappear. */
START_TEST(liars_hide_nothing)
{
    const KeyId old = model_generation_put(ALL, 0, KEY_ACTIVE, "zone"), new = model_generation_put(ALL, 1, KEY_ACTIVE, "zone");

    (void)model_generation_put((NodeSet)(NODE_SET_OF(1) | NODE_SET_OF(2)), 2, KEY_ACTIVE, "liars"); /* as if they alone had made it */
    check_shown(1);
    check_signs();
    model_key_forget(1, &new);
    model_key_forget(2, &new);
    model_new_client();
    check_signs();
    model_key_set_state(1, &old, KEY_DESTROYED);
    model_key_set_state(2, &old, KEY_DESTROYED);
    model_new_client();
    check_shown(1);
    check_signs();
}
END_TEST

static void add(TCase *cases)
{
    tcase_add_checked_fixture(cases, start, model_stop);
    tcase_add_loop_test(cases, cut_off_while_storing, 1, 6);
    tcase_add_loop_test(cases, cut_off_while_activating, 1, 6);
    tcase_add_loop_test(cases, cut_off_while_retiring, 0, 6);
    tcase_add_loop_test(cases, dies_while_retiring, 1, 11);
    tcase_add_test(cases, a_generation_is_retired);
    tcase_add_loop_test(cases, nothing_is_retired_before_all_have_the_next, 0, 3);
    tcase_add_loop_test(cases, liars_keep_no_old_generation, 0, 25);
    tcase_add_loop_test(cases, liars_retire_nothing, 0, 25);
    tcase_add_loop_test(cases, records_come_along, 0, 2);
    tcase_add_test(cases, changes_go_to_what_is_shown);
    tcase_add_test(cases, whoever_has_the_old_one_finds_the_new_one);
    tcase_add_test(cases, a_destruction_is_of_all_generations);
    tcase_add_test(cases, a_destruction_waits_for_what_is_pending);
    tcase_add_test(cases, liars_hide_nothing);
}

UNIT_MAIN("key-generations", add)
