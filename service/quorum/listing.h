/* What each node says it holds: the answers of ListKeys, page by page, kept until the node says that something changed. */
#pragma once

#include "quorum/ask.h"

typedef enum KeyState {
    KEY_PENDING,
    KEY_ACTIVE,
    KEY_UNUSABLE,
    KEY_DESTROYED,
    KEY_STATE_MAX,
    KEY_STATE_INVALID = -1,
} KeyState;

KeyState key_state_from_name(const char *name);

/* A node that lists more is broken or wants our memory. */
#define LISTING_KEYS_MAX 20000

typedef struct Listing {
    char *revision;        /* NULL: this node has never told */
    NodeKeyEntry *entries; /* in strictly ascending order of key id; every state is one of KeyState */
    size_t count;
} Listing;

void listing_clear(Listing *listing);

/* Ask `nodes`, for at most the roster's connect time-out in all; `listings[i - 1]` is node i's and is replaced when it
 * changed. A node that does not answer, or not in order, is left as it was. `ret_answers` has an answer for every node asked: good ones
 * are the nodes whose listing is now current. Errors: -ENOMEM. */
int listing_update(Quorum *quorum, NodeSet nodes, Listing listings[THRESHOLD_NODES_MAX], NodeSet *ret_changed, NodeAnswers *ret_answers)
    _must_check_;
