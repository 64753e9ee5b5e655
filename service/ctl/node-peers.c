/* Nodes pin each other: each is told on its own host who the others are. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "ctl/cards.h"
#include "ctl/document.h"
#include "ctl/local.h"
#include "ctl/peers.h"
#include "ctl/terminal.h"

/* ---- Which cards ---- */

/* The cards of all nodes of a token, in the order of their indices. */
typedef struct Deck {
    NodeCard cards[THRESHOLD_NODES_MAX];
    unsigned n;
} Deck;

static void deck_clear(Deck *deck)
{
    for (unsigned i = 0; i < deck->n; i++)
        card_clear(&deck->cards[i]);
}

static int take_card(void *userdata, const char *text, Problem *problem)
{
    Deck *deck = userdata;
    NodeCard card;
    int r = card_parse(text, &card, problem);

    if (r != 0)
        return r;
    for (unsigned i = 0; i < deck->n && r == 0; i++)
        if (strcmp(deck->cards[i].name, card.name) == 0)
            r = problem_set(problem, -EINVAL, "there are two cards of node %s", card.name);
    if (r == 0 && deck->n == THRESHOLD_NODES_MAX)
        r = problem_set(problem, -E2BIG, "node %s is one too many: a token has at most %d nodes", card.name, THRESHOLD_NODES_MAX);
    if (r == 0)
        deck->cards[deck->n++] = card;
    else
        card_clear(&card);
    return r;
}

static int read_deck(const Call *call, Deck *deck, Problem *problem)
{
    static const CardReader reader = {CARD_START_NODE, take_card};
    int r = 0;

    for (size_t i = 0; r == 0 && i < call->n_arguments; i++)
        r = cards_read(&reader, deck, call->arguments[i], problem);
    return r;
}

static bool has_keys(const NodeStatusOutput *status, const NodeCard *card)
{
    return status->sealing_key.size == sizeof(card->sealing_key) && status->identity_key.size == sizeof(card->identity_key) &&
           memcmp(status->sealing_key.data, card->sealing_key, sizeof(card->sealing_key)) == 0 &&
           memcmp(status->identity_key.data, card->identity_key, sizeof(card->identity_key)) == 0;
}

/* The node's own place among the cards: it says which indices the others have, and shows that these cards are of its token. */
static int find_own(const LocalNode *node, const NodeStatusOutput *status, const Deck *deck, unsigned *ret_own, Problem *problem)
{
    for (unsigned i = 0; i < deck->n; i++) {
        if (strcmp(deck->cards[i].name, node->config.name) != 0)
            continue;
        if (!has_keys(status, &deck->cards[i]))
            return problem_set(problem, -EINVAL, "the card of %s among these is not this node's: 'kqctl node card' prints the right one",
                               node->config.name);
        if (status->initialized && status->index != i + 1)
            return problem_set(problem, -EINVAL,
                               "the card of %s is number %u, but the node has index %" PRIu64 ": give the cards in the roster's order",
                               node->config.name, i + 1, status->index);
        if (status->initialized && status->n != deck->n)
            return problem_set(problem, -EINVAL, "there are %u cards, but the node's token has %" PRIu64 " nodes: give the cards of all",
                               deck->n, status->n);
        *ret_own = i;
        return 0;
    }
    return problem_set(problem, -EINVAL,
                       "the card of %s itself is missing: give the cards of all nodes of the token, in the order of the roster",
                       node->config.name);
}

/* ---- node peers CARD... ---- */

static NodePeer peer_of(NodeCard *card, unsigned index)
{
    return (NodePeer){
        .name = card->name,
        .index = index,
        .address = card->address,
        .tls_pin = {card->tls_pin, sizeof(card->tls_pin)},
        .sealing_key = {card->sealing_key, sizeof(card->sealing_key)},
        .identity_key = {card->identity_key, sizeof(card->identity_key)},
    };
}

static void tell(const LocalNode *node, const Deck *deck, unsigned own)
{
    fprintf(stderr, "Node %s knows these nodes of its token as its peers. Compare the fingerprints with those at the nodes:\n",
            node->config.name);
    for (unsigned i = 0; i < deck->n; i++) {
        char fingerprint[40];

        card_fingerprint(&deck->cards[i], fingerprint);
        if (i != own)
            fprintf(stderr, "%2u  %-16s %s\n", i + 1, deck->cards[i].name, fingerprint);
    }
}

static int set_peers(LocalNode *node, Deck *deck, Problem *problem)
{
    NodePeer peers[THRESHOLD_NODES_MAX];
    NodePeers input = {.peers = {.items = peers}};
    NodeStatusOutput status;
    unsigned own = 0;
    int r = local_status(node, &status, problem);

    if (r != 0)
        return r;
    r = find_own(node, &status, deck, &own, problem);
    message_clear(&node_status_output, &status);
    if (r != 0)
        return r;
    for (unsigned i = 0; i < deck->n; i++)
        if (i != own)
            peers[input.peers.count++] = peer_of(&deck->cards[i], i + 1);
    r = local_call(node, NODE_METHOD("SetPeers"), &node_peers, &input, NULL, NULL, problem);
    if (r == 0)
        tell(node, deck, own);
    return r;
}

/* ---- node peers ---- */

void peer_fingerprint(const NodePeer *peer, char ret_text[40])
{
    NodeCard card = {.address = peer->address}; /* borrowed */

    (void)snprintf(card.name, sizeof(card.name), "%s", peer->name);
    if (peer->tls_pin.size == sizeof(card.tls_pin))
        memcpy(card.tls_pin, peer->tls_pin.data, sizeof(card.tls_pin));
    memcpy(card.sealing_key, peer->sealing_key.data, sizeof(card.sealing_key));
    memcpy(card.identity_key, peer->identity_key.data, sizeof(card.identity_key));
    card_fingerprint(&card, ret_text);
}

static void print_text(const NodePeer *peers, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char fingerprint[40];

        peer_fingerprint(&peers[i], fingerprint);
        printf("%2" PRIu64 "  ", peers[i].index);
        terminal_print(peers[i].name, 16);
        printf(" %s  ", fingerprint);
        terminal_print(peers[i].address, 0);
        putchar('\n');
    }
    if (n == 0)
        fprintf(stderr, "The node knows no other nodes yet; 'kqctl node peers CARD...' tells it.\n");
}

static void print_document(const NodePeer *peers, size_t n)
{
    Document *list = document_list();

    for (size_t i = 0; i < n; i++) {
        Document *peer = document_new();
        char fingerprint[40];

        peer_fingerprint(&peers[i], fingerprint);
        document_text(peer, "name", peers[i].name);
        document_number(peer, "index", peers[i].index);
        document_text(peer, "address", peers[i].address);
        document_text(peer, "fingerprint", fingerprint);
        document_hex(peer, "tlsPin", peers[i].tls_pin.data, peers[i].tls_pin.size);
        document_hex(peer, "sealingKey", peers[i].sealing_key.data, peers[i].sealing_key.size);
        document_hex(peer, "identityKey", peers[i].identity_key.data, peers[i].identity_key.size);
        document_append(list, peer);
    }
    document_print(list);
}

static int list_peers(const Call *call, LocalNode *node, Problem *problem)
{
    NodePeers output;
    int r = local_call(node, NODE_METHOD("ListPeers"), &node_no_parameters, NULL, &node_peers, &output, problem);

    if (r != 0)
        return r;
    if (call->options[OPTION_JSON])
        print_document(output.peers.items, output.peers.count);
    else
        print_text(output.peers.items, output.peers.count);
    message_clear(&node_peers, &output);
    return 0;
}

int verb_node_peers(const Call *call, Problem *problem)
{
    _cleanup_(deck_clear) Deck deck = {0};
    _cleanup_local_ LocalNode node = {0};
    int r = read_deck(call, &deck, problem);

    if (r == 0 && deck.n > 0 && call->options[OPTION_JSON])
        r = problem_set(problem, CTL_E_USAGE, "--json is for the list: 'kqctl node peers' without cards");
    if (r == 0)
        r = local_open(call, &node, problem);
    if (r == 0)
        r = deck.n > 0 ? set_peers(&node, &deck, problem) : list_peers(call, &node, problem);
    return r;
}
