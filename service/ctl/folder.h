/* The directory that a file is in, or will be. */
#pragma once

#include "base/cleanup.h"

/* Open the directory above `path`; `ret_name` is what `path` says below it. Returns the descriptor, or -errno. */
int folder_above(const char *path, const char **ret_name) _must_check_;
