/*
 * The three keys of a node, and the card that shows their public halves. With --no-separation the keys are files in one directory; those of
 * an instance are encrypted credentials, with their public halves beside them (ctl/instance.h says how all that is called).
 */
#pragma once

#include "base/node-config.h"
#include "base/secret.h"
#include "quorum/roster.h"

#define NODE_KEYS_SEALING  "sealing.key"  /* X25519, 32 bytes */
#define NODE_KEYS_IDENTITY "identity.key" /* Ed25519 seed (RFC 8032 §5.1.5), 32 bytes */
#define NODE_KEYS_TLS      "tls.key"      /* P-256, PKCS#8 in PEM */

typedef struct NodeKeys {
    Secret *sealing, *identity, *tls; /* the files' contents */
} NodeKeys;

void node_keys_clear(NodeKeys *keys);
#define _cleanup_node_keys_ _cleanup_(node_keys_clear)

/* Fresh ones. Errors: -EPERM, -ENOMEM memory cannot be locked; -EIO. */
int node_keys_new(NodeKeys *ret_keys, Problem *problem) _must_check_;
/* A fresh identity key alone (RFC 8032 §5.1.5). Errors: as above. */
int node_keys_new_identity(Secret **ret_seed) _must_check_;
/* Write the three files, mode 0600. Errors: file_create()'s. */
int node_keys_write(const NodeKeys *keys, int directory, Problem *problem) _must_check_;
/* Write them as credentials, and their public halves. `directory` is the same as `path`. `ret_protector`: what the credentials are sealed
 * to, in words, to be released with free(). Errors: credential_write()'s; file_create()'s. */
int node_keys_write_credentials(const NodeKeys *keys, const char *path, int directory, char **ret_protector, Problem *problem) _must_check_;
/* Read the files: from where the configuration says; a TLS key that it does not name, from beside the sealing key. Errors: -EINVAL a file
 * of the wrong size or none named; file_read_private()'s. */
int node_keys_read(const NodeConfig *config, NodeKeys *ret_keys, Problem *problem) _must_check_;
/* The card of the node that has these keys, to be released with card_clear(). Errors: -EINVAL the TLS key cannot be parsed; -EIO; -ENOMEM.
 */
int node_keys_card(const NodeKeys *keys, const char *name, const char *address, NodeCard *ret_card, Problem *problem) _must_check_;
/* The card of an instance, from the public halves in its directory. Errors: -errno; -EINVAL a file of the wrong size. */
int node_keys_card_of_instance(const char *path, const char *name, const char *address, NodeCard *ret_card, Problem *problem) _must_check_;
/* Print the card on standard output and what to compare on standard error. */
int node_keys_print_card(const NodeCard *card, Problem *problem) _must_check_;
