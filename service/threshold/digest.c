#include "threshold/digest.h"

#include <errno.h>
#include <string.h>

#include "base/crypto.h"
#include "base/evp.h"

#define PREFIX_SIZE_MAX  19
#define ENCODED_SIZE_MAX 1024 /* of the largest key that anybody verifies with */

/* RFC 8017 §9.2, note 1: the DER of DigestInfo up to the digest. */
typedef struct Hash {
    const char *name;
    size_t size;
    size_t prefix_size;
    uint8_t prefix[PREFIX_SIZE_MAX];
} Hash;

#define SHA2_PREFIX(size, hash, digest_size)                                                                                               \
    {                                                                                                                                      \
        0x30, size, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, hash, 0x05, 0x00, 0x04, digest_size            \
    }

static const Hash hashes[HASH_MAX] = {
    [HASH_SHA1] = {"sha1", 20, 15, {0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00, 0x04, 0x14}},
    [HASH_SHA256] = {"sha256", 32, 19, SHA2_PREFIX(0x31, 0x01, 0x20)},
    [HASH_SHA384] = {"sha384", 48, 19, SHA2_PREFIX(0x41, 0x02, 0x30)},
    [HASH_SHA512] = {"sha512", 64, 19, SHA2_PREFIX(0x51, 0x03, 0x40)},
};

static bool hash_known(HashAlgorithm hash)
{
    return hash >= 0 && hash < HASH_MAX;
}

const char *hash_name(HashAlgorithm hash)
{
    return hash_known(hash) ? hashes[hash].name : NULL;
}

HashAlgorithm hash_from_name(const char *name)
{
    for (int i = 0; i < HASH_MAX; i++)
        if (strcmp(name, hashes[i].name) == 0)
            return (HashAlgorithm)i;
    return HASH_INVALID;
}

size_t hash_size(HashAlgorithm hash)
{
    return hash_known(hash) ? hashes[hash].size : 0;
}

int digest_set(HashAlgorithm hash, const void *bytes, size_t size, Digest *ret_digest)
{
    if (!hash_known(hash) || size != hashes[hash].size)
        return -EINVAL;
    *ret_digest = (Digest){.hash = hash, .size = size};
    memcpy(ret_digest->bytes, bytes, size);
    return 0;
}

int digest_from_digest_info(const void *der, size_t size, Digest *ret_digest)
{
    for (int i = 0; i < HASH_MAX; i++) {
        const Hash *hash = &hashes[i];

        if (size == hash->prefix_size + hash->size && memcmp(der, hash->prefix, hash->prefix_size) == 0)
            return digest_set((HashAlgorithm)i, (const uint8_t *)der + hash->prefix_size, hash->size, ret_digest);
    }
    return -EBADMSG;
}

/* ---- EMSA-PKCS1-v1_5: RFC 8017 §9.2 ---------------------------------------------------------------------------------- */

#define PADDING_MIN 11 /* 0x00 || 0x01 || at least eight bytes of 0xff || 0x00 */

static size_t info_size(const Digest *digest)
{
    return hashes[digest->hash].prefix_size + digest->size;
}

static size_t pkcs1_v15_bits_min(const Digest *digest)
{
    return 8 * (info_size(digest) + PADDING_MIN) - 7;
}

/* EM = 0x00 || 0x01 || PS || 0x00 || T */
static int pkcs1_v15_encode(const Digest *digest, size_t bits, uint8_t *ret_encoded)
{
    const Hash *hash = &hashes[digest->hash];
    size_t padding = (bits + 7) / 8 - info_size(digest) - 3;
    uint8_t *info = ret_encoded + padding + 3;

    ret_encoded[0] = 0x00;
    ret_encoded[1] = 0x01;
    memset(ret_encoded + 2, 0xff, padding);
    ret_encoded[padding + 2] = 0x00;
    memcpy(info, hash->prefix, hash->prefix_size);
    memcpy(info + hash->prefix_size, digest->bytes, hash->size);
    return 0;
}

/* ---- EMSA-PSS: RFC 8017 §9.1 ----------------------------------------------------------------------------------------- */

#define PSS_TRAILER 0xbc

/* Where things are in EM = maskedDB || H || 0xbc, and in DB = PS || 0x01 || salt. */
typedef struct PssLayout {
    size_t lead;    /* bytes of zero in front: 1 if emBits = bits − 1 is a multiple of 8 */
    size_t db_size; /* emLen − hLen − 1 */
    uint8_t mask;   /* of the first byte's bits that may be set */
} PssLayout;

static PssLayout pss_layout(const Digest *digest, size_t bits)
{
    size_t em_bits = bits - 1, em_size = (em_bits + 7) / 8;

    return (PssLayout){
        .lead = (bits + 7) / 8 - em_size,
        .db_size = em_size - digest->size - 1,
        .mask = (uint8_t)(0xff >> (8 * em_size - em_bits)),
    };
}

/* emBits is at least 8·hLen + 8·sLen + 9, and one less than the bits of the modulus. */
static size_t pss_bits_min(const Digest *digest)
{
    return 8 * (digest->size + digest->salt_size) + 10;
}

static int hash_parts(const EVP_MD *md, const Bytes *parts, size_t n_parts, uint8_t *ret_hash)
{
    _cleanup_md_ctx_ EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    if (!ctx || EVP_DigestInit_ex2(ctx, md, NULL) != 1)
        return -EIO;
    for (size_t i = 0; i < n_parts; i++)
        if (EVP_DigestUpdate(ctx, parts[i].data, parts[i].size) != 1)
            return -EIO;
    return EVP_DigestFinal_ex(ctx, ret_hash, NULL) == 1 ? 0 : -EIO;
}

/* MGF1 (RFC 8017 B.2.1) over `seed`, of one hash's size, added to `block`. */
static int pss_mask(const EVP_MD *md, const uint8_t *seed, size_t seed_size, uint8_t *block, size_t size)
{
    uint8_t hash[DIGEST_SIZE_MAX];

    for (size_t at = 0; at < size; at += seed_size) {
        uint32_t n = (uint32_t)(at / seed_size);
        uint8_t counter[] = {(uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n};
        int r = hash_parts(md, (const Bytes[]){{(uint8_t *)(uintptr_t)seed, seed_size}, {counter, sizeof(counter)}}, 2, hash);

        if (r < 0)
            return r;
        for (size_t i = 0; i < seed_size && at + i < size; i++)
            block[at + i] ^= hash[i];
    }
    return 0;
}

static int pss_encode(const Digest *digest, size_t bits, uint8_t *ret_encoded)
{
    _cleanup_md_ EVP_MD *md = EVP_MD_fetch(crypto_context(), hash_name(digest->hash), NULL);
    PssLayout layout = pss_layout(digest, bits);
    uint8_t *db = ret_encoded + layout.lead, *hash = db + layout.db_size, *salt = hash - digest->salt_size;
    uint8_t zeros[8] = {0};
    int r;

    if (!md)
        return -EIO;
    memset(ret_encoded, 0, layout.lead + layout.db_size);
    salt[-1] = 0x01;
    memcpy(salt, digest->salt, digest->salt_size);
    r = hash_parts(md,
                   (const Bytes[]){{zeros, sizeof(zeros)}, {(uint8_t *)(uintptr_t)digest->bytes, digest->size}, {salt, digest->salt_size}},
                   3, hash); /* H = Hash(M'), §9.1.1 steps 5 and 6 */
    if (r == 0)
        r = pss_mask(md, hash, digest->size, db, layout.db_size);
    db[0] &= layout.mask;
    hash[digest->size] = PSS_TRAILER;
    return r;
}

/* ---- Which encoding -------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    size_t (*bits_min)(const Digest *digest);
    int (*encode)(const Digest *digest, size_t bits, uint8_t *ret_encoded);
} encodings[ENCODING_MAX] = {
    [ENCODING_PKCS1_V15] = {"emsa-pkcs1-v1_5", pkcs1_v15_bits_min, pkcs1_v15_encode},
    [ENCODING_PSS] = {"emsa-pss", pss_bits_min, pss_encode},
};

static bool encoding_known(Encoding encoding)
{
    return encoding >= 0 && encoding < ENCODING_MAX;
}

const char *encoding_name(Encoding encoding)
{
    return encoding_known(encoding) ? encodings[encoding].name : NULL;
}

Encoding encoding_from_name(const char *name)
{
    for (int i = 0; i < ENCODING_MAX; i++)
        if (strcmp(name, encodings[i].name) == 0)
            return (Encoding)i;
    return ENCODING_INVALID;
}

int digest_set_pss(Digest *digest, const void *salt, size_t size)
{
    if (size > sizeof(digest->salt))
        return -EINVAL;
    digest->encoding = ENCODING_PSS;
    digest->salt_size = size;
    if (size > 0)
        memcpy(digest->salt, salt, size);
    return 0;
}

static bool is_valid(const Digest *digest)
{
    return hash_known(digest->hash) && digest->size == hashes[digest->hash].size && encoding_known(digest->encoding) &&
           digest->salt_size <= sizeof(digest->salt);
}

bool digest_equal(const Digest *a, const Digest *b)
{
    return a->hash == b->hash && a->encoding == b->encoding && a->size == b->size && a->salt_size == b->salt_size &&
           memcmp(a->bytes, b->bytes, a->size) == 0 && memcmp(a->salt, b->salt, a->salt_size) == 0;
}

size_t digest_bits_min(const Digest *digest)
{
    return is_valid(digest) ? encodings[digest->encoding].bits_min(digest) : 0;
}

int digest_encode(const Digest *digest, size_t bits, uint8_t *ret_encoded)
{
    if (!is_valid(digest))
        return -EINVAL;
    return bits < digest_bits_min(digest) ? -EMSGSIZE : encodings[digest->encoding].encode(digest, bits, ret_encoded);
}

int digest_take_salt(Digest *digest, size_t bits, const uint8_t *encoded, size_t salt_size)
{
    _cleanup_md_ EVP_MD *md = NULL;
    Digest salted = *digest;
    uint8_t db[ENCODED_SIZE_MAX];
    PssLayout layout;
    int r;

    if (!is_valid(digest) || salt_size > sizeof(digest->salt))
        return -EINVAL;
    salted.encoding = ENCODING_PSS;
    salted.salt_size = salt_size;
    if (bits < pss_bits_min(&salted) || bits > 8 * sizeof(db))
        return -EMSGSIZE;
    md = EVP_MD_fetch(crypto_context(), hash_name(digest->hash), NULL);
    if (!md)
        return -EIO;
    layout = pss_layout(&salted, bits);
    memcpy(db, encoded + layout.lead, layout.db_size);
    r = pss_mask(md, encoded + layout.lead + layout.db_size, digest->size, db, layout.db_size);
    if (r < 0)
        return r;
    memcpy(salted.salt, db + layout.db_size - salt_size, salt_size);
    *digest = salted;
    return 0;
}
