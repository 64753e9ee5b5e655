/*
 * The state directory of a node that is restored. It is made beside its place and takes it whole; what was there is kept beside, under
 * the name that ends in .replaced. A key that is known to be destroyed, here, in the backup, or by the list that the operator brings, comes
 * back as a tombstone.
 */
#pragma once

#include <limits.h>
#include <sys/types.h>

#include "ctl/backup.h"

typedef struct KeyIds {
    KeyId *ids;
    size_t n, room;
} KeyIds;

void key_ids_clear(KeyIds *ids);
#define _cleanup_key_ids_ _cleanup_(key_ids_clear)

/* The output of `kqctl key list --destroyed`: a line per key that begins with its id; empty lines, those that begin with # and the heading
 * do not count. Errors: -EINVAL, with the line's number; -errno. */
int key_ids_read(const char *path, KeyIds *ret_ids, Problem *problem) _must_check_;
/* The id of a tombstone, by the file's name below a state directory; other names do not count. Errors: -ENOMEM. */
int key_ids_add_name(KeyIds *ids, const char *name) _must_check_;
/* Those with a tombstone in a state directory. Errors: -errno. */
int key_ids_add_tombstones(int state, KeyIds *ids, Problem *problem) _must_check_;

typedef struct RestoreState {
    const char *path; /* of the state directory */
    const Backup *backup;
    const KeyIds *destroyed;
    bool separation; /* the files are for the node's user, the shares for the loader too */
    uid_t user;      /* of the files; (uid_t)-1: this one */
    gid_t group;
    size_t keys, tombstones, refused; /* out: as restored; keys of the backup that are destroyed */
    char replaced[PATH_MAX];          /* out: where the former state is; "": there was none */
} RestoreState;

/* Make it, under another name. Errors: -errno. */
int restore_state_make(RestoreState *restore, Problem *problem) _must_check_;
/* Put it in its place. Errors: -errno. */
int restore_state_finish(RestoreState *restore, Problem *problem) _must_check_;
