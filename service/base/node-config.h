/*
 * The configuration file that a node, its loader and kqctl read: INI, one section.
 *
 *   [node]
 *   Name=alpha                              [a-z][a-z0-9_]{0,31}
 *   State=/var/lib/keyquorum/alpha          absolute; keys/<key id>.share and the node's records live below it
 *   Listen=unix:/run/keyquorum/alpha.sock   the node's socket
 *   Custody=kernel                          kernel or keyring: the default of keys made here
 *   Loader=unix:/run/keyquorum/alpha-load.sock
 *   Separation=yes                          yes (the default): loader and node are different users
 *                                           no: one user; the node starts the loader itself, Loader= is absent or empty
 *   SealingKey=/path  IdentityKey=/path     with Separation=yes they default to sealing-key and identity-key in
 *                                           $CREDENTIALS_DIRECTORY; with Separation=no both are required
 *   Threads=0                               exponentiations at a time; 0 (the default): as many as there are processors
 */
#pragma once

#include <stdbool.h>

#include "base/problem.h"

#define NODE_CONFIG_NAME_SIZE_MAX 32
#define NODE_CONFIG_THREADS_MAX   256

typedef struct NodeConfig {
    char *name;
    char *state;
    char *listen;       /* "unix:/…" */
    char *custody;      /* "kernel" or "keyring" */
    char *loader;       /* "unix:/…"; NULL if and only if !separation */
    char *sealing_key;  /* a path; NULL only with separation, when neither the file nor $CREDENTIALS_DIRECTORY says */
    char *identity_key; /* the same */
    bool separation;
    unsigned threads; /* 0: as many as there are processors */
} NodeConfig;

/* Read and check the whole file. Every mistake is named with FILE:LINE (a missing key with FILE).
 * Errors: those of ini_read(); -EINVAL a section, key or value that is unknown, repeated, missing or wrong; -ENOMEM. */
int node_config_read(const char *path, NodeConfig *ret_config, Problem *problem) _must_check_;
void node_config_clear(NodeConfig *config);
#define _cleanup_node_config_ _cleanup_(node_config_clear)

/* [a-z][a-z0-9_]{0,31}: fit for socket names, D-Bus names, log lines and unit instances. */
bool node_config_name_valid(const char *name);
