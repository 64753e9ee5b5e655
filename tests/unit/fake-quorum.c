#include "fake-quorum.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/rsa.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define KEYS_MAX 16

FakeQuorum fake;

struct Quorum {
    QuorumHooks hooks;
    Roster *roster;
    bool logged_in;
};

struct QuorumKey {
    atomic_uint references;
    KeyId id;
    Header header;
    KeyRecord record;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static QuorumKey *keys[KEYS_MAX];
static size_t n_keys;

EVP_PKEY *fake_key(void)
{
    static EVP_PKEY *key;

    if (!key)
        key = EVP_RSA_gen(2048);
    return key;
}

EVP_PKEY *fake_ed25519_key(void)
{
    static EVP_PKEY *key;

    if (!key)
        key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    return key;
}

static char *copy_text(const char *text)
{
    size_t size = strlen(text) + 1;

    return memcpy(malloc(size), text, size);
}

void key_record_clear(KeyRecord *record)
{
    free(record->private_label);
    free(record->public_label);
    bytes_clear(&record->private_id);
    bytes_clear(&record->public_id);
}

int key_record_copy(const KeyRecord *record, KeyRecord *ret_copy)
{
    KeyRecord copy = *record;
    int r;

    copy.private_label = copy_text(record->private_label);
    copy.public_label = copy_text(record->public_label);
    r = bytes_copy(record->private_id.data, record->private_id.size, &copy.private_id);
    if (r == 0)
        r = bytes_copy(record->public_id.data, record->public_id.size, &copy.public_id);
    *ret_copy = copy;
    return r;
}

static void read_modulus(Bytes *ret_modulus)
{
    BIGNUM *n = NULL;
    uint8_t bytes[256];

    if (EVP_PKEY_get_bn_param(fake_key(), OSSL_PKEY_PARAM_RSA_N, &n) != 1 || BN_bn2binpad(n, bytes, sizeof(bytes)) < 0)
        abort();
    BN_free(n);
    if (bytes_copy(bytes, sizeof(bytes), ret_modulus) < 0)
        abort();
}

static void read_point(Bytes *ret_point)
{
    uint8_t point[32];
    size_t size = sizeof(point);

    if (EVP_PKEY_get_raw_public_key(fake_ed25519_key(), point, &size) != 1 || bytes_copy(point, size, ret_point) < 0)
        abort();
}

static const struct {
    unsigned bits;
    void (*read_public)(Bytes *ret_public);
} algorithms[] = {
    [THRESHOLD_RSA] = {2048, read_modulus},
    [THRESHOLD_ED25519] = {256, read_point},
};

static QuorumKey *new_key(const KeyId *id, uint8_t algorithm, const KeyRecord *record)
{
    QuorumKey *key = calloc(1, sizeof(*key));

    atomic_init(&key->references, 1);
    key->id = *id;
    key->header.parameters = (ThresholdParameters){algorithm, algorithms[algorithm].bits, fake.roster.n, fake.roster.k};
    algorithms[algorithm].read_public(&key->header.public_key);
    if (key_record_copy(record, &key->record) < 0)
        abort();
    return key;
}

QuorumKey *quorum_key_ref(QuorumKey *key)
{
    atomic_fetch_add(&key->references, 1);
    return key;
}

QuorumKey *quorum_key_unref(QuorumKey *key)
{
    if (!key || atomic_fetch_sub(&key->references, 1) > 1)
        return NULL;
    bytes_clear(&key->header.public_key);
    key_record_clear(&key->record);
    free(key);
    return NULL;
}

const KeyId *quorum_key_id(const QuorumKey *key)
{
    return &key->id;
}

const Header *quorum_key_header(const QuorumKey *key)
{
    return &key->header;
}

const KeyRecord *quorum_key_record(const QuorumKey *key)
{
    return &key->record;
}

static void unlock(pthread_mutex_t *const *locked)
{
    (void)pthread_mutex_unlock(*locked);
}

static pthread_mutex_t *lock_keys(void)
{
    (void)pthread_mutex_lock(&lock);
    return &lock;
}

#define _cleanup_lock_ _cleanup_(unlock) __attribute__((unused))

/* Ids go down, so that a new key is always listed before the older ones. */
static QuorumKey *add_key(uint8_t algorithm, const KeyRecord *record)
{
    static uint8_t next = 0xff;
    KeyId id = {.bytes = {next--}};

    if (n_keys == KEYS_MAX)
        abort();
    memmove(&keys[1], &keys[0], n_keys * sizeof(keys[0]));
    n_keys++;
    return keys[0] = new_key(&id, algorithm, record);
}

static size_t position_of(const KeyId *id)
{
    size_t i = 0;

    while (i < n_keys && !key_id_equal(&keys[i]->id, id))
        i++;
    return i;
}

static void remove_key(size_t at)
{
    quorum_key_unref(keys[at]);
    n_keys--;
    memmove(&keys[at], &keys[at + 1], (n_keys - at) * sizeof(keys[0]));
}

void fake_reset(void)
{
    while (n_keys > 0)
        remove_key(n_keys - 1);
    fake = (FakeQuorum){.pin = "1234", .tries_left = 10};
    fake.roster = (Roster){.label = "test token",
                           .n = 3,
                           .k = 2,
                           .deal = true,
                           .show_ed25519 = true,
                           .log = LOG_TARGET_NONE,
                           .token = {0xab, 1, 2, 3, 4, 5, 6, 7}};
}

static void add_named_key(uint8_t algorithm, const char *label, const char *id)
{
    _cleanup_lock_ pthread_mutex_t *locked = lock_keys();
    Bytes bytes = {(uint8_t *)(uintptr_t)id, strlen(id)};
    char *text = (char *)(uintptr_t)label;

    add_key(algorithm, &(KeyRecord){.private_label = text, .public_label = text, .private_id = bytes, .public_id = bytes});
}

void fake_add_key(const char *label, const char *id)
{
    add_named_key(THRESHOLD_RSA, label, id);
}

void fake_add_ed25519_key(const char *label, const char *id)
{
    add_named_key(THRESHOLD_ED25519, label, id);
}

void fake_remove_key(const char *label)
{
    _cleanup_lock_ pthread_mutex_t *locked = lock_keys();

    for (size_t i = n_keys; i-- > 0;)
        if (strcmp(keys[i]->record.private_label, label) == 0)
            remove_key(i);
}

void fake_refresh_key(const char *label)
{
    _cleanup_lock_ pthread_mutex_t *locked = lock_keys();

    for (size_t i = 0; i < n_keys; i++)
        if (strcmp(keys[i]->record.private_label, label) == 0) {
            add_key(keys[i]->header.parameters.algorithm, &keys[i]->record)->header.generation++; /* in front of the others */
            remove_key(i + 1);
            return;
        }
}

void fake_change_id(const char *label, const char *id)
{
    _cleanup_lock_ pthread_mutex_t *locked = lock_keys();

    for (size_t i = 0; i < n_keys; i++) {
        QuorumKey *before = keys[i];
        KeyRecord record = before->record;

        if (strcmp(record.private_label, label) != 0)
            continue;
        record.private_id = (Bytes){(uint8_t *)(uintptr_t)id, strlen(id)};
        record.version++;
        keys[i] = new_key(&before->id, before->header.parameters.algorithm, &record);
        quorum_key_unref(before);
    }
}

int roster_read(const char *path, Roster **ret_roster, Problem *problem)
{
    if (fake.roster_result)
        return problem_set(problem, fake.roster_result, "/etc/keyquorum/token.conf:1: nonsense");
    *ret_roster = malloc(sizeof(Roster));
    **ret_roster = fake.roster;
    return 0;
}

Roster *roster_free(Roster *roster)
{
    free(roster);
    return NULL;
}

int quorum_new(Roster *roster, const QuorumHooks *hooks, Quorum **ret_quorum)
{
    *ret_quorum = calloc(1, sizeof(Quorum));
    **ret_quorum = (Quorum){.roster = roster, .hooks = *hooks};
    fake.alive++;
    return 0;
}

Quorum *quorum_free(Quorum *quorum)
{
    roster_free(quorum->roster);
    free(quorum);
    fake.alive--;
    return NULL;
}

void quorum_disconnect(Quorum *quorum)
{
    fake.disconnected++;
}

void quorum_forked(Quorum *quorum)
{
    quorum->logged_in = false;
    fake.forked++;
}

const Roster *quorum_roster(const Quorum *quorum)
{
    return quorum->roster;
}

static int log_in(Quorum *quorum, const Secret *pin, Problem *problem)
{
    _cleanup_lock_ pthread_mutex_t *locked = lock_keys();

    fake.logins++;
    if (fake.login_result)
        return problem_set(problem, fake.login_result, "as told");
    if (secret_size(pin) != strlen(fake.pin) || memcmp(secret_bytes(pin), fake.pin, secret_size(pin)) != 0)
        return problem_set(problem, QUORUM_E_PIN_INCORRECT, "the PIN is wrong");
    quorum->logged_in = true;
    return 0;
}

int quorum_login(Quorum *quorum, const Secret *pin, bool *ret_decided, Problem *problem)
{
    int r = log_in(quorum, pin, problem);

    if (fake.while_logging_in)
        fake.while_logging_in();
    return r;
}

void quorum_logout(Quorum *quorum)
{
    _cleanup_lock_ pthread_mutex_t *locked = lock_keys();

    quorum->logged_in = false;
}

bool quorum_logged_in(const Quorum *quorum)
{
    _cleanup_lock_ pthread_mutex_t *locked = lock_keys();

    return quorum->logged_in;
}

bool quorum_pin_initialized(Quorum *quorum)
{
    return true;
}

unsigned quorum_pin_tries_left(Quorum *quorum)
{
    return fake.tries_left;
}

int quorum_set_pin(Quorum *quorum, const Secret *old_pin, const Secret *new_pin, Problem *problem)
{
    if (secret_size(old_pin) != strlen(fake.pin) || memcmp(secret_bytes(old_pin), fake.pin, secret_size(old_pin)) != 0)
        return QUORUM_E_PIN_INCORRECT;
    memset(fake.pin, 0, sizeof(fake.pin));
    memcpy(fake.pin, secret_bytes(new_pin), secret_size(new_pin));
    return 0;
}

static int list_keys(bool new, QuorumKey ***ret_keys, size_t *ret_n_keys, Problem *problem)
{
    _cleanup_lock_ pthread_mutex_t *locked = lock_keys();
    size_t known = new || !fake.stale ? n_keys : 0;

    __atomic_fetch_add(&fake.lists, 1, __ATOMIC_RELAXED);
    if (fake.keys_result)
        return problem_set(problem, fake.keys_result, "alpha (1): connection refused");
    *ret_keys = calloc(n_keys + 1, sizeof(**ret_keys));
    *ret_n_keys = known;
    for (size_t i = 0; i < known; i++)
        (*ret_keys)[i] = quorum_key_ref(keys[i]);
    return 0;
}

int quorum_keys(Quorum *quorum, Microseconds max_age, QuorumKey ***ret_keys, size_t *ret_n_keys, Problem *problem)
{
    __atomic_store_n(&fake.last_max_age, max_age, __ATOMIC_RELAXED);

    int r = list_keys(max_age < MICROSECONDS_PER_SECOND, ret_keys, ret_n_keys, problem);

    if (fake.while_listing)
        fake.while_listing();
    return r;
}

void quorum_keys_free(QuorumKey **list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        quorum_key_unref(list[i]);
    free(list);
}

QuorumKey *quorum_key_by_id(Quorum *quorum, const KeyId *id)
{
    _cleanup_lock_ pthread_mutex_t *locked = lock_keys();
    size_t at = position_of(id);

    return at < n_keys ? quorum_key_ref(keys[at]) : NULL;
}

int quorum_generate(Quorum *quorum, const GenerateRequest *request, QuorumKey **ret_key, Problem *problem)
{
    _cleanup_lock_ pthread_mutex_t *locked = lock_keys();

    fake.last_request = *request;
    fake.last_request.record = (KeyRecord){.public_hidden = request->record.public_hidden};
    if (fake.generate_result)
        return fake.generate_result;
    *ret_key = quorum_key_ref(add_key(request->algorithm, &request->record));
    return 0;
}

static void change_record(size_t at, const KeyRecord *record)
{
    QuorumKey *before = keys[at];

    keys[at] = new_key(&before->id, before->header.parameters.algorithm, record);
    keys[at]->record.version++;
    quorum_key_unref(before);
}

static int set_record(const KeyId *id, const KeyRecord *record, Problem *problem)
{
    _cleanup_lock_ pthread_mutex_t *locked = lock_keys();
    size_t at = position_of(id);

    if (fake.record_result)
        return fake.record_result;
    if (at == n_keys)
        return QUORUM_E_UNKNOWN_KEY;
    if (record->version != keys[at]->record.version)
        return problem_set(problem, QUORUM_E_CONFLICT, "another client was faster");
    change_record(at, record);
    return 0;
}

int quorum_set_record(Quorum *quorum, const KeyId *id, const KeyRecord *record, Problem *problem)
{
    if (fake.while_changing)
        fake.while_changing();
    return set_record(id, record, problem);
}

int quorum_destroy(Quorum *quorum, const KeyId *id, Problem *problem)
{
    _cleanup_lock_ pthread_mutex_t *locked = lock_keys();
    size_t at = position_of(id);

    if (fake.destroy_result)
        return fake.destroy_result;
    if (at == n_keys)
        return QUORUM_E_UNKNOWN_KEY;
    remove_key(at);
    return 0;
}

/* The encoding, then the private operation. */
static int sign(const Digest *digest, uint8_t *ret_signature)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, fake_key(), NULL);
    uint8_t encoded[256];
    size_t size = sizeof(encoded);
    int r = digest_encode(digest, 8 * sizeof(encoded), encoded);

    if (r == 0 && (EVP_PKEY_sign_init(ctx) != 1 || EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING) != 1 ||
                   EVP_PKEY_sign(ctx, ret_signature, &size, encoded, sizeof(encoded)) != 1))
        r = -EIO;
    EVP_PKEY_CTX_free(ctx);
    return r;
}

static void count_signature(void)
{
    _cleanup_lock_ pthread_mutex_t *locked = lock_keys();

    fake.signatures++;
}

/* All but the signature. */
static int begin_signature(const Quorum *quorum, Problem *problem)
{
    count_signature();
    if (fake.while_signing)
        fake.while_signing();
    if (fake.sign_result)
        return problem_set(problem, fake.sign_result, "as told");
    return quorum_logged_in(quorum) ? 0 : QUORUM_E_LOGIN_REQUIRED;
}

int quorum_sign(Quorum *quorum, const QuorumKey *key, const Digest *digest, uint8_t *ret_signature, Problem *problem)
{
    int r = begin_signature(quorum, problem);

    return r == 0 ? sign(digest, ret_signature) : r;
}

static int sign_message(const void *message, size_t size, uint8_t *ret_signature)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    size_t signature_size = 64;
    int r = EVP_DigestSignInit_ex(ctx, NULL, NULL, NULL, NULL, fake_ed25519_key(), NULL) == 1 &&
                    EVP_DigestSign(ctx, ret_signature, &signature_size, message, size) == 1
                ? 0
                : -EIO;

    EVP_MD_CTX_free(ctx);
    return r;
}

int quorum_sign_message(Quorum *quorum, const QuorumKey *key, const void *message, size_t size, uint8_t *ret_signature, Problem *problem)
{
    int r = begin_signature(quorum, problem);

    return r == 0 ? sign_message(message, size, ret_signature) : r;
}
