/* What BeginRun says of a key whose shares are to be made anew, held against what this node knows of it. With the floor only (crew.h). */
#pragma once

#include "node/node.h"

typedef struct RunOfKey {
    Approval approval; /* that it needs */
    uint32_t nodes;    /* those that take part: bit i - 1 is node i */
    Bytes common;      /* the key's common header; owned */
    bool has_share;    /* this node has a share of it; otherwise it is the one that has lost it */
} RunOfKey;

void run_of_key_clear(RunOfKey *of_key);

/* The kind is NODE_RUN_REFRESH or NODE_RUN_REPAIR. false: the outcome says why not. */
bool run_of_key_read(const Node *node, const NodeBeginRunInput *input, RunOfKey *ret_of_key, Outcome *outcome);
/* The member of the request that does not go with its kind; NULL: all do. */
const char *run_of_key_find_wrong(const NodeBeginRunInput *input);
