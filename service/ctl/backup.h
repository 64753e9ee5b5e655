/*
 * The file that `kqctl node backup` writes and `kqctl node restore` reads: all of a node that its host's loss would take away. One JSON
 * object:
 *
 *   format 1   name   version (of the software)   config (node.conf)   listen (where the gate listens: "tls:IP:PORT"; absent: none)
 *   recovery (recovery.sealed, base64)   files [{name, content (base64)}], by name   checksum   signature
 *
 * checksum: the SHA-256 of "keyquorum node backup v1" and every value before it, each after its length (eight bytes, big endian).
 * signature: Ed25519 by the node's identity key of the same words and the checksum. Nothing in it is secret: shares are sealed, the keys
 * are wrapped with the recovery key; but who may use the node stands in it, so that it has to be the node's own.
 */
#pragma once

#include "ctl/state-copy.h"
#include "wire/message.h"

#define BACKUP_SIZE_MAX ((size_t)128 * 1024 * 1024)

typedef struct Backup {
    char *name, *version;
    char *config;
    char *listen; /* "tls:IP:PORT"; NULL: none */
    Bytes recovery;
    List files; /* BackupFile */
    Bytes checksum, signature;
} Backup;

typedef struct BackupFile {
    char *name;
    Bytes content;
} BackupFile;

void backup_clear(Backup *backup);
#define _cleanup_backup_ _cleanup_(backup_clear)

/* Fill in checksum and signature. `identity`: the node's identity key (an Ed25519 seed, secret). Errors: -EIO; -ENOMEM. */
int backup_sign(Backup *backup, const Secret *identity) _must_check_;
/* Write it as a new file, mode 0600. Errors: -EEXIST; file_create()'s. */
int backup_write(const char *path, const Backup *backup, Problem *problem) _must_check_;
/* Read it, and check the checksum and every file in it. Errors: -EBADMSG damaged, or none; -errno. */
int backup_read(const char *path, Backup *ret_backup, Problem *problem) _must_check_;
/* Is it the node's own: signed by this identity key (public)? Errors: -EKEYREJECTED. */
int backup_verify(const Backup *backup, const uint8_t identity[32], Problem *problem) _must_check_;

const BackupFile *backup_find(const Backup *backup, const char *name);
