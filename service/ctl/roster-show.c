#include "ctl/document.h"
#include "ctl/session.h"
#include "ctl/terminal.h"

static Document *node_document(const NodeCard *card, unsigned index)
{
    Document *node = document_new();
    char fingerprint[40];

    card_fingerprint(card, fingerprint);
    document_text(node, "name", card->name);
    document_number(node, "index", index);
    document_text(node, "address", card->address);
    document_text(node, "fingerprint", fingerprint);
    document_hex(node, "tlsPin", card->tls_pin, sizeof(card->tls_pin));
    document_hex(node, "sealingKey", card->sealing_key, sizeof(card->sealing_key));
    document_hex(node, "identityKey", card->identity_key, sizeof(card->identity_key));
    return node;
}

static void print_document(const Roster *roster)
{
    Document *document = document_new(), *nodes = document_list();

    document_text(document, "label", roster->label);
    document_hex(document, "id", roster->token, sizeof(roster->token));
    document_text(document, "client", roster->client);
    document_number(document, "threshold", roster->k);
    for (unsigned i = 0; i < roster->n; i++)
        document_append(nodes, node_document(&roster->nodes[i], i + 1));
    document_add(document, "nodes", nodes);
    document_print(document);
}

static void print_text(const Roster *roster)
{
    char id[2 * TOKEN_ID_SIZE + 1], fingerprint[40];

    hex_encode(roster->token, sizeof(roster->token), id);
    printf("Token      ");
    terminal_print(roster->label, 0);
    printf("\nId         %s\nThreshold  any %u of %u nodes sign\nClient     %s\n\n", id, roster->k, roster->n, roster->client);
    for (unsigned i = 0; i < roster->n; i++) {
        card_fingerprint(&roster->nodes[i], fingerprint);
        printf("%2u  %-16s %s  %s\n", i + 1, roster->nodes[i].name, fingerprint, roster->nodes[i].address);
    }
}

int verb_roster_show(const Call *call, Problem *problem)
{
    _cleanup_(roster_freep) Roster *roster = NULL;
    int r = session_roster(call, &roster, problem);

    if (r != 0)
        return r;
    if (call->options[OPTION_JSON])
        print_document(roster);
    else
        print_text(roster);
    return 0;
}
