/*
 * recovery.sealed, beside a node's keys: its three keys, sealed to its recovery key, so that they survive the host. One JSON object:
 *
 *   format 1   name   recoveryKey (the public half)   sealingKey, identityKey, tlsPin (of what is inside)   sealed
 *
 * sealed: HPKE (share/hpke.h), info "keyquorum recovery v1"; associated data: the length of the name (one byte), the name, and the four
 * values of 32 bytes in that order; plaintext: sealing key, identity key, TLS key, each after its length (two bytes, big endian). While a
 * rotation is under way the sealing key has 64 bytes, new and old.
 */
#pragma once

#include "ctl/node-keys.h"

#define RECOVERY_FILE     "recovery.sealed"
#define RECOVERY_SIZE_MAX (16 * 1024)

/* Make a recovery key, wrap `keys` with it into DIRECTORY/recovery.sealed in the place of what is there, and show the key (recovery-key.h;
 * `key_file` NULL: on the terminal). If it cannot be shown, what was there before is there again. Errors: recovery_key_show()'s;
 * file_replace()'s; -EINVAL the keys are none. */
int recovery_begin(const char *directory_path, const char *name, const NodeKeys *keys, const char *key_file, Problem *problem) _must_check_;
/* Wrap other keys with the same recovery key; nothing happens where there is no recovery.sealed. Before new keys are put to use, this comes
 * first. Errors: as above; -EBADMSG it is damaged. */
int recovery_renew(const char *directory_path, const char *name, const NodeKeys *keys, Problem *problem) _must_check_;

/* The file as it is, having been parsed. Errors: -ENOENT, -EBADMSG; -errno. */
int recovery_read(const char *directory_path, Bytes *ret_file, Problem *problem) _must_check_;
/* The identity key (public) of what recovery_read() gave. Errors: -EBADMSG. */
int recovery_identity(const Bytes *file, uint8_t ret_identity[32], Problem *problem) _must_check_;
/* Open what recovery_read() gave, on any host. `ret_keys` is to be released with node_keys_clear(). Errors: -EKEYREJECTED this is not the
 * recovery key of that node, and the problem shows both public halves; -EBADMSG damaged. */
int recovery_open(const Bytes *file, const Secret *recovery_key, NodeKeys *ret_keys, Problem *problem) _must_check_;

/* The public halves of a node's keys; of a sealing key under rotation, the new one's. Errors: -EINVAL; -EIO. */
typedef struct PublicKeys {
    uint8_t sealing[HPKE_PUBLIC_KEY_SIZE], identity[32], tls_pin[32];
} PublicKeys;

int recovery_public_keys(const NodeKeys *keys, PublicKeys *ret_public, Problem *problem) _must_check_;
