/* A run that makes a lost share anew, all nodes in this process: node 4 of five has lost it, nodes 1, 3 and 5 help. What comes of an honest
 * run, who has to have approved it, and every way to cheat that runs of other kinds (test-run.c) do not have. */
#include "base/crypto.h"
#include "made-key.h"
#include "node/identity.h"
#include "node/run-kind.h"
#include "unit.h"

#include <errno.h>
#include <string.h>

#define N       5
#define K       3
#define LOST    4
#define CHEATER 3

static const unsigned taking_part[] = {1, 3, LOST, 5};

typedef struct Node {
    Secret *seed;
    RunSubject subject;
    Run *run;
    RunMessages said; /* in the round that is awaited */
    int result;       /* of the last step */
    Problem problem;
    const Secret *share;
} Node;

typedef struct Scene {
    MadeKey key;
    NodeRecord record;
    Node nodes[N]; /* [index - 1] */
} Scene;

static int sign(void *userdata, const Bytes *statement, uint8_t ret_signature[RUN_SIGNATURE_SIZE], Problem *problem)
{
    return identity_sign(((Node *)userdata)->seed, statement, ret_signature);
}

static int use_share(void *userdata, RunUse use, void *context, Problem *problem)
{
    return use(context, ((Node *)userdata)->share);
}

static void describe(Scene *scene, unsigned index)
{
    Node *node = &scene->nodes[index - 1];

    node->share = scene->key.shares[index - 1];
    node->subject = (RunSubject){
        .kind = run_kind_by_name("repair"),
        .token = "a token, 16 byte",
        .n = N,
        .k = K,
        .nodes = 0x1d, /* taking_part */
        .lost = LOST,
        .common = &scene->key.common,
        .record = &scene->record,
        .index = index,
        .approved = index != LOST,
        .use_share = index != LOST ? use_share : NULL,
        .sign = sign,
        .userdata = node,
    };
    for (unsigned i = 0; i < N; i++) {
        (void)snprintf(node->subject.parties[i].name, sizeof(node->subject.parties[i].name), "node%u", i + 1);
        ck_assert_int_eq(identity_public(scene->nodes[i].seed, node->subject.parties[i].identity_key), 0);
    }
}

static void start(Scene *scene)
{
    *scene = (Scene){.key = made_key("zone", N, K, 2)};
    scene->record = (NodeRecord){.version = 1, .private_label = (char *)"label", .public_label = (char *)""};
    for (unsigned i = 0; i < N; i++) {
        ck_assert_int_eq(secret_new(32, &scene->nodes[i].seed), 0);
        ck_assert_int_eq(crypto_random(secret_data(scene->nodes[i].seed), 32), 0);
    }
    for (unsigned i = 0; i < N; i++)
        describe(scene, i + 1);
}

static void scene_clear(Scene *scene)
{
    for (unsigned i = 0; i < N; i++) {
        (void)run_free(scene->nodes[i].run);
        run_messages_clear(&scene->nodes[i].said);
        secret_free(scene->nodes[i].seed);
    }
    made_key_clear(&scene->key);
}
#define _cleanup_scene_ _cleanup_(scene_clear)

static void begin(Scene *scene)
{
    for (size_t i = 0; i < ELEMENTS(taking_part); i++) {
        Node *node = &scene->nodes[taking_part[i] - 1];

        ck_assert_msg(run_new(&node->subject, &node->run, &node->said, &node->problem) == 0, "%s", node->problem.text);
    }
}

static const Bytes *message_for(const Scene *scene, unsigned from, unsigned to)
{
    const RunMessages *said = &scene->nodes[from - 1].said;

    for (size_t i = 0; i < said->count; i++)
        if (said->items[i].index == 0 || said->items[i].index == to)
            return &said->items[i].message;
    ck_abort_msg("node %u says nothing to node %u", from, to);
    return NULL;
}

/* In the place of what one node says to another in one round. */
typedef struct Lie {
    unsigned from, to;
    Bytes message;
} Lie;

static void step(Scene *scene, const Lie *lie)
{
    RunMessages next[N] = {{{{0}}}};

    for (size_t i = 0; i < ELEMENTS(taking_part); i++) {
        Node *node = &scene->nodes[taking_part[i] - 1];
        NodeRunMessage inbox[N];
        size_t count = 0;

        for (size_t j = 0; j < ELEMENTS(taking_part); j++) {
            const unsigned from = taking_part[j], to = taking_part[i];

            if (i != j)
                inbox[count++] =
                    (NodeRunMessage){from, lie && lie->from == from && lie->to == to ? lie->message : *message_for(scene, from, to)};
        }
        node->result = run_step(node->run, &(List){inbox, count}, &next[taking_part[i] - 1], &node->problem);
    }
    for (unsigned i = 0; i < N; i++) {
        run_messages_clear(&scene->nodes[i].said);
        scene->nodes[i].said = next[i];
    }
}

static void step_well(Scene *scene)
{
    step(scene, NULL);
    for (size_t i = 0; i < ELEMENTS(taking_part); i++)
        ck_assert_msg(scene->nodes[taking_part[i] - 1].result == 0, "node %u: %s", taking_part[i],
                      scene->nodes[taking_part[i] - 1].problem.text);
}

START_TEST(a_lost_share_is_made_anew)
{
    _cleanup_scene_ Scene scene;
    RunResult result;

    start(&scene);
    begin(&scene);
    for (unsigned round = 0; round < 5; round++) {
        ck_assert(!run_result(scene.nodes[LOST - 1].run, &result));
        step_well(&scene);
    }
    for (size_t i = 0; i < ELEMENTS(taking_part); i++) {
        ck_assert(run_result(scene.nodes[taking_part[i] - 1].run, &result));
        ck_assert(bytes_equal(result.common, &scene.key.common));
        ck_assert(!result.share == (taking_part[i] != LOST)); /* helpers learn nothing */
    }
    ck_assert(run_result(scene.nodes[LOST - 1].run, &result));
    ck_assert(secret_equal(result.share, scene.key.shares[LOST - 1]));
}
END_TEST

/* `_i` operators have approved it, those of the helpers first; k are three. */
START_TEST(k_operators_have_to_approve)
{
    static const unsigned order[] = {1, 3, LOST, 5};
    _cleanup_scene_ Scene scene;

    start(&scene);
    for (unsigned i = 0; i < ELEMENTS(order); i++)
        scene.nodes[order[i] - 1].subject.approved = i < (unsigned)_i;
    begin(&scene);
    if (_i >= K) {
        for (unsigned round = 0; round < 5; round++)
            step_well(&scene);
        return;
    }
    step(&scene, NULL);
    for (size_t i = 0; i < ELEMENTS(taking_part); i++) {
        const Node *node = &scene.nodes[taking_part[i] - 1];
        char words[64];

        (void)snprintf(words, sizeof(words), "operators of %d of the nodes", _i);
        ck_assert_int_eq(node->result, RUN_E_FAILED);
        ck_assert_ptr_nonnull(strstr(node->problem.text, words));
        ck_assert_ptr_nonnull(strstr(node->problem.text, "kqctl node approve"));
        ck_assert_uint_eq(run_culprit(node->run), 0);
    }
}
END_TEST

/* What one node was asked to do is something else in one respect. */
START_TEST(all_are_asked_the_same)
{
    _cleanup_scene_ Scene scene;
    MadeKey other = made_key("other", N, K, 2);
    RunSubject *subject = NULL;

    start(&scene);
    subject = &scene.nodes[CHEATER - 1].subject;
    if (_i == 0)
        subject->common = &other.common;
    else if (_i == 1)
        subject->lost = 2;
    else
        subject->nodes |= 2;
    begin(&scene);
    step(&scene, NULL);
    ck_assert_int_eq(scene.nodes[0].result, RUN_E_FAILED);
    ck_assert_uint_eq(run_culprit(scene.nodes[0].run), CHEATER);
    ck_assert_ptr_nonnull(strstr(scene.nodes[0].problem.text, "something else than this node"));
    made_key_clear(&other);
}
END_TEST

/* ---- Cheating ---- */

#define FRONT (N * SHA256_SIZE)

/* The body of what it says, with other content behind the digests, signed by it. */
static Lie say(Scene *scene, unsigned from, unsigned to, const Bytes *content)
{
    const Run *run = scene->nodes[from - 1].run;
    const bool to_one = run->round > 0 && run->subject.kind->rounds[run->round - 1].tell;
    const size_t front = run->round > 0 ? FRONT : 0;
    _cleanup_bytes_ Bytes body = {0};
    Lie lie = {from, to, {0}};

    ck_assert_int_eq(bytes_new(front + content->size, &body), 0);
    memcpy(body.data, message_for(scene, from, to)->data, front);
    if (content->size > 0)
        memcpy(body.data + front, content->data, content->size);
    ck_assert_int_eq(run_message_sign(run, to_one ? to : 0, &body, &lie.message, NULL), 0);
    return lie;
}

static Lie seal(Scene *scene, unsigned from, unsigned to, const void *content, size_t size)
{
    const Run *run = scene->nodes[from - 1].run;
    uint8_t binding[SHA256_SIZE + 3];
    _cleanup_secret_ Secret *secret = NULL;
    _cleanup_bytes_ Bytes sealed = {0};

    memcpy(binding, run->session, SHA256_SIZE);
    binding[SHA256_SIZE] = (uint8_t)run->round;
    binding[SHA256_SIZE + 1] = (uint8_t)from;
    binding[SHA256_SIZE + 2] = (uint8_t)to;
    ck_assert_int_eq(secret_new_copy(content, size, &secret), 0);
    ck_assert_int_eq(hpke_seal(run->session_keys[to - 1], RUN_INFO, &(Bytes){binding, sizeof(binding)}, secret, &sealed), 0);
    return say(scene, from, to, &sealed);
}

static const uint8_t one[64] = {1};

static Lie approves_by_two(Scene *scene)
{
    const Bytes *message = message_for(scene, CHEATER, 1);
    _cleanup_bytes_ Bytes body = {0};
    Lie lie;

    ck_assert_int_eq(bytes_copy(message->data, message->size - RUN_SIGNATURE_SIZE, &body), 0);
    body.data[64] = 2; /* behind contribution and session key */
    lie = say(scene, CHEATER, 1, &body);
    return lie;
}

static Lie vector_of_another(Scene *scene)
{
    const Bytes *other = message_for(scene, 5, 1);
    const Bytes content = {other->data + FRONT, other->size - RUN_SIGNATURE_SIZE - FRONT};

    return say(scene, CHEATER, 1, &content);
}

static Lie short_vector(Scene *scene)
{
    const Bytes *own = message_for(scene, CHEATER, 1);
    const Bytes content = {own->data + FRONT, own->size - RUN_SIGNATURE_SIZE - FRONT - 32};

    return say(scene, CHEATER, 1, &content);
}

static Lie no_vector(Scene *scene)
{
    return say(scene, CHEATER, 1, &(Bytes){0});
}

static Lie vector_of_the_lost(Scene *scene)
{
    const Bytes *other = message_for(scene, 5, 1);
    const Bytes content = {other->data + FRONT, other->size - RUN_SIGNATURE_SIZE - FRONT};

    return say(scene, LOST, 1, &content);
}

static Lie wrong_secret(Scene *scene)
{
    return seal(scene, CHEATER, 1, one, 32);
}

static Lie long_secret(Scene *scene)
{
    return seal(scene, CHEATER, 1, one, 33);
}

static Lie no_secret(Scene *scene)
{
    return say(scene, CHEATER, 1, &(Bytes){0});
}

static Lie secret_for_the_lost(Scene *scene)
{
    return seal(scene, CHEATER, LOST, one, 32);
}

static Lie secret_of_the_lost(Scene *scene)
{
    return seal(scene, LOST, 1, one, 32);
}

static Lie long_secret_for_the_lost(Scene *scene)
{
    return seal(scene, CHEATER, LOST, one, 33);
}

static Lie no_secret_for_the_lost(Scene *scene)
{
    return say(scene, CHEATER, LOST, &(Bytes){0});
}

static const struct {
    const char *name;
    unsigned round;
    Lie (*lie)(Scene *scene);
    unsigned culprit;
    const char *words;
} cheats[] = {
    {"approves by two", 0, approves_by_two, CHEATER, "does not say whether"},
    {"vector of another", 1, vector_of_another, CHEATER, "do not add up"},
    {"short vector", 1, short_vector, CHEATER, "do not add up"},
    {"no vector", 1, no_vector, CHEATER, "do not add up"},
    {"vector of the lost", 1, vector_of_the_lost, LOST, "has lost its share"},
    {"wrong part", 2, wrong_secret, CHEATER, "does not fit its commitments"},
    {"long part", 2, long_secret, CHEATER, "does not fit its commitments"},
    {"no part", 2, no_secret, CHEATER, "did not send what it has to give"},
    {"part for the lost", 2, secret_for_the_lost, CHEATER, "not for this node"},
    {"part of the lost", 2, secret_of_the_lost, LOST, "not for this node"},
    {"wrong sum", 3, secret_for_the_lost, CHEATER, "does not fit the commitments of all"},
    {"long sum", 3, long_secret_for_the_lost, CHEATER, "does not fit the commitments of all"},
    {"no sum", 3, no_secret_for_the_lost, CHEATER, "did not send what it has to give"},
    {"sum for a helper", 3, wrong_secret, CHEATER, "not for this node"},
    {"sum of the lost", 3, secret_of_the_lost, LOST, "not for this node"},
};

START_TEST(who_cheats_is_named)
{
    _cleanup_scene_ Scene scene;
    const Node *victim;
    RunResult result;
    Lie lie;

    start(&scene);
    begin(&scene);
    for (unsigned round = 0; round < cheats[_i].round; round++)
        step_well(&scene);
    lie = cheats[_i].lie(&scene);
    step(&scene, &lie);
    bytes_clear(&lie.message);
    victim = &scene.nodes[lie.to - 1];
    ck_assert_msg(victim->result == RUN_E_FAILED, "%s: %d, %s", cheats[_i].name, victim->result, victim->problem.text);
    ck_assert_msg(strstr(victim->problem.text, cheats[_i].words), "%s: %s", cheats[_i].name, victim->problem.text);
    ck_assert_uint_eq(run_culprit(victim->run), cheats[_i].culprit);
    ck_assert_uint_eq(victim->said.count, 0);
    ck_assert(!run_result(victim->run, &result));
}
END_TEST

/* A node that takes no part has nothing to say. */
START_TEST(others_stay_out)
{
    _cleanup_scene_ Scene scene;
    NodeRunMessage inbox[N];
    RunMessages none = {{{0}}};
    Problem problem = PROBLEM_INIT;

    start(&scene);
    begin(&scene);
    for (size_t i = 1; i < ELEMENTS(taking_part); i++)
        inbox[i - 1] = (NodeRunMessage){taking_part[i], *message_for(&scene, taking_part[i], 1)};
    inbox[3] = (NodeRunMessage){2, inbox[0].message};
    ck_assert_int_eq(run_step(scene.nodes[0].run, &(List){inbox, 4}, &none, &problem), RUN_E_FAILED);
    ck_assert_ptr_nonnull(strstr(problem.text, "message of node 2, which is none"));
}
END_TEST

static void add(TCase *cases)
{
    tcase_add_test(cases, a_lost_share_is_made_anew);
    tcase_add_loop_test(cases, k_operators_have_to_approve, 0, 5);
    tcase_add_loop_test(cases, all_are_asked_the_same, 0, 3);
    tcase_add_loop_test(cases, who_cheats_is_named, 0, (int)ELEMENTS(cheats));
    tcase_add_test(cases, others_stay_out);
}

UNIT_MAIN("run-repair", add)
