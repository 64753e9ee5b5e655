/* Generations of a key at a node: forward only, one after the other, and the old one goes when the new one is active (docs/protocol.md
 * "Generations"). */
#include "made-key.h"
#include "node-fixture.h"
#include "unit.h"

#include <signal.h>
#include <string.h>

static NodeError prepare(Link *link, const TestNode *node, const MadeKey *key)
{
    _cleanup_bytes_ Bytes sealed = made_key_seal(key, node->sealing_key, node->index);

    return call_prepare(link, &sealed);
}

static void activate(Link *link, const MadeKey *key)
{
    uint8_t activation[FROST_SIGNATURE_SIZE];

    made_key_activation(key, activation);
    ck_assert_int_eq(call_activate(link, &key->id, activation, sizeof(activation)), NODE_ERROR_NONE);
}

static void make_active(Link *link, const TestNode *node, const MadeKey *key)
{
    ck_assert_msg(prepare(link, node, key) == NODE_ERROR_NONE, "%s: %s", call_error, call_detail.reason);
    activate(link, key);
}

static void check_rejected(NodeError error, const char *words)
{
    ck_assert_int_eq(error, NODE_ERROR_REJECTED);
    ck_assert_msg(strstr(call_detail.reason, words), "'%s' does not say '%s'", call_detail.reason, words);
}

START_TEST(a_generation_is_retired_when_the_next_is_active)
{
    _cleanup_test_node_ TestNode node = test_node_running();
    Link *link = call_open_logged_in(&node);
    _cleanup_made_key_ MadeKey old = made_key("zone", 5, 3, 0), new = made_key("zone", 5, 3, 1), other = made_key("other", 5, 3, 7);

    make_active(link, &node, &old);
    make_active(link, &node, &other);
    check_rejected(call_key(link, "RetireKey", &old.id), "generation 0 of this key is the latest that is active here");
    ck_assert_int_eq(prepare(link, &node, &new), NODE_ERROR_NONE);
    check_rejected(call_key(link, "RetireKey", &old.id), "the latest");
    activate(link, &new);
    check_rejected(call_key(link, "RetireKey", &new.id), "generation 1 of this key is the latest");
    check_rejected(call_key(link, "RetireKey", &other.id), "the latest");
    ck_assert_str_eq(call_key_state(link, &old.id), "active");
    ck_assert_int_eq(call_key(link, "RetireKey", &old.id), NODE_ERROR_NONE);
    ck_assert_int_eq(call_key(link, "RetireKey", &old.id), NODE_ERROR_NONE); /* it is so already */
    ck_assert_str_eq(call_key_state(link, &old.id), "destroyed");
    ck_assert_str_eq(call_key_state(link, &new.id), "active");
    (void)link_close(link);
    test_node_restart(&node);
    link = call_open_logged_in(&node);
    ck_assert_str_eq(call_key_state(link, &old.id), "destroyed");
    ck_assert_int_eq(prepare(link, &node, &old), NODE_ERROR_KEY_DESTROYED);
    ck_assert_uint_eq(test_node_count_files(&node, ".share"), 2);
    (void)link_close(link);
    (void)test_node_stop(&node, SIGTERM);
    ck_assert_uint_eq(test_node_count_logged(&node, "local retires key"), 6); /* four of them refused, one so already */
}
END_TEST

START_TEST(what_is_not_known_is_not_retired)
{
    _cleanup_test_node_ TestNode node = test_node_running();
    _cleanup_link_ Link *link = call_open_logged_in(&node);
    _cleanup_made_key_ MadeKey unknown = made_key("zone", 5, 3, 0), new = made_key("zone", 5, 3, 1);
    _cleanup_dealt_key_ DealtKey rsa = dealt_key(0), same = dealt_key(1);

    make_active(link, &node, &new);
    ck_assert_int_eq(call_key(link, "RetireKey", &unknown.id), NODE_ERROR_UNKNOWN_KEY);
    call_make_active(link, &node, &rsa);
    call_make_active(link, &node, &same); /* of the same public key, but not of a later generation */
    check_rejected(call_key(link, "RetireKey", &rsa.id), "the latest");
}
END_TEST

START_TEST(generations_only_go_forward)
{
    _cleanup_test_node_ TestNode node = test_node_running();
    _cleanup_link_ Link *link = call_open_logged_in(&node);
    _cleanup_made_key_ MadeKey first = made_key("zone", 5, 3, 1), second = made_key("zone", 5, 3, 2), third = made_key("zone", 5, 3, 3),
                               fourth = made_key("zone", 5, 3, 4);

    make_active(link, &node, &second);
    check_rejected(prepare(link, &node, &first), "generation 2 of this key is here already; this is generation 1");
    ck_assert_int_eq(prepare(link, &node, &third), NODE_ERROR_NONE);

    check_rejected(prepare(link, &node, &fourth), "generation 3 of this key is here, pending"); /* one after the other */
    check_rejected(prepare(link, &node, &first), "kqctl sync --discard-pending");
    ck_assert_int_eq(call_key(link, "DiscardKey", &third.id), NODE_ERROR_NONE);
    ck_assert_int_eq(call_key(link, "DestroyKey", &second.id), NODE_ERROR_NONE);
    ck_assert_int_eq(prepare(link, &node, &second), NODE_ERROR_KEY_DESTROYED);
}
END_TEST

/* What is pending could be brought to life after the key is destroyed. */
START_TEST(a_key_is_not_destroyed_while_its_next_generation_is_pending)
{
    _cleanup_test_node_ TestNode node = test_node_running();
    _cleanup_link_ Link *link = call_open_logged_in(&node);
    _cleanup_made_key_ MadeKey old = made_key("zone", 5, 3, 1), new = made_key("zone", 5, 3, 2), other = made_key("other", 5, 3, 1);
    _cleanup_dealt_key_ DealtKey rsa = dealt_key(0), same = dealt_key(1);
    _cleanup_bytes_ Bytes pending = dealt_key_seal(&same, &node, 1, 1);

    make_active(link, &node, &old);
    make_active(link, &node, &other);
    ck_assert_int_eq(prepare(link, &node, &new), NODE_ERROR_NONE);
    check_rejected(call_key(link, "DestroyKey", &old.id), "generation 2 of this key is here, pending");
    check_rejected(call_key(link, "DestroyKey", &old.id), "kqctl sync --discard-pending");
    ck_assert_str_eq(call_key_state(link, &old.id), "active");
    ck_assert_int_eq(call_key(link, "DestroyKey", &other.id), NODE_ERROR_NONE);
    ck_assert_int_eq(call_key(link, "DestroyKey", &new.id), NODE_ERROR_NONE);
    ck_assert_int_eq(call_key(link, "DestroyKey", &old.id), NODE_ERROR_NONE);
    /* Keys that are dealt have no generations. */
    call_make_active(link, &node, &rsa);
    ck_assert_int_eq(call_prepare(link, &pending), NODE_ERROR_NONE);
    ck_assert_int_eq(call_key(link, "DestroyKey", &rsa.id), NODE_ERROR_NONE);
}
END_TEST

/* Commitments for a share of a locked key are not to be had. */
static NodeError sign(Link *link, const MadeKey *key)
{
    const NodeGetCommitmentsInput get = {{(uint8_t *)(uintptr_t)key->id.bytes, KEY_ID_SIZE}, 1};
    NodeCommitmentsOutput commitments = {0};
    NodeSignShareInput input = {.key = get.key, .message = {(uint8_t *)"text", 4}};
    NodeSignShareOutput output = {0};
    uint8_t list[3 * NODE_COMMITMENT_SIZE];
    NodeError error = call(link, "GetCommitments", &get, &commitments);

    if (error != NODE_ERROR_NONE)
        return error;
    ck_assert_uint_eq(commitments.commitments.size, NODE_COMMITMENT_SIZE);
    for (unsigned i = 0; i < 3; i++) { /* node 1's own, and points that will do for the others */
        memcpy(list + i * NODE_COMMITMENT_SIZE, commitments.commitments.data, NODE_COMMITMENT_SIZE);
        list[i * NODE_COMMITMENT_SIZE] = (uint8_t)(i + 1);
    }
    input.commitments = (Bytes){list, sizeof(list)};
    error = call(link, "SignShare", &input, &output);
    message_clear(&node_commitments_output, &commitments);
    message_clear(&node_sign_share_output, &output);
    return error;
}

START_TEST(a_locked_generation_is_followed_by_a_locked_one)
{
    _cleanup_test_node_ TestNode node = test_node_running();
    _cleanup_link_ Link *link = call_open_logged_in(&node);
    _cleanup_made_key_ MadeKey old = made_key("zone", 5, 3, 0), new = made_key("zone", 5, 3, 1), other = made_key("other", 5, 3, 1);

    make_active(link, &node, &old);
    ck_assert_int_eq(sign(link, &old), NODE_ERROR_NONE);
    ck_assert_int_eq(call_key(link, "LockKey", &old.id), NODE_ERROR_NONE);
    make_active(link, &node, &new);
    make_active(link, &node, &other);
    ck_assert_int_eq(sign(link, &old), NODE_ERROR_KEY_LOCKED);
    ck_assert_int_eq(sign(link, &new), NODE_ERROR_KEY_LOCKED);
    ck_assert_int_eq(sign(link, &other), NODE_ERROR_NONE);
    ck_assert_int_eq(call_key(link, "RetireKey", &old.id), NODE_ERROR_NONE);
}
END_TEST

/* Whichever is named, and whatever else has been unlocked. */
START_TEST(a_lock_is_of_all_generations)
{
    _cleanup_test_node_ TestNode node = test_node_running();
    Link *link = call_open_logged_in(&node);
    _cleanup_made_key_ MadeKey old = made_key("zone", 5, 3, 1), new = made_key("zone", 5, 3, 2), other = made_key("other", 5, 3, 1);
    const MadeKey *named = _i == 0 ? &old : &new, *unnamed = _i == 0 ? &new : &old;
    const NodeUnlockInput open = {.key = {(uint8_t *)(uintptr_t)unnamed->id.bytes, KEY_ID_SIZE}, .count = 9};

    make_active(link, &node, &old);
    make_active(link, &node, &new);
    make_active(link, &node, &other);
    ck_assert_int_eq(call_key(link, "LockKey", &named->id), NODE_ERROR_NONE);
    ck_assert_int_eq(sign(link, named), NODE_ERROR_KEY_LOCKED);
    ck_assert_int_eq(sign(link, unnamed), NODE_ERROR_KEY_LOCKED);
    ck_assert_int_eq(sign(link, &other), NODE_ERROR_NONE);
    call_well(link, "UnlockKey", &open, NULL);
    ck_assert_int_eq(sign(link, unnamed), NODE_ERROR_NONE);
    ck_assert_int_eq(call_key(link, "LockKey", &named->id), NODE_ERROR_NONE);
    ck_assert_int_eq(sign(link, unnamed), NODE_ERROR_KEY_LOCKED);
    (void)link_close(link);
    test_node_restart(&node);
    link = call_open_logged_in(&node);
    ck_assert_int_eq(sign(link, unnamed), NODE_ERROR_KEY_LOCKED);
    ck_assert_int_eq(sign(link, &other), NODE_ERROR_NONE);
    (void)link_close(link);
}
END_TEST

START_TEST(a_lock_is_not_lost)
{
    _cleanup_test_node_ TestNode node = test_node_running();
    _cleanup_link_ Link *link = call_open_logged_in(&node);
    _cleanup_made_key_ MadeKey old = made_key("zone", 5, 3, 0), new = made_key("zone", 5, 3, 1);
    const NodeUnlockInput for_good = {.key = {new.id.bytes, KEY_ID_SIZE}, .permanently = true};

    make_active(link, &node, &old);
    make_active(link, &node, &new);
    ck_assert_int_eq(call_key(link, "LockKey", &old.id), NODE_ERROR_NONE);
    call_well(link, "UnlockKey", &for_good, NULL);
    check_rejected(call_key(link, "RetireKey", &old.id), "kqctl node lock");
    ck_assert_int_eq(call_key(link, "LockKey", &new.id), NODE_ERROR_NONE);
    ck_assert_int_eq(call_key(link, "RetireKey", &old.id), NODE_ERROR_NONE);
}
END_TEST

static void add(TCase *cases)
{
    tcase_add_test(cases, a_generation_is_retired_when_the_next_is_active);
    tcase_add_test(cases, what_is_not_known_is_not_retired);
    tcase_add_test(cases, generations_only_go_forward);
    tcase_add_test(cases, a_key_is_not_destroyed_while_its_next_generation_is_pending);
    tcase_add_test(cases, a_locked_generation_is_followed_by_a_locked_one);
    tcase_add_loop_test(cases, a_lock_is_of_all_generations, 0, 2);
    tcase_add_test(cases, a_lock_is_not_lost);
}

UNIT_MAIN("generations", add)
