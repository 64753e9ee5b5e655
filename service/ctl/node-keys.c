#include "ctl/node-keys.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "base/crypto.h"
#include "base/evp.h"
#include "base/file.h"
#include "base/text.h"
#include "ctl/credentials.h"
#include "ctl/instance.h"
#include "wire/tls.h"

void node_keys_clear(NodeKeys *keys)
{
    keys->sealing = secret_free(keys->sealing);
    keys->identity = secret_free(keys->identity);
    keys->tls = secret_free(keys->tls);
}

/* ---- Making ---- */

int node_keys_new_identity(Secret **ret_seed)
{
    _cleanup_secret_ Secret *seed = NULL;
    int r = secret_new(32, &seed);

    if (r == 0)
        r = crypto_random(secret_data(seed), secret_size(seed));
    if (r == 0)
        *ret_seed = TAKE_PTR(seed);
    return r;
}

int node_keys_new(NodeKeys *ret_keys, Problem *problem)
{
    _cleanup_node_keys_ NodeKeys keys = {0};
    uint8_t public_key[HPKE_PUBLIC_KEY_SIZE];
    int r = hpke_key_new(&keys.sealing, public_key);

    if (r == 0)
        r = node_keys_new_identity(&keys.identity);
    if (r == 0)
        r = tls_key_new(&keys.tls);
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

static int write_public(int directory, const char *name, const uint8_t key[32], Problem *problem)
{
    int r = file_create(directory, name, key, 32, 0644);

    return r < 0 ? problem_set(problem, r, "%s cannot be written: %s", name, strerror(-r)) : 0;
}

static int write_publics(const NodeKeys *keys, int directory, Problem *problem)
{
    _cleanup_(card_clear) NodeCard card = {0};
    int r = node_keys_card(keys, "", "", &card, problem);

    if (r == 0)
        r = write_public(directory, INSTANCE_SEALING_PUB, card.sealing_key, problem);
    if (r == 0)
        r = write_public(directory, INSTANCE_IDENTITY_PUB, card.identity_key, problem);
    if (r == 0)
        r = write_public(directory, INSTANCE_TLS_PIN, card.tls_pin, problem);
    return r;
}

int node_keys_write_credentials(const NodeKeys *keys, const char *path, int directory, char **ret_protector, Problem *problem)
{
    _cleanup_free_ char *protector = NULL;
    int r = credential_write(path, INSTANCE_SEALING, keys->sealing, &protector, problem);

    if (r == 0)
        r = credential_write(path, INSTANCE_IDENTITY, keys->identity, NULL, problem);
    if (r == 0)
        r = credential_write(path, INSTANCE_TLS, keys->tls, NULL, problem);
    if (r == 0)
        r = write_publics(keys, directory, problem);
    if (r == 0)
        *ret_protector = TAKE_PTR(protector);
    return r;
}

/* `size` 0: any. */
static int read_key(const char *path, size_t size, Secret **ret_key, Problem *problem)
{
    _cleanup_secret_ Secret *key = NULL;
    int r = file_read_private(path, TLS_KEY_SIZE_MAX, FILE_OWNER_ONLY, &key, problem);

    if (r < 0)
        return problem_prefix(problem, r, "the key");
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

/* One, or new and old while it is rotated. */
static int read_sealing_key(const char *path, Secret **ret_key, Problem *problem)
{
    _cleanup_secret_ Secret *key = NULL;
    int r = read_key(path, 0, &key, problem);

    if (r != 0)
        return r;
    if (secret_size(key) != HPKE_PRIVATE_KEY_SIZE && secret_size(key) != 2 * HPKE_PRIVATE_KEY_SIZE)
        return problem_set(problem, -EINVAL, "the key %s has %zu bytes instead of %d", path, secret_size(key), HPKE_PRIVATE_KEY_SIZE);
    *ret_key = TAKE_PTR(key);
    return 0;
}

int node_keys_read(const NodeConfig *config, NodeKeys *ret_keys, Problem *problem)
{
    _cleanup_node_keys_ NodeKeys keys = {0};
    int r;

    if (!config->sealing_key || !config->identity_key)
        return problem_set(problem, -EINVAL, "the configuration does not say where the keys are: set SealingKey= and IdentityKey=");
    r = read_sealing_key(config->sealing_key, &keys.sealing, problem);
    if (r == 0)
        r = read_key(config->identity_key, 32, &keys.identity, problem);
    if (r == 0)
        r = config->tls_key ? read_key(config->tls_key, 0, &keys.tls, problem) : read_tls_key(config->sealing_key, &keys.tls, problem);
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

static int finish_card(NodeCard *card, const char *name, const char *address, NodeCard *ret_card, Problem *problem)
{
    (void)snprintf(card->name, sizeof(card->name), "%s", name);
    card->address = text_copy(address);
    if (!card->address)
        return problem_set(problem, -ENOMEM, "out of memory");
    *ret_card = *card;
    return 0;
}

/* While it is rotated there are two, new and old. */
static int sealing_public(const Secret *sealing, uint8_t ret_public[HPKE_PUBLIC_KEY_SIZE])
{
    _cleanup_secret_ Secret *first = NULL;
    size_t size = secret_size(sealing);

    if (size != HPKE_PRIVATE_KEY_SIZE && size != 2 * HPKE_PRIVATE_KEY_SIZE)
        return -EKEYREJECTED;

    int r = secret_new_copy(secret_bytes(sealing), HPKE_PRIVATE_KEY_SIZE, &first);

    return r < 0 ? r : hpke_key_public(first, ret_public);
}

int node_keys_card(const NodeKeys *keys, const char *name, const char *address, NodeCard *ret_card, Problem *problem)
{
    NodeCard card = {0};
    int r = sealing_public(keys->sealing, card.sealing_key);

    if (r == 0)
        r = secret_size(keys->identity) == sizeof(card.identity_key) ? identity_public(keys->identity, card.identity_key) : -EKEYREJECTED;
    if (r == 0)
        r = tls_key_pin(keys->tls, card.tls_pin);
    if (r != 0)
        return problem_set(problem, r, "the node's %s cannot be used", r == -EINVAL ? "TLS key" : "keys");
    return finish_card(&card, name, address, ret_card, problem);
}

static int read_public(const char *path, const char *name, uint8_t ret_key[32], Problem *problem)
{
    _cleanup_bytes_ Bytes key = {0};
    char file[PATH_MAX];
    int r;

    (void)snprintf(file, sizeof(file), "%s/%s", path, name);
    r = file_read(AT_FDCWD, file, 32, &key);
    if (r == 0 && key.size != 32)
        r = -EINVAL;
    if (r < 0)
        return problem_set(problem, r, "%s: %s", file, r == -EINVAL || r == -EFBIG ? "it does not have 32 bytes" : strerror(-r));
    memcpy(ret_key, key.data, 32);
    return 0;
}

int node_keys_card_of_instance(const char *path, const char *name, const char *address, NodeCard *ret_card, Problem *problem)
{
    NodeCard card = {0};
    int r = read_public(path, INSTANCE_SEALING_PUB, card.sealing_key, problem);

    if (r == 0)
        r = read_public(path, INSTANCE_IDENTITY_PUB, card.identity_key, problem);
    if (r == 0)
        r = read_public(path, INSTANCE_TLS_PIN, card.tls_pin, problem);
    if (r == 0 && read_public(path, INSTANCE_TLS_NEXT_PIN, card.next_tls_pin, NULL) < 0)
        memset(card.next_tls_pin, 0, sizeof(card.next_tls_pin)); /* no change of the key is under way */
    return r < 0 ? r : finish_card(&card, name, address, ret_card, problem);
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
