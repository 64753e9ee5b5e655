/*
 * Runs of several nodes (docs/protocol.md "Runs"): the client's part, which is the same for every kind. It takes the nodes' messages from
 * one to the other until all say that they are done. It learns nothing by that, and it can change nothing: the nodes sign and seal.
 */
#pragma once

#include "quorum/ask.h"

/* What nodes have in the end. */
typedef struct RunEnd {
    Bytes header;   /* the common header of the key, as all of those that have come to the end say; empty: none has */
    NodeSet stored; /* nodes that have stored what the run is for, or may have */
} RunEnd;

void run_end_clear(RunEnd *end);
#define _cleanup_run_end_ _cleanup_(run_end_clear)

/* Have `nodes` do together what `input` says; needs a login. `ret_end` is written in every case: after an error there may be something to
 * discard. Errors: QUORUM_E_LOGIN_REQUIRED; QUORUM_E_TOO_FEW_NODES a node was silent; QUORUM_E_REFUSED a node does not take part;
 * QUORUM_E_SIGNATURE a node sent something wrong; -ENOMEM. The problem names the nodes. */
int quorum_run(Quorum *quorum, NodeSet nodes, const NodeBeginRunInput *input, RunEnd *ret_end, Problem *problem) _must_check_;
