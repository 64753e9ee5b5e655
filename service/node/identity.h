/* The node's two keys: their public halves, for GetStatus; signatures by the identity key (Ed25519, RFC 8032), and by other nodes'. */
#pragma once

#include "base/node-config.h"
#include "base/secret.h"
#include "wire/node-interface.h"

/* Each from the file beside the private key, with ".pub" added (32 bytes); where the configuration names no private key, as that of an
 * installed node, from sealing-key.pub and identity-key.pub beside the configuration. Without separation, where there is no such file, from
 * the private key itself, which is wiped at once. Errors: -errno; the problem names the file. */
int identity_read(const NodeConfig *config, const char *config_path, uint8_t ret_sealing[NODE_PUBLIC_KEY_SIZE],
                  uint8_t ret_identity[NODE_PUBLIC_KEY_SIZE], Problem *problem) _must_check_;

#define IDENTITY_SIGNATURE_SIZE 64

/* The public half of an identity key; `seed` is secret. Errors: -EIO; -EPERM memory cannot be locked. */
int identity_public(const Secret *seed, uint8_t ret_public[NODE_PUBLIC_KEY_SIZE]) _must_check_;
/* Errors: as identity_public(). */
int identity_sign(const Secret *seed, const Bytes *message, uint8_t ret_signature[IDENTITY_SIGNATURE_SIZE]) _must_check_;
/* Errors: -EBADMSG it is not that key's signature of this message; -EIO. */
int identity_verify(const uint8_t public_key[NODE_PUBLIC_KEY_SIZE], const Bytes *message, const uint8_t signature[IDENTITY_SIGNATURE_SIZE])
    _must_check_;
