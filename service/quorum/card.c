#include <errno.h>
#include <string.h>

#include "base/crypto.h"
#include "base/node-config.h"
#include "base/text.h"
#include "quorum/card.h"
#include "wire/stream.h"

#define NODE_MAGIC      "keyquorum-node-1"
#define CLIENT_MAGIC    "keyquorum-client-1"
#define CHECK_SIZE      4 /* bytes of the SHA-256 that are shown */
#define CHECK_TEXT_SIZE (2 * CHECK_SIZE + 1)
#define WORDS_MAX       7

/* The words of a card: "magic", what it says, the checksum. */
typedef struct CardKind {
    const char *magic, *whose;
    unsigned n_words;
} CardKind;

static const CardKind node_kind = {NODE_MAGIC, "node", 7};
static const CardKind client_kind = {CLIENT_MAGIC, "client", 4};

_Static_assert(NODE_NAME_MAX == NODE_CONFIG_NAME_SIZE_MAX, "a node has the same name in its configuration and on its card");

void card_key_format(const uint8_t key[CARD_KEY_SIZE], char ret_text[CARD_KEY_TEXT_SIZE])
{
    base64_encode(key, CARD_KEY_SIZE, ret_text);
    ret_text[CARD_KEY_TEXT_SIZE - 1] = '\0';
}

int card_key_parse(const char *text, uint8_t ret_key[CARD_KEY_SIZE], Problem *problem)
{
    _cleanup_bytes_ Bytes key = {0};
    int r = base64_decode(text, strlen(text), &key);

    if (r == -ENOMEM)
        return problem_set(problem, r, "out of memory");
    if (r < 0 || key.size != CARD_KEY_SIZE)
        return problem_set(problem, -EINVAL, "'%s' is not %d bytes in base64", text, CARD_KEY_SIZE);
    memcpy(ret_key, key.data, CARD_KEY_SIZE);
    return 0;
}

bool card_has_key(const uint8_t key[CARD_KEY_SIZE])
{
    static const uint8_t zeros[CARD_KEY_SIZE];

    return memcmp(key, zeros, CARD_KEY_SIZE) != 0;
}

void card_pins_format(const uint8_t pin[CARD_KEY_SIZE], const uint8_t next[CARD_KEY_SIZE], char ret_text[CARD_PINS_TEXT_SIZE])
{
    card_key_format(pin, ret_text);
    if (!card_has_key(next))
        return;
    ret_text[CARD_KEY_TEXT_SIZE - 1] = ',';
    card_key_format(next, ret_text + CARD_KEY_TEXT_SIZE);
}

int card_pins_parse(const char *text, uint8_t ret_pin[CARD_KEY_SIZE], uint8_t ret_next[CARD_KEY_SIZE], Problem *problem)
{
    const char *comma = strchr(text, ',');
    uint8_t pins[2][CARD_KEY_SIZE] = {0};
    char first[CARD_KEY_TEXT_SIZE];

    if (!comma)
        return card_key_parse(text, ret_pin, problem);
    (void)snprintf(first, sizeof(first), "%.*s", (int)(comma - text), text);

    int r = comma - text == CARD_KEY_TEXT_SIZE - 1 ? card_key_parse(first, pins[0], problem) : -EINVAL;

    if (r == 0)
        r = card_key_parse(comma + 1, pins[1], problem);
    if (r == 0 && (!card_has_key(pins[1]) || memcmp(pins[0], pins[1], CARD_KEY_SIZE) == 0))
        r = -EINVAL;
    if (r == -EINVAL)
        return problem_set(problem, r, "'%s' is neither a pin (%d bytes in base64) nor two different ones with a comma between them", text,
                           CARD_KEY_SIZE);
    if (r < 0)
        return r;
    memcpy(ret_pin, pins[0], CARD_KEY_SIZE);
    memcpy(ret_next, pins[1], CARD_KEY_SIZE);
    return 0;
}

/* ---- Any card -------------------------------------------------------------------------------------------------------------------- */

/* The first digits of the SHA-256 of the text: enough to notice a slip of the hand. */
static int card_check(const char *text, size_t size, char ret_check[CHECK_TEXT_SIZE])
{
    uint8_t digest[SHA256_SIZE];
    int r = crypto_sha256(&(Bytes){(uint8_t *)(uintptr_t)text, size}, 1, digest);

    if (r == 0)
        hex_encode(digest, CHECK_SIZE, ret_check);
    return r;
}

/* `size`: of the text that is there, as snprintf() says; the checksum goes behind it. */
static int add_check(char text[CARD_SIZE_MAX], int size)
{
    char check[CHECK_TEXT_SIZE];

    if (size < 0 || (size_t)size + 1 + sizeof(check) > CARD_SIZE_MAX)
        return -EMSGSIZE;

    int r = card_check(text, (size_t)size, check);

    if (r < 0)
        return r;
    text[size] = ' ';
    memcpy(text + size + 1, check, sizeof(check));
    return 0;
}

/* Cut the line at its spaces. Returns the number of words; more than WORDS_MAX are counted but not kept. */
static unsigned split(char *text, char *ret_words[WORDS_MAX])
{
    unsigned n = 0;
    char *state = NULL;

    for (char *word = strtok_r(text, " \t\r\n", &state); word; word = strtok_r(NULL, " \t\r\n", &state)) {
        if (n < WORDS_MAX)
            ret_words[n] = word;
        n++;
    }
    return n;
}

/* The checksum is over the words with single spaces between them: a card that a mail program has folded still reads. */
static int verify_check(char *const words[WORDS_MAX], unsigned n, Problem *problem)
{
    char text[CARD_SIZE_MAX], check[CHECK_TEXT_SIZE];
    size_t size = 0;

    for (unsigned i = 0; i < n - 1 && size < sizeof(text); i++)
        size += (size_t)snprintf(text + size, sizeof(text) - size, "%s%s", i > 0 ? " " : "", words[i]);
    if (size >= sizeof(text))
        return problem_set(problem, -EINVAL, "the card is too long");

    int r = card_check(text, size, check);

    if (r < 0)
        return problem_set(problem, r, "the card's checksum cannot be computed");
    if (strcasecmp(check, words[n - 1]) != 0)
        return problem_set(problem, -EINVAL, "the card is mistyped: its checksum is %s, not %s", check, words[n - 1]);
    return 0;
}

/* `text` is cut into words. */
static int take_words(const CardKind *kind, char *text, char *ret_words[WORDS_MAX], Problem *problem)
{
    unsigned n = split(text, ret_words);

    if (n == 0 || strcmp(ret_words[0], kind->magic) != 0)
        return problem_set(problem, -EINVAL, "this is not a %s's card: a card starts with '%s'", kind->whose, kind->magic);
    if (n != kind->n_words)
        return problem_set(problem, -EINVAL, "the card has %u words instead of %u: it was not copied whole", n, kind->n_words);
    return verify_check(ret_words, n, problem);
}

/* Of all that the card says; `size` as snprintf() says it. */
static void format_fingerprint(const char *text, int size, char ret_text[40])
{
    uint8_t digest[SHA256_SIZE];

    ret_text[0] = '\0';
    if (size < 0 || size >= CARD_SIZE_MAX || crypto_sha256(&(Bytes){(uint8_t *)(uintptr_t)text, (size_t)size}, 1, digest) < 0)
        return;
    for (size_t i = 0; i < 8; i++)
        (void)snprintf(ret_text + 5 * i, 40 - 5 * i, "%02x%02x%s", digest[2 * i], digest[2 * i + 1], i < 7 ? " " : "");
}

/* ---- Of a node ------------------------------------------------------------------------------------------------------------------- */

int card_check_name(const char *name, Problem *problem)
{
    if (!node_config_name_valid(name))
        return problem_set(problem, -EINVAL, "'%s' is not a node's name: a lower-case letter, then at most %d of a-z, 0-9 and _", name,
                           NODE_NAME_MAX - 1);
    return 0;
}

int card_check_address(const char *address, Problem *problem)
{
    return stream_address_check(address, problem) < 0 ? -EINVAL : 0;
}

/* All of it but the checksum; returns as snprintf(). */
static int write_node(const NodeCard *card, char ret_text[CARD_SIZE_MAX])
{
    char pins[CARD_PINS_TEXT_SIZE], sealing[CARD_KEY_TEXT_SIZE], identity[CARD_KEY_TEXT_SIZE];

    card_pins_format(card->tls_pin, card->next_tls_pin, pins);
    card_key_format(card->sealing_key, sealing);
    card_key_format(card->identity_key, identity);
    return snprintf(ret_text, CARD_SIZE_MAX, NODE_MAGIC " %s %s %s %s %s", card->name, card->address, pins, sealing, identity);
}

int card_format(const NodeCard *card, char ret_text[CARD_SIZE_MAX])
{
    char text[CARD_SIZE_MAX];
    int r = add_check(text, write_node(card, text));

    if (r == 0)
        memcpy(ret_text, text, strlen(text) + 1);
    return r;
}

static int parse_words(char *const words[WORDS_MAX], NodeCard *card, Problem *problem)
{
    int r = card_check_name(words[1], problem);

    if (r == 0)
        r = card_check_address(words[2], problem);
    if (r == 0)
        r = card_pins_parse(words[3], card->tls_pin, card->next_tls_pin, problem);
    if (r == 0)
        r = card_key_parse(words[4], card->sealing_key, problem);
    if (r == 0)
        r = card_key_parse(words[5], card->identity_key, problem);
    if (r < 0)
        return r;
    (void)snprintf(card->name, sizeof(card->name), "%s", words[1]);
    card->address = text_copy(words[2]);
    return card->address ? 0 : problem_set(problem, -ENOMEM, "out of memory");
}

int card_parse(const char *text, NodeCard *ret_card, Problem *problem)
{
    _cleanup_free_ char *copy = text_copy(text);
    char *words[WORDS_MAX];
    NodeCard card = {0};

    if (!copy)
        return problem_set(problem, -ENOMEM, "out of memory");

    int r = take_words(&node_kind, copy, words, problem);

    if (r == 0)
        r = parse_words(words, &card, problem);
    if (r == 0)
        *ret_card = card;
    return r;
}

void card_clear(NodeCard *card)
{
    free(card->address);
    *card = (NodeCard){0};
}

void card_fingerprint(const NodeCard *card, char ret_text[40])
{
    char text[CARD_SIZE_MAX];

    format_fingerprint(text, write_node(card, text), ret_text);
}

/* ---- Of a client ------------------------------------------------------------------------------------------------------------------ */

int client_card_check_name(const char *name, Problem *problem)
{
    if (!client_name_valid(name))
        return problem_set(problem, -EINVAL, "'%s' is not a client's name: 1 to %d letters, digits, '.', '_' and '-'", name, NODE_NAME_MAX);
    return 0;
}

static int write_client(const ClientCard *card, char ret_text[CARD_SIZE_MAX])
{
    static const uint8_t none[CARD_KEY_SIZE];
    char pins[CARD_PINS_TEXT_SIZE];

    card_pins_format(card->pins[0], card->n_pins > 1 ? card->pins[1] : none, pins);
    return snprintf(ret_text, CARD_SIZE_MAX, CLIENT_MAGIC " %s %s", card->name, pins);
}

int client_card_format(const ClientCard *card, char ret_text[CARD_SIZE_MAX])
{
    char text[CARD_SIZE_MAX];
    int r = add_check(text, write_client(card, text));

    if (r == 0)
        memcpy(ret_text, text, strlen(text) + 1);
    return r;
}

int client_card_parse(const char *text, ClientCard *ret_card, Problem *problem)
{
    _cleanup_free_ char *copy = text_copy(text);
    char *words[WORDS_MAX];
    ClientCard card = {0};

    if (!copy)
        return problem_set(problem, -ENOMEM, "out of memory");

    int r = take_words(&client_kind, copy, words, problem);

    if (r == 0)
        r = client_card_check_name(words[1], problem);
    if (r == 0)
        r = card_pins_parse(words[2], card.pins[0], card.pins[1], problem);
    if (r < 0)
        return r;
    card.n_pins = card_has_key(card.pins[1]) ? 2 : 1;
    (void)snprintf(card.name, sizeof(card.name), "%s", words[1]);
    *ret_card = card;
    return 0;
}

void client_card_fingerprint(const ClientCard *card, char ret_text[40])
{
    char text[CARD_SIZE_MAX];

    format_fingerprint(text, write_client(card, text), ret_text);
}
