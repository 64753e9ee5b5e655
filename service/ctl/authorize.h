/* Authorizing a client at the node on this host. */
#pragma once

#include "ctl/local.h"
#include "quorum/roster.h"

/* The card that the argument is or names; exactly one. Errors: cards_read()'s; CTL_E_USAGE several. */
int authorize_read_card(const char *argument, ClientCard *ret_card, Problem *problem) _must_check_;
/* What --allow says, or what a signer needs. Errors: CTL_E_USAGE. */
int authorize_permissions(const Call *call, unsigned *ret_permissions, Problem *problem) _must_check_;
/* Do it, and say so on standard error. Errors: local_call()'s. */
int authorize(LocalNode *node, const ClientCard *card, unsigned permissions, Problem *problem) _must_check_;
