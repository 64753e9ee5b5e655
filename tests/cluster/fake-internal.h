/* Between fake-node.c and fake-share.c. */
#pragma once

#include "fake-node.h"
#include "threshold/frost.h"

#define FAKE_BATCHES_MAX 64

/* The nonces that this connection was given the commitments of. */
typedef struct FakeBatch {
    FrostNonces *nonces;
    uint64_t left; /* bit i: pair i was not used */
} FakeBatch;

typedef struct FakeConnection {
    FakeNode *node;
    bool hello, logged_in;
    bool has_nonce;
    uint8_t nonce[NODE_NONCE_SIZE];
    FakeBatch batches[FAKE_BATCHES_MAX];
    unsigned n_batches;                     /* made so far */
    uint8_t repeated[NODE_COMMITMENT_SIZE]; /* COMMITMENT_REPEATED: the first that was given; index 0: none yet */
} FakeConnection;

typedef int (*FakeAnswer)(FakeNode *node, ServerCall *call, const void *input);

FakeConnection *fake_connection(ServerCall *call);
int fake_refuse(ServerCall *call, NodeError error, uint64_t number);
NodeError fake_check_logged_in(FakeNode *node, FakeConnection *connection);
/* `answer` after so long, with the call's input. */
int fake_answer_later(FakeNode *node, ServerCall *call, FakeAnswer answer, const void *input, unsigned delay_ms);

int fake_on_get_commitments(ServerCall *call, void *parameters, void *userdata);
int fake_on_sign_share(ServerCall *call, void *parameters, void *userdata);
void fake_connection_clear(FakeConnection *connection);
