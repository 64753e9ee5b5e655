/* Signatures with Ed25519 keys: a real node's commitments and signature shares, combined with those of nodes made here. */
#include "share-fixture.h"

#include <keyutils.h>
#include <limits.h>
#include <openssl/evp.h>
#include <string.h>

#include "node/nonces.h"

#define MESSAGE "some message"

/* As anybody would: libcrypto, the public key, the message. */
static void verify(const EdKey *key, const void *message, size_t size, const uint8_t signature[FROST_SIGNATURE_SIZE])
{
    EVP_PKEY *public_key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key->quorum.public_key.data, key->quorum.public_key.size);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    ck_assert_ptr_nonnull(public_key);
    ck_assert_int_eq(EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, public_key), 1);
    ck_assert_int_eq(EVP_DigestVerify(ctx, signature, FROST_SIGNATURE_SIZE, message, size), 1);
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(public_key);
}

static void sign_and_verify(Link *link, const EdKey *key, const void *message, size_t size)
{
    uint8_t signature[FROST_SIGNATURE_SIZE];
    NodeError error = mixed_sign(link, key, message, size, signature);

    ck_assert_msg(error == NODE_ERROR_NONE, "%s: %s", call_error, call_detail.reason);
    verify(key, message, size, signature);
}

START_TEST(messages_of_any_size_are_signed)
{
    _cleanup_test_node_ TestNode node = test_node_running();
    _cleanup_link_ Link *link = call_open_logged_in(&node);
    _cleanup_ed_key_ EdKey key = ed_key(5, 3);
    static uint8_t message[NODE_MESSAGE_SIZE_MAX];

    memset(message, 'm', sizeof(message));
    call_make_active_ed(link, &node, &key);
    for (size_t size = 0; size <= sizeof(message); size = size ? 16 * size : 1)
        sign_and_verify(link, &key, message, size);
}
END_TEST

/* 2 of 3, all of them real. */
START_TEST(real_nodes_sign_together)
{
    _cleanup_ed_key_ EdKey key = ed_key(3, 2);
    TestNode nodes[3];
    Link *links[3];

    for (unsigned i = 0; i < 3; i++) {
        nodes[i] = test_node_new();
        nodes[i].index = i + 1;
        nodes[i].n = 3;
        nodes[i].k = 2;
        test_node_start(&nodes[i]);
        call_init_token(&nodes[i]);
        links[i] = call_open_logged_in(&nodes[i]);
        call_make_active_ed(links[i], &nodes[i], &key);
    }
    for (uint32_t set = next_nodes(0, 2); set < 1U << 3; set = next_nodes(set, 2)) {
        FrostCommitment list[2];
        FrostPartial partials[2];
        uint8_t signature[FROST_SIGNATURE_SIZE];
        unsigned at = 0;

        for (unsigned i = 0; i < 3; i++)
            if (set & 1U << i)
                list[at++] = call_commitment(links[i], &key);

        const FrostRequest request = {key.quorum.key, list, MESSAGE, strlen(MESSAGE)};

        for (at = 0; at < 2; at++)
            ck_assert_int_eq(call_share(links[list[at].index - 1], &key, &request, list[at].index, &partials[at]), NODE_ERROR_NONE);
        ck_assert_int_eq(frost_combine(key.quorum.key, MESSAGE, strlen(MESSAGE), partials, signature), 0);
        verify(&key, MESSAGE, strlen(MESSAGE), signature);
    }
    for (unsigned i = 0; i < 3; i++) {
        (void)link_close(links[i]);
        test_node_clear(&nodes[i]);
    }
}
END_TEST

/* ---- One node, one connection, one key ---- */

typedef struct Fixture {
    TestNode node;
    Link *link;
    EdKey key;
} Fixture;

static void fixture_clear(Fixture *fixture)
{
    (void)link_close(fixture->link);
    ed_key_clear(&fixture->key);
    test_node_clear(&fixture->node);
}

#define _cleanup_fixture_ _cleanup_(fixture_clear)

static Fixture fixture_new(void)
{
    Fixture fixture = {.node = test_node_running(), .key = ed_key(5, 3)};

    fixture.link = call_open_logged_in(&fixture.node);
    call_make_active_ed(fixture.link, &fixture.node, &fixture.key);
    return fixture;
}

/* As the node answers a request with this commitment of its own; others, message and key are right. */
static NodeError use(Link *link, const EdKey *key, const FrostCommitment *commitment)
{
    _cleanup_signing_ Signing signing;
    uint8_t signature[FROST_SIGNATURE_SIZE];

    mixed_begin(&signing, key, commitment, MESSAGE, strlen(MESSAGE));

    NodeError error = call_share(link, key, &signing.request, 1, &signing.partials[0]);

    if (error == NODE_ERROR_NONE)
        mixed_end(&signing, key, signature);
    return error;
}

/* ---- What a pair of nonces is good for ---- */

START_TEST(a_pair_serves_once)
{
    _cleanup_fixture_ Fixture fixture = fixture_new();
    const FrostCommitment commitment = call_commitment(fixture.link, &fixture.key);
    _cleanup_signing_ Signing signing;
    uint8_t signature[FROST_SIGNATURE_SIZE];

    mixed_begin(&signing, &fixture.key, &commitment, MESSAGE, strlen(MESSAGE));
    ck_assert_int_eq(call_share(fixture.link, &fixture.key, &signing.request, 1, &signing.partials[0]), NODE_ERROR_NONE);
    mixed_end(&signing, &fixture.key, signature);
    /* the same again, another message, another list */
    ck_assert_int_eq(call_share(fixture.link, &fixture.key, &signing.request, 1, &signing.partials[0]), NODE_ERROR_UNKNOWN_COMMITMENT);
    signing.request.message = "another";
    signing.request.message_size = strlen("another");
    ck_assert_int_eq(call_share(fixture.link, &fixture.key, &signing.request, 1, &signing.partials[0]), NODE_ERROR_UNKNOWN_COMMITMENT);
    ck_assert_int_eq(use(fixture.link, &fixture.key, &commitment), NODE_ERROR_UNKNOWN_COMMITMENT);
    sign_and_verify(fixture.link, &fixture.key, MESSAGE, strlen(MESSAGE));
}
END_TEST

START_TEST(pairs_serve_in_any_order)
{
    _cleanup_fixture_ Fixture fixture = fixture_new();
    FrostCommitment list[NODE_COMMITMENTS_MAX];
    unsigned n;

    ck_assert_int_eq(call_commitments(fixture.link, &fixture.key, 7, list, &n), NODE_ERROR_NONE);
    ck_assert_uint_eq(n, 7);
    for (unsigned i = 0; i < n; i++) {
        ck_assert_uint_eq(list[i].index, fixture.node.index);
        for (unsigned j = 0; j < i; j++)
            ck_assert(!ed25519_point_equal(&list[i].hiding, &list[j].hiding) && !ed25519_point_equal(&list[i].binding, &list[j].binding));
    }
    for (unsigned i = 0; i < n; i++)
        ck_assert_int_eq(use(fixture.link, &fixture.key, &list[3 * i % n]), NODE_ERROR_NONE);
    for (unsigned i = 0; i < n; i++)
        ck_assert_int_eq(use(fixture.link, &fixture.key, &list[i]), NODE_ERROR_UNKNOWN_COMMITMENT);
}
END_TEST

/* Whoever steals a batch has nothing of it, and takes nothing away. */
START_TEST(a_pair_is_of_one_connection)
{
    _cleanup_fixture_ Fixture fixture = fixture_new();
    _cleanup_link_ Link *thief = call_open_logged_in(&fixture.node);
    FrostCommitment mine[NODE_COMMITMENTS_MAX];
    unsigned n;

    ck_assert_int_eq(call_commitments(fixture.link, &fixture.key, 3, mine, &n), NODE_ERROR_NONE);
    for (unsigned i = 0; i < n; i++)
        ck_assert_int_eq(use(thief, &fixture.key, &mine[i]), NODE_ERROR_UNKNOWN_COMMITMENT);
    for (unsigned i = 0; i < n; i++)
        ck_assert_int_eq(use(fixture.link, &fixture.key, &mine[i]), NODE_ERROR_NONE);
}
END_TEST

START_TEST(a_pair_is_of_one_key)
{
    _cleanup_fixture_ Fixture fixture = fixture_new();
    _cleanup_ed_key_ EdKey other = ed_key(5, 3);

    call_make_active_ed(fixture.link, &fixture.node, &other);

    const FrostCommitment commitment = call_commitment(fixture.link, &fixture.key);

    ck_assert_int_eq(use(fixture.link, &other, &commitment), NODE_ERROR_UNKNOWN_COMMITMENT);
    ck_assert_int_eq(use(fixture.link, &fixture.key, &commitment), NODE_ERROR_UNKNOWN_COMMITMENT); /* and it is spent */
    sign_and_verify(fixture.link, &other, MESSAGE, strlen(MESSAGE));
}
END_TEST

START_TEST(a_restart_forgets_all_pairs)
{
    _cleanup_fixture_ Fixture fixture = fixture_new();
    const FrostCommitment commitment = call_commitment(fixture.link, &fixture.key);

    (void)link_close(fixture.link);
    test_node_restart(&fixture.node);
    fixture.link = call_open_logged_in(&fixture.node);
    ck_assert_int_eq(use(fixture.link, &fixture.key, &commitment), NODE_ERROR_UNKNOWN_COMMITMENT);
    sign_and_verify(fixture.link, &fixture.key, MESSAGE, strlen(MESSAGE));
}
END_TEST

/* New ones come with the answer. */
START_TEST(more_pairs_come_with_a_signature)
{
    _cleanup_fixture_ Fixture fixture = fixture_new();
    FrostCommitment commitment = call_commitment(fixture.link, &fixture.key), list[NODE_COMMITMENTS_MAX];
    static const unsigned wanted[] = {1, 5, NODE_COMMITMENTS_MAX};

    for (size_t i = 0; i < ELEMENTS(wanted); i++) {
        NodeSignShareOutput output = {0};
        _cleanup_signing_ Signing signing;
        uint8_t signature[FROST_SIGNATURE_SIZE];
        unsigned n;

        mixed_begin(&signing, &fixture.key, &commitment, MESSAGE, strlen(MESSAGE));
        ck_assert_int_eq(call_share_of(fixture.link, &fixture.key.id, &signing.request, 3, wanted[i], &output), NODE_ERROR_NONE);
        frost_partial_read(output.partial.data, 1, &signing.partials[0]);
        mixed_end(&signing, &fixture.key, signature);
        ck_assert_int_eq(frost_commitments_read(&output.commitments, NODE_COMMITMENTS_MAX, list, &n), 0);
        ck_assert_uint_eq(n, wanted[i] < NONCES_PAIRS_MAX ? wanted[i] : NONCES_PAIRS_MAX);
        for (unsigned j = 1; j < n; j++)
            ck_assert_int_eq(use(fixture.link, &fixture.key, &list[j]), NODE_ERROR_NONE);
        commitment = list[0];
        message_clear(&node_sign_share_output, &output);
    }
}
END_TEST

/* ---- What is refused, and spends the pair all the same ---- */

static void check_spent(const Fixture *fixture, const FrostCommitment *commitment)
{
    ck_assert_int_eq(use(fixture->link, &fixture->key, commitment), NODE_ERROR_UNKNOWN_COMMITMENT);
}

static void check_refused(const Fixture *fixture, const FrostRequest *request, unsigned count, const char *words)
{
    NodeSignShareOutput output = {0};

    ck_assert_int_eq(call_share_of(fixture->link, &fixture->key.id, request, count, 0, &output), NODE_ERROR_REJECTED);
    ck_assert_msg(strstr(call_detail.reason, words) != NULL, "%s", call_detail.reason);
}

START_TEST(points_that_are_none_are_refused)
{
    _cleanup_fixture_ Fixture fixture = fixture_new();

    for (size_t i = 0; i < 2 * ELEMENTS(bad_points); i++) {
        const FrostCommitment commitment = call_commitment(fixture.link, &fixture.key);
        _cleanup_signing_ Signing signing;

        mixed_begin(&signing, &fixture.key, &commitment, MESSAGE, strlen(MESSAGE));
        *(i % 2 ? &signing.commitments[1].hiding : &signing.commitments[2].binding) = point_of_hex(bad_points[i / 2].point);
        check_refused(&fixture, &signing.request, 3, "not of the group");
        check_spent(&fixture, &commitment);
    }
}
END_TEST

static void swap(FrostCommitment *a, FrostCommitment *b)
{
    const FrostCommitment kept = *a;

    *a = *b;
    *b = kept;
}

START_TEST(lists_that_are_none_are_refused)
{
    _cleanup_fixture_ Fixture fixture = fixture_new();
    static const char order[] = "ascending";

    for (unsigned i = 0; i < 7; i++) {
        const FrostCommitment commitment = call_commitment(fixture.link, &fixture.key);
        _cleanup_signing_ Signing signing;
        FrostCommitment *list = signing.commitments;

        mixed_begin(&signing, &fixture.key, &commitment, MESSAGE, strlen(MESSAGE));
        switch (i) {
        case 0:
            swap(&list[1], &list[2]);
            break;
        case 1:
            swap(&list[0], &list[2]);
            break;
        case 2:
            list[2] = list[1]; /* one node twice */
            break;
        case 3:
            list[1] = list[0];
            break;
        case 4:
            list[2].index = 6; /* of 5 */
            break;
        default:
            break;
        }
        list[3] = list[2];
        list[3].index++;
        check_refused(&fixture, &signing.request, i == 5 ? 2 : i == 6 ? 4 : 3, i < 5 ? order : "needs those of 3");
        check_spent(&fixture, &commitment);
    }
}
END_TEST

/* There is nothing that could be spent. */
START_TEST(lists_without_this_node_are_refused)
{
    _cleanup_fixture_ Fixture fixture = fixture_new();
    const FrostCommitment commitment = call_commitment(fixture.link, &fixture.key);
    _cleanup_signing_ Signing signing;

    signing_begin(&signing, &fixture.key.quorum, 0x0e, MESSAGE, strlen(MESSAGE));
    check_refused(&fixture, &signing.request, 3, "whose index is 1");
    ck_assert_int_eq(use(fixture.link, &fixture.key, &commitment), NODE_ERROR_NONE);
}
END_TEST

START_TEST(what_is_no_list_is_named)
{
    _cleanup_fixture_ Fixture fixture = fixture_new();
    uint8_t list[3 * FROST_COMMITMENT_SIZE] = {0};
    NodeSignShareInput input = {{fixture.key.id.bytes, KEY_ID_SIZE}, {0}, {list, sizeof(list)}, 0};

    for (unsigned i = 0; i < 3; i++)
        list[i * FROST_COMMITMENT_SIZE] = (uint8_t)(i + 1);
    input.commitments.size--;
    call_invalid(fixture.link, "SignShare", &input);
    input.commitments.size++;
    list[0] = 0;
    call_invalid(fixture.link, "SignShare", &input);
    list[0] = THRESHOLD_NODES_MAX + 1;
    call_invalid(fixture.link, "SignShare", &input);
    list[0] = 1;
    ck_assert_int_eq(call(fixture.link, "SignShare", &input, NULL), NODE_ERROR_UNKNOWN_COMMITMENT);
}
END_TEST

/* ---- States of the key ---- */

START_TEST(a_pending_key_signs_its_activation_only)
{
    _cleanup_test_node_ TestNode node = test_node_running();
    _cleanup_link_ Link *link = call_open_logged_in(&node);
    _cleanup_ed_key_ EdKey key = ed_key(5, 3);
    const Statement statement = ed_key_statement(&key);
    uint8_t activation[FROST_SIGNATURE_SIZE];

    call_prepare_ed(link, &node, &key);

    const FrostCommitment commitment = call_commitment(link, &key);

    ck_assert_int_eq(use(link, &key, &commitment), NODE_ERROR_KEY_PENDING);
    ck_assert_int_eq(use(link, &key, &commitment), NODE_ERROR_KEY_PENDING);
    ck_assert_int_eq(mixed_sign(link, &key, statement.bytes, statement.size - 1, activation), NODE_ERROR_KEY_PENDING);
    ck_assert_int_eq(mixed_sign(link, &key, statement.bytes, statement.size, activation), NODE_ERROR_NONE);
    ck_assert_int_eq(call_activate(link, &key.id, activation, sizeof(activation)), NODE_ERROR_NONE);
    ck_assert_int_eq(use(link, &key, &commitment), NODE_ERROR_UNKNOWN_COMMITMENT); /* it was spent before */
    sign_and_verify(link, &key, MESSAGE, strlen(MESSAGE));
    /* And of an active one nobody gets a statement: not this one again, nor that another generation is active. */
    ck_assert_int_eq(mixed_sign(link, &key, statement.bytes, statement.size, activation), NODE_ERROR_REJECTED);
    ck_assert_int_eq(mixed_sign(link, &key, statement.bytes, 22, activation), NODE_ERROR_REJECTED);
    ck_assert_int_eq(mixed_sign(link, &key, statement.bytes, 21, activation), NODE_ERROR_NONE);
}
END_TEST

START_TEST(a_destroyed_key_signs_nothing)
{
    _cleanup_fixture_ Fixture fixture = fixture_new();
    const FrostCommitment commitment = call_commitment(fixture.link, &fixture.key);
    FrostCommitment list[NODE_COMMITMENTS_MAX];
    unsigned n;

    ck_assert_int_eq(call_key(fixture.link, "DestroyKey", &fixture.key.id), NODE_ERROR_NONE);
    ck_assert_int_eq(use(fixture.link, &fixture.key, &commitment), NODE_ERROR_KEY_DESTROYED);
    ck_assert_int_eq(call_commitments(fixture.link, &fixture.key, 1, list, &n), NODE_ERROR_KEY_DESTROYED);
    fixture.key.id.bytes[0] ^= 1;
    ck_assert_int_eq(use(fixture.link, &fixture.key, &commitment), NODE_ERROR_UNKNOWN_KEY);
    ck_assert_int_eq(call_commitments(fixture.link, &fixture.key, 1, list, &n), NODE_ERROR_UNKNOWN_KEY);
}
END_TEST

static void unlock_for(Link *link, const EdKey *key, uint64_t count)
{
    const NodeUnlockInput input = {{(uint8_t *)(uintptr_t)key->id.bytes, KEY_ID_SIZE}, 0, count, false};

    call_well(link, "UnlockKey", &input, NULL);
}

/* The node's log tells what each of them was. */
START_TEST(a_locked_key_signs_what_it_is_unlocked_for)
{
    _cleanup_fixture_ Fixture fixture = fixture_new();
    const EdKey *key = &fixture.key;
    char digits[2 * SHA256_SIZE + 1];
    uint8_t hash[SHA256_SIZE];
    FrostCommitment commitment;

    ck_assert_int_eq(call_key(fixture.link, "LockKey", &key->id), NODE_ERROR_NONE);
    commitment = call_commitment(fixture.link, key);
    ck_assert_int_eq(use(fixture.link, key, &commitment), NODE_ERROR_KEY_LOCKED);
    unlock_for(fixture.link, key, 2);
    ck_assert_int_eq(use(fixture.link, key, &commitment), NODE_ERROR_UNKNOWN_COMMITMENT); /* which counts as nothing */
    sign_and_verify(fixture.link, key, MESSAGE, strlen(MESSAGE));
    sign_and_verify(fixture.link, key, MESSAGE, strlen(MESSAGE));
    commitment = call_commitment(fixture.link, key);
    ck_assert_int_eq(use(fixture.link, key, &commitment), NODE_ERROR_KEY_LOCKED);
    check_spent(&fixture, &commitment);
    ck_assert_int_eq(crypto_sha256(&(Bytes){(uint8_t *)(uintptr_t)MESSAGE, strlen(MESSAGE)}, 1, hash), 0);
    hex_encode(hash, sizeof(hash), digits);
    ck_assert_uint_eq(test_node_count_logged(&fixture.node, digits), 2);
}
END_TEST

static uint64_t signatures_of(Link *link)
{
    NodeStatusOutput status = {0};

    call_well(link, "GetStatus", NULL, &status);

    const uint64_t signatures = status.signatures;

    message_clear(&node_status_output, &status);
    return signatures;
}

START_TEST(signatures_count_and_commitments_do_not)
{
    _cleanup_fixture_ Fixture fixture = fixture_new();
    const FrostCommitment commitment = call_commitment(fixture.link, &fixture.key);

    ck_assert_uint_eq(signatures_of(fixture.link), 0);
    ck_assert_int_eq(use(fixture.link, &fixture.key, &commitment), NODE_ERROR_NONE);
    ck_assert_uint_eq(signatures_of(fixture.link), 1);
    check_spent(&fixture, &commitment);
    ck_assert_uint_eq(signatures_of(fixture.link), 1);
}
END_TEST

/* Somebody took it out of the ring: the request that finds that out has its answer; what was promised before is forgotten. */
START_TEST(a_share_that_is_gone_is_loaded_again)
{
    _cleanup_fixture_ Fixture fixture = fixture_new();

    for (unsigned i = 0; i < 3; i++) {
        FrostCommitment list[NODE_COMMITMENTS_MAX];
        unsigned n;

        ck_assert_int_eq(keyctl_clear(test_node_ring(&fixture.node)), 0);
        ck_assert_int_eq(call_commitments(fixture.link, &fixture.key, 2, list, &n), NODE_ERROR_NONE);
        ck_assert_int_eq(keyctl_clear(test_node_ring(&fixture.node)), 0);
        ck_assert_int_eq(use(fixture.link, &fixture.key, &list[1]), NODE_ERROR_NONE);
        check_spent(&fixture, &list[0]);
        sign_and_verify(fixture.link, &fixture.key, MESSAGE, strlen(MESSAGE));
    }
}
END_TEST

/* ---- Which method is for which key ---- */

START_TEST(each_kind_of_key_has_its_method)
{
    _cleanup_fixture_ Fixture fixture = fixture_new();
    _cleanup_dealt_key_ DealtKey dealt = dealt_key(0);
    const Digest digest = test_digest(HASH_SHA256, 7);
    EdKey as_ed = {.quorum = fixture.key.quorum, .id = dealt.id};
    FrostCommitment list[NODE_COMMITMENTS_MAX], commitment = call_commitment(fixture.link, &fixture.key);
    unsigned n;

    call_make_active(fixture.link, &fixture.node, &dealt);
    ck_assert_int_eq(call_sign(fixture.link, &fixture.key.id, &digest, NULL), NODE_ERROR_REJECTED);
    ck_assert_ptr_nonnull(strstr(call_detail.reason, "with GetCommitments and SignShare"));
    ck_assert_int_eq(call_commitments(fixture.link, &as_ed, 1, list, &n), NODE_ERROR_REJECTED);
    ck_assert_ptr_nonnull(strstr(call_detail.reason, "with PartialSign"));
    ck_assert_int_eq(use(fixture.link, &as_ed, &commitment), NODE_ERROR_REJECTED);
    ck_assert_ptr_nonnull(strstr(call_detail.reason, "with PartialSign"));
    check_spent(&fixture, &commitment);
}
END_TEST

/* ---- How many ---- */

/* Kilobytes that the node has locked. */
static unsigned locked_memory(const TestNode *node)
{
    char path[64], line[256];
    unsigned locked = UINT_MAX;

    (void)snprintf(path, sizeof(path), "/proc/%d/status", (int)node->pid);

    _cleanup_fclose_ FILE *file = fopen(path, "re");

    ck_assert_ptr_nonnull(file);
    while (locked == UINT_MAX && fgets(line, sizeof(line), file))
        (void)sscanf(line, "VmLck: %u", &locked);
    ck_assert_uint_ne(locked, UINT_MAX);
    return locked;
}

/* What the node does when a connection closes shows here only. */
static void wait_for_locked_memory(const TestNode *node, Link *link, unsigned most)
{
    const Microseconds end = clock_now() + 30 * MICROSECONDS_PER_SECOND;

    while (locked_memory(node) > most) {
        ck_assert_uint_lt(clock_now(), end);
        (void)signatures_of(link);
    }
}

START_TEST(the_oldest_of_a_connection_go_first)
{
    _cleanup_fixture_ Fixture fixture = fixture_new();
    _cleanup_link_ Link *other = call_open_logged_in(&fixture.node);
    const FrostCommitment others = call_commitment(other, &fixture.key);
    FrostCommitment all[NONCES_CONNECTION_MAX + 1];

    for (size_t i = 0; i < ELEMENTS(all); i++)
        all[i] = call_commitment(fixture.link, &fixture.key);
    check_spent(&fixture, &all[0]);
    for (size_t i = ELEMENTS(all); i > 1; i--)
        ck_assert_int_eq(use(fixture.link, &fixture.key, &all[i - 1]), NODE_ERROR_NONE);
    ck_assert_int_eq(use(other, &fixture.key, &others), NODE_ERROR_NONE);
}
END_TEST

#define FULL (NONCES_MAX / NONCES_CONNECTION_MAX)

/* And the unit's LimitMEMLOCK=8M is enough for them. */
START_TEST(the_oldest_of_all_go_last)
{
    _cleanup_fixture_ Fixture fixture = fixture_new();
    const EdKey *key = &fixture.key;
    const unsigned before = locked_memory(&fixture.node);
    FrostCommitment first[FULL], second[FULL];
    Link *links[FULL];

    for (unsigned i = 0; i < FULL; i++) {
        links[i] = call_open_logged_in(&fixture.node);
        first[i] = call_commitment(links[i], key);
        second[i] = call_commitment(links[i], key);
        for (unsigned j = 2; j < NONCES_CONNECTION_MAX; j++)
            (void)call_commitment(links[i], key);
    }
    ck_assert_uint_ge(locked_memory(&fixture.node), before + NONCES_MAX * 4);
    ck_assert_uint_lt(locked_memory(&fixture.node), 7 * 1024);
    sign_and_verify(fixture.link, key, MESSAGE, strlen(MESSAGE)); /* one of which the connection has none */
    ck_assert_int_eq(use(links[0], key, &first[0]), NODE_ERROR_UNKNOWN_COMMITMENT);
    for (unsigned i = 0; i < FULL; i++) {
        if (i > 0)
            ck_assert_int_eq(use(links[i], key, &first[i]), NODE_ERROR_NONE);
        ck_assert_int_eq(use(links[i], key, &second[i]), NODE_ERROR_NONE);
        (void)link_close(links[i]);
    }
    wait_for_locked_memory(&fixture.node, fixture.link, before + 16 * 4);
}
END_TEST

/* However many are asked for, a batch takes a page. */
START_TEST(a_destroyed_key_leaves_no_nonces)
{
    _cleanup_fixture_ Fixture fixture = fixture_new();
    _cleanup_ed_key_ EdKey other = ed_key(5, 3);
    FrostCommitment kept, list[NODE_COMMITMENTS_MAX];
    unsigned before, n;

    call_make_active_ed(fixture.link, &fixture.node, &other);
    kept = call_commitment(fixture.link, &other);
    (void)call_commitment(fixture.link, &fixture.key);
    before = locked_memory(&fixture.node);
    for (unsigned i = 0; i < 50; i++) {
        ck_assert_int_eq(call_commitments(fixture.link, &fixture.key, NODE_COMMITMENTS_MAX, list, &n), NODE_ERROR_NONE);
        ck_assert_uint_eq(n, NONCES_PAIRS_MAX);
    }
    ck_assert_uint_eq(locked_memory(&fixture.node), before + 50 * 4);
    ck_assert_int_eq(call_key(fixture.link, "DestroyKey", &fixture.key.id), NODE_ERROR_NONE);
    ck_assert_uint_le(locked_memory(&fixture.node), before);
    ck_assert_int_eq(use(fixture.link, &other, &kept), NODE_ERROR_NONE);
}
END_TEST

static void add(TCase *cases)
{
    tcase_add_test(cases, messages_of_any_size_are_signed);
    tcase_add_test(cases, real_nodes_sign_together);
    tcase_add_test(cases, a_pair_serves_once);
    tcase_add_test(cases, pairs_serve_in_any_order);
    tcase_add_test(cases, a_pair_is_of_one_connection);
    tcase_add_test(cases, a_pair_is_of_one_key);
    tcase_add_test(cases, a_restart_forgets_all_pairs);
    tcase_add_test(cases, more_pairs_come_with_a_signature);
    tcase_add_test(cases, points_that_are_none_are_refused);
    tcase_add_test(cases, lists_that_are_none_are_refused);
    tcase_add_test(cases, lists_without_this_node_are_refused);
    tcase_add_test(cases, what_is_no_list_is_named);
    tcase_add_test(cases, a_pending_key_signs_its_activation_only);
    tcase_add_test(cases, a_destroyed_key_signs_nothing);
    tcase_add_test(cases, a_locked_key_signs_what_it_is_unlocked_for);
    tcase_add_test(cases, signatures_count_and_commitments_do_not);
    tcase_add_test(cases, a_share_that_is_gone_is_loaded_again);
    tcase_add_test(cases, each_kind_of_key_has_its_method);
    tcase_add_test(cases, the_oldest_of_a_connection_go_first);
    tcase_add_test(cases, the_oldest_of_all_go_last);
    tcase_add_test(cases, a_destroyed_key_leaves_no_nonces);
}

UNIT_MAIN("shares", add)
