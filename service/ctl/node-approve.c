/* What could break the threshold if a client alone could ask for it: shares made anew. On each of k nodes an operator approves it. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/ini.h"
#include "ctl/key-text.h"
#include "ctl/local.h"
#include "ctl/peers.h"
#include "ctl/terminal.h"

/* ---- Which run ---- */

typedef struct Run {
    NodeRunKind kind;
    const char *text; /* that names the key */
    LocalKey key;
    Header header;
    bool has_header;      /* the node has the key */
    NodePeers peers;      /* as this node knows them */
    unsigned lost;        /* index of the node whose share is made anew; 0: refresh */
    const char *name;     /* its name */
    Bytes identity;       /* its identity key, borrowed */
    const NodePeer *peer; /* NULL: it is this node */
} Run;

static void run_clear(Run *run)
{
    header_clear(&run->header);
    message_clear(&node_peers, &run->peers);
}

static int read_kind(const Call *call, Run *run, Problem *problem)
{
    const char *refresh = call->options[OPTION_REFRESH], *repair = call->options[OPTION_REPAIR], *of = call->options[OPTION_OF];

    if (!refresh == !repair)
        return problem_set(problem, CTL_E_USAGE, "say what is approved: --refresh KEY, or --repair KEY --of NODE; or --list");
    if (repair && !of)
        return problem_set(problem, CTL_E_USAGE, "say with --of NODE whose share is made anew: its name or its index");
    if (refresh && of)
        return problem_set(problem, CTL_E_USAGE, "--of is for --repair: a refresh gives all nodes new shares");
    run->kind = refresh ? NODE_RUN_REFRESH : NODE_RUN_REPAIR;
    run->text = refresh ? refresh : repair;
    return 0;
}

/* The node that has lost its share need not know the key: its id says all. */
static int find_key(LocalNode *node, Run *run, Problem *problem)
{
    int r = local_find_key(node, run->text, &run->key, problem);

    if (r != QUORUM_E_UNKNOWN_KEY || run->kind != NODE_RUN_REPAIR)
        return r;
    if (key_id_parse(run->text, &run->key.id) < 0)
        return problem_set(problem, r, "node %s has no key with the key id or label '%s'; if it has lost it, give the whole key id",
                           node->config.name, run->text);
    return 0;
}

static bool is_meant(const char *text, const char *name, uint64_t index)
{
    char number[24];

    (void)snprintf(number, sizeof(number), "%" PRIu64, index);
    return strcmp(text, name) == 0 || strcmp(text, number) == 0;
}

static int find_node(LocalNode *node, const NodeStatusOutput *status, const char *text, Run *run, Problem *problem)
{
    int r = local_call(node, NODE_METHOD("ListPeers"), &node_no_parameters, NULL, &node_peers, &run->peers, problem);

    if (r != 0)
        return r;

    const NodePeer *peers = run->peers.peers.items;

    for (size_t i = 0; i < run->peers.peers.count; i++)
        if (is_meant(text, peers[i].name, peers[i].index)) {
            run->peer = &peers[i];
            run->lost = (unsigned)peers[i].index;
            run->name = peers[i].name;
            run->identity = peers[i].identity_key;
            return 0;
        }
    if (!is_meant(text, node->config.name, status->index))
        return problem_set(problem, -EINVAL, "node %s knows no node '%s' of its token: 'kqctl node peers' lists those that it knows",
                           node->config.name, text);
    run->lost = (unsigned)status->index;
    run->name = node->config.name;
    run->identity = status->identity_key;
    return 0;
}

/* ---- In words ---- */

static void print_line(const char *name, const char *text)
{
    printf("%-12s ", name);
    terminal_print(text, 0);
    putchar('\n');
}

static void print_key(const Run *run)
{
    char id[2 * KEY_ID_SIZE + 1], text[64];

    key_id_format(&run->key.id, id);
    print_line("Key", id);
    if (!run->has_header) {
        print_line("Label", "unknown: this node does not have the key");
        return;
    }
    print_line("Label", run->key.label);
    key_text_type(&run->header, text);
    print_line("Type", text);
    (void)snprintf(text, sizeof(text), "any %u of %u nodes sign", run->header.parameters.k, run->header.parameters.n);
    print_line("Threshold", text);
}

static void print_change(const Run *run)
{
    char text[96], fingerprint[40];

    if (run->kind == NODE_RUN_REFRESH) {
        (void)snprintf(text, sizeof(text), "%u, and %u afterwards", run->header.generation, run->header.generation + 1);
        print_line("Generation", text);
        print_line("Refresh", "all nodes get new shares, the old ones are destroyed; the public key stays");
        return;
    }
    if (run->has_header) {
        (void)snprintf(text, sizeof(text), "%u, and it stays that", run->header.generation);
        print_line("Generation", text);
    }
    (void)snprintf(text, sizeof(text), "node %s, number %u, gets the share that it has lost from others", run->name, run->lost);
    print_line("Repair", text);
    if (!run->peer)
        return;
    peer_fingerprint(run->peer, fingerprint);
    print_line("Fingerprint", fingerprint);
}

static int confirm(const Call *call, const LocalNode *node, const Run *run, Problem *problem)
{
    char warning[512];

    if (run->kind == NODE_RUN_REFRESH)
        (void)snprintf(warning, sizeof(warning), "Node %s will take part in one refresh of this key, if it is asked for within an hour",
                       node->config.name);
    else
        (void)snprintf(
            warning, sizeof(warning),
            "Node %s will take part in one repair of node %s's share of this key, if it is asked for within an hour. Whoever has "
            "that node's identity key gets the share: compare the fingerprint with what 'kqctl node card' prints on its host",
            node->config.name, run->name);
    return terminal_confirm(call, warning, problem);
}

/* ---- Approving and withdrawing ---- */

static int find_run(const Call *call, LocalNode *node, const NodeStatusOutput *status, Run *run, Problem *problem)
{
    int r = find_key(node, run, problem);

    if (r == 0 && run->kind == NODE_RUN_REPAIR)
        r = find_node(node, status, call->options[OPTION_OF], run, problem);
    return r;
}

static int withdraw(LocalNode *node, const NodeApprovalInput *input, Problem *problem)
{
    int r = local_call(node, NODE_METHOD("WithdrawApproval"), &node_withdraw_input, input, NULL, NULL, problem);

    if (r == 0)
        fprintf(stderr, "Node %s does not approve it any more.\n", node->config.name);
    return r;
}

static int approve(const Call *call, LocalNode *node, Run *run, const NodeApprovalInput *input, Problem *problem)
{
    bool active = false;
    int r = local_header(node, &run->key.id, &run->header, &active, problem);

    run->has_header = r == 0;
    if (r == QUORUM_E_REFUSED && run->kind == NODE_RUN_REPAIR && !run->peer)
        r = 0; /* it is this node that has lost the share */
    if (r != 0)
        return r;
    print_key(run);
    print_change(run);
    r = confirm(call, node, run, problem);
    if (r == 0)
        r = local_call(node, NODE_METHOD("ApproveRun"), &node_approve_input, input, NULL, NULL, problem);
    if (r == 0)
        fprintf(stderr, "Node %s approves it, for an hour at most. It takes place when k nodes have, and a client asks for it.\n",
                node->config.name);
    return r;
}

static int change(const Call *call, LocalNode *node, Run *run, Problem *problem)
{
    NodeStatusOutput status;
    int r = local_status(node, &status, problem);

    if (r != 0)
        return r;
    r = find_run(call, node, &status, run, problem);

    NodeApprovalInput input = {
        .kind = (char *)(uintptr_t)node_run_kind_name(run->kind),
        .key = {run->key.id.bytes, sizeof(run->key.id.bytes)},
        .lost = run->lost,
        .identity_key = run->identity,
    };

    if (r == 0)
        r = call->options[OPTION_WITHDRAW] ? withdraw(node, &input, problem) : approve(call, node, run, &input, problem);
    message_clear(&node_status_output, &status);
    return r;
}

/* ---- Listing ---- */

static void print_approval(const NodeApprovalEntry *approval)
{
    char id[2 * KEY_ID_SIZE + 1], of[24] = "-";

    hex_encode(approval->key.data, approval->key.size, id);
    if (approval->lost > 0)
        (void)snprintf(of, sizeof(of), "%" PRIu64, approval->lost);
    terminal_print(approval->kind, 8);
    printf(" %-4s %4" PRIu64 " s  %s\n", of, approval->seconds, id);
}

static void print_text(const NodeApprovalEntry *approvals, size_t n)
{
    if (n == 0) {
        fprintf(stderr, "Nothing is approved at this node.\n");
        return;
    }
    printf("%-8s %-4s %6s  %s\n", "RUN", "NODE", "LEFT", "KEY");
    for (size_t i = 0; i < n; i++)
        print_approval(&approvals[i]);
}

static void print_document(const NodeApprovalEntry *approvals, size_t n)
{
    Document *list = document_list();

    for (size_t i = 0; i < n; i++) {
        Document *approval = document_new();

        document_text(approval, "kind", approvals[i].kind);
        document_hex(approval, "key", approvals[i].key.data, approvals[i].key.size);
        if (approvals[i].lost > 0)
            document_number(approval, "node", approvals[i].lost);
        document_number(approval, "seconds", approvals[i].seconds);
        document_append(list, approval);
    }
    document_print(list);
}

static int list(const Call *call, LocalNode *node, Problem *problem)
{
    NodeApprovalsOutput output;
    int r = local_call(node, NODE_METHOD("ListApprovals"), &node_no_parameters, NULL, &node_approvals_output, &output, problem);

    if (r != 0)
        return r;
    if (call->options[OPTION_JSON])
        print_document(output.approvals.items, output.approvals.count);
    else
        print_text(output.approvals.items, output.approvals.count);
    message_clear(&node_approvals_output, &output);
    return 0;
}

static int check_list(const Call *call, Problem *problem)
{
    const char *const *options = call->options;

    if (options[OPTION_REFRESH] || options[OPTION_REPAIR] || options[OPTION_OF] || options[OPTION_WITHDRAW])
        return problem_set(problem, CTL_E_USAGE, "--list lists all that is approved, and does nothing else");
    return 0;
}

int verb_node_approve(const Call *call, Problem *problem)
{
    _cleanup_local_ LocalNode node = {0};
    _cleanup_(run_clear) Run run = {0};
    const bool listing = call->options[OPTION_LIST] != NULL;
    int r = listing ? check_list(call, problem) : read_kind(call, &run, problem);

    if (r == 0 && !listing && call->options[OPTION_JSON])
        r = problem_set(problem, CTL_E_USAGE, "--json is for --list");
    if (r == 0)
        r = local_open(call, &node, problem);
    if (r != 0)
        return r;
    return listing ? list(call, &node, problem) : change(call, &node, &run, problem);
}
