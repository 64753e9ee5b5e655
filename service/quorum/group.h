/* The nodes' listings laid side by side: for each key id, what every node that answered says of it. */
#pragma once

#include "quorum/key.h"
#include "quorum/listing.h"

typedef struct Group {
    KeyId id;
    const NodeKeyEntry *of[THRESHOLD_NODES_MAX]; /* of[i - 1]: node i's entry, owned by its listing; NULL: not reported */
    NodeSet in[KEY_STATE_MAX];                   /* the nodes that report it in each state */
    NodeSet silent;                              /* report it as active, and did not show the proof when asked */
    KeyCore *core;                               /* the proof that it is, or once was, active; NULL: none */
} Group;

typedef struct Groups {
    Group *items; /* in order of key id */
    size_t count;
    NodeSet answered; /* the nodes whose listings are in it */
} Groups;

void groups_clear(Groups *groups);
#define _cleanup_groups_ _cleanup_(groups_clear)

/* The listings of `answered` must stay as they are while the groups are in use. Errors: -ENOMEM. */
int groups_new(const Listing listings[THRESHOLD_NODES_MAX], NodeSet answered, Groups *ret_groups) _must_check_;
/* NULL if no node reports it. */
Group *groups_find(const Groups *groups, const KeyId *id);

/* Reported as pending or active: what counts for the existence of a key. */
NodeSet group_live(const Group *group);
/* "Life of a key": at least k nodes report it and its activation is proven. */
bool group_exists(const Group *group, unsigned k);
/* Could a key that was known still exist, if nodes that are not in `answered` hold it? `group` NULL: none that answered reports it. */
bool group_may_exist(const Group *group, NodeSet answered, const Roster *roster);
