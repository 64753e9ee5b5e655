#include "node/callers.h"

#include <string.h>

#include "node/node.h"

#define LOCAL_MAX          1024
#define LOCAL_PER_USER_MAX 256 /* as many as one signer's process has to a node at the most */
#define GATE_MAX           2048
#define BUS_MAX            (2 * BUS_CALLS_MAX) /* some of them are just being closed */
#define IDLE               (10 * 60 * MICROSECONDS_PER_SECOND)
#define GATE_IDLE          (20 * 60 * MICROSECONDS_PER_SECOND) /* the gate's own limit comes first */

typedef struct DoorRow {
    const char *socket; /* FileDescriptorName=; NULL: no socket is passed in for it */
    ServerLimits limits;
} DoorRow;

/* The gate is one user: how many connections each of its clients may have is for AnnounceClient to say. */
static const DoorRow doors[DOOR_MAX] = {
    [DOOR_LOCAL] = {"local", {LOCAL_MAX, LOCAL_PER_USER_MAX, IDLE}},
    [DOOR_GATE] = {"gate", {GATE_MAX, GATE_MAX, GATE_IDLE}},
    [DOOR_BUS] = {NULL, {BUS_MAX, BUS_MAX, MICROSECONDS_FOREVER}},
};

Door door_from_name(const char *name)
{
    Door door = 0;

    while (door < DOOR_MAX && !(doors[door].socket && strcmp(doors[door].socket, name) == 0))
        door++;
    return door;
}

void *door_listener(Door door)
{
    return (void *)(uintptr_t)&doors[door];
}

static Door door_of(const void *listener)
{
    return (Door)((const DoorRow *)listener - doors);
}

Client *client_ref(Client *client)
{
    client->references++;
    return client;
}

Client *client_unref(Client *client)
{
    if (client && --client->references == 0)
        free(client);
    return NULL;
}

/* ---- Coming and going ------------------------------------------------------------------------------------------------------ */

static void enter(Node *node, Client *client)
{
    client->next = node->callers;
    if (client->next)
        client->next->previous = client;
    node->callers = client;
}

static void leave(Node *node, Client *client)
{
    if (client->next)
        client->next->previous = client->previous;
    if (client->previous)
        client->previous->next = client->next;
    else
        node->callers = client->next;
    client->previous = client->next = NULL;
}

/* Without memory for a state, the connection gets no answers. */
void *callers_connected(void *userdata, ServerConnection *connection, void *listener)
{
    Client *client = calloc(1, sizeof(*client));

    if (!client)
        return NULL;
    *client = (Client){.references = 1, .door = door_of(listener), .connection = connection};
    client->hello = client->logged_in = client->door == DOOR_BUS;
    if (client->door != DOOR_GATE) {
        (void)strcpy(client->name, LOCAL_CLIENT);
        client->permissions = NODE_PERMISSIONS_ALL;
    }
    enter(userdata, client);
    return client;
}

void callers_disconnected(void *userdata, void *state)
{
    Client *client = state;

    if (!client)
        return;
    leave(userdata, client);
    nonces_forget_client(client);
    client->connection = NULL;
    (void)client_unref(client);
}

bool callers_admits(void *userdata, void *state, const char *method)
{
    const Client *client = state;

    return client && (client->name[0] != '\0' || (method && strcmp(method, NODE_METHOD("AnnounceClient")) == 0));
}

const ServerLimits *callers_limits(void *userdata, void *listener)
{
    return &doors[door_of(listener)].limits;
}

/* ---- All of one name ----------------------------------------------------------------------------------------------------------- */

static bool is_of(const Client *client, const char *name)
{
    return client->door == DOOR_GATE && !client->withdrawn && strcmp(client->name, name) == 0;
}

unsigned callers_count(const Node *node, const char *name)
{
    unsigned n = 0;

    for (const Client *client = node->callers; client; client = client->next)
        n += is_of(client, name);
    return n;
}

bool client_withdrawn(const Client *client, Outcome *outcome)
{
    if (client->withdrawn)
        (void)outcome_set(outcome, NODE_ERROR_PERMISSION_DENIED, "the authorization of client %s was withdrawn meanwhile", client->name);
    return client->withdrawn;
}

void callers_close(Node *node, const char *name)
{
    for (Client *client = node->callers; client; client = client->next) {
        if (!is_of(client, name))
            continue;
        client->withdrawn = true;
        server_connection_close(client->connection);
    }
}

void callers_permit(Node *node, const char *name, unsigned permissions)
{
    for (Client *client = node->callers; client; client = client->next)
        if (is_of(client, name))
            client->permissions = permissions;
}
