/* A node's state directory in memory: what a backup holds. The node may be running: what is read belongs together all the same. */
#pragma once

#include "ctl/state-file.h"

#define STATE_COPY_FILES_MAX ((size_t)5000)

typedef struct StateFile {
    char *name; /* below the state directory: "token.json", "keys/ID.share" */
    Bytes content;
    bool unfit; /* for state_copy_sift() */
} StateFile;

typedef struct StateCopy {
    StateFile *files; /* by name */
    size_t n;
} StateCopy;

void state_copy_clear(StateCopy *copy);
#define _cleanup_state_copy_ _cleanup_(state_copy_clear)

/* Read all of a node's files as they were at one moment: the directories are listed before and after, and if anything was replaced between,
 * it is read again. Errors: -EBUSY it changes all the time; -E2BIG too many files; -errno. */
int state_copy_read(const char *state, StateCopy *ret_copy, Problem *problem) _must_check_;

/* Take out what is of no use in a backup: shares of keys that are not finished, shares that do not fit their record, files that are damaged
 * (a tombstone says what it has to say by being there). Each loss is told. Returns how many. */
size_t state_copy_sift(StateCopy *copy, void (*tell)(void *userdata, const char *name, const char *words), void *userdata);
