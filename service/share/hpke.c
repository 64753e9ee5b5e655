#include "share/hpke.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/proverr.h>
#include <string.h>

#include "base/crypto.h"
#include "base/evp.h"
#include "share/hpke-internal.h"

/* RFC 9180 §4.1 and §5.1: suite_id of the KEM, and of HPKE as a whole. */
#define KEM_SUITE  "KEM\x00\x20"
#define HPKE_SUITE "HPKE\x00\x20\x00\x01\x00\x02"
#define MODE_BASE  0

typedef struct Part {
    const void *data;
    size_t size;
} Part;

#define PART_OF(text)                                                                                                                      \
    (Part)                                                                                                                                 \
    {                                                                                                                                      \
        (text), sizeof(text) - 1                                                                                                           \
    }

/* HMAC-SHA256 over the parts one after the other, so that no secret is ever put together in ordinary memory. */
static int hmac(const uint8_t key[HPKE_SECRET_SIZE], const Part *parts, size_t n_parts, uint8_t ret_mac[HPKE_SECRET_SIZE])
{
    _cleanup_mac_ EVP_MAC *mac = EVP_MAC_fetch(crypto_context(), OSSL_MAC_NAME_HMAC, NULL);
    _cleanup_mac_ctx_ EVP_MAC_CTX *ctx = mac ? EVP_MAC_CTX_new(mac) : NULL;
    char digest[] = "SHA256";
    const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end()};

    if (!ctx || EVP_MAC_init(ctx, key, HPKE_SECRET_SIZE, parameters) != 1)
        return -EIO;
    for (size_t i = 0; i < n_parts; i++)
        if (EVP_MAC_update(ctx, parts[i].data, parts[i].size) != 1)
            return -EIO;
    return EVP_MAC_final(ctx, ret_mac, NULL, HPKE_SECRET_SIZE) == 1 ? 0 : -EIO;
}

/* LabeledExtract(), §4. An empty salt and one of zeros are the same HMAC key. */
static int labeled_extract(const uint8_t *salt, Part suite, Part label, Part input, uint8_t ret_prk[HPKE_SECRET_SIZE])
{
    static const uint8_t no_salt[HPKE_SECRET_SIZE];
    const Part parts[] = {PART_OF("HPKE-v1"), suite, label, input};

    return hmac(salt ? salt : no_salt, parts, ELEMENTS(parts), ret_prk);
}

/* LabeledExpand(), §4, for at most one block of HKDF (RFC 5869 §2.3). */
static int labeled_expand(const Secret *prk, Part suite, Part label, Part info, uint8_t size, Secret **ret_output)
{
    const uint8_t length[2] = {0, size};
    const Part parts[] = {{length, sizeof(length)}, PART_OF("HPKE-v1"), suite, label, info, PART_OF("\x01")};
    _cleanup_secret_ Secret *block = NULL;
    int r = secret_new(HPKE_SECRET_SIZE, &block);

    if (r == 0)
        r = hmac(secret_bytes(prk), parts, ELEMENTS(parts), secret_data(block));
    if (r == 0) {
        secret_truncate(block, size);
        *ret_output = TAKE_PTR(block);
    }
    return r;
}

static EVP_PKEY *load_private(const Secret *private_key)
{
    if (secret_size(private_key) != HPKE_PRIVATE_KEY_SIZE || crypto_secure_heap() < 0)
        return NULL;
    return EVP_PKEY_new_raw_private_key_ex(crypto_context(), "X25519", NULL, secret_bytes(private_key), HPKE_PRIVATE_KEY_SIZE);
}

int hpke_key_public(const Secret *private_key, uint8_t ret_public[HPKE_PUBLIC_KEY_SIZE])
{
    _cleanup_pkey_ EVP_PKEY *key = load_private(private_key);
    uint8_t public_key[HPKE_PUBLIC_KEY_SIZE];
    size_t size = sizeof(public_key);

    if (!key || EVP_PKEY_get_raw_public_key(key, public_key, &size) != 1)
        return -EIO;
    memcpy(ret_public, public_key, sizeof(public_key));
    return 0;
}

int hpke_key_new(Secret **ret_private, uint8_t ret_public[HPKE_PUBLIC_KEY_SIZE])
{
    _cleanup_secret_ Secret *private_key = NULL;
    int r = secret_new(HPKE_PRIVATE_KEY_SIZE, &private_key);

    if (r == 0)
        r = crypto_random(secret_data(private_key), HPKE_PRIVATE_KEY_SIZE);
    if (r == 0)
        r = hpke_key_public(private_key, ret_public);
    if (r == 0)
        *ret_private = TAKE_PTR(private_key);
    return r;
}

/* The library refuses an all-zero result itself, as one kind of failure among others. */
static int derive(EVP_PKEY_CTX *ctx, Secret *ret_dh)
{
    size_t size = secret_size(ret_dh);
    int r = 0;

    ERR_set_mark();
    if (EVP_PKEY_derive(ctx, secret_data(ret_dh), &size) != 1)
        r = ERR_GET_REASON(ERR_peek_last_error()) == PROV_R_FAILED_DURING_DERIVATION ? -EINVAL : -EIO;
    ERR_pop_to_mark();
    return r;
}

/* DH() of X25519; an all-zero result is refused (§7.1.4, RFC 7748 §6.1). */
static int diffie_hellman(const Secret *private_key, const uint8_t public_key[HPKE_PUBLIC_KEY_SIZE], Secret **ret_dh)
{
    static const uint8_t zero[HPKE_SECRET_SIZE];
    _cleanup_pkey_ EVP_PKEY *own = load_private(private_key);
    _cleanup_pkey_ EVP_PKEY *peer = EVP_PKEY_new_raw_public_key_ex(crypto_context(), "X25519", NULL, public_key, HPKE_PUBLIC_KEY_SIZE);
    _cleanup_pkey_ctx_ EVP_PKEY_CTX *ctx = own ? EVP_PKEY_CTX_new_from_pkey(crypto_context(), own, NULL) : NULL;
    _cleanup_secret_ Secret *dh = NULL;
    int r = secret_new(HPKE_SECRET_SIZE, &dh);

    if (r < 0)
        return r;
    if (!ctx || !peer || EVP_PKEY_derive_init(ctx) != 1 || EVP_PKEY_derive_set_peer(ctx, peer) != 1)
        return -EIO;
    r = derive(ctx, dh);
    if (r == 0 && memory_equal(secret_bytes(dh), zero, sizeof(zero)))
        r = -EINVAL;
    if (r == 0)
        *ret_dh = TAKE_PTR(dh);
    return r;
}

/* ExtractAndExpand(), §4.1. */
static int extract_and_expand(const Secret *dh, const uint8_t enc[HPKE_PUBLIC_KEY_SIZE], const uint8_t public_key[HPKE_PUBLIC_KEY_SIZE],
                              Secret **ret_shared)
{
    _cleanup_secret_ Secret *prk = NULL;
    uint8_t context[2 * HPKE_PUBLIC_KEY_SIZE];
    int r = secret_new(HPKE_SECRET_SIZE, &prk);

    memcpy(context, enc, HPKE_PUBLIC_KEY_SIZE);
    memcpy(context + HPKE_PUBLIC_KEY_SIZE, public_key, HPKE_PUBLIC_KEY_SIZE);
    if (r == 0)
        r = labeled_extract(NULL, PART_OF(KEM_SUITE), PART_OF("eae_prk"), (Part){secret_bytes(dh), secret_size(dh)}, secret_data(prk));
    if (r == 0)
        r = labeled_expand(prk, PART_OF(KEM_SUITE), PART_OF("shared_secret"), (Part){context, sizeof(context)}, HPKE_SECRET_SIZE,
                           ret_shared);
    return r;
}

int hpke_encap(const Secret *ephemeral, const uint8_t public_key[HPKE_PUBLIC_KEY_SIZE], Secret **ret_shared,
               uint8_t ret_enc[HPKE_PUBLIC_KEY_SIZE])
{
    _cleanup_secret_ Secret *dh = NULL;
    uint8_t enc[HPKE_PUBLIC_KEY_SIZE];
    int r = hpke_key_public(ephemeral, enc);

    if (r == 0)
        r = diffie_hellman(ephemeral, public_key, &dh);
    if (r == 0)
        r = extract_and_expand(dh, enc, public_key, ret_shared);
    if (r == 0)
        memcpy(ret_enc, enc, sizeof(enc));
    return r;
}

int hpke_decap(const Secret *private_key, const uint8_t enc[HPKE_PUBLIC_KEY_SIZE], Secret **ret_shared)
{
    _cleanup_secret_ Secret *dh = NULL;
    uint8_t public_key[HPKE_PUBLIC_KEY_SIZE];
    int r = hpke_key_public(private_key, public_key);

    if (r == 0)
        r = diffie_hellman(private_key, enc, &dh);
    if (r == 0)
        r = extract_and_expand(dh, enc, public_key, ret_shared);
    return r;
}

void hpke_schedule_clear(HpkeSchedule *schedule)
{
    schedule->key = secret_free(schedule->key);
}

/* key_schedule_context, §5.1: mode, and the hashes of an empty psk_id and of info. */
static int schedule_context(const char *info, uint8_t ret_context[1 + 2 * HPKE_SECRET_SIZE])
{
    int r = labeled_extract(NULL, PART_OF(HPKE_SUITE), PART_OF("psk_id_hash"), (Part){NULL, 0}, ret_context + 1);

    ret_context[0] = MODE_BASE;
    if (r == 0)
        r = labeled_extract(NULL, PART_OF(HPKE_SUITE), PART_OF("info_hash"), (Part){info, strlen(info)},
                            ret_context + 1 + HPKE_SECRET_SIZE);
    return r;
}

int hpke_schedule(const Secret *shared, const char *info, HpkeSchedule *ret_schedule)
{
    _cleanup_hpke_schedule_ HpkeSchedule schedule = {0};
    _cleanup_secret_ Secret *secret = NULL, *nonce = NULL;
    uint8_t bytes[1 + 2 * HPKE_SECRET_SIZE];
    const Part context = {bytes, sizeof(bytes)};
    int r = schedule_context(info, bytes);

    if (r == 0)
        r = secret_new(HPKE_SECRET_SIZE, &secret);
    if (r == 0)
        r = labeled_extract(secret_bytes(shared), PART_OF(HPKE_SUITE), PART_OF("secret"), (Part){NULL, 0}, secret_data(secret));
    if (r == 0)
        r = labeled_expand(secret, PART_OF(HPKE_SUITE), PART_OF("key"), context, HPKE_AEAD_KEY_SIZE, &schedule.key);
    if (r == 0)
        r = labeled_expand(secret, PART_OF(HPKE_SUITE), PART_OF("base_nonce"), context, HPKE_AEAD_NONCE_SIZE, &nonce);
    if (r == 0) {
        memcpy(schedule.base_nonce, secret_declassify(nonce), HPKE_AEAD_NONCE_SIZE); /* a nonce needs to be unique, not secret */
        *ret_schedule = schedule;
        schedule.key = NULL;
    }
    return r;
}

/* A cipher context set up with key, nonce and associated data; `encrypt` as EVP_CipherInit_ex2() has it. */
static int start_cipher(const Secret *key, const uint8_t nonce[HPKE_AEAD_NONCE_SIZE], const Bytes *associated_data, int encrypt,
                        EVP_CIPHER_CTX **ret_ctx)
{
    _cleanup_cipher_ EVP_CIPHER *cipher = EVP_CIPHER_fetch(crypto_context(), "AES-256-GCM", NULL);
    _cleanup_cipher_ctx_ EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int size;

    if (!cipher || !ctx || EVP_CipherInit_ex2(ctx, cipher, secret_bytes(key), nonce, encrypt, NULL) != 1)
        return -EIO;
    if (associated_data->size > 0 && EVP_CipherUpdate(ctx, NULL, &size, associated_data->data, (int)associated_data->size) != 1)
        return -EIO;
    *ret_ctx = TAKE_PTR(ctx);
    return 0;
}

int hpke_encrypt(const Secret *key, const uint8_t nonce[HPKE_AEAD_NONCE_SIZE], const Bytes *associated_data, const Secret *plaintext,
                 uint8_t *ret_ciphertext)
{
    _cleanup_cipher_ctx_ EVP_CIPHER_CTX *ctx = NULL;
    int size, rest;
    int r = start_cipher(key, nonce, associated_data, 1, &ctx);

    if (r < 0)
        return r;
    if (EVP_CipherUpdate(ctx, ret_ciphertext, &size, secret_bytes(plaintext), (int)secret_size(plaintext)) != 1 ||
        EVP_CipherFinal_ex(ctx, ret_ciphertext + size, &rest) != 1)
        return -EIO;
    if (EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, HPKE_AEAD_TAG_SIZE, ret_ciphertext + secret_size(plaintext)) != 1)
        return -EIO;
    return 0;
}

static int decrypt(const Secret *key, const uint8_t nonce[HPKE_AEAD_NONCE_SIZE], const Bytes *associated_data, const uint8_t *ciphertext,
                   Secret *ret_plaintext)
{
    _cleanup_cipher_ctx_ EVP_CIPHER_CTX *ctx = NULL;
    size_t plain_size = secret_size(ret_plaintext);
    int size, rest;
    int r = start_cipher(key, nonce, associated_data, 0, &ctx);

    if (r < 0)
        return r;
    if (EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, HPKE_AEAD_TAG_SIZE, (void *)(ciphertext + plain_size)) != 1 ||
        EVP_CipherUpdate(ctx, secret_data(ret_plaintext), &size, ciphertext, (int)plain_size) != 1)
        return -EIO;
    return EVP_CipherFinal_ex(ctx, secret_data(ret_plaintext) + size, &rest) == 1 ? 0 : -EBADMSG;
}

int hpke_seal_with(const Secret *ephemeral, const uint8_t public_key[HPKE_PUBLIC_KEY_SIZE], const char *info, const Bytes *associated_data,
                   const Secret *plaintext, Bytes *ret_sealed)
{
    _cleanup_secret_ Secret *shared = NULL;
    _cleanup_hpke_schedule_ HpkeSchedule schedule = {0};
    _cleanup_bytes_ Bytes sealed = {0};
    int r = bytes_new(secret_size(plaintext) + HPKE_OVERHEAD, &sealed);

    if (r == 0)
        r = hpke_encap(ephemeral, public_key, &shared, sealed.data);
    if (r == 0)
        r = hpke_schedule(shared, info, &schedule);
    if (r == 0)
        r = hpke_encrypt(schedule.key, schedule.base_nonce, associated_data, plaintext, sealed.data + HPKE_PUBLIC_KEY_SIZE);
    if (r == 0)
        *ret_sealed = bytes_take(&sealed);
    return r;
}

int hpke_seal(const uint8_t public_key[HPKE_PUBLIC_KEY_SIZE], const char *info, const Bytes *associated_data, const Secret *plaintext,
              Bytes *ret_sealed)
{
    _cleanup_secret_ Secret *ephemeral = NULL;
    uint8_t enc[HPKE_PUBLIC_KEY_SIZE];
    int r = hpke_key_new(&ephemeral, enc);

    return r < 0 ? r : hpke_seal_with(ephemeral, public_key, info, associated_data, plaintext, ret_sealed);
}

int hpke_open(const Secret *private_key, const char *info, const Bytes *associated_data, const Bytes *sealed, Secret **ret_plaintext)
{
    _cleanup_secret_ Secret *shared = NULL, *plaintext = NULL;
    _cleanup_hpke_schedule_ HpkeSchedule schedule = {0};

    if (sealed->size <= HPKE_OVERHEAD || sealed->size - HPKE_OVERHEAD > SECRET_SIZE_MAX)
        return -EBADMSG;

    int r = hpke_decap(private_key, sealed->data, &shared);

    if (r == -EINVAL)
        return -EBADMSG;
    if (r == 0)
        r = hpke_schedule(shared, info, &schedule);
    if (r == 0)
        r = secret_new(sealed->size - HPKE_OVERHEAD, &plaintext);
    if (r == 0)
        r = decrypt(schedule.key, schedule.base_nonce, associated_data, sealed->data + HPKE_PUBLIC_KEY_SIZE, plaintext);
    if (r == 0)
        *ret_plaintext = TAKE_PTR(plaintext);
    return r;
}
