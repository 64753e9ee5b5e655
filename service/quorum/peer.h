/*
 * Peer: one node as this process knows it: its connections, how fast it answers, how much it has to do for us, whether it is being left
 * out and until when, and what it said of single keys. All functions lock by themselves.
 *
 * A node is left out of the choice in these cases; where there are not enough others it is asked all the same, later ones last:
 *   late     a request of an earlier call is not answered yet; over with the answer, or it becomes a pause
 *   paused   it failed; after the pause one call asks it beside the nodes it needs, and an answer ends the pause, a failure doubles it
 *   keyless  it cannot sign with the key in question; forgotten after a while
 *   lied     it gave a wrong partial signature; a long pause
 */
#pragma once

#include "quorum/ask.h"
#include "quorum/connection.h"
#include "share/header.h"

#define PEER_PAUSE_MIN     (100 * MICROSECONDS_PER_MILLISECOND)
#define PEER_PAUSE_MAX     (30 * MICROSECONDS_PER_SECOND)
#define PEER_LIE_PAUSE_MIN (300 * MICROSECONDS_PER_SECOND)
#define PEER_LIE_PAUSE_MAX (86400 * MICROSECONDS_PER_SECOND)
#define PEER_KEYLESS       (30 * MICROSECONDS_PER_SECOND)
#define PEER_PENDING       (2 * MICROSECONDS_PER_SECOND)        /* the same for what may change any moment: not active yet, locked … */
#define PEER_SILENT        (1 * MICROSECONDS_PER_SECOND)        /* when late becomes paused */
#define PEER_STALE         (500 * MICROSECONDS_PER_MILLISECOND) /* an estimate not refreshed for so long is refreshed */
#define PEER_FORGETS       4                                    /* its own commitments that it did not know, in a row, with good reason */
#define PEER_NOTES         64                                   /* a power of 2 */

typedef struct Exchange Exchange;

/* The node cannot sign with this key. */
typedef struct PeerNote {
    KeyId key;
    Microseconds until;
} PeerNote;

typedef struct Peer {
    ConnectionPool pool;
    Microseconds average[THRESHOLD_PARTIAL_SIZE_MAX / 128 + 1]; /* time of an answer alone, by size of the partial; 0: not known */
    Microseconds measured_at, refreshed_at;                     /* refreshed: asked in order to be measured */
    unsigned outstanding;                                       /* partial signatures asked for and not waited out */
    Microseconds pause, retry_at;                               /* pause 0: none */
    Microseconds lie_pause, lie_until;
    bool probing; /* paused, and a call is asking it to see */
    bool late;
    Exchange *pending; /* while late: the exchange that goes on; whoever takes it owns it */
    PeerNote notes[PEER_NOTES];
    CommitmentsSeen seen;
    unsigned forgot; /* commitments of its own that it did not know, in a row */
    /* From the last Hello; 0: none yet. */
    uint64_t pin_version, next_pin_version;
    bool initialized, uninitialized;
} Peer;

/* What a call wants of the nodes. */
typedef struct PeerNeed {
    const KeyId *key;
    size_t size; /* bytes of a partial signature */
} PeerNeed;

/* Of the nodes in `candidates`, choose the `count` that will answer first and count a request for each. Fewer if there are no more;
 * with `ready`, none that is left out. */
NodeSet peer_choose(Quorum *quorum, const PeerNeed *need, NodeSet candidates, unsigned count, bool ready);
/* One node of `candidates` worth asking beside those a call needs: its pause is over, or its estimate is old. Counts a request. */
NodeSet peer_choose_extra(Quorum *quorum, const PeerNeed *need, NodeSet candidates);
/* The request is over, whatever came of it. */
void peer_release(Quorum *quorum, unsigned index);
/* After how long an answer of the node is late. */
Microseconds peer_patience(Quorum *quorum, const PeerNeed *need, unsigned index);

/* It answered, `took` after it was asked (0: the time says nothing); before peer_release(). */
void peer_answered(Quorum *quorum, unsigned index, size_t size, Microseconds took);
/* It is down, broke the connection, or was silent too long: pause. */
void peer_failed(Quorum *quorum, unsigned index, const char *words);
/* It lied about a signature of this key: long pause, and a line in the log. */
void peer_lied(Quorum *quorum, unsigned index, const KeyId *key, const char *words);
void peer_keyless(Quorum *quorum, unsigned index, const KeyId *key, Microseconds for_how_long);
/* It has signed with a commitment of its own, or did not know it any more. False: not so often in a row that it is out of order. */
bool peer_knows_commitment(Quorum *quorum, unsigned index, bool knows);

/* Did it answer, and is it only the key that it cannot sign with? */
bool peer_alive(const Exchange *exchange);
/* Leave the exchange (consumed) to be looked at by later calls; it is ended if there is one already. After peer_release(). */
void peer_leave_pending(Quorum *quorum, unsigned index, size_t size, Exchange *exchange);
/* End it, if there is one: whatever it was asked, nobody will hear. */
void peer_end_pending(Quorum *quorum, unsigned index);
/* Look, without waiting, whether pending exchanges have come to something. */
void peer_look(Quorum *quorum);

/* What Hello said. */
void peer_note_hello(Quorum *quorum, unsigned index, uint64_t pin_version, uint64_t next_pin_version);
void peer_note_uninitialized(Quorum *quorum, unsigned index);
/* Nodes known to hold nothing as new as the newest PIN version that at least k nodes are known to hold, in force or prepared. */
NodeSet peer_stale_pin(Quorum *quorum);
