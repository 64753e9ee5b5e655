/*
 * What computes with a share: PartialSign (ops-sign.c), GetCommitments and SignShare (ops-share.c), the operations that must be fast. A job
 * waits until the share is loaded, computes without the floor, tries once more if somebody took the share out of the ring meanwhile, and
 * gives away only what the key may be used for when it is answered.
 */
#pragma once

#include "node/ops.h"

typedef struct SignJob SignJob;

typedef struct SignClass {
    JobClass job;       /* its done is sign_job_done() */
    const char *method; /* whose it is */
    const char *makes;  /* for people */
    bool dealt;         /* for keys of schemes with a dealer; otherwise for the others */
    bool signs;         /* what it makes is a signature: it is counted, told to the audit, and the lock of the key is looked at */
    /* Is it the activation statement, which a pending key may be used for? NULL: it may always be used. */
    bool (*is_statement)(const SignJob *sign, const Digest *statement);
    /* With the floor, before anything is counted: is there anything else that it needs? May be NULL. */
    bool (*is_ready)(const SignJob *sign, Outcome *outcome);
    void (*reply)(SignJob *sign);
    void (*clear)(SignJob *sign); /* what the structure owns; may be NULL */
} SignClass;

/* First member of a structure that says what is to be computed. */
struct SignJob {
    Job job;
    const SignClass *class;
    Node *node;
    ServerCall *call;
    Client *client;
    Key *key;
    Loaded *loaded;    /* what work() uses; NULL while waiting for the load */
    bool retried;      /* the share was gone once already */
    uint64_t closings; /* of the key, when it was begun */
    Digest digest;     /* for the audit: of what is signed */
    int r;             /* work(): 0, KEYRING_E_GONE, or another code with `outcome.problem` */
    Outcome outcome;   /* work(): its error is set if it is the caller's fault */
    SignJob *next;     /* waiting */
};

/* A zeroed structure of `size` bytes that begins with a SignJob. NULL: no memory. */
void *sign_job_new(size_t size, const SignClass *class, Node *node, ServerCall *call, Client *client, Key *key);
/* Hand it over; the call is answered, and it is released, when it is done. Returns what a handler returns. */
int sign_job_submit(SignJob *sign);
/* JobClass.done of all of them. */
void sign_job_done(Job *job);

/* The load that `key` waited for is over: its waiting jobs begin, or fail as `outcome` says. */
void signing_go_on(Node *node, Key *key, const Outcome *outcome);
