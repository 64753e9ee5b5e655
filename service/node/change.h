/*
 * Changes: calls that wait for a disk or the loader. A lane takes them one at a time, in order, so what begin() found is still so in
 * done(); between the two, work() runs without the floor (crew.h), and other things go on. When the store is in doubt, none is begun any
 * more and the node stops.
 */
#pragma once

#include "base/journal.h"
#include "node/crew.h"
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
/* For the log: "done", or the error's name without its interface. */
const char *outcome_name(const Outcome *outcome);

/* What the journal gets when a change ends with this error. */
typedef struct ChangeFailure {
    NodeError error;
    JournalEvent event;
} ChangeFailure;

typedef struct ChangeClass {
    const char *what; /* for the log: "destroys key" */
    JournalEvent event;
    const ChangeFailure *failures; /* those that are not EVENT_CHANGE_FAILED; ends with NODE_ERROR_NONE; NULL: none */
    /* With the floor: may it, and is there anything to do? false: the outcome stands. */
    bool (*begin)(Change *change);
    /* Without the floor; changes nothing that belongs to it. */
    void (*work)(Change *change);
    /* With the floor, after work(): makes the outcome known to the node, whatever it is. */
    void (*done)(Change *change);
    int (*reply)(Change *change);  /* it ended well: answer the call; NULL: without parameters */
    void (*clear)(Change *change); /* what the structure owns; may be NULL */
    bool quiet;                    /* success is not logged: no `event` */
} ChangeClass;

/* First member of a structure that says what is to be changed. */
struct Change {
    Job job;
    const ChangeClass *class;
    Lane *lane;
    Change *next;
    Node *node;
    ServerCall *call;       /* answered as the class says, or with the outcome's error; NULL: nobody asked */
    struct Client *client;  /* who asked; NULL: the node itself */
    const void *parameters; /* of the call */
    KeyId key;              /* for the log, where there is a key */
    bool has_key;
    bool begun;  /* there was something to do */
    char *label; /* of the key, for the log: it may be gone afterwards; NULL: not known */
    Outcome outcome;
};

/* `idle` is called, with the floor, whenever the lane has nothing left to do. Errors: -ENOMEM, -errno. */
int lane_new(Crew *crew, void (*idle)(Node *node), Node *node, Lane **ret_lane) _must_check_;
/* After crew_free(). */
Lane *lane_free(Lane *lane);
DEFINE_CLEANUP(Lane, lane_free)
bool lane_busy(const Lane *lane);

/* A zeroed structure of `size` bytes that begins with a Change. `call` and `client` may be NULL. NULL: no memory. */
void *change_new(size_t size, const ChangeClass *class, Node *node, ServerCall *call, struct Client *client, const void *parameters);
/* Hand it over; it is answered and released when it is done. */
void lane_submit(Lane *lane, Change *change);
