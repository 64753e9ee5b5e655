/* Keys that runs have made: the nodes sign with them, and make new shares of them. */
#pragma once

#include "base/crypto.h"
#include "run-fixture.h"
#include "threshold/frost.h"

/* The nodes whose bits are set sign the key's activation statement, all that it signs yet. */
static inline void run_sign_with(const TestToken *token, const KeyId *id, const ThresholdKey *key, uint32_t nodes,
                                 uint8_t ret_signature[FROST_SIGNATURE_SIZE])
{
    static const char label[] = "keyquorum activate v1";
    const Bytes parts[] = {{(uint8_t *)label, sizeof(label) - 1}, {(uint8_t *)(uintptr_t)id->bytes, KEY_ID_SIZE}};
    uint8_t hash[32], statement[THRESHOLD_STATEMENT_SIZE_MAX], list[NODE_INDEX_MAX * FROST_COMMITMENT_SIZE];
    FrostPartial partials[NODE_INDEX_MAX];
    unsigned n = 0;
    Digest digest;

    ck_assert_int_eq(crypto_sha256(parts, ELEMENTS(parts), hash), 0);
    ck_assert_int_eq(digest_set(HASH_SHA256, hash, sizeof(hash), &digest), 0);

    const size_t size = threshold_statement(&digest, statement);

    for (unsigned i = 0; i < token->n; i++) {
        const NodeGetCommitmentsInput input = {parts[1], 1};
        NodeCommitmentsOutput output = {0};

        if (!(nodes & 1U << i))
            continue;
        call_well(token->links[i], "GetCommitments", &input, &output);
        ck_assert_uint_eq(output.commitments.size, FROST_COMMITMENT_SIZE);
        memcpy(list + n++ * FROST_COMMITMENT_SIZE, output.commitments.data, FROST_COMMITMENT_SIZE);
        message_clear(&node_commitments_output, &output);
    }
    ck_assert_uint_eq(n, token->k);
    n = 0;
    for (unsigned i = 0; i < token->n; i++) {
        const NodeSignShareInput input = {parts[1], {statement, size}, {list, token->k * FROST_COMMITMENT_SIZE}, 0};
        NodeSignShareOutput output = {0};

        if (!(nodes & 1U << i))
            continue;
        call_well(token->links[i], "SignShare", &input, &output);
        frost_partial_read(output.partial.data, i + 1, &partials[n++]);
        message_clear(&node_sign_share_output, &output);
    }
    ck_assert_int_eq(frost_combine(threshold_key_frost(key), statement, size, partials, ret_signature), 0);
    ck_assert_int_eq(threshold_key_verify_message(key, statement, size, ret_signature, FROST_SIGNATURE_SIZE), 0);
}

static inline ThresholdKey *run_key_of(const Bytes *common, const TestToken *token, unsigned generation)
{
    _cleanup_header_ Header header = {0};
    Problem problem = PROBLEM_INIT;
    ThresholdKey *key = NULL;

    ck_assert_msg(header_decode(common, &header, &problem) == 0, "%s", problem.text);
    ck_assert_uint_eq(header.parameters.algorithm, THRESHOLD_ED25519);
    ck_assert_uint_eq(header.parameters.n, token->n);
    ck_assert_uint_eq(header.parameters.k, token->k);
    ck_assert_uint_eq(header.generation, generation);
    ck_assert_int_eq(threshold_key_new(&header.parameters, &header.public_key, &header.verification, &key, &problem), 0);
    return key;
}

static inline NodeError run_approve(const TestToken *token, unsigned index, const KeyId *id)
{
    const NodeApprovalInput input = {.kind = (char *)"refresh", .key = {(uint8_t *)(uintptr_t)id->bytes, KEY_ID_SIZE}};
    _cleanup_link_ Link *link = call_open(&token->nodes[index - 1]);

    return call(link, "ApproveRun", &input, NULL);
}

static inline NodeBeginRunInput run_refresh_input(const KeyId *id)
{
    return (NodeBeginRunInput){
        .kind = (char *)"refresh",
        .key = {(uint8_t *)(uintptr_t)id->bytes, KEY_ID_SIZE},
        .record = test_record(1, "made"),
    };
}

static inline KeyId run_make_active(TestToken *token)
{
    _cleanup_test_run_ TestRun run = run_begin(token, "made");
    _cleanup_threshold_key_ ThresholdKey *key = NULL;
    uint8_t activation[FROST_SIGNATURE_SIZE];
    const KeyId id = run_finish(&run);

    key = run_key_of(&run.said[0].header, token, 1);
    run_sign_with(token, &id, key, (1U << token->k) - 1, activation);
    for (unsigned i = 0; i < token->n; i++)
        ck_assert_int_eq(call_activate(token->links[i], &id, activation, sizeof(activation)), NODE_ERROR_NONE);
    return id;
}

static inline TestRun run_begin_refresh(TestToken *token, const KeyId *id)
{
    const NodeBeginRunInput input = run_refresh_input(id);
    TestRun run = {.token = token};

    for (unsigned i = 1; i <= token->n; i++)
        ck_assert_msg(run_begin_at(&run, i, &input) == NODE_ERROR_NONE, "node %u: %s", i, run.words[i - 1]);
    return run;
}
