/* What a roster may say: the checks that reading and writing one have in common. For roster.c and roster-write.c only. */
#pragma once

#include "quorum/roster.h"

extern const char *const roster_log_targets[LOG_TARGET_MAX]; /* as Log= has them */

/* Errors of all: -EINVAL. */
int roster_check_label(const char *label, Problem *problem) _must_check_;
int roster_check_client_key(const char *path, Problem *problem) _must_check_;
/* KernelLabels= and KeyringLabels=: so short that their line in a file can be read again. */
#define LABELS_SIZE_MAX 160
int roster_check_labels(const char *patterns, Problem *problem) _must_check_;
int roster_check_threshold(unsigned n, unsigned k, Problem *problem) _must_check_;
/* What two nodes must not share, by its name in the file; NULL: nothing is shared. Only what both have set already is compared. */
const char *roster_shared_by(const NodeCard *a, const NodeCard *b) _must_check_;
