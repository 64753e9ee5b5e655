/* What is on its way in a node when something else is done first. The node is one whose signatures the test can hold (hold-power.c). */
#include "node-fixture.h"
#include "share-fixture.h"
#include "unit.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

typedef struct Fixture {
    TestNode node;
    DealtKey keys[3]; /* 0 is loaded, 1 is not, 2 is not known to the node */
    Bytes sealed;     /* of 2 */
    Link *link;
    pid_t loader; /* stopped */
} Fixture;

static void fixture_clear(Fixture *fixture)
{
    (void)link_close(fixture->link);
    bytes_clear(&fixture->sealed);
    for (size_t i = 0; i < ELEMENTS(fixture->keys); i++)
        dealt_key_clear(&fixture->keys[i]);
    test_node_clear(&fixture->node);
}

#define _cleanup_fixture_ _cleanup_(fixture_clear)

static NodeError sign(Link *link, const DealtKey *key)
{
    const Digest digest = test_digest(HASH_SHA256, 7);

    return call_sign(link, &key->id, &digest, NULL);
}

/* To be sent without waiting. When the node has answered somebody else afterwards, it has read it. */
static void send_sign(const Fixture *fixture, Link *link, const DealtKey *key)
{
    const Digest digest = test_digest(HASH_SHA256, 7);
    const NodePartialSignInput input = {
        {(uint8_t *)(uintptr_t)key->id.bytes, KEY_ID_SIZE}, (char *)"sha256", {(uint8_t *)(uintptr_t)digest.bytes, digest.size}};

    ck_assert_int_eq(link_call(link, NODE_METHOD("PartialSign"), &node_partial_sign_input, &input), 0);
    (void)call_key_state(fixture->link, &key->id);
}

static void send_key(const Fixture *fixture, Link *link, const char *method, const DealtKey *key)
{
    const NodeKeyInput input = {{(uint8_t *)(uintptr_t)key->id.bytes, KEY_ID_SIZE}};

    ck_assert_int_eq(link_call(link, method, &node_key_input, &input), 0);
    (void)call_key_state(fixture->link, &key->id);
}

static void send_unlock(const Fixture *fixture, Link *link, const DealtKey *key)
{
    const NodeUnlockInput input = {{(uint8_t *)(uintptr_t)key->id.bytes, KEY_ID_SIZE}, .seconds = 3600};

    ck_assert_int_eq(link_call(link, NODE_METHOD("UnlockKey"), &node_unlock_input, &input), 0);
    (void)call_key_state(fixture->link, &key->id);
}

static void send_prepare(const Fixture *fixture, Link *link)
{
    const NodePrepareInput input = {fixture->sealed, test_record(1, "label")};

    ck_assert_int_eq(link_call(link, NODE_METHOD("PrepareKey"), &node_prepare_input, &input), 0);
    (void)call_key_state(fixture->link, &fixture->keys[2].id);
}

/* Wait for the reply; the error without its interface, "" for none. */
static const char *take(Link *link)
{
    static char name[128];
    _cleanup_reply_ Reply *reply = NULL;
    int r;

    while ((r = link_take_reply(link, &reply)) == 0) {
        struct pollfd poll_fd = {.fd = link_fd(link), .events = link_events(link)};

        ck_assert_int_eq(poll(&poll_fd, 1, 30000), 1);
        ck_assert_int_eq(link_advance(link), 0);
    }
    ck_assert_int_eq(r, 1);
    (void)snprintf(name, sizeof(name), "%s", reply_error(reply) ? strrchr(reply_error(reply), '.') + 1 : "");
    return name;
}

/* ---- In line behind a load: the key lane waits for a loader that is stopped ------------------------------------------------------- */

static void fixture_start(Fixture *fixture)
{
    TestNode *node = &fixture->node;

    *node = test_node_new();
    for (unsigned i = 0; i < ELEMENTS(fixture->keys); i++)
        fixture->keys[i] = dealt_key(i);
    fixture->sealed = dealt_key_seal(&fixture->keys[2], node, node->index, node->index);
    test_node_add_gate(node);
    test_node_put_known_loader(node);
    test_node_start(node);
    call_init_token(node);
    fixture->link = call_open_logged_in(node);
    for (unsigned i = 0; i < 2; i++)
        call_make_active(fixture->link, node, &fixture->keys[i]);
    ck_assert_int_eq(call_authorize(node, "ns1", 1, 0, "sign"), NODE_ERROR_NONE);
    (void)link_close(fixture->link);
    test_node_restart(node);
    fixture->link = call_open_logged_in(node);
    ck_assert_int_eq(sign(fixture->link, &fixture->keys[0]), NODE_ERROR_NONE);
    fixture->loader = test_node_loader(node);
    ck_assert_int_eq(kill(fixture->loader, SIGSTOP), 0);
}

/* In the sum that the node tells when it ends. */
static void check_counted(Fixture *fixture, const char *client, const DealtKey *key, const char *counts)
{
    char id[2 * KEY_ID_SIZE + 1], words[256];

    key_id_format(&key->id, id);
    (void)snprintf(words, sizeof(words), "%s signed with key %s: %s", client, id, counts);
    (void)test_node_stop(&fixture->node, SIGTERM);
    ck_assert_msg(test_node_logged(&fixture->node, words), "%s", words);
}

START_TEST(a_load_that_is_not_needed_any_more_is_not_told)
{
    _cleanup_fixture_ Fixture fixture = {0};
    const DealtKey *key = &fixture.keys[1];
    char id[2 * KEY_ID_SIZE + 1], words[128];

    fixture_start(&fixture);

    _cleanup_link_ Link *preparing = call_open_logged_in(&fixture.node), *destroying = call_open_logged_in(&fixture.node),
                        *signing = call_open_logged_in(&fixture.node);

    send_prepare(&fixture, preparing);
    send_key(&fixture, destroying, NODE_METHOD("DestroyKey"), key);
    send_sign(&fixture, signing, key);
    ck_assert_int_eq(kill(fixture.loader, SIGCONT), 0);
    ck_assert_str_eq(take(preparing), "");
    ck_assert_str_eq(take(destroying), "");
    ck_assert_str_eq(take(signing), "KeyDestroyed");
    (void)test_node_stop(&fixture.node, SIGTERM);
    key_id_format(&key->id, id);
    (void)snprintf(words, sizeof(words), "loads key %s", id);
    ck_assert(!test_node_logged(&fixture.node, words));
    key_id_format(&fixture.keys[0].id, id);
    (void)snprintf(words, sizeof(words), "loads key %s: done", id);
    ck_assert(test_node_logged(&fixture.node, words));
}
END_TEST

START_TEST(who_lost_the_authorization_is_not_signed_for)
{
    _cleanup_fixture_ Fixture fixture = {0};

    fixture_start(&fixture);

    _cleanup_link_ Link *signing = call_open_logged_in_as(&fixture.node, "ns1"), *other = call_open_logged_in(&fixture.node);

    send_sign(&fixture, signing, &fixture.keys[1]);
    send_sign(&fixture, other, &fixture.keys[1]);
    ck_assert_int_eq(call_deauthorize(&fixture.node, "ns1"), NODE_ERROR_NONE);
    call_wait_closed(signing);
    ck_assert_int_eq(kill(fixture.loader, SIGCONT), 0);
    ck_assert_str_eq(take(other), "");
    check_counted(&fixture, "ns1", &fixture.keys[1], "0 partial signatures");
}
END_TEST

/* What stands in line before the lock has opened the key. */
START_TEST(a_lock_closes_what_was_opened_before_it)
{
    _cleanup_fixture_ Fixture fixture = {0};
    const DealtKey *key = &fixture.keys[0];

    fixture_start(&fixture);
    ck_assert_int_eq(call_key(fixture.link, "LockKey", &key->id), NODE_ERROR_NONE);

    _cleanup_link_ Link *preparing = call_open_logged_in(&fixture.node), *opening = call_open(&fixture.node),
                        *locking = call_open(&fixture.node);

    send_prepare(&fixture, preparing);
    send_unlock(&fixture, opening, key);
    send_key(&fixture, locking, NODE_METHOD("LockKey"), key);
    ck_assert_int_eq(kill(fixture.loader, SIGCONT), 0);
    ck_assert_str_eq(take(preparing), "");
    ck_assert_str_eq(take(opening), "");
    ck_assert_str_eq(take(locking), "");
    ck_assert_int_eq(sign(fixture.link, key), NODE_ERROR_KEY_LOCKED);
}
END_TEST

/* ---- Computed, and not given yet --------------------------------------------------------------------------------------------------- */

static void make_pipe(const char *prefix, const char *suffix)
{
    char path[PATH_MAX];

    (void)snprintf(path, sizeof(path), "%s%s", prefix, suffix);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
}

/* Waits for the node at the other end. */
static void meet(const char *prefix, const char *suffix, int flags)
{
    char path[PATH_MAX];

    (void)snprintf(path, sizeof(path), "%s%s", prefix, suffix);

    _cleanup_close_ int fd = open(path, flags | O_CLOEXEC);

    ck_assert_int_ge(fd, 0);
    (void)unlink(path);
}

/* A node, and two connections. It holds what it computes for the one until the other has had its answer. */
typedef struct Held {
    TestNode node;
    Link *link, *signing;
    char pipes[PATH_MAX - 32];
} Held;

static void held_start(Held *held)
{
    held->node = test_node_new();
    (void)snprintf(held->pipes, sizeof(held->pipes), "%s/hold", held->node.directory);
    ck_assert_int_eq(setenv("HOLD_POWER", held->pipes, 1), 0);
    test_node_start(&held->node);
    call_init_token(&held->node);
    held->link = call_open_logged_in(&held->node);
    held->signing = call_open_logged_in(&held->node);
}

static void held_clear(Held *held)
{
    (void)link_close(held->link);
    (void)link_close(held->signing);
    test_node_clear(&held->node);
}

#define _cleanup_held_ _cleanup_(held_clear)

static void lock_and_open(const Held *held, const KeyId *id)
{
    const NodeUnlockInput unlock = {{(uint8_t *)(uintptr_t)id->bytes, KEY_ID_SIZE}, .seconds = 3600};

    ck_assert_int_eq(call_key(held->link, "LockKey", id), NODE_ERROR_NONE);
    call_well(held->link, "UnlockKey", &unlock, NULL);
}

static void hold(const Held *held)
{
    make_pipe(held->pipes, ".computed");
    make_pipe(held->pipes, ".go");
}

static const char *take_after(const Held *held, const char *method, const KeyId *id)
{
    meet(held->pipes, ".computed", O_RDONLY);
    ck_assert_int_eq(call_key(held->link, method, id), NODE_ERROR_NONE);
    meet(held->pipes, ".go", O_WRONLY);
    return take(held->signing);
}

/* Once DestroyKey or LockKey is answered, nobody is given a signature that was begun before. */
static const struct {
    const char *method, *error;
} ends[] = {{"DestroyKey", "KeyDestroyed"}, {"LockKey", "KeyLocked"}};

START_TEST(no_partial_signature_is_given_after)
{
    _cleanup_held_ Held held = {0};
    _cleanup_dealt_key_ DealtKey key = dealt_key(0);

    held_start(&held);
    call_make_active(held.link, &held.node, &key);
    lock_and_open(&held, &key.id);
    hold(&held);
    send_sign(&(Fixture){.link = held.link}, held.signing, &key);
    ck_assert_str_eq(take_after(&held, ends[_i].method, &key.id), ends[_i].error);
}
END_TEST

START_TEST(no_share_of_a_signature_is_given_after)
{
    _cleanup_held_ Held held = {0};
    _cleanup_ed_key_ EdKey key = ed_key(5, 3);
    _cleanup_signing_ Signing signing = {0};
    uint8_t list[3 * FROST_COMMITMENT_SIZE];
    NodeSignShareInput input = {{key.id.bytes, KEY_ID_SIZE}, {(uint8_t *)(uintptr_t) "message", 7}, {list, sizeof(list)}, 4};
    FrostCommitment commitment;

    held_start(&held);
    call_make_active_ed(held.link, &held.node, &key);
    lock_and_open(&held, &key.id);
    commitment = call_commitment(held.signing, &key);
    mixed_begin(&signing, &key, &commitment, "message", 7);
    frost_commitments_write(signing.commitments, 3, list);
    hold(&held);
    ck_assert_int_eq(link_call(held.signing, NODE_METHOD("SignShare"), &node_sign_share_input, &input), 0);
    ck_assert_str_eq(take_after(&held, ends[_i].method, &key.id), ends[_i].error);
}
END_TEST

START_TEST(no_commitments_to_a_destroyed_key_are_given)
{
    _cleanup_held_ Held held = {0};
    _cleanup_ed_key_ EdKey key = ed_key(5, 3);
    const NodeGetCommitmentsInput input = {{key.id.bytes, KEY_ID_SIZE}, 4};

    held_start(&held);
    call_make_active_ed(held.link, &held.node, &key);
    hold(&held);
    ck_assert_int_eq(link_call(held.signing, NODE_METHOD("GetCommitments"), &node_get_commitments_input, &input), 0);
    ck_assert_str_eq(take_after(&held, "DestroyKey", &key.id), "KeyDestroyed");
}
END_TEST

static void add(TCase *cases)
{
    tcase_add_test(cases, a_load_that_is_not_needed_any_more_is_not_told);
    tcase_add_test(cases, who_lost_the_authorization_is_not_signed_for);
    tcase_add_test(cases, a_lock_closes_what_was_opened_before_it);
    tcase_add_loop_test(cases, no_partial_signature_is_given_after, 0, ELEMENTS(ends));
    tcase_add_loop_test(cases, no_share_of_a_signature_is_given_after, 0, ELEMENTS(ends));
    tcase_add_test(cases, no_commitments_to_a_destroyed_key_are_given);
}

UNIT_MAIN("node-order", add)
