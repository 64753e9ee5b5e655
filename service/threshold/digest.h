/* A message digest and the encodings that the signature schemes put around it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/problem.h"

#define DIGEST_SIZE_MAX      64
#define DIGEST_SALT_SIZE_MAX 490 /* what RSA-4096 has room for beside SHA-1 */

typedef enum HashAlgorithm {
    HASH_SHA1,
    HASH_SHA256,
    HASH_SHA384,
    HASH_SHA512,
    HASH_MAX,
    HASH_INVALID = -1,
} HashAlgorithm;

/* What RSA puts around a digest before the private key is used. */
typedef enum Encoding {
    ENCODING_PKCS1_V15, /* EMSA-PKCS1-v1_5 (RFC 8017 §9.2) */
    ENCODING_PSS,       /* EMSA-PSS (RFC 8017 §9.1) with MGF1 over the digest's own hash */
    ENCODING_MAX,
    ENCODING_INVALID = -1,
} Encoding;

typedef struct Digest {
    HashAlgorithm hash;
    size_t size; /* bytes used, as digest_size(hash) */
    uint8_t bytes[DIGEST_SIZE_MAX];
    Encoding encoding;
    size_t salt_size; /* ENCODING_PSS: bytes used */
    uint8_t salt[DIGEST_SALT_SIZE_MAX];
} Digest;

/* The name on the wire: "sha1", "sha256", "sha384", "sha512". HASH_INVALID for any other, NULL for no hash. */
const char *hash_name(HashAlgorithm hash);
HashAlgorithm hash_from_name(const char *name);
/* Bytes of a digest: 20, 32, 48, 64; 0 for no hash. */
size_t hash_size(HashAlgorithm hash);

/* The name on the wire: "emsa-pkcs1-v1_5", "emsa-pss". ENCODING_INVALID for any other. */
const char *encoding_name(Encoding encoding);
Encoding encoding_from_name(const char *name);

/* Fill a Digest; its encoding is EMSA-PKCS1-v1_5. Errors: -EINVAL unknown hash, or `size` is not the hash's. */
int digest_set(HashAlgorithm hash, const void *bytes, size_t size, Digest *ret_digest) _must_check_;
/* Make it one for EMSA-PSS with this salt, which may be empty. Errors: -EINVAL the salt is longer than any key has room for. */
int digest_set_pss(Digest *digest, const void *salt, size_t size) _must_check_;
/* Is the same encoded in the same way? */
bool digest_equal(const Digest *a, const Digest *b);

/* Read a DER DigestInfo (RFC 8017 §9.2 notes 1: exactly the listed encodings, with NULL parameters).
 * Errors: -EBADMSG not one of them. */
int digest_from_digest_info(const void *der, size_t size, Digest *ret_digest) _must_check_;

/* The fewest bits of a modulus that the encoded digest fits into. 0: it is not what digest_set() makes. */
size_t digest_bits_min(const Digest *digest);
/* The encoded digest, for a modulus of `bits` bits, into exactly (bits + 7) / 8 bytes.
 * Errors: -EMSGSIZE the modulus is too small; -EINVAL not what digest_set() makes; -EIO. */
int digest_encode(const Digest *digest, size_t bits, uint8_t *ret_encoded) _must_check_;

/* RFC 8017 §9.1.2: read a salt of `salt_size` bytes out of an EMSA-PSS encoding, whatever is in it, and give it to the digest. If the
 * encoding was the digest's with any salt of this size, then digest_encode() now makes the same again; otherwise it does not.
 * Errors: -EMSGSIZE, -EINVAL, -EIO as digest_encode(). */
int digest_take_salt(Digest *digest, size_t bits, const uint8_t *encoded, size_t salt_size) _must_check_;
