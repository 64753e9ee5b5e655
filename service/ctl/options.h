/* The options of all verbs: one const table; a verb says which rows it takes. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum OptionId {
    OPTION_HELP,
    OPTION_VERSION,
    OPTION_COMPLETE,
    OPTION_CONF,
    OPTION_JSON,
    OPTION_PIN_FILE,
    OPTION_YES,
    OPTION_NAME,
    OPTION_DIRECTORY,
    OPTION_LISTEN,
    OPTION_NODE_CUSTODY,
    OPTION_NO_SEPARATION,
    OPTION_CONFIG,
    OPTION_TOKEN_LABEL,
    OPTION_THRESHOLD,
    OPTION_CLIENT,
    OPTION_RESET_PIN,
    OPTION_LABEL,
    OPTION_ID,
    OPTION_NOT_AFTER,
    OPTION_ALGORITHM,
    OPTION_BITS,
    OPTION_KEY_CUSTODY,
    OPTION_PROGRESS,
    OPTION_PEM,
    OPTION_DISCARD_PENDING,
    OPTION_RESET_STALE_PINS,
    OPTION_HASH,
    OPTION_OUTPUT,
    OPTION_NODE,
    OPTION_ADDRESS,
    OPTION_CLIENT_CARD,
    OPTION_ALLOW,
    OPTION_CLIENT_NAME,
    OPTION_GROUP,
    OPTION_REPLACE,
    OPTION_FOR,
    OPTION_COUNT,
    OPTION_PERMANENTLY,
    OPTION_PIN_VERSION,
    OPTION_NEW_PIN_FILE,
    OPTION_RECOVERY_KEY,
    OPTION_RECOVERY_KEY_FILE,
    OPTION_SINCE,
    OPTION_LOG_KEY,
    OPTION_LOG_CLIENT,
    OPTION_LOG_NODE,
    OPTION_EVENT,
    OPTION_JOURNAL,
    OPTION_TLS,
    OPTION_IDENTITY,
    OPTION_SEALING,
    OPTION_RECOVERY,
    OPTION_FINISH,
    OPTION_DESTROYED,
    OPTION_DESTROYED_FILE,
    OPTION_RESTORE_DIRECTORY,
    OPTION_REFRESH,
    OPTION_REPAIR,
    OPTION_OF,
    OPTION_LIST,
    OPTION_WITHDRAW,
    OPTION_LOST_NODE,
    OPTION_ALL,
    OPTION_MAX,
    OPTION_INVALID = -1,
} OptionId;

/* Bit i: the option i. */
typedef uint64_t OptionSet;

#define OPTION_BIT(id) ((OptionSet)1 << (id))
/* Those that every verb takes, and that may stand before it. */
#define OPTIONS_EVERYWHERE (OPTION_BIT(OPTION_HELP) | OPTION_BIT(OPTION_VERSION) | OPTION_BIT(OPTION_CONF))

typedef struct Option {
    const char *name;
    const char *argument; /* what the help calls it; NULL: takes none */
    const char *help;
    char letter; /* "-o"; 0: none */
} Option;

const Option *option_at(OptionId id);
static inline bool option_is_in(OptionId id, OptionSet set)
{
    return (set & OPTION_BIT(id)) != 0;
}
/* The option of that name (or one-letter name) in `set`; OPTION_INVALID if there is none. */
OptionId option_find(const char *name, size_t name_size, OptionSet set);
OptionId option_find_letter(char letter, OptionSet set);
