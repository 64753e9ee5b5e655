#include "node/peers.h"

#include <string.h>

#include "base/address.h"
#include "base/node-config.h"

static const char *read_peer(const NodePeer *entry, Peer *ret_peer)
{
    struct sockaddr_storage address;
    socklen_t size;
    Peer peer = {.index = (unsigned)entry->index, .has_tls_pin = entry->tls_pin.size > 0};
    const bool tls = address_is_tls(entry->address);

    if (!node_config_name_valid(entry->name))
        return "peers.name";
    if (tls ? address_parse_tls(entry->address, &address, &size, NULL) < 0 : strncmp(entry->address, "unix:/", 6) != 0)
        return "peers.address";
    if (tls && !peer.has_tls_pin)
        return "peers.tlsPin";
    (void)snprintf(peer.name, sizeof(peer.name), "%s", entry->name);
    (void)snprintf(peer.address, sizeof(peer.address), "%s", entry->address);
    if (peer.has_tls_pin)
        memcpy(peer.tls_pin, entry->tls_pin.data, sizeof(peer.tls_pin));
    memcpy(peer.sealing_key, entry->sealing_key.data, sizeof(peer.sealing_key));
    memcpy(peer.identity_key, entry->identity_key.data, sizeof(peer.identity_key));
    *ret_peer = peer;
    return NULL;
}

/* What both have, though there can be only one of it: a node that was listed twice would count twice. */
static const char *shared(const Peer *a, const Peer *b)
{
    if (strcmp(a->name, b->name) == 0)
        return "peers.name";
    if (a->index == b->index)
        return "peers.index";
    if (a->has_tls_pin && b->has_tls_pin && memcmp(a->tls_pin, b->tls_pin, sizeof(a->tls_pin)) == 0)
        return "peers.tlsPin";
    if (memcmp(a->sealing_key, b->sealing_key, sizeof(a->sealing_key)) == 0)
        return "peers.sealingKey";
    return memcmp(a->identity_key, b->identity_key, sizeof(a->identity_key)) == 0 ? "peers.identityKey" : NULL;
}

/* Its place is by index. NULL; or what it shares with another. */
static const char *insert(Peers *peers, const Peer *peer)
{
    size_t at = peers->n;

    for (size_t i = 0; i < peers->n; i++) {
        const char *wrong = shared(&peers->items[i], peer);

        if (wrong)
            return wrong;
    }
    while (at > 0 && peers->items[at - 1].index > peer->index)
        at--;
    memmove(&peers->items[at + 1], &peers->items[at], (peers->n - at) * sizeof(*peer));
    peers->items[at] = *peer;
    peers->n++;
    return NULL;
}

const char *peers_read(const List *list, Peers *ret_peers)
{
    Peers peers = {0};

    for (size_t i = 0; i < list->count; i++) {
        Peer peer;
        const char *wrong = read_peer((const NodePeer *)list->items + i, &peer);

        if (!wrong)
            wrong = insert(&peers, &peer);
        if (wrong)
            return wrong;
    }
    *ret_peers = peers;
    return NULL;
}

static Bytes borrowed(const uint8_t *data, size_t size)
{
    return (Bytes){(uint8_t *)(uintptr_t)data, size};
}

void peers_view(const Peers *peers, NodePeer ret_entries[NODE_INDEX_MAX])
{
    for (size_t i = 0; i < peers->n; i++) {
        const Peer *peer = &peers->items[i];

        ret_entries[i] = (NodePeer){
            .name = (char *)(uintptr_t)peer->name,
            .index = peer->index,
            .address = (char *)(uintptr_t)peer->address,
            .tls_pin = borrowed(peer->tls_pin, peer->has_tls_pin ? sizeof(peer->tls_pin) : 0),
            .sealing_key = borrowed(peer->sealing_key, sizeof(peer->sealing_key)),
            .identity_key = borrowed(peer->identity_key, sizeof(peer->identity_key)),
        };
    }
}
