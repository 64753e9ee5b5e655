/* What sign and verify are about: the digest of a file, or for keys that sign messages the file itself. */
#pragma once

#include "ctl/ctl.h"
#include "quorum/quorum.h"

typedef struct FileSubject {
    bool is_message;
    Digest digest; /* unless it is a message */
    Bytes message;
} FileSubject;

/* Of `path` ("-": standard input) for `key`; the digest is made with the hash of --hash, else with SHA-256. Errors: CTL_E_USAGE an unknown
 * hash, or one where nothing is hashed; -EFBIG too long a message; -errno; -EIO. */
int file_subject_read(const Call *call, const char *path, const QuorumKey *key, FileSubject *ret_subject, Problem *problem) _must_check_;
void file_subject_clear(FileSubject *subject);
