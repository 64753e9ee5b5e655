/*
 * Changes: calls that wait for a disk or the loader. A lane takes them one at a time, in order, so what begin() found is still so in
 * done(); between the two, work() runs in the lane's own thread and the loop goes on with other things. When the store is in doubt, none is
 * begun any more and the node stops.
 */
#pragma once

#include "node/jobs.h"
#include "share/header.h"
#include "wire/node-interface.h"
#include "wire/server.h"

typedef struct Node Node;
typedef struct Lane Lane;
typedef struct Change Change;
struct Client;

/* How something ended. */
typedef struct Outcome {
    NodeError error; /* NODE_ERROR_NONE: well; `problem` may then hold a warning for the log */
    uint64_t number; /* NodeErrorDetail.number */
    Problem problem;
} Outcome;

/* Returns false, so that begin() reads `return outcome_set(…)`. */
bool outcome_set(Outcome *outcome, NodeError error, const char *format, ...) _printf_(3, 4);

typedef struct ChangeClass {
    const char *what; /* for the log: "destroys key" */
    /* On the loop: may it, and is there anything to do? false: the outcome stands. */
    bool (*begin)(Change *change);
    /* In the lane's thread; changes nothing that the loop reads. */
    void (*work)(Change *change);
    /* On the loop, after work(): makes the outcome known to the node, whatever it is. */
    void (*done)(Change *change);
    void (*clear)(Change *change); /* what the structure owns; may be NULL */
    bool quiet;                    /* success is not logged */
} ChangeClass;

/* First member of a structure that says what is to be changed. */
struct Change {
    Job job;
    const ChangeClass *class;
    Lane *lane;
    Change *next;
    Node *node;
    ServerCall *call;       /* answered without parameters, or with the outcome's error; NULL: nobody asked */
    struct Client *client;  /* who asked; NULL: the node itself */
    const void *parameters; /* of the call */
    KeyId key;              /* for the log, where there is a key */
    bool has_key;
    Outcome outcome;
};

/* `idle` is called on the loop whenever the lane has nothing left to do. Errors: -ENOMEM, -errno. */
int lane_new(sd_event *event, void (*idle)(Node *node), Node *node, Lane **ret_lane) _must_check_;
/* Waits for the change in hand. */
Lane *lane_free(Lane *lane);
DEFINE_CLEANUP(Lane, lane_free)
bool lane_busy(const Lane *lane);

/* A zeroed structure of `size` bytes that begins with a Change. `call` and `client` may be NULL. NULL: no memory. */
void *change_new(size_t size, const ChangeClass *class, Node *node, ServerCall *call, struct Client *client, const void *parameters);
/* Hand it over; it is answered and released when it is done. */
void lane_submit(Lane *lane, Change *change);
