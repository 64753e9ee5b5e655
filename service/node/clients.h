/* The clients of other hosts that are authorized at this node: names, pins of their TLS keys, permissions. Ascending by name. Any thread
 * may compute with a table of its own. */
#pragma once

#include "base/problem.h"
#include "wire/node-interface.h"

typedef struct AuthorizedClient {
    char name[NODE_NAME_SIZE_MAX + 1];
    uint8_t pins[NODE_TLS_PINS_MAX][NODE_TLS_PIN_SIZE];
    size_t n_pins;
    unsigned permissions; /* bit mask of NodePermission */
} AuthorizedClient;

typedef struct Clients {
    AuthorizedClient items[NODE_CLIENTS_MAX];
    size_t n;
} Clients;

/* From the members of a message. NULL; or the name of the member that is wrong. */
const char *authorized_client_read(const char *name, const List *tls_pins, const List *permissions, AuthorizedClient *ret_client);

const AuthorizedClient *clients_find(const Clients *clients, const char *name);
bool authorized_client_has_pin(const AuthorizedClient *client, const uint8_t pin[NODE_TLS_PIN_SIZE]);
/* Is all that `before` could do and prove still so in `after`? */
bool authorized_client_keeps(const AuthorizedClient *before, const AuthorizedClient *after);
/* Add it, or replace the one of that name. Errors: -EEXIST another client has one of these pins, its name is in *ret_other; -ENOSPC
 * NODE_CLIENTS_MAX is reached. */
int clients_put(Clients *clients, const AuthorizedClient *client, const char **ret_other) _must_check_;
/* Errors: -ENOENT. */
int clients_remove(Clients *clients, const char *name) _must_check_;

/* The same as messages, without `connections`. The entries borrow from the view and from the table. */
typedef struct ClientsView {
    NodeClientEntry entries[NODE_CLIENTS_MAX];
    NodePin pins[NODE_CLIENTS_MAX][NODE_TLS_PINS_MAX];
    NodeText permissions[NODE_CLIENTS_MAX][NODE_PERMISSION_MAX];
} ClientsView;

void clients_view(const Clients *clients, ClientsView *ret_view);

/* The permissions as a list of texts, which are not to be released; returns their number. */
size_t permissions_view(unsigned permissions, NodeText ret_texts[NODE_PERMISSION_MAX]);
/* "list, sign" */
#define PERMISSIONS_TEXT_SIZE 64
void permissions_format(unsigned permissions, const char *between, char ret_text[PERMISSIONS_TEXT_SIZE]);

/* For the gate: replace the file at `path` by a line "PIN NAME" for each pin (base64), in ascending order, readable for everyone.
 * Errors: -errno; the problem names the file. */
int clients_publish(const Clients *clients, const char *path, Problem *problem) _must_check_;
