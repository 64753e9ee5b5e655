#include <errno.h>
#include <string.h>

#include "base/journal.h"
#include "node/ops.h"

/* ---- What may be approved ---------------------------------------------------------------------------------------------------- */

static bool read_approval(const NodeApprovalInput *input, Approval *ret_approval)
{
    const NodeRunKind kind = node_run_kind_from_name(input->kind);

    *ret_approval = (Approval){kind, op_key_id(&input->key), (unsigned)input->lost};
    return kind == NODE_RUN_REFRESH || kind == NODE_RUN_REPAIR;
}

static const Peer *find_peer(const Peers *peers, unsigned index)
{
    for (size_t i = 0; i < peers->n; i++)
        if (peers->items[i].index == index)
            return &peers->items[i];
    return NULL;
}

/* What the journal calls the node whose share is made anew; NULL: none is. */
static const char *name_of(const Node *node, const Approval *approval)
{
    const Peer *peer = find_peer(&node->peers, approval->lost);

    if (approval->lost == 0)
        return NULL;
    return approval->lost == node->token.index ? node->config.name : peer ? peer->name : "unknown";
}

/* Is the node that the operator means the one that this node knows under that index? */
static bool is_known_node(const Node *node, const NodeApprovalInput *input, Outcome *outcome)
{
    const Peer *peer = find_peer(&node->peers, (unsigned)input->lost);
    const uint8_t *identity = input->lost == node->token.index ? node->identity_key : peer ? peer->identity_key : NULL;

    if (input->lost > node->token.n)
        return outcome_set(outcome, NODE_ERROR_REJECTED, "there is no node %u: the token has %u nodes", (unsigned)input->lost,
                           (unsigned)node->token.n);
    if (!identity)
        return outcome_set(outcome, NODE_ERROR_REJECTED,
                           "node %s does not know node %u of its token; to tell it, on its host: kqctl node peers CARD...",
                           node->config.name, (unsigned)input->lost);
    if (memcmp(identity, input->identity_key.data, NODE_PUBLIC_KEY_SIZE) != 0)
        return outcome_set(outcome, NODE_ERROR_REJECTED,
                           "node %s knows node %u of its token with another identity key; to tell it of a new one, on its host: kqctl node "
                           "peers CARD...",
                           node->config.name, (unsigned)input->lost);
    return true;
}

static bool has_no_dealer(const Key *key, Outcome *outcome)
{
    _cleanup_header_ Header header = {0};
    int r = header_decode(&key->stored.common, &header, NULL);

    if (r < 0)
        return outcome_set(outcome, NODE_ERROR_UNAVAILABLE, "the header of this key cannot be read: %s", strerror(-r));
    if (!header_has_generations(&header))
        return outcome_set(outcome, NODE_ERROR_REJECTED,
                           "the shares of an RSA key are dealt once and for all: restore a lost one from a backup, or roll the key");
    return true;
}

/* The node whose share is lost may not have the key any more, or not so that it can be used; all others must. */
static bool is_known_key(const Node *node, const Approval *approval, Outcome *outcome)
{
    const Key *key = keys_find(&node->keys, &approval->key);

    if (approval->lost == node->token.index && (!key || key->stored.damage))
        return true;
    if (!key)
        return outcome_set(outcome, NODE_ERROR_UNKNOWN_KEY, "this node has no such key");
    switch (key_state(key)) {
    case KEY_ACTIVE:
        return has_no_dealer(key, outcome);
    case KEY_PENDING:
        return outcome_set(outcome, NODE_ERROR_KEY_PENDING, "this key is not active yet");
    case KEY_DESTROYED:
        return outcome_set(outcome, NODE_ERROR_KEY_DESTROYED, "this key is destroyed here");
    default:
        return outcome_set(outcome, NODE_ERROR_KEY_UNUSABLE, "%s", key->stored.damage);
    }
}

static bool may_approve(const Node *node, const NodeApprovalInput *input, const Approval *approval, Outcome *outcome)
{
    if (node->token.token.size == 0)
        return outcome_set(outcome, NODE_ERROR_NOT_INITIALIZED, "this node belongs to no token yet");
    if (node->peers.n + 1 != node->token.n)
        return outcome_set(outcome, NODE_ERROR_REJECTED,
                           "node %s knows %zu of the %u other nodes of its token; to tell it of all, on its host: kqctl node peers CARD...",
                           node->config.name, node->peers.n, (unsigned)node->token.n - 1);
    return (approval->lost == 0 || is_known_node(node, input, outcome)) && is_known_key(node, approval, outcome);
}

/* ---- The log ----------------------------------------------------------------------------------------------------------------- */

static void log_approval(const Node *node, JournalEvent event, const char *client, const char *what, const Approval *approval)
{
    const Key *key = keys_find(&node->keys, &approval->key);
    const char *lost = name_of(node, approval), *kind = node_run_kind_name(approval->kind);
    char id[2 * KEY_ID_SIZE + 1];

    key_id_format(&approval->key, id);

    const JournalFields fields = {
        [JOURNAL_CLIENT] = client,
        [JOURNAL_KEY] = id,
        [JOURNAL_LABEL] = key && key->stored.has_record ? key->stored.record.private_label : NULL,
        [JOURNAL_OPERATION] = kind,
        [JOURNAL_REPAIRED] = lost,
    };

    journal_event(event, fields, "%s %s %s of key %s%s%s", client, what, kind, id, lost ? ", the share of node " : "", lost ? lost : "");
}

/* ---- ApproveRun, WithdrawApproval, ListApprovals ------------------------------------------------------------------------------- */

int op_approve_run(Node *node, ServerCall *call, Client *client, const void *parameters)
{
    const NodeApprovalInput *input = parameters;
    Outcome outcome = {0};
    Approval approval;

    if (!read_approval(input, &approval))
        return server_call_invalid(call, "kind");
    if ((approval.kind == NODE_RUN_REPAIR) != (approval.lost > 0))
        return server_call_invalid(call, "lost");
    if ((approval.kind == NODE_RUN_REPAIR) != (input->identity_key.size > 0))
        return server_call_invalid(call, "identityKey");
    if (may_approve(node, input, &approval, &outcome) && approvals_add(&node->approvals, &approval, lock_now()) < 0)
        (void)outcome_set(&outcome, NODE_ERROR_UNAVAILABLE, "there are %d approvals here already: withdraw those that are not needed",
                          NODE_APPROVALS_MAX);
    if (outcome.error == NODE_ERROR_NONE)
        log_approval(node, EVENT_APPROVAL_GIVEN, client->name, "approves the next", &approval);
    return op_answer(call, &outcome);
}

int op_withdraw_approval(Node *node, ServerCall *call, Client *client, const void *parameters)
{
    Approval approval;

    if (!read_approval(parameters, &approval))
        return server_call_invalid(call, "kind");
    if (!approvals_take(&node->approvals, &approval, lock_now()))
        return op_fail(call, NODE_ERROR_REJECTED, "there is no such approval here: it was used, it has expired, or was never given");
    log_approval(node, EVENT_APPROVAL_WITHDRAWN, client->name, "withdraws the approval of the", &approval);
    return server_call_reply(call, NULL);
}

bool op_take_part(Node *node, const Client *client, const Approval *approval, bool approved)
{
    if (approved && !approvals_take(&node->approvals, approval, lock_now()))
        return false;
    if (approved)
        log_approval(node, EVENT_APPROVAL_USED, client->name, "uses the approval of the", approval);
    log_approval(node, EVENT_RUN_JOINED, client->name, "has this node take part in the", approval);
    return true;
}

int op_list_approvals(Node *node, ServerCall *call, Client *client, const void *parameters)
{
    const Microseconds now = lock_now();
    Approvals *approvals = &node->approvals;
    NodeApprovalEntry entries[NODE_APPROVALS_MAX];
    const unsigned n = approvals_tidy(approvals, now);

    for (unsigned i = 0; i < n; i++) {
        Approval *approval = &approvals->items[i];

        entries[i] = (NodeApprovalEntry){
            .kind = (char *)(uintptr_t)node_run_kind_name(approval->kind),
            .key = {approval->key.bytes, sizeof(approval->key.bytes)},
            .lost = approval->lost,
            .seconds = (approvals->until[i] - now + MICROSECONDS_PER_SECOND - 1) / MICROSECONDS_PER_SECOND,
        };
    }

    const NodeApprovalsOutput output = {{entries, n}};

    return server_call_reply(call, &output);
}
