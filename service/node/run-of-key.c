#include "node/run-of-key.h"

#include <errno.h>
#include <string.h>

#include "node/generations.h"
#include "node/ops.h"

void run_of_key_clear(RunOfKey *of_key)
{
    bytes_clear(&of_key->common);
    *of_key = (RunOfKey){0};
}

const char *run_of_key_find_wrong(const NodeBeginRunInput *input)
{
    const NodeRunKind kind = node_run_kind_from_name(input->kind);
    const bool of_key = kind == NODE_RUN_REFRESH || kind == NODE_RUN_REPAIR, repair = kind == NODE_RUN_REPAIR;

    return of_key != (input->key.size > 0)       ? "key"
           : repair != (input->header.size > 0)  ? "header"
           : repair != (input->lost > 0)         ? "lost"
           : repair != (input->helpers.size > 0) ? "helpers"
                                                 : NULL;
}

/* ---- Who takes part ------------------------------------------------------------------------------------------------------------- */

static bool read_helpers(const Node *node, const NodeBeginRunInput *input, uint32_t *ret_nodes, Outcome *outcome)
{
    const StoredToken *token = &node->token;
    uint32_t nodes = 0;

    if (input->lost > token->n || input->helpers.size != token->k)
        return outcome_set(outcome, NODE_ERROR_REJECTED, "a repair here is of one of %u nodes, by %u others", (unsigned)token->n,
                           (unsigned)token->k);
    for (size_t i = 0; i < input->helpers.size; i++) {
        const unsigned index = input->helpers.data[i];

        if (index < 1 || index > token->n || index == input->lost || (i > 0 && index <= input->helpers.data[i - 1]))
            return outcome_set(outcome, NODE_ERROR_REJECTED,
                               "those who help in a repair are other nodes of the token, each once, in ascending order");
        nodes |= (uint32_t)1 << (index - 1);
    }
    *ret_nodes = nodes | (uint32_t)1 << (input->lost - 1);
    return true;
}

static bool read_nodes(const Node *node, const NodeBeginRunInput *input, RunOfKey *of_key, Outcome *outcome)
{
    const uint32_t all = ((uint32_t)1 << node->token.n) - 1, own = (uint32_t)1 << (node->token.index - 1);

    of_key->nodes = all;
    if (of_key->approval.kind == NODE_RUN_REPAIR && !read_helpers(node, input, &of_key->nodes, outcome))
        return false;
    return of_key->nodes & own || outcome_set(outcome, NODE_ERROR_REJECTED, "node %s takes no part in this repair", node->config.name);
}

/* ---- The key ------------------------------------------------------------------------------------------------------------------------ */

static bool check_header(const Node *node, const Header *header, Outcome *outcome)
{
    if (!header_has_generations(header))
        return outcome_set(outcome, NODE_ERROR_REJECTED,
                           "the shares of an RSA key are dealt once and for all: restore a lost one from a backup, or roll the key");
    if (header->parameters.n != node->token.n || header->parameters.k != node->token.k)
        return outcome_set(outcome, NODE_ERROR_REJECTED, "this is a %u-of-%u key, and the token has another threshold",
                           header->parameters.k, header->parameters.n);
    return true;
}

/* Has this node lost the share? Then the client says what the key is: its id is the hash of that. */
static bool read_lost(const Node *node, const NodeBeginRunInput *input, RunOfKey *of_key, Outcome *outcome)
{
    const Key *known = keys_find(&node->keys, &of_key->approval.key);
    _cleanup_header_ Header header = {0};
    Problem problem = PROBLEM_INIT;
    KeyId real;

    if (known && known->stored.destroyed)
        return outcome_set(outcome, NODE_ERROR_KEY_DESTROYED, "this key is destroyed here");
    if (known && known->stored.damage)
        return outcome_set(
            outcome, NODE_ERROR_REJECTED,
            "there are files of this key here, which cannot be used (%s): stop the node, move them away from the folder keys of "
            "its state, and start it again",
            known->stored.damage);
    if (known)
        return outcome_set(outcome, NODE_ERROR_REJECTED, "this node has its share of the key: there is nothing to repair");
    if (header_key_id(&input->header, &real) < 0 || !key_id_equal(&real, &of_key->approval.key))
        return outcome_set(outcome, NODE_ERROR_REJECTED, "this is the header of another key");
    if (header_decode(&input->header, &header, &problem) < 0)
        return outcome_set(outcome, NODE_ERROR_REJECTED, "%s", problem.text);
    if (!check_header(node, &header, outcome) || !generation_may_come(&node->keys, &real, &header, outcome))
        return false;
    return bytes_copy(input->header.data, input->header.size, &of_key->common) == 0 ||
           outcome_set(outcome, NODE_ERROR_UNAVAILABLE, "out of memory");
}

/* A refresh that would be in vain is not begun. */
static bool check_next(const Node *node, const Header *header, Outcome *outcome)
{
    const KeyId none = {{0}};
    Header next = *header; /* borrowed */

    next.generation++;
    return generation_may_come(&node->keys, &none, &next, outcome);
}

static bool read_held(const Node *node, const NodeBeginRunInput *input, RunOfKey *of_key, Outcome *outcome)
{
    const Key *key = op_find_key((Node *)(uintptr_t)node, &of_key->approval.key, outcome);
    _cleanup_header_ Header header = {0};

    if (!key)
        return false;
    if (key->stored.damage)
        return outcome_set(outcome, NODE_ERROR_KEY_UNUSABLE, "%s", key->stored.damage);
    if (key_state(key) != KEY_ACTIVE)
        return outcome_set(outcome, NODE_ERROR_KEY_PENDING, "this key is not active yet");
    if (header_decode(&key->stored.common, &header, NULL) < 0)
        return outcome_set(outcome, NODE_ERROR_UNAVAILABLE, "the header of this key cannot be read");
    if (!check_header(node, &header, outcome))
        return false;
    if (input->header.size > 0 && !bytes_equal(&input->header, &key->stored.common))
        return outcome_set(outcome, NODE_ERROR_REJECTED, "this is the header of another key");
    if (of_key->approval.kind == NODE_RUN_REFRESH && !check_next(node, &header, outcome))
        return false;
    of_key->has_share = true;
    return bytes_copy(key->stored.common.data, key->stored.common.size, &of_key->common) == 0 ||
           outcome_set(outcome, NODE_ERROR_UNAVAILABLE, "out of memory");
}

bool run_of_key_read(const Node *node, const NodeBeginRunInput *input, RunOfKey *ret_of_key, Outcome *outcome)
{
    _cleanup_(run_of_key_clear) RunOfKey of_key = {
        .approval = {node_run_kind_from_name(input->kind), op_key_id(&input->key), (unsigned)input->lost},
    };

    if (!read_nodes(node, input, &of_key, outcome))
        return false;
    if (!(of_key.approval.lost == node->token.index ? read_lost : read_held)(node, input, &of_key, outcome))
        return false;
    *ret_of_key = of_key;
    of_key = (RunOfKey){0};
    return true;
}
