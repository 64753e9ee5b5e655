#include <errno.h>
#include <string.h>

#include "base/crypto.h"
#include "base/node-config.h"
#include "base/text.h"
#include "quorum/card.h"
#include "wire/stream.h"

#define CARD_MAGIC "keyquorum-node-1"
#define CHECK_SIZE 4 /* bytes of the SHA-256 that are shown */
#define CARD_WORDS 7

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

/* The first digits of the SHA-256 of the text: enough to notice a slip of the hand. */
static int card_check(const char *text, size_t size, char ret_check[2 * CHECK_SIZE + 1])
{
    uint8_t digest[SHA256_SIZE];
    int r = crypto_sha256(&(Bytes){(uint8_t *)(uintptr_t)text, size}, 1, digest);

    if (r == 0)
        hex_encode(digest, CHECK_SIZE, ret_check);
    return r;
}

int card_format(const NodeCard *card, char ret_text[CARD_SIZE_MAX])
{
    char text[CARD_SIZE_MAX], pin[CARD_KEY_TEXT_SIZE], sealing[CARD_KEY_TEXT_SIZE], identity[CARD_KEY_TEXT_SIZE];
    char check[2 * CHECK_SIZE + 1];

    card_key_format(card->tls_pin, pin);
    card_key_format(card->sealing_key, sealing);
    card_key_format(card->identity_key, identity);

    int size = snprintf(text, sizeof(text), CARD_MAGIC " %s %s %s %s %s", card->name, card->address, pin, sealing, identity);

    if (size < 0 || (size_t)size + 1 + sizeof(check) > sizeof(text))
        return -EMSGSIZE;

    int r = card_check(text, (size_t)size, check);

    if (r < 0)
        return r;
    text[size] = ' ';
    memcpy(text + size + 1, check, sizeof(check));
    memcpy(ret_text, text, (size_t)size + 1 + sizeof(check));
    return 0;
}

/* Cut the line at its spaces. Returns the number of words; more than CARD_WORDS are counted but not kept. */
static unsigned split(char *text, char *ret_words[CARD_WORDS])
{
    unsigned n = 0;
    char *state = NULL;

    for (char *word = strtok_r(text, " \t\r\n", &state); word; word = strtok_r(NULL, " \t\r\n", &state)) {
        if (n < CARD_WORDS)
            ret_words[n] = word;
        n++;
    }
    return n;
}

/* The checksum is over the words with single spaces between them: a card that a mail program has folded still reads. */
static int verify_check(char *const words[CARD_WORDS], Problem *problem)
{
    char text[CARD_SIZE_MAX], check[2 * CHECK_SIZE + 1];
    int size = snprintf(text, sizeof(text), "%s %s %s %s %s %s", words[0], words[1], words[2], words[3], words[4], words[5]);

    if (size < 0 || (size_t)size >= sizeof(text))
        return problem_set(problem, -EINVAL, "the card is too long");

    int r = card_check(text, (size_t)size, check);

    if (r < 0)
        return problem_set(problem, r, "the card's checksum cannot be computed");
    if (strcasecmp(check, words[6]) != 0)
        return problem_set(problem, -EINVAL, "the card is mistyped: its checksum is %s, not %s", check, words[6]);
    return 0;
}

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

static int parse_words(char *const words[CARD_WORDS], NodeCard *card, Problem *problem)
{
    int r = verify_check(words, problem);

    if (r == 0)
        r = card_check_name(words[1], problem);
    if (r == 0)
        r = card_check_address(words[2], problem);
    if (r == 0)
        r = card_key_parse(words[3], card->tls_pin, problem);
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
    char *words[CARD_WORDS];
    NodeCard card = {0};

    if (!copy)
        return problem_set(problem, -ENOMEM, "out of memory");

    unsigned n = split(copy, words);

    if (n == 0 || strcmp(words[0], CARD_MAGIC) != 0)
        return problem_set(problem, -EINVAL, "this is not a node's card: a card starts with '" CARD_MAGIC "'");
    if (n != CARD_WORDS)
        return problem_set(problem, -EINVAL, "the card has %u words instead of %d: it was not copied whole", n, CARD_WORDS);

    int r = parse_words(words, &card, problem);

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
    uint8_t digest[SHA256_SIZE] = {0};
    const Bytes parts[] = {
        {(uint8_t *)(uintptr_t)card->tls_pin, sizeof(card->tls_pin)},
        {(uint8_t *)(uintptr_t)card->sealing_key, sizeof(card->sealing_key)},
        {(uint8_t *)(uintptr_t)card->identity_key, sizeof(card->identity_key)},
    };

    ret_text[0] = '\0';
    if (crypto_sha256(parts, ELEMENTS(parts), digest) < 0)
        return;
    for (size_t i = 0; i < 8; i++)
        (void)snprintf(ret_text + 5 * i, 40 - 5 * i, "%02x%02x%s", digest[2 * i], digest[2 * i + 1], i < 7 ? " " : "");
}
