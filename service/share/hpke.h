/*
 * HPKE base mode, single shot (RFC 9180 §5.1.1, §6.1): DHKEM(X25519, HKDF-SHA256) 0x0020, HKDF-SHA256 0x0001,
 * AES-256-GCM 0x0002; primitives from libcrypto. Sealed form: enc (32 bytes) || ciphertext || tag (16 bytes).
 */
#pragma once

#include "base/bytes.h"
#include "base/secret.h"

#define HPKE_PUBLIC_KEY_SIZE  32
#define HPKE_PRIVATE_KEY_SIZE 32
#define HPKE_OVERHEAD         (32 + 16)

/* A fresh X25519 key pair; `ret_private` is secret. Errors: -EIO, and those of secret_new(). */
int hpke_key_new(Secret **ret_private, uint8_t ret_public[HPKE_PUBLIC_KEY_SIZE]) _must_check_;
/* The public half of a private key. Errors: -EIO. */
int hpke_key_public(const Secret *private_key, uint8_t ret_public[HPKE_PUBLIC_KEY_SIZE]) _must_check_;

/* Seal `plaintext` (secret) to a public key. Errors: -EINVAL the public key is of small order; -ENOMEM; -EIO. */
int hpke_seal(const uint8_t public_key[HPKE_PUBLIC_KEY_SIZE], const char *info, const Bytes *associated_data, const Secret *plaintext,
              Bytes *ret_sealed) _must_check_;
/* Open it. Errors: -EBADMSG wrong key, changed bytes, other info or associated data; -EIO; those of secret_new(). */
int hpke_open(const Secret *private_key, const char *info, const Bytes *associated_data, const Bytes *sealed, Secret **ret_plaintext)
    _must_check_;
