/* Loading: getting a stored share into the ring and a handle on it. Shares are loaded on first use; with separation, all of them in the
 * background as well. Loads are changes of the key lane. */
#pragma once

#include "node/node.h"

/* The key lane's thread: the handle of a stored share, loading it if it is not in the ring. `common` is its common header.
 * false after the outcome is set: NODE_ERROR_REJECTED for good, NODE_ERROR_UNAVAILABLE for now. */
bool loading_load(Node *node, const KeyId *id, const Bytes *common, Loaded **ret_loaded, Outcome *outcome);

/* See to it that `key` gets loaded; then its waiting signatures go on (sign-job.c). Errors: -ENOMEM. */
int loading_request(Node *node, Key *key) _must_check_;

/* The key lane has nothing else to do: load the next key, if there is one to be loaded. */
void loading_next(Node *node);

/* The loaded share is not to be used any more: it goes, and the nonces that were made with it. */
void loading_forget(Node *node, Key *key);
