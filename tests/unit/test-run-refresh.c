/* Runs that make new shares of a key: what comes of them, who has to have approved them, and how to cheat where that is not as in the
 * generation of a key (test-run.c). */
#include "made-key.h"
#include "run-scene.h"
#include "threshold/frost-dkg.h"

#include <errno.h>

static Scene scene_of(MadeKey *key)
{
    Scene scene = scene_new(key->n, key->k);

    scene.kind = "refresh";
    for (unsigned i = 0; i < key->n; i++)
        scene.own[i].share = key->shares[i];
    return scene;
}

static void start(Scene *scene, const MadeKey *key)
{
    scene->common = &key->common;
    describe_all(scene);
}

/* ---- Honest runs ---- */

/* Are k of these shares, whose values those of `key` are said to be, shares of its public key? */
static bool fit_together(const Header *header, const Secret *const *shares)
{
    Ed25519Scalar sum, product, coefficient;
    unsigned indices[THRESHOLD_NODES_MAX];
    Ed25519Point public_key;

    ed25519_scalar_set(0, &sum);
    for (unsigned i = 0; i < header->parameters.k; i++)
        indices[i] = i + 1;
    for (unsigned i = 0; i < header->parameters.k; i++) {
        ed25519_scalar_lagrange(indices, header->parameters.k, i, 0, &coefficient);
        ed25519_scalar_multiply(&coefficient, ed25519_scalars_of(shares[i]), &product);
        ed25519_scalar_add(&sum, &product, &sum);
    }
    ed25519_multiply_base(&sum, &public_key);
    return memcmp(public_key.bytes, header->public_key.data, sizeof(public_key.bytes)) == 0;
}

static void check_fresh(const Scene *scene, const MadeKey *old)
{
    _cleanup_header_ Header header = {0}, before = {0};
    _cleanup_threshold_key_ ThresholdKey *key = NULL;
    const Secret *shares[THRESHOLD_NODES_MAX];
    Problem problem = PROBLEM_INIT;
    RunResult first, result;

    ck_assert(run_result(scene->runs[0], &first));
    ck_assert_int_eq(header_decode(&old->common, &before, &problem), 0);
    ck_assert_msg(header_decode(first.common, &header, &problem) == 0, "%s", problem.text);
    ck_assert(bytes_equal(&header.public_key, &before.public_key));
    ck_assert_uint_eq(header.generation, before.generation + 1);
    ck_assert(!bytes_equal(&header.verification, &before.verification));
    ck_assert_int_eq(threshold_key_new(&header.parameters, &header.public_key, &header.verification, &key, &problem), 0);
    for (unsigned i = 0; i < scene->n; i++) {
        ck_assert(run_result(scene->runs[i], &result));
        ck_assert(bytes_equal(result.common, first.common));
        ck_assert_int_eq(threshold_key_check_secret(key, i + 1, result.share), 0);
        ck_assert(!secret_equal(result.share, old->shares[i]));
        shares[i] = result.share;
    }
    ck_assert(fit_together(&header, shares));
    /* One old share among new ones is of no use. */
    shares[0] = old->shares[0];
    ck_assert(!fit_together(&header, shares));
}

static void refresh(unsigned n, unsigned k)
{
    _cleanup_made_key_ MadeKey key = made_key("zone", n, k, 3);
    _cleanup_scene_ Scene scene = scene_of(&key);

    start(&scene, &key);
    begin(&scene);
    for (unsigned round = 0; round < 4; round++)
        step_well(&scene);
    check_fresh(&scene, &key);
}

START_TEST(nodes_make_new_shares)
{
    refresh(3, 2);
    refresh(5, 3);
    refresh(16, 9);
}
END_TEST

/* ---- Approval ---- */

static void expect_all(Scene *scene, const char *words)
{
    step(scene, NULL);
    for (unsigned i = 0; i < scene->n; i++) {
        ck_assert_int_eq(scene->results[i], RUN_E_FAILED);
        ck_assert_msg(strstr(scene->problems[i].text, words), "%s", scene->problems[i].text);
        ck_assert_uint_eq(run_culprit(scene->runs[i]), 0);
        ck_assert_uint_eq(scene->said[i].count, 0);
    }
    end_runs(scene);
}

START_TEST(operators_of_k_nodes_have_approved_it)
{
    _cleanup_made_key_ MadeKey key = made_key("zone", 5, 3, 1);
    _cleanup_scene_ Scene scene = scene_of(&key);

    for (unsigned approved = 0; approved <= 5; approved++) {
        start(&scene, &key);
        for (unsigned i = 0; i < 5; i++)
            scene.subjects[i].approved = i < approved;
        begin(&scene);
        if (approved < 3) {
            expect_all(&scene, "kqctl node approve");
        } else {
            step_well(&scene);
            end_runs(&scene);
        }
    }
}
END_TEST

/* ---- Cheating ---- */

static int say_other(Run *run, Bytes *ret_content, Problem *problem)
{
    static const Bytes context;
    const FrostDkgParameters parameters = {run->subject.n, run->subject.k, run->subject.index, context};
    _cleanup_frost_dkg_ FrostDkg *dkg = NULL;

    /* A contribution to another key: its constant term is not zero. */
    ck_assert_int_eq(frost_dkg_new(&parameters, &dkg), 0);
    return bytes_copy(frost_dkg_vector(dkg)->data, frost_dkg_vector(dkg)->size, ret_content);
}

START_TEST(who_would_change_the_key_is_named)
{
    _cleanup_made_key_ MadeKey key = made_key("zone", 3, 2, 1);
    _cleanup_scene_ Scene scene = scene_of(&key);
    RunRound rounds[8];
    RunKind cheating;
    RunResult result;

    start(&scene, &key);
    cheating = *scene.subjects[2].kind;
    memcpy(rounds, cheating.rounds, cheating.n_rounds * sizeof(*rounds));
    rounds[0].say = say_other;
    cheating.rounds = rounds;
    scene.subjects[2].kind = &cheating;
    begin(&scene);
    step_well(&scene);
    step(&scene, NULL);
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_int_eq(scene.results[i], RUN_E_FAILED);
        ck_assert_msg(strstr(scene.problems[i].text, "node3 (3) sent commitments that would change the key"), "%s", scene.problems[i].text);
        ck_assert_uint_eq(run_culprit(scene.runs[i]), 3);
        ck_assert(!run_result(scene.runs[i], &result));
    }
}
END_TEST

/* Node 3 has another generation of it in mind, or another key. */
START_TEST(nodes_agree_on_which_key)
{
    _cleanup_made_key_ MadeKey key = made_key("zone", 3, 2, 1), next = made_key("zone", 3, 2, 2);
    _cleanup_scene_ Scene scene = scene_of(&key);

    start(&scene, &key);
    scene.subjects[2].common = &next.common;
    begin(&scene);
    step(&scene, NULL);
    ck_assert_int_eq(scene.results[0], RUN_E_FAILED);
    ck_assert_msg(strstr(scene.problems[0].text, "node3 (3) was asked to take part in something else"), "%s", scene.problems[0].text);
}
END_TEST

/* ---- What this process cannot do ---- */

static int use_nothing(void *userdata, RunUse use, void *context, Problem *problem)
{
    return problem_set(problem, -EAGAIN, "the share is gone");
}

/* Its share is not the one that the others know. */
START_TEST(without_the_old_share_there_is_no_new_one)
{
    _cleanup_made_key_ MadeKey key = made_key("zone", 3, 2, 1), other = made_key("zone", 3, 2, 2);
    _cleanup_scene_ Scene scene = scene_of(&key);

    start(&scene, &key);
    scene.subjects[0].use_share = use_nothing;
    scene.own[1].share = other.shares[1];
    begin(&scene);
    step_well(&scene);
    step_well(&scene);
    step(&scene, NULL);
    ck_assert_int_eq(scene.results[0], -EAGAIN);
    ck_assert_str_eq(scene.problems[0].text, "the share is gone");
    ck_assert_int_eq(scene.results[1], RUN_E_FAILED);
    ck_assert_uint_eq(run_culprit(scene.runs[1]), 0);
    ck_assert_int_eq(scene.results[2], 0);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_test(cases, nodes_make_new_shares);
    tcase_add_test(cases, operators_of_k_nodes_have_approved_it);
    tcase_add_test(cases, who_would_change_the_key_is_named);
    tcase_add_test(cases, nodes_agree_on_which_key);
    tcase_add_test(cases, without_the_old_share_there_is_no_new_one);
}

UNIT_MAIN("run-refresh", add_tests)
