/* quorum/sign-message.h over the models: what they do of Ed25519. Its real counterpart is tested in tests/cluster/test-sign-message.c. */
#include "model-quorum.h"

#include "quorum/sign-message.h"
#include "threshold/frost.h"

/* Why the node does not take part; 0: it does. */
static int refusal(ModelNode *node, const KeyId *id)
{
    const ModelKey *key = model_key_find(node, id);

    if (node->down || model.dead)
        return QUORUM_E_TOO_FEW_NODES;
    if (node->withheld & 1u << NODE_PERMISSION_SIGN) {
        node->denied++;
        return QUORUM_E_REFUSED;
    }
    return key && (key->state == KEY_PENDING || key->state == KEY_ACTIVE) ? 0 : QUORUM_E_TOO_FEW_NODES;
}

static void commit(const FrostKey *frost, NodeSet nodes, FrostNonces **ret_nonces, FrostCommitment *ret_list)
{
    for (unsigned i = 1, at = 0; i <= model.quorum.roster->n; i++)
        if (nodes & NODE_SET_OF(i)) {
            ck_assert_int_eq(frost_nonces_new(frost, i, model.ed25519_shares[i - 1], 1, &ret_nonces[at]), 0);
            ret_list[at] = *frost_nonces_commitment(ret_nonces[at], 0);
            at++;
        }
}

int sign_message_test(Quorum *quorum, const KeyId *id, const ThresholdKey *threshold, NodeSet nodes, const void *message, size_t size,
                      uint8_t *ret_signature, NodeSet *ret_liars, Problem *problem)
{
    const FrostKey *frost = threshold_key_frost(threshold);
    FrostNonces *nonces[THRESHOLD_NODES_MAX];
    FrostCommitment list[THRESHOLD_NODES_MAX];
    FrostPartial partials[THRESHOLD_NODES_MAX];
    const FrostRequest request = {frost, list, message, size};
    uint32_t liars = 0;

    ck_assert_uint_eq(node_set_count(nodes), quorum->roster->k);
    for (unsigned i = 1; i <= quorum->roster->n; i++) {
        int r = nodes & NODE_SET_OF(i) ? refusal(&model.nodes[i - 1], id) : 0;

        if (r != 0)
            return problem_set(problem, r, "node%u (%u) does not sign", i, i);
    }
    commit(frost, nodes, nonces, list);
    for (unsigned at = 0; at < quorum->roster->k; at++) {
        ModelNode *node = &model.nodes[list[at].index - 1];

        ck_assert_int_eq(frost_sign(nonces[at], 0, &request, list[at].index, model.ed25519_shares[list[at].index - 1], &partials[at]), 0);
        frost_nonces_free(nonces[at]);
        partials[at].z.bytes[0] ^= node->wrong_partial;
        node->tests++;
    }
    ck_assert_int_eq(frost_find_liars(&request, partials, quorum->roster->k, &liars), 0);
    *ret_liars = liars;
    return liars ? problem_set(problem, QUORUM_E_SIGNATURE, "liars") : frost_combine(frost, message, size, partials, ret_signature);
}
