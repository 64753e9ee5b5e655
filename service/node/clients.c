#include "node/clients.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "base/file.h"
#include "base/node-config.h"
#include "node/callers.h"
#include "wire/base64.h"

/* ---- One client --------------------------------------------------------------------------------------------------------------- */

bool authorized_client_has_pin(const AuthorizedClient *client, const uint8_t pin[NODE_TLS_PIN_SIZE])
{
    for (size_t i = 0; i < client->n_pins; i++)
        if (memcmp(client->pins[i], pin, NODE_TLS_PIN_SIZE) == 0)
            return true;
    return false;
}

bool authorized_client_keeps(const AuthorizedClient *before, const AuthorizedClient *after)
{
    for (size_t i = 0; i < before->n_pins; i++)
        if (!authorized_client_has_pin(after, before->pins[i]))
            return false;
    return (before->permissions & ~after->permissions) == 0;
}

static bool read_pins(const List *pins, AuthorizedClient *client)
{
    for (size_t i = 0; i < pins->count; i++) {
        const Bytes *pin = &((const NodePin *)pins->items)[i].pin;

        if (authorized_client_has_pin(client, pin->data))
            return false;
        memcpy(client->pins[client->n_pins++], pin->data, NODE_TLS_PIN_SIZE);
    }
    return client->n_pins > 0;
}

static bool read_permissions(const List *permissions, AuthorizedClient *client)
{
    for (size_t i = 0; i < permissions->count; i++) {
        NodePermission permission = node_permission_from_name(((const NodeText *)permissions->items)[i].text);

        if (permission == NODE_PERMISSION_MAX)
            return false;
        client->permissions |= 1u << permission;
    }
    return true;
}

const char *authorized_client_read(const char *name, const List *tls_pins, const List *permissions, AuthorizedClient *ret_client)
{
    AuthorizedClient client = {0};

    if (!client_name_valid(name) || strcmp(name, LOCAL_CLIENT) == 0)
        return "name";
    (void)snprintf(client.name, sizeof(client.name), "%s", name);
    if (!read_pins(tls_pins, &client))
        return "tlsPins";
    if (!read_permissions(permissions, &client))
        return "permissions";
    *ret_client = client;
    return NULL;
}

void permissions_format(unsigned permissions, const char *between, char ret_text[PERMISSIONS_TEXT_SIZE])
{
    size_t used = 0;

    ret_text[0] = '\0';
    for (NodePermission permission = 0; permission < NODE_PERMISSION_MAX; permission++)
        if (permissions & 1u << permission)
            used += (size_t)snprintf(ret_text + used, PERMISSIONS_TEXT_SIZE - used, "%s%s", used > 0 ? between : "",
                                     node_permission_name(permission));
}

/* ---- The table ------------------------------------------------------------------------------------------------------------------ */

/* The position of the first client that is not before `name`. */
static size_t position(const Clients *clients, const char *name)
{
    size_t at = 0;

    while (at < clients->n && strcmp(clients->items[at].name, name) < 0)
        at++;
    return at;
}

const AuthorizedClient *clients_find(const Clients *clients, const char *name)
{
    size_t at = position(clients, name);

    return at < clients->n && strcmp(clients->items[at].name, name) == 0 ? &clients->items[at] : NULL;
}

static const char *find_other(const Clients *clients, const AuthorizedClient *client)
{
    for (size_t i = 0; i < clients->n; i++)
        for (size_t p = 0; p < client->n_pins; p++)
            if (strcmp(clients->items[i].name, client->name) != 0 && authorized_client_has_pin(&clients->items[i], client->pins[p]))
                return clients->items[i].name;
    return NULL;
}

int clients_put(Clients *clients, const AuthorizedClient *client, const char **ret_other)
{
    const char *other = find_other(clients, client);
    size_t at = position(clients, client->name);

    if (other) {
        *ret_other = other;
        return -EEXIST;
    }
    if (!clients_find(clients, client->name)) {
        if (clients->n == NODE_CLIENTS_MAX)
            return -ENOSPC;
        memmove(&clients->items[at + 1], &clients->items[at], (clients->n - at) * sizeof(clients->items[0]));
        clients->n++;
    }
    clients->items[at] = *client;
    return 0;
}

int clients_remove(Clients *clients, const char *name)
{
    size_t at = position(clients, name);

    if (!clients_find(clients, name))
        return -ENOENT;
    clients->n--;
    memmove(&clients->items[at], &clients->items[at + 1], (clients->n - at) * sizeof(clients->items[0]));
    return 0;
}

size_t permissions_view(unsigned permissions, NodeText ret_texts[NODE_PERMISSION_MAX])
{
    size_t n = 0;

    for (NodePermission permission = 0; permission < NODE_PERMISSION_MAX; permission++)
        if (permissions & 1u << permission)
            ret_texts[n++].text = (char *)(uintptr_t)node_permission_name(permission);
    return n;
}

void clients_view(const Clients *clients, ClientsView *ret_view)
{
    for (size_t i = 0; i < clients->n; i++) {
        const AuthorizedClient *client = &clients->items[i];

        for (size_t p = 0; p < client->n_pins; p++)
            ret_view->pins[i][p].pin = (Bytes){(uint8_t *)(uintptr_t)client->pins[p], NODE_TLS_PIN_SIZE};
        ret_view->entries[i] = (NodeClientEntry){
            .name = (char *)(uintptr_t)client->name,
            .tls_pins = {ret_view->pins[i], client->n_pins},
            .permissions = {ret_view->permissions[i], permissions_view(client->permissions, ret_view->permissions[i])},
        };
    }
}

/* ---- For the gate ----------------------------------------------------------------------------------------------------------------- */

#define LINE_SIZE_MAX (BASE64_SIZE(NODE_TLS_PIN_SIZE) + 1 + NODE_NAME_SIZE_MAX + 2) /* blank, newline, NUL */

typedef char Line[LINE_SIZE_MAX];

static int compare_lines(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* Returns their number. */
static size_t make_lines(const Clients *clients, Line *lines)
{
    size_t n = 0;

    for (size_t i = 0; i < clients->n; i++)
        for (size_t p = 0; p < clients->items[i].n_pins; p++) {
            char pin[BASE64_SIZE(NODE_TLS_PIN_SIZE) + 1] = ""; /* base64 comes without a NUL */

            base64_encode(clients->items[i].pins[p], NODE_TLS_PIN_SIZE, pin);
            (void)snprintf(lines[n++], LINE_SIZE_MAX, "%s %s\n", pin, clients->items[i].name);
        }
    if (n > 0)
        qsort(lines, n, LINE_SIZE_MAX, compare_lines);
    return n;
}

static int replace(const char *path, const char *text, size_t size)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');

    if (snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path + 1), path) >= (int)sizeof(folder))
        return -ENAMETOOLONG;

    _cleanup_close_ int directory = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return directory < 0 ? -errno : file_replace(directory, slash + 1, text, size, 0644);
}

int clients_publish(const Clients *clients, const char *path, Problem *problem)
{
    _cleanup_free_ Line *lines = calloc(NODE_CLIENTS_MAX * NODE_TLS_PINS_MAX, sizeof(*lines));
    _cleanup_free_ char *text = calloc(NODE_CLIENTS_MAX * NODE_TLS_PINS_MAX, sizeof(*lines));
    size_t n, used = 0;
    int r;

    if (!lines || !text)
        return problem_set(problem, -ENOMEM, "out of memory");
    n = make_lines(clients, lines);
    for (size_t i = 0; i < n; i++)
        used = (size_t)(stpcpy(text + used, lines[i]) - text);
    r = replace(path, text, used);
    return r < 0 ? problem_set(problem, r, "the gate's list of clients, %s, cannot be written: %s", path, strerror(-r)) : 0;
}
