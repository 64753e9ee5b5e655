/*
 * Files of a node's state directory as kqctl knows them: by their names, and as far as anybody but the node can check them. JSON files are
 * {"checksum": the SHA-256 of the content's bytes, "content": {…}}; a share is a sealed share; a record holds the SHA-256 of its share
 * file.
 */
#pragma once

#include "base/problem.h"
#include "share/sealed.h"

#define STATE_FORMAT         "format"
#define STATE_KEYS           "keys"
#define STATE_FAILURES       "failures"
#define STATE_FILE_SIZE_MAX  (64 * 1024)
#define STATE_FILE_NAME_SIZE 160 /* of "keys/ID.tombstone" and the like, with the final 0 */

typedef enum StateKind {
    STATE_PLAIN, /* of the node as a whole, or of a client */
    STATE_SHARE,
    STATE_ASIDE, /* a share whose record is lost */
    STATE_RECORD,
    STATE_TOMBSTONE,
    STATE_UNKNOWN = -1, /* not a node's file: nobody's business */
} StateKind;

/* What a file is, by its name below the state directory ("keys/ID.share"); `ret_id`: of which key, if it is of one. */
StateKind state_file_kind(const char *name, KeyId *ret_id);
void state_file_name(const KeyId *id, StateKind kind, char ret_name[STATE_FILE_NAME_SIZE]);
/* How it is made; with separation the loader, of another user, reads shares. */
mode_t state_file_mode(StateKind kind, bool separation);

/* Is the content what a file of this name may hold? Errors: -EBADMSG; the problem says what is wrong. */
int state_file_check(const char *name, const Bytes *content, Problem *problem) _must_check_;
/* Does the record belong to this share file? Errors: -EBADMSG. */
int state_file_check_pair(const Bytes *record, const Bytes *share, Problem *problem) _must_check_;

/* The same record for another share file. Errors: -EBADMSG; -ENOMEM. */
int state_file_record_for(const Bytes *record, const Bytes *share, Bytes *ret_record) _must_check_;
/* A tombstone, as the node writes it; `who`: who destroyed the key, for people. Errors: -ENOMEM. */
int state_file_tombstone(const KeyId *id, const char *who, Bytes *ret_tombstone) _must_check_;
