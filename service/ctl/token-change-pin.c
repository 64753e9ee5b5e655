#include <inttypes.h>

#include "ctl/session.h"

/* Is any node left with the old PIN? Each is named, with what heals it. */
static bool report_missed(Quorum *quorum)
{
    const Roster *roster = quorum_roster(quorum);
    uint64_t version;
    uint32_t missed = quorum_pin_missed(quorum, &version);

    for (unsigned i = 1; i <= roster->n; i++)
        if (missed & (uint32_t)1 << (i - 1))
            fprintf(stderr,
                    "Node %s (%u) missed the change, and signs with nobody's PIN until it has it: 'kqctl node reset-pin --pin-version "
                    "%" PRIu64 "' on its host, or, where all nodes are on this host, 'kqctl sync --reset-stale-pins'.\n",
                    roster->nodes[i - 1].name, i, version);
    return missed != 0;
}

int verb_token_change_pin(const Call *call, Problem *problem)
{
    _cleanup_(quorum_freep) Quorum *quorum = NULL;
    _cleanup_secret_ Secret *old_pin = NULL, *new_pin = NULL;
    Call new_call = *call;
    int r = session_open(call, NULL, NULL, &quorum, problem);

    new_call.options[OPTION_PIN_FILE] = call->options[OPTION_NEW_PIN_FILE];
    if (r == 0)
        r = session_login(call, quorum, &old_pin, problem);
    if (r == 0)
        r = session_pin(&new_call, true, &new_pin, problem);
    if (r == 0)
        r = quorum_set_pin(quorum, old_pin, new_pin, problem);
    if (r != 0)
        return r;
    fprintf(stderr, "The PIN of token %s is changed.\n", quorum_roster(quorum)->label);
    return report_missed(quorum) ? CTL_E_ATTENTION : 0;
}
