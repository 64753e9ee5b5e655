/* What a Quorum is inside. For service/quorum only. */
#pragma once

#include <pthread.h>

#include "quorum/catalog.h"
#include "quorum/follow.h"
#include "quorum/login.h"
#include "quorum/peer.h"

struct Quorum {
    Roster *roster; /* as it was at the start: token, threshold, names and settings, which stay so */
    QuorumHooks hooks;
    Catalog *catalog;
    Follow follow;
    pthread_mutex_t lock;            /* guards what follows; held for a few instructions at a time, never while waiting or logging */
    Peer peers[THRESHOLD_NODES_MAX]; /* peers[i - 1] is node i */
    Login *login;                    /* NULL: nobody is logged in */
    Roster *current;                 /* as the file is now: the nodes' addresses and keys */
    TlsIdentity *identity;           /* this client's, for nodes with a tls: address; NULL: not read yet */
    uint64_t last_epoch;             /* of the newest Login made */
    uint64_t logged_out_epoch;       /* connections logged in up to this one are closed instead of kept */
    unsigned tries_left;
    NodeSet pin_missed;      /* by the last change of the PIN; */
    uint64_t pin_changed_to; /* and its version */
};

/* The login in force, with a reference for the caller; NULL. */
Login *quorum_login_now(Quorum *quorum);

/* The roster with the nodes' addresses and keys of now, to be freed by the caller. */
Roster *quorum_roster_now(Quorum *quorum);

/* How many nodes must take a change of the PIN, so that k accept the new one and no k the old one. */
static inline unsigned quorum_pin_majority(const Roster *roster)
{
    unsigned blocking = roster->n - roster->k + 1;

    return blocking > roster->k ? blocking : roster->k;
}

/* So many nodes may lie (docs/protocol.md): one more of the same mind is the truth. */
static inline unsigned quorum_liars_max(const Roster *roster)
{
    unsigned spare = roster->n - roster->k;

    return spare < roster->k - 1 ? spare : roster->k - 1;
}
