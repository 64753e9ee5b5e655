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
 *   Address=tls:192.0.2.11:7853             where clients on other hosts reach the node: what its card says, what the gate listens on;
 *                                           absent: the node is for this host only
 *   GateSocket=unix:/run/keyquorum/alpha.gate
 *                                           where the gate reaches the node
 *   Clients=/run/keyquorum/alpha/clients    where the node publishes the clients' pins for the gate; these three together, or none
 *   TlsKey=/path                            of the gate, PEM; defaults as SealingKey= does; with Separation=no required beside Address=
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
    char *address;      /* "tls:…"; NULL: for this host only, and so are the next two */
    char *gate_socket;  /* "unix:/…" */
    char *clients;      /* a path */
    char *tls_key;      /* a path; NULL as the keys above, or without an address */
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
/* A client's: 1 to 32 letters, digits, '.', '_' and '-', the first a letter or digit. */
bool client_name_valid(const char *name);
