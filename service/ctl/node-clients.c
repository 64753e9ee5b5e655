#include <inttypes.h>
#include <string.h>

#include "ctl/document.h"
#include "ctl/local.h"
#include "ctl/permissions.h"
#include "ctl/terminal.h"
#include "wire/tls.h"

/* ---- Text ---- */

static void print_permissions(const NodeClientEntry *client)
{
    const NodeText *names = client->permissions.items;
    char text[128] = "";

    for (size_t i = 0, used = 0; i < client->permissions.count && used < sizeof(text); i++)
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s", i > 0 ? "," : "", names[i].text);
    terminal_print(text, 34);
}

static void print_client(const NodeClientEntry *client)
{
    const NodePin *pins = client->tls_pins.items;
    char pin[TLS_PIN_TEXT_SIZE];

    terminal_print(client->name, 24);
    putchar(' ');
    print_permissions(client);
    printf(" %11" PRIu64, client->connections);
    for (size_t i = 0; i < client->tls_pins.count; i++) {
        tls_pin_format(pins[i].pin.data, pin);
        printf("  %s", pin);
    }
    putchar('\n');
}

static void print_text(const NodeClientEntry *clients, size_t n)
{
    if (n == 0) {
        fprintf(stderr, "No client is authorized; 'kqctl node authorize CARD' does that.\n");
        return;
    }
    printf("%-24s %-34s %11s  %s\n", "CLIENT", "MAY", "CONNECTIONS", "TLS PIN");
    for (size_t i = 0; i < n; i++)
        print_client(&clients[i]);
}

/* ---- JSON ---- */

static Document *client_document(const NodeClientEntry *client)
{
    Document *document = document_new(), *pins = document_list(), *permissions = document_list();
    const NodePin *pin = client->tls_pins.items;
    const NodeText *permission = client->permissions.items;
    char text[2 * NODE_TLS_PIN_SIZE + 1];

    for (size_t i = 0; i < client->tls_pins.count; i++) {
        hex_encode(pin[i].pin.data, pin[i].pin.size, text);
        document_append_text(pins, text);
    }
    for (size_t i = 0; i < client->permissions.count; i++)
        document_append_text(permissions, permission[i].text);
    document_text(document, "name", client->name);
    document_add(document, "tlsPins", pins);
    document_add(document, "permissions", permissions);
    document_number(document, "connections", client->connections);
    return document;
}

static void print_document(const NodeClientEntry *clients, size_t n)
{
    Document *list = document_list();

    for (size_t i = 0; i < n; i++)
        document_append(list, client_document(&clients[i]));
    document_print(list);
}

int verb_node_clients(const Call *call, Problem *problem)
{
    _cleanup_local_ LocalNode node = {0};
    NodeClientsOutput output;
    int r = local_open(call, &node, problem);

    if (r == 0)
        r = local_call(&node, NODE_METHOD("ListClients"), &node_no_parameters, NULL, &node_clients_output, &output, problem);
    if (r != 0)
        return r;
    if (call->options[OPTION_JSON])
        print_document(output.clients.items, output.clients.count);
    else
        print_text(output.clients.items, output.clients.count);
    message_clear(&node_clients_output, &output);
    return 0;
}
