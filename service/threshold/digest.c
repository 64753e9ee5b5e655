#include "threshold/digest.h"

#include <errno.h>
#include <string.h>

#define PREFIX_SIZE_MAX 19

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

/* RFC 8017 §9.2: EM = 0x00 || 0x01 || PS || 0x00 || T, PS at least eight bytes of 0xff. */
int digest_emsa_pkcs1_v15(const Digest *digest, uint8_t *ret_encoded, size_t size)
{
    if (!hash_known(digest->hash) || digest->size != hashes[digest->hash].size)
        return -EINVAL;

    const Hash *hash = &hashes[digest->hash];
    size_t info_size = hash->prefix_size + hash->size;

    if (size < info_size + 11)
        return -EMSGSIZE;

    size_t padding = size - info_size - 3;
    uint8_t *info = ret_encoded + padding + 3;

    ret_encoded[0] = 0x00;
    ret_encoded[1] = 0x01;
    memset(ret_encoded + 2, 0xff, padding);
    ret_encoded[padding + 2] = 0x00;
    memcpy(info, hash->prefix, hash->prefix_size);
    memcpy(info + hash->prefix_size, digest->bytes, hash->size);
    return 0;
}
