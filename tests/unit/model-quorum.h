/*
 * A quorum without processes: the nodes are models in memory that follow docs/protocol.md "Life of a key", and quorum_ask() calls them
 * directly. Everything passes through the layouts, as on the wire. Tests change the models' state to make them lie, and cut the client
 * or a node off at a chosen step.
 */
#pragma once

#include "quorum/catalog.h"
#include "quorum/listing.h"
#include "quorum/state.h"

#include "key-fixture.h"

typedef struct ModelKey {
    KeyId id;
    KeyState state;
    Bytes common, activation;
    KeyRecord record;
} ModelKey;

typedef struct ModelNode {
    bool down;               /* does not answer */
    bool all_pending;        /* lie: lists everything as pending, and accepts activations without effect */
    bool false_header;       /* lie: shows a changed header */
    bool no_activation;      /* lie: shows a false activation */
    bool wrong_partial;      /* lie */
    bool deaf;               /* lie: says that a change was made, and makes none */
    bool full;               /* refuses to store shares and activations */
    bool asleep;             /* makes a change, and does not answer any more */
    bool ill;                /* answers GetKey with an error */
    unsigned over_at;        /* lie: says at this step of a run that it is over, and has stored nothing; 0: at the last */
    uint8_t other_header;    /* lie: shows in the end of a run a header that only nodes with the same number show; 0: the key's */
    unsigned withheld;       /* permissions that the client has not: bit mask of NodePermission */
    unsigned denied;         /* calls answered with PermissionDenied */
    Microseconds slow;       /* takes so long for each answer; if the client does not wait so long, nothing is done and none comes */
    const char *slow_method; /* for this method only; NULL: for all */
    uint64_t pin_version;
    uint64_t revision;
    ModelKey *keys; /* in order of id */
    size_t n_keys;
    Secret *sealing_key;
    unsigned pages, gets, changes; /* ListKeys with a list, GetKey, durable changes answered */
    unsigned tests;                /* signatures that it took part in with an Ed25519 key */
    unsigned run_step;             /* the next one of the run that is under way; 0: none is */
} ModelNode;

typedef struct Model {
    struct Quorum quorum;                        /* the client */
    const TestKey *key;                          /* whose shares the nodes have */
    Secret *ed25519_shares[THRESHOLD_NODES_MAX]; /* of the only Ed25519 key that they take; the test's */
    ModelNode nodes[THRESHOLD_NODES_MAX];
    const Bytes *run_header; /* of the key that runs make; the test's */
    bool logged_in;
    Microseconds waited; /* the time that slow nodes have taken: clock_now() is so far ahead of the real time */
    unsigned steps;      /* taken so far */
    unsigned dies_at;    /* the client at this step: nothing it sends arrives any more; 0: never */
    unsigned sleeps_at;  /* the node that the step is for makes the change and falls asleep; 0: never */
    unsigned falls_at;   /* the node that the step is for dies before it gets it; 0: never */
    bool dead;
    void (*on_step)(unsigned step); /* may be NULL */
    char log[16384];                /* what was logged, a line each */
} Model;

extern Model model;

#define MODEL_RUN_STEPS 4

/* n models and a logged-in client that knows nothing. */
void model_start(const TestKey *key);
void model_stop(void);
/* Another process: what the client knew is gone, and it is alive. */
void model_new_client(void);
/* Does the log name the node with this text? Forgets the log. */
bool model_logged(unsigned index, const char *text);
/* The number of lines in the log. */
unsigned model_log_lines(void);

extern const char *const model_state_names[KEY_STATE_MAX];
ModelKey *model_key_find(ModelNode *node, const KeyId *id);
ModelKey *model_key_insert(ModelNode *node, const KeyId *id);
void model_key_remove(ModelNode *node, ModelKey *key);
/* Put an active key straight into the nodes of the set: the fixed key with `variant` in its header, so that ids differ. */
KeyId model_key_put(NodeSet nodes, unsigned variant, const char *label);
/* A generation of one Ed25519 key, in that state. */
KeyId model_generation_put(NodeSet nodes, unsigned generation, KeyState state, const char *label);
/* Change the state of a key at a node, as a liar or an accident would. */
void model_key_set_state(unsigned index, const KeyId *id, KeyState state);
void model_key_set_record(unsigned index, const KeyId *id, uint64_t version, const char *label);
void model_key_forget(unsigned index, const KeyId *id);

/* The fixed key as a dealer would have made it. */
Deal model_deal(void);
/* Everything that the node holds, as text: to compare nodes with each other and before with after. */
char *model_describe(unsigned index);
