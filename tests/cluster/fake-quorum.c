#include <check.h>
#include <string.h>

#include "base/crypto.h"
#include "ed25519-deal.h"
#include "fake-node.h"
#include "key-fixture.h"
#include "quorum/key.h"
#include "quorum/pin.h"

Fake fake;

static const uint8_t token[NODE_TOKEN_SIZE] = {0x4b, 0x51, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14};

FakeNode *fake_node(unsigned index)
{
    return &fake.nodes[index - 1];
}

static void on_log(void *userdata, int priority, const char *text)
{
    (void)pthread_mutex_lock(&fake.log_lock);

    int written = snprintf(fake.log + fake.log_size, sizeof(fake.log) - fake.log_size, "%s\n", text);

    if (written > 0 && fake.log_size + (size_t)written < sizeof(fake.log))
        fake.log_size += (size_t)written;
    (void)pthread_mutex_unlock(&fake.log_lock);
}

static void on_step(void *userdata, const char *name)
{
    if (fake.on_step)
        fake.on_step(name);
}

static Roster *make_roster(Microseconds timeout)
{
    static const char *const names[FAKE_NODES] = {"alpha", "beta", "gamma", "delta", "epsilon"};
    Roster *roster = calloc(1, sizeof(*roster));

    ck_assert_ptr_nonnull(roster);
    (void)snprintf(roster->label, sizeof(roster->label), "fake");
    (void)snprintf(roster->client, sizeof(roster->client), "local");
    memcpy(roster->token, token, sizeof(token));
    roster->n = FAKE_NODES;
    roster->k = FAKE_THRESHOLD;
    roster->timeout = timeout;
    roster->connect_timeout = timeout / 5;
    for (unsigned i = 0; i < FAKE_NODES; i++) {
        (void)snprintf(roster->nodes[i].name, sizeof(roster->nodes[i].name), "%s", names[i]);
        roster->nodes[i].address = strdup(fake.nodes[i].address);
        roster->nodes[i].sealing_key[0] = (uint8_t)(i + 1);
        roster->nodes[i].identity_key[0] = (uint8_t)(i + 1);
        roster->nodes[i].identity_key[1] = 1;
    }
    return roster;
}

/* The key as a client finds it. */
static QuorumKey *key_of(const Roster *roster, const Bytes *common, const KeyId *id, const Bytes *activation)
{
    NodeRecord record = {.version = 1, .private_label = (char *)"key", .public_label = (char *)"key"};
    Problem problem = PROBLEM_INIT;
    KeyCore *core;
    QuorumKey *key;

    ck_assert_msg(key_core_new(roster, id, common, activation, &core, &problem) == 0, "%s", problem.text);
    ck_assert_int_eq(key_new(core, &record, node_set_all(FAKE_NODES), &key), 0);
    key_core_unref(core);
    return key;
}

static KeyId id_of(const Header *header, Bytes *ret_common)
{
    KeyId id;

    ck_assert_int_eq(header_encode(header, ret_common), 0);
    ck_assert_int_eq(header_key_id(ret_common, &id), 0);
    return id;
}

/* Its activation is signed with the first shares. */
static QuorumKey *make_key(const Roster *roster)
{
    _cleanup_header_ Header header = fixture_header(&rsa2048_3_of_5, CUSTODY_KEYRING);
    _cleanup_bytes_ Bytes common = {0}, activation = {0};
    const KeyId id = id_of(&header, &common);
    Partial partials[FAKE_THRESHOLD];
    Digest digest;

    ck_assert_int_eq(key_activation_digest(&id, &digest), 0);
    for (unsigned i = 0; i < FAKE_THRESHOLD; i++) {
        const NodePartialSignInput input = {.hash = (char *)(uintptr_t)hash_name(digest.hash), .digest = {digest.bytes, digest.size}};

        partials[i].index = i + 1;
        fake_partial(i + 1, &input, partials[i].bytes);
    }
    ck_assert_int_eq(bytes_new(threshold_key_signature_size(fake.threshold), &activation), 0);
    ck_assert_int_eq(threshold_key_combine(fake.threshold, &digest, partials, activation.data), 0);
    return key_of(roster, &common, &id, &activation);
}

/* The first nodes sign. */
static Bytes sign_together(const FrostKey *key, const void *message, size_t size)
{
    FrostNonces *nonces[FAKE_THRESHOLD];
    FrostCommitment list[FAKE_THRESHOLD];
    FrostPartial partials[FAKE_THRESHOLD];
    const FrostRequest request = {key, list, message, size};
    Bytes signature;

    for (unsigned i = 0; i < FAKE_THRESHOLD; i++) {
        ck_assert_int_eq(frost_nonces_new(key, i + 1, fake.ed25519_shares[i], 1, &nonces[i]), 0);
        list[i] = *frost_nonces_commitment(nonces[i], 0);
    }
    for (unsigned i = 0; i < FAKE_THRESHOLD; i++) {
        ck_assert_int_eq(frost_sign(nonces[i], 0, &request, i + 1, fake.ed25519_shares[i], &partials[i]), 0);
        frost_nonces_free(nonces[i]);
    }
    ck_assert_int_eq(bytes_new(FROST_SIGNATURE_SIZE, &signature), 0);
    ck_assert_int_eq(frost_combine(key, message, size, partials, signature.data), 0);
    return signature;
}

static QuorumKey *make_ed25519_key(const Roster *roster)
{
    Deal deal = ed25519_deal(FAKE_NODES, FAKE_THRESHOLD);
    _cleanup_header_ Header header = {
        .parameters = {THRESHOLD_ED25519, 256, FAKE_NODES, FAKE_THRESHOLD},
        .custody = CUSTODY_KEYRING,
        .public_key = deal.public_key,
        .verification = deal.verification,
    };
    _cleanup_bytes_ Bytes common = {0}, activation = {0};
    _cleanup_threshold_key_ ThresholdKey *key = NULL;
    const KeyId id = id_of(&header, &common);
    uint8_t statement[THRESHOLD_STATEMENT_SIZE_MAX];
    Digest digest;

    for (unsigned i = 0; i < FAKE_NODES; i++)
        fake.ed25519_shares[i] = deal.shares[i];
    ck_assert_int_eq(threshold_key_new(&header.parameters, &header.public_key, &header.verification, &key, NULL), 0);
    ck_assert_int_eq(key_activation_digest(&id, &digest), 0);
    activation = sign_together(threshold_key_frost(key), statement, threshold_statement(&digest, statement));
    return key_of(roster, &common, &id, &activation);
}

Secret *fake_pin(const char *text)
{
    Secret *pin;

    ck_assert_int_eq(secret_new_copy(text, strlen(text), &pin), 0);
    return pin;
}

static void set_pin(const Roster *roster)
{
    _cleanup_secret_ Secret *pin = fake_pin("1234"), *master = NULL;

    ck_assert_int_eq(pin_master(roster, pin, &master), 0);
    for (unsigned i = 1; i <= FAKE_NODES; i++) {
        FakeNode *node = fake_node(i);

        node->initialized = true;
        memcpy(node->token, token, sizeof(token));
        node->in_force.version = 1;
        ck_assert_int_eq(pin_verifier(roster, master, i, node->in_force.verifier), 0);
    }
}

void fake_new_client(Microseconds timeout)
{
    const QuorumHooks hooks = {.log = on_log, .step = on_step};

    quorum_free(fake.quorum);
    ck_assert_int_eq(quorum_new(make_roster(timeout), &hooks, &fake.quorum), 0);
}

void fake_start(bool initialized, Microseconds timeout)
{
    (void)pthread_mutex_init(&fake.log_lock, NULL);
    (void)snprintf(fake.directory, sizeof(fake.directory), "/tmp/keyquorum-fake-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(fake.directory));
    for (unsigned i = 1; i <= FAKE_NODES; i++) {
        FakeNode *node = fake_node(i);

        node->index = i;
        (void)snprintf(node->address, sizeof(node->address), "unix:%s/%u.sock", fake.directory, i);
        sem_init(&node->started, 0, 0);
        sem_init(&node->frozen, 0, 0);
        sem_init(&node->thawed, 0, 0);
    }
    fake.threshold = fixture_key(&rsa2048_3_of_5);
    for (unsigned i = 0; i < FAKE_NODES; i++)
        fake.shares[i] = fixture_share(&rsa2048_3_of_5, i + 1);
    fake_new_client(timeout);
    if (initialized)
        set_pin(quorum_roster(fake.quorum));
    fake.key = make_key(quorum_roster(fake.quorum));
    fake.ed25519_key = make_ed25519_key(quorum_roster(fake.quorum));
    for (unsigned i = 1; i <= FAKE_NODES; i++)
        fake_node_start(i);
}

void fake_stop(void)
{
    fake.key = quorum_key_unref(fake.key);
    fake.quorum = quorum_free(fake.quorum);
    for (unsigned i = 1; i <= FAKE_NODES; i++)
        fake_node_stop(i);
    for (unsigned i = 0; i < FAKE_NODES; i++) {
        fake.shares[i] = secret_free(fake.shares[i]);
        fake.ed25519_shares[i] = secret_free(fake.ed25519_shares[i]);
    }
    fake.ed25519_key = quorum_key_unref(fake.ed25519_key); /* which the nodes have used till now */
    fake.threshold = threshold_key_free(fake.threshold);
    (void)rmdir(fake.directory);
    fake = (Fake){0};
}

int fake_login(const char *text, bool *ret_decided)
{
    _cleanup_secret_ Secret *pin = fake_pin(text);
    Problem problem = PROBLEM_INIT;

    return quorum_login(fake.quorum, pin, ret_decided, &problem);
}

/* ---- What was logged, what was signed -------------------------------------------------------------------------------------------- */

static bool line_has(const char *line, const char *name, const char *text)
{
    size_t size = strcspn(line, "\n");

    return memmem(line, size, name, strlen(name)) && memmem(line, size, text, strlen(text));
}

bool fake_logged(unsigned index, const char *text)
{
    const char *name = quorum_roster(fake.quorum)->nodes[index - 1].name;
    bool found = false;

    (void)pthread_mutex_lock(&fake.log_lock);
    for (const char *line = fake.log; *line && !found; line += strcspn(line, "\n") + 1)
        found = line_has(line, name, text);
    (void)pthread_mutex_unlock(&fake.log_lock);
    return found;
}

unsigned fake_log_lines(const char *text)
{
    unsigned n = 0;

    (void)pthread_mutex_lock(&fake.log_lock);
    for (const char *line = fake.log; *line; line += strcspn(line, "\n") + 1)
        n += line_has(line, "", text);
    (void)pthread_mutex_unlock(&fake.log_lock);
    return n;
}

void fake_log_forget(void)
{
    (void)pthread_mutex_lock(&fake.log_lock);
    fake.log[0] = '\0';
    fake.log_size = 0;
    (void)pthread_mutex_unlock(&fake.log_lock);
}

int fake_sign(unsigned number, Problem *problem)
{
    uint8_t bytes[SHA256_SIZE] = {(uint8_t)(number >> 24), (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number};
    uint8_t signature[THRESHOLD_SIGNATURE_SIZE_MAX] = {0};
    const ThresholdKey *key = quorum_key_threshold(fake.key);
    Digest digest;

    ck_assert_int_eq(digest_set(HASH_SHA256, bytes, sizeof(bytes), &digest), 0);

    int r = quorum_sign(fake.quorum, fake.key, &digest, signature, problem);
    bool good = threshold_key_verify(key, &digest, signature, threshold_key_signature_size(key)) == 0;

    ck_assert_int_eq(good, r == 0);
    return r;
}

int fake_sign_message(unsigned number, Problem *problem)
{
    uint8_t signature[FROST_SIGNATURE_SIZE] = {0};
    char message[32];
    int size = snprintf(message, sizeof(message), "message %u", number);
    int r = quorum_sign_message(fake.quorum, fake.ed25519_key, message, (size_t)size, signature, problem);
    bool good =
        threshold_key_verify_message(quorum_key_threshold(fake.ed25519_key), message, (size_t)size, signature, sizeof(signature)) == 0;

    ck_assert_int_eq(good, r == 0);
    return r;
}
