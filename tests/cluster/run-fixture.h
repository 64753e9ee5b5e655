/* A token of real nodes that know one another, and a client that carries the messages of their runs. Everything is node i - 1's. */
#pragma once

#include "node-fixture.h"
#include "threshold/frost-encoding.h"
#include "unit.h"

#include <signal.h>
#include <string.h>

typedef struct TestToken {
    unsigned n, k;
    TestNode nodes[NODE_INDEX_MAX];
    Link *links[NODE_INDEX_MAX]; /* logged in; NULL: the client has gone from there */
    NodePeer peers[NODE_INDEX_MAX];
    char names[NODE_INDEX_MAX][16];
    uint8_t identity_keys[NODE_INDEX_MAX][NODE_PUBLIC_KEY_SIZE];
} TestToken;

/* Make the first `count` of the nodes known to node `index`, but for itself. */
static inline void token_pin(TestToken *token, unsigned index, unsigned count)
{
    _cleanup_link_ Link *link = call_open(&token->nodes[index - 1]);
    NodePeer peers[NODE_INDEX_MAX];
    NodePeers input = {{peers, 0}};

    for (unsigned i = 0; i < count; i++)
        if (i + 1 != index)
            peers[input.peers.count++] = token->peers[i];
    call_well(link, "SetPeers", &input, NULL);
}

static inline void token_describe(TestToken *token, unsigned i)
{
    _cleanup_link_ Link *link = call_open(&token->nodes[i]);
    TestNode *node = &token->nodes[i];
    NodeStatusOutput status = {0};

    call_well(link, "GetStatus", NULL, &status);
    memcpy(token->identity_keys[i], status.identity_key.data, NODE_PUBLIC_KEY_SIZE);
    message_clear(&node_status_output, &status);
    (void)snprintf(token->names[i], sizeof(token->names[i]), "node%u", i + 1);
    token->peers[i] = (NodePeer){
        .name = token->names[i],
        .index = i + 1,
        .address = node->address,
        .sealing_key = {node->sealing_key, sizeof(node->sealing_key)},
        .identity_key = {token->identity_keys[i], NODE_PUBLIC_KEY_SIZE},
    };
}

static inline void token_connect(TestToken *token)
{
    for (unsigned i = 0; i < token->n; i++) {
        (void)link_close(token->links[i]);
        token->links[i] = call_open_logged_in(&token->nodes[i]);
    }
}

/* Nodes that know one another, and are part of no token yet. `ret_token` stays where it is. */
static inline void token_start_nodes(unsigned n, unsigned k, TestToken *ret_token)
{
    TestToken *token = ret_token;

    *token = (TestToken){.n = n, .k = k};
    for (unsigned i = 0; i < n; i++) {
        TestNode *node = &token->nodes[i];

        *node = test_node_new();
        node->index = i + 1;
        node->n = n;
        node->k = k;
        memcpy(node->token, token->nodes[0].token, sizeof(node->token));
        test_node_start(node);
        token_describe(token, i);
    }
    for (unsigned i = 1; i <= n; i++)
        token_pin(token, i, n);
}

static inline void token_start(unsigned n, unsigned k, TestToken *ret_token)
{
    token_start_nodes(n, k, ret_token);
    for (unsigned i = 0; i < n; i++)
        call_init_token(&ret_token->nodes[i]);
    token_connect(ret_token);
}

static inline void token_disconnect(TestToken *token)
{
    for (unsigned i = 0; i < token->n; i++)
        token->links[i] = link_close(token->links[i]);
}

static inline void token_stop(TestToken *token)
{
    token_disconnect(token);
    for (unsigned i = 0; i < token->n; i++)
        test_node_clear(&token->nodes[i]);
}
#define _cleanup_token_ _cleanup_(token_stop)

/* ---- Runs ---- */

typedef struct TestRun {
    TestToken *token;
    unsigned round; /* whose messages are there */
    uint8_t names[NODE_INDEX_MAX][NODE_RUN_SIZE];
    NodeContinueRunOutput said[NODE_INDEX_MAX];
    NodeError errors[NODE_INDEX_MAX]; /* of the last step */
    uint64_t blamed[NODE_INDEX_MAX];
    char words[NODE_INDEX_MAX][512];
} TestRun;

static inline void run_clear(TestRun *run)
{
    for (unsigned i = 0; i < run->token->n; i++)
        message_clear(&node_continue_run_output, &run->said[i]);
}
#define _cleanup_test_run_ _cleanup_(run_clear)

static inline void run_note(TestRun *run, unsigned i, NodeError error)
{
    run->errors[i] = error;
    run->blamed[i] = error == NODE_ERROR_NONE ? 0 : call_detail.number;
    (void)snprintf(run->words[i], sizeof(run->words[i]), "%s", error == NODE_ERROR_NONE || !call_detail.reason ? "" : call_detail.reason);
}

static inline NodeError run_begin_at(TestRun *run, unsigned index, const NodeBeginRunInput *input)
{
    NodeBeginRunOutput output = {0};
    NodeError error = call(run->token->links[index - 1], "BeginRun", input, &output);

    run_note(run, index - 1, error);
    if (error != NODE_ERROR_NONE)
        return error;
    memcpy(run->names[index - 1], output.run.data, NODE_RUN_SIZE);
    run->said[index - 1].messages = output.messages;
    output.messages = (List){0};
    message_clear(&node_begin_run_output, &output);
    return error;
}

static inline NodeBeginRunInput run_input(const char *label)
{
    return (NodeBeginRunInput){.kind = (char *)"generate", .record = test_record(1, label)};
}

static inline TestRun run_begin(TestToken *token, const char *label)
{
    const NodeBeginRunInput input = run_input(label);
    TestRun run = {.token = token};

    for (unsigned i = 1; i <= token->n; i++)
        ck_assert_msg(run_begin_at(&run, i, &input) == NODE_ERROR_NONE, "node %u: %s: %s", i, call_error, run.words[i - 1]);
    return run;
}

static inline unsigned run_collect(const TestRun *run, unsigned to, NodeRunMessage *ret_messages)
{
    unsigned count = 0;

    for (unsigned from = 1; from <= run->token->n; from++) {
        const NodeRunMessage *said = run->said[from - 1].messages.items;

        for (size_t i = 0; from != to && i < run->said[from - 1].messages.count; i++)
            if (said[i].index == 0 || said[i].index == to)
                ret_messages[count++] = (NodeRunMessage){from, said[i].message};
    }
    return count;
}

static inline void run_step_at(TestRun *run, unsigned index, NodeContinueRunOutput *ret_output)
{
    NodeRunMessage messages[NODE_INDEX_MAX];
    const NodeContinueRunInput input = {{run->names[index - 1], NODE_RUN_SIZE}, {messages, run_collect(run, index, messages)}};

    run_note(run, index - 1, call(run->token->links[index - 1], "ContinueRun", &input, ret_output));
}

/* At all that the client has a connection to. */
static inline void run_step_all(TestRun *run)
{
    NodeContinueRunOutput outputs[NODE_INDEX_MAX] = {{{0}}};

    for (unsigned i = 1; i <= run->token->n; i++)
        if (run->token->links[i - 1])
            run_step_at(run, i, &outputs[i - 1]);
    run_clear(run);
    memcpy(run->said, outputs, sizeof(run->said));
    run->round++;
}

static inline void run_step_well(TestRun *run)
{
    run_step_all(run);
    for (unsigned i = 0; i < run->token->n; i++)
        ck_assert_msg(run->errors[i] == NODE_ERROR_NONE, "round %u, node %u: %s", run->round, i + 1, run->words[i]);
}

static inline NodeError run_end_at(TestRun *run, unsigned index)
{
    const NodeRunInput input = {{run->names[index - 1], NODE_RUN_SIZE}};

    return call(run->token->links[index - 1], "EndRun", &input, NULL);
}

/* To the end: all have the same header, whose key id this returns. */
static inline KeyId run_finish(TestRun *run)
{
    KeyId id;

    while (run->said[0].header.size == 0) {
        ck_assert_uint_lt(run->round, 8);
        run_step_well(run);
    }
    for (unsigned i = 0; i < run->token->n; i++) {
        ck_assert(bytes_equal(&run->said[i].header, &run->said[0].header));
        ck_assert_uint_eq(run->said[i].messages.count, 0);
    }
    ck_assert_int_eq(header_key_id(&run->said[0].header, &id), 0);
    return id;
}
