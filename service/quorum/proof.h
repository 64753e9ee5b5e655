/* Proofs that keys are active: headers and activations fetched from the nodes and checked, each once. */
#pragma once

#include "quorum/findings.h"
#include "quorum/group.h"

/* For every group without a core that at least `holders_min` nodes report as pending or active and some node as active: fetch header and
 * activation from nodes that report it as active, one after the other, until one is right; many keys at a time, spread over the nodes.
 * A node that takes longer for one than half the roster's connect time-out is not asked for more; one that takes much longer than others
 * is asked only for what nobody else can show. Keys that no node proves stay without a core; the nodes that report such a key as active
 * and showed nothing are in the group's `silent`, and `*ret_complete` is false if there are any. Nodes that show something false get a
 * finding. Errors: -ENOMEM, -EIO. */
int proofs_fetch(Quorum *quorum, Groups *groups, unsigned holders_min, Findings *findings, bool *ret_complete) _must_check_;
