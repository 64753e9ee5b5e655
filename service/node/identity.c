#include "node/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <string.h>

#include "base/crypto.h"
#include "base/evp.h"
#include "base/file.h"
#include "base/text.h"
#include "share/hpke.h"

#define PRIVATE_KEY_SIZE 32

/* RFC 8032 §5.1.5: the private key is the seed. */
static int load_seed(const Secret *seed, EVP_PKEY **ret_key)
{
    int r = crypto_secure_heap();

    if (r < 0)
        return r;
    *ret_key = EVP_PKEY_new_raw_private_key_ex(crypto_context(), "ED25519", NULL, secret_bytes(seed), secret_size(seed));
    return *ret_key ? 0 : -EIO;
}

int identity_public(const Secret *seed, uint8_t ret_public[NODE_PUBLIC_KEY_SIZE])
{
    _cleanup_pkey_ EVP_PKEY *key = NULL;
    size_t size = NODE_PUBLIC_KEY_SIZE;
    int r = load_seed(seed, &key);

    if (r == 0 && (EVP_PKEY_get_raw_public_key(key, ret_public, &size) != 1 || size != NODE_PUBLIC_KEY_SIZE))
        r = -EIO;
    return r;
}

int identity_sign(const Secret *seed, const Bytes *message, uint8_t ret_signature[IDENTITY_SIGNATURE_SIZE])
{
    _cleanup_pkey_ EVP_PKEY *key = NULL;
    _cleanup_md_ctx_ EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    size_t size = IDENTITY_SIGNATURE_SIZE;
    int r = load_seed(seed, &key);

    if (r == 0 && (!ctx || EVP_DigestSignInit_ex(ctx, NULL, NULL, crypto_context(), NULL, key, NULL) != 1 ||
                   EVP_DigestSign(ctx, ret_signature, &size, message->data, message->size) != 1 || size != IDENTITY_SIGNATURE_SIZE))
        r = -EIO;
    return r;
}

int identity_verify(const uint8_t public_key[NODE_PUBLIC_KEY_SIZE], const Bytes *message, const uint8_t signature[IDENTITY_SIGNATURE_SIZE])
{
    _cleanup_pkey_ EVP_PKEY *key = EVP_PKEY_new_raw_public_key_ex(crypto_context(), "ED25519", NULL, public_key, NODE_PUBLIC_KEY_SIZE);
    _cleanup_md_ctx_ EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    if (!key || !ctx || EVP_DigestVerifyInit_ex(ctx, NULL, NULL, crypto_context(), NULL, key, NULL) != 1)
        return -EIO;
    ERR_set_mark();

    int r = EVP_DigestVerify(ctx, signature, IDENTITY_SIGNATURE_SIZE, message->data, message->size) == 1 ? 0 : -EBADMSG;

    ERR_pop_to_mark();
    return r;
}

typedef int (*PublicHalf)(const Secret *private_key, uint8_t ret_public[NODE_PUBLIC_KEY_SIZE]);

static int from_private(const char *path, PublicHalf half, uint8_t ret_public[NODE_PUBLIC_KEY_SIZE], Problem *problem)
{
    _cleanup_secret_ Secret *key = NULL;
    int r = file_read_private(path, PRIVATE_KEY_SIZE, FILE_OWNER_ONLY, &key, problem);

    if (r < 0)
        return problem_prefix(problem, r, "the key");
    r = secret_size(key) == PRIVATE_KEY_SIZE ? half(key, ret_public) : -EBADMSG;
    return r < 0 ? problem_set(problem, r, "the key %s cannot be used: %s", path, strerror(-r)) : 0;
}

/* PATH.pub; or NAME.pub beside the configuration. */
static char *public_path_of(const char *path, const char *config_path, const char *name)
{
    const char *slash = strrchr(config_path, '/');

    return path ? text_format("%s.pub", path) : text_format("%.*s%s.pub", slash ? (int)(slash + 1 - config_path) : 0, config_path, name);
}

static int read_one(const NodeConfig *config, const char *path, const char *public_path, PublicHalf half,
                    uint8_t ret_public[NODE_PUBLIC_KEY_SIZE], Problem *problem)
{
    _cleanup_bytes_ Bytes content = {0};

    if (!public_path)
        return problem_set(problem, -ENOMEM, "out of memory");

    int r = file_read(AT_FDCWD, public_path, NODE_PUBLIC_KEY_SIZE, &content);

    if (r == -ENOENT && !config->separation)
        return from_private(path, half, ret_public, problem);
    if (r == 0 && content.size != NODE_PUBLIC_KEY_SIZE)
        r = -EBADMSG;
    if (r < 0)
        return problem_set(problem, r, "the public key %s cannot be read: %s", public_path, strerror(-r));
    memcpy(ret_public, content.data, NODE_PUBLIC_KEY_SIZE);
    return 0;
}

int identity_read(const NodeConfig *config, const char *config_path, uint8_t ret_sealing[NODE_PUBLIC_KEY_SIZE],
                  uint8_t ret_identity[NODE_PUBLIC_KEY_SIZE], Problem *problem)
{
    _cleanup_free_ char *sealing = public_path_of(config->sealing_key, config_path, "sealing-key");
    _cleanup_free_ char *identity = public_path_of(config->identity_key, config_path, "identity-key");
    int r = read_one(config, config->sealing_key, sealing, hpke_key_public, ret_sealing, problem);

    return r < 0 ? r : read_one(config, config->identity_key, identity, identity_public, ret_identity, problem);
}
