#include "model-internal.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/crypto.h"
#include "quorum/key.h"
#include "quorum/records.h"
#include "quorum/steps.h"
#include "share/sealed.h"

Model model;

/* ---- The models ------------------------------------------------------------------------------------------------------- */

const char *const model_state_names[KEY_STATE_MAX] = {"pending", "active", "unusable", "destroyed"};
static uint8_t partial_memory[THRESHOLD_PARTIAL_SIZE_MAX];
static NodeKeyEntry list_memory[NODE_LIST_MAX];
static char revision_memory[32];

ModelReply model_fails(NodeError error)
{
    return (ModelReply){.error = error};
}

ModelReply model_changed(ModelNode *node)
{
    node->revision++;
    node->changes++;
    if (!node->asleep)
        return (ModelReply){0};
    node->down = true;
    return (ModelReply){.silent = true};
}

ModelKey *model_key_find(ModelNode *node, const KeyId *id)
{
    for (size_t i = 0; i < node->n_keys; i++)
        if (key_id_equal(&node->keys[i].id, id))
            return &node->keys[i];
    return NULL;
}

ModelKey *model_key_insert(ModelNode *node, const KeyId *id)
{
    size_t at = 0;

    node->keys = reallocarray(node->keys, node->n_keys + 1, sizeof(ModelKey));
    ck_assert_ptr_nonnull(node->keys);
    while (at < node->n_keys && memcmp(node->keys[at].id.bytes, id->bytes, KEY_ID_SIZE) < 0)
        at++;
    memmove(&node->keys[at + 1], &node->keys[at], (node->n_keys - at) * sizeof(ModelKey));
    node->n_keys++;
    node->keys[at] = (ModelKey){.id = *id};
    return &node->keys[at];
}

static void key_clear(ModelKey *key)
{
    bytes_clear(&key->common);
    bytes_clear(&key->activation);
    key_record_clear(&key->record);
}

void model_key_remove(ModelNode *node, ModelKey *key)
{
    size_t at = (size_t)(key - node->keys);

    key_clear(key);
    memmove(key, key + 1, (node->n_keys - at - 1) * sizeof(ModelKey));
    node->n_keys--;
}

static KeyId id_of(const Bytes *bytes)
{
    KeyId id;

    memcpy(id.bytes, bytes->data, KEY_ID_SIZE);
    return id;
}

/* The key of the request, if this node can work with it. */
static ModelKey *usable_key(ModelNode *node, const Bytes *bytes, NodeError *ret_error)
{
    KeyId id = id_of(bytes);
    ModelKey *key = model_key_find(node, &id);

    *ret_error = !key                          ? NODE_ERROR_UNKNOWN_KEY
                 : key->state == KEY_DESTROYED ? NODE_ERROR_KEY_DESTROYED
                 : key->state == KEY_UNUSABLE  ? NODE_ERROR_KEY_UNUSABLE
                                               : NODE_ERROR_NONE;
    return *ret_error == NODE_ERROR_NONE ? key : NULL;
}

static ModelReply get_status(ModelNode *node, unsigned index, const void *input, ModelOutput *output)
{
    static uint8_t identity[32];
    static NodeText permissions[NODE_PERMISSION_MAX];
    size_t n_permissions = 0;

    for (NodePermission permission = 0; permission < NODE_PERMISSION_MAX; permission++)
        if (!(node->withheld & 1u << permission))
            permissions[n_permissions++].text = (char *)(uintptr_t)node_permission_name(permission);

    output->status = (NodeStatusOutput){
        .version = (char *)"1",
        .name = (char *)"model",
        .custody = (char *)"keyring",
        .initialized = true,
        .token = {model.quorum.roster->token, TOKEN_ID_SIZE},
        .index = index,
        .n = model.quorum.roster->n,
        .k = model.quorum.roster->k,
        .pin_version = node->pin_version,
        .sealing_key = {model.quorum.roster->nodes[index - 1].sealing_key, HPKE_PUBLIC_KEY_SIZE},
        .identity_key = {identity, sizeof(identity)},
        .client = (char *)"ns1",
        .permissions = {permissions, n_permissions},
    };
    return (ModelReply){0};
}

static ModelReply list_keys(ModelNode *node, unsigned index, const void *input, ModelOutput *output)
{
    const NodeListInput *list = input;
    size_t count = 0, i = 0;

    (void)snprintf(revision_memory, sizeof(revision_memory), "%llu", (unsigned long long)node->revision);
    output->list = (NodeListOutput){.revision = revision_memory};
    if (list->known_revision && strcmp(list->known_revision, revision_memory) == 0) {
        output->list.unchanged = true;
        return (ModelReply){0};
    }
    node->pages++;
    while (i < node->n_keys && list->after.size > 0 && memcmp(node->keys[i].id.bytes, list->after.data, KEY_ID_SIZE) <= 0)
        i++;
    for (; i < node->n_keys && count < NODE_LIST_MAX; i++) {
        ModelKey *key = &node->keys[i];

        list_memory[count++] = (NodeKeyEntry){
            .key = {key->id.bytes, KEY_ID_SIZE},
            .state = (char *)model_state_names[node->all_pending && key->state == KEY_ACTIVE ? KEY_PENDING : key->state],
            .record = key_record_borrow(&key->record),
        };
    }
    output->list.keys = (List){list_memory, count};
    output->list.more = i < node->n_keys;
    return (ModelReply){0};
}

static ModelReply get_key(ModelNode *node, unsigned index, const void *input, ModelOutput *output)
{
    const NodeKeyInput *get = input;
    KeyId id = id_of(&get->key);
    ModelKey *key = model_key_find(node, &id);

    node->gets++;
    if (node->ill)
        return model_fails(NODE_ERROR_UNAVAILABLE);
    if (!key || key->state == KEY_DESTROYED)
        return model_fails(key ? NODE_ERROR_KEY_DESTROYED : NODE_ERROR_UNKNOWN_KEY);
    output->key = (NodeGetKeyOutput){key->common, key->activation};
    if (node->all_pending)
        output->key.activation = (Bytes){0};
    if (node->no_activation)
        output->key.activation = (Bytes){key->common.data, 256};
    if (node->false_header)
        output->key.header.size--;
    return (ModelReply){0};
}

static ModelReply prepare_key(ModelNode *node, unsigned index, const void *input, ModelOutput *output)
{
    const NodePrepareInput *prepare = input;
    _cleanup_sealed_share_ SealedShare sealed = {0};
    _cleanup_secret_ Secret *share = NULL, *dealt = fixture_share(model.key, index);
    Problem problem = PROBLEM_INIT;
    ModelKey *key;

    if (node->full)
        return model_fails(NODE_ERROR_UNAVAILABLE);
    ck_assert_msg(sealed_share_decode(&prepare->sealed, &sealed, &problem) == 0, "%s", problem.text);
    ck_assert_uint_eq(sealed.index, index);
    ck_assert_int_eq(sealed_share_open(&sealed, node->sealing_key, &share), 0);
    ck_assert(secret_equal(share, sealed.header.parameters.algorithm == THRESHOLD_RSA ? dealt : model.ed25519_shares[index - 1]));
    key = model_key_find(node, &sealed.id);
    if (key)
        return model_fails(key->state == KEY_DESTROYED ? NODE_ERROR_KEY_DESTROYED : NODE_ERROR_KEY_EXISTS);
    key = model_key_insert(node, &sealed.id);
    key->common = bytes_take(&sealed.common);
    ck_assert_int_eq(key_record_of(&prepare->record, &key->record), 0);
    return model_changed(node);
}

static ModelReply activate_key(ModelNode *node, unsigned index, const void *input, ModelOutput *output)
{
    const NodeActivateInput *activate = input;
    _cleanup_key_core_ KeyCore *core = NULL;
    NodeError error;
    ModelKey *key = usable_key(node, &activate->key, &error);

    if (node->deaf || node->all_pending)
        return (ModelReply){0};
    if (!key)
        return model_fails(error);
    if (key_core_new(model.quorum.roster, &key->id, &key->common, &activate->activation, &core, NULL) != 0)
        return model_fails(NODE_ERROR_INVALID_ACTIVATION);
    if (key->state == KEY_ACTIVE)
        return (ModelReply){0};
    if (node->full)
        return model_fails(NODE_ERROR_UNAVAILABLE);
    ck_assert_int_eq(bytes_copy(activate->activation.data, activate->activation.size, &key->activation), 0);
    key->state = KEY_ACTIVE;
    return model_changed(node);
}

static ModelReply discard_key(ModelNode *node, unsigned index, const void *input, ModelOutput *output)
{
    const NodeKeyInput *discard = input;
    NodeError error;
    ModelKey *key = usable_key(node, &discard->key, &error);

    if (!key)
        return model_fails(error);
    if (key->state == KEY_ACTIVE)
        return model_fails(NODE_ERROR_KEY_ACTIVE);
    model_key_remove(node, key);
    return model_changed(node);
}

static ModelReply set_record(ModelNode *node, unsigned index, const void *input, ModelOutput *output)
{
    const NodeSetRecordInput *set = input;
    NodeError error;
    ModelKey *key = usable_key(node, &set->key, &error);
    NodeRecord held;

    if (node->deaf)
        return (ModelReply){0};
    if (!key)
        return model_fails(error);
    held = key_record_borrow(&key->record);
    if (record_compare(&set->record, &held) == 0)
        return (ModelReply){0};
    if (set->record.version <= held.version)
        return (ModelReply){.error = NODE_ERROR_STALE_VERSION, .number = held.version};
    key_record_clear(&key->record);
    ck_assert_int_eq(key_record_of(&set->record, &key->record), 0);
    return model_changed(node);
}

/* Is there another of the same public key, a later generation or not, in that state? */
static bool has_other(ModelNode *node, const ModelKey *key, KeyState state, bool later)
{
    _cleanup_header_ Header header = {0};

    if (header_decode(&key->common, &header, NULL) < 0 || header.parameters.algorithm != THRESHOLD_ED25519)
        return false;
    for (size_t i = 0; i < node->n_keys; i++) {
        _cleanup_header_ Header other = {0};

        if (&node->keys[i] == key || node->keys[i].state != state || header_decode(&node->keys[i].common, &other, NULL) < 0)
            continue;
        if (bytes_equal(&other.public_key, &header.public_key) && (!later || other.generation > header.generation))
            return true;
    }
    return false;
}

static ModelReply destroy_key(ModelNode *node, unsigned index, const void *input, ModelOutput *output)
{
    const NodeKeyInput *destroy = input;
    KeyId id = id_of(&destroy->key);
    ModelKey *key = model_key_find(node, &id);

    if (node->deaf || (key && key->state == KEY_DESTROYED))
        return (ModelReply){0};
    if (key && has_other(node, key, KEY_PENDING, false))
        return model_fails(NODE_ERROR_REJECTED);
    if (!key)
        key = model_key_insert(node, &id);
    key_clear(key);
    *key = (ModelKey){.id = id, .state = KEY_DESTROYED};
    return model_changed(node);
}

static ModelReply retire_key(ModelNode *node, unsigned index, const void *input, ModelOutput *output)
{
    const NodeKeyInput *retire = input;
    KeyId id = id_of(&retire->key);
    ModelKey *key = model_key_find(node, &id);

    if (!key)
        return model_fails(NODE_ERROR_UNKNOWN_KEY);
    if (key->state != KEY_DESTROYED && !has_other(node, key, KEY_ACTIVE, true))
        return model_fails(NODE_ERROR_REJECTED);
    return destroy_key(node, index, input, output);
}

static ModelReply partial_sign(ModelNode *node, unsigned index, const void *input, ModelOutput *output)
{
    const NodePartialSignInput *sign = input;
    _cleanup_threshold_key_ ThresholdKey *threshold = fixture_key(model.key);
    _cleanup_secret_ Secret *share = fixture_share(model.key, index);
    size_t size = threshold_key_partial_size(threshold);
    NodeError error;
    Digest digest;

    if (!usable_key(node, &sign->key, &error))
        return model_fails(error);
    ck_assert_int_eq(digest_set(hash_from_name(sign->hash), sign->digest.data, sign->digest.size, &digest), 0);
    ck_assert_int_eq(threshold_key_base(threshold, &digest, partial_memory), 0);
    ck_assert_int_eq(threshold_key_power(threshold, share, partial_memory, partial_memory), 0);
    partial_memory[size - 1] ^= node->wrong_partial;
    output->partial.partial = (Bytes){partial_memory, size};
    return (ModelReply){0};
}

static ModelReply init_token(ModelNode *node, unsigned index, const void *input, ModelOutput *output)
{
    const NodeInitTokenInput *init = input;

    ck_assert(init->reset_pin);
    if (init->pin_version < node->pin_version)
        return model_fails(NODE_ERROR_STALE_VERSION);
    node->pin_version = init->pin_version;
    return model_changed(node);
}

static const struct {
    const char *method;
    AskConnection needs;
    ModelHandler handler;
    unsigned permission; /* NODE_PERMISSION_MAX: none */
} handlers[] = {
    {"GetStatus", ASK_FRESH, get_status, NODE_PERMISSION_MAX},
    {"InitToken", ASK_FRESH, init_token, NODE_PERMISSION_ADMIN},
    {"ListKeys", ASK_HELLO, list_keys, NODE_PERMISSION_LIST},
    {"GetKey", ASK_HELLO, get_key, NODE_PERMISSION_LIST},
    {"PrepareKey", ASK_LOGGED_IN, prepare_key, NODE_PERMISSION_GENERATE},
    {"ActivateKey", ASK_LOGGED_IN, activate_key, NODE_PERMISSION_GENERATE},
    {"DiscardKey", ASK_LOGGED_IN, discard_key, NODE_PERMISSION_GENERATE},
    {"SetRecord", ASK_LOGGED_IN, set_record, NODE_PERMISSION_GENERATE},
    {"RetireKey", ASK_LOGGED_IN, retire_key, NODE_PERMISSION_DESTROY},
    {"DestroyKey", ASK_LOGGED_IN, destroy_key, NODE_PERMISSION_DESTROY},
    {"PartialSign", ASK_LOGGED_IN, partial_sign, NODE_PERMISSION_SIGN},
    {"BeginRun", ASK_LOGGED_IN, model_begin_run, NODE_PERMISSION_GENERATE},
    {"ContinueRun", ASK_LOGGED_IN, model_continue_run, NODE_PERMISSION_GENERATE},
    {"EndRun", ASK_LOGGED_IN, model_end_run, NODE_PERMISSION_GENERATE},
};

/* ---- quorum/ask.h and what else the modules want of their quorum ------------------------------------------------------------ */

void node_answers_clear(NodeAnswers *answers)
{
    for (unsigned i = 0; i < THRESHOLD_NODES_MAX; i++) {
        if (answers->of[i].output)
            message_clear(answers->layout, answers->of[i].output);
        free(answers->of[i].output);
        message_clear(&node_error_detail, &answers->of[i].detail);
    }
    *answers = (NodeAnswers){0};
}

NodeSet node_answers_good(const NodeAnswers *answers)
{
    NodeSet good = 0;

    for (unsigned i = 0; i < THRESHOLD_NODES_MAX; i++)
        if (answers->asked & NODE_SET_OF(i + 1) && answers->of[i].r == 0 && answers->of[i].error == NODE_ERROR_NONE)
            good |= NODE_SET_OF(i + 1);
    return good;
}

void node_answers_describe(const Quorum *quorum, const NodeAnswers *answers, Problem *problem)
{
    char names[NODE_NAMES_SIZE];

    steps_name_nodes(quorum, answers->asked & ~node_answers_good(answers), names);
    (void)problem_set(problem, 0, "not well: %s", names);
}

/* A message there and back through its layout; `ret_copy` is new memory, NULL for a structure without size. */
static void *through_wire(const Layout *layout, const void *message)
{
    char field[MESSAGE_FIELD_NAME_MAX] = "";
    json_object *object = NULL;
    void *copy = calloc(1, layout->size + 1);

    ck_assert_int_eq(message_build(layout, message, &object), 0);
    ck_assert_msg(message_parse(layout, object, copy, field) == 0, "%s: %s", layout->name, field);
    json_object_put(object);
    return copy;
}

/* The time of the tests goes on with what the models take, and nobody sleeps. */
Microseconds __real_clock_now(void);
Microseconds __wrap_clock_now(void);

Microseconds __wrap_clock_now(void)
{
    return __real_clock_now() + __atomic_load_n(&model.waited, __ATOMIC_RELAXED);
}

/* False: the client gave up before the node answered. */
static bool take_time(const ModelNode *node, const char *method, Microseconds left, Microseconds *ret_took)
{
    bool slow = node->slow > 0 && (!node->slow_method || strcmp(node->slow_method, method) == 0);

    *ret_took = !slow ? 0 : node->slow < left ? node->slow : left;
    return !slow || node->slow < left;
}

static void call_model(unsigned index, AskConnection connection, const char *method, const Layout *input_layout, const void *input,
                       const Layout *output_layout, NodeAnswer *answer)
{
    ModelNode *node = &model.nodes[index - 1];
    ModelOutput output = {0};
    ModelReply reply;
    void *received;
    size_t i = 0;

    while (strcmp(method, handlers[i].method) != 0)
        ck_assert_uint_lt(++i, ELEMENTS(handlers));
    ck_assert_uint_ge(connection, handlers[i].needs);
    if (node->down || model.dead) {
        answer->r = -ECONNRESET;
        return;
    }
    received = through_wire(input_layout, input);
    if (node->withheld & 1u << handlers[i].permission) {
        node->denied++;
        reply = model_fails(NODE_ERROR_PERMISSION_DENIED);
    } else {
        reply = handlers[i].handler(node, index, received, &output);
    }
    message_clear(input_layout, received);
    free(received);
    answer->r = reply.silent ? -ETIME : 0;
    answer->error = reply.error;
    answer->detail.number = reply.number;
    if (!reply.silent && reply.error == NODE_ERROR_NONE)
        answer->output = through_wire(output_layout, &output);
}

int quorum_ask(Quorum *quorum, NodeSet nodes, AskConnection connection, const char *method, const Layout *input, const void *const *inputs,
               bool same, const Layout *output, Microseconds deadline, NodeAnswers *ret_answers)
{
    NodeAnswers answers = {.layout = output, .asked = nodes};
    Microseconds now = clock_now(), left = deadline > now ? deadline - now : 0, longest = 0;

    ck_assert_uint_eq(nodes & ~node_set_all(quorum->roster->n), 0);
    ck_assert_uint_ne(nodes, 0);
    if (connection == ASK_LOGGED_IN && !model.logged_in)
        return QUORUM_E_LOGIN_REQUIRED;
    method += strlen(NODE_METHOD(""));
    for (unsigned i = 1; i <= THRESHOLD_NODES_MAX; i++) {
        NodeAnswer *answer = &answers.of[i - 1];

        if (!(nodes & NODE_SET_OF(i)))
            continue;
        if (take_time(&model.nodes[i - 1], method, left, &answer->took))
            call_model(i, connection, method, input, inputs[same ? 0 : i - 1], output, answer);
        else
            answer->r = -ETIME;
        if (answer->took > longest)
            longest = answer->took;
    }
    __atomic_fetch_add(&model.waited, longest, __ATOMIC_RELAXED);
    *ret_answers = answers;
    return 0;
}

Microseconds quorum_deadline(const Quorum *quorum)
{
    return clock_now() + quorum->roster->timeout;
}

void quorum_log(Quorum *quorum, int priority, const char *format, ...)
{
    size_t used = strlen(model.log);
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(model.log + used, sizeof(model.log) - used - 1, format, arguments);
    va_end(arguments);
    strcat(model.log, "\n");
}

void quorum_step(Quorum *quorum, const char *format, ...)
{
    char name[64];
    va_list arguments;
    unsigned index = 0;

    va_start(arguments, format);
    (void)vsnprintf(name, sizeof(name), format, arguments);
    va_end(arguments);
    if (strrchr(name, ' '))
        index = (unsigned)strtoul(strrchr(name, ' '), NULL, 10);
    model.steps++;
    if (model.on_step)
        model.on_step(model.steps);
    if (model.steps == model.dies_at)
        model.dead = true;
    if (model.steps == model.sleeps_at)
        model.nodes[index - 1].asleep = true;
    if (model.steps == model.falls_at)
        model.nodes[index - 1].down = true;
}

Catalog *quorum_catalog(Quorum *quorum)
{
    return quorum->catalog;
}

const Roster *quorum_roster(const Quorum *quorum)
{
    return quorum->roster;
}

Roster *quorum_roster_now(Quorum *quorum)
{
    return roster_ref(quorum->roster);
}

void follow_roster(Quorum *quorum)
{
}

int follow_key(Quorum *quorum, Problem *problem)
{
    return 0;
}

bool quorum_logged_in(const Quorum *quorum)
{
    return model.logged_in;
}

int quorum_login(Quorum *quorum, const Secret *pin, bool *ret_decided, Problem *problem)
{
    if (memcmp(secret_bytes(pin), "right", 5) != 0)
        return problem_set(problem, QUORUM_E_PIN_INCORRECT, "wrong");
    *ret_decided = true;
    return 0;
}
