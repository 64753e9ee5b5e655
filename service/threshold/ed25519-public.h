/* Ed25519 public keys as the outside knows them: their DER form, and verification that needs nothing but them. */
#pragma once

#include "base/bytes.h"

#define ED25519_PUBLIC_SIZE    32
#define ED25519_SIGNATURE_SIZE 64

/* SubjectPublicKeyInfo (RFC 8410 §4). Errors: -ENOMEM. */
int ed25519_public_info(const uint8_t key[ED25519_PUBLIC_SIZE], Bytes *ret_der) _must_check_;

/* RFC 8032 §5.1.7: is it a signature of the message? Errors: -EBADMSG it is not, also if the key is no point of the curve; -EIO the library
 * failed. */
int ed25519_public_verify(const uint8_t key[ED25519_PUBLIC_SIZE], const void *message, size_t size,
                          const uint8_t signature[ED25519_SIGNATURE_SIZE]) _must_check_;
