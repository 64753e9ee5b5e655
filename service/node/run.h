/*
 * Runs: what several nodes do together, each with a secret of its own, while a client takes their messages from one to the other
 * (docs/protocol.md "Runs"). A Run is one node's part in one of them, without I/O and without a clock. Which kinds there are, and what a
 * kind says in each round, is a table of rows; rounds, signatures, sealing, session and agreement are the same for all.
 *
 * The client is not trusted with anything: every message is signed by the identity key of its sender, which the others pin, for this run,
 * round and recipient; what is secret is sealed to a key that its recipient made for this run; and nobody stores anything before all have
 * said that they saw the same. Whoever breaks the rules ends the run at those who see it, and is named.
 *
 * Call ed25519_group_init() before anything else here. Not thread-safe: one thread at a time has a run.
 */
#pragma once

#include "base/problem.h"
#include "base/secret.h"
#include "share/header.h"
#include "wire/node-interface.h"

#define RUN_SIGNATURE_SIZE 64

typedef enum RunError {
    RUN_E_OK,
    RUN_E_FAILED, /* the run is over: run_culprit() says whose message is wrong, the problem how */
    RUN_E_MAX,
} RunError;

typedef struct Run Run;
typedef struct RunKind RunKind;

/* Does it make shares of a key anew? Operators of k of the nodes that take part must have approved it then. */
bool run_kind_needs_approval(const RunKind *kind);
/* What a client must be permitted to begin it and to use what comes of it. */
NodePermission run_kind_permission(const RunKind *kind);
/* A row of the table of kinds, one for each NodeRunKind; NULL: there is none of that name. */
const RunKind *run_kind_by_name(const char *name);

/* A node of the token, as this node pins it. */
typedef struct RunParty {
    char name[NODE_NAME_SIZE_MAX + 1];
    uint8_t identity_key[NODE_PUBLIC_KEY_SIZE];
} RunParty;

/* Something that is computed with a share. `share` is secret, and nothing of it is kept. */
typedef int (*RunUse)(void *context, const Secret *share);

/* What a run is about. It has to be the same at all nodes but for what is said to be this node's own. Pointers are borrowed: what they
 * point to outlives the run. */
typedef struct RunSubject {
    const RunKind *kind;
    uint8_t token[NODE_TOKEN_SIZE];
    unsigned n, k;
    RunParty parties[NODE_INDEX_MAX]; /* of all n nodes; [index - 1] is this one */
    uint32_t nodes;                   /* those that take part: bit i - 1 is node i; this one is among them */
    unsigned lost;                    /* repair: the node whose share is made anew; otherwise 0 */
    const Bytes *common;              /* the common header of the key whose shares are made anew; NULL: it is no such run */
    const NodeRecord *record;         /* of what is stored in the end */
    unsigned index;                   /* this node's own */
    bool approved;                    /* this node's own: has its operator approved it? */
    /* This node's own: compute with the share that it has of that key; NULL: it has none. Errors: what `use` returns; -errno. The problem
     * is set where it is not `use` that fails. */
    int (*use_share)(void *userdata, RunUse use, void *context, Problem *problem);
    /* This node's own way to sign with its identity key. Errors: -errno. */
    int (*sign)(void *userdata, const Bytes *statement, uint8_t ret_signature[RUN_SIGNATURE_SIZE], Problem *problem);
    void *userdata;
} RunSubject;

/* Messages to others: `index` is the recipient, 0 for all. */
typedef struct RunMessages {
    NodeRunMessage items[NODE_RUN_MESSAGES_MAX];
    size_t count;
} RunMessages;

void run_messages_clear(RunMessages *messages);
#define _cleanup_run_messages_ _cleanup_(run_messages_clear)

/* Begin, with the messages of round 0. Errors: what sign() returns; -EPERM memory cannot be locked; -ENOMEM; -EIO. */
int run_new(const RunSubject *subject, Run **ret_run, RunMessages *ret_messages, Problem *problem) _must_check_;
/* Wipes all that is secret. */
Run *run_free(Run *run);
DEFINE_CLEANUP(Run, run_free)
#define _cleanup_run_ _cleanup_(run_freep)

/* The messages of all others in this round (NodeRunMessage, `index`: the sender), which the next round's answer; none, when that was the
 * last. After an error the run is of no use any more. Errors: RUN_E_FAILED; as run_new(). */
int run_step(Run *run, const List *messages, RunMessages *ret_messages, Problem *problem) _must_check_;

/* Are the messages of the last step the first that hold something made of what is secret? Who has them can have it used, whatever becomes
 * of the run. */
bool run_gives(const Run *run);

/* The index of the node whose message is wrong; 0: nobody is to blame. */
unsigned run_culprit(const Run *run);

/* What the last step yields. */
typedef struct RunResult {
    const Bytes *common; /* the common header of the key */
    const Secret *share; /* this node's, secret; NULL: it has nothing to store */
} RunResult;

/* Has the last step been taken? Then what comes of it, which belongs to the run. */
bool run_result(const Run *run, RunResult *ret_result);
