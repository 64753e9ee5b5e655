#include "fake-internal.h"

#include <check.h>
#include <errno.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/crypto.h"

/* ---- Answering -------------------------------------------------------------------------------------------------------- */

FakeConnection *fake_connection(ServerCall *call)
{
    return server_call_state(call);
}

int fake_refuse(ServerCall *call, NodeError error, uint64_t number)
{
    char words[NODE_REASON_SIZE_MAX + 1] = "the script says so";

    if (fake_connection(call)->node->wordy)
        memset(words, 'w', NODE_REASON_SIZE_MAX);

    const NodeErrorDetail detail = {.reason = words, .number = number};

    return server_call_error(call, node_error_name(error), &node_error_detail, &detail);
}

static uint64_t shown_version(FakeNode *node)
{
    uint64_t claim = node->claim_version;

    return claim != 0 ? claim : node->in_force.version;
}

static int on_status(ServerCall *call, void *parameters, void *userdata)
{
    FakeNode *node = userdata;
    uint8_t key[NODE_PUBLIC_KEY_SIZE] = {(uint8_t)node->index};
    uint8_t identity[NODE_PUBLIC_KEY_SIZE] = {(uint8_t)node->index, 1};
    const NodeStatusOutput output = {
        .version = (char *)"0",
        .name = (char *)"fake",
        .custody = (char *)"keyring",
        .initialized = node->initialized,
        .token = node->initialized ? (Bytes){node->token, sizeof(node->token)} : (Bytes){0},
        .index = node->initialized ? node->index : 0,
        .n = node->initialized ? FAKE_NODES : 0,
        .k = node->initialized ? FAKE_THRESHOLD : 0,
        .pin_version = shown_version(node),
        .sealing_key = {key, sizeof(key)},
        .identity_key = {identity, sizeof(identity)},
        .signatures = node->signs,
    };

    return server_call_reply(call, &output);
}

static int on_init_token(ServerCall *call, void *parameters, void *userdata)
{
    const NodeInitTokenInput *input = parameters;
    FakeNode *node = userdata;

    if (node->initialized && !input->reset_pin)
        return fake_refuse(call, NODE_ERROR_ALREADY_INITIALIZED, 0);
    if (!node->initialized && input->reset_pin)
        return fake_refuse(call, NODE_ERROR_NOT_INITIALIZED, 0);
    if (node->initialized && input->pin_version < node->in_force.version)
        return fake_refuse(call, NODE_ERROR_STALE_VERSION, node->in_force.version);
    memcpy(node->token, input->token.data, sizeof(node->token));
    node->in_force.version = input->pin_version;
    memcpy(node->in_force.verifier, input->verifier.data, sizeof(node->in_force.verifier));
    node->next = (FakePinVerifier){0};
    node->failures = 0;
    node->initialized = true;
    return server_call_reply(call, NULL);
}

static int on_hello(ServerCall *call, void *parameters, void *userdata)
{
    const NodeHelloInput *input = parameters;
    FakeNode *node = userdata;
    FakeConnection *connection = fake_connection(call);

    node->hellos++;
    if (!node->initialized)
        return fake_refuse(call, NODE_ERROR_NOT_INITIALIZED, 0);
    if (node->wrong_token || memcmp(input->token.data, node->token, sizeof(node->token)) != 0 || input->index != node->index)
        return fake_refuse(call, NODE_ERROR_WRONG_TOKEN, 0);
    ck_assert_int_eq(crypto_random(connection->nonce, sizeof(connection->nonce)), 0);
    connection->hello = connection->has_nonce = true;

    const NodeHelloOutput output = {
        .version = (char *)"0",
        .name = (char *)"fake",
        .custody = (char *)"keyring",
        .revision = (char *)"r",
        .pin_version = shown_version(node),
        .next_pin_version = node->next.version,
        .nonce = {connection->nonce, sizeof(connection->nonce)},
        .pin_locked = node->pin == PIN_CLAIM_LOCKED || node->failures >= FAKE_TRIES,
    };

    return server_call_reply(call, &output);
}

static bool verifies(const uint8_t *verifier, const uint8_t *message, size_t size, const Bytes *answer)
{
    EVP_PKEY *key = EVP_PKEY_new_raw_public_key_ex(crypto_context(), "ED25519", NULL, verifier, NODE_VERIFIER_SIZE);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good = key && ctx && EVP_DigestVerifyInit_ex(ctx, NULL, NULL, crypto_context(), NULL, key, NULL) == 1 &&
                EVP_DigestVerify(ctx, answer->data, answer->size, message, size) == 1;

    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    return good;
}

/* docs/protocol.md "PIN", written anew: what is signed. */
static bool is_right(const FakeNode *node, const FakeConnection *connection, const NodeChallengeInput *input)
{
    static const char label[] = "keyquorum login v1";
    uint8_t message[128];
    Writer writer = writer_of(message, sizeof(message));
    size_t size;

    write_bytes(&writer, label, strlen(label));
    write_bytes(&writer, node->token, sizeof(node->token));
    write_u8(&writer, (uint8_t)node->index);
    write_u64(&writer, input->pin_version);
    write_bytes(&writer, connection->nonce, sizeof(connection->nonce));
    ck_assert_int_eq(writer_finish(&writer, &size), 0);
    return verifies(input->pin_version == node->in_force.version ? node->in_force.verifier : node->next.verifier, message, size,
                    &input->answer);
}

static int refuse_pin(FakeNode *node, ServerCall *call, const void *input)
{
    return fake_refuse(call, NODE_ERROR_PIN_INCORRECT, FAKE_TRIES);
}

static int on_challenge(ServerCall *call, void *parameters, void *userdata)
{
    const NodeChallengeInput *input = parameters;
    FakeNode *node = userdata;
    FakeConnection *connection = fake_connection(call);

    node->challenges++;
    if (!connection->has_nonce)
        return fake_refuse(call, NODE_ERROR_HELLO_REQUIRED, 0);
    connection->has_nonce = false;
    if (node->refuse_after_ms > 0 && input->pin_version == node->in_force.version)
        return fake_answer_later(node, call, refuse_pin, NULL, node->refuse_after_ms);
    if (node->pin == PIN_CLAIM_LOCKED || node->failures >= FAKE_TRIES)
        return fake_refuse(call, NODE_ERROR_PIN_LOCKED, 0);
    if (node->pin == PIN_ACCEPT) {
        connection->logged_in = true;
        return server_call_reply(call, NULL);
    }
    if (node->pin == PIN_HONEST && input->pin_version != node->in_force.version &&
        (node->next.version == 0 || input->pin_version != node->next.version))
        return fake_refuse(call, NODE_ERROR_STALE_VERSION, node->in_force.version);
    if (node->pin == PIN_REFUSE || !is_right(node, connection, input)) {
        node->failures++;
        node->failures_in_all++;
        return fake_refuse(call, NODE_ERROR_PIN_INCORRECT, FAKE_TRIES - node->failures);
    }
    node->failures = 0;
    connection->logged_in = true;
    return server_call_reply(call, NULL);
}

/* Hello and login, as the table of docs/protocol.md has it; NODE_ERROR_NONE: go on. */
NodeError fake_check_logged_in(FakeNode *node, FakeConnection *connection)
{
    if (node->forget_logins)
        connection->logged_in = false;
    if (!connection->hello)
        return NODE_ERROR_HELLO_REQUIRED;
    return connection->logged_in ? NODE_ERROR_NONE : NODE_ERROR_LOGIN_REQUIRED;
}

static int on_prepare_pin(ServerCall *call, void *parameters, void *userdata)
{
    const NodePinInput *input = parameters;
    FakeNode *node = userdata;
    NodeError error = fake_check_logged_in(node, fake_connection(call));

    if (error == NODE_ERROR_NONE && node->forbids_pin)
        error = NODE_ERROR_PERMISSION_DENIED;
    if (error != NODE_ERROR_NONE)
        return fake_refuse(call, error, 0);
    if (input->version != node->in_force.version + 1)
        return fake_refuse(call, NODE_ERROR_STALE_VERSION, node->in_force.version);
    node->next.version = input->version;
    memcpy(node->next.verifier, input->verifier.data, sizeof(node->next.verifier));
    return server_call_reply(call, NULL);
}

static int on_commit_pin(ServerCall *call, void *parameters, void *userdata)
{
    const NodePinInput *input = parameters;
    FakeNode *node = userdata;
    NodeError error = fake_check_logged_in(node, fake_connection(call));

    if (error != NODE_ERROR_NONE)
        return fake_refuse(call, error, 0);
    if (input->version == node->in_force.version)
        return server_call_reply(call, NULL);
    if (node->next.version == 0 || input->version != node->next.version)
        return fake_refuse(call, NODE_ERROR_STALE_VERSION, node->in_force.version);
    node->in_force = node->next;
    node->next = (FakePinVerifier){0};
    return server_call_reply(call, NULL);
}

/* ---- Signing ------------------------------------------------------------------------------------------------------------ */

void fake_partial(unsigned index, const NodePartialSignInput *input, uint8_t *ret_partial)
{
    Digest digest;

    ck_assert_int_eq(digest_set(hash_from_name(input->hash), input->digest.data, input->digest.size, &digest), 0);
    if (input->encoding) {
        ck_assert_str_eq(input->encoding, "emsa-pss"); /* the other goes without saying */
        ck_assert_int_eq(digest_set_pss(&digest, input->salt.data, input->salt.size), 0);
    }
    ck_assert_int_eq(threshold_key_base(fake.threshold, &digest, ret_partial), 0);
    ck_assert_int_eq(threshold_key_power(fake.threshold, fake.shares[index - 1], ret_partial, ret_partial), 0);
}

static void scripted_partial(FakeNode *node, const NodePartialSignInput *input, Bytes *partial)
{
    uint8_t other[DIGEST_SIZE_MAX] = {1, 2, 3};
    NodePartialSignInput changed = {.hash = input->hash, .digest = {other, input->digest.size}};

    switch ((FakePartial)node->partial) {
    case PARTIAL_RANDOM:
        ck_assert_int_eq(crypto_random(partial->data, partial->size), 0);
        partial->data[0] = 0;
        return;
    case PARTIAL_OTHER_DIGEST:
        fake_partial(node->index, &changed, partial->data);
        return;
    case PARTIAL_OTHER_NODE:
        fake_partial(node->index % FAKE_NODES + 1, input, partial->data);
        return;
    case PARTIAL_ZERO:
        return;
    case PARTIAL_ALL_ONES:
        memset(partial->data, 0xff, partial->size);
        return;
    case PARTIAL_SHORT:
        partial->size -= 1;
        return;
    default:
        fake_partial(node->index, input, partial->data);
    }
}

static int reply_partial(FakeNode *node, ServerCall *call, const void *input)
{
    uint8_t bytes[256] = {0};
    NodePartialSignOutput output = {.partial = {bytes, sizeof(bytes)}};

    scripted_partial(node, input, &output.partial);
    return server_call_reply(call, &output);
}

struct Later {
    FakeNode *node;
    ServerCall *call;
    FakeAnswer answer;
    const void *input; /* the call's, until it is answered */
    sd_event_source *timer;
    Later *next;
};

static void answer_now(Later *later)
{
    Later **at = &later->node->later;

    while (*at != later)
        at = &(*at)->next;
    *at = later->next;
    (void)later->answer(later->node, later->call, later->input);
    sd_event_source_disable_unref(later->timer);
    free(later);
}

static int on_later(sd_event_source *source, uint64_t when, void *userdata)
{
    answer_now(userdata);
    return 0;
}

int fake_answer_later(FakeNode *node, ServerCall *call, FakeAnswer answer, const void *input, unsigned delay_ms)
{
    Later *later = malloc(sizeof(*later));

    ck_assert_ptr_nonnull(later);
    *later = (Later){.node = node, .call = call, .answer = answer, .input = input, .next = node->later};
    node->later = later;
    ck_assert_int_ge(sd_event_add_time_relative(node->event, &later->timer, CLOCK_MONOTONIC, delay_ms * MICROSECONDS_PER_MILLISECOND, 1,
                                                on_later, later),
                     0);
    return 0;
}

static int on_partial_sign(ServerCall *call, void *parameters, void *userdata)
{
    FakeNode *node = userdata;
    NodeError error = fake_check_logged_in(node, fake_connection(call));

    if (error != NODE_ERROR_NONE)
        return fake_refuse(call, error, 0);
    node->signs++;
    if (node->hang_up)
        return -EPIPE;
    if (node->too_old && ((NodePartialSignInput *)parameters)->encoding)
        return server_call_invalid(call, "encoding");
    if (node->sign_error != NODE_ERROR_NONE)
        return fake_refuse(call, node->sign_error, 0);
    return node->delay_ms > 0 ? fake_answer_later(node, call, reply_partial, parameters, node->delay_ms)
                              : reply_partial(node, call, parameters);
}

static const ServerMethod methods[] = {
    {"GetStatus", &node_no_parameters, &node_status_output, on_status},
    {"InitToken", &node_init_token_input, &node_no_parameters, on_init_token},
    {"Hello", &node_hello_input, &node_hello_output, on_hello},
    {"AnswerChallenge", &node_challenge_input, &node_no_parameters, on_challenge},
    {"PreparePin", &node_prepare_pin_input, &node_no_parameters, on_prepare_pin},
    {"CommitPin", &node_commit_pin_input, &node_no_parameters, on_commit_pin},
    {"PartialSign", &node_partial_sign_input, &node_partial_sign_output, on_partial_sign},
    {"GetCommitments", &node_get_commitments_input, &node_commitments_output, fake_on_get_commitments},
    {"SignShare", &node_sign_share_input, &node_sign_share_output, fake_on_sign_share},
    {NULL},
};

/* ---- The thread ------------------------------------------------------------------------------------------------------------ */

static void *on_connected(void *userdata, ServerConnection *connection, void *listener)
{
    FakeConnection *made = calloc(1, sizeof(*made));

    ck_assert_ptr_nonnull(made);
    made->node = userdata;
    made->node->connections++;
    return made;
}

static void on_disconnected(void *userdata, void *state)
{
    fake_connection_clear(state);
    free(state);
}

static int listen_at(const char *address)
{
    const char *path = strchr(address, ':') + 1;
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    (void)snprintf(name.sun_path, sizeof(name.sun_path), "%s", path);
    (void)unlink(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
    ck_assert_int_eq(listen(fd, 128), 0);
    return fd;
}

static int on_stop(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
    return sd_event_exit(sd_event_source_get_event(source), 0);
}

static int on_freeze(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
    FakeNode *node = userdata;
    uint64_t count;

    ck_assert_int_eq(read(fd, &count, sizeof(count)), sizeof(count));
    sem_post(&node->frozen);
    while (sem_wait(&node->thawed) < 0 && errno == EINTR)
        ;
    return 0;
}

static void *serve(void *userdata)
{
    FakeNode *node = userdata;
    static const ServerInterface interface = {NODE_INTERFACE, node_interface_description, methods};
    static const ServerInterface *const interfaces[] = {&interface, NULL};
    const ServerOptions options = {
        .vendor = "Keyquorum",
        .product = "fake node",
        .version = "0",
        .url = "https://example.org/",
        .interfaces = interfaces,
        .limits = {.connections = 1024, .connections_per_client = 1024, .idle = MICROSECONDS_FOREVER},
        .userdata = node,
        .connected = on_connected,
        .disconnected = on_disconnected,
    };

    ck_assert_int_ge(sd_event_new(&node->event), 0);
    ck_assert_int_ge(sd_event_add_io(node->event, NULL, node->stop_fd, EPOLLIN, on_stop, node), 0);
    ck_assert_int_ge(sd_event_add_io(node->event, NULL, node->freeze_fd, EPOLLIN, on_freeze, node), 0);
    ck_assert_int_eq(server_new(node->event, &options, &node->server), 0);
    ck_assert_int_eq(server_listen(node->server, listen_at(node->address), NULL), 0);
    sem_post(&node->started);
    ck_assert_int_ge(sd_event_loop(node->event), 0);
    node->server = server_free(node->server);
    while (node->later) /* to nobody */
        answer_now(node->later);
    node->event = sd_event_unref(node->event);
    return NULL;
}

void fake_node_start(unsigned index)
{
    FakeNode *node = fake_node(index);

    node->stop_fd = eventfd(0, EFD_CLOEXEC);
    node->freeze_fd = eventfd(0, EFD_CLOEXEC);
    ck_assert_int_ge(node->stop_fd, 0);
    ck_assert_int_ge(node->freeze_fd, 0);
    ck_assert_int_eq(pthread_create(&node->thread, NULL, serve, node), 0);
    while (sem_wait(&node->started) < 0 && errno == EINTR)
        ;
    node->running = true;
}

void fake_node_stop(unsigned index)
{
    FakeNode *node = fake_node(index);

    if (!node->running)
        return;
    ck_assert_int_eq(eventfd_write(node->stop_fd, 1), 0);
    ck_assert_int_eq(pthread_join(node->thread, NULL), 0);
    (void)close(node->stop_fd);
    (void)close(node->freeze_fd);
    (void)unlink(strchr(node->address, ':') + 1);
    node->running = false;
}

void fake_node_freeze(unsigned index)
{
    FakeNode *node = fake_node(index);

    ck_assert_int_eq(eventfd_write(node->freeze_fd, 1), 0);
    while (sem_wait(&node->frozen) < 0 && errno == EINTR)
        ;
}

void fake_node_thaw(unsigned index)
{
    sem_post(&fake_node(index)->thawed);
}
