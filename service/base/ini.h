/* Configuration files: INI, read with libinih, every mistake named with file and line. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/problem.h"

/* Called for each `name = value`, in file order. A non-zero answer stops the reading;
 * the sentence in `problem` then gets "FILE:LINE: " in front. */
typedef int (*IniHandler)(void *userdata, const char *section, const char *name, const char *value, unsigned line, Problem *problem);

/* Read a whole file. Errors: -errno of opening; -EBADMSG a line that is neither section, key nor comment, or longer than
 * libinih reads (200 bytes as built by Debian); what the handler returned. The problem always says FILE:LINE. */
int ini_read(const char *path, IniHandler handler, void *userdata, Problem *problem) _must_check_;

/* Values. Errors: -EINVAL, and the problem says what would be right. */
int ini_parse_bool(const char *value, bool *ret_value, Problem *problem) _must_check_; /* yes, no */
int ini_parse_uint(const char *value, uint64_t min, uint64_t max, uint64_t *ret_value, Problem *problem) _must_check_;
int ini_parse_duration(const char *value, uint64_t *ret_microseconds, Problem *problem) _must_check_; /* "500ms", "10s", "2min" */
