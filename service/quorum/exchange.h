/*
 * Exchange: one node, one connection, one or more questions: takes a connection from the pool or opens one, says Hello and proves the PIN
 * where that is needed, asks, and has the answer or the words for why there is none. Never blocks; exchange_poll() waits for many.
 */
#pragma once

#include "quorum/ask.h"
#include "quorum/connection.h"
#include "quorum/login.h"

typedef enum ExchangeStage {
    EXCHANGE_DONE,
    EXCHANGE_TURN, /* another thread is proving the same PIN to the same node: its outcome is waited for */
    EXCHANGE_HELLO,
    EXCHANGE_CHALLENGE,
    EXCHANGE_QUESTION,
} ExchangeStage;

typedef struct Exchange {
    Quorum *quorum;
    unsigned index;
    AskConnection need;
    Login *login;   /* a reference; NULL unless need is ASK_LOGGED_IN */
    bool say_hello; /* even if the connection has said it */
    const char *method;
    const Layout *input;
    const void *parameters; /* the caller's, until the question is sent */

    ExchangeStage stage;
    Connection *connection;
    bool reused;     /* the connection came from the pool and has not answered anything yet */
    bool retried;    /* it was replaced, or the login repeated: not again */
    bool here;       /* the question is about this very connection: no other will do */
    bool queued;     /* the question was sent */
    bool turn;       /* this one is proving the PIN; the others wait */
    uint64_t trying; /* the PIN version being answered */
    bool alone;      /* done_at - asked_at is the time of the answer alone, without connecting */
    Microseconds began, asked_at, done_at, hello_until;
    Microseconds left_at; /* when its call was over without it (peer_leave_pending()), */
    size_t size;          /* and the bytes of the partial signature it is about */

    /* When done: */
    int r;           /* 0: the node answered; -errno: it did not */
    NodeError error; /* of the answer */
    NodeErrorDetail detail;
    Reply *reply;                /* NULL on error, and without a question */
    const char *too_old;         /* what the node's version does not know: it refused that member of the question; NULL: nothing */
    char words[NODE_WORDS_SIZE]; /* why not; empty on success */
} Exchange;

/* `login` is needed for ASK_LOGGED_IN only; the exchange takes its own reference. */
void exchange_begin(Exchange *exchange, Quorum *quorum, unsigned index, AskConnection need, Login *login);
/* Take an idle connection from the pool, if there is one, before anything is asked. True: it is in the wanted state already. */
bool exchange_take(Exchange *exchange);
/* Ask, on the connection that it has, or else on one from the pool or a new one; with `method` NULL only bring the connection to the wanted
 * state. Failures show in the exchange. One that is done can be asked again: on the same connection, if it has not failed. */
void exchange_ask(Exchange *exchange, const char *method, const Layout *input, const void *parameters);
/* The same, of what concerns only this connection, which the exchange has. If it has died unnoticed in the pool, exchange_was_stale(). */
void exchange_ask_here(Exchange *exchange, const char *method, const Layout *input, const void *parameters);
/* It failed because the connection had died unnoticed: which says nothing about the node. */
bool exchange_was_stale(const Exchange *exchange);
/* Do what is possible now. */
void exchange_advance(Exchange *exchange);
/* Wait until something happens on one of them or `until` is reached. Those that are done are skipped. Returns at once if all are. */
void exchange_poll(Exchange *const *exchanges, unsigned n, Microseconds until);
bool exchange_done(const Exchange *exchange);
bool exchange_good(const Exchange *exchange); /* done, answered, without error */
/* Parse the answer of a good exchange. A wrong one makes it a failed one. Errors: -EBADMSG, -ENOMEM. */
int exchange_output(Exchange *exchange, const Layout *output, void *ret_output) _must_check_;
/* Give up waiting: r becomes `error` and the words are kept, unless it was done. */
void exchange_give_up(Exchange *exchange, int error, const char *words);
/* Give the connection back (if a reply is on its way, to be drained) and release everything. */
void exchange_end(Exchange *exchange);
