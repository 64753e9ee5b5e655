#include "quorum/pin.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <string.h>

#include "base/crypto.h"
#include "base/evp.h"

/* docs/protocol.md "PIN" */
#define MASTER_SIZE   32
#define SEED_SIZE     32
#define SCRYPT_N      32768
#define SCRYPT_R      8
#define SCRYPT_P      1
#define SCRYPT_MEMORY (64ULL * 1024 * 1024)
#define SEED_LABEL    "keyquorum pin node key v1"
#define ANSWER_LABEL  "keyquorum login v1"

int pin_check(const Secret *pin, Problem *problem)
{
    if (secret_size(pin) < PIN_SIZE_MIN || secret_size(pin) > PIN_SIZE_MAX)
        return problem_set(problem, -EINVAL, "a PIN has %d to %d bytes", PIN_SIZE_MIN, PIN_SIZE_MAX);
    return 0;
}

static int derive(const char *algorithm, const OSSL_PARAM *parameters, size_t size, Secret **ret_derived)
{
    _cleanup_kdf_ EVP_KDF *kdf = EVP_KDF_fetch(crypto_context(), algorithm, NULL);
    _cleanup_kdf_ctx_ EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
    _cleanup_secret_ Secret *derived = NULL;
    int r = secret_new(size, &derived);

    if (r < 0)
        return r;
    if (!ctx || EVP_KDF_derive(ctx, secret_data(derived), size, parameters) != 1)
        return -EIO;
    *ret_derived = TAKE_PTR(derived);
    return 0;
}

/* RFC 7914 */
int pin_master(const Roster *roster, const Secret *pin, Secret **ret_master)
{
    uint64_t n = SCRYPT_N, memory = SCRYPT_MEMORY;
    uint32_t r = SCRYPT_R, p = SCRYPT_P;
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PASSWORD, (void *)(uintptr_t)secret_bytes(pin), secret_size(pin)),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)(uintptr_t)roster->token, TOKEN_ID_SIZE),
        OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_N, &n),
        OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_R, &r),
        OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_P, &p),
        OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_MAXMEM, &memory),
        OSSL_PARAM_construct_end(),
    };

    return derive("SCRYPT", parameters, MASTER_SIZE, ret_master);
}

/* RFC 5869; the seed is an Ed25519 private key, RFC 8032 §5.1.5. */
static int node_key(const Roster *roster, const Secret *master, unsigned index, EVP_PKEY **ret_key)
{
    _cleanup_secret_ Secret *seed = NULL;
    char digest[] = "SHA256";
    uint8_t info[sizeof(SEED_LABEL)] = SEED_LABEL; /* the index byte takes the place of the NUL */
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)(uintptr_t)secret_bytes(master), secret_size(master)),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)(uintptr_t)roster->token, TOKEN_ID_SIZE),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, sizeof(info)),
        OSSL_PARAM_construct_end(),
    };

    info[sizeof(info) - 1] = (uint8_t)index;

    int r = crypto_secure_heap();

    if (r == 0)
        r = derive("HKDF", parameters, SEED_SIZE, &seed);
    if (r < 0)
        return r;
    *ret_key = EVP_PKEY_new_raw_private_key_ex(crypto_context(), "ED25519", NULL, secret_bytes(seed), SEED_SIZE);
    return *ret_key ? 0 : -EIO;
}

int pin_verifier(const Roster *roster, const Secret *master, unsigned index, uint8_t ret_verifier[NODE_VERIFIER_SIZE])
{
    _cleanup_pkey_ EVP_PKEY *key = NULL;
    size_t size = NODE_VERIFIER_SIZE;
    int r = node_key(roster, master, index, &key);

    if (r < 0)
        return r;
    return EVP_PKEY_get_raw_public_key(key, ret_verifier, &size) == 1 && size == NODE_VERIFIER_SIZE ? 0 : -EIO;
}

int pin_answer(const Roster *roster, const Secret *master, unsigned index, uint64_t version, const uint8_t nonce[NODE_NONCE_SIZE],
               uint8_t ret_answer[NODE_ANSWER_SIZE])
{
    uint8_t message[sizeof(ANSWER_LABEL) - 1 + TOKEN_ID_SIZE + 1 + 8 + NODE_NONCE_SIZE];
    Writer writer = writer_of(message, sizeof(message));
    _cleanup_pkey_ EVP_PKEY *key = NULL;
    _cleanup_md_ctx_ EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    size_t size = NODE_ANSWER_SIZE;

    write_bytes(&writer, ANSWER_LABEL, sizeof(ANSWER_LABEL) - 1);
    write_bytes(&writer, roster->token, TOKEN_ID_SIZE);
    write_u8(&writer, (uint8_t)index);
    write_u64(&writer, version);
    write_bytes(&writer, nonce, NODE_NONCE_SIZE);

    int r = writer_finish(&writer, NULL);

    if (r == 0)
        r = node_key(roster, master, index, &key);
    if (r < 0)
        return r;
    if (!ctx || EVP_DigestSignInit_ex(ctx, NULL, NULL, crypto_context(), NULL, key, NULL) != 1 ||
        EVP_DigestSign(ctx, ret_answer, &size, message, sizeof(message)) != 1 || size != NODE_ANSWER_SIZE)
        return -EIO;
    return 0;
}
