/*
 * A file of the state directory: one JSON object {"checksum": …, "content": {…}}; the checksum is the SHA-256 of the content's bytes as
 * they stand in the file, so that a flipped bit or a cut is noticed. Every content carries its format version as a FIELD_CONSTANT.
 */
#pragma once

#include "base/problem.h"
#include "wire/message.h"

#define STATE_FILE_SIZE_MAX (64 * 1024)

/* Replace durably (file_replace()). Errors: -errno of writing; those of message_build(). */
int state_file_write(int directory, const char *name, mode_t mode, const Layout *layout, const void *message) _must_check_;

/* Read, check, parse (release with message_clear()). Errors: -ENOENT; -EBADMSG damaged or of another format; -errno. The problem says
 * which file and what is wrong with it. */
int state_file_read(int directory, const char *name, const Layout *layout, void *ret_message, Problem *problem) _must_check_;
