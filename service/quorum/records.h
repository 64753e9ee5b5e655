/* Records: comparing them, and which of those that the nodes hold is the visible one. */
#pragma once

#include "quorum/group.h"

/* A NodeRecord that borrows everything from `record`: for sending and comparing, not to be cleared. */
NodeRecord key_record_borrow(const KeyRecord *record);
/* A copy of a node's record. Errors: -ENOMEM. */
int key_record_of(const NodeRecord *record, KeyRecord *ret_record) _must_check_;
/* Labels UTF-8 and in size, ids in size. Errors: -EINVAL; the problem says which. */
int key_record_check(const KeyRecord *record, Problem *problem) _must_check_;

/* A total order, the same for every client: by version, then by the other fields. 0: identical. */
int record_compare(const NodeRecord *a, const NodeRecord *b);
/* The nodes that hold exactly this record of the key (as pending, active or unusable). */
NodeSet record_holders(const Group *group, const NodeRecord *record);

/* The visible record (docs/protocol.md "Record"): the newest that at least k nodes hold; of two of the same version the one with more
 * holders, then the one later in order. If k nodes hold none (a change was cut off, or too many nodes are away): what was visible `before`
 * to this process (may be NULL), as long as some node holds it; else the one with the most holders, then the latest in order, so
 * that a single node decides nothing that others agree on. NULL: no node holds a record. Owned by the group. */
const NodeRecord *record_visible(const Group *group, unsigned k, const NodeRecord *before);

/* A version that every honest node takes for new: above all that nodes hold, but not led astray by one that holds an absurd one. */
uint64_t record_next_version(const Group *group, const NodeRecord *visible);

/* Store `record` on `nodes`, first on those that do not hold the visible record, so that (with n >= 2k-1) at any moment k nodes
 * hold the old one or the new one. `answers` as in steps_take(). */
int record_store(Quorum *quorum, const Group *group, const NodeRecord *visible, const NodeRecord *record, NodeSet nodes,
                 NodeAnswers *answers) _must_check_;
