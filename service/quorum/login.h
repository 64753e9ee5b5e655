/*
 * Login: one PIN on trial or in force, and what each node said of it (docs/protocol.md "PIN"). Shared by all connections that are logged in
 * with it. A node is asked once per version of its verifier and by one connection at a time; what it said is remembered.
 */
#pragma once

#include "quorum/ask.h"
#include "quorum/connection.h"

typedef struct Login Login;

/* `master` (secret) is consumed. Errors: -ENOMEM. */
int login_new(Quorum *quorum, Secret *master, Login **ret_login) _must_check_;
Login *login_ref(Login *login); /* NULL is fine */
Login *login_unref(Login *login);
DEFINE_CLEANUP(Login, login_unref)
#define _cleanup_login_ _cleanup_(login_unrefp)
uint64_t login_epoch(const Login *login);
const Secret *login_master(const Login *login);

typedef enum LoginTurn {
    LOGIN_TURN_SURE, /* answer: the node accepted this version before */
    LOGIN_TURN_TRY,  /* answer, and tell the outcome with login_outcome() or login_abandon() */
    LOGIN_TURN_WAIT, /* another connection is trying */
    LOGIN_TURN_NO,   /* do not answer: the error says why */
} LoginTurn;

/* May the challenge of this connection's Hello be answered, and for which version? The version in force first, then the next one. */
LoginTurn login_turn(Login *login, Quorum *quorum, const Connection *connection, uint64_t *ret_version, NodeError *ret_error);
/* What the node said; `tries` with NODE_ERROR_PIN_INCORRECT. Returns true if another version of this connection's Hello may be tried. */
bool login_outcome(Login *login, const Connection *connection, uint64_t version, NodeError error, uint64_t tries);
/* The outcome will not be told; `answered`: the answer was sent. */
void login_abandon(Login *login, unsigned index, bool answered);

typedef struct LoginCount {
    NodeSet accepted, refused, locked;
    unsigned tries_left; /* the k-th best */
} LoginCount;
void login_count(Login *login, const Quorum *quorum, LoginCount *ret_count);
/* The rule: 0 right or undecided (*ret_decided), QUORUM_E_PIN_INCORRECT, QUORUM_E_PIN_LOCKED. */
int login_verdict(const Quorum *quorum, const LoginCount *count, bool *ret_decided, Problem *problem) _must_check_;
/* The PIN was accepted for now at the login: do the nodes refuse it? 0, QUORUM_E_PIN_INCORRECT. */
int login_check(Login *login, const Quorum *quorum, Problem *problem) _must_check_;
/* PIN version that the node accepted it for; 0: it has not. */
uint64_t login_accepted_version(Login *login, unsigned index);

/* Ask all nodes about the PIN whose master this is (secret, consumed). `*ret_login` is set also when it is undecided.
 * Errors: as quorum_login(). */
int login_try(Quorum *quorum, Secret *master, Login **ret_login, bool *ret_decided, Problem *problem) _must_check_;
/* Put it in force in place of the one before. */
void login_install(Quorum *quorum, Login *login);
