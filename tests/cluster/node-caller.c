/* The callers and keys of node-fixture.h. */
#include <errno.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/crypto.h"
#include "key-fixture.h"
#include "node-fixture.h"
#include "wire/base64.h"

#define CALL_TIMEOUT (60 * MICROSECONDS_PER_SECOND)

NodeErrorDetail call_detail;
char call_error[128];

Link *call_open(const TestNode *node)
{
    Problem problem = PROBLEM_INIT;
    Link *link = NULL;
    int r = link_open(node->address, NULL, &link, &problem);

    ck_assert_msg(r == 0, "%s", problem.text);
    return link;
}

Link *call_open_gate(const TestNode *node)
{
    Problem problem = PROBLEM_INIT;
    char address[128];
    Link *link = NULL;

    (void)snprintf(address, sizeof(address), "unix:%s/gate.sock", node->directory);

    int r = link_open(address, NULL, &link, &problem);

    ck_assert_msg(r == 0, "%s", problem.text);
    return link;
}

void call_announce(Link *link, const char *name, uint8_t pin_byte)
{
    char text[256], pin[BASE64_SIZE(NODE_TLS_PIN_SIZE) + 32] = "";
    uint8_t bytes[NODE_TLS_PIN_SIZE];
    int size;

    memset(bytes, pin_byte, sizeof(bytes));
    if (pin_byte != 0) {
        (void)strcpy(pin, ",\"tlsPin\":\"");
        base64_encode(bytes, sizeof(bytes), pin + strlen(pin));
        (void)strcat(pin, "\"");
    }
    size = snprintf(text, sizeof(text),
                    "{\"method\":\"" NODE_METHOD("AnnounceClient") "\",\"parameters\":{\"protocol\":1,"
                                                                   "\"name\":\"%s\"%s},\"oneway\":true}",
                    name, pin);
    ck_assert_int_eq(send(link_fd(link), text, (size_t)size + 1, MSG_NOSIGNAL), size + 1);
}

Link *call_open_as(const TestNode *node, const char *name)
{
    Link *link = call_open_gate(node);

    call_announce(link, name, 0);
    return link;
}

void call_wait_closed(Link *link)
{
    Reply *reply = NULL;

    do {
        struct pollfd poll_fd = {.fd = link_fd(link), .events = POLLIN};

        ck_assert_int_eq(poll(&poll_fd, 1, 30000), 1);
    } while (link_advance(link) == 0);
    ck_assert_int_eq(link_take_reply(link, &reply), 0);
}

static const MethodLayout *method_layout(const char *name)
{
    for (const MethodLayout *method = node_methods; method->name; method++)
        if (strcmp(method->name, name) == 0)
            return method;
    ck_abort_msg("there is no method %s", name);
}

static NodeError take_error(const Reply *reply, const char *name)
{
    char field[MESSAGE_FIELD_NAME_MAX];
    NodeError error = node_error_from_name(name);

    (void)snprintf(call_error, sizeof(call_error), "%s", name);
    message_clear(&node_error_detail, &call_detail);
    if (error != NODE_ERROR_UNKNOWN) {
        ck_assert_int_eq(reply_parse(reply, &node_error_detail, &call_detail, field), 0);
        ck_assert_msg(call_detail.reason && *call_detail.reason, "%s without a reason", name);
    }
    return error;
}

NodeError call(Link *link, const char *method, const void *input, void *ret_output)
{
    const MethodLayout *layout = method_layout(method);
    _cleanup_reply_ Reply *reply = NULL;
    char name[128], field[MESSAGE_FIELD_NAME_MAX];

    (void)snprintf(name, sizeof(name), NODE_METHOD("%s"), method);

    int r = link_call_wait(link, name, layout->input, input, clock_now() + CALL_TIMEOUT, &reply);

    ck_assert_msg(r == 0, "%s: %s", method, strerror(-r));
    if (reply_error(reply))
        return take_error(reply, reply_error(reply));
    r = reply_parse(reply, layout->output, ret_output, field);
    ck_assert_msg(r == 0, "%s: %d %s", method, r, field);
    return NODE_ERROR_NONE;
}

void call_well(Link *link, const char *method, const void *input, void *ret_output)
{
    NodeError error = call(link, method, input, ret_output);

    ck_assert_msg(error == NODE_ERROR_NONE, "%s: %s: %s", method, call_error, call_detail.reason ? call_detail.reason : "");
}

/* ---- PIN ---- */

static EVP_PKEY *pin_key(const uint8_t seed[PIN_SEED_SIZE])
{
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key_ex(crypto_context(), "ED25519", NULL, seed, PIN_SEED_SIZE);

    ck_assert_ptr_nonnull(key);
    return key;
}

Bytes seed_verifier(const uint8_t seed[PIN_SEED_SIZE])
{
    EVP_PKEY *key = pin_key(seed);
    size_t size = NODE_VERIFIER_SIZE;
    Bytes verifier;

    ck_assert_int_eq(bytes_new(size, &verifier), 0);
    ck_assert_int_eq(EVP_PKEY_get_raw_public_key(key, verifier.data, &size), 1);
    EVP_PKEY_free(key);
    return verifier;
}

/* "keyquorum login v1" || token || index byte || PIN version (8 bytes) || nonce. */
static void sign_challenge(const TestNode *node, const Bytes *nonce, const uint8_t seed[PIN_SEED_SIZE], uint64_t version,
                           uint8_t ret_answer[NODE_ANSWER_SIZE])
{
    uint8_t message[18 + NODE_TOKEN_SIZE + 1 + 8 + NODE_NONCE_SIZE];
    Writer writer = writer_of(message, sizeof(message));
    EVP_PKEY *key = pin_key(seed);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    size_t size = NODE_ANSWER_SIZE;

    write_bytes(&writer, "keyquorum login v1", 18);
    write_bytes(&writer, node->token, sizeof(node->token));
    write_u8(&writer, (uint8_t)node->index);
    write_u64(&writer, version);
    write_bytes(&writer, nonce->data, nonce->size);
    ck_assert_int_eq(writer_finish(&writer, NULL), 0);
    ck_assert_int_eq(EVP_DigestSignInit_ex(ctx, NULL, NULL, crypto_context(), NULL, key, NULL), 1);
    ck_assert_int_eq(EVP_DigestSign(ctx, ret_answer, &size, message, sizeof(message)), 1);
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
}

void call_init_token(const TestNode *node)
{
    _cleanup_bytes_ Bytes verifier = seed_verifier(node->pin_seed);
    _cleanup_link_ Link *link = call_open(node);
    const NodeInitTokenInput input = {
        .token = {(uint8_t *)node->token, sizeof(node->token)},
        .index = node->index,
        .n = node->n,
        .k = node->k,
        .verifier = verifier,
        .pin_version = 1,
    };

    call_well(link, "InitToken", &input, NULL);
}

NodeError call_hello(Link *link, const TestNode *node, NodeHelloOutput *ret_output)
{
    const NodeHelloInput input = {{(uint8_t *)node->token, sizeof(node->token)}, node->index};

    return call(link, "Hello", &input, ret_output);
}

NodeError call_answer(Link *link, const TestNode *node, const NodeHelloOutput *hello, const uint8_t seed[PIN_SEED_SIZE], uint64_t version)
{
    uint8_t answer[NODE_ANSWER_SIZE];
    const NodeChallengeInput input = {version, {answer, sizeof(answer)}};

    sign_challenge(node, &hello->nonce, seed, version, answer);
    return call(link, "AnswerChallenge", &input, NULL);
}

Link *call_open_logged_in_as(const TestNode *node, const char *name)
{
    Link *link = call_open_as(node, name);
    NodeHelloOutput hello = {0};

    ck_assert_int_eq(call_hello(link, node, &hello), NODE_ERROR_NONE);
    ck_assert_int_eq(call_answer(link, node, &hello, node->pin_seed, node->pin_version), NODE_ERROR_NONE);
    message_clear(&node_hello_output, &hello);
    return link;
}

NodeError call_log_in(const TestNode *node, const uint8_t seed[PIN_SEED_SIZE], Link **ret_link)
{
    NodeHelloOutput hello = {0};
    Link *link = call_open(node);

    ck_assert_int_eq(call_hello(link, node, &hello), NODE_ERROR_NONE);

    NodeError error = call_answer(link, node, &hello, seed, node->pin_version);

    message_clear(&node_hello_output, &hello);
    if (ret_link)
        *ret_link = link;
    else
        (void)link_close(link);
    return error;
}

Link *call_open_logged_in(const TestNode *node)
{
    Link *link = NULL;
    NodeError error = call_log_in(node, node->pin_seed, &link);

    ck_assert_msg(error == NODE_ERROR_NONE, "log in: %s", call_error);
    return link;
}

/* ---- Keys ---- */

static void square(uint8_t *number, const Bytes *modulus)
{
    BN_CTX *ctx = BN_CTX_new();
    BIGNUM *n = BN_bin2bn(modulus->data, (int)modulus->size, NULL), *value = BN_bin2bn(number, (int)modulus->size, NULL);

    ck_assert_int_eq(BN_mod_sqr(value, value, n, ctx), 1);
    ck_assert_int_ge(BN_bn2binpad(value, number, (int)modulus->size), 0);
    BN_free(value);
    BN_free(n);
    BN_CTX_free(ctx);
}

DealtKey dealt_key(unsigned variant)
{
    _cleanup_header_ Header header = fixture_header(&rsa2048_3_of_5, CUSTODY_KEYRING);
    Problem problem = PROBLEM_INIT;
    DealtKey key = {0};

    for (unsigned times = 0; times < variant; times++)
        for (size_t at = 0; at < header.verification.size; at += header.public_key.size)
            square(header.verification.data + at, &header.public_key);
    ck_assert_int_eq(header_encode(&header, &key.common), 0);
    ck_assert_int_eq(header_key_id(&key.common, &key.id), 0);

    int r = threshold_key_new(&header.parameters, &header.public_key, &header.verification, &key.key, &problem);

    ck_assert_msg(r == 0, "%s", problem.text);
    for (unsigned i = 0; i < 5; i++)
        key.shares[i] = fixture_share(&rsa2048_3_of_5, i + 1);
    return key;
}

void dealt_key_clear(DealtKey *key)
{
    bytes_clear(&key->common);
    threshold_key_freep(&key->key);
    for (unsigned i = 0; i < ELEMENTS(key->shares); i++)
        secret_freep(&key->shares[i]);
}

Bytes dealt_key_seal(const DealtKey *key, const TestNode *node, unsigned of, unsigned as)
{
    Bytes sealed;

    ck_assert_int_eq(sealed_share_new(&key->common, as, node->sealing_key, key->shares[of - 1], &sealed), 0);
    return sealed;
}

Digest dealt_key_statement(const DealtKey *key)
{
    static const char label[] = "keyquorum activate v1";
    const Bytes parts[] = {{(uint8_t *)label, sizeof(label) - 1}, {(uint8_t *)key->id.bytes, KEY_ID_SIZE}};
    uint8_t hash[SHA256_SIZE];
    Digest digest;

    ck_assert_int_eq(crypto_sha256(parts, 2, hash), 0);
    ck_assert_int_eq(digest_set(HASH_SHA256, hash, sizeof(hash), &digest), 0);
    return digest;
}

void dealt_key_combine(const DealtKey *key, const Digest *digest, const Bytes *from_node, uint8_t *ret_signature)
{
    uint8_t base[THRESHOLD_PARTIAL_SIZE_MAX];
    Partial partials[3] = {{.index = 1}, {.index = 2}, {.index = 3}};

    ck_assert_uint_eq(from_node->size, threshold_key_partial_size(key->key));
    memcpy(partials[0].bytes, from_node->data, from_node->size);
    ck_assert_int_eq(threshold_key_base(key->key, digest, base), 0);
    for (unsigned i = 1; i < 3; i++)
        ck_assert_int_eq(threshold_key_power(key->key, key->shares[i], base, partials[i].bytes), 0);
    ck_assert_int_eq(threshold_key_combine(key->key, digest, partials, ret_signature), 0);
}

NodeRecord test_record(uint64_t version, const char *label)
{
    return (NodeRecord){
        .version = version,
        .private_label = (char *)label,
        .public_label = (char *)label,
        .private_id = {(uint8_t *)"id", 2},
        .public_id = {(uint8_t *)"id", 2},
        .created = 1700000000,
        .not_after = TEST_NOT_AFTER,
    };
}

NodeError call_prepare(Link *link, const Bytes *sealed)
{
    const NodePrepareInput input = {*sealed, test_record(1, "label")};

    return call(link, "PrepareKey", &input, NULL);
}

NodeError call_key(Link *link, const char *method, const KeyId *id)
{
    const NodeKeyInput input = {{(uint8_t *)id->bytes, KEY_ID_SIZE}};

    return call(link, method, &input, NULL);
}

NodeError call_sign(Link *link, const KeyId *id, const Digest *digest, Bytes *ret_partial)
{
    const NodePartialSignInput input = {
        .key = {(uint8_t *)id->bytes, KEY_ID_SIZE},
        .hash = (char *)hash_name(digest->hash),
        .digest = {(uint8_t *)digest->bytes, digest->size},
        .encoding = digest->encoding == ENCODING_PSS ? (char *)encoding_name(digest->encoding) : NULL,
        .salt = {(uint8_t *)digest->salt, digest->salt_size},
    };
    NodePartialSignOutput output = {0};
    NodeError error = call(link, "PartialSign", &input, &output);

    if (ret_partial)
        *ret_partial = bytes_take(&output.partial);
    message_clear(&node_partial_sign_output, &output);
    return error;
}

NodeError call_activate(Link *link, const KeyId *id, const void *activation, size_t size)
{
    const NodeActivateInput input = {{(uint8_t *)id->bytes, KEY_ID_SIZE}, {(uint8_t *)activation, size}};

    return call(link, "ActivateKey", &input, NULL);
}

NodeError call_set_record(Link *link, const KeyId *id, const NodeRecord *record)
{
    const NodeSetRecordInput input = {{(uint8_t *)id->bytes, KEY_ID_SIZE}, *record};

    return call(link, "SetRecord", &input, NULL);
}

void call_make_active(Link *link, const TestNode *node, const DealtKey *key)
{
    _cleanup_bytes_ Bytes sealed = dealt_key_seal(key, node, node->index, node->index), partial = {0};
    const Digest statement = dealt_key_statement(key);
    uint8_t signature[THRESHOLD_SIGNATURE_SIZE_MAX];
    NodeError error = call_prepare(link, &sealed);

    ck_assert_msg(error == NODE_ERROR_NONE, "prepare: %s: %s", call_error, call_detail.reason);
    error = call_sign(link, &key->id, &statement, &partial);
    ck_assert_msg(error == NODE_ERROR_NONE, "sign: %s: %s", call_error, call_detail.reason);
    dealt_key_combine(key, &statement, &partial, signature);
    error = call_activate(link, &key->id, signature, threshold_key_signature_size(key->key));
    ck_assert_msg(error == NODE_ERROR_NONE, "activate: %s: %s", call_error, call_detail.reason);
}

const char *call_key_state(Link *link, const KeyId *id)
{
    static char state[NODE_TEXT_SIZE_MAX + 1];
    const NodeListInput input = {0};
    NodeListOutput output = {0};

    state[0] = '\0';
    call_well(link, "ListKeys", &input, &output);
    for (size_t i = 0; i < output.keys.count; i++) {
        const NodeKeyEntry *entry = (const NodeKeyEntry *)output.keys.items + i;

        if (memcmp(entry->key.data, id->bytes, KEY_ID_SIZE) == 0)
            (void)snprintf(state, sizeof(state), "%s", entry->state);
    }
    message_clear(&node_list_output, &output);
    return state;
}

Digest test_digest(HashAlgorithm hash, uint8_t byte)
{
    uint8_t bytes[DIGEST_SIZE_MAX];
    Digest digest;

    memset(bytes, byte, sizeof(bytes));
    ck_assert_int_eq(digest_set(hash, bytes, hash_size(hash), &digest), 0);
    return digest;
}

void call_take_partial(Link *link, const DealtKey *key, const Digest *digest)
{
    uint8_t signature[THRESHOLD_SIGNATURE_SIZE_MAX];
    char field[MESSAGE_FIELD_NAME_MAX];
    NodePartialSignOutput output = {0};
    _cleanup_reply_ Reply *reply = NULL;
    int r;

    while ((r = link_take_reply(link, &reply)) == 0) {
        struct pollfd poll_fd = {.fd = link_fd(link), .events = link_events(link)};

        ck_assert_int_eq(poll(&poll_fd, 1, 30000), 1);
        if (link_advance(link) < 0) { /* a node that stops answers first */
            r = link_take_reply(link, &reply);
            break;
        }
    }
    ck_assert_int_eq(r, 1);
    ck_assert_msg(!reply_error(reply), "%s", reply_error(reply));
    ck_assert_int_eq(reply_parse(reply, &node_partial_sign_output, &output, field), 0);
    dealt_key_combine(key, digest, &output.partial, signature);
    message_clear(&node_partial_sign_output, &output);
}

void call_invalid(Link *link, const char *method, const void *input)
{
    ck_assert_int_eq(call(link, method, input, NULL), NODE_ERROR_UNKNOWN);
    ck_assert_str_eq(call_error, "org.varlink.service.InvalidParameter");
}

/* ---- Clients ---- */

NodeError call_authorize(const TestNode *node, const char *name, uint8_t pin_byte, uint8_t next_pin_byte, const char *permissions)
{
    _cleanup_link_ Link *link = call_open(node);
    uint8_t pins[NODE_TLS_PINS_MAX][NODE_TLS_PIN_SIZE];
    const NodePin pin_list[] = {{{pins[0], NODE_TLS_PIN_SIZE}}, {{pins[1], NODE_TLS_PIN_SIZE}}};
    NodeText texts[NODE_PERMISSION_MAX] = {0};
    char copy[128];
    size_t n = 0;

    memset(pins[0], pin_byte, NODE_TLS_PIN_SIZE);
    memset(pins[1], next_pin_byte, NODE_TLS_PIN_SIZE);
    (void)snprintf(copy, sizeof(copy), "%s", permissions);
    for (char *at = NULL, *word = strtok_r(copy, ",", &at); word; word = strtok_r(NULL, ",", &at))
        texts[n++].text = word;

    const NodeAuthorizeInput input = {
        .name = (char *)name,
        .tls_pins = {(void *)pin_list, next_pin_byte != 0 ? 2 : 1},
        .permissions = {texts, n},
    };

    return call(link, "AuthorizeClient", &input, NULL);
}

NodeError call_deauthorize(const TestNode *node, const char *name)
{
    _cleanup_link_ Link *link = call_open(node);
    const NodeNameInput input = {(char *)name};

    return call(link, "DeauthorizeClient", &input, NULL);
}
