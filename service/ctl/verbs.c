#include <string.h>

#include "ctl/ctl.h"

#define B(id)     OPTION_BIT(OPTION_##id)
#define THIS_NODE (B(NODE) | B(CONFIG)) /* which of the nodes on this host */

static const Verb verbs[] = {
    {"node init", "", "make a node: its keys, its configuration, its state; print its card", 0, 0, B(NAME),
     B(LISTEN) | B(ADDRESS) | B(NODE_CUSTODY) | B(CLIENT_CARD) | B(ALLOW) | B(RECOVERY_KEY) | B(RECOVERY_KEY_FILE) | B(NO_SEPARATION) |
         B(DIRECTORY),
     verb_node_init},
    {"node card", "", "print a node's card again", 0, 0, 0, THIS_NODE, verb_node_card},
    {"node authorize", "CARD", "let a client on another host use this node", 1, 1, 0, B(ALLOW) | B(YES) | THIS_NODE, verb_node_authorize},
    {"node deauthorize", "CLIENT", "take that back", 1, 1, 0, THIS_NODE, verb_node_deauthorize},
    {"node clients", "", "list the clients of this node and what they may do", 0, 0, 0, B(JSON) | THIS_NODE, verb_node_clients},
    {"node peers", "[CARD...]", "tell this node who the other nodes of its token are; or list them", 0, 64, 0, B(JSON) | THIS_NODE,
     verb_node_peers},
    {"node lock", "KEY", "have this node sign with a key only while it is unlocked", 1, 1, 0, THIS_NODE, verb_node_lock},
    {"node unlock", "KEY", "let this node sign with a locked key for a while", 1, 1, 0, B(FOR) | B(COUNT) | B(PERMANENTLY) | THIS_NODE,
     verb_node_unlock},
    {"node approve", "", "approve, at this node, that shares of a key are made anew", 0, 0, 0,
     B(REFRESH) | B(REPAIR) | B(OF) | B(LIST) | B(WITHDRAW) | B(YES) | B(JSON) | THIS_NODE, verb_node_approve},
    {"node reset-pin", "", "replace a PIN that is forgotten or locked, at this node", 0, 0, 0, B(PIN_FILE) | B(PIN_VERSION) | THIS_NODE,
     verb_node_reset_pin},
    {"node backup", "FILE", "write all that makes up a node to a file, for node restore; the node may run", 1, 1, 0, THIS_NODE,
     verb_node_backup},
    {"node restore", "FILE", "bring a node back from its backup and its recovery key, on this host", 1, 1, 0,
     B(RECOVERY_KEY_FILE) | B(DESTROYED_FILE) | B(RESTORE_DIRECTORY) | B(YES), verb_node_restore},
    {"node rotate", "", "give a node a new key in the place of an old one", 0, 0, 0,
     B(TLS) | B(IDENTITY) | B(SEALING) | B(RECOVERY) | B(FINISH) | B(RECOVERY_KEY_FILE) | THIS_NODE, verb_node_rotate},
    {"client init", "", "make this client's TLS key; print the client's card", 0, 0, 0, B(CLIENT_NAME) | B(GROUP), verb_client_init},
    {"client card", "", "print this client's card again", 0, 0, 0, 0, verb_client_card},
    {"client rotate", "", "give this client a new TLS key in the place of the old one", 0, 0, 0, B(FINISH) | B(YES), verb_client_rotate},
    {"roster add", "CARD...", "add nodes to the roster; make it if there is none", 1, 64, 0,
     B(TOKEN_LABEL) | B(THRESHOLD) | B(CLIENT) | B(REPLACE), verb_roster_add},
    {"roster show", "", "show the token and its nodes as the roster has them", 0, 0, 0, B(JSON), verb_roster_show},
    {"roster check", "", "ask every node whether it is what the roster says", 0, 0, 0, B(JSON), verb_roster_check},
    {"token init", "[CARD...]", "give fresh nodes their token and its first PIN", 0, 64, 0,
     B(TOKEN_LABEL) | B(THRESHOLD) | B(CLIENT) | B(PIN_FILE) | B(RESET_PIN), verb_token_init},
    {"token change-pin", "", "change the PIN", 0, 0, 0, B(PIN_FILE) | B(NEW_PIN_FILE), verb_token_change_pin},
    {"key generate", "", "make a key, a share for each node; print its key id", 0, 0, B(LABEL),
     B(ID) | B(NOT_AFTER) | B(ALGORITHM) | B(BITS) | B(KEY_CUSTODY) | B(PROGRESS) | B(PIN_FILE), verb_key_generate},
    {"key list", "", "list the keys", 0, 0, 0, B(JSON) | B(DESTROYED), verb_key_list},
    {"key show", "KEY", "show a key, its public key included", 1, 1, 0, B(JSON) | B(PEM), verb_key_show},
    {"key set", "KEY", "change a key's label, CKA_ID or last day", 1, 1, 0, B(LABEL) | B(ID) | B(NOT_AFTER) | B(PIN_FILE), verb_key_set},
    {"key refresh", "KEY", "have the nodes make new shares of an Ed25519 key", 1, 1, 0, B(PIN_FILE), verb_key_refresh},
    {"key repair", "[KEY]", "have a share that a node has lost made anew by others, after approval at the nodes", 0, 1, B(LOST_NODE),
     B(ALL) | B(PIN_FILE), verb_key_repair},
    {"key destroy", "KEY", "destroy a key for ever", 1, 1, 0, B(YES) | B(PIN_FILE), verb_key_destroy},
    {"status", "", "ask every node how it is", 0, 0, 0, B(JSON), verb_status},
    {"sync", "", "bring the nodes together after crashes and absences", 0, 0, 0,
     B(DISCARD_PENDING) | B(RESET_STALE_PINS) | B(YES) | B(JSON) | B(PIN_FILE), verb_sync},
    {"log", "", "show what the journal of this host says about its nodes", 0, 0, 0,
     B(SINCE) | B(LOG_KEY) | B(LOG_CLIENT) | B(EVENT) | B(LOG_NODE) | B(JOURNAL) | B(JSON), verb_log},
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
