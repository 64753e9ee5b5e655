/*
 * Durable steps: one change, at one node after the other, so that at any moment at most one node is between before and after. A client
 * that dies leaves a prefix of the steps; quorum_sync() goes on from there. Each step is announced to the tests' hook ("prepare 3").
 */
#pragma once

#include "quorum/ask.h"

/* The longest one node may take to make a change durable: disks are slower than signatures, so this is not the roster's time-out. */
#define STEP_TIMEOUT (30 * MICROSECONDS_PER_SECOND)

typedef struct Step {
    const char *name; /* for the hook */
    const char *method;
    const Layout *input;
    const void *const *inputs; /* as in quorum_ask() */
    bool same;
    bool stop;       /* do not go on after the first node that fails */
    unsigned enough; /* nodes; when so many have taken it, the others get only the roster's connect time-out each; 0: all are needed */
} Step;

/* Take the step at each of `nodes`, in order of index. The answers are added to `answers` (zeroed by the caller before the first step).
 * Errors: those of quorum_ask(); what the nodes say is in the answers. */
int steps_take(Quorum *quorum, const Step *step, NodeSet nodes, NodeAnswers *answers) _must_check_;

/* Move one node's answer over, adding the node to those asked. An answer of the same node that is there already goes the other way. */
void node_answer_move(NodeAnswers *from, NodeAnswers *to, unsigned index);

/* The nodes that were asked and answered with this error. */
NodeSet steps_with_error(const NodeAnswers *answers, NodeError error);
/* The nodes that were asked and did not answer at all: nobody knows whether they took the step. */
NodeSet steps_unanswered(const NodeAnswers *answers);

/* "alpha (1), beta (2)"; cut off if it does not fit. */
#define NODE_NAMES_SIZE 640
void steps_name_nodes(const Quorum *quorum, NodeSet nodes, char ret_text[NODE_NAMES_SIZE]);
