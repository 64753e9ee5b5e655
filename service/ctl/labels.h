/*
 * SELinux labels. What is made under another name and then renamed has the type of its directory; its own (selinux/keyquorum.fc) it gets
 * from restorecon(8).
 */
#pragma once

#include "base/cleanup.h"

/* Label `path`, and what is below it, as the policy says: with `program`, and only where `marker` exists and the program is there. Errors:
 * -EIO it failed; -errno it could not be started. */
int labels_restore_with(const char *marker, const char *program, const char *path) _must_check_;

/* The same with this host's restorecon, if SELinux is enabled. A failure is no more than a warning, which says what to run. */
void labels_restore(const char *path);
