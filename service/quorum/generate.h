/* Creation after dealing: seal, prepare on all n nodes, test with every node, activate. */
#pragma once

#include "quorum/ask.h"

/* What quorum_generate() does once the key is dealt. `request->custody` must be set. The secrets in `deal` are wiped as soon as they are
 * sealed, whatever happens. Errors: as quorum_generate(). */
int quorum_create_from_deal(Quorum *quorum, const GenerateRequest *request, Deal *deal, QuorumKey **ret_key, Problem *problem) _must_check_;

/* What was not asked for is for the roster to say, by the label; where that says nothing, CUSTODY_INVALID: for the nodes. */
CustodyKind generate_custody(const Roster *roster, const GenerateRequest *request);
