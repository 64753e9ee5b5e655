#include "ctl/session.h"

/* Change what is known of the key now. */
static int change(const Call *call, Quorum *quorum, const KeyId *id, Problem *problem)
{
    _cleanup_(quorum_key_unrefp) QuorumKey *key = quorum_key_by_id(quorum, id);
    _cleanup_(key_record_clear) KeyRecord record = {0};
    int r;

    if (!key)
        return problem_set(problem, QUORUM_E_UNKNOWN_KEY, "the key does not exist any more");
    r = key_record_copy(quorum_key_record(key), &record);
    if (r == 0)
        r = session_record(call, &record, problem);
    return r == 0 ? quorum_set_record(quorum, id, &record, problem) : r;
}

int verb_key_set(const Call *call, Problem *problem)
{
    _cleanup_(quorum_freep) Quorum *quorum = NULL;
    _cleanup_(quorum_key_unrefp) QuorumKey *key = NULL;
    int r;

    if (!call->options[OPTION_LABEL] && !call->options[OPTION_ID] && !call->options[OPTION_NOT_AFTER])
        return problem_set(problem, CTL_E_USAGE, "what is to be set? Give --label, --id or --not-after");
    r = session_open(call, NULL, NULL, &quorum, problem);
    if (r == 0)
        r = session_key(quorum, call->arguments[0], &key, problem);
    if (r == 0)
        r = session_login(call, quorum, NULL, problem);
    if (r == 0)
        r = change(call, quorum, quorum_key_id(key), problem);
    if (r == QUORUM_E_CONFLICT) /* another client was at it while the PIN was typed: what it changed stays */
        r = change(call, quorum, quorum_key_id(key), problem);
    return r;
}
