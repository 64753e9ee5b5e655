/* What a run is inside, and what a kind of run is: for run*.c only. */
#pragma once

#include "base/crypto.h"
#include "node/run.h"
#include "share/hpke.h"

#define RUN_INFO "keyquorum run v1"

/* One round after round 0. Either each node says one thing to all, or it tells each of the others something secret. Each function may set
 * run_blame(). */
typedef struct RunRound {
    int (*say)(Run *run, Bytes *ret_content, Problem *problem);
    int (*hear)(Run *run, unsigned from, const Bytes *content, Problem *problem);
    int (*tell)(Run *run, unsigned to, Secret **ret_content, Problem *problem);
    int (*learn)(Run *run, unsigned from, const Secret *content, Problem *problem);
} RunRound;

struct RunKind {
    uint8_t number;         /* in what is signed and hashed: 1 and up, in the order of NodeRunKind */
    const RunRound *rounds; /* the last of them is run_confirmation */
    unsigned n_rounds;
    bool needs_approval;
    NodePermission permission; /* that a client needs to begin it and to use what comes of it */
    /* The session is known: make what `state` is to hold. */
    int (*begin)(Run *run, Problem *problem);
    /* All but the confirmation is there: common header and share. */
    int (*finish)(Run *run, Problem *problem);
    void (*clear)(Run *run); /* `state`, which may be NULL */
};

extern const RunKind run_generate, run_refresh, run_repair;

struct Run {
    RunSubject subject;
    unsigned round; /* whose messages are awaited; beyond the last: it is done */
    unsigned culprit;
    unsigned approvals; /* nodes whose operators have approved it, this one included */
    uint8_t roster_hash[SHA256_SIZE], subject_hash[SHA256_SIZE];
    uint8_t session[SHA256_SIZE];                               /* zeros in round 0 */
    uint8_t transcript[SHA256_SIZE];                            /* of all that was said to all after round 0 */
    uint8_t seen[NODE_INDEX_MAX][SHA256_SIZE];                  /* of what each said to all last, this node included */
    uint8_t own_digest[SHA256_SIZE];                            /* of what this node says to all in this round */
    Secret *session_key;                                        /* X25519 */
    uint8_t session_keys[NODE_INDEX_MAX][HPKE_PUBLIC_KEY_SIZE]; /* the others' */
    void *state;                                                /* the kind's */
    Bytes common;
    KeyId id;
    Secret *share;
};

/* All nodes agree on what they saw and on the key: the last round of every kind. */
#define RUN_CONFIRMATION                                                                                                                   \
    {                                                                                                                                      \
        .say = run_say_confirmation, .hear = run_hear_confirmation                                                                         \
    }
int run_say_confirmation(Run *run, Bytes *ret_content, Problem *problem);
int run_hear_confirmation(Run *run, unsigned from, const Bytes *content, Problem *problem);

/* The message of node `index` is wrong: "node beta (2) …". Returns RUN_E_FAILED. */
int run_blame(Run *run, unsigned index, Problem *problem, const char *format, ...) _printf_(4, 5);

/* ---- Messages (run-message.c) ---- */

/* The common header's digest of the roster as this node pins it, and of what the run is about. Errors: -EIO; -ENOMEM. */
int run_hash_roster(const RunSubject *subject, uint8_t ret_hash[SHA256_SIZE]) _must_check_;
int run_hash_subject(const RunSubject *subject, uint8_t ret_hash[SHA256_SIZE]) _must_check_;
/* Of what all said in round 0, by its digests in order of index. Errors: -EIO. */
int run_hash_session(const Run *run, const uint8_t *digests, uint8_t ret_hash[SHA256_SIZE]) _must_check_;

/* body ‖ signature, from this node to `to` (0: to all). Errors: sign()'s; -ENOMEM; -EIO. */
int run_message_sign(const Run *run, unsigned to, const Bytes *body, Bytes *ret_message, Problem *problem) _must_check_;
/* The body of a message from node `from`, borrowed from it; `session`: in which it was signed. Errors: -EBADMSG it is not signed so;
 * -EIO. */
int run_message_open(const Run *run, unsigned from, const uint8_t session[SHA256_SIZE], const Bytes *message, Bytes *ret_body) _must_check_;
