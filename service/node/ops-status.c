#include <string.h>
#include <time.h>

#include "base/crypto.h"
#include "node/ops.h"

static Bytes borrowed(const void *data, size_t size)
{
    return (Bytes){(uint8_t *)data, size};
}

/* Shares are charged to whom the loader runs as: with separation only it can tell. */
static KeyringQuota share_quota(const Node *node)
{
    KeyringQuota quota = {0};

    if (node->config.separation)
        loader_client_quota(node->loader, &quota);
    else if (keyring_quota(&quota) < 0)
        return (KeyringQuota){0};
    return quota;
}

int op_get_status(Node *node, ServerCall *call, Client *client, const void *parameters)
{
    const StoredToken *token = &node->token;
    uint64_t counts[KEY_STATE_MAX];
    const KeyringQuota quota = share_quota(node);
    NodeText permissions[NODE_PERMISSION_MAX];

    keys_count(&node->keys, counts);

    const NodeStatusOutput output = {
        .version = (char *)KEYQUORUM_VERSION,
        .name = node->config.name,
        .custody = node->config.custody,
        .separation = node->config.separation,
        .initialized = token->token.size > 0,
        .token = token->token,
        .index = token->index,
        .n = token->n,
        .k = token->k,
        .pin_version = token->pin_version,
        .sealing_key = borrowed(node->sealing_key, sizeof(node->sealing_key)),
        .identity_key = borrowed(node->identity_key, sizeof(node->identity_key)),
        .active = counts[KEY_ACTIVE],
        .pending = counts[KEY_PENDING],
        .unusable = counts[KEY_UNUSABLE],
        .destroyed = counts[KEY_DESTROYED],
        .signatures = node->signatures,
        .key_quota_used = quota.keys,
        .key_quota_max = quota.keys_max,
        .key_bytes_used = quota.bytes,
        .key_bytes_max = quota.bytes_max,
        .time = (uint64_t)time(NULL),
        .client = client->name,
        .permissions = {permissions, permissions_view(client->permissions, permissions)},
    };

    return server_call_reply(call, &output);
}

int op_hello(Node *node, ServerCall *call, Client *client, const void *parameters)
{
    const NodeHelloInput *input = parameters;
    const StoredToken *token = &node->token;
    char revision[NODE_REVISION_SIZE];

    if (token->token.size == 0)
        return op_fail(call, NODE_ERROR_NOT_INITIALIZED, "this node is part of no token yet: kqctl token init");
    if (!bytes_equal(&input->token, &token->token) || input->index != token->index)
        return op_fail(call, NODE_ERROR_WRONG_TOKEN, "this is node %u of another token, or of this one under another index",
                       (unsigned)token->index);
    if (crypto_random(client->nonce, sizeof(client->nonce)) < 0)
        return op_fail(call, NODE_ERROR_UNAVAILABLE, "no randomness for a challenge");
    client->hello = client->has_nonce = true;
    node_revision(node, revision);

    const NodeHelloOutput output = {
        .version = (char *)KEYQUORUM_VERSION,
        .name = node->config.name,
        .custody = node->config.custody,
        .revision = revision,
        .pin_version = token->pin_version,
        .next_pin_version = token->next_pin_version,
        .nonce = borrowed(client->nonce, sizeof(client->nonce)),
        .pin_locked = pin_locked(&node->failures, client->name),
    };

    return server_call_reply(call, &output);
}
