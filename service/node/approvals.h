/*
 * What the operator of this node's host has approved: runs that make shares of a key anew, one each (docs/protocol.md "Approvals").
 *
 * In memory only, so that a restart forgets them: an approval is the word of somebody who is there now, for what is about to be done. On
 * the disk it would come back with a backup, and its hour would have to be counted while the node is away, by a clock that anybody can set.
 * With the floor only (crew.h).
 */
#pragma once

#include <stdbool.h>

#include "base/clock.h"
#include "share/header.h"
#include "wire/node-interface.h"

#define APPROVAL_SECONDS 3600

typedef struct Approval {
    NodeRunKind kind; /* NODE_RUN_REFRESH or NODE_RUN_REPAIR */
    KeyId key;
    unsigned lost; /* repair: index of the node whose share is made anew; otherwise 0 */
} Approval;

/* All zero: empty. */
typedef struct Approvals {
    Approval items[NODE_APPROVALS_MAX]; /* in the order in which they were given */
    Microseconds until[NODE_APPROVALS_MAX];
    unsigned n;
} Approvals;

/* Times are those of lock_now(). What has expired is gone, whichever of these functions is called first. */

/* Given again, it holds from now on. Errors: -E2BIG there are NODE_APPROVALS_MAX already. */
int approvals_add(Approvals *approvals, const Approval *approval, Microseconds now) _must_check_;
bool approvals_has(Approvals *approvals, const Approval *approval, Microseconds now);
/* It is used, or withdrawn. false: there is no such approval any more. */
bool approvals_take(Approvals *approvals, const Approval *approval, Microseconds now);
/* All of them: what they were given for may be something else now. How many were there? */
unsigned approvals_clear(Approvals *approvals, Microseconds now);
/* How many there are; and of each, until when. */
unsigned approvals_tidy(Approvals *approvals, Microseconds now);
