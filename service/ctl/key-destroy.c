#include "ctl/session.h"

#include <string.h>

#include "ctl/terminal.h"

/* `label`: NULL if it is not known. */
static int confirm(const Call *call, const KeyId *id, const char *label, Problem *problem)
{
    char text[2 * KEY_ID_SIZE + 1];
    Problem warning; /* for its words, without control characters */

    key_id_format(id, text);
    (void)problem_set(&warning, 0, "Key %.16s... (%s%s%s) will be destroyed on all nodes, for ever: no copy of it exists", text,
                      label ? "'" : "", label ? label : "its label is not known", label ? "'" : "");
    return terminal_confirm(call, warning.text, problem);
}

/* A whole key id is taken as it is: a destruction that was cut off is finished although the key does not exist any more. */
static int find(Quorum *quorum, const char *text, KeyId *ret_id, QuorumKey **ret_key, Problem *problem)
{
    bool whole = strlen(text) == 2 * KEY_ID_SIZE && key_id_parse(text, ret_id) == 0;
    int r = session_key(quorum, text, ret_key, whole ? NULL : problem);

    if (r == 0)
        *ret_id = *quorum_key_id(*ret_key);
    return whole && r > 0 ? 0 : r;
}

int verb_key_destroy(const Call *call, Problem *problem)
{
    _cleanup_(quorum_freep) Quorum *quorum = NULL;
    _cleanup_(quorum_key_unrefp) QuorumKey *key = NULL;
    KeyId id;
    int r = session_open(call, NULL, NULL, &quorum, problem);

    if (r == 0)
        r = find(quorum, call->arguments[0], &id, &key, problem);
    if (r == 0)
        r = confirm(call, &id, key ? quorum_key_record(key)->private_label : NULL, problem);
    if (r == 0)
        r = session_login(call, quorum, NULL, problem);
    if (r == 0)
        r = quorum_destroy(quorum, &id, problem);
    if (r == 0)
        fprintf(stderr, "The key is destroyed. Nodes that were away learn it from 'kqctl sync'.\n");
    return r;
}
