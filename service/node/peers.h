/* The other nodes of the token as their cards say: what an operator on this host has compared. Ascending by index. */
#pragma once

#include "wire/node-interface.h"

typedef struct Peer {
    char name[NODE_NAME_SIZE_MAX + 1];
    unsigned index;
    char address[NODE_ADDRESS_SIZE_MAX + 1];
    bool has_tls_pin;
    uint8_t tls_pin[NODE_TLS_PIN_SIZE];
    uint8_t sealing_key[NODE_PUBLIC_KEY_SIZE], identity_key[NODE_PUBLIC_KEY_SIZE];
} Peer;

typedef struct Peers {
    Peer items[NODE_INDEX_MAX];
    size_t n;
} Peers;

/* From a list of NodePeer: names, indices, pins and keys are of one each, and whoever has a TLS address has a pin. NULL; or the name of the
 * member that is wrong. */
const char *peers_read(const List *peers, Peers *ret_peers);

/* The same as messages, which borrow from the table. */
void peers_view(const Peers *peers, NodePeer ret_entries[NODE_INDEX_MAX]);
