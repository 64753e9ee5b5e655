/* The node on this host that a call names, asked through its local socket: what only an operator on the node's own host may do. */
#pragma once

#include "base/node-config.h"
#include "ctl/ctl.h"
#include "wire/link.h"
#include "wire/node-interface.h"

/* A key as the node lists it. */
typedef struct LocalKey {
    KeyId id;
    char label[NODE_LABEL_SIZE_MAX + 1];
} LocalKey;

typedef struct LocalNode {
    NodeConfig config;
    Link *link;
    Microseconds patience; /* for an answer */
} LocalNode;

/* Read the configuration that the call names (instance_config_path()) and connect. Errors: instance_config_path()'s; node_config_read()'s;
 * link_open()'s. */
int local_open(const Call *call, LocalNode *ret_node, Problem *problem) _must_check_;
/* The same for a configuration file. */
int local_open_config(const char *path, LocalNode *ret_node, Problem *problem) _must_check_;
void local_close(LocalNode *node);
#define _cleanup_local_ _cleanup_(local_close)

/* One call; `output` and `ret_output` may be NULL. Errors: QUORUM_E_REFUSED the node says no, and the problem why; -errno. */
int local_call(LocalNode *node, const char *method, const Layout *input, const void *parameters, const Layout *output, void *ret_output,
               Problem *problem) _must_check_;
/* GetStatus; to be released with message_clear(). Errors: local_call()'s. */
int local_status(LocalNode *node, NodeStatusOutput *ret_status, Problem *problem) _must_check_;
/* The key of this node that `text` names: its key id, the id's first digits (at least 8), or its label. Errors: QUORUM_E_UNKNOWN_KEY;
 * -EINVAL several keys fit, and are not generations of one, of which the latest active one is meant; local_call()'s. */
int local_find_key(LocalNode *node, const char *text, LocalKey *ret_key, Problem *problem) _must_check_;
/* The header of a key, and whether it is active. Errors: local_call()'s; header_decode()'s. */
int local_header(LocalNode *node, const KeyId *id, Header *ret_header, bool *ret_active, Problem *problem) _must_check_;
/* Its id only. */
int local_key(LocalNode *node, const char *text, KeyId *ret_id, Problem *problem) _must_check_;
