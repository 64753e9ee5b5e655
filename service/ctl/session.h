/* The token a verb works with: the roster read, the quorum made, the PIN proved. */
#pragma once

#include "ctl/ctl.h"

/* The roster that the call names. Errors: roster_read()'s. */
int session_roster(const Call *call, Roster **ret_roster, Problem *problem) _must_check_;
/* Its quorum; warnings go to standard error. `progress` (may be NULL) is called during the search for primes. Errors: roster_read()'s. */
int session_open(const Call *call, int (*progress)(void *userdata, uint64_t tried, uint64_t expected), void *userdata, Quorum **ret_quorum,
                 Problem *problem) _must_check_;

/* The PIN: the first line of --pin-file, or asked for; `twice`: a new one, to be typed twice. Errors: CTL_E_USAGE; -EINVAL its length;
 * -errno. */
int session_pin(const Call *call, bool twice, Secret **ret_pin, Problem *problem) _must_check_;
/* Ask for the PIN and prove it to the nodes. `ret_pin` (may be NULL): the PIN, where it is needed further. */
int session_login(const Call *call, Quorum *quorum, Secret **ret_pin, Problem *problem) _must_check_;

/* What is found at a node that refuses the right PIN, too. */
#define LOCKED_WORDS "it has locked this client after too many wrong PINs: 'kqctl node reset-pin' on its host"

/* The key that `text` names: its key id, the id's first digits (at least 8), or its label, if only one key has it.
 * Errors: QUORUM_E_UNKNOWN_KEY; -EINVAL several keys fit; quorum_keys()'s. */
int session_key(Quorum *quorum, const char *text, QuorumKey **ret_key, Problem *problem) _must_check_;

/* Fill a record from --label, --id and --not-after where they are given. Errors: -EINVAL, CTL_E_USAGE. */
int session_record(const Call *call, KeyRecord *record, Problem *problem) _must_check_;
