/*
 * Is the time of what a node does with its share and its nonces independent of them, from where the share is read to where the answer is
 * sent? A real node, all of it, under valgrind (watched-node.c; the idea is told in ct-frost.c).
 */
#include "share-fixture.h"
#include "watched.h"

/* Sign, and return how the node ends. */
static int sign_with_a_watched_node(void)
{
    _cleanup_test_node_ TestNode node = test_node_running();
    _cleanup_link_ Link *link = call_open_logged_in(&node);
    _cleanup_ed_key_ EdKey key = ed_key(5, 3);
    const Statement statement = ed_key_statement(&key);
    uint8_t signature[FROST_SIGNATURE_SIZE];
    NodeSignShareOutput output = {0};

    call_prepare_ed(link, &node, &key);
    ck_assert_int_eq(mixed_sign(link, &key, statement.bytes, statement.size, signature), NODE_ERROR_NONE);
    ck_assert_int_eq(call_activate(link, &key.id, signature, sizeof(signature)), NODE_ERROR_NONE);
    for (unsigned i = 0; i < 3; i++) {
        const FrostCommitment commitment = call_commitment(link, &key);
        _cleanup_signing_ Signing signing;

        mixed_begin(&signing, &key, &commitment, "message", 7);
        ck_assert_int_eq(call_share_of(link, &key.id, &signing.request, 3, 8, &output), NODE_ERROR_NONE);
        frost_partial_read(output.partial.data, 1, &signing.partials[0]);
        mixed_end(&signing, &key, signature);
        message_clear(&node_sign_share_output, &output);
        /* Refused: a pair that was not used is wiped. */
        signing.commitments[0] = call_commitment(link, &key);
        ck_assert_int_eq(call_share_of(link, &key.id, &signing.request, 2, 0, &output), NODE_ERROR_REJECTED);
    }
    return watched_stop(&node);
}

START_TEST(a_leak_made_on_purpose_is_seen)
{
    ck_assert_int_eq(setenv("CT_LEAK", "scalar", 1), 0);
    ck_assert_int_eq(sign_with_a_watched_node(), WATCHED_COMPLAINS);
}
END_TEST

START_TEST(nothing_of_the_share_or_the_nonces_shows_in_time)
{
    ck_assert_int_eq(sign_with_a_watched_node(), 0);
}
END_TEST

static void add(TCase *cases)
{
    tcase_add_test(cases, a_leak_made_on_purpose_is_seen);
    tcase_add_test(cases, nothing_of_the_share_or_the_nonces_shows_in_time);
}

UNIT_MAIN("ct-node", add)
