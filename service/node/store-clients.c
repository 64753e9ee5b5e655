#include <errno.h>
#include <string.h>

#include "node/state-file.h"
#include "node/store-internal.h"

#define CLIENTS_FILE   "clients.json"
#define CLIENTS_FORMAT 1
#define PEERS_FILE     "peers.json"
#define PEERS_FORMAT   1

static const Layout pin_layout = {
    "pin",
    sizeof(NodePin),
    (const Field[]){{"pin", FIELD_BYTES, offsetof(NodePin, pin), NODE_TLS_PIN_SIZE, NODE_TLS_PIN_SIZE}, {NULL}},
};

static const Layout text_layout = {
    "text",
    sizeof(NodeText),
    (const Field[]){{"text", FIELD_STRING, offsetof(NodeText, text), 1, NODE_TEXT_SIZE_MAX}, {NULL}},
};

static const Layout client_layout = {
    "client",
    sizeof(NodeClientEntry),
    (const Field[]){
        {"name", FIELD_STRING, offsetof(NodeClientEntry, name), 1, NODE_NAME_SIZE_MAX},
        {"tlsPins", FIELD_VALUES, offsetof(NodeClientEntry, tls_pins), 1, NODE_TLS_PINS_MAX, &pin_layout},
        {"permissions", FIELD_VALUES, offsetof(NodeClientEntry, permissions), 0, NODE_PERMISSION_MAX, &text_layout},
        {NULL},
    },
};

static const Layout clients_layout = {
    "clients",
    sizeof(NodeClientsOutput),
    (const Field[]){
        {.name = "format", .type = FIELD_CONSTANT, .min = CLIENTS_FORMAT},
        {"clients", FIELD_LIST, offsetof(NodeClientsOutput, clients), 0, NODE_CLIENTS_MAX, &client_layout},
        {NULL},
    },
};

static const Layout peers_layout = {
    "peers",
    sizeof(NodePeers),
    (const Field[]){
        {.name = "format", .type = FIELD_CONSTANT, .min = PEERS_FORMAT},
        {"peers", FIELD_LIST, offsetof(NodePeers, peers), 0, NODE_INDEX_MAX, &node_peer},
        {NULL},
    },
};

static int contradicts(const char *file, const char *field, Problem *problem)
{
    return problem_set(problem, -EBADMSG, "%s contradicts itself (%s)", file, field);
}

static int take_clients(const List *entries, Clients *ret_clients, Problem *problem)
{
    Clients clients = {0};

    for (size_t i = 0; i < entries->count; i++) {
        const NodeClientEntry *entry = (const NodeClientEntry *)entries->items + i;
        AuthorizedClient client;
        const char *wrong = authorized_client_read(entry->name, &entry->tls_pins, &entry->permissions, &client);
        const char *other;

        if (!wrong && (clients_find(&clients, client.name) || clients_put(&clients, &client, &other) < 0))
            wrong = "two clients of one name or pin";
        if (wrong)
            return contradicts(CLIENTS_FILE, wrong, problem);
    }
    *ret_clients = clients;
    return 0;
}

int store_read_clients(const Store *store, Clients *ret_clients, Problem *problem)
{
    NodeClientsOutput content = {0};
    int r = state_file_read(store->directory, CLIENTS_FILE, &clients_layout, &content, problem);

    if (r == -ENOENT) {
        *ret_clients = (Clients){0};
        return 0;
    }
    if (r == 0)
        r = take_clients(&content.clients, ret_clients, problem);
    message_clear(&clients_layout, &content);
    return r < 0 ? problem_prefix(problem, r,
                                  "this node cannot know its clients; restore " CLIENTS_FILE
                                  " from a backup, or remove it and authorize the clients anew")
                 : 0;
}

int store_write_clients(Store *store, const Clients *clients, Problem *problem)
{
    ClientsView view;

    clients_view(clients, &view);

    const NodeClientsOutput content = {{view.entries, clients->n}};
    int r = store_wrote(store, state_file_write(store->directory, CLIENTS_FILE, 0600, &clients_layout, &content));

    return r < 0 ? problem_set(problem, r, CLIENTS_FILE " cannot be written: %s", store_write_fault(r)) : 0;
}

int store_read_peers(const Store *store, Peers *ret_peers, Problem *problem)
{
    NodePeers content = {0};
    int r = state_file_read(store->directory, PEERS_FILE, &peers_layout, &content, problem);

    if (r == -ENOENT) {
        *ret_peers = (Peers){0};
        return 0;
    }
    if (r == 0) {
        const char *wrong = peers_read(&content.peers, ret_peers);

        r = wrong ? contradicts(PEERS_FILE, wrong, problem) : 0;
    }
    message_clear(&peers_layout, &content);
    return r < 0 ? problem_prefix(problem, r,
                                  "this node cannot know the other nodes; restore " PEERS_FILE
                                  " from a backup, or remove it and make the nodes known anew")
                 : 0;
}

int store_write_peers(Store *store, const Peers *peers, Problem *problem)
{
    NodePeer entries[NODE_INDEX_MAX];

    peers_view(peers, entries);

    const NodePeers content = {{entries, peers->n}};
    int r = store_wrote(store, state_file_write(store->directory, PEERS_FILE, 0600, &peers_layout, &content));

    return r < 0 ? problem_set(problem, r, PEERS_FILE " cannot be written: %s", store_write_fault(r)) : 0;
}
