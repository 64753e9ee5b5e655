#include "ctl/session.h"

static int refresh(const Call *call, Quorum *quorum, const QuorumKey *key, Problem *problem)
{
    _cleanup_(quorum_key_unrefp) QuorumKey *fresh = NULL;
    char id[2 * KEY_ID_SIZE + 1];
    int r = session_login(call, quorum, NULL, problem);

    if (r == 0)
        r = quorum_refresh(quorum, quorum_key_id(key), &fresh, problem);
    if (r != 0)
        return r;
    key_id_format(quorum_key_id(fresh), id);
    fprintf(stderr, "All nodes have new shares, generation %u of the same key, under a new key id; the old ones are destroyed.\n",
            quorum_key_header(fresh)->generation);
    puts(id);
    return 0;
}

int verb_key_refresh(const Call *call, Problem *problem)
{
    _cleanup_(quorum_freep) Quorum *quorum = NULL;
    _cleanup_(quorum_key_unrefp) QuorumKey *key = NULL;
    int r = session_open(call, NULL, NULL, &quorum, problem);

    if (r == 0)
        r = session_key(quorum, call->arguments[0], &key, problem);
    return r == 0 ? refresh(call, quorum, key, problem) : r;
}
