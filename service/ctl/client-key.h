/*
 * This client's TLS key: a file in PEM, with the client's name in a line above it (RFC 7468 §2 lets text stand there), so that the roster,
 * which is made later, gets the name under which the nodes know the client.
 */
#pragma once

#include "base/secret.h"
#include "ctl/ctl.h"

/* Where it is: what the roster says, or client-key.pem beside where the roster is or will be. A new string. Errors: -ENOMEM; those of
 * roster_read() but -ENOENT. */
int client_key_path(const Call *call, char **ret_path, Problem *problem) _must_check_;
/* Key and name, as they are in the file. Errors: -ENOENT; -errno. `ret_name` is "" where the file says none. */
int client_key_read(const char *path, Secret **ret_pem, char ret_name[NODE_NAME_MAX + 1], Problem *problem) _must_check_;
/* A new file. `group` (may be NULL): may read it as well. Errors: -EEXIST; CTL_E_USAGE no such group; -errno. */
int client_key_write(const char *path, const Secret *pem, const char *name, const char *group, Problem *problem) _must_check_;
/* Print the card with the pins of one key or two (`second` may be NULL) on standard output, and what to compare on standard error. Errors:
 * -EINVAL a key is none; client_card_format()'s. */
int client_key_print_card(const char *name, const Secret *first, const Secret *second, Problem *problem) _must_check_;
