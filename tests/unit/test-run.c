/* Runs of several nodes, all in this process: what comes of an honest one, and of every way to cheat in each round. The test is the client,
 * and whichever node cheats. */
#include "run-scene.h"

#include <errno.h>

#define CHEATER 3 /* in runs that fail; node 1 is the one that is looked at */

/* ---- Honest runs ---- */

static void check_key(const Scene *scene)
{
    _cleanup_header_ Header header = {0};
    _cleanup_threshold_key_ ThresholdKey *key = NULL;
    Problem problem = PROBLEM_INIT;
    RunResult first, result;

    ck_assert(run_result(scene->runs[0], &first));
    ck_assert_msg(header_decode(first.common, &header, &problem) == 0, "%s", problem.text);
    ck_assert_uint_eq(header.parameters.algorithm, THRESHOLD_ED25519);
    ck_assert_uint_eq(header.parameters.bits, 256);
    ck_assert_uint_eq(header.parameters.n, scene->n);
    ck_assert_uint_eq(header.parameters.k, scene->k);
    ck_assert_uint_eq(header.generation, 1);
    ck_assert_int_eq(header.custody, CUSTODY_KEYRING);
    ck_assert_int_eq(threshold_key_new(&header.parameters, &header.public_key, &header.verification, &key, &problem), 0);
    for (unsigned i = 0; i < scene->n; i++) {
        ck_assert(run_result(scene->runs[i], &result));
        ck_assert(bytes_equal(result.common, first.common));
        ck_assert_int_eq(threshold_key_check_secret(key, i + 1, result.share), 0);
    }
}

static void generate(unsigned n, unsigned k)
{
    _cleanup_scene_ Scene scene = scene_new(n, k);
    RunResult result;

    describe_all(&scene);
    begin(&scene);
    for (unsigned round = 0; round < 4; round++) {
        ck_assert(!run_result(scene.runs[0], &result));
        step_well(&scene);
    }
    for (unsigned i = 0; i < n; i++)
        ck_assert_uint_eq(scene.said[i].count, 0);
    check_key(&scene);
    /* It is over. */
    ck_assert_int_eq(run_step(scene.runs[0], &(List){0}, &scene.said[0], &scene.problems[0]), -EINVAL);
}

START_TEST(nodes_make_a_key)
{
    generate(2, 2);
    generate(3, 2);
    generate(5, 3);
    generate(16, 9);
}
END_TEST

START_TEST(every_run_makes_another_key)
{
    _cleanup_scene_ Scene a = scene_new(3, 2);
    _cleanup_bytes_ Bytes common = {0};
    RunResult result;

    describe_all(&a);
    for (unsigned i = 0; i < 2; i++) {
        begin(&a);
        for (unsigned round = 0; round < 4; round++)
            step_well(&a);
        ck_assert(run_result(a.runs[0], &result));
        ck_assert(!bytes_equal(result.common, &common));
        bytes_clear(&common);
        ck_assert_int_eq(bytes_copy(result.common->data, result.common->size, &common), 0);
        end_runs(&a);
    }
}
END_TEST

/* ---- Cheating ---- */

/* What the cheater said, as a body to be changed, and then signed anew by it. */
static Bytes body_of(const Bytes *message)
{
    Bytes body;

    ck_assert_int_eq(bytes_copy(message->data, message->size - RUN_SIGNATURE_SIZE, &body), 0);
    return body;
}

static void sign_anew(const Scene *scene, unsigned to, const Bytes *body, Bytes *message)
{
    const Run *run = scene->runs[CHEATER - 1];
    const bool to_one = run->round > 0 && run->subject.kind->rounds[run->round - 1].tell;
    Problem problem = PROBLEM_INIT;

    bytes_clear(message);
    ck_assert_int_eq(run_message_sign(run, to_one ? to : 0, body, message, &problem), 0);
}

/* Whatever round: `size` bytes at `at` from the end of the body (or, if negative, from its beginning, one less) become these. */
static void put(Scene *scene, unsigned to, Inbox *inbox, long at, const void *data, size_t size)
{
    Bytes *message = &item_of(inbox, CHEATER)->message;
    _cleanup_bytes_ Bytes body = body_of(message);

    memcpy(at > 0 ? body.data + body.size - (size_t)at : body.data + (size_t)(-at - 1), data, size);
    sign_anew(scene, to, &body, message);
}

static void cut(Scene *scene, unsigned to, Inbox *inbox, size_t at, size_t size)
{
    Bytes *message = &item_of(inbox, CHEATER)->message;
    _cleanup_bytes_ Bytes body = body_of(message);

    memmove(body.data + at, body.data + at + size, body.size - at - size);
    body.size -= size;
    sign_anew(scene, to, &body, message);
    body.size += size;
}

#define FRONT(scene) ((scene)->n * SHA256_SIZE)

static const uint8_t ones[64] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};

/* By the client, which can sign nothing. */

static void alter(Scene *scene, unsigned to, Inbox *inbox)
{
    Bytes *message = &item_of(inbox, CHEATER)->message;

    message->data[message->size - RUN_SIGNATURE_SIZE - 1] ^= 1;
}

static void alter_signature(Scene *scene, unsigned to, Inbox *inbox)
{
    Bytes *message = &item_of(inbox, CHEATER)->message;

    message->data[message->size - 1] ^= 1;
}

static void shorten(Scene *scene, unsigned to, Inbox *inbox)
{
    item_of(inbox, CHEATER)->message.size = 10;
}

static void leave_out(Scene *scene, unsigned to, Inbox *inbox)
{
    NodeRunMessage *item = to == CHEATER ? NULL : item_of(inbox, CHEATER), *last = &inbox->items[inbox->count - 1];

    if (!item)
        return;
    bytes_clear(&item->message);
    *item = *last;
    inbox->count--;
}

static void repeat(Scene *scene, unsigned to, Inbox *inbox)
{
    const NodeRunMessage *item = item_of(inbox, CHEATER);
    NodeRunMessage *again = &inbox->items[inbox->count++];

    again->index = CHEATER;
    ck_assert_int_eq(bytes_copy(item->message.data, item->message.size, &again->message), 0);
}

static void from_nobody(Scene *scene, unsigned to, Inbox *inbox)
{
    item_of(inbox, CHEATER)->index = scene->n + 1;
}

static void from_itself(Scene *scene, unsigned to, Inbox *inbox)
{
    item_of(inbox, CHEATER)->index = to;
}

/* Node 2's message as the cheater's. */
static void from_another(Scene *scene, unsigned to, Inbox *inbox)
{
    Bytes *message = &item_of(inbox, CHEATER)->message;
    const Bytes *other = message_for(scene, 2, to);

    bytes_clear(message);
    ck_assert_int_eq(bytes_copy(other->data, other->size, message), 0);
}

/* What the cheater says to node 2. */
static void for_another(Scene *scene, unsigned to, Inbox *inbox)
{
    Bytes *message = &item_of(inbox, CHEATER)->message;
    const Bytes *other = message_for(scene, CHEATER, 2);

    bytes_clear(message);
    ck_assert_int_eq(bytes_copy(other->data, other->size, message), 0);
}

/* What the cheater said in another run, at the same point. */
static Bytes earlier;

static void replay(Scene *scene, unsigned to, Inbox *inbox)
{
    Bytes *message = &item_of(inbox, CHEATER)->message;

    bytes_clear(message);
    ck_assert_int_eq(bytes_copy(earlier.data, earlier.size, message), 0);
}

/* By the node, which signs. */

static void hello_of_wrong_size(Scene *scene, unsigned to, Inbox *inbox)
{
    cut(scene, to, inbox, 0, 1);
}

static void hello_of_another_subject(Scene *scene, unsigned to, Inbox *inbox)
{
    put(scene, to, inbox, SHA256_SIZE, ones, SHA256_SIZE);
}

/* A point of small order. */
static void hello_without_key(Scene *scene, unsigned to, Inbox *inbox)
{
    static const uint8_t zeros[32];

    put(scene, to, inbox, -33, zeros, sizeof(zeros));
}

static void other_hello(Scene *scene, unsigned to, Inbox *inbox)
{
    put(scene, to, inbox, -1, ones, 32);
}

static void vector_too_short(Scene *scene, unsigned to, Inbox *inbox)
{
    cut(scene, to, inbox, FRONT(scene), 32);
}

static void vector_too_long(Scene *scene, unsigned to, Inbox *inbox)
{
    Bytes *message = &item_of(inbox, CHEATER)->message;
    _cleanup_bytes_ Bytes body = {0};

    ck_assert_int_eq(bytes_new(message->size - RUN_SIGNATURE_SIZE + 32, &body), 0);
    memcpy(body.data, message->data, FRONT(scene));
    memcpy(body.data + FRONT(scene), message->data + FRONT(scene), 32);
    memcpy(body.data + FRONT(scene) + 32, message->data + FRONT(scene), message->size - RUN_SIGNATURE_SIZE - FRONT(scene));
    sign_anew(scene, to, &body, message);
}

static void nothing_at_all(Scene *scene, unsigned to, Inbox *inbox)
{
    const size_t size = item_of(inbox, CHEATER)->message.size - RUN_SIGNATURE_SIZE;

    cut(scene, to, inbox, FRONT(scene), size - FRONT(scene));
}

static void less_than_digests(Scene *scene, unsigned to, Inbox *inbox)
{
    const size_t size = item_of(inbox, CHEATER)->message.size - RUN_SIGNATURE_SIZE;

    cut(scene, to, inbox, FRONT(scene) - 1, size - FRONT(scene) + 1);
}

static void constant_is_identity(Scene *scene, unsigned to, Inbox *inbox)
{
    put(scene, to, inbox, -(long)FRONT(scene) - 1, ed25519_identity.bytes, ED25519_POINT_SIZE);
}

static void no_point(Scene *scene, unsigned to, Inbox *inbox)
{
    put(scene, to, inbox, -(long)FRONT(scene) - 32 - 1, ones + 32, ED25519_POINT_SIZE);
}

static void bad_proof(Scene *scene, unsigned to, Inbox *inbox)
{
    put(scene, to, inbox, 32, ones + 32, 32);
}

/* The constant term of node 2, whose discrete logarithm the cheater does not know. */
static void constant_of_another(Scene *scene, unsigned to, Inbox *inbox)
{
    put(scene, to, inbox, -(long)FRONT(scene) - 1, message_for(scene, 2, to)->data + FRONT(scene), ED25519_POINT_SIZE);
}

/* To node 1 the contribution of another polynomial than to the others. */
static void two_polynomials(Scene *scene, unsigned to, Inbox *inbox)
{
    Run *run = scene->runs[CHEATER - 1];
    void *first = run->state;
    _cleanup_bytes_ Bytes content = {0}, body = {0};
    Bytes *message = &item_of(inbox, CHEATER)->message;
    Problem problem = PROBLEM_INIT;

    ck_assert_int_eq(run->subject.kind->begin(run, &problem), 0);
    ck_assert_int_eq(run->subject.kind->rounds[0].say(run, &content, &problem), 0);
    run->subject.kind->clear(run);
    run->state = first;
    ck_assert_int_eq(bytes_new(FRONT(scene) + content.size, &body), 0);
    memcpy(body.data, message->data, FRONT(scene));
    memcpy(body.data + FRONT(scene), content.data, content.size);
    sign_anew(scene, to, &body, message);
}

/* It says that it got something else from that node. */
static void slander(Scene *scene, unsigned to, Inbox *inbox, unsigned whom)
{
    put(scene, to, inbox, -(long)((whom - 1) * SHA256_SIZE) - 1, ones, SHA256_SIZE);
}

static void slander_this_node(Scene *scene, unsigned to, Inbox *inbox)
{
    slander(scene, to, inbox, 1);
}

static void slander_another_node(Scene *scene, unsigned to, Inbox *inbox)
{
    slander(scene, to, inbox, 2);
}

static void seal_anew(Scene *scene, unsigned to, Inbox *inbox, const void *content, size_t size, uint8_t bound_to)
{
    Run *run = scene->runs[CHEATER - 1];
    uint8_t binding[SHA256_SIZE + 3];
    _cleanup_secret_ Secret *secret = NULL;
    _cleanup_bytes_ Bytes sealed = {0}, body = {0};
    Bytes *message = &item_of(inbox, CHEATER)->message;

    memcpy(binding, run->session, SHA256_SIZE);
    binding[SHA256_SIZE] = (uint8_t)run->round;
    binding[SHA256_SIZE + 1] = CHEATER;
    binding[SHA256_SIZE + 2] = bound_to;
    ck_assert_int_eq(secret_new_copy(content, size, &secret), 0);
    ck_assert_int_eq(hpke_seal(run->session_keys[to - 1], RUN_INFO, &(Bytes){binding, sizeof(binding)}, secret, &sealed), 0);
    ck_assert_int_eq(bytes_new(FRONT(scene) + sealed.size, &body), 0);
    memcpy(body.data, message->data, FRONT(scene));
    memcpy(body.data + FRONT(scene), sealed.data, sealed.size);
    sign_anew(scene, to, &body, message);
}

static void wrong_evaluation(Scene *scene, unsigned to, Inbox *inbox)
{
    seal_anew(scene, to, inbox, ones, 32, (uint8_t)to);
}

static void evaluation_of_wrong_size(Scene *scene, unsigned to, Inbox *inbox)
{
    seal_anew(scene, to, inbox, ones, 33, (uint8_t)to);
}

static void bound_to_another(Scene *scene, unsigned to, Inbox *inbox)
{
    seal_anew(scene, to, inbox, ones, 32, 2);
}

static void seal_broken(Scene *scene, unsigned to, Inbox *inbox)
{
    put(scene, to, inbox, 1, ones + 32, 1);
    put(scene, to, inbox, 2, ones + 32, 1);
}

static void another_outcome(Scene *scene, unsigned to, Inbox *inbox)
{
    put(scene, to, inbox, SHA256_SIZE, ones, SHA256_SIZE);
}

static const struct {
    const char *name;
    unsigned round;
    Change change;    /* of what node 1 gets */
    unsigned culprit; /* 0: it is not clear who */
    const char *words;
    unsigned later; /* so many honest rounds go by until it is noticed */
} cheats[] = {
#define CLIENT(round)                                                                                                                      \
    {"altered", round, alter, 3, "node3 (3) did not sign this message"},                                                                   \
        {"signature altered", round, alter_signature, 3, "node3 (3) did not sign"}, {"short", round, shorten, 3, "did not sign"},          \
        {"left out", round, leave_out, 0, "there is no message of node node3 (3)"},                                                        \
        {"repeated", round, repeat, 0, "two messages of node node3 (3)"}, {"from nobody", round, from_nobody, 0, "message of node "},      \
        {"from itself", round, from_itself, 0, "message of node 1"},                                                                       \
    {                                                                                                                                      \
        "from another", round, from_another, 3, "did not sign"                                                                             \
    }
    CLIENT(0),
    CLIENT(1),
    CLIENT(2),
    CLIENT(3),
    {"for another", 2, for_another, 3, "did not sign this message for this node"},
    {"replayed", 1, replay, 3, "or a message of another run was put in the place"},
    {"replayed", 2, replay, 3, "did not sign"},
    {"replayed", 3, replay, 3, "did not sign"},
    {"replayed", 0, replay, 0,
     "node2 (2) says that node node3 (3) sent it something else than this node: one of the two lies; or a message of another run", 1},
    {"hello of the wrong size", 0, hello_of_wrong_size, 3, "wrong size"},
    {"hello of another subject", 0, hello_of_another_subject, 3, "something else than this node"},
    {"hello without a key", 0, hello_without_key, 0, "node2 (2) says that node node3 (3) sent it something else than this node", 1},
    {"two hellos", 0, other_hello, 0, "node2 (2) says that node node3 (3) sent it something else than this node", 1},
    {"vector too short", 1, vector_too_short, 3, "another degree"},
    {"vector too long", 1, vector_too_long, 3, "another degree"},
    {"no content", 1, nothing_at_all, 3, "another degree"},
    {"less than the digests", 1, less_than_digests, 3, "wrong size"},
    {"constant term is the identity", 1, constant_is_identity, 3, "no points"},
    {"no point", 1, no_point, 3, "no points"},
    {"bad proof", 1, bad_proof, 3, "did not prove"},
    {"constant term of another", 1, constant_of_another, 3, "did not prove"},
    {"two polynomials", 1, two_polynomials, 0,
     "node2 (2) says that node node3 (3) sent it something else than this node: one of the two lies", 1},
    {"slanders this node", 2, slander_this_node, 3, "node3 (3) says that this node sent something else"},
    {"slanders another node", 2, slander_another_node, 0,
     "node3 (3) says that node node2 (2) sent it something else than this node: one of the two lies"},
    {"slanders this node", 1, slander_this_node, 3, "contradicts itself"},
    {"wrong evaluation", 2, wrong_evaluation, 3, "does not fit its commitments"},
    {"evaluation of the wrong size", 2, evaluation_of_wrong_size, 3, "does not fit its commitments"},
    {"no evaluation", 2, nothing_at_all, 3, "does not fit its commitments"},
    {"evaluation bound to another", 2, bound_to_another, 3, "sealed its message to something else"},
    {"seal broken", 2, seal_broken, 3, "sealed its message to something else"},
    {"less than the digests", 2, less_than_digests, 3, "wrong size"},
    {"another outcome", 3, another_outcome, 3, "does not come to the same key"},
    {"no outcome", 3, nothing_at_all, 3, "does not come to the same key"},
};

static Change current;

static void change_first(Scene *scene, unsigned to, Inbox *inbox)
{
    if (to == 1)
        current(scene, to, inbox);
}

static void note_earlier(Scene *scene, unsigned round)
{
    bytes_clear(&earlier);
    begin(scene);
    for (unsigned i = 0; i < round; i++)
        step_well(scene);

    const Bytes *message = message_for(scene, CHEATER, 1);

    ck_assert_int_eq(bytes_copy(message->data, message->size, &earlier), 0);
    end_runs(scene);
}

START_TEST(who_cheats_is_named)
{
    _cleanup_scene_ Scene scene = scene_new(3, 2);
    RunResult result;

    describe_all(&scene);
    note_earlier(&scene, cheats[_i].round);
    begin(&scene);
    for (unsigned round = 0; round < cheats[_i].round; round++)
        step_well(&scene);
    current = cheats[_i].change;
    step(&scene, change_first);
    for (unsigned i = 0; i < cheats[_i].later; i++) {
        ck_assert_msg(scene.results[0] == 0, "%s: noticed at once: %s", cheats[_i].name, scene.problems[0].text);
        step(&scene, NULL);
    }
    ck_assert_msg(scene.results[0] == RUN_E_FAILED, "%s in round %u: %d, %s", cheats[_i].name, cheats[_i].round, scene.results[0],
                  scene.problems[0].text);
    ck_assert_msg(strstr(scene.problems[0].text, cheats[_i].words), "%s in round %u: %s", cheats[_i].name, cheats[_i].round,
                  scene.problems[0].text);
    ck_assert_uint_eq(run_culprit(scene.runs[0]), cheats[_i].culprit);
    ck_assert_uint_eq(scene.said[0].count, 0);
    ck_assert(!run_result(scene.runs[0], &result));
    bytes_clear(&earlier);
}
END_TEST

/* A point of small order, to all. */
START_TEST(nothing_is_sealed_to_what_is_no_key)
{
    _cleanup_scene_ Scene scene = scene_new(3, 2);
    RunResult result;

    describe_all(&scene);
    begin(&scene);

    Run *cheater = scene.runs[CHEATER - 1];
    Bytes *message = &scene.said[CHEATER - 1].items[0].message;
    _cleanup_bytes_ Bytes body = body_of(message);

    memset(body.data + 32, 0, HPKE_PUBLIC_KEY_SIZE);
    sign_anew(&scene, 0, &body, message);
    ck_assert_int_eq(crypto_sha256(&body, 1, cheater->own_digest), 0);
    step_well(&scene);
    step(&scene, NULL);
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_int_eq(scene.results[i], RUN_E_FAILED);
        ck_assert_msg(strstr(scene.problems[i].text, "node3 (3) gave a key for this run that nothing can be sealed to"), "%s",
                      scene.problems[i].text);
        ck_assert_uint_eq(run_culprit(scene.runs[i]), 3);
        ck_assert(!run_result(scene.runs[i], &result));
    }
}
END_TEST

/* ---- Nodes that were set up differently ---- */

static void expect_first(Scene *scene, unsigned culprit, const char *words)
{
    begin(scene);
    step(scene, NULL);
    ck_assert_int_eq(scene->results[0], RUN_E_FAILED);
    ck_assert_msg(strstr(scene->problems[0].text, words), "%s", scene->problems[0].text);
    ck_assert_uint_eq(run_culprit(scene->runs[0]), culprit);
    end_runs(scene);
}

START_TEST(nodes_agree_on_who_they_are)
{
    _cleanup_scene_ Scene scene = scene_new(3, 2);

    /* Node 3 has another node 2 in mind. */
    describe_all(&scene);
    scene.subjects[2].parties[1].identity_key[0] ^= 1;
    expect_first(&scene, 3, "node3 (3) knows the nodes of this token by other identity keys than this node");
    /* This node has not been told of node 2's new key. */
    describe_all(&scene);
    scene.subjects[0].parties[1].identity_key[0] ^= 1;
    expect_first(&scene, 2, "'kqctl node peers'");
    /* Another threshold; another token. */
    describe_all(&scene);
    scene.subjects[1].k = 3;
    expect_first(&scene, 2, "another threshold");
    describe_all(&scene);
    scene.subjects[1].token[0] ^= 1;
    expect_first(&scene, 2, "node2 (2)");
}
END_TEST

/* A client that invents a node: it has a key for it, which the others do not pin. */
START_TEST(an_invented_node_gets_nothing)
{
    _cleanup_scene_ Scene scene = scene_new(3, 2);
    uint8_t real[NODE_PUBLIC_KEY_SIZE];

    describe_all(&scene);
    memcpy(real, scene.subjects[0].parties[2].identity_key, sizeof(real));
    ck_assert_int_eq(crypto_random(secret_data(scene.own[2].seed), 32), 0);
    describe(&scene, 3);
    memcpy(scene.subjects[2].parties[2].identity_key, real, sizeof(real));
    expect_first(&scene, 3, "did not sign");
}
END_TEST

START_TEST(nodes_agree_on_what_it_is_about)
{
    _cleanup_scene_ Scene scene = scene_new(3, 2);
    NodeRecord other = scene.record;

    describe_all(&scene);
    other.private_label = (char *)"another";
    scene.subjects[1].record = &other;
    expect_first(&scene, 2, "node2 (2) was asked to take part in something else");
    other = scene.record;
    other.not_after = 1;
    expect_first(&scene, 2, "something else");
    /* The label of one is not that of the other. */
    other = scene.record;
    other.private_label = (char *)"lab";
    other.public_label = (char *)"el";
    expect_first(&scene, 2, "something else");
}
END_TEST

/* ---- What this process cannot do ---- */

static int sign_not(void *userdata, const Bytes *statement, uint8_t ret_signature[RUN_SIGNATURE_SIZE], Problem *problem)
{
    return problem_set(problem, -ENOKEY, "the key is gone");
}

START_TEST(without_an_identity_key_there_is_no_run)
{
    _cleanup_scene_ Scene scene = scene_new(3, 2);
    _cleanup_run_ Run *run = NULL;
    Problem problem = PROBLEM_INIT;

    describe_all(&scene);
    begin(&scene);
    scene.subjects[0].sign = sign_not;
    ck_assert_int_eq(run_new(&scene.subjects[0], &run, &scene.said[0], &problem), -ENOKEY);
    ck_assert_str_eq(problem.text, "the key is gone");
    ck_assert_ptr_null(run);
    ck_assert_ptr_null(run_kind_by_name("nothing"));
    ck_assert_ptr_null(run_kind_by_name(""));
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_test(cases, nodes_make_a_key);
    tcase_add_test(cases, every_run_makes_another_key);
    tcase_add_loop_test(cases, who_cheats_is_named, 0, ELEMENTS(cheats));
    tcase_add_test(cases, nothing_is_sealed_to_what_is_no_key);
    tcase_add_test(cases, nodes_agree_on_who_they_are);
    tcase_add_test(cases, an_invented_node_gets_nothing);
    tcase_add_test(cases, nodes_agree_on_what_it_is_about);
    tcase_add_test(cases, without_an_identity_key_there_is_no_run);
}

UNIT_MAIN("run", add_tests)
