#include <errno.h>

#include "ctl/roster-add.h"
#include "ctl/session.h"

static int check_options(const Call *call, Problem *problem)
{
    static const OptionId for_cards[] = {OPTION_TOKEN_LABEL, OPTION_THRESHOLD, OPTION_CLIENT};

    if (call->n_arguments > 0)
        return call->options[OPTION_RESET_PIN]
                   ? problem_set(problem, CTL_E_USAGE, "--reset-pin is for a token that exists, and the cards are for a new one")
                   : 0;
    for (size_t i = 0; i < ELEMENTS(for_cards); i++)
        if (call->options[for_cards[i]])
            return problem_set(problem, CTL_E_USAGE, "--%s is for a new roster: give the cards of its nodes as well",
                               option_at(for_cards[i])->name);
    return 0;
}

static int init(const Call *call, const Secret *pin, Problem *problem)
{
    _cleanup_(quorum_freep) Quorum *quorum = NULL;
    bool reset = call->options[OPTION_RESET_PIN] != NULL;
    int r = session_open(call, NULL, NULL, &quorum, problem);

    if (r == 0)
        r = quorum_init_token(quorum, pin, reset, problem);
    if (r == 0)
        fprintf(stderr, reset ? "The PIN of token %s is replaced.\n" : "Token %s is initialised on its nodes, and has its PIN.\n",
                quorum_roster(quorum)->label);
    return r;
}

int verb_token_init(const Call *call, Problem *problem)
{
    _cleanup_(roster_freep) Roster *roster = NULL;
    _cleanup_secret_ Secret *pin = NULL;
    int r = check_options(call, problem);

    if (r == 0 && call->n_arguments == 0)
        r = session_roster(call, &roster, problem);
    if (r == 0)
        r = session_pin(call, true, &pin, problem);
    if (r == 0 && call->n_arguments > 0)
        r = roster_add_cards(call, problem);
    if (r != 0)
        return r;
    r = init(call, pin, problem);
    if (r != 0 && call->n_arguments > 0)
        fprintf(stderr, "kqctl: the roster is made and stays; when what follows is put right, run 'kqctl token init' without the cards\n");
    return r;
}
