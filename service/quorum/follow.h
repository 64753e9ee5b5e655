/*
 * Following: while a program runs, nodes and the client get new keys, and nodes move. Whoever opens a connection looks first whether the
 * roster's file or that of the client's key is another by now, and goes on with what it says. For service/quorum only.
 *
 * Taken over are the nodes' addresses, TLS pins, sealing and identity keys, ClientKey= and the key. A file that cannot be read, is wrong,
 * or makes another token changes nothing and is logged once; so is one out of reach since the program changed its user or its root.
 */
#pragma once

#include <pthread.h>

#include "quorum/roster.h"
#include "wire/tls.h"

typedef struct FollowedFile {
    struct stat status; /* when it was last read; zeros: it is to be read again in any case */
    bool lost;          /* it cannot be read, which was said */
} FollowedFile;

typedef struct Follow {
    pthread_mutex_t lock; /* guards the files, and who replaces quorum->current and quorum->identity; taken before the quorum's lock */
    FollowedFile roster, key;
} Follow;

typedef struct Quorum Quorum;

/* The quorum has its roster; reads the client's key, if the roster has a use for it, since later this process may not be allowed to. If
 * that fails, follow_contact() tries again, and says why it cannot. */
void follow_init(Quorum *quorum);
void follow_clear(Quorum *quorum);
/* In a forked child, without locks. */
void follow_forked(Quorum *quorum);

/* Look at the roster's file, if it has one. */
void follow_roster(Quorum *quorum);
/* Look at the client's key, if the roster has a use for it. Errors: those of tls_identity_read(), if none was read before. */
int follow_key(Quorum *quorum, Problem *problem) _must_check_;
/* Look at both files: what there is to know for a connection to the node; a reference of each. The identity is NULL where none is needed.
 * Errors: those of tls_identity_read(). */
int follow_contact(Quorum *quorum, unsigned index, Roster **ret_roster, TlsIdentity **ret_identity, Problem *problem) _must_check_;

/* Is `next` the same token with the same nodes? Then it may take the place of `roster` in a program that runs. Errors: -ESTALE; the problem
 * says what differs. */
int follow_check(const Roster *roster, const Roster *next, Problem *problem) _must_check_;
/* The settings that differ and are not taken over, as in "Timeout=, Deal="; NULL: none, or no memory for the words. */
char *follow_settings(const Roster *roster, const Roster *next) _must_check_;
/* May a connection to the node that was opened with `roster` be used after `next` came? Not if the node has moved, or its pin went. */
bool follow_keeps(const Roster *roster, const Roster *next, unsigned index) _must_check_;
