#include <errno.h>
#include <string.h>

#include "base/crypto.h"
#include "base/ini.h"
#include "ctl/cards.h"
#include "ctl/client-key.h"
#include "ctl/roster-add.h"
#include "quorum/ask.h"

static const char *path_of(const Call *call)
{
    return call->options[OPTION_CONF] ? call->options[OPTION_CONF] : roster_path();
}

/* ---- Cards ---- */

typedef struct Adding {
    Roster *roster;
    bool replace;
    NodeSet changed; /* those that cards were given of */
} Adding;

static int add_card(Adding *adding, NodeCard *card, Problem *problem)
{
    Roster *roster = adding->roster;

    if (adding->replace)
        return problem_set(problem, -ENOENT, "there is no node %s in the roster to replace; without --replace it is added", card->name);
    if (roster->n == THRESHOLD_NODES_MAX)
        return problem_set(problem, -E2BIG, "node %s is one too many: a token has at most %d nodes", card->name, THRESHOLD_NODES_MAX);
    adding->changed |= NODE_SET_OF(roster->n + 1);
    roster->nodes[roster->n++] = *card;
    *card = (NodeCard){0};
    return 0;
}

static void replace_card(Adding *adding, unsigned at, NodeCard *card)
{
    card_clear(&adding->roster->nodes[at]);
    adding->roster->nodes[at] = *card;
    adding->changed |= NODE_SET_OF(at + 1);
    *card = (NodeCard){0};
}

static int take_card(void *userdata, const char *text, Problem *problem)
{
    _cleanup_(card_clear) NodeCard card = {0};
    Adding *adding = userdata;
    int r = card_parse(text, &card, problem);

    if (r != 0)
        return r;
    for (unsigned i = 0; adding->replace && i < adding->roster->n; i++)
        if (strcmp(adding->roster->nodes[i].name, card.name) == 0) {
            replace_card(adding, i, &card);
            return 0;
        }
    return add_card(adding, &card, problem);
}

/* ---- A roster to add to ---- */

static int set_threshold(const Call *call, Roster *roster, Problem *problem)
{
    uint64_t k;
    int r = ini_parse_uint(call->options[OPTION_THRESHOLD], 2, THRESHOLD_NODES_MAX, &k, problem);

    if (r != 0)
        return problem_prefix(problem, CTL_E_USAGE, "--threshold");
    roster->k = (unsigned)k;
    return 0;
}

static int set_names(const Call *call, Roster *roster, Problem *problem)
{
    const char *label = call->options[OPTION_TOKEN_LABEL], *client = call->options[OPTION_CLIENT];

    if (strlen(label) > TOKEN_LABEL_SIZE_MAX)
        return problem_set(problem, CTL_E_USAGE, "--label: a token's label has at most %d bytes", TOKEN_LABEL_SIZE_MAX);
    if (client && strlen(client) > NODE_NAME_MAX)
        return problem_set(problem, CTL_E_USAGE, "--client: a client's name has at most %d bytes", NODE_NAME_MAX);
    (void)snprintf(roster->label, sizeof(roster->label), "%s", label);
    if (client)
        (void)snprintf(roster->client, sizeof(roster->client), "%s", client);
    return 0;
}

/* The name under which the nodes know this client is in its key; there is none where all nodes are on this host. */
static int set_client(const Call *call, Roster *roster, Problem *problem)
{
    _cleanup_free_ char *path = NULL;
    _cleanup_secret_ Secret *pem = NULL;
    char name[NODE_NAME_MAX + 1] = "";
    int r;

    if (call->options[OPTION_CLIENT])
        return 0;
    r = client_key_path(call, &path, problem);
    if (r == 0)
        r = client_key_read(path, &pem, name, NULL);
    if (r == 0 && *name)
        (void)snprintf(roster->client, sizeof(roster->client), "%s", name);
    return r == -ENOMEM ? r : 0; /* a key that cannot be read is the business of those who need it */
}

static int new_roster(const Call *call, Roster **ret_roster, Problem *problem)
{
    _cleanup_(roster_freep) Roster *roster = roster_new();
    int r;

    if (!roster)
        return problem_set(problem, -ENOMEM, "out of memory");
    if (!call->options[OPTION_TOKEN_LABEL] || !call->options[OPTION_THRESHOLD])
        return problem_set(problem, CTL_E_USAGE, "there is no roster %s yet: to make it, --label LABEL and --threshold K are needed",
                           path_of(call));
    r = set_threshold(call, roster, problem);
    if (r == 0)
        r = set_names(call, roster, problem);
    if (r == 0)
        r = set_client(call, roster, problem);
    if (r == 0 && crypto_random(roster->token, sizeof(roster->token)) < 0)
        r = problem_set(problem, -EIO, "there is no randomness for the token's identifier");
    if (r == 0)
        *ret_roster = TAKE_PTR(roster);
    return r;
}

/* The nodes know how many they are since `token init`: n cannot change. Those that cannot be asked are named. */
static int check_nodes(const Quorum *quorum, const NodeState *states, unsigned n, Problem *problem)
{
    const Roster *roster = quorum_roster(quorum);

    for (unsigned i = 0; i < n; i++)
        if (states[i].reachable && states[i].initialized)
            return problem_set(
                problem, -EBUSY,
                "token %s is initialised (node %s says so): the number of its nodes cannot change any more. Make a new token "
                "with all nodes, in another roster",
                roster->label, states[i].name);
    for (unsigned i = 0; i < n; i++)
        if (!states[i].reachable)
            fprintf(stderr, "kqctl: node %s cannot be asked whether the token is initialised; if it is, this roster will not fit it\n",
                    states[i].name);
    return 0;
}

static int check_not_initialised(const Roster *roster, Problem *problem)
{
    _cleanup_(roster_freep) Roster *copy = NULL;
    _cleanup_(quorum_freep) Quorum *quorum = NULL;
    NodeState *states = NULL;
    int r = roster_copy(roster, &copy);

    if (r == 0)
        r = quorum_new(copy, &(QuorumHooks){0}, &quorum);
    if (r != 0)
        return problem_set(problem, r, "out of memory");
    copy = NULL;
    r = quorum_status(quorum, &states, problem);
    if (r != 0)
        return r;
    r = check_nodes(quorum, states, roster->n, problem);
    quorum_status_free(states, roster->n);
    return r;
}

static int check_existing(const Call *call, const Roster *roster, Problem *problem)
{
    static const OptionId for_new[] = {OPTION_TOKEN_LABEL, OPTION_THRESHOLD, OPTION_CLIENT};

    for (size_t i = 0; i < ELEMENTS(for_new); i++)
        if (call->options[for_new[i]])
            return problem_set(problem, CTL_E_USAGE, "the roster %s exists: --%s is for a new one. To change it, edit the file",
                               path_of(call), option_at(for_new[i])->name);
    if (call->options[OPTION_REPLACE])
        return 0;
    return check_not_initialised(roster, problem);
}

static int open_roster(const Call *call, Roster **ret_roster, Problem *problem)
{
    _cleanup_(roster_freep) Roster *roster = NULL;
    int r;

    if (access(path_of(call), F_OK) < 0 && errno == ENOENT && !call->options[OPTION_REPLACE])
        return new_roster(call, ret_roster, problem);
    r = roster_read(path_of(call), &roster, problem);
    if (r == 0)
        r = check_existing(call, roster, problem);
    if (r == 0)
        *ret_roster = TAKE_PTR(roster);
    return r;
}

/* An incomplete roster is not written: nothing could read it. */
static int check_complete(const Roster *roster, Problem *problem)
{
    if (roster->n < 2)
        return problem_set(problem, CTL_E_USAGE, "a token has at least 2 nodes: give the cards of all its nodes at once");
    if (roster->k > roster->n)
        return problem_set(problem, CTL_E_USAGE, "%u of %u nodes cannot sign: the threshold is larger than the number of nodes", roster->k,
                           roster->n);
    return 0;
}

static void tell(const Adding *adding, const char *path)
{
    const Roster *roster = adding->roster;

    for (unsigned i = 0; i < roster->n; i++) {
        char fingerprint[40];

        if (!(adding->changed & NODE_SET_OF(i + 1)))
            continue;
        card_fingerprint(&roster->nodes[i], fingerprint);
        fprintf(stderr, "%2u  %-16s %s\n", i + 1, roster->nodes[i].name, fingerprint);
    }
    fprintf(stderr,
            "%s: token %s, any %u of %u nodes sign. Compare the fingerprints with those that 'kqctl node card' prints at the nodes.\n",
            path, roster->label, roster->k, roster->n);
}

int roster_add_cards(const Call *call, Problem *problem)
{
    static const CardReader reader = {CARD_START_NODE, take_card};
    _cleanup_(roster_freep) Roster *roster = NULL;
    Adding adding = {.replace = call->options[OPTION_REPLACE] != NULL};
    int r = open_roster(call, &roster, problem);

    adding.roster = roster;
    for (size_t i = 0; r == 0 && i < call->n_arguments; i++)
        r = cards_read(&reader, &adding, call->arguments[i], problem);
    if (r == 0)
        r = check_complete(roster, problem);
    if (r == 0)
        r = roster_write(path_of(call), roster, problem);
    if (r == 0)
        tell(&adding, path_of(call));
    return r;
}

int verb_roster_add(const Call *call, Problem *problem)
{
    return roster_add_cards(call, problem);
}
