/* The models' state, as tests want it. */
#include "model-quorum.h"

#include <openssl/bn.h>
#include <string.h>

#include "base/crypto.h"
#include "made-key.h"
#include "quorum/key.h"

void model_start(const TestKey *key)
{
    Roster *roster = calloc(1, sizeof(*roster));

    model = (Model){.key = key, .logged_in = true};
    roster->n = key->n;
    roster->k = key->k;
    roster->timeout = 10 * MICROSECONDS_PER_SECOND;
    roster->connect_timeout = 2 * MICROSECONDS_PER_SECOND;
    for (unsigned i = 0; i < key->n; i++) {
        (void)snprintf(roster->nodes[i].name, sizeof(roster->nodes[i].name), "node%u", i + 1);
        roster->nodes[i].address = strdup("model:");
        ck_assert_int_eq(hpke_key_new(&model.nodes[i].sealing_key, roster->nodes[i].sealing_key), 0);
        model.nodes[i].pin_version = 1;
        model.nodes[i].revision = 1;
    }
    model.quorum.roster = roster;
    ck_assert_int_eq(catalog_new(&model.quorum.catalog), 0);
}

void model_stop(void)
{
    for (unsigned i = 0; i < model.key->n; i++) {
        while (model.nodes[i].n_keys > 0)
            model_key_remove(&model.nodes[i], &model.nodes[i].keys[model.nodes[i].n_keys - 1]);
        free(model.nodes[i].keys);
        secret_free(model.nodes[i].sealing_key);
        free(model.quorum.roster->nodes[i].address);
    }
    free(model.quorum.roster);
    catalog_free(model.quorum.catalog);
}

void model_new_client(void)
{
    catalog_free(model.quorum.catalog);
    ck_assert_int_eq(catalog_new(&model.quorum.catalog), 0);
    model.dead = false;
    model.on_step = NULL;
    model.dies_at = model.sleeps_at = model.falls_at = model.steps = 0;
    model.log[0] = '\0';
    for (unsigned i = 0; i < model.key->n; i++)
        model.nodes[i].down = model.nodes[i].asleep = model.nodes[i].full = false;
}

bool model_logged(unsigned index, const char *text)
{
    char name[32], *line = model.log, *end;
    bool found = false;

    (void)snprintf(name, sizeof(name), "node%u (%u)", index, index);
    for (; (end = strchr(line, '\n')); line = end + 1) {
        *end = '\0';
        found |= strstr(line, name) && strstr(line, text);
    }
    model.log[0] = '\0';
    return found;
}

unsigned model_log_lines(void)
{
    unsigned lines = 0;

    for (const char *at = model.log; *at; at++)
        lines += *at == '\n';
    return lines;
}

/* The verification values to the power of `variant` + 1: a header that nobody has made, but that is right in itself. */
static void vary(Header *header, unsigned variant)
{
    size_t size = header->parameters.bits / 8;
    BN_CTX *context = BN_CTX_new_ex(crypto_context());
    BIGNUM *modulus = BN_bin2bn(header->public_key.data, (int)size, NULL), *value = BN_new(), *power = BN_new();

    BN_set_word(power, variant + 1);
    for (unsigned i = 0; i <= header->parameters.n; i++) {
        BN_bin2bn(header->verification.data + i * size, (int)size, value);
        BN_mod_exp(value, value, power, modulus, context);
        BN_bn2binpad(value, header->verification.data + i * size, (int)size);
    }
    BN_free(modulus);
    BN_free(value);
    BN_free(power);
    BN_CTX_free(context);
}

/* The activation of a key id, signed with k shares of the fixed key. */
static Bytes sign_activation(const KeyId *id)
{
    _cleanup_threshold_key_ ThresholdKey *threshold = fixture_key(model.key);
    Partial partials[THRESHOLD_NODES_MAX];
    Bytes signature;
    Digest digest;

    ck_assert_int_eq(bytes_new(threshold_key_signature_size(threshold), &signature), 0);
    ck_assert_int_eq(key_activation_digest(id, &digest), 0);
    for (unsigned i = 0; i < model.key->k; i++) {
        _cleanup_secret_ Secret *share = fixture_share(model.key, i + 1);

        partials[i].index = i + 1;
        ck_assert_int_eq(threshold_key_base(threshold, &digest, partials[i].bytes), 0);
        ck_assert_int_eq(threshold_key_power(threshold, share, partials[i].bytes, partials[i].bytes), 0);
    }
    ck_assert_int_eq(threshold_key_combine(threshold, &digest, partials, signature.data), 0);
    return signature;
}

static KeyRecord record_of(uint64_t version, const char *label)
{
    return (KeyRecord){.version = version, .private_label = strdup(label), .public_label = strdup(label)};
}

static void put(NodeSet nodes, const KeyId *id, const Bytes *common, const Bytes *activation, const char *label)
{
    for (unsigned i = 0; i < model.key->n; i++) {
        ModelKey *key;

        if (!(nodes & NODE_SET_OF(i + 1)))
            continue;
        key = model_key_insert(&model.nodes[i], id);
        key->state = KEY_ACTIVE;
        ck_assert_int_eq(bytes_copy(common->data, common->size, &key->common), 0);
        if (activation->size > 0)
            ck_assert_int_eq(bytes_copy(activation->data, activation->size, &key->activation), 0);
        key->record = record_of(1, label);
        model.nodes[i].revision++;
    }
}

KeyId model_key_put(NodeSet nodes, unsigned variant, const char *label)
{
    _cleanup_header_ Header header = fixture_header(model.key, CUSTODY_KEYRING);
    _cleanup_bytes_ Bytes common = {0}, activation = {0};
    KeyId id;

    vary(&header, variant);
    ck_assert_int_eq(header_encode(&header, &common), 0);
    ck_assert_int_eq(header_key_id(&common, &id), 0);
    activation = sign_activation(&id);
    put(nodes, &id, &common, &activation, label);
    return id;
}

KeyId model_generation_put(NodeSet nodes, unsigned generation, KeyState state, const char *label)
{
    _cleanup_made_key_ MadeKey key = made_key("model", model.key->n, model.key->k, generation);
    uint8_t activation[FROST_SIGNATURE_SIZE];

    made_key_activation(&key, activation);
    put(nodes, &key.id, &key.common, &(Bytes){activation, state == KEY_ACTIVE ? sizeof(activation) : 0}, label);
    for (unsigned i = 1; i <= model.key->n; i++)
        if (nodes & NODE_SET_OF(i))
            model_key_set_state(i, &key.id, state);
    return key.id;
}

void model_key_set_state(unsigned index, const KeyId *id, KeyState state)
{
    ModelKey *key = model_key_find(&model.nodes[index - 1], id);

    if (!key)
        key = model_key_insert(&model.nodes[index - 1], id);
    key->state = state;
    if (state == KEY_PENDING)
        bytes_clear(&key->activation);
    if (state == KEY_DESTROYED)
        key_record_clear(&key->record);
    model.nodes[index - 1].revision++;
}

void model_key_set_record(unsigned index, const KeyId *id, uint64_t version, const char *label)
{
    ModelKey *key = model_key_find(&model.nodes[index - 1], id);

    key_record_clear(&key->record);
    key->record = record_of(version, label);
    model.nodes[index - 1].revision++;
}

void model_key_forget(unsigned index, const KeyId *id)
{
    model_key_remove(&model.nodes[index - 1], model_key_find(&model.nodes[index - 1], id));
    model.nodes[index - 1].revision++;
}

Deal model_deal(void)
{
    Header header = fixture_header(model.key, CUSTODY_KEYRING);
    Deal deal = {.public_key = bytes_take(&header.public_key), .verification = bytes_take(&header.verification)};

    for (unsigned i = 0; i < model.key->n; i++)
        deal.shares[i] = fixture_share(model.key, i + 1);
    return deal;
}

char *model_describe(unsigned index)
{
    const ModelNode *node = &model.nodes[index - 1];
    char *text = NULL, id[2 * KEY_ID_SIZE + 1];
    size_t size;
    FILE *file = open_memstream(&text, &size);

    for (size_t i = 0; i < node->n_keys; i++) {
        const ModelKey *key = &node->keys[i];

        key_id_format(&key->id, id);
        fprintf(file, "%s %s v%llu %s\n", id, model_state_names[key->state], (unsigned long long)key->record.version,
                key->record.private_label ? key->record.private_label : "-");
    }
    fclose(file);
    return text;
}
