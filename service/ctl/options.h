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
    OPTION_ALGORITHM,
    OPTION_BITS,
    OPTION_KEY_CUSTODY,
    OPTION_PROGRESS,
    OPTION_PEM,
    OPTION_DISCARD_PENDING,
    OPTION_RESET_STALE_PINS,
    OPTION_HASH,
    OPTION_OUTPUT,
    OPTION_MAX,
    OPTION_INVALID = -1,
} OptionId;

/* Bit i: the option i. */
typedef uint32_t OptionSet;

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
