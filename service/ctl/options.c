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
    [OPTION_LISTEN] = {"listen", "ADDRESS", "where clients reach the node: tls:IP:PORT or unix:/path"},
    [OPTION_NODE_CUSTODY] = {"custody", "CUSTODY", "where shares are held by default: kernel or keyring"},
    [OPTION_NO_SEPARATION] = {"no-separation", NULL, "node and loader run as one user, and the keys are files"},
    [OPTION_CONFIG] = {"config", "FILE", "the node's configuration file"},
    [OPTION_TOKEN_LABEL] = {"label", "LABEL", "the token's label, for a new roster"},
    [OPTION_THRESHOLD] = {"threshold", "K", "how many nodes sign together, for a new roster"},
    [OPTION_CLIENT] = {"client", "NAME", "this client's name, for a new roster; else the one 'client init' was given, or local"},
    [OPTION_RESET_PIN] = {"reset-pin", NULL, "replace the PIN of a token that is initialised (on the nodes' host)"},
    [OPTION_LABEL] = {"label", "LABEL", "the key's label"},
    [OPTION_ID] = {"id", "HEX", "the key's CKA_ID, in hexadecimal"},
    [OPTION_NOT_AFTER] = {"not-after", "DATE", "the last day the key is meant for, for people to know: 2027-12-31; or 'none'"},
    [OPTION_ALGORITHM] = {"algorithm", "NAME", "rsa (the default) or ed25519"},
    [OPTION_BITS] = {"bits", "BITS", "the size of an RSA key: 2048 (the default), 3072 or 4096"},
    [OPTION_KEY_CUSTODY] = {"custody", "CUSTODY", "where the shares are held: kernel or keyring; else what the roster says, or the nodes"},
    [OPTION_PROGRESS] = {"progress", NULL, "show progress even where standard error is not a terminal"},
    [OPTION_PEM] = {"pem", NULL, "print only the public key, as PEM"},
    [OPTION_DISCARD_PENDING] = {"discard-pending", NULL, "discard the keys whose generation was never finished"},
    [OPTION_RESET_STALE_PINS] = {"reset-stale-pins", NULL, "give the PIN to the nodes that missed a change (on the nodes' host)"},
    [OPTION_HASH] = {"hash", "HASH", "sha256 (the default), sha384, sha512 or sha1"},
    [OPTION_OUTPUT] = {"output", "FILE", "where the signature goes; else standard output", 'o'},
    [OPTION_NODE] = {"node", "NAME", "the node on this host; needed only if there are several"},
    [OPTION_ADDRESS] = {"address", "ADDRESS", "where clients find the node, if that is not where it listens: tls:IP:PORT"},
    [OPTION_CLIENT_CARD] = {"client", "CARD", "authorize this client at once: its card, or the file that it is in"},
    [OPTION_ALLOW] = {"allow", "LIST", "what the client may do: of list, sign, generate, destroy, admin; else list,sign"},
    [OPTION_CLIENT_NAME] = {"name", "NAME", "the client's name; else this host's"},
    [OPTION_GROUP] = {"group", "GROUP", "a group that may read the client's key as well, such as the signer's"},
    [OPTION_REPLACE] = {"replace", NULL, "the cards replace those of nodes that are in the roster under the same names"},
    [OPTION_FOR] = {"for", "TIME", "how long: 30s, 10min"},
    [OPTION_COUNT] = {"count", "N", "for how many signatures"},
    [OPTION_PERMANENTLY] = {"permanently", NULL, "take the lock away for good"},
    [OPTION_PIN_VERSION] = {"pin-version", "VERSION", "the version of the new PIN, the same at all nodes; else one more than this node's"},
    [OPTION_RECOVERY_KEY] = {"recovery-key", NULL, "wrap the node's keys with a recovery key, and show it, once"},
    [OPTION_RECOVERY_KEY_FILE] = {"recovery-key-file", "FILE", "the recovery key is in, or goes to, this file; else the terminal"},
    [OPTION_NEW_PIN_FILE] = {"new-pin-file", "FILE", "the new PIN is the file's first line ('-': standard input); else it is asked for"},
    [OPTION_SINCE] = {"since", "TIME", "only from then on: 30min (ago), today, 2026-11-22, '2026-11-22 15:30'"},
    [OPTION_LOG_KEY] = {"key", "KEY", "only what concerns this key: its key id, the first digits of it, or its label"},
    [OPTION_LOG_CLIENT] = {"client", "NAME", "only what concerns this client"},
    [OPTION_LOG_NODE] = {"node", "NAME", "only what concerns this node"},
    [OPTION_EVENT] = {"event", "EVENT", "only events of this kind, such as SIGNATURE"},
    [OPTION_JOURNAL] = {"journal", "DIR", "the journal files in this directory, instead of this host's journal"},
    [OPTION_TLS] = {"tls", NULL, "the TLS key: made beside the old one, with --finish in its place"},
    [OPTION_IDENTITY] = {"identity", NULL, "the identity key, at once"},
    [OPTION_SEALING] = {"sealing", NULL, "the sealing key: shares are sealed anew, the old key is kept until --finish"},
    [OPTION_RECOVERY] = {"recovery", NULL, "the recovery key: a new one is shown, and needed for backups from then on"},
    [OPTION_FINISH] = {"finish", NULL, "the new key is known everywhere: let the old one go"},
    [OPTION_DESTROYED] = {"destroyed", NULL, "list the ids of destroyed keys instead, for node restore"},
    [OPTION_DESTROYED_FILE] = {"destroyed", "FILE",
                               "ids of keys destroyed since, which must not come back: see key list --destroyed; 'none': there are none"},
    [OPTION_RESTORE_DIRECTORY] = {"directory", "DIR", "where to put a node that was made with --no-separation"},
    [OPTION_REFRESH] = {"refresh", "KEY", "new shares of this key, at all nodes"},
    [OPTION_REPAIR] = {"repair", "KEY", "one node's share of this key, made anew by others"},
    [OPTION_OF] = {"of", "NODE", "the node whose share is made anew: its name or its index"},
    [OPTION_LIST] = {"list", NULL, "list what is approved at this node"},
    [OPTION_LOST_NODE] = {"node", "NAME", "the node whose share is made anew"},
    [OPTION_ALL] = {"all", NULL, "all keys whose share the node has lost"},
    [OPTION_WITHDRAW] = {"withdraw", NULL, "take the approval back"},
};

_Static_assert(OPTION_MAX <= 64, "an OptionSet has a bit for each");

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
