/*
 * Strings in memory of our own. The C library's strdup(), asprintf() and the like must not be used: in a process that brings its own
 * allocator (BIND does) and loads the PKCS#11 module with RTLD_DEEPBIND, they allocate with that one while our free() is another. A test
 * of the module's symbols refuses them.
 */
#pragma once

#include <stddef.h>

#include "base/cleanup.h"

/* A copy, to be released with free(); NULL without memory. */
char *text_copy(const char *text) _must_check_;
/* A copy of the first `size` bytes, NUL-terminated. */
char *text_copy_of(const char *text, size_t size) _must_check_;
/* As sprintf(), into memory that is as large as needed; NULL without memory. */
char *text_format(const char *format, ...) _printf_(1, 2) _must_check_;

/* Replace by '?' every byte of what no terminal, log or message should get: control characters (C0, DEL and C1: ISO 6429, which terminals
 * obey as U+0080 to U+009F too) and what is not UTF-8. The size stays. */
void text_clean(char *text);
