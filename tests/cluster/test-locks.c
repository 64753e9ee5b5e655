/* Locked keys: what opens them, for how long and how often, and what forgets it (docs/protocol.md "Locked keys"). */
#include "node-fixture.h"
#include "unit.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

static NodeError lock(Link *link, const KeyId *id)
{
    return call_key(link, "LockKey", id);
}

static NodeError unlock(Link *link, const KeyId *id, uint64_t seconds, uint64_t count, bool permanently)
{
    const NodeUnlockInput input = {{(uint8_t *)(uintptr_t)id->bytes, KEY_ID_SIZE}, seconds, count, permanently};

    return call(link, "UnlockKey", &input, NULL);
}

static NodeError sign(Link *link, const DealtKey *key)
{
    const Digest digest = test_digest(HASH_SHA256, 7);

    return call_sign(link, &key->id, &digest, NULL);
}

/* -1: there is no such key. */
static int shown_as_locked(Link *link, const KeyId *id)
{
    const NodeListInput input = {0};
    NodeListOutput output = {0};
    int locked = -1;

    call_well(link, "ListKeys", &input, &output);
    for (size_t i = 0; i < output.keys.count; i++) {
        const NodeKeyEntry *entry = (const NodeKeyEntry *)output.keys.items + i;

        if (memcmp(entry->key.data, id->bytes, KEY_ID_SIZE) == 0)
            locked = entry->locked;
    }
    message_clear(&node_list_output, &output);
    return locked;
}

START_TEST(a_locked_key_signs_nothing_until_it_is_opened)
{
    _cleanup_test_node_ TestNode node = test_node_running();
    _cleanup_link_ Link *link = call_open_logged_in(&node);
    _cleanup_dealt_key_ DealtKey key = dealt_key(0), other = dealt_key(1);

    call_make_active(link, &node, &key);
    call_make_active(link, &node, &other);
    ck_assert_int_eq(sign(link, &key), NODE_ERROR_NONE);
    ck_assert_int_eq(shown_as_locked(link, &key.id), 0);
    for (unsigned times = 0; times < 2; times++) { /* the same again changes nothing */
        ck_assert_int_eq(lock(link, &key.id), NODE_ERROR_NONE);
        ck_assert_int_eq(sign(link, &key), NODE_ERROR_KEY_LOCKED);
        ck_assert_ptr_nonnull(strstr(call_detail.reason, "alpha"));
        ck_assert_int_eq(shown_as_locked(link, &key.id), 1);
    }
    ck_assert_int_eq(sign(link, &other), NODE_ERROR_NONE);
    ck_assert_int_eq(unlock(link, &key.id, 0, 2, false), NODE_ERROR_NONE);
    ck_assert_int_eq(shown_as_locked(link, &key.id), 1);
    ck_assert_int_eq(sign(link, &key), NODE_ERROR_NONE);
    ck_assert_int_eq(sign(link, &key), NODE_ERROR_NONE);
    ck_assert_int_eq(sign(link, &key), NODE_ERROR_KEY_LOCKED);
    ck_assert_int_eq(unlock(link, &key.id, 3600, 0, false), NODE_ERROR_NONE);
    for (unsigned i = 0; i < 5; i++)
        ck_assert_int_eq(sign(link, &key), NODE_ERROR_NONE);
    ck_assert_int_eq(lock(link, &key.id), NODE_ERROR_NONE); /* closes at once */
    ck_assert_int_eq(sign(link, &key), NODE_ERROR_KEY_LOCKED);
    ck_assert_int_eq(unlock(link, &key.id, 0, 0, true), NODE_ERROR_NONE);
    ck_assert_int_eq(unlock(link, &key.id, 0, 0, true), NODE_ERROR_NONE);
    ck_assert_int_eq(sign(link, &key), NODE_ERROR_NONE);
    ck_assert_int_eq(shown_as_locked(link, &key.id), 0);
}
END_TEST

START_TEST(a_restart_locks)
{
    _cleanup_test_node_ TestNode node = test_node_running();
    Link *link = call_open_logged_in(&node);
    _cleanup_dealt_key_ DealtKey key = dealt_key(0);
    NodeRecord record = test_record(2, "one");

    call_make_active(link, &node, &key);
    ck_assert_int_eq(call_set_record(link, &key.id, &record), NODE_ERROR_NONE);
    ck_assert_int_eq(lock(link, &key.id), NODE_ERROR_NONE);
    ck_assert_int_eq(unlock(link, &key.id, 3600, 1000, false), NODE_ERROR_NONE);
    ck_assert_int_eq(sign(link, &key), NODE_ERROR_NONE);
    record = test_record(3, "another"); /* a change of the record is none of the lock */
    ck_assert_int_eq(call_set_record(link, &key.id, &record), NODE_ERROR_NONE);
    ck_assert_int_eq(sign(link, &key), NODE_ERROR_NONE);
    (void)link_close(link);
    test_node_restart(&node);
    link = call_open_logged_in(&node);
    ck_assert_int_eq(shown_as_locked(link, &key.id), 1);
    ck_assert_int_eq(sign(link, &key), NODE_ERROR_KEY_LOCKED);
    ck_assert_int_eq(unlock(link, &key.id, 0, 0, true), NODE_ERROR_NONE);
    (void)link_close(link);
    test_node_restart(&node);
    link = call_open_logged_in(&node);
    ck_assert_int_eq(sign(link, &key), NODE_ERROR_NONE);
    ck_assert_int_eq(shown_as_locked(link, &key.id), 0);
    (void)link_close(link);
}
END_TEST

START_TEST(an_opening_ends_with_its_time)
{
    _cleanup_test_node_ TestNode node = test_node_running();
    _cleanup_link_ Link *link = call_open_logged_in(&node);
    _cleanup_dealt_key_ DealtKey key = dealt_key(0);
    unsigned signatures = 0;

    call_make_active(link, &node, &key);
    ck_assert_int_eq(lock(link, &key.id), NODE_ERROR_NONE);

    const Microseconds start = clock_now();

    ck_assert_int_eq(unlock(link, &key.id, 1, 0, false), NODE_ERROR_NONE);

    const Microseconds opened = clock_now();
    NodeError error;

    while ((error = sign(link, &key)) == NODE_ERROR_NONE)
        signatures++;
    ck_assert_int_eq(error, NODE_ERROR_KEY_LOCKED);
    ck_assert_uint_gt(signatures, 0);
    ck_assert_uint_ge(clock_now(), start + MICROSECONDS_PER_SECOND);
    ck_assert_uint_lt(clock_now(), opened + 5 * MICROSECONDS_PER_SECOND);
    /* Whichever ends first. */
    ck_assert_int_eq(unlock(link, &key.id, 3600, 1, false), NODE_ERROR_NONE);
    ck_assert_int_eq(sign(link, &key), NODE_ERROR_NONE);
    ck_assert_int_eq(sign(link, &key), NODE_ERROR_KEY_LOCKED);
}
END_TEST

START_TEST(senseless_openings_are_refused)
{
    _cleanup_test_node_ TestNode node = test_node_running();
    _cleanup_link_ Link *link = call_open_logged_in(&node);
    _cleanup_dealt_key_ DealtKey key = dealt_key(0), other = dealt_key(1);

    call_make_active(link, &node, &key);
    ck_assert_int_eq(unlock(link, &key.id, 10, 10, false), NODE_ERROR_REJECTED); /* it is not locked */
    ck_assert_int_eq(unlock(link, &key.id, 0, 0, false), NODE_ERROR_UNKNOWN);
    ck_assert_int_eq(unlock(link, &key.id, 1, 0, true), NODE_ERROR_UNKNOWN);
    ck_assert_int_eq(unlock(link, &key.id, 0, 1, true), NODE_ERROR_UNKNOWN);
    ck_assert_str_eq(call_error, "org.varlink.service.InvalidParameter");
    ck_assert_int_eq(unlock(link, &other.id, 1, 1, false), NODE_ERROR_UNKNOWN_KEY);
    ck_assert_int_eq(lock(link, &other.id), NODE_ERROR_UNKNOWN_KEY);
    ck_assert_int_eq(call_key(link, "DestroyKey", &key.id), NODE_ERROR_NONE);
    ck_assert_int_eq(lock(link, &key.id), NODE_ERROR_KEY_DESTROYED);
    ck_assert_int_eq(unlock(link, &key.id, 1, 1, false), NODE_ERROR_KEY_DESTROYED);
}
END_TEST

/* A locked key is tested and activated as any other, and then signs nothing. */
START_TEST(a_lock_does_not_stand_in_the_way_of_the_test)
{
    _cleanup_test_node_ TestNode node = test_node_running();
    _cleanup_link_ Link *link = call_open_logged_in(&node);
    _cleanup_dealt_key_ DealtKey key = dealt_key(0);
    _cleanup_bytes_ Bytes sealed = dealt_key_seal(&key, &node, node.index, node.index), partial = {0};
    const Digest statement = dealt_key_statement(&key);
    uint8_t signature[THRESHOLD_SIGNATURE_SIZE_MAX];

    ck_assert_int_eq(call_prepare(link, &sealed), NODE_ERROR_NONE);
    ck_assert_int_eq(lock(link, &key.id), NODE_ERROR_NONE);
    ck_assert_int_eq(call_sign(link, &key.id, &statement, &partial), NODE_ERROR_NONE);
    dealt_key_combine(&key, &statement, &partial, signature);
    ck_assert_int_eq(call_activate(link, &key.id, signature, threshold_key_signature_size(key.key)), NODE_ERROR_NONE);
    ck_assert_int_eq(sign(link, &key), NODE_ERROR_KEY_LOCKED);
    ck_assert_int_eq(call_sign(link, &key.id, &statement, NULL), NODE_ERROR_KEY_LOCKED);
}
END_TEST

/* ---- Many at once ------------------------------------------------------------------------------------------------------------------- */

#define CALLERS 8
#define EACH    20

typedef struct Caller {
    const TestNode *node;
    const DealtKey *key;
    pthread_t thread;
    unsigned signatures, refusals;
} Caller;

/* Pipelined, so that as many as can be are under way together. */
static void *call_many(void *userdata)
{
    Caller *caller = userdata;
    _cleanup_link_ Link *link = call_open_logged_in(caller->node);
    const Digest digest = test_digest(HASH_SHA256, 8);
    const NodePartialSignInput input = {
        {(uint8_t *)(uintptr_t)caller->key->id.bytes, KEY_ID_SIZE}, (char *)"sha256", {(uint8_t *)(uintptr_t)digest.bytes, digest.size}};

    for (unsigned i = 0; i < EACH; i++)
        ck_assert_int_eq(link_call(link, NODE_METHOD("PartialSign"), &node_partial_sign_input, &input), 0);
    while (link_outstanding(link) > 0) {
        _cleanup_reply_ Reply *reply = NULL;
        struct pollfd poll_fd = {.fd = link_fd(link), .events = link_events(link)};

        if (link_take_reply(link, &reply) == 1) {
            const char *error = reply_error(reply);

            caller->signatures += error == NULL;
            caller->refusals += error && strcmp(error, NODE_ERROR("KeyLocked")) == 0;
            continue;
        }
        ck_assert_int_eq(poll(&poll_fd, 1, 30000), 1);
        ck_assert_int_eq(link_advance(link), 0);
    }
    return NULL;
}

START_TEST(many_at_once_do_not_pass_the_count)
{
    _cleanup_test_node_ TestNode node = test_node_running();
    _cleanup_link_ Link *link = call_open_logged_in(&node);
    _cleanup_dealt_key_ DealtKey key = dealt_key(0);
    static const unsigned counts[] = {1, 7, 100, 2 * CALLERS * EACH};

    call_make_active(link, &node, &key);
    ck_assert_int_eq(lock(link, &key.id), NODE_ERROR_NONE);
    for (size_t c = 0; c < ELEMENTS(counts); c++) {
        Caller callers[CALLERS];
        unsigned signatures = 0, refusals = 0;

        ck_assert_int_eq(unlock(link, &key.id, 0, counts[c], false), NODE_ERROR_NONE);
        for (unsigned i = 0; i < CALLERS; i++) {
            callers[i] = (Caller){.node = &node, .key = &key};
            ck_assert_int_eq(pthread_create(&callers[i].thread, NULL, call_many, &callers[i]), 0);
        }
        for (unsigned i = 0; i < CALLERS; i++) {
            (void)pthread_join(callers[i].thread, NULL);
            signatures += callers[i].signatures;
            refusals += callers[i].refusals;
        }
        ck_assert_uint_eq(signatures, counts[c] < CALLERS * EACH ? counts[c] : CALLERS * EACH);
        ck_assert_uint_eq(signatures + refusals, CALLERS * EACH);
    }
}
END_TEST

#define UNDER_WAY 48

/* 1: done, 0: the refusal of a locked key; -1: nothing yet. What was sent to us before is here at once. */
static int taken(Link *link)
{
    _cleanup_reply_ Reply *reply = NULL;
    int r = link_advance(link);

    ck_assert_int_eq(r, 0);
    if (link_take_reply(link, &reply) != 1)
        return -1;
    ck_assert(!reply_error(reply) || strcmp(reply_error(reply), NODE_ERROR("KeyLocked")) == 0);
    return reply_error(reply) == NULL;
}

static int wait_taken(Link *link)
{
    int r;

    while ((r = taken(link)) < 0) {
        struct pollfd poll_fd = {.fd = link_fd(link), .events = link_events(link)};

        ck_assert_int_eq(poll(&poll_fd, 1, 30000), 1);
    }
    return r;
}

/* Once the key's being locked is answered, what was asked for before is given no signature. */
START_TEST(no_signature_comes_after_the_lock)
{
    _cleanup_test_node_ TestNode node = test_node_running();
    _cleanup_link_ Link *link = call_open_logged_in(&node);
    _cleanup_dealt_key_ DealtKey key = dealt_key(0);
    const Digest digest = test_digest(HASH_SHA256, 9);
    const NodePartialSignInput input = {
        {(uint8_t *)(uintptr_t)key.id.bytes, KEY_ID_SIZE}, (char *)"sha256", {(uint8_t *)(uintptr_t)digest.bytes, digest.size}};
    Link *links[UNDER_WAY];
    int before[UNDER_WAY];

    call_make_active(link, &node, &key);
    ck_assert_int_eq(lock(link, &key.id), NODE_ERROR_NONE);
    ck_assert_int_eq(unlock(link, &key.id, 3600, 0, false), NODE_ERROR_NONE);
    for (unsigned i = 0; i < UNDER_WAY; i++)
        links[i] = call_open_logged_in(&node);
    for (unsigned i = 0; i < UNDER_WAY; i++)
        ck_assert_int_eq(link_call(links[i], NODE_METHOD("PartialSign"), &node_partial_sign_input, &input), 0);
    ck_assert_int_eq(lock(link, &key.id), NODE_ERROR_NONE);
    for (unsigned i = 0; i < UNDER_WAY; i++)
        before[i] = taken(links[i]);
    for (unsigned i = 0; i < UNDER_WAY; i++) {
        if (before[i] < 0)
            ck_assert_int_eq(wait_taken(links[i]), 0);
        (void)link_close(links[i]);
    }
}
END_TEST

/* It waits behind a key that is being loaded, and closes the window before it is answered. */
START_TEST(a_lock_that_waits_closes_at_once)
{
    _cleanup_test_node_ TestNode node = test_node_new();
    _cleanup_dealt_key_ DealtKey key = dealt_key(0), other = dealt_key(1);
    _cleanup_bytes_ Bytes sealed = dealt_key_seal(&other, &node, node.index, node.index);
    const NodePrepareInput prepare = {sealed, test_record(1, "label")};
    const NodeKeyInput locked = {{key.id.bytes, KEY_ID_SIZE}};

    test_node_put_known_loader(&node);
    test_node_start(&node);
    call_init_token(&node);

    _cleanup_link_ Link *link = call_open_logged_in(&node), *preparing = call_open_logged_in(&node), *locking = call_open(&node);

    call_make_active(link, &node, &key);
    ck_assert_int_eq(lock(link, &key.id), NODE_ERROR_NONE);
    ck_assert_int_eq(unlock(link, &key.id, 3600, 0, false), NODE_ERROR_NONE);
    ck_assert_int_eq(sign(link, &key), NODE_ERROR_NONE);

    pid_t pid = test_node_loader(&node);

    (void)kill(pid, SIGSTOP);
    ck_assert_int_eq(link_call(preparing, NODE_METHOD("PrepareKey"), &node_prepare_input, &prepare), 0);
    ck_assert_int_eq(shown_as_locked(link, &key.id), 1); /* the node has read what came before */
    ck_assert_int_eq(link_call(locking, NODE_METHOD("LockKey"), &node_key_input, &locked), 0);
    ck_assert_int_eq(shown_as_locked(link, &key.id), 1);
    ck_assert_int_eq(sign(link, &key), NODE_ERROR_KEY_LOCKED);
    (void)kill(pid, SIGCONT);
    ck_assert_int_eq(wait_taken(preparing), 1);
    ck_assert_int_eq(wait_taken(locking), 1);
}
END_TEST

static void add(TCase *cases)
{
    tcase_add_test(cases, a_locked_key_signs_nothing_until_it_is_opened);
    tcase_add_test(cases, a_restart_locks);
    tcase_add_test(cases, an_opening_ends_with_its_time);
    tcase_add_test(cases, senseless_openings_are_refused);
    tcase_add_test(cases, a_lock_does_not_stand_in_the_way_of_the_test);
    tcase_add_test(cases, many_at_once_do_not_pass_the_count);
    tcase_add_test(cases, no_signature_comes_after_the_lock);
    tcase_add_test(cases, a_lock_that_waits_closes_at_once);
}

UNIT_MAIN("locks", add)
