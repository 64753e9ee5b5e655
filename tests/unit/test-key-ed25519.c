/* Creation of an Ed25519 key whose shares the nodes hold, against model nodes: the test with each of them, and what comes after. */
#include "model-checks.h"

#include <errno.h>

#include "ed25519-deal.h"
#include "quorum/creation.h"
#include "quorum/generate.h"

/* Shares as if the nodes had made them. */
static int make_ed25519(QuorumKey **ret_key, Problem *problem)
{
    Deal deal = ed25519_deal(model.key->n, model.key->k);
    const GenerateRequest request = {
        .algorithm = THRESHOLD_ED25519,
        .bits = 256,
        .custody = CUSTODY_KEYRING,
        .record = {.private_label = (char *)"ed", .public_label = (char *)"ed"},
    };

    for (unsigned i = 0; i < model.key->n; i++) {
        secret_free(model.ed25519_shares[i]);
        ck_assert_int_eq(secret_new_copy(secret_bytes(deal.shares[i]), FROST_SHARE_SIZE, &model.ed25519_shares[i]), 0);
    }
    return quorum_create_from_deal(&model.quorum, &request, &deal, ret_key, problem);
}

static void stop_all(void)
{
    for (unsigned i = 0; i < THRESHOLD_NODES_MAX; i++)
        model.ed25519_shares[i] = secret_free(model.ed25519_shares[i]);
    model_stop();
}

static void check_not_made(int expected, NodeSet named)
{
    Problem problem = PROBLEM_INIT;
    QuorumKey *key = NULL;
    int r = make_ed25519(&key, &problem);

    ck_assert_msg(r == expected, "%d: %s", r, problem.text);
    ck_assert_ptr_null(key);
    for (unsigned i = 1; i <= model.key->n; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "node%u (", i);
        ck_assert_msg(!(named & NODE_SET_OF(i)) == !strstr(problem.text, name), "%s: %s", name, problem.text);
        if (!model.nodes[i - 1].down)
            ck_assert_uint_eq(model.nodes[i - 1].n_keys, 0);
    }
}

START_TEST(every_node_is_tested)
{
    _cleanup_(quorum_key_unrefp) QuorumKey *key = NULL;
    Problem problem = PROBLEM_INIT;
    int r = make_ed25519(&key, &problem);

    ck_assert_msg(r == 0, "%s", problem.text);
    for (unsigned i = 0; i < model.key->n; i++) {
        ck_assert_uint_ge(model.nodes[i].tests, 1);
        ck_assert_uint_eq(model.nodes[i].n_keys, 1);
        ck_assert_int_eq(model.nodes[i].keys[0].state, KEY_ACTIVE);
    }
    ck_assert_uint_eq(quorum_key_holders(key), ALL);
    ck_assert_int_eq(quorum_key_header(key)->parameters.algorithm, THRESHOLD_ED25519);
    check_sync();
}
END_TEST

START_TEST(a_wrong_node_is_named)
{
    model.nodes[_i - 1].wrong_partial = true;
    check_not_made(QUORUM_E_SIGNATURE, NODE_SET_OF(_i));
    ck_assert(model_logged((unsigned)_i, "Wrong test signature"));
}
END_TEST

START_TEST(wrong_nodes_are_named)
{
    model.nodes[0].wrong_partial = model.nodes[1].wrong_partial = true;
    check_not_made(QUORUM_E_SIGNATURE, NODE_SET_OF(1) | NODE_SET_OF(2));
}
END_TEST

START_TEST(a_node_that_may_not_sign_is_named)
{
    model.nodes[_i - 1].withheld = 1u << NODE_PERMISSION_SIGN;
    check_not_made(QUORUM_E_REFUSED, NODE_SET_OF(_i));
}
END_TEST

static void node_goes(unsigned step)
{
    if (step == model.key->n) /* the last of the shares is about to be stored */
        model.nodes[1].down = true;
}

START_TEST(a_node_that_goes_is_named)
{
    Problem problem = PROBLEM_INIT;
    QuorumKey *key = NULL;

    model.on_step = node_goes;
    ck_assert_int_eq(make_ed25519(&key, &problem), QUORUM_E_TOO_FEW_NODES);
    ck_assert_ptr_null(key);
    ck_assert_msg(strstr(problem.text, "node2 (2) does not sign") && strstr(problem.text, "left pending at node2 (2)"), "%s", problem.text);
    model.nodes[1].down = false;
    check_sync(); /* which discards what is left */
    for (unsigned i = 0; i < model.key->n; i++)
        ck_assert_uint_eq(model.nodes[i].n_keys, 0);
}
END_TEST

/* What the nodes call the header of their key. */
START_TEST(a_header_of_another_threshold_is_none)
{
    Deal deal = ed25519_deal(model.key->n, model.key->k - 1);
    _cleanup_header_ Header header = {
        .parameters = {THRESHOLD_ED25519, 256, model.key->n, model.key->k - 1},
        .custody = CUSTODY_KEYRING,
        .public_key = bytes_take(&deal.public_key),
        .verification = bytes_take(&deal.verification),
    };
    _cleanup_creation_ Creation creation = {0};
    _cleanup_bytes_ Bytes common = {0};
    const NodeRecord record = {.version = 1, .private_label = (char *)"ed", .public_label = (char *)"ed"};
    Problem problem = PROBLEM_INIT;

    threshold_deal_clear(&deal);
    ck_assert_int_eq(header_encode(&header, &common), 0);
    ck_assert_int_eq(creation_begin(&model.quorum, &common, &record, &creation, &problem), -ERANGE);
    ck_assert_msg(strstr(problem.text, "2 of 5 nodes, the roster says 3 of 5"), "%s", problem.text);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_checked_fixture(cases, start, stop_all);
    tcase_add_test(cases, every_node_is_tested);
    tcase_add_loop_test(cases, a_wrong_node_is_named, 1, 6);
    tcase_add_test(cases, wrong_nodes_are_named);
    tcase_add_loop_test(cases, a_node_that_may_not_sign_is_named, 1, 6);
    tcase_add_test(cases, a_node_that_goes_is_named);
    tcase_add_test(cases, a_header_of_another_threshold_is_none);
}

UNIT_MAIN("key-ed25519", add_tests)
