/*
 * A lock in a directory that others may read: a file of its owner's alone, since whoever can open the directory itself could lock that, and
 * hold up kqctl for ever.
 */
#pragma once

#include "base/cleanup.h"
#include "base/problem.h"

/* Lock the open directory, whose name is `path`: while the descriptor is open, nobody else has the lock. The file stays behind. Errors:
 * -EBUSY somebody has it, which `busy` says in words; -errno. */
int lock_file_take(int directory, const char *path, const char *busy, int *ret_fd, Problem *problem) _must_check_;
/* Remove the file again; only for who has the lock. */
void lock_file_remove(int directory);
