#include "ctl/options.h"

#include <string.h>

static const Option options[OPTION_MAX] = {
    [OPTION_HELP] = {"help", NULL, "say how it is used", 'h'},
    [OPTION_VERSION] = {"version", NULL, "print the version"},
    [OPTION_COMPLETE] = {"complete", NULL, "print the tables of verbs and options, for shell completion"},
    [OPTION_CONF] = {"conf", "FILE", "the roster; else $KEYQUORUM_CONF, else /etc/keyquorum/token.conf"},
    [OPTION_JSON] = {"json", NULL, "print JSON"},
    [OPTION_PIN_FILE] = {"pin-file", "FILE", "the PIN is the file's first line ('-': standard input); else it is asked for"},
    [OPTION_YES] = {"yes", NULL, "do not ask for confirmation"},
    [OPTION_NAME] = {"name", "NAME", "the node's name: a lower-case letter, then a-z, 0-9 and _"},
    [OPTION_DIRECTORY] = {"directory", "DIR", "what to make: the directory for keys, configuration and state"},
    [OPTION_LISTEN] = {"listen", "ADDRESS", "where the node listens: unix:/path"},
    [OPTION_NODE_CUSTODY] = {"custody", "CUSTODY", "where shares are held by default: kernel or keyring"},
    [OPTION_NO_SEPARATION] = {"no-separation", NULL, "node and loader run as one user, and the keys are files"},
    [OPTION_CONFIG] = {"config", "FILE", "the node's configuration file"},
    [OPTION_TOKEN_LABEL] = {"label", "LABEL", "the token's label, for a new roster"},
    [OPTION_THRESHOLD] = {"threshold", "K", "how many nodes sign together, for a new roster"},
    [OPTION_CLIENT] = {"client", "NAME", "this client's name, for a new roster; else local"},
    [OPTION_RESET_PIN] = {"reset-pin", NULL, "replace the PIN of a token that is initialised (on the nodes' host)"},
    [OPTION_LABEL] = {"label", "LABEL", "the key's label"},
    [OPTION_ID] = {"id", "HEX", "the key's CKA_ID, in hexadecimal"},
    [OPTION_ALGORITHM] = {"algorithm", "NAME", "rsa (the default)"},
    [OPTION_BITS] = {"bits", "BITS", "the size: 2048 (the default), 3072 or 4096"},
    [OPTION_KEY_CUSTODY] = {"custody", "CUSTODY", "where the shares are held: kernel or keyring; else what the nodes have as default"},
    [OPTION_PROGRESS] = {"progress", NULL, "show progress even where standard error is not a terminal"},
    [OPTION_PEM] = {"pem", NULL, "print only the public key, as PEM"},
    [OPTION_DISCARD_PENDING] = {"discard-pending", NULL, "discard the keys whose generation was never finished"},
    [OPTION_RESET_STALE_PINS] = {"reset-stale-pins", NULL, "give the PIN to the nodes that missed a change (on the nodes' host)"},
    [OPTION_HASH] = {"hash", "HASH", "sha256 (the default), sha384, sha512 or sha1"},
    [OPTION_OUTPUT] = {"output", "FILE", "where the signature goes; else standard output", 'o'},
};

_Static_assert(OPTION_MAX <= 32, "an OptionSet has a bit for each");

const Option *option_at(OptionId id)
{
    return &options[id];
}

OptionId option_find(const char *name, size_t name_size, OptionSet set)
{
    for (OptionId id = 0; id < OPTION_MAX; id++)
        if (option_is_in(id, set) && strlen(options[id].name) == name_size && memcmp(options[id].name, name, name_size) == 0)
            return id;
    return OPTION_INVALID;
}

OptionId option_find_letter(char letter, OptionSet set)
{
    for (OptionId id = 0; id < OPTION_MAX; id++)
        if (option_is_in(id, set) && options[id].letter && options[id].letter == letter)
            return id;
    return OPTION_INVALID;
}
