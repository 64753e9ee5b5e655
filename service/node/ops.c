#include "node/ops.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/journal.h"

/* Of the connection. */
typedef enum Need {
    NEED_NOTHING,
    NEED_HELLO,
    NEED_LOGIN, /* and Hello */
} Need;

/* Of the caller: a permission, or one of these. */
enum {
    ANYONE = NODE_PERMISSION_MAX,
    LOCALLY, /* only on this host: what could break the threshold never comes through the gate */
};

#define LIST     NODE_PERMISSION_LIST
#define SIGN     NODE_PERMISSION_SIGN
#define GENERATE NODE_PERMISSION_GENERATE
#define DESTROY  NODE_PERMISSION_DESTROY
#define ADMIN    NODE_PERMISSION_ADMIN

/* The table: method, what it needs of the connection and of the caller, input, output, handler. */
#define NODE_OPS(ROW)                                                                                                                      \
    ROW(GetStatus, NEED_NOTHING, ANYONE, node_no_parameters, node_status_output, op_get_status)                                            \
    ROW(InitToken, NEED_NOTHING, ADMIN, node_init_token_input, node_no_parameters, op_init_token)                                          \
    ROW(Hello, NEED_NOTHING, ANYONE, node_hello_input, node_hello_output, op_hello)                                                        \
    ROW(AnswerChallenge, NEED_HELLO, ANYONE, node_challenge_input, node_no_parameters, op_answer_challenge)                                \
    ROW(PreparePin, NEED_LOGIN, ADMIN, node_prepare_pin_input, node_no_parameters, op_prepare_pin)                                         \
    ROW(CommitPin, NEED_LOGIN, ADMIN, node_commit_pin_input, node_no_parameters, op_commit_pin)                                            \
    ROW(ListKeys, NEED_HELLO, LIST, node_list_input, node_list_output, op_list_keys)                                                       \
    ROW(GetKey, NEED_HELLO, LIST, node_key_input, node_get_key_output, op_get_key)                                                         \
    ROW(PrepareKey, NEED_LOGIN, GENERATE, node_prepare_input, node_no_parameters, op_prepare_key)                                          \
    ROW(ActivateKey, NEED_LOGIN, GENERATE, node_activate_input, node_no_parameters, op_activate_key)                                       \
    ROW(DiscardKey, NEED_LOGIN, GENERATE, node_key_input, node_no_parameters, op_discard_key)                                              \
    ROW(SetRecord, NEED_LOGIN, GENERATE, node_set_record_input, node_no_parameters, op_set_record)                                         \
    ROW(DestroyKey, NEED_LOGIN, DESTROY, node_key_input, node_no_parameters, op_destroy_key)                                               \
    ROW(RetireKey, NEED_LOGIN, DESTROY, node_key_input, node_no_parameters, op_retire_key)                                                 \
    ROW(PartialSign, NEED_LOGIN, SIGN, node_partial_sign_input, node_partial_sign_output, op_partial_sign)                                 \
    ROW(BeginRun, NEED_LOGIN, GENERATE, node_begin_run_input, node_begin_run_output, op_begin_run)                                         \
    ROW(ContinueRun, NEED_LOGIN, GENERATE, node_continue_run_input, node_continue_run_output, op_continue_run)                             \
    ROW(EndRun, NEED_LOGIN, GENERATE, node_run_input, node_no_parameters, op_end_run)                                                      \
    ROW(AnnounceClient, NEED_NOTHING, ANYONE, node_announce_input, node_no_parameters, op_announce_client)                                 \
    ROW(AuthorizeClient, NEED_NOTHING, LOCALLY, node_authorize_input, node_no_parameters, op_authorize_client)                             \
    ROW(DeauthorizeClient, NEED_NOTHING, LOCALLY, node_name_input, node_no_parameters, op_deauthorize_client)                              \
    ROW(ListClients, NEED_NOTHING, LOCALLY, node_no_parameters, node_clients_output, op_list_clients)                                      \
    ROW(SetPeers, NEED_NOTHING, LOCALLY, node_peers, node_no_parameters, op_set_peers)                                                     \
    ROW(ListPeers, NEED_NOTHING, LOCALLY, node_no_parameters, node_peers, op_list_peers)                                                   \
    ROW(LockKey, NEED_NOTHING, LOCALLY, node_key_input, node_no_parameters, op_lock_key)                                                   \
    ROW(UnlockKey, NEED_NOTHING, LOCALLY, node_unlock_input, node_no_parameters, op_unlock_key)                                            \
    ROW(ApproveRun, NEED_NOTHING, LOCALLY, node_approve_input, node_no_parameters, op_approve_run)                                         \
    ROW(WithdrawApproval, NEED_NOTHING, LOCALLY, node_withdraw_input, node_no_parameters, op_withdraw_approval)                            \
    ROW(ListApprovals, NEED_NOTHING, LOCALLY, node_no_parameters, node_approvals_output, op_list_approvals)                                \
    ROW(GetCommitments, NEED_LOGIN, SIGN, node_get_commitments_input, node_commitments_output, op_get_commitments)                         \
    ROW(SignShare, NEED_LOGIN, SIGN, node_sign_share_input, node_sign_share_output, op_sign_share)

/* The reason says what to type: what the client has, and this. */
int op_refuse_permission(Node *node, ServerCall *call, const Client *client, const char *method, NodePermission permission)
{
    const Outcome denied = {.error = NODE_ERROR_PERMISSION_DENIED};
    char present[PERMISSIONS_TEXT_SIZE], wanted[PERMISSIONS_TEXT_SIZE];

    permissions_format(client->permissions, ",", present);
    permissions_format(client->permissions | 1u << permission, ",", wanted);
    if (repeats_first(node->repeats, client->name, method, outcome_name(&denied)))
        journal_event(EVENT_PERMISSION_DENIED,
                      (JournalFields){[JOURNAL_CLIENT] = client->name, [JOURNAL_OPERATION] = method, [JOURNAL_PERMISSIONS] = present},
                      "client %s was denied %s: it has no permission '%s'", client->name, method, node_permission_name(permission));
    return op_fail(
        call, NODE_ERROR_PERMISSION_DENIED,
        "client %s has no permission '%s' at node %s; to give it, on that node's host: kqctl node authorize CLIENTCARD --allow %s",
        client->name, node_permission_name(permission), node->config.name, wanted);
}

static int serve(ServerCall *call, void *parameters, Node *node, const char *method, Need need, unsigned who, NodeOp op)
{
    Client *client = server_call_state(call);

    if (!client)
        return -ENOMEM;
    if (who == LOCALLY && client->door == DOOR_GATE)
        return op_fail(call, NODE_ERROR_NOT_LOCAL, "only a caller on the node's own host may do this");
    if (who < NODE_PERMISSION_MAX && !(client->permissions & 1u << who))
        return op_refuse_permission(node, call, client, method, (NodePermission)who);
    if (need >= NEED_HELLO && !client->hello)
        return op_fail(call, NODE_ERROR_HELLO_REQUIRED, "say Hello first");
    if (need >= NEED_LOGIN && !client->logged_in)
        return op_fail(call, NODE_ERROR_LOGIN_REQUIRED, "log in with the PIN first");
    return op(node, call, client, parameters);
}

/* A ServerHandler per row, since a handler is not told which method it serves. */
#define HANDLER(name, need, who, input, output, op)                                                                                        \
    static int serve_##name(ServerCall *call, void *parameters, void *userdata)                                                            \
    {                                                                                                                                      \
        return serve(call, parameters, userdata, #name, need, who, op);                                                                    \
    }
#define METHOD(name, need, who, input, output, op) {#name, &input, &output, serve_##name},

NODE_OPS(HANDLER)

static const ServerMethod methods[] = {NODE_OPS(METHOD){NULL}};

const ServerInterface node_server_interface = {NODE_INTERFACE, node_interface_description, methods};

int op_answer(ServerCall *call, const Outcome *outcome)
{
    const NodeErrorDetail detail = {(char *)outcome->problem.text, outcome->number};

    if (outcome->error == NODE_ERROR_NONE)
        return server_call_reply(call, NULL);
    return server_call_error(call, node_error_name(outcome->error), &node_error_detail, &detail);
}

int op_fail(ServerCall *call, NodeError error, const char *format, ...)
{
    Outcome outcome = {.error = error};
    char text[PROBLEM_SIZE_MAX];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    (void)problem_set(&outcome.problem, 0, "%s", text);
    return op_answer(call, &outcome);
}

KeyId op_key_id(const Bytes *bytes)
{
    KeyId id;

    memcpy(id.bytes, bytes->data, sizeof(id.bytes));
    return id;
}

int op_change(Lane *lane, size_t size, const ChangeClass *class, Node *node, ServerCall *call, Client *client, const void *parameters,
              const Bytes *key)
{
    Change *change = change_new(size, class, node, call, client, parameters);

    if (!change)
        return -ENOMEM;
    if (key) {
        change->key = op_key_id(key);
        change->has_key = true;
    }
    lane_submit(lane, change);
    return 0;
}

Key *op_find_key(Node *node, const KeyId *id, Outcome *outcome)
{
    Key *key = keys_find(&node->keys, id);

    if (!key)
        (void)outcome_set(outcome, NODE_ERROR_UNKNOWN_KEY, "this node has no such key");
    else if (key->stored.destroyed)
        (void)outcome_set(outcome, NODE_ERROR_KEY_DESTROYED, "this key is destroyed here");
    else
        return key;
    return NULL;
}
