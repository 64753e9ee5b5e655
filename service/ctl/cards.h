/* Cards on the command line: one as an argument, or several in a file, one per line. */
#pragma once

#include "ctl/ctl.h"

/* What cards are to be, and what to do with each. */
typedef struct CardReader {
    const char *start; /* what one begins with, without the number of its format: "keyquorum-node-" */
    int (*take)(void *userdata, const char *card, Problem *problem);
} CardReader;

/* Take what `argument` is or names: a card, a file with a card per line (empty lines and those that begin with # do not count), or "-" for
 * standard input. Errors: what take() returns; -ENODATA no card; -errno. */
int cards_read(const CardReader *reader, void *userdata, const char *argument, Problem *problem) _must_check_;

#define CARD_START_NODE   "keyquorum-node-"
#define CARD_START_CLIENT "keyquorum-client-"
