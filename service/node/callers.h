/*
 * Callers: who is at the other end of each connection, through which door it came, and what it may do. With the floor only (crew.h), except
 * where it says so.
 */
#pragma once

#include <stdbool.h>

#include "node/nonces.h"
#include "wire/node-interface.h"
#include "wire/server.h"

typedef struct Node Node;
struct Outcome;

typedef enum Door {
    DOOR_LOCAL, /* the socket for this host: the client "local", with every permission */
    DOOR_GATE,  /* the gate's socket: a client of another host, as the gate announces it; nothing is answered before that */
    DOOR_BUS,   /* D-Bus callers, through a socket pair of the node's own: "local" again, as if it had said Hello and logged in */
    DOOR_MAX,
} Door;

#define LOCAL_CLIENT "local"

/* A caller. Counted: a change may outlive its connection. */
typedef struct Client {
    unsigned references;
    Door door;
    char name[NODE_NAME_SIZE_MAX + 1]; /* empty: not announced yet */
    unsigned permissions;              /* bit mask of NodePermission */
    bool withdrawn;                    /* closed by callers_close(): what it has asked for and nobody has begun yet is refused */
    bool hello, logged_in;
    bool has_nonce;
    uint8_t nonce[NODE_NONCE_SIZE]; /* of the login */
    NonceStock nonces;              /* of signatures */
    ServerConnection *connection;   /* NULL: it is gone */
    struct Client *previous, *next; /* of the node's callers */
} Client;

Client *client_ref(Client *client);
Client *client_unref(Client *client);
DEFINE_CLEANUP(Client, client_unref)

/* As the FileDescriptorName= of a socket says; DOOR_MAX: there is none of that name, or it has no socket. Any thread. */
Door door_from_name(const char *name);
/* What server_listen() or server_add() gets for connections through that door. Any thread. */
void *door_listener(Door door);

/* For ServerOptions; `userdata` is the node. */
void *callers_connected(void *userdata, ServerConnection *connection, void *listener);
void callers_disconnected(void *userdata, void *state);
bool callers_admits(void *userdata, void *state, const char *method);
const ServerLimits *callers_limits(void *userdata, void *listener);

/* Connections of an announced client. */
unsigned callers_count(const Node *node, const char *name);
/* Has it been closed by callers_close()? Then the outcome says that its authorization was withdrawn. */
bool client_withdrawn(const Client *client, struct Outcome *outcome);
/* Close all of them: what they asked for is answered no more, and what has not been begun is not done. */
void callers_close(Node *node, const char *name);
/* They may do this from now on. */
void callers_permit(Node *node, const char *name, unsigned permissions);
