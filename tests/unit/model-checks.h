/* What the tests of keys say over and over about a model quorum. */
#pragma once

#include "model-quorum.h"
#include "quorum/generate.h"

#include <string.h>

#define ALL node_set_all(model.key->n)

typedef struct Keys {
    QuorumKey **items;
    size_t count;
} Keys;

static inline void keys_clear(Keys *keys)
{
    quorum_keys_free(keys->items, keys->count);
}
#define _cleanup_keys_ _cleanup_(keys_clear)

static inline Keys list_keys(void)
{
    Problem problem = PROBLEM_INIT;
    Keys keys;
    int r = quorum_keys(&model.quorum, 0, &keys.items, &keys.count, &problem);

    ck_assert_msg(r == 0, "%d: %s", r, problem.text);
    return keys;
}

static inline size_t count_keys(void)
{
    _cleanup_keys_ Keys keys = list_keys();

    return keys.count;
}

/* The private label that is shown for the only key. */
static inline void check_label(const char *label)
{
    _cleanup_keys_ Keys keys = list_keys();

    ck_assert_uint_eq(keys.count, 1);
    ck_assert_str_eq(quorum_key_record(keys.items[0])->private_label, label);
}

typedef struct Told {
    unsigned done, left; /* findings of quorum_sync() */
    char text[8192];
} Told;

static inline void told(void *userdata, bool done, const char *text)
{
    Told *to = userdata;

    *(done ? &to->done : &to->left) += 1;
    strncat(to->text, text, sizeof(to->text) - strlen(to->text) - 2);
    strcat(to->text, "\n");
}

static inline Told sync_nodes(bool discard_pending)
{
    Problem problem = PROBLEM_INIT;
    Told to = {0};
    int r = quorum_sync(&model.quorum, discard_pending, NULL, told, &to, &problem);

    ck_assert_msg(r == 0, "%d: %s", r, problem.text);
    return to;
}

static inline void check_nodes_agree(void)
{
    _cleanup_free_ char *first = model_describe(1);

    for (unsigned i = 2; i <= model.key->n; i++) {
        _cleanup_free_ char *other = model_describe(i);

        ck_assert_str_eq(other, first);
    }
}

static inline unsigned count_changes(void)
{
    unsigned changes = 0;

    for (unsigned i = 0; i < model.key->n; i++)
        changes += model.nodes[i].changes;
    return changes;
}

/* Sync brings the nodes together, and a second one finds nothing to do. */
static inline void check_sync(void)
{
    unsigned changes;
    Told to = sync_nodes(true);

    check_nodes_agree();
    ck_assert_msg(to.left == 0, "%s", to.text);
    changes = count_changes();
    to = sync_nodes(true);
    ck_assert_msg(to.done == 0 && to.left == 0, "%s", to.text);
    ck_assert_uint_eq(count_changes(), changes);
}

static inline int make_key(QuorumKey **ret_key, Problem *problem)
{
    Deal deal = model_deal();
    const GenerateRequest request = {
        .algorithm = THRESHOLD_RSA,
        .bits = model.key->bits,
        .custody = CUSTODY_KEYRING,
        .record = {.private_label = (char *)"old", .public_label = (char *)"old"},
    };

    return quorum_create_from_deal(&model.quorum, &request, &deal, ret_key, problem);
}

static inline int set_label_from(const KeyId *id, uint64_t version, const char *label)
{
    KeyRecord record = {.version = version, .private_label = (char *)label, .public_label = (char *)label};
    Problem problem = PROBLEM_INIT;

    return quorum_set_record(&model.quorum, id, &record, &problem);
}

/* From what is visible now. */
static inline int set_label(const KeyId *id, const char *label)
{
    Keys keys = {0};
    QuorumKey *known;
    uint64_t version = 0;

    if (quorum_keys(&model.quorum, 0, &keys.items, &keys.count, NULL) == 0)
        keys_clear(&keys);
    known = quorum_key_by_id(&model.quorum, id);
    if (known)
        version = quorum_key_record(known)->version;
    quorum_key_unref(known);
    return set_label_from(id, version, label);
}

static inline int destroy_key(const KeyId *id)
{
    Problem problem = PROBLEM_INIT;

    return quorum_destroy(&model.quorum, id, &problem);
}

static inline void start(void)
{
    model_start(&rsa2048_3_of_5);
}
