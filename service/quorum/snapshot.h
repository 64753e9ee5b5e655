/* The keys that exist at one moment, in order of key id. Never changed once it is published. Generations of one key (docs/protocol.md
 * "Generations") are all in it, and all but one of them are hidden. */
#pragma once

#include "quorum/group.h"

typedef struct SnapshotEntry {
    QuorumKey *key;
    bool hidden; /* another generation stands for it */
} SnapshotEntry;

typedef struct Snapshot {
    size_t count;
    SnapshotEntry items[];
} Snapshot;

Snapshot *snapshot_free(Snapshot *snapshot);
DEFINE_CLEANUP(Snapshot, snapshot_free)
#define _cleanup_snapshot_ _cleanup_(snapshot_freep)

/* Borrowed; NULL if it is not in it. `snapshot` may be NULL. */
QuorumKey *snapshot_find(const Snapshot *snapshot, const KeyId *id);
/* Is it in it, and does it stand for its generations? */
bool snapshot_shows(const Snapshot *snapshot, const KeyId *id);
/* The generation that stands for the key with this header, borrowed; NULL: there is none. */
QuorumKey *snapshot_find_shown(const Snapshot *snapshot, const Header *header);

/* The keys of `groups` that exist, and those of `old` (may be NULL) that may still exist if nodes that did not answer hold them: those stay
 * as they were known. Errors: -ENOMEM. */
int snapshot_new(const Snapshot *old, const Groups *groups, const Roster *roster, Snapshot **ret_snapshot) _must_check_;

/* `old` (may be NULL) without the key of this id, and with `add` (may be NULL) in its place. Errors: -ENOMEM. */
int snapshot_replace(const Snapshot *old, const KeyId *id, QuorumKey *add, Snapshot **ret_snapshot) _must_check_;
