#include <string.h>

#include "ctl/ctl.h"

#define B(id) OPTION_BIT(OPTION_##id)

static const Verb verbs[] = {
    {"node init", "", "make a node: its keys, its configuration, its state; print its card", 0, 0,
     B(NAME) | B(DIRECTORY) | B(LISTEN) | B(NODE_CUSTODY), B(NO_SEPARATION), verb_node_init},
    {"node card", "", "print a node's card again", 0, 0, B(CONFIG), 0, verb_node_card},
    {"roster add", "CARD...", "add nodes to the roster; make it if there is none", 1, 64, 0, B(TOKEN_LABEL) | B(THRESHOLD) | B(CLIENT),
     verb_roster_add},
    {"roster show", "", "show the token and its nodes as the roster has them", 0, 0, 0, B(JSON), verb_roster_show},
    {"roster check", "", "ask every node whether it is what the roster says", 0, 0, 0, 0, verb_roster_check},
    {"token init", "", "give fresh nodes their token and its first PIN", 0, 0, 0, B(PIN_FILE) | B(RESET_PIN), verb_token_init},
    {"key generate", "", "make a key, a share for each node; print its key id", 0, 0, B(LABEL),
     B(ID) | B(ALGORITHM) | B(BITS) | B(KEY_CUSTODY) | B(PROGRESS) | B(PIN_FILE), verb_key_generate},
    {"key list", "", "list the keys", 0, 0, 0, B(JSON), verb_key_list},
    {"key show", "KEY", "show a key, its public key included", 1, 1, 0, B(JSON) | B(PEM), verb_key_show},
    {"key set", "KEY", "change a key's label or CKA_ID", 1, 1, 0, B(LABEL) | B(ID) | B(PIN_FILE), verb_key_set},
    {"key destroy", "KEY", "destroy a key for ever", 1, 1, 0, B(YES) | B(PIN_FILE), verb_key_destroy},
    {"status", "", "ask every node how it is", 0, 0, 0, B(JSON), verb_status},
    {"sync", "", "bring the nodes together after crashes and absences", 0, 0, 0,
     B(DISCARD_PENDING) | B(RESET_STALE_PINS) | B(YES) | B(JSON) | B(PIN_FILE), verb_sync},
    {"sign", "KEY FILE", "sign a file ('-': standard input)", 2, 2, 0, B(HASH) | B(OUTPUT) | B(PIN_FILE), verb_sign},
    {"verify", "KEY FILE SIGNATURE", "verify the signature of a file; needs no PIN", 3, 3, 0, B(HASH), verb_verify},
};

const Verb *verb_at(size_t i)
{
    return i < ELEMENTS(verbs) ? &verbs[i] : NULL;
}

bool verb_is_in(const Verb *verb, const char *word)
{
    size_t size = strlen(word);

    return strncmp(verb->name, word, size) == 0 && verb->name[size] == ' ';
}

/* How many words of `words` the name is; 0: it is not there. */
static size_t match(const char *name, char **words)
{
    const char *second = strchr(name, ' ');
    size_t first_size = second ? (size_t)(second - name) : strlen(name);

    if (!words[0] || strlen(words[0]) != first_size || memcmp(words[0], name, first_size) != 0)
        return 0;
    if (!second)
        return 1;
    return words[1] && strcmp(words[1], second + 1) == 0 ? 2 : 0;
}

const Verb *verb_find(char **words, size_t *ret_n_words)
{
    for (size_t i = 0; i < ELEMENTS(verbs); i++) {
        size_t n_words = match(verbs[i].name, words);

        if (n_words > 0) {
            *ret_n_words = n_words;
            return &verbs[i];
        }
    }
    return NULL;
}
