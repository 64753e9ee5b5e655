/* Files that survive kill -9 and power cuts: written whole or not at all. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/bytes.h"
#include "base/problem.h"
#include "base/secret.h"

/* Read a regular file of at most `size_max` bytes. Errors: -EINVAL not a regular file; -EFBIG larger; -errno of open or read. */
int file_read(int directory, const char *name, size_t size_max, Bytes *ret_content) _must_check_;
/* The same into a Secret, without a copy elsewhere. An empty file is -ENODATA. */
int file_read_secret(int directory, const char *name, size_t size_max, Secret **ret_content) _must_check_;

/* The same for a private key: the very file that is read belongs to this user or to root, and its mode has no bit of `forbidden`.
 * Errors: those of file_read_secret(); -EPERM it is somebody else's; -EKEYREJECTED the mode. The problem begins with the path. */
#define FILE_OWNER_ONLY   ((mode_t)077)
#define FILE_NO_STRANGERS ((mode_t)07) /* a credential of systemd: the mask of its access list shows as the group's bits */
int file_read_private(const char *path, size_t size_max, mode_t forbidden, Secret **ret_content, Problem *problem) _must_check_;

/* Do two calls of stat() tell of one file that was not written between them? Zeros stand for one that is not there. */
bool file_same(const struct stat *a, const struct stat *b) _must_check_;

/* Replace or create `name` in the open directory: temporary file beside it, fsync, rename, fsync of the directory. After success the
 * content is durable. Errors: -EUCLEAN the new content is there, but the directory could not be synced: after a crash it may be either,
 * so the caller must look again before it relies on one of them; -errno (-ENOSPC, -EDQUOT, -EIO …): the old content is untouched. The
 * temporary file is gone in every case. */
int file_replace(int directory, const char *name, const void *content, size_t size, mode_t mode) _must_check_;
/* As file_replace(), but -EEXIST if `name` exists (rename without replacement). */
int file_create(int directory, const char *name, const void *content, size_t size, mode_t mode) _must_check_;
/* Remove durably: unlink, fsync of the directory. Errors: -ENOENT; -EUCLEAN it is gone, but may be back after a crash; -errno. */
int file_remove(int directory, const char *name) _must_check_;

/* Rename within the directory, durably; what had the new name is replaced. Errors: -EUCLEAN the names are changed, but may be as before
 * after a crash; -errno. */
int file_rename(int directory, const char *from, const char *to) _must_check_;

/* Names of temporary files start with this; a crash may leave one; whoever owns the directory removes them at start. */
#define FILE_TEMPORARY_PREFIX ".new-"
