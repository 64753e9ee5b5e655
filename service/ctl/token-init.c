#include "ctl/session.h"

int verb_token_init(const Call *call, Problem *problem)
{
    _cleanup_(quorum_freep) Quorum *quorum = NULL;
    _cleanup_secret_ Secret *pin = NULL;
    bool reset = call->options[OPTION_RESET_PIN] != NULL;
    int r = session_open(call, NULL, NULL, &quorum, problem);

    if (r == 0)
        r = session_pin(call, true, &pin, problem);
    if (r == 0)
        r = quorum_init_token(quorum, pin, reset, problem);
    if (r == 0)
        fprintf(stderr, reset ? "The PIN of token %s is replaced.\n" : "Token %s is initialised on its nodes, and has its PIN.\n",
                quorum_roster(quorum)->label);
    return r;
}
