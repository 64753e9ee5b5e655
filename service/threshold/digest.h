/* A message digest and the encodings that the signature schemes put around it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/problem.h"

#define DIGEST_SIZE_MAX 64

typedef enum HashAlgorithm {
    HASH_SHA1,
    HASH_SHA256,
    HASH_SHA384,
    HASH_SHA512,
    HASH_MAX,
    HASH_INVALID = -1,
} HashAlgorithm;

typedef struct Digest {
    HashAlgorithm hash;
    size_t size; /* bytes used, as digest_size(hash) */
    uint8_t bytes[DIGEST_SIZE_MAX];
} Digest;

/* The name on the wire: "sha1", "sha256", "sha384", "sha512". HASH_INVALID for any other, NULL for no hash. */
const char *hash_name(HashAlgorithm hash);
HashAlgorithm hash_from_name(const char *name);
/* Bytes of a digest: 20, 32, 48, 64; 0 for no hash. */
size_t hash_size(HashAlgorithm hash);

/* Fill a Digest. Errors: -EINVAL unknown hash, or `size` is not the hash's. */
int digest_set(HashAlgorithm hash, const void *bytes, size_t size, Digest *ret_digest) _must_check_;

/* Read a DER DigestInfo (RFC 8017 §9.2 notes 1: exactly the listed encodings, with NULL parameters).
 * Errors: -EBADMSG not one of them. */
int digest_from_digest_info(const void *der, size_t size, Digest *ret_digest) _must_check_;

/* EMSA-PKCS1-v1_5 (RFC 8017 §9.2) of the digest into exactly `size` bytes. Errors: -EMSGSIZE too short; -EINVAL not what
 * digest_set() makes. */
int digest_emsa_pkcs1_v15(const Digest *digest, uint8_t *ret_encoded, size_t size) _must_check_;
