/* Partial signatures: the one operation that must be fast. */
#pragma once

#include "node/ops.h"

/* The load that `key` waited for is over: its waiting signatures begin, or fail as `outcome` says. */
void signing_go_on(Node *node, Key *key, const Outcome *outcome);
