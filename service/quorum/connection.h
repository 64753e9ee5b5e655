/*
 * The pool of connections to a node. A call takes one for its whole duration and gives it back; nobody else uses it meanwhile.
 * One that is given back while a reply is still on its way is drained before it is used again.
 */
#pragma once

#include "quorum/commitments.h"
#include "quorum/quorum.h"
#include "wire/link.h"
#include "wire/node-interface.h"

#define PEER_CONNECTIONS_MAX 256 /* to one node, in use and idle */
#define PEER_IDLE_MAX        64
#define PEER_LATE_MAX        8 /* idle ones that wait for a reply nobody wants any more */

struct Connection {
    Link *link;
    Roster *roster; /* with which it was opened */
    unsigned index; /* the node's */
    unsigned slot;
    bool busy;      /* a call has it; under the quorum's lock */
    unsigned late;  /* replies to read and drop; under the lock while idle */
    bool hello;     /* Hello was answered */
    uint64_t epoch; /* of the login it is logged in with; 0: none */
    /* From the last Hello: */
    uint64_t pin_version, next_pin_version;
    bool pin_locked;
    uint8_t nonce[NODE_NONCE_SIZE];
    Commitments *commitments; /* NULL: none yet */
};

/* The connections to one node, for those who hold the quorum's lock. */
typedef struct ConnectionPool {
    Connection *slots[PEER_CONNECTIONS_MAX];
    unsigned n_slots; /* slots used so far */
    unsigned idle, late;
} ConnectionPool;

/* An idle connection that is alive, has nothing outstanding and leads to where the roster says; NULL if there is none. Others are closed.
 */
Connection *connection_take(Quorum *quorum, unsigned index);
/* A new one. Errors: those of link_open() and follow_contact(); -EMFILE PEER_CONNECTIONS_MAX are in use. */
int connection_open(Quorum *quorum, unsigned index, Connection **ret_connection, Problem *problem) _must_check_;
/* Give it back; NULL is fine. */
void connection_give(Quorum *quorum, Connection *connection);
/* Close it; NULL is fine. */
void connection_close(Quorum *quorum, Connection *connection);

/* Close all idle ones, or only those that are logged in. */
void connection_pool_close(Quorum *quorum, unsigned index, bool logged_in_only);
/* In a forked child, without the lock: close everything inherited without a word. What another thread was using is only closed: its
 * memory may be in any state. */
void connection_pool_forked(ConnectionPool *pool);
