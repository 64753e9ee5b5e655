/* quorum_ask() with a login that is not in force, for those who change the PIN. */
#pragma once

#include "quorum/ask.h"
#include "quorum/login.h"

/* `login` NULL unless `connection` is ASK_LOGGED_IN; otherwise as quorum_ask(). */
int ask_as(Quorum *quorum, Login *login, NodeSet nodes, AskConnection connection, const char *method, const Layout *input,
           const void *const *inputs, bool same, const Layout *output, Microseconds deadline, NodeAnswers *ret_answers) _must_check_;
