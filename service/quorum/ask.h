/*
 * One question to many nodes: the same method to each of a set, all at once, and every answer with the words to report it.
 * What creation, listing, destruction and status are made of. (Signing has its own loop: sign.c.)
 */
#pragma once

#include "quorum/quorum.h"
#include "wire/node-interface.h"

/* Bit i-1 stands for node i. */
typedef uint32_t NodeSet;

#define NODE_SET_OF(index) ((NodeSet)1 << ((index)-1))

#define NODE_WORDS_SIZE 512 /* what is wrong with one node: a refused pin is shown beside those that were expected */

static inline NodeSet node_set_all(unsigned n)
{
    return ((NodeSet)1 << n) - 1;
}

static inline unsigned node_set_count(NodeSet set)
{
    return (unsigned)__builtin_popcount(set);
}

/* The lowest index in a set that is not empty. */
static inline unsigned node_set_lowest(NodeSet set)
{
    return (unsigned)__builtin_ctz(set) + 1;
}

typedef enum AskConnection {
    ASK_FRESH,     /* no Hello: GetStatus, InitToken */
    ASK_HELLO,     /* after Hello */
    ASK_LOGGED_IN, /* after a login with the PIN that is remembered */
} AskConnection;

typedef struct NodeAnswer {
    int r;                       /* 0: the node answered (`error` says how); -errno: it did not (down, late, broken) */
    NodeError error;             /* NODE_ERROR_NONE: `output` is filled */
    NodeErrorDetail detail;      /* of an error */
    void *output;                /* structure of the output layout, malloc'd; NULL if there is none */
    char words[NODE_WORDS_SIZE]; /* why not, for people; empty on success */
    Microseconds took;           /* from the beginning to the answer, connecting included */
} NodeAnswer;

typedef struct NodeAnswers {
    const Layout *layout; /* of the outputs */
    NodeSet asked;
    NodeAnswer of[THRESHOLD_NODES_MAX]; /* of[i - 1] is node i's */
} NodeAnswers;

void node_answers_clear(NodeAnswers *answers);
#define _cleanup_node_answers_ _cleanup_(node_answers_clear)

/* Ask. `inputs[i - 1]` is node i's parameter structure (only those in `nodes` are looked at), or, with `same` set, inputs[0] is
 * everybody's. Checks out one connection per node, connects, says Hello and logs in where needed; returns when all have answered or at
 * `deadline`. A connection that turns out dead on its first use is replaced once. Errors: -ENOMEM; QUORUM_E_LOGIN_REQUIRED nobody is logged
 * in; QUORUM_E_PIN_INCORRECT not all did well, and a PIN that was accepted for now turns out wrong; everything else is in the answers. */
int quorum_ask(Quorum *quorum, NodeSet nodes, AskConnection connection, const char *method, const Layout *input, const void *const *inputs,
               bool same, const Layout *output, Microseconds deadline, NodeAnswers *ret_answers) _must_check_;

/* The nodes that answered without error. */
NodeSet node_answers_good(const NodeAnswers *answers);
/* Add "; beta (2): connection refused" (the first without semicolon), cut where the `left` nodes that are still to come, this one included,
 * would not all find room: each of them is named, also behind what the caller puts in front. */
void node_words_share(const Quorum *quorum, unsigned index, const char *words, unsigned left, Problem *problem);
/* "alpha (1): answered; beta (2): connection refused; …" for all that were asked. */
void node_answers_describe(const Quorum *quorum, const NodeAnswers *answers, Problem *problem);
/* The same, one by one: add "; beta (2): connection refused" (the first without semicolon). `problem` may be NULL. */
void node_words_add(const Quorum *quorum, unsigned index, const char *words, Problem *problem);
/* A usual deadline for one question: now + the roster's time-out. */
Microseconds quorum_deadline(const Quorum *quorum);
/* Log through the hooks. */
void quorum_log(Quorum *quorum, int priority, const char *format, ...) _printf_(3, 4);
/* Tell the tests' hook. */
void quorum_step(Quorum *quorum, const char *format, ...) _printf_(2, 3);
