#include <errno.h>
#include <string.h>

#include "base/journal.h"
#include "node/ops.h"
#include "wire/base64.h"

#define CONNECTIONS_PER_CLIENT_MAX 256

/* ---- AnnounceClient ------------------------------------------------------------------------------------------------------- */

/* NULL; or why the gate's word is not taken. */
static const char *refuse_announced(const Node *node, const NodeAnnounceInput *input, const AuthorizedClient *known)
{
    if (!known)
        return "no client of that name is authorized";
    if (input->tls_pin.size > 0 && !authorized_client_has_pin(known, input->tls_pin.data))
        return "the client's TLS pin is not authorized";
    return callers_count(node, known->name) < CONNECTIONS_PER_CLIENT_MAX ? NULL : "the client has too many connections";
}

/* Nobody can say by a name of his own how much is logged. */
static int refuse_connection(const Node *node, const char *name, bool known, const char *reason)
{
    if (repeats_first(node->repeats, known ? name : "", "AnnounceClient", reason))
        journal_event(EVENT_CONNECTION_REFUSED, (JournalFields){[JOURNAL_CLIENT] = name, [JOURNAL_REASON] = reason},
                      "connection of client %s refused: %s", name, reason);
    return -EACCES;
}

/* The pin is compared again, since the gate may have looked it up just before it was withdrawn. */
int op_announce_client(Node *node, ServerCall *call, Client *client, const void *parameters)
{
    const NodeAnnounceInput *input = parameters;
    const AuthorizedClient *known = clients_find(&node->clients, input->name);
    const char *reason;

    if (client->door != DOOR_GATE || client->name[0] != '\0')
        return op_fail(call, NODE_ERROR_PERMISSION_DENIED, "who a caller is, the gate says, once, as the first thing");
    reason = refuse_announced(node, input, known);
    if (reason)
        return refuse_connection(node, input->name, known, reason);
    (void)snprintf(client->name, sizeof(client->name), "%s", known->name);
    client->permissions = known->permissions;
    if (repeats_first(node->repeats, client->name, "AnnounceClient", "done"))
        journal_event(EVENT_CLIENT_ANNOUNCED, (JournalFields){[JOURNAL_CLIENT] = client->name}, "the gate brings client %s", client->name);
    return server_call_reply(call, NULL);
}

/* ---- Changes of the table: begin() makes the new one, work() stores and publishes it, done() adopts it ----------------------- */

typedef struct ClientsChange {
    Change change;
    AuthorizedClient client; /* the one that is authorized; else only its name */
    Clients clients;         /* as they will be */
    bool stored, published;
} ClientsChange;

static void work_clients(Change *change)
{
    ClientsChange *clients_change = (ClientsChange *)change;
    const Node *node = change->node;
    Problem problem = PROBLEM_INIT;
    int r = store_write_clients(node->store, &clients_change->clients, &problem);

    clients_change->stored = r == 0;
    if (r == 0 && node->config.clients)
        r = clients_publish(&clients_change->clients, node->config.clients, &problem);
    clients_change->published = r == 0;
    if (r < 0)
        (void)outcome_set(&change->outcome, NODE_ERROR_UNAVAILABLE, "%s%s", clients_change->stored ? "stored, but " : "", problem.text);
}

/* Whoever has lost something is cut off, and may come back with what is left. */
static void enforce(Node *node, const AuthorizedClient *before, const AuthorizedClient *after)
{
    if (!after || !authorized_client_keeps(before, after))
        callers_close(node, before->name);
    else
        callers_permit(node, after->name, after->permissions);
}

static void adopt_clients(Change *change)
{
    const ClientsChange *clients_change = (ClientsChange *)change;
    Node *node = change->node;
    const AuthorizedClient *before = clients_find(&node->clients, clients_change->client.name);

    if (!clients_change->stored)
        return;
    if (before)
        enforce(node, before, clients_find(&clients_change->clients, before->name));
    node->clients = clients_change->clients;
    node->unpublished = !clients_change->published;
}

/* ---- AuthorizeClient ------------------------------------------------------------------------------------------------------------ */

static bool begin_authorize(Change *change)
{
    ClientsChange *clients_change = (ClientsChange *)change;
    const char *other;
    int r;

    clients_change->clients = change->node->clients;
    r = clients_put(&clients_change->clients, &clients_change->client, &other);
    if (r == -EEXIST)
        return outcome_set(&change->outcome, NODE_ERROR_REJECTED, "this TLS pin is client %s's: two clients cannot share one", other);
    if (r < 0)
        return outcome_set(&change->outcome, NODE_ERROR_UNAVAILABLE, "this node has %d clients, as many as it can", NODE_CLIENTS_MAX);
    return true;
}

static void log_authorized(const AuthorizedClient *client)
{
    char permissions[PERMISSIONS_TEXT_SIZE], pins[NODE_TLS_PINS_MAX * (BASE64_SIZE(NODE_TLS_PIN_SIZE) + 1) + 1];
    size_t used = 0;

    permissions_format(client->permissions, ", ", permissions);
    for (size_t i = 0; i < client->n_pins; i++) {
        if (i > 0)
            pins[used++] = ' ';
        base64_encode(client->pins[i], NODE_TLS_PIN_SIZE, pins + used);
        used += BASE64_SIZE(NODE_TLS_PIN_SIZE);
    }
    pins[used] = '\0';
    journal_event(EVENT_CLIENT_AUTHORIZED,
                  (JournalFields){[JOURNAL_CLIENT] = client->name, [JOURNAL_PIN] = pins, [JOURNAL_PERMISSIONS] = permissions},
                  "client %s is authorized: %s", client->name, *permissions ? permissions : "nothing");
}

static void done_authorize(Change *change)
{
    adopt_clients(change);
    if (((ClientsChange *)change)->stored)
        log_authorized(&((ClientsChange *)change)->client);
}

static const ChangeClass authorize_client = {
    .what = "authorizes a client", .begin = begin_authorize, .work = work_clients, .done = done_authorize, .quiet = true};

static int submit(const ChangeClass *class, Node *node, ServerCall *call, Client *client, const void *parameters,
                  const AuthorizedClient *subject)
{
    ClientsChange *change = change_new(sizeof(*change), class, node, call, client, parameters);

    if (!change)
        return -ENOMEM;
    change->client = *subject;
    lane_submit(node->pin_lane, &change->change);
    return 0;
}

int op_authorize_client(Node *node, ServerCall *call, Client *client, const void *parameters)
{
    const NodeAuthorizeInput *input = parameters;
    AuthorizedClient subject;
    const char *wrong = authorized_client_read(input->name, &input->tls_pins, &input->permissions, &subject);

    return wrong ? server_call_invalid(call, wrong) : submit(&authorize_client, node, call, client, parameters, &subject);
}

/* ---- DeauthorizeClient ------------------------------------------------------------------------------------------------------------ */

/* Of a client that is not there any more the gate may still have to be told. */
static bool begin_deauthorize(Change *change)
{
    ClientsChange *clients_change = (ClientsChange *)change;

    clients_change->clients = change->node->clients;
    if (clients_remove(&clients_change->clients, clients_change->client.name) < 0 && !change->node->unpublished)
        return outcome_set(&change->outcome, NODE_ERROR_UNKNOWN_CLIENT, "this node knows no client %s", clients_change->client.name);
    return true;
}

static void done_deauthorize(Change *change)
{
    const char *name = ((ClientsChange *)change)->client.name;
    const bool known = clients_find(&change->node->clients, name);

    adopt_clients(change);
    if (((ClientsChange *)change)->stored && known)
        journal_event(EVENT_CLIENT_DEAUTHORIZED, (JournalFields){[JOURNAL_CLIENT] = name}, "client %s is not authorized any more", name);
}

static const ChangeClass deauthorize_client = {.what = "withdraws a client's authorization",
                                               .begin = begin_deauthorize,
                                               .work = work_clients,
                                               .done = done_deauthorize,
                                               .quiet = true};

int op_deauthorize_client(Node *node, ServerCall *call, Client *client, const void *parameters)
{
    const NodeNameInput *input = parameters;
    AuthorizedClient subject = {0};

    (void)snprintf(subject.name, sizeof(subject.name), "%s", input->name);
    return submit(&deauthorize_client, node, call, client, parameters, &subject);
}

/* ---- ListClients --------------------------------------------------------------------------------------------------------------------- */

int op_list_clients(Node *node, ServerCall *call, Client *client, const void *parameters)
{
    const Clients *clients = &node->clients;
    ClientsView view;

    clients_view(clients, &view);
    for (size_t i = 0; i < clients->n; i++)
        view.entries[i].connections = callers_count(node, clients->items[i].name);

    const NodeClientsOutput output = {{view.entries, clients->n}};

    return server_call_reply(call, &output);
}

/* ---- SetPeers, ListPeers ---------------------------------------------------------------------------------------------------------- */

typedef struct PeersChange {
    Change change;
    Peers peers;
} PeersChange;

static bool begin_set_peers(Change *change)
{
    return true;
}

static void work_set_peers(Change *change)
{
    Problem problem = PROBLEM_INIT;

    if (store_write_peers(change->node->store, &((PeersChange *)change)->peers, &problem) < 0)
        (void)outcome_set(&change->outcome, NODE_ERROR_UNAVAILABLE, "%s", problem.text);
}

static void done_set_peers(Change *change)
{
    Node *node = change->node;

    if (change->outcome.error != NODE_ERROR_NONE)
        return;
    node->peers = ((PeersChange *)change)->peers;
    if (approvals_clear(&node->approvals, lock_now()) > 0)
        journal_log(LOG_NOTICE, "what was approved here is approved no more: it was for other nodes, maybe");
}

static const ChangeClass set_peers = {.what = "makes other nodes known",
                                      .event = EVENT_PEERS_CHANGED,
                                      .begin = begin_set_peers,
                                      .work = work_set_peers,
                                      .done = done_set_peers};

int op_set_peers(Node *node, ServerCall *call, Client *client, const void *parameters)
{
    const NodePeers *input = parameters;
    Peers peers;
    const char *wrong = peers_read(&input->peers, &peers);

    if (wrong)
        return server_call_invalid(call, wrong);

    PeersChange *change = change_new(sizeof(*change), &set_peers, node, call, client, parameters);

    if (!change)
        return -ENOMEM;
    change->peers = peers;
    lane_submit(node->pin_lane, &change->change);
    return 0;
}

int op_list_peers(Node *node, ServerCall *call, Client *client, const void *parameters)
{
    NodePeer entries[NODE_INDEX_MAX];

    peers_view(&node->peers, entries);

    const NodePeers output = {{entries, node->peers.n}};

    return server_call_reply(call, &output);
}
