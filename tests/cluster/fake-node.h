/*
 * Nodes inside the test's process: each a thread that serves org.keyquorum.Node on a unix socket with the real server, holds a share of the
 * fixed 2048-bit 3-of-5 key in memory, and one of an Ed25519 key, and does what its script says. What a helper cannot do fails the test.
 */
#pragma once

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <systemd/sd-event.h>

#include "base/secret.h"
#include "quorum/quorum.h"
#include "wire/node-interface.h"
#include "wire/server.h"

#define FAKE_NODES     5
#define FAKE_THRESHOLD 3
#define FAKE_TRIES     10

typedef enum FakePartial {
    PARTIAL_HONEST,
    PARTIAL_RANDOM,
    PARTIAL_OTHER_DIGEST, /* an honest one, of another digest */
    PARTIAL_OTHER_NODE,   /* the next node's */
    PARTIAL_ZERO,
    PARTIAL_ALL_ONES, /* not below the modulus */
    PARTIAL_SHORT,
    PARTIAL_MAX,
} FakePartial;

/* The same of Ed25519. */
typedef enum FakeShare {
    SHARE_HONEST,
    SHARE_WRONG_R,
    SHARE_WRONG_Z,
    SHARE_Z_TOO_LARGE,
    SHARE_SHORT,
    SHARE_LONG,
    SHARE_OTHER_MESSAGE, /* an honest one, of another message */
    SHARE_OTHER_NODE,    /* with the next node's share of the key */
    COMMITMENT_NO_POINT,
    COMMITMENT_IDENTITY,
    COMMITMENT_OF_ANOTHER, /* with another node's index */
    COMMITMENT_CUT_OFF,
    COMMITMENT_REPEATED,   /* the same one again and again on each connection */
    COMMITMENT_EVERYWHERE, /* the same one on every connection */
    SHARE_LIE_MAX,
    COMMITMENTS_FEW = SHARE_LIE_MAX, /* no lie: one at a time, and none with a signature share */
} FakeShare;

typedef enum FakePin {
    PIN_HONEST,
    PIN_REFUSE,       /* whatever the answer */
    PIN_ACCEPT,       /* whatever the answer */
    PIN_CLAIM_LOCKED, /* in Hello and to every answer */
} FakePin;

typedef struct FakePinVerifier {
    uint64_t version; /* 0: none */
    uint8_t verifier[NODE_VERIFIER_SIZE];
} FakePinVerifier;

typedef struct Later Later;

typedef struct FakeNode {
    unsigned index;

    /* The script: may be changed at any time. */
    _Atomic FakePartial partial;
    _Atomic FakeShare share;
    _Atomic unsigned forgets;         /* so many times it does not know its commitment any more */
    _Atomic unsigned commit_delay_ms; /* before commitments */
    _Atomic bool wordy;               /* errors come with as many words as may be */
    _Atomic NodeError sign_error;     /* instead of a partial signature, commitments or a signature share */
    _Atomic unsigned delay_ms;        /* before a partial signature */
    _Atomic bool hang_up;             /* instead of answering PartialSign */
    _Atomic FakePin pin;
    _Atomic unsigned refuse_after_ms; /* the PIN in force is refused, so late; the next one is as `pin` says. 0: it is not */
    _Atomic uint64_t claim_version;   /* of the PIN, in Hello and GetStatus; 0: the true one */
    _Atomic bool forbids_pin;         /* the client may not change the PIN */
    _Atomic bool wrong_token;         /* Hello answers WrongToken */
    _Atomic bool too_old;             /* it knows no encoding but the first, and no Ed25519 */
    _Atomic bool forget_logins;       /* the next question on each connection is answered with LoginRequired */

    /* What it has seen. */
    _Atomic unsigned connections, hellos, challenges, failures_in_all, signs, commits;

    /* Its state, as a node would have it on disk: for the test only while it is stopped. */
    bool initialized;
    uint8_t token[NODE_TOKEN_SIZE];
    FakePinVerifier in_force, next;
    unsigned failures;
    uint8_t repeated[NODE_COMMITMENT_SIZE]; /* COMMITMENT_EVERYWHERE: the first that was given; index 0: none yet */

    char address[128];
    bool running;
    pthread_t thread;
    int stop_fd; /* eventfd */
    sem_t started, frozen, thawed;
    int freeze_fd; /* eventfd */
    sd_event *event;
    Server *server;
    Later *later; /* the answers that are delayed */
} FakeNode;

/* All of them, and a client. */
typedef struct Fake {
    char directory[64];
    FakeNode nodes[FAKE_NODES]; /* nodes[i - 1] has index i */
    Quorum *quorum;
    QuorumKey *key, *ed25519_key;
    ThresholdKey *threshold;
    Secret *shares[FAKE_NODES], *ed25519_shares[FAKE_NODES];
    char log[32768]; /* what the quorum logged, a line each */
    size_t log_size;
    pthread_mutex_t log_lock;
    void (*on_step)(const char *name); /* may be NULL */
} Fake;

extern Fake fake;

/* Five running nodes of one token with the PIN "1234" (not initialized: nodes without token and PIN), and a client that is not logged in.
 * `timeout` of the roster, with a connect time-out of a fifth of it. */
void fake_start(bool initialized, Microseconds timeout);
void fake_stop(void);
/* Another client: nothing it knew is left. */
void fake_new_client(Microseconds timeout);

FakeNode *fake_node(unsigned index);
/* Die as by SIGKILL: the connections break, nobody listens; what it held in memory is kept as if it were on disk. */
void fake_node_stop(unsigned index);
void fake_node_start(unsigned index);
/* As SIGSTOP and SIGCONT: connections are taken and stay silent. */
void fake_node_freeze(unsigned index);
void fake_node_thaw(unsigned index);

/* Node `index`'s honest partial signature. */
void fake_partial(unsigned index, const NodePartialSignInput *input, uint8_t *ret_partial);

Secret *fake_pin(const char *text);
int fake_login(const char *pin, bool *ret_decided);
/* Has a line of the log this node's name and this text? */
bool fake_logged(unsigned index, const char *text);
unsigned fake_log_lines(const char *text); /* lines with this text */
void fake_log_forget(void);

/* Sign a digest made from `number` and check the result; returns quorum_sign()'s. A wrong signature fails the test. */
int fake_sign(unsigned number, Problem *problem);
/* The same with the Ed25519 key: quorum_sign_message(). */
int fake_sign_message(unsigned number, Problem *problem);
