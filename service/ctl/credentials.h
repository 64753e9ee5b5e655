/*
 * Encrypted credentials of systemd (systemd-creds(1)): NAME.cred in a directory, mode 0600, sealed to this host's TPM2 or, without one,
 * to its host key, and to the credential's name. systemd-creds does the sealing: plaintext goes to it and comes back through pipes,
 * never through arguments, the environment or a file. For root.
 */
#pragma once

#include "base/problem.h"
#include "base/secret.h"

#define CREDENTIAL_SUFFIX   ".cred"
#define CREDENTIAL_SIZE_MAX ((size_t)8192) /* of the plaintext */

/* Seal `plain` and put it, whole or not at all, in the place of DIRECTORY/NAME.cred; durable when it returns 0. `ret_protector_words`, for
 * people ("TPM2 (PCR 7) and host key"), is to be released with free(); NULL if nobody wants to know.
 * Errors: -EMSGSIZE more than CREDENTIAL_SIZE_MAX; -EOPNOTSUPP there is no systemd-creds here; -ENOKEY systemd-creds refused, or what it
 * made is sealed to nothing; file_replace()'s. On every one but -EUCLEAN the old credential is untouched. */
int credential_write(const char *directory_path, const char *name, const Secret *plain, char **ret_protector_words, Problem *problem)
    _must_check_;
/* Open DIRECTORY/NAME.cred. Errors: -ENOENT there is none; -EOPNOTSUPP; -ENOKEY it was not sealed on this host under this name, or is
 * damaged; -errno of reading. */
int credential_read(const char *directory_path, const char *name, Secret **ret_plain, Problem *problem) _must_check_;
/* What the credential on disk is sealed to, in words, as above; nothing is opened. Errors: -ENOENT, -EBADMSG not a credential; -errno. */
int credential_protector(const char *directory_path, const char *name, char **ret_words, Problem *problem) _must_check_;
