/* A node through its socket: the life of keys (docs/protocol.md "Life of a key") and partial signatures. */
#include "node-fixture.h"
#include "unit.h"

#include <string.h>

/* ---- Creation --------------------------------------------------------------------------------------------------------------- */

static void check_rejected(Link *link, Bytes sealed, const TestNode *node)
{
    ck_assert_int_eq(call_prepare(link, &sealed), NODE_ERROR_REJECTED);
    ck_assert_uint_eq(test_node_count_files(node, ""), 0);
    bytes_clear(&sealed);
}

START_TEST(shares_that_do_not_fit_are_rejected)
{
    _cleanup_test_node_ TestNode node = test_node_running(), stranger = test_node_new();
    _cleanup_link_ Link *link = call_open_logged_in(&node);
    _cleanup_dealt_key_ DealtKey key = dealt_key(0);
    Bytes changed = dealt_key_seal(&key, &node, 1, 1), cut = dealt_key_seal(&key, &node, 1, 1);
    TestNode small = test_node_new();

    check_rejected(link, dealt_key_seal(&key, &node, 2, 2), &node);     /* node 2's share */
    check_rejected(link, dealt_key_seal(&key, &node, 2, 1), &node);     /* node 2's share as ours */
    check_rejected(link, dealt_key_seal(&key, &stranger, 1, 1), &node); /* to another node's sealing key */
    changed.data[8 + 1 + 4 + 25 + 10] ^= 1;                             /* the header: in the modulus */
    check_rejected(link, changed, &node);
    cut.size -= 5;
    check_rejected(link, cut, &node);

    /* A key of another n, k than the token's. */
    small.n = 3;
    small.k = 2;
    test_node_start(&small);
    call_init_token(&small);

    _cleanup_link_ Link *to_small = call_open_logged_in(&small);

    check_rejected(to_small, dealt_key_seal(&key, &small, 1, 1), &small);
    test_node_clear(&small);

    const NodePrepareInput no_version = {{(uint8_t *)"x", 1}, test_record(0, "")};

    call_invalid(link, "PrepareKey", &no_version);
    ck_assert_str_eq(call_key_state(link, &key.id), "");
}
END_TEST

START_TEST(a_key_lives)
{
    _cleanup_test_node_ TestNode node = test_node_running();
    _cleanup_link_ Link *link = call_open_logged_in(&node);
    _cleanup_dealt_key_ DealtKey key = dealt_key(0);
    _cleanup_bytes_ Bytes sealed = dealt_key_seal(&key, &node, 1, 1), partial = {0};
    const NodeKeyInput key_input = {{key.id.bytes, KEY_ID_SIZE}};
    const Digest statement = dealt_key_statement(&key), other = test_digest(HASH_SHA256, 7);
    Digest salted = statement;
    uint8_t signature[THRESHOLD_SIGNATURE_SIZE_MAX];
    NodeGetKeyOutput got = {0};

    ck_assert_int_eq(call_sign(link, &key.id, &statement, NULL), NODE_ERROR_UNKNOWN_KEY);
    ck_assert_int_eq(call_prepare(link, &sealed), NODE_ERROR_NONE);
    ck_assert_int_eq(call_prepare(link, &sealed), NODE_ERROR_KEY_EXISTS);
    ck_assert_str_eq(call_key_state(link, &key.id), "pending");

    /* Pending: the statement, and nothing else. */
    ck_assert_int_eq(call_sign(link, &key.id, &other, NULL), NODE_ERROR_KEY_PENDING);
    ck_assert_int_eq(digest_set_pss(&salted, NULL, 0), 0);
    ck_assert_int_eq(call_sign(link, &key.id, &salted, NULL), NODE_ERROR_KEY_PENDING);
    ck_assert_int_eq(call_sign(link, &key.id, &statement, &partial), NODE_ERROR_NONE);
    dealt_key_combine(&key, &statement, &partial, signature);
    call_well(link, "GetKey", &key_input, &got);
    ck_assert(bytes_equal(&got.header, &key.common) && got.activation.size == 0);
    message_clear(&node_get_key_output, &got);

    /* A forged activation is none. */
    signature[100] ^= 1;
    ck_assert_int_eq(call_activate(link, &key.id, signature, 256), NODE_ERROR_INVALID_ACTIVATION);
    signature[100] ^= 1;
    ck_assert_int_eq(call_activate(link, &key.id, signature, 255), NODE_ERROR_INVALID_ACTIVATION);
    ck_assert_str_eq(call_key_state(link, &key.id), "pending");
    ck_assert_int_eq(call_activate(link, &key.id, signature, 256), NODE_ERROR_NONE);
    ck_assert_int_eq(call_activate(link, &key.id, signature, 256), NODE_ERROR_NONE);
    signature[100] ^= 1;
    ck_assert_int_eq(call_activate(link, &key.id, signature, 256), NODE_ERROR_INVALID_ACTIVATION);
    ck_assert_str_eq(call_key_state(link, &key.id), "active");
    ck_assert_int_eq(call_key(link, "DiscardKey", &key.id), NODE_ERROR_KEY_ACTIVE);
    ck_assert_int_eq(call_sign(link, &key.id, &other, NULL), NODE_ERROR_NONE);
    test_node_restart(&node);
    (void)link_close(link);
    link = call_open_logged_in(&node);
    ck_assert_str_eq(call_key_state(link, &key.id), "active");
    ck_assert_int_eq(call_sign(link, &key.id, &other, NULL), NODE_ERROR_NONE);
    call_well(link, "GetKey", &key_input, &got);
    ck_assert_uint_eq(got.activation.size, 256);
    message_clear(&node_get_key_output, &got);
}
END_TEST

START_TEST(a_pending_key_is_discarded_without_a_trace)
{
    _cleanup_test_node_ TestNode node = test_node_running();
    _cleanup_link_ Link *link = call_open_logged_in(&node);
    _cleanup_dealt_key_ DealtKey key = dealt_key(0);
    _cleanup_bytes_ Bytes sealed = dealt_key_seal(&key, &node, 1, 1);

    ck_assert_int_eq(call_key(link, "DiscardKey", &key.id), NODE_ERROR_UNKNOWN_KEY);
    for (unsigned i = 0; i < 2; i++) { /* the same share may come again */
        ck_assert_int_eq(call_prepare(link, &sealed), NODE_ERROR_NONE);
        ck_assert_int_eq(call_key(link, "DiscardKey", &key.id), NODE_ERROR_NONE);
        ck_assert_uint_eq(test_node_count_files(&node, ""), 0);
        ck_assert_str_eq(call_key_state(link, &key.id), "");
    }
    ck_assert_int_eq(call_key(link, "DiscardKey", &key.id), NODE_ERROR_UNKNOWN_KEY);
}
END_TEST

/* ---- Destruction ------------------------------------------------------------------------------------------------------------- */

static void check_destroyed(Link *link, const TestNode *node, const DealtKey *key)
{
    _cleanup_bytes_ Bytes sealed = dealt_key_seal(key, node, 1, 1);
    const NodeKeyInput key_input = {{(uint8_t *)key->id.bytes, KEY_ID_SIZE}};
    const Digest digest = dealt_key_statement(key);
    const NodeRecord record = test_record(2, "");
    NodeGetKeyOutput got = {0};

    ck_assert_str_eq(call_key_state(link, &key->id), "destroyed");
    ck_assert_int_eq(call_sign(link, &key->id, &digest, NULL), NODE_ERROR_KEY_DESTROYED);
    ck_assert_int_eq(call_prepare(link, &sealed), NODE_ERROR_KEY_DESTROYED);
    ck_assert_int_eq(call_activate(link, &key->id, "x", 1), NODE_ERROR_KEY_DESTROYED);
    ck_assert_int_eq(call_set_record(link, &key->id, &record), NODE_ERROR_KEY_DESTROYED);
    ck_assert_int_eq(call_key(link, "DiscardKey", &key->id), NODE_ERROR_KEY_DESTROYED);
    ck_assert_int_eq(call(link, "GetKey", &key_input, &got), NODE_ERROR_KEY_DESTROYED);
    ck_assert_int_eq(call_key(link, "DestroyKey", &key->id), NODE_ERROR_NONE);
    ck_assert_uint_eq(test_node_count_files(node, ".share"), 0);
    ck_assert_uint_eq(test_node_count_files(node, ".record"), 0);
}

START_TEST(destroyed_is_destroyed)
{
    _cleanup_test_node_ TestNode node = test_node_running();
    _cleanup_link_ Link *link = call_open_logged_in(&node);
    _cleanup_dealt_key_ DealtKey active = dealt_key(0), pending = dealt_key(1), unknown = dealt_key(2);
    _cleanup_bytes_ Bytes sealed = dealt_key_seal(&pending, &node, 1, 1);

    call_make_active(link, &node, &active);
    ck_assert_int_eq(call_prepare(link, &sealed), NODE_ERROR_NONE);
    ck_assert_int_eq(call_key(link, "DestroyKey", &active.id), NODE_ERROR_NONE);
    ck_assert_int_eq(call_key(link, "DestroyKey", &pending.id), NODE_ERROR_NONE);
    ck_assert_int_eq(call_key(link, "DestroyKey", &unknown.id), NODE_ERROR_NONE);
    for (unsigned i = 0; i < 2; i++) {
        check_destroyed(link, &node, &active);
        check_destroyed(link, &node, &pending);
        check_destroyed(link, &node, &unknown);
        test_node_restart(&node);
        (void)link_close(link);
        link = call_open_logged_in(&node);
    }
}
END_TEST

/* ---- Records -------------------------------------------------------------------------------------------------------------------- */

static void check_label(Link *link, const KeyId *id, uint64_t version, const char *label)
{
    NodeListOutput output = {0};

    call_well(link, "ListKeys", &(NodeListInput){0}, &output);
    ck_assert_uint_eq(output.keys.count, 1);

    const NodeKeyEntry *entry = output.keys.items;

    ck_assert_uint_eq(entry->record.version, version);
    ck_assert_str_eq(entry->record.private_label, label);
    ck_assert_uint_eq(entry->record.not_after, TEST_NOT_AFTER);
    message_clear(&node_list_output, &output);
}

START_TEST(records_only_get_newer)
{
    _cleanup_test_node_ TestNode node = test_node_running();
    _cleanup_link_ Link *link = call_open_logged_in(&node);
    _cleanup_dealt_key_ DealtKey key = dealt_key(0);
    NodeRecord newer = test_record(3, "newer \xc3\xa4\"\\/"), same_version = test_record(3, "other"), older = test_record(2, "older");
    NodeRecord other_date = newer;

    ck_assert_int_eq(call_set_record(link, &key.id, &newer), NODE_ERROR_UNKNOWN_KEY);
    call_make_active(link, &node, &key);
    check_label(link, &key.id, 1, "label");
    ck_assert_int_eq(call_set_record(link, &key.id, &newer), NODE_ERROR_NONE);
    ck_assert_int_eq(call_set_record(link, &key.id, &newer), NODE_ERROR_NONE);
    ck_assert_int_eq(call_set_record(link, &key.id, &same_version), NODE_ERROR_STALE_VERSION);
    other_date.not_after = 0;
    ck_assert_int_eq(call_set_record(link, &key.id, &other_date), NODE_ERROR_STALE_VERSION);
    ck_assert_int_eq(call_set_record(link, &key.id, &older), NODE_ERROR_STALE_VERSION);
    ck_assert_uint_eq(call_detail.number, 3);
    older.version = 0;
    call_invalid(link, "SetRecord", &(NodeSetRecordInput){{key.id.bytes, KEY_ID_SIZE}, older});
    check_label(link, &key.id, 3, newer.private_label);
    test_node_restart(&node);
    (void)link_close(link);
    link = call_open_logged_in(&node);
    check_label(link, &key.id, 3, newer.private_label);
    ck_assert_str_eq(call_key_state(link, &key.id), "active"); /* the activation is still there */
}
END_TEST

START_TEST(revisions_tell_of_changes)
{
    _cleanup_test_node_ TestNode node = test_node_running();
    _cleanup_link_ Link *link = call_open_logged_in(&node);
    NodeListOutput first = {0}, second = {0};

    call_well(link, "ListKeys", &(NodeListInput){0}, &first);
    call_well(link, "ListKeys", &(NodeListInput){.known_revision = first.revision}, &second);
    ck_assert(second.unchanged && second.keys.count == 0);
    message_clear(&node_list_output, &second);
    ck_assert_int_eq(call_key(link, "DestroyKey", &(KeyId){{1}}), NODE_ERROR_NONE);
    call_well(link, "ListKeys", &(NodeListInput){.known_revision = first.revision}, &second);
    ck_assert(!second.unchanged && second.keys.count == 1);
    message_clear(&node_list_output, &first);
    test_node_restart(&node);
    (void)link_close(link);
    link = call_open_logged_in(&node);
    call_well(link, "ListKeys", &(NodeListInput){.known_revision = second.revision}, &first);
    ck_assert(!first.unchanged);
    message_clear(&node_list_output, &first);
    message_clear(&node_list_output, &second);
}
END_TEST

START_TEST(long_lists_come_in_parts_and_in_order)
{
    enum { KEYS = 1100 };
    _cleanup_test_node_ TestNode node = test_node_running();
    _cleanup_link_ Link *link = call_open_logged_in(&node);
    KeyId last = {{0}};
    NodeListInput input = {0};
    NodeListOutput output = {0};
    unsigned seen = 0, replies = 0;

    for (unsigned i = 0; i < KEYS; i++) {
        KeyId id = {{(uint8_t)(i * 37), (uint8_t)(i >> 8), (uint8_t)i, 1}};

        ck_assert_int_eq(call_key(link, "DestroyKey", &id), NODE_ERROR_NONE);
    }
    do {
        message_clear(&node_list_output, &output);
        call_well(link, "ListKeys", &input, &output);
        ck_assert_uint_le(output.keys.count, NODE_LIST_MAX);
        for (size_t i = 0; i < output.keys.count; i++, seen++) {
            const NodeKeyEntry *entry = (const NodeKeyEntry *)output.keys.items + i;

            ck_assert_int_lt(memcmp(last.bytes, entry->key.data, KEY_ID_SIZE), 0);
            memcpy(last.bytes, entry->key.data, KEY_ID_SIZE);
        }
        input.after = (Bytes){last.bytes, KEY_ID_SIZE};
        replies++;
    } while (output.more);
    message_clear(&node_list_output, &output);
    ck_assert_uint_eq(seen, KEYS);
    ck_assert_uint_eq(replies, 3);
}
END_TEST

/* ---- Partial signatures ------------------------------------------------------------------------------------------------------------ */

START_TEST(partial_signatures_are_right)
{
    _cleanup_test_node_ TestNode node = test_node_running();
    _cleanup_link_ Link *link = call_open_logged_in(&node);
    _cleanup_dealt_key_ DealtKey key = dealt_key(0);
    uint8_t signature[THRESHOLD_SIGNATURE_SIZE_MAX];
    NodeStatusOutput status = {0};

    call_make_active(link, &node, &key);
    for (HashAlgorithm hash = HASH_SHA1; hash < HASH_MAX; hash++) {
        const Digest digest = test_digest(hash, (uint8_t)hash);
        _cleanup_bytes_ Bytes partial = {0};

        ck_assert_int_eq(call_sign(link, &key.id, &digest, &partial), NODE_ERROR_NONE);
        dealt_key_combine(&key, &digest, &partial, signature);
    }

    Digest wrong_size = test_digest(HASH_SHA256, 1);
    const NodePartialSignInput wrong_hash = {{key.id.bytes, KEY_ID_SIZE}, (char *)"md5", {wrong_size.bytes, 16}};

    wrong_size.size = 31;
    ck_assert_int_eq(call_sign(link, &key.id, &wrong_size, NULL), NODE_ERROR_UNKNOWN);
    ck_assert_str_eq(call_error, "org.varlink.service.InvalidParameter");
    call_invalid(link, "PartialSign", &wrong_hash);
    call_well(link, "GetStatus", NULL, &status);
    ck_assert_uint_eq(status.signatures, 1 + HASH_MAX); /* with the activation */
    ck_assert_uint_eq(status.active, 1);
    message_clear(&node_status_output, &status);
}
END_TEST

/* RFC 8017 §9.1: the node encodes, whatever the salt; it never exponentiates a number that it was given. */
START_TEST(partial_signatures_over_pss_are_right)
{
    static const size_t salts[] = {0, 20, 190}; /* 190 is the longest beside SHA-512 */
    static const struct {
        const char *encoding;
        size_t salt_size;
    } wrong[] = {{NULL, 1}, {"emsa-pkcs1-v1_5", 1}, {"raw", 0}};
    _cleanup_test_node_ TestNode node = test_node_running();
    _cleanup_link_ Link *link = call_open_logged_in(&node);
    _cleanup_dealt_key_ DealtKey key = dealt_key(0);
    uint8_t signature[THRESHOLD_SIGNATURE_SIZE_MAX], salt[DIGEST_SALT_SIZE_MAX] = {7};
    Digest digest = test_digest(HASH_SHA512, 1);
    NodeStatusOutput status = {0};

    call_make_active(link, &node, &key);
    for (size_t i = 0; i < ELEMENTS(salts); i++) {
        _cleanup_bytes_ Bytes partial = {0};

        ck_assert_int_eq(digest_set_pss(&digest, salt, salts[i]), 0);
        ck_assert_int_eq(call_sign(link, &key.id, &digest, &partial), NODE_ERROR_NONE);
        dealt_key_combine(&key, &digest, &partial, signature);
    }
    ck_assert_int_eq(digest_set_pss(&digest, salt, 191), 0);
    ck_assert_int_eq(call_sign(link, &key.id, &digest, NULL), NODE_ERROR_REJECTED);
    for (size_t i = 0; i < ELEMENTS(wrong); i++) {
        const NodePartialSignInput input = {{key.id.bytes, KEY_ID_SIZE},
                                            (char *)"sha512",
                                            {digest.bytes, digest.size},
                                            (char *)wrong[i].encoding,
                                            {salt, wrong[i].salt_size}};

        call_invalid(link, "PartialSign", &input);
    }
    call_well(link, "GetStatus", NULL, &status);
    ck_assert_uint_eq(status.signatures, 1 + ELEMENTS(salts)); /* with the activation */
    message_clear(&node_status_output, &status);
}
END_TEST

/* Enough at once that the workers find pairs, of one key and of two; pipelined on some connections. */
START_TEST(many_at_once_are_all_right)
{
    enum { LINKS = 6, EACH = 4 };
    _cleanup_test_node_ TestNode node = test_node_running();
    DealtKey keys[2] = {dealt_key(0), dealt_key(1)};
    Link *links[LINKS];

    for (unsigned i = 0; i < LINKS; i++)
        links[i] = call_open_logged_in(&node);
    call_make_active(links[0], &node, &keys[0]);
    call_make_active(links[0], &node, &keys[1]);
    test_node_restart(&node); /* so that the first of them wait for the load together */
    for (unsigned i = 0; i < LINKS; i++) {
        (void)link_close(links[i]);
        links[i] = call_open_logged_in(&node);
    }
    for (unsigned n = 0; n < EACH; n++)
        for (unsigned i = 0; i < LINKS; i++) {
            const Digest digest = test_digest(HASH_SHA256, (uint8_t)(n * LINKS + i));
            const NodePartialSignInput input = {
                {keys[i % 2].id.bytes, KEY_ID_SIZE}, (char *)"sha256", {(uint8_t *)digest.bytes, digest.size}};

            ck_assert_int_eq(link_call(links[i], NODE_METHOD("PartialSign"), &node_partial_sign_input, &input), 0);
        }
    for (unsigned n = 0; n < EACH; n++)
        for (unsigned i = 0; i < LINKS; i++) {
            const Digest digest = test_digest(HASH_SHA256, (uint8_t)(n * LINKS + i));

            call_take_partial(links[i], &keys[i % 2], &digest);
        }
    for (unsigned i = 0; i < LINKS; i++)
        (void)link_close(links[i]);
    dealt_key_clear(&keys[0]);
    dealt_key_clear(&keys[1]);
}
END_TEST

static void add(TCase *cases)
{
    tcase_add_test(cases, shares_that_do_not_fit_are_rejected);
    tcase_add_test(cases, a_key_lives);
    tcase_add_test(cases, a_pending_key_is_discarded_without_a_trace);
    tcase_add_test(cases, destroyed_is_destroyed);
    tcase_add_test(cases, records_only_get_newer);
    tcase_add_test(cases, revisions_tell_of_changes);
    tcase_add_test(cases, long_lists_come_in_parts_and_in_order);
    tcase_add_test(cases, partial_signatures_are_right);
    tcase_add_test(cases, partial_signatures_over_pss_are_right);
    tcase_add_test(cases, many_at_once_are_all_right);
}

UNIT_MAIN("node-keys", add)
