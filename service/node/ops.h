/*
 * NodeOps: one const table of the node's operations: what each needs, its layouts, its handler. The server's method table is made of it,
 * and whatever else offers these operations reads the same rows.
 */
#pragma once

#include "node/node.h"

/* The whole interface, for server_new(). */
extern const ServerInterface node_server_interface;

/* Handlers; `parameters` as the row's layout says. They reply now or later, exactly once; a negative return closes the connection. */
typedef int (*NodeOp)(Node *node, ServerCall *call, Client *client, const void *parameters);

int op_get_status(Node *node, ServerCall *call, Client *client, const void *parameters);
int op_hello(Node *node, ServerCall *call, Client *client, const void *parameters);
int op_init_token(Node *node, ServerCall *call, Client *client, const void *parameters);
int op_answer_challenge(Node *node, ServerCall *call, Client *client, const void *parameters);
int op_prepare_pin(Node *node, ServerCall *call, Client *client, const void *parameters);
int op_commit_pin(Node *node, ServerCall *call, Client *client, const void *parameters);
int op_list_keys(Node *node, ServerCall *call, Client *client, const void *parameters);
int op_get_key(Node *node, ServerCall *call, Client *client, const void *parameters);
int op_prepare_key(Node *node, ServerCall *call, Client *client, const void *parameters);
int op_activate_key(Node *node, ServerCall *call, Client *client, const void *parameters);
int op_discard_key(Node *node, ServerCall *call, Client *client, const void *parameters);
int op_set_record(Node *node, ServerCall *call, Client *client, const void *parameters);
int op_destroy_key(Node *node, ServerCall *call, Client *client, const void *parameters);
int op_retire_key(Node *node, ServerCall *call, Client *client, const void *parameters);
int op_partial_sign(Node *node, ServerCall *call, Client *client, const void *parameters);
int op_get_commitments(Node *node, ServerCall *call, Client *client, const void *parameters);
int op_sign_share(Node *node, ServerCall *call, Client *client, const void *parameters);
int op_begin_run(Node *node, ServerCall *call, Client *client, const void *parameters);
int op_continue_run(Node *node, ServerCall *call, Client *client, const void *parameters);
int op_end_run(Node *node, ServerCall *call, Client *client, const void *parameters);
int op_announce_client(Node *node, ServerCall *call, Client *client, const void *parameters);
int op_authorize_client(Node *node, ServerCall *call, Client *client, const void *parameters);
int op_deauthorize_client(Node *node, ServerCall *call, Client *client, const void *parameters);
int op_list_clients(Node *node, ServerCall *call, Client *client, const void *parameters);
int op_set_peers(Node *node, ServerCall *call, Client *client, const void *parameters);
int op_list_peers(Node *node, ServerCall *call, Client *client, const void *parameters);
int op_lock_key(Node *node, ServerCall *call, Client *client, const void *parameters);
int op_unlock_key(Node *node, ServerCall *call, Client *client, const void *parameters);
int op_approve_run(Node *node, ServerCall *call, Client *client, const void *parameters);
int op_withdraw_approval(Node *node, ServerCall *call, Client *client, const void *parameters);
int op_list_approvals(Node *node, ServerCall *call, Client *client, const void *parameters);

/* What PrepareKey does, at the end of a run: takes over the sealed share and the record of a key that the nodes made, and the call, which
 * is ContinueRun's. `refreshed`: the key whose next generation it is, which must be active still; NULL: it is none. Errors: -ENOMEM:
 * nothing was taken. */
int op_store_made_share(Node *node, ServerCall *call, Client *client, const KeyId *refreshed, Bytes *sealed, NodeRecord *record)
    _must_check_;

/* Reply with an error of the interface. */
int op_fail(ServerCall *call, NodeError error, const char *format, ...) _printf_(3, 4);
/* Reply that the client, which calls `method`, has no such permission. */
int op_refuse_permission(Node *node, ServerCall *call, const Client *client, const char *method, NodePermission permission);
/* Reply as the outcome says: its error, or success without parameters. */
int op_answer(ServerCall *call, const Outcome *outcome);

/* A zeroed change for this call; the call is answered and the lane goes on with it. Errors: -ENOMEM. */
int op_change(Lane *lane, size_t size, const ChangeClass *class, Node *node, ServerCall *call, Client *client, const void *parameters,
              const Bytes *key) _must_check_;

/* The key with that id, or NULL after the outcome (UnknownKey, KeyDestroyed) is set. */
Key *op_find_key(Node *node, const KeyId *id, Outcome *outcome);
/* A run of that client has come to the point where this node gives something. Logged. `approved`: with its approval, which serves no other;
 * false: there is none any more. */
bool op_take_part(Node *node, const Client *client, const Approval *approval, bool approved) _must_check_;
KeyId op_key_id(const Bytes *bytes); /* NODE_KEY_ID_SIZE of them: the layouts say so */
