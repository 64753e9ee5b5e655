#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/ini.h"
#include "ctl/local.h"
#include "ctl/session.h"
#include "quorum/pin.h"

/* What the derivation needs of a roster, from what the node says of itself. */
static int derive(const NodeStatusOutput *status, const Secret *pin, uint8_t ret_verifier[NODE_VERIFIER_SIZE], Problem *problem)
{
    _cleanup_(roster_freep) Roster *token = roster_new();
    _cleanup_secret_ Secret *master = NULL;
    int r = token ? 0 : -ENOMEM;

    if (r == 0)
        memcpy(token->token, status->token.data, TOKEN_ID_SIZE);
    if (r == 0)
        r = pin_master(token, pin, &master);
    if (r == 0)
        r = pin_verifier(token, master, (unsigned)status->index, ret_verifier);
    return r < 0 ? problem_set(problem, r, "the PIN's verifier cannot be derived: %s", strerror(-r)) : 0;
}

static int read_version(const Call *call, const NodeStatusOutput *status, uint64_t *ret_version, Problem *problem)
{
    const char *text = call->options[OPTION_PIN_VERSION];

    if (!text) {
        *ret_version = status->pin_version + 1;
        return 0;
    }
    if (ini_parse_uint(text, 1, INT32_MAX, ret_version, problem) != 0)
        return problem_prefix(problem, CTL_E_USAGE, "--pin-version");
    if (*ret_version < status->pin_version)
        return problem_set(problem, CTL_E_USAGE, "--pin-version %s is older than the PIN that the node has: %" PRIu64, text,
                           status->pin_version);
    return 0;
}

static void tell(const LocalNode *node, const NodeStatusOutput *status, uint64_t version)
{
    uint64_t others = status->n - status->k + 1, enough = others > status->k ? others : status->k;

    fprintf(stderr,
            "Node %s has the new PIN, as version %" PRIu64 ". Do the same on the other nodes' hosts, with --pin-version %" PRIu64
            ": the PIN counts when at least %" PRIu64 " of the %" PRIu64 " nodes have it.\n",
            node->config.name, version, version, enough, status->n);
}

static int reset(const Call *call, LocalNode *node, const NodeStatusOutput *status, Problem *problem)
{
    _cleanup_secret_ Secret *pin = NULL;
    uint8_t verifier[NODE_VERIFIER_SIZE];
    NodeInitTokenInput input = {
        .token = status->token,
        .index = status->index,
        .n = status->n,
        .k = status->k,
        .verifier = {verifier, sizeof(verifier)},
        .reset_pin = true,
    };
    int r = read_version(call, status, &input.pin_version, problem);

    if (r == 0)
        r = session_pin(call, true, &pin, problem);
    if (r == 0)
        r = derive(status, pin, verifier, problem);
    if (r == 0)
        r = local_call(node, NODE_METHOD("InitToken"), &node_init_token_input, &input, NULL, NULL, problem);
    if (r == 0)
        tell(node, status, input.pin_version);
    return r;
}

int verb_node_reset_pin(const Call *call, Problem *problem)
{
    _cleanup_local_ LocalNode node = {0};
    NodeStatusOutput status;
    int r = local_open(call, &node, problem);

    if (r == 0)
        r = local_status(&node, &status, problem);
    if (r != 0)
        return r;
    r = status.initialized && status.token.size == TOKEN_ID_SIZE
            ? reset(call, &node, &status, problem)
            : problem_set(problem, QUORUM_E_PIN_NOT_INITIALIZED, "node %s belongs to no token yet: 'kqctl token init' on the signer",
                          node.config.name);
    message_clear(&node_status_output, &status);
    return r;
}
