/* The ids of destroyed keys: what a node that is restored must not bring back. */
#pragma once

#include "ctl/ctl.h"

/* Print every id for which a node that answers holds a tombstone, with the number of those nodes: one is enough, since those that hold the
 * others may be the ones that are lost. Errors: session_open()'s; QUORUM_E_TOO_FEW_NODES nobody answers; CTL_E_ATTENTION printed, but
 * not every node answered. */
int key_destroyed_list(const Call *call, Problem *problem) _must_check_;
