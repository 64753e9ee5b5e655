#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "ctl/authorize.h"
#include "ctl/cards.h"
#include "ctl/permissions.h"
#include "ctl/terminal.h"

/* ---- node authorize ---- */

typedef struct Taken {
    ClientCard card;
    unsigned n;
} Taken;

static int take_card(void *userdata, const char *text, Problem *problem)
{
    Taken *taken = userdata;

    if (taken->n++ > 0)
        return problem_set(problem, CTL_E_USAGE, "there is more than one card: authorize one client at a time");
    return client_card_parse(text, &taken->card, problem);
}

int authorize_read_card(const char *argument, ClientCard *ret_card, Problem *problem)
{
    static const CardReader reader = {CARD_START_CLIENT, take_card};
    Taken taken = {0};
    int r = cards_read(&reader, &taken, argument, problem);

    if (r == 0)
        *ret_card = taken.card;
    return r;
}

int authorize_permissions(const Call *call, unsigned *ret_permissions, Problem *problem)
{
    const char *list = call->options[OPTION_ALLOW];

    return permissions_parse(list ? list : PERMISSIONS_DEFAULT, ret_permissions, problem);
}

int authorize(LocalNode *node, const ClientCard *card, unsigned permissions, Problem *problem)
{
    NodeText names[NODE_PERMISSION_MAX];
    NodePin pins[NODE_TLS_PINS_MAX];
    char text[PERMISSIONS_TEXT_SIZE], fingerprint[40];
    NodeAuthorizeInput input = {
        .name = (char *)(uintptr_t)card->name,
        .tls_pins = {pins, card->n_pins},
        .permissions = {names, permissions_list(permissions, names)},
    };

    for (unsigned i = 0; i < card->n_pins; i++)
        pins[i].pin = (Bytes){(uint8_t *)(uintptr_t)card->pins[i], sizeof(card->pins[i])};

    int r = local_call(node, NODE_METHOD("AuthorizeClient"), &node_authorize_input, &input, NULL, NULL, problem);

    if (r != 0)
        return r;
    permissions_format(permissions, text);
    client_card_fingerprint(card, fingerprint);
    fprintf(stderr, "Client %s may %s at node %s. Compare its fingerprint with the one that 'kqctl client card' prints there:\n  %s\n",
            card->name, text, node->config.name, fingerprint);
    return 0;
}

static bool has_pin(const ClientCard *card, const Bytes *pin)
{
    for (unsigned i = 0; i < card->n_pins; i++)
        if (pin->size == sizeof(card->pins[i]) && memcmp(card->pins[i], pin->data, pin->size) == 0)
            return true;
    return false;
}

/* Does the client that has the name already go on with a key it has? */
static bool is_same_client(const NodeClientEntry *known, const ClientCard *card)
{
    const NodePin *pins = known->tls_pins.items;

    for (size_t i = 0; i < known->tls_pins.count; i++)
        if (has_pin(card, &pins[i].pin))
            return true;
    return false;
}

static void fingerprint_of(const NodeClientEntry *known, char ret_text[40])
{
    const NodePin *pins = known->tls_pins.items;
    ClientCard card = {0};

    (void)snprintf(card.name, sizeof(card.name), "%s", known->name);
    for (size_t i = 0; i < known->tls_pins.count && card.n_pins < CLIENT_PINS_MAX; i++)
        if (pins[i].pin.size == sizeof(card.pins[0]))
            memcpy(card.pins[card.n_pins++], pins[i].pin.data, sizeof(card.pins[0]));
    client_card_fingerprint(&card, ret_text);
}

static int confirm(const Call *call, const LocalNode *node, const NodeClientEntry *known, const ClientCard *card, Problem *problem)
{
    char warning[512], before[40], after[40];

    if (is_same_client(known, card))
        return 0;
    fingerprint_of(known, before);
    client_card_fingerprint(card, after);
    (void)snprintf(warning, sizeof(warning),
                   "Node %s knows a client %s already, with another key, which is locked out if this one takes its place. Fingerprint of "
                   "the client that is known: %s; of this card: %s",
                   node->config.name, card->name, before, after);
    return terminal_confirm(call, warning, problem);
}

/* Names are the operator's, keys are the clients': another client of the same name is not put out by mistake. */
static int confirm_replacement(const Call *call, LocalNode *node, const ClientCard *card, Problem *problem)
{
    NodeClientsOutput output;
    int r = local_call(node, NODE_METHOD("ListClients"), &node_no_parameters, NULL, &node_clients_output, &output, problem);

    if (r != 0)
        return r;

    const NodeClientEntry *known = output.clients.items;

    for (size_t i = 0; i < output.clients.count && r == 0; i++)
        if (strcmp(known[i].name, card->name) == 0)
            r = confirm(call, node, &known[i], card, problem);
    message_clear(&node_clients_output, &output);
    return r;
}

int verb_node_authorize(const Call *call, Problem *problem)
{
    _cleanup_local_ LocalNode node = {0};
    ClientCard card;
    unsigned permissions;
    int r = authorize_permissions(call, &permissions, problem);

    if (r == 0)
        r = authorize_read_card(call->arguments[0], &card, problem);
    if (r == 0)
        r = local_open(call, &node, problem);
    if (r == 0)
        r = confirm_replacement(call, &node, &card, problem);
    return r != 0 ? r : authorize(&node, &card, permissions, problem);
}

/* ---- node deauthorize ---- */

int verb_node_deauthorize(const Call *call, Problem *problem)
{
    _cleanup_local_ LocalNode node = {0};
    const NodeNameInput input = {.name = call->arguments[0]};
    int r = local_open(call, &node, problem);

    if (r == 0)
        r = local_call(&node, NODE_METHOD("DeauthorizeClient"), &node_name_input, &input, NULL, NULL, problem);
    if (r == 0)
        fprintf(stderr, "Client %s may do nothing at node %s any more; its connections are closed.\n", input.name, node.config.name);
    return r;
}
