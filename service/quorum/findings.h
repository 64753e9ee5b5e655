/* What nodes say that cannot be right, or that the others do not say: logged when it changes, not each time it is seen. */
#pragma once

#include "quorum/ask.h"

typedef enum FindingKind {
    FINDING_ALONE,      /* reports keys that fewer than k nodes report */
    FINDING_MISSING,    /* does not report keys that exist */
    FINDING_TOMBSTONE,  /* reports keys that exist as destroyed */
    FINDING_UNUSABLE,   /* cannot use its share of keys that exist */
    FINDING_RECORD,     /* shows other labels or ids than the visible ones */
    FINDING_PENDING,    /* still reports keys as pending after it was given their activations */
    FINDING_HEADER,     /* shows headers that are not those of the keys */
    FINDING_ACTIVATION, /* shows activations that are not valid */
    FINDING_ROSTER,     /* shows keys that are made for another number of nodes or threshold than the roster has */
    FINDING_MAX,
} FindingKind;

typedef struct Finding {
    size_t count;
    KeyId first;
    uint64_t sum; /* of all that was added: tells whether two findings are the same */
} Finding;

typedef struct Findings {
    Finding of[THRESHOLD_NODES_MAX][FINDING_MAX];
} Findings;

/* Node `index` said so of this key. `detail`: a number by which a change of what it says can be told (a record's version). */
void findings_add(Findings *findings, unsigned index, FindingKind kind, const KeyId *id, uint64_t detail);
/* Log what is new or has changed about the nodes in `answered`, one line for each node and kind, and remember it in `known`. */
void findings_report(Quorum *quorum, const Findings *findings, NodeSet answered, Findings *known);
