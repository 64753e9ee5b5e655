/* The digest of a file, for sign and verify. */
#pragma once

#include "ctl/ctl.h"

/* Of `path` ("-": standard input), with the hash of --hash, else SHA-256. Errors: CTL_E_USAGE an unknown hash; -errno; -EIO. */
int file_digest(const Call *call, const char *path, Digest *ret_digest, Problem *problem) _must_check_;
