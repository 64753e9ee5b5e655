/* Files that survive kill -9 and power cuts: written whole or not at all. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/bytes.h"
#include "base/secret.h"

/* Read a regular file of at most `size_max` bytes. Errors: -EFBIG larger; -errno of open or read. */
int file_read(int directory, const char *name, size_t size_max, Bytes *ret_content) _must_check_;
/* The same into a Secret, without a copy elsewhere. An empty file is -ENODATA. */
int file_read_secret(int directory, const char *name, size_t size_max, Secret **ret_content) _must_check_;

/* Replace or create `name` in the open directory: temporary file beside it, fsync, rename, fsync of the directory.
 * After success the content is durable; after failure the old content is untouched and the temporary file gone.
 * Errors: -errno (-ENOSPC, -EDQUOT, -EIO …). */
int file_replace(int directory, const char *name, const void *content, size_t size, mode_t mode) _must_check_;
/* As file_replace(), but -EEXIST if `name` exists (rename without replacement). */
int file_create(int directory, const char *name, const void *content, size_t size, mode_t mode) _must_check_;
/* Remove durably: unlink, fsync of the directory. Errors: -ENOENT, -errno. */
int file_remove(int directory, const char *name) _must_check_;

/* Names of temporary files start with this; a crash may leave one; whoever owns the directory removes them at start. */
#define FILE_TEMPORARY_PREFIX ".new-"
