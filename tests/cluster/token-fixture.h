/* A token of real nodes, 3 of 5, and a client of theirs. */
#pragma once

#include <string.h>

#include "node-fixture.h"
#include "quorum/quorum.h"

#define NODES     5
#define THRESHOLD 3

static TestNode nodes[NODES];
static uint8_t identity_keys[NODES][NODE_PUBLIC_KEY_SIZE];
static Quorum *quorum; /* the client of this process, logged in */

/* The roster that an operator would have made from the nodes' cards. */
static inline Roster *roster_of_nodes(void)
{
    Roster *roster = calloc(1, sizeof(*roster));

    ck_assert_ptr_nonnull(roster);
    strcpy(roster->label, "test");
    strcpy(roster->client, "local");
    memcpy(roster->token, nodes[0].token, TOKEN_ID_SIZE);
    roster->n = NODES;
    roster->k = THRESHOLD;
    roster->timeout = 30 * MICROSECONDS_PER_SECOND;
    roster->connect_timeout = 10 * MICROSECONDS_PER_SECOND;
    roster->deal = true;
    for (unsigned i = 0; i < NODES; i++) {
        NodeCard *card = &roster->nodes[i];

        (void)snprintf(card->name, sizeof(card->name), "node%u", i + 1);
        card->address = strdup(nodes[i].address);
        memcpy(card->sealing_key, nodes[i].sealing_key, sizeof(card->sealing_key));
        memcpy(card->identity_key, identity_keys[i], sizeof(card->identity_key));
    }
    return roster;
}

static inline Secret *test_pin(void)
{
    Secret *pin;

    ck_assert_int_eq(secret_new_copy("123456", 6, &pin), 0);
    return pin;
}

static inline void token_new_client(const QuorumHooks *hooks)
{
    _cleanup_secret_ Secret *pin = test_pin();
    Problem problem = PROBLEM_INIT;

    quorum_free(quorum);
    ck_assert_int_eq(quorum_new(roster_of_nodes(), hooks, &quorum), 0);
    ck_assert_msg(quorum_login(quorum, pin, NULL, &problem) == 0, "%s", problem.text);
}

static inline void learn_identity(unsigned i)
{
    Link *link = call_open(&nodes[i]);
    NodeStatusOutput status;

    call_well(link, "GetStatus", NULL, &status);
    memcpy(identity_keys[i], status.identity_key.data, sizeof(identity_keys[i]));
    message_clear(&node_status_output, &status);
    link_close(link);
}

static inline void token_start(void)
{
    _cleanup_secret_ Secret *pin = test_pin();
    Problem problem = PROBLEM_INIT;

    for (unsigned i = 0; i < NODES; i++) {
        nodes[i] = test_node_new();
        nodes[i].index = i + 1;
        memcpy(nodes[i].token, nodes[0].token, sizeof(nodes[i].token));
        test_node_start(&nodes[i]);
        learn_identity(i);
    }
    ck_assert_int_eq(quorum_new(roster_of_nodes(), NULL, &quorum), 0);
    ck_assert_msg(quorum_init_token(quorum, pin, false, &problem) == 0, "%s", problem.text);
}

static inline void token_stop(void)
{
    quorum_free(quorum);
    for (unsigned i = 0; i < NODES; i++)
        test_node_clear(&nodes[i]);
}
