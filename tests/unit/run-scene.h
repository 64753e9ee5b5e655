/* Nodes that take part in a run, all in this process; the test is the client that carries their messages. Everything is node i - 1's. */
#pragma once

#include "base/crypto.h"
#include "node/identity.h"
#include "node/run-kind.h"
#include "threshold/ed25519-group.h"
#include "unit.h"

#include <string.h>

/* What a node has of its own. */
typedef struct Own {
    Secret *seed;
    const Secret *share; /* of the key whose shares are made anew */
} Own;

typedef struct Scene {
    const char *kind;
    unsigned n, k;
    const Bytes *common; /* of that key; NULL: none */
    Own own[NODE_INDEX_MAX];
    NodeRecord record;
    RunSubject subjects[NODE_INDEX_MAX];
    Run *runs[NODE_INDEX_MAX];
    RunMessages said[NODE_INDEX_MAX]; /* in the round that is awaited */
    int results[NODE_INDEX_MAX];      /* of the last step */
    Problem problems[NODE_INDEX_MAX];
} Scene;

static inline int sign(void *userdata, const Bytes *statement, uint8_t ret_signature[RUN_SIGNATURE_SIZE], Problem *problem)
{
    return identity_sign(((Own *)userdata)->seed, statement, ret_signature);
}

static inline int use_share(void *userdata, RunUse use, void *context, Problem *problem)
{
    return use(context, ((Own *)userdata)->share);
}

static inline void describe(Scene *scene, unsigned index)
{
    RunSubject *subject = &scene->subjects[index - 1];

    *subject = (RunSubject){.kind = run_kind_by_name(scene->kind),
                            .token = "a token, 16 byte",
                            .n = scene->n,
                            .k = scene->k,
                            .nodes = ((uint32_t)1 << scene->n) - 1,
                            .record = &scene->record,
                            .index = index,
                            .sign = sign,
                            .common = scene->common,
                            .approved = scene->common,
                            .use_share = scene->common ? use_share : NULL,
                            .userdata = &scene->own[index - 1]};
    for (unsigned i = 0; i < scene->n; i++) {
        (void)snprintf(subject->parties[i].name, sizeof(subject->parties[i].name), "node%u", i + 1);
        ck_assert_int_eq(identity_public(scene->own[i].seed, subject->parties[i].identity_key), 0);
    }
}

static inline Scene scene_new(unsigned n, unsigned k)
{
    Scene scene = {.kind = "generate", .n = n, .k = k};
    Problem problem = PROBLEM_INIT;

    ck_assert_msg(ed25519_group_init(&problem) == 0, "%s", problem.text);
    scene.record = (NodeRecord){.version = 1, .private_label = (char *)"label", .public_label = (char *)""};
    for (unsigned i = 0; i < n; i++) {
        ck_assert_int_eq(secret_new(32, &scene.own[i].seed), 0);
        ck_assert_int_eq(crypto_random(secret_data(scene.own[i].seed), 32), 0);
    }
    return scene;
}

static inline void end_runs(Scene *scene)
{
    for (unsigned i = 0; i < scene->n; i++) {
        scene->runs[i] = run_free(scene->runs[i]);
        run_messages_clear(&scene->said[i]);
    }
}

static inline void scene_clear(Scene *scene)
{
    end_runs(scene);
    for (unsigned i = 0; i < scene->n; i++)
        secret_free(scene->own[i].seed);
}
#define _cleanup_scene_ _cleanup_(scene_clear)

static inline void describe_all(Scene *scene)
{
    for (unsigned i = 1; i <= scene->n; i++)
        describe(scene, i);
}

static inline void begin(Scene *scene)
{
    for (unsigned i = 0; i < scene->n; i++)
        ck_assert_msg(run_new(&scene->subjects[i], &scene->runs[i], &scene->said[i], &scene->problems[i]) == 0, "%s",
                      scene->problems[i].text);
}

/* ---- The client ---- */

typedef struct Inbox {
    NodeRunMessage items[NODE_INDEX_MAX];
    size_t count;
} Inbox;

static inline void inbox_clear(Inbox *inbox)
{
    for (size_t i = 0; i < inbox->count; i++)
        bytes_clear(&inbox->items[i].message);
    inbox->count = 0;
}
#define _cleanup_inbox_ _cleanup_(inbox_clear)

static inline const Bytes *message_for(const Scene *scene, unsigned from, unsigned to)
{
    const RunMessages *said = &scene->said[from - 1];

    for (size_t i = 0; i < said->count; i++)
        if (said->items[i].index == 0 || said->items[i].index == to)
            return &said->items[i].message;
    ck_abort_msg("node %u says nothing to node %u", from, to);
    return NULL;
}

static inline void collect(const Scene *scene, unsigned to, Inbox *inbox)
{
    for (unsigned from = 1; from <= scene->n; from++) {
        if (from == to)
            continue;

        const Bytes *message = message_for(scene, from, to);
        NodeRunMessage *item = &inbox->items[inbox->count++];

        item->index = from;
        ck_assert_int_eq(bytes_copy(message->data, message->size, &item->message), 0);
    }
}

static inline NodeRunMessage *item_of(Inbox *inbox, unsigned from)
{
    for (size_t i = 0; i < inbox->count; i++)
        if (inbox->items[i].index == from)
            return &inbox->items[i];
    ck_abort_msg("there is nothing from node %u", from);
    return NULL;
}

/* Changes what node `to` gets in one round. */
typedef void (*Change)(Scene *scene, unsigned to, Inbox *inbox);

/* A step of all nodes. `change` NULL: honest. */
static inline void step(Scene *scene, Change change)
{
    RunMessages next[NODE_INDEX_MAX] = {{{{0}}}};
    Inbox inboxes[NODE_INDEX_MAX] = {{{{0}}}};

    for (unsigned i = 0; i < scene->n; i++) {
        collect(scene, i + 1, &inboxes[i]);
        if (change)
            change(scene, i + 1, &inboxes[i]);
    }
    for (unsigned i = 0; i < scene->n; i++) {
        const List list = {inboxes[i].items, inboxes[i].count};

        scene->results[i] = run_step(scene->runs[i], &list, &next[i], &scene->problems[i]);
        inbox_clear(&inboxes[i]);
        run_messages_clear(&scene->said[i]);
        scene->said[i] = next[i];
    }
}

static inline void step_well(Scene *scene)
{
    step(scene, NULL);
    for (unsigned i = 0; i < scene->n; i++)
        ck_assert_msg(scene->results[i] == 0, "node %u: %s", i + 1, scene->problems[i].text);
}
