/* Keys whose shares come out of a run: the run, the test of what it made, the activation; and if it fails, what it has stored is discarded.
 */
#pragma once

#include "quorum/creation.h"

/* Is it what was asked for? Errors: as creation_by_run(). */
typedef int (*MadeCheck)(const Creation *creation, const void *userdata, Problem *problem);

/* All nodes do what `input` says, and with what they come to agree in the end the key is created, with the record of the input. Errors:
 * those of quorum_run() and creation_finish(). */
int creation_by_run(Quorum *quorum, const NodeBeginRunInput *input, MadeCheck check, const void *userdata, QuorumKey **ret_key,
                    Problem *problem) _must_check_;
