/*
 * The recovery key: the private half of an X25519 key pair, kept by people, on paper or on a medium, never on the node's host. There only
 * the public half stays (in the file recovery.sealed, recovery.h), so that keys can be wrapped again without it. Written down it is
 * the 32 bytes and three of their SHA-256, in base32 (RFC 4648 §6) in groups of four: XXXX-XXXX-… with 14 groups.
 */
#pragma once

#include "base/problem.h"
#include "base/secret.h"

#define RECOVERY_KEY_SIZE 32

/* Show the key once: into the new file `path`, mode 0600, or on the terminal (/dev/tty) where that is NULL. Errors: CTL_E_USAGE there is no
 * terminal; file_create()'s. */
int recovery_key_show(const Secret *key, const char *name, const char *path, Problem *problem) _must_check_;
/* Read it from a file that is for this user alone, or ask for it on the terminal where `path` is NULL. Errors: -EINVAL it is mistyped, and
 * the problem says how; file_read_private()'s; terminal_ask_secret()'s. */
int recovery_key_read(const char *path, Secret **ret_key, Problem *problem) _must_check_;
/* Is there somewhere to show a key? Ask before anything is changed. Errors: as recovery_key_show(), -EEXIST. */
int recovery_key_check(const char *path, Problem *problem) _must_check_;
