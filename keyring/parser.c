#include "keyring/parser.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>

#include "base/cleanup.h"

#define PARSER_MODULE "pkcs8_key_parser"

/* 1: some line of the list names the module; 0: none does. Errors: -errno, the list cannot be read. */
static int list_names_parser(const char *modules, const char *list)
{
    char path[PATH_MAX];
    char line[4096];

    (void)snprintf(path, sizeof(path), "%s/%s", modules, list);

    _cleanup_fclose_ FILE *file = fopen(path, "re");

    if (!file)
        return -errno;
    while (fgets(line, sizeof(line), file))
        if (strstr(line, "/" PARSER_MODULE ".ko"))
            return 1;
    return ferror(file) ? -EIO : 0;
}

ParserState parser_state(const char *loaded, const char *modules)
{
    char path[PATH_MAX];

    (void)snprintf(path, sizeof(path), "%s/%s", loaded, PARSER_MODULE);
    if (access(path, F_OK) == 0 || list_names_parser(modules, "modules.builtin") > 0)
        return PARSER_LOADED;

    int r = list_names_parser(modules, "modules.dep");

    if (r < 0)
        return PARSER_HIDDEN;
    return r > 0 ? PARSER_ON_DISK : PARSER_ABSENT;
}
