#include "ctl/session.h"

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
    if (r == 0)
        fprintf(stderr, "The PIN of token %s is changed. Nodes that were away refuse it until 'kqctl node reset-pin' on their hosts.\n",
                quorum_roster(quorum)->label);
    return r;
}
