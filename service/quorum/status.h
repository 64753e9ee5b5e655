/* What a node says of itself against what the roster says of it. */
#pragma once

#include "quorum/ask.h"

/* Ask the nodes for their status, each for at most the roster's connect time-out. Outputs are NodeStatusOutput. Errors: -ENOMEM. */
int status_ask(Quorum *quorum, NodeAnswers *ret_answers) _must_check_;
/* One sentence on what differs (several differences: the gravest); NULL in *ret_words: nothing. Errors: -ENOMEM. */
int status_compare(const Roster *roster, unsigned index, const NodeStatusOutput *status, char **ret_words) _must_check_;
/* Does the node belong to this token, as the roster has it? */
bool status_is_member(const Roster *roster, unsigned index, const NodeStatusOutput *status);
/* What it permits this client, as a bit mask of NodePermission. */
unsigned status_permissions(const NodeStatusOutput *status);
/* Does it permit this? A node that says nothing about permissions may. */
bool status_permits(const NodeStatusOutput *status, NodePermission permission);
/* The nodes that say they do not; the answers are to GetStatus. */
NodeSet status_forbidding(const NodeAnswers *answers, NodePermission permission);
