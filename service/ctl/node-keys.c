#include "ctl/node-keys.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>

#include "base/crypto.h"
#include "base/evp.h"
#include "base/file.h"

#define TLS_KEY_SIZE_MAX 4096

void node_keys_clear(NodeKeys *keys)
{
    keys->sealing = secret_free(keys->sealing);
    keys->identity = secret_free(keys->identity);
    keys->tls = secret_free(keys->tls);
}

/* ---- Making ---- */

static int new_seed(Secret **ret_seed)
{
    _cleanup_secret_ Secret *seed = NULL;
    int r = secret_new(32, &seed);

    if (r == 0)
        r = crypto_random(secret_data(seed), secret_size(seed));
    if (r == 0)
        *ret_seed = TAKE_PTR(seed);
    return r;
}

/* RFC 5915 and 5208, in PEM; the buffer is in OpenSSL's locked heap. */
static int new_tls_key(Secret **ret_pem)
{
    int r = crypto_secure_heap();

    if (r < 0)
        return r;

    _cleanup_pkey_ EVP_PKEY *key = EVP_PKEY_Q_keygen(crypto_context(), NULL, "EC", "P-256");
    _cleanup_bio_ BIO *pem = BIO_new(BIO_s_secmem());
    char *text;

    if (!key || !pem || PEM_write_bio_PKCS8PrivateKey(pem, key, NULL, NULL, 0, NULL, NULL) != 1)
        return -EIO;

    long size = BIO_get_mem_data(pem, &text);

    return size > 0 ? secret_new_copy(text, (size_t)size, ret_pem) : -EIO;
}

int node_keys_new(NodeKeys *ret_keys, Problem *problem)
{
    _cleanup_node_keys_ NodeKeys keys = {0};
    uint8_t public_key[HPKE_PUBLIC_KEY_SIZE];
    int r = hpke_key_new(&keys.sealing, public_key);

    if (r == 0)
        r = new_seed(&keys.identity);
    if (r == 0)
        r = new_tls_key(&keys.tls);
    if (r != 0)
        return problem_set(problem, r, "the node's keys cannot be made: %s", strerror(-r));
    *ret_keys = keys;
    keys = (NodeKeys){0};
    return 0;
}

/* ---- Files ---- */

static int write_key(int directory, const char *name, const Secret *key, Problem *problem)
{
    int r = file_create(directory, name, secret_declassify(key), secret_size(key), 0600); /* the operator's own, from here on */

    return r < 0 ? problem_set(problem, r, "%s cannot be written: %s", name, strerror(-r)) : 0;
}

int node_keys_write(const NodeKeys *keys, int directory, Problem *problem)
{
    int r = write_key(directory, NODE_KEYS_SEALING, keys->sealing, problem);

    if (r == 0)
        r = write_key(directory, NODE_KEYS_IDENTITY, keys->identity, problem);
    if (r == 0)
        r = write_key(directory, NODE_KEYS_TLS, keys->tls, problem);
    return r;
}

/* `size` 0: any. */
static int read_key(const char *path, size_t size, Secret **ret_key, Problem *problem)
{
    _cleanup_secret_ Secret *key = NULL;
    int r = file_read_secret(AT_FDCWD, path, TLS_KEY_SIZE_MAX, &key);

    if (r < 0)
        return problem_set(problem, r, "the key %s cannot be read: %s", path, strerror(-r));
    if (size > 0 && secret_size(key) != size)
        return problem_set(problem, -EINVAL, "the key %s has %zu bytes instead of %zu", path, secret_size(key), size);
    *ret_key = TAKE_PTR(key);
    return 0;
}

static int read_tls_key(const char *beside, Secret **ret_key, Problem *problem)
{
    const char *slash = strrchr(beside, '/');
    char path[PATH_MAX];

    if (!slash || snprintf(path, sizeof(path), "%.*s/%s", (int)(slash - beside), beside, NODE_KEYS_TLS) >= (int)sizeof(path))
        return problem_set(problem, -EINVAL, "'%s' is not the path of a key", beside);
    return read_key(path, 0, ret_key, problem);
}

int node_keys_read(const NodeConfig *config, NodeKeys *ret_keys, Problem *problem)
{
    _cleanup_node_keys_ NodeKeys keys = {0};
    int r;

    if (!config->sealing_key || !config->identity_key)
        return problem_set(problem, -EINVAL, "the configuration does not say where the keys are: set SealingKey= and IdentityKey=");
    r = read_key(config->sealing_key, HPKE_PRIVATE_KEY_SIZE, &keys.sealing, problem);
    if (r == 0)
        r = read_key(config->identity_key, 32, &keys.identity, problem);
    if (r == 0)
        r = read_tls_key(config->sealing_key, &keys.tls, problem);
    if (r != 0)
        return r;
    *ret_keys = keys;
    keys = (NodeKeys){0};
    return 0;
}

/* ---- Card ---- */

/* RFC 8032 §5.1.5. */
static int identity_public(const Secret *seed, uint8_t ret_public[32])
{
    int r = crypto_secure_heap();

    if (r < 0)
        return r;

    _cleanup_pkey_ EVP_PKEY *key =
        EVP_PKEY_new_raw_private_key_ex(crypto_context(), "ED25519", NULL, secret_bytes(seed), secret_size(seed));
    size_t size = 32;

    return key && EVP_PKEY_get_raw_public_key(key, ret_public, &size) == 1 && size == 32 ? 0 : -EIO;
}

/* SHA-256 of the SubjectPublicKeyInfo (RFC 5280 §4.1.2.7). */
static int tls_pin(const Secret *pem, uint8_t ret_pin[SHA256_SIZE])
{
    _cleanup_bio_ BIO *text = BIO_new_mem_buf(secret_bytes(pem), (int)secret_size(pem));
    _cleanup_pkey_ EVP_PKEY *key = text ? PEM_read_bio_PrivateKey_ex(text, NULL, NULL, NULL, crypto_context(), NULL) : NULL;
    unsigned char *der = NULL;
    int size = key ? i2d_PUBKEY(key, &der) : -1;
    int r = size > 0 ? crypto_sha256(&(Bytes){.data = der, .size = (size_t)size}, 1, ret_pin) : -EINVAL;

    OPENSSL_free(der);
    return r;
}

int node_keys_card(const NodeKeys *keys, const char *name, const char *address, NodeCard *ret_card, Problem *problem)
{
    NodeCard card = {0};
    int r = hpke_key_public(keys->sealing, card.sealing_key);

    if (r == 0)
        r = identity_public(keys->identity, card.identity_key);
    if (r == 0)
        r = tls_pin(keys->tls, card.tls_pin);
    if (r != 0)
        return problem_set(problem, r, "the node's %s cannot be used", r == -EINVAL ? "TLS key" : "keys");
    (void)snprintf(card.name, sizeof(card.name), "%s", name);
    card.address = strdup(address);
    if (!card.address)
        return problem_set(problem, -ENOMEM, "out of memory");
    *ret_card = card;
    return 0;
}

int node_keys_print_card(const NodeCard *card, Problem *problem)
{
    char text[CARD_SIZE_MAX], fingerprint[40];
    int r = card_format(card, text);

    if (r != 0)
        return problem_set(problem, r, "the card of %s cannot be written: %s", card->name, strerror(-r));
    card_fingerprint(card, fingerprint);
    puts(text);
    (void)fflush(stdout);
    fprintf(stderr, "The line above is the card of node %s: 'kqctl roster add' takes it. Its fingerprint, to be compared by eye:\n  %s\n",
            card->name, fingerprint);
    return 0;
}
