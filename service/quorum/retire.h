/* Old generations of a key go when a later one is active at all nodes (docs/protocol.md "Generations"). */
#pragma once

#include "quorum/group.h"

/* Proven to be active, and of the same key? Ed25519 keys only. */
bool group_same_key(const Group *a, const Group *b);
/* The latest generation that exists (group_exists()), of the key of `group`, later than it; NULL: there is none. What fewer nodes report
 * does not count: one that lies would keep old shares for ever. */
const Group *retire_successor(const Groups *groups, const Group *group, unsigned k);
/* What was changed about the old generation after the next one had been made is changed there as well; `answers` as in steps_take(), empty
 * if there is nothing to do. Errors: steps_take()'s. */
int retire_carry_record(Quorum *quorum, const Group *old, const Group *successor, NodeAnswers *answers) _must_check_;
/* RetireKey wherever the old generation is still held. `answers` as in steps_take(). Errors: steps_take()'s. */
int retire_everywhere(Quorum *quorum, const Group *old, NodeAnswers *answers) _must_check_;
