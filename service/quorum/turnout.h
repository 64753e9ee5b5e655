/*
 * Turnout: the nodes of one call that needs answers of k of them: who is to be asked next, who is late and has to be made up for, who is
 * down and will be asked again, who has said no, and what becomes of the call when too few are left. One exchange per node. For both ways
 * to sign: sign.c and sign-message.c.
 */
#pragma once

#include "quorum/exchange.h"
#include "quorum/peer.h"

typedef struct Turnout {
    Quorum *quorum;
    Login *login;
    PeerNeed need;
    unsigned k;
    NodeSet all; /* that may be asked */
    Microseconds deadline;

    NodeSet waiting;  /* asked, no answer yet */
    NodeSet late;     /* of those, the ones a ready node is asked instead of */
    NodeSet overdue;  /* of the late ones, those that any node is asked instead of. Nodes asked beside the needed ones are both */
    NodeSet answered; /* with what the call needs of them */
    NodeSet down;     /* failed; may be asked again at retry_at */
    NodeSet refused;  /* said no for good, or lied: not asked again by this call */
    NodeSet forbids;  /* of those, the ones that would sign if somebody let them: the key is locked, or the client not permitted */
    NodeSet claimed;  /* their request counts as outstanding (peer_choose()) */
    NodeSet begun;    /* there is an exchange with them */
    Exchange of[THRESHOLD_NODES_MAX];
    Microseconds late_at[THRESHOLD_NODES_MAX], overdue_at[THRESHOLD_NODES_MAX];
    Microseconds retry_at[THRESHOLD_NODES_MAX], pause[THRESHOLD_NODES_MAX];
} Turnout;

/* For a signature of this key by k of the nodes in `all`, within the roster's time-out. Errors: QUORUM_E_LOGIN_REQUIRED; and
 * QUORUM_E_PIN_INCORRECT, the PIN was accepted for now but the nodes refuse it. */
int turnout_begin(Turnout *turnout, Quorum *quorum, const KeyId *id, const ThresholdKey *threshold, NodeSet all, Problem *problem)
    _must_check_;
/* Exchanges that still wait are left to be looked at by later calls, the others are ended. */
void turnout_clear(Turnout *turnout);

/* As many more nodes as are needed for `wanted` answers in time, each to be asked by the caller. For a late one, a node that is in good
 * order is chosen; one that is paused or has lied would hardly be faster. */
NodeSet turnout_choose(Turnout *turnout, unsigned wanted);
/* One node more than is needed, if there is one to look after; nobody waits for it: turnout_asked_beside(). */
NodeSet turnout_choose_extra(Turnout *turnout);
/* A new exchange with the node, in place of the one before, if there was one. */
Exchange *turnout_begin_exchange(Turnout *turnout, unsigned index);
/* The node has been asked. */
void turnout_asked(Turnout *turnout, unsigned index);
void turnout_asked_beside(Turnout *turnout, unsigned index);

/* The nodes that have answered, or failed to, since the last time. They are not waited for any more. For each, the caller looks at the
 * exchange and calls one of the following; and turnout_release() in the end. */
NodeSet turnout_collect(Turnout *turnout);
/* What its exchange says is why there will be no answer: it is down for a while, or refuses. */
void turnout_failed(Turnout *turnout, unsigned index);
/* What it answered is of no use: it is broken, and not asked again by this call. */
void turnout_broken(Turnout *turnout, unsigned index);
/* What it answered is a lie. The words may be those of its exchange. */
void turnout_lied(Turnout *turnout, unsigned index, const char *words);
/* Nothing more is asked of it for now. */
void turnout_release(Turnout *turnout, unsigned index);
/* Do not wait for it any longer: its exchange is left to later calls. */
void turnout_leave(Turnout *turnout, unsigned index);

void turnout_note_late(Turnout *turnout);
/* Wait until a node stirs, or something is to be done even if none does. With `more` to try meanwhile, only look. */
void turnout_wait(Turnout *turnout, bool more);

/* Is the call at its end? 0: not yet. Otherwise why: QUORUM_E_REFUSED, with `enough` answers _SIGNATURE, else _TOO_FEW_NODES. The time is
 * up; or nothing can come any more, and there is not `more` to try with what came. */
int turnout_end(const Turnout *turnout, bool enough, bool more);
/* The words for it: what each node said, of those that answered `said`. Returns `error`. */
int turnout_give_up(Turnout *turnout, int error, unsigned came, const char *said, Problem *problem);
