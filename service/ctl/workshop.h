/* A directory that appears whole or not at all: it is filled under another name and then renamed. */
#pragma once

#include <limits.h>

#include "base/problem.h"

/* Where the directory will be: its parent made absolute ("" for the root), and its name. */
typedef struct Place {
    char parent[PATH_MAX];
    char name[NAME_MAX + 1];
} Place;

typedef struct Workshop {
    int parent, directory;
    char name[16];            /* while it is being filled; empty: there is nothing to remove */
    char path[PATH_MAX + 16]; /* of that */
} Workshop;

#define WORKSHOP_INIT                                                                                                                      \
    {                                                                                                                                      \
        .parent = -1, .directory = -1                                                                                                      \
    }

/* Errors: -EINVAL, -ENAMETOOLONG not the name of a directory that can be made; -errno of the directory above. */
int place_find(const char *directory, Place *ret_place, Problem *problem) _must_check_;

/* Make the directory, mode 0700, under a temporary name. Errors: -EEXIST the place is taken; -errno. */
int workshop_open(const Place *place, Workshop *workshop, Problem *problem) _must_check_;
/* Put it in its place, durably. Errors: -errno. */
int workshop_finish(Workshop *workshop, const Place *place, Problem *problem) _must_check_;
/* Removes the directory and what is in it, unless it was finished. */
void workshop_close(Workshop *workshop);
#define _cleanup_workshop_ _cleanup_(workshop_close)

/* Remove a directory and everything in it; what is not there is removed already. Follows no links. Errors: -ENOTEMPTY
 * it is nested deeper than 16 levels; -errno. */
int workshop_remove_tree(int parent, const char *name);
