/* Making the roster of cards, and adding to it: what `roster add` and `token init CARD...` have in common. */
#pragma once

#include "ctl/ctl.h"

/* The roster that the call names, or a new one, with the cards that are the call's arguments; written when it is whole. Errors:
 * CTL_E_USAGE; -EINVAL a card, or a roster that they do not make; -EBUSY the token is initialised; -errno. */
int roster_add_cards(const Call *call, Problem *problem) _must_check_;
