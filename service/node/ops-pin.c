#include <errno.h>
#include <string.h>

#include "node/ops.h"

/* What of the present token survives in a changed copy is borrowed; the deep copy is made in done(). */
static bool adopt_token(Node *node, const StoredToken *token)
{
    StoredToken copy = *token;

    copy.token = copy.verifier = copy.next_verifier = (Bytes){0};
    if (bytes_copy(token->token.data, token->token.size, &copy.token) < 0 ||
        bytes_copy(token->verifier.data, token->verifier.size, &copy.verifier) < 0 ||
        bytes_copy(token->next_verifier.data, token->next_verifier.size, &copy.next_verifier) < 0) {
        stored_token_clear(&copy);
        return false;
    }
    stored_token_clear(&node->token);
    node->token = copy;
    return true;
}

/* ---- Changes that replace the token: begin() makes the new one, work() stores it, done() adopts it ------------------------- */

typedef struct TokenChange {
    Change change;
    StoredToken token; /* borrows from the present one and from the parameters */
    bool stored;
} TokenChange;

static void store_token(Change *change)
{
    TokenChange *token_change = (TokenChange *)change;
    Problem problem = PROBLEM_INIT;

    token_change->stored = store_write_token(change->node->store, &token_change->token, &problem) == 0;
    if (!token_change->stored)
        (void)outcome_set(&change->outcome, NODE_ERROR_UNAVAILABLE, "%s", problem.text);
}

static void adopt(Change *change)
{
    const TokenChange *token_change = (const TokenChange *)change;

    /* It is durable; a node that cannot hold it in memory must not go on with the old one. */
    if (token_change->stored && !adopt_token(change->node, &token_change->token)) {
        (void)outcome_set(&change->outcome, NODE_ERROR_UNAVAILABLE, "out of memory: the node stops");
        (void)sd_event_exit(change->node->event, -ENOMEM);
    }
}

/* ---- InitToken ---------------------------------------------------------------------------------------------------------- */

static bool begin_init_token(Change *change)
{
    const NodeInitTokenInput *input = change->parameters;
    const StoredToken *token = &change->node->token;

    if (token->token.size > 0)
        return outcome_set(&change->outcome, NODE_ERROR_ALREADY_INITIALIZED, "this node is part of a token already");
    ((TokenChange *)change)->token = (StoredToken){
        .token = input->token,
        .index = input->index,
        .n = input->n,
        .k = input->k,
        .pin_version = input->pin_version,
        .verifier = input->verifier,
    };
    return true;
}

static void done_init_token(Change *change)
{
    adopt(change);
    node_changed(change->node);
}

static const ChangeClass init_token = {.what = "makes this node part of a token",
                                       .event = EVENT_TOKEN_INITIALISED,
                                       .begin = begin_init_token,
                                       .work = store_token,
                                       .done = done_init_token};

static bool begin_reset_pin(Change *change)
{
    const NodeInitTokenInput *input = change->parameters;
    const StoredToken *token = &change->node->token;

    if (token->token.size == 0)
        return outcome_set(&change->outcome, NODE_ERROR_NOT_INITIALIZED, "this node is part of no token yet");
    if (!bytes_equal(&input->token, &token->token) || input->index != token->index || input->n != token->n || input->k != token->k)
        return outcome_set(&change->outcome, NODE_ERROR_WRONG_TOKEN, "token, index, n or k are not this node's");
    if (input->pin_version < token->pin_version) {
        change->outcome.number = token->pin_version;
        return outcome_set(&change->outcome, NODE_ERROR_STALE_VERSION, "the PIN in force here is newer");
    }

    StoredToken *next = &((TokenChange *)change)->token;

    *next = *token;
    next->pin_version = input->pin_version;
    next->verifier = input->verifier;
    next->next_pin_version = 0;
    next->next_verifier = (Bytes){0};
    return true;
}

/* First the verifier, then the counts: a crash between the two leaves a locked client locked, and the reset is repeated. */
static void work_reset_pin(Change *change)
{
    const PinFailures *failures = &change->node->failures;
    Problem problem = PROBLEM_INIT;

    store_token(change);
    for (size_t i = 0; change->outcome.error == NODE_ERROR_NONE && i < failures->n; i++)
        if (store_write_failures(change->node->store, failures->items[i].client, 0, &problem) < 0)
            (void)outcome_set(&change->outcome, NODE_ERROR_UNAVAILABLE, "the PIN is reset, but not the locks: %s", problem.text);
}

static void done_reset_pin(Change *change)
{
    PinFailures *failures = &change->node->failures;

    adopt(change);
    if (change->outcome.error == NODE_ERROR_NONE)
        pin_failures_clear(failures);
}

static const ChangeClass reset_pin = {
    .what = "resets the PIN", .event = EVENT_PIN_RESET, .begin = begin_reset_pin, .work = work_reset_pin, .done = done_reset_pin};

int op_init_token(Node *node, ServerCall *call, Client *client, const void *parameters)
{
    const NodeInitTokenInput *input = parameters;

    if (input->reset_pin && client->door == DOOR_GATE)
        return op_fail(call, NODE_ERROR_NOT_LOCAL, "only a caller on the node's own host may reset the PIN");
    if (input->k > input->n)
        return server_call_invalid(call, "k");
    if (input->index > input->n)
        return server_call_invalid(call, "index");
    if (!input->reset_pin && input->pin_version != 1)
        return server_call_invalid(call, "pinVersion");
    return op_change(node->pin_lane, sizeof(TokenChange), input->reset_pin ? &reset_pin : &init_token, node, call, client, parameters,
                     NULL);
}

/* ---- PreparePin, CommitPin ------------------------------------------------------------------------------------------------- */

static bool stale(Change *change)
{
    change->outcome.number = change->node->token.pin_version;
    return outcome_set(&change->outcome, NODE_ERROR_STALE_VERSION, "version %llu of the PIN is in force here",
                       (unsigned long long)change->node->token.pin_version);
}

static bool begin_prepare_pin(Change *change)
{
    const NodePinInput *input = change->parameters;
    StoredToken *next = &((TokenChange *)change)->token;

    if (input->version != change->node->token.pin_version + 1)
        return stale(change);
    *next = change->node->token;
    next->next_pin_version = input->version;
    next->next_verifier = input->verifier;
    return true;
}

static const ChangeClass prepare_pin = {
    .what = "prepares a new PIN", .event = EVENT_PIN_PREPARED, .begin = begin_prepare_pin, .work = store_token, .done = adopt};

static bool begin_commit_pin(Change *change)
{
    const NodePinInput *input = change->parameters;
    const StoredToken *token = &change->node->token;
    StoredToken *next = &((TokenChange *)change)->token;

    if (input->version == token->pin_version)
        return false; /* it is so already */
    if (input->version != token->next_pin_version)
        return stale(change);
    *next = *token;
    next->pin_version = token->next_pin_version;
    next->verifier = token->next_verifier;
    next->next_pin_version = 0;
    next->next_verifier = (Bytes){0};
    return true;
}

static const ChangeClass commit_pin = {
    .what = "puts a new PIN in force", .event = EVENT_PIN_CHANGED, .begin = begin_commit_pin, .work = store_token, .done = adopt};

int op_prepare_pin(Node *node, ServerCall *call, Client *client, const void *parameters)
{
    return op_change(node->pin_lane, sizeof(TokenChange), &prepare_pin, node, call, client, parameters, NULL);
}

int op_commit_pin(Node *node, ServerCall *call, Client *client, const void *parameters)
{
    return op_change(node->pin_lane, sizeof(TokenChange), &commit_pin, node, call, client, parameters, NULL);
}

/* ---- AnswerChallenge --------------------------------------------------------------------------------------------------------- */

typedef struct Login {
    Change change;
    uint8_t nonce[NODE_NONCE_SIZE];
    const Bytes *verifier; /* the token's: it stays while we are in hand */
    uint64_t failures;     /* this one included; what the disk says after work() */
    bool counted;
} Login;

static const Bytes *verifier_of(const StoredToken *token, uint64_t version)
{
    if (version == token->pin_version)
        return &token->verifier;
    return token->next_pin_version && version == token->next_pin_version ? &token->next_verifier : NULL;
}

static bool begin_login(Change *change)
{
    const NodeChallengeInput *input = change->parameters;
    Login *login = (Login *)change;
    uint64_t *failures = pin_failures_entry(&change->node->failures, change->client->name);

    if (!failures)
        return outcome_set(&change->outcome, NODE_ERROR_UNAVAILABLE, "out of memory");
    login->verifier = verifier_of(&change->node->token, input->pin_version);
    if (!login->verifier)
        return stale(change);
    if (*failures >= PIN_FAILURES_MAX)
        return outcome_set(&change->outcome, NODE_ERROR_PIN_LOCKED, "too many wrong PINs: it has to be reset on the node's own host");
    login->failures = *failures + 1;
    return true;
}

/* The failure is durable before the answer is looked at, so that killing the node in between gives no free try. */
static void work_login(Change *change)
{
    const NodeChallengeInput *input = change->parameters;
    const Node *node = change->node;
    Login *login = (Login *)change;
    Problem problem = PROBLEM_INIT;

    if (store_write_failures(node->store, change->client->name, login->failures, &problem) < 0) {
        (void)outcome_set(&change->outcome, NODE_ERROR_UNAVAILABLE, "%s", problem.text);
        return;
    }
    login->counted = true;
    if (!pin_answer_is_right(&node->token, input->pin_version, login->verifier, login->nonce, &input->answer)) {
        change->outcome.number = PIN_FAILURES_MAX - login->failures;
        (void)outcome_set(&change->outcome, NODE_ERROR_PIN_INCORRECT, "the PIN is wrong; %llu tries left",
                          (unsigned long long)change->outcome.number);
        return;
    }
    login->failures = 0;
    if (store_write_failures(node->store, change->client->name, 0, &problem) < 0)
        (void)problem_set(&change->outcome.problem, 0, "it was right, but %s", problem.text);
}

/* The PIN is refused from now on: who looks after it should know. */
static void tell_locked(const Change *change)
{
    const char *client = change->client->name;

    journal_event(EVENT_PIN_LOCKED, (JournalFields){[JOURNAL_CLIENT] = client},
                  "the PIN is locked for the client %s after %d wrong ones: 'kqctl node reset-pin' on this host", client, PIN_FAILURES_MAX);
}

static void done_login(Change *change)
{
    const Login *login = (const Login *)change;
    uint64_t *failures = pin_failures_entry(&change->node->failures, change->client->name);

    if (login->counted && failures)
        *failures = login->failures;
    if (change->outcome.error == NODE_ERROR_NONE)
        change->client->logged_in = true;
    else if (login->counted && login->failures == PIN_FAILURES_MAX)
        tell_locked(change);
}

static const ChangeFailure login_failures[] = {{NODE_ERROR_PIN_INCORRECT, EVENT_PIN_WRONG}, {NODE_ERROR_NONE}};

static const ChangeClass login_class = {
    .what = "logs in", .failures = login_failures, .begin = begin_login, .work = work_login, .done = done_login, .quiet = true};

int op_answer_challenge(Node *node, ServerCall *call, Client *client, const void *parameters)
{
    if (!client->has_nonce)
        return op_fail(call, NODE_ERROR_HELLO_REQUIRED, "a challenge serves for one answer: say Hello again");
    client->has_nonce = false;

    Login *login = change_new(sizeof(*login), &login_class, node, call, client, parameters);

    if (!login)
        return -ENOMEM;
    memcpy(login->nonce, client->nonce, sizeof(login->nonce));
    lane_submit(node->pin_lane, &login->change);
    return 0;
}
