/* Ed25519 keys dealt here (frost-fixture.h), with their shares in real nodes, and what asks these for commitments and signature shares. */
#pragma once

#include "frost-fixture.h"
#include "node-fixture.h"
#include "share/header.h"
#include "threshold/frost-encoding.h"
#include "unit.h"

typedef struct EdKey {
    Quorum quorum;
    Bytes common;
    KeyId id;
} EdKey;

static inline void ed_key_clear(EdKey *key)
{
    quorum_clear(&key->quorum);
    bytes_clear(&key->common);
}

#define _cleanup_ed_key_ _cleanup_(ed_key_clear)

/* Another one each time. */
static inline EdKey ed_key(unsigned n, unsigned k)
{
    EdKey key = {.quorum = quorum_new(n, k)};
    const Header header = {
        .parameters = {THRESHOLD_ED25519, 256, n, k},
        .custody = CUSTODY_KEYRING,
        .public_key = key.quorum.public_key,
        .verification = key.quorum.verification,
    };

    ck_assert_int_eq(header_encode(&header, &key.common), 0);
    ck_assert_int_eq(header_key_id(&key.common, &key.id), 0);
    return key;
}

/* The commitments of a node for this key, at most NODE_COMMITMENTS_MAX; `*ret_n` of them. */
static inline NodeError call_commitments(Link *link, const EdKey *key, unsigned count, FrostCommitment *ret_list, unsigned *ret_n)
{
    const NodeGetCommitmentsInput input = {{(uint8_t *)(uintptr_t)key->id.bytes, KEY_ID_SIZE}, count};
    NodeCommitmentsOutput output = {0};
    NodeError error = call(link, "GetCommitments", &input, &output);

    *ret_n = 0;
    if (error == NODE_ERROR_NONE)
        ck_assert_int_eq(frost_commitments_read(&output.commitments, NODE_COMMITMENTS_MAX, ret_list, ret_n), 0);
    message_clear(&node_commitments_output, &output);
    return error;
}

static inline FrostCommitment call_commitment(Link *link, const EdKey *key)
{
    FrostCommitment list[NODE_COMMITMENTS_MAX];
    unsigned n;
    NodeError error = call_commitments(link, key, 1, list, &n);

    ck_assert_msg(error == NODE_ERROR_NONE, "GetCommitments: %s: %s", call_error, call_detail.reason);
    ck_assert_uint_eq(n, 1);
    return list[0];
}

/* `count` commitments as they are, in any order. */
static inline NodeError call_share_of(Link *link, const KeyId *id, const FrostRequest *request, unsigned count, unsigned more,
                                      NodeSignShareOutput *ret_output)
{
    uint8_t list[THRESHOLD_NODES_MAX * FROST_COMMITMENT_SIZE];
    const NodeSignShareInput input = {
        .key = {(uint8_t *)(uintptr_t)id->bytes, KEY_ID_SIZE},
        .message = {(uint8_t *)(uintptr_t)request->message, request->message_size},
        .commitments = {list, count * FROST_COMMITMENT_SIZE},
        .more = more,
    };

    frost_commitments_write(request->commitments, count, list);
    return call(link, "SignShare", &input, ret_output);
}

/* The share of node `index`, which the link is to. */
static inline NodeError call_share(Link *link, const EdKey *key, const FrostRequest *request, unsigned index, FrostPartial *ret_partial)
{
    NodeSignShareOutput output = {0};
    NodeError error = call_share_of(link, &key->id, request, key->quorum.k, 0, &output);

    if (error == NODE_ERROR_NONE) {
        ck_assert_uint_eq(output.partial.size, FROST_PARTIAL_SIZE);
        ck_assert_uint_eq(output.commitments.size, 0);
        frost_partial_read(output.partial.data, index, ret_partial);
    }
    message_clear(&node_sign_share_output, &output);
    return error;
}

/* Nodes 1..k, of which the first is behind the link; it has committed to this. */
static inline void mixed_begin(Signing *signing, const EdKey *key, const FrostCommitment *commitment, const void *message, size_t size)
{
    signing_begin(signing, &key->quorum, (1U << key->quorum.k) - 1, message, size);
    signing->commitments[0] = *commitment;
}

/* The others sign here; then it has to verify. */
static inline void mixed_end(Signing *signing, const EdKey *key, uint8_t ret_signature[FROST_SIGNATURE_SIZE])
{
    for (unsigned at = 1; at < key->quorum.k; at++)
        ck_assert_int_eq(signing_sign(signing, &key->quorum, at), 0);
    ck_assert_int_eq(signing_combine(signing, ret_signature), 0);
}

/* Sign with the node 1 behind the link and others here. */
static inline NodeError mixed_sign(Link *link, const EdKey *key, const void *message, size_t size,
                                   uint8_t ret_signature[FROST_SIGNATURE_SIZE])
{
    const FrostCommitment commitment = call_commitment(link, key);
    _cleanup_signing_ Signing signing;

    mixed_begin(&signing, key, &commitment, message, size);

    NodeError error = call_share(link, key, &signing.request, 1, &signing.partials[0]);

    if (error == NODE_ERROR_NONE)
        mixed_end(&signing, key, ret_signature);
    return error;
}

typedef struct Statement {
    uint8_t bytes[THRESHOLD_STATEMENT_SIZE_MAX];
    size_t size;
} Statement;

static inline Statement ed_key_statement(const EdKey *key)
{
    static const char label[] = "keyquorum activate v1";
    const Bytes parts[] = {{(uint8_t *)(uintptr_t)label, sizeof(label) - 1}, {(uint8_t *)(uintptr_t)key->id.bytes, KEY_ID_SIZE}};
    uint8_t hash[SHA256_SIZE];
    Statement statement;
    Digest digest;

    ck_assert_int_eq(crypto_sha256(parts, 2, hash), 0);
    ck_assert_int_eq(digest_set(HASH_SHA256, hash, sizeof(hash), &digest), 0);
    statement.size = threshold_statement(&digest, statement.bytes);
    return statement;
}

static inline void call_prepare_ed(Link *link, const TestNode *node, const EdKey *key)
{
    _cleanup_bytes_ Bytes sealed = {0};

    ck_assert_int_eq(sealed_share_new(&key->common, node->index, node->sealing_key, key->quorum.shares[node->index - 1], &sealed), 0);

    NodeError error = call_prepare(link, &sealed);

    ck_assert_msg(error == NODE_ERROR_NONE, "prepare: %s: %s", call_error, call_detail.reason);
}

/* A signature of the activation statement by nodes 1..k, made here. */
static inline void ed_key_activation(const EdKey *key, uint8_t ret_signature[FROST_SIGNATURE_SIZE])
{
    const Statement statement = ed_key_statement(key);
    _cleanup_signing_ Signing signing;

    signing_begin(&signing, &key->quorum, (1U << key->quorum.k) - 1, statement.bytes, statement.size);
    signing_sign_all(&signing, &key->quorum);
    ck_assert_int_eq(signing_combine(&signing, ret_signature), 0);
}

static inline void call_make_active_ed(Link *link, const TestNode *node, const EdKey *key)
{
    uint8_t activation[FROST_SIGNATURE_SIZE];

    call_prepare_ed(link, node, key);
    ed_key_activation(key, activation);

    NodeError error = call_activate(link, &key->id, activation, sizeof(activation));

    ck_assert_msg(error == NODE_ERROR_NONE, "activate: %s: %s", call_error, call_detail.reason);
}
