/* Making a node: what both kinds of it, the installed instance and the directory for trying out, have in common. */
#pragma once

#include "ctl/ctl.h"

/* What is asked for, checked. */
typedef struct NodePlan {
    const char *name, *custody;
    const char *socket;  /* "unix:/…": what --listen says of the node's own socket; NULL: nothing */
    const char *bind;    /* "tls:IP:PORT" where the gate listens; NULL: the node is for this host only */
    const char *address; /* "tls:IP:PORT" where clients find it: on the card; NULL like bind */
} NodePlan;

/* Install it: configuration, credentials, units; start it, and wait until it answers. All or nothing. */
int node_install(const Call *call, const NodePlan *plan, Problem *problem) _must_check_;
