/* Is every node what the roster says, and as it should be for this client? In words. */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "ctl/document.h"
#include "ctl/permissions.h"
#include "ctl/session.h"
#include "ctl/terminal.h"

#define CLOCK_TOLERANCE  5 /* seconds */
#define NEEDED_BY_SIGNER (1u << NODE_PERMISSION_LIST | 1u << NODE_PERMISSION_SIGN)

typedef struct Check {
    const Roster *roster;
    NodeState *states;
    time_t asked_at;
    uint64_t pin_version; /* the newest that at least k nodes have; 0: none */
} Check;

/* ---- What may be the matter ---- */

/* One thing that may be wrong with a node; NULL: it is not. `room` is for words that must be made. */
typedef const char *(*Finding)(const Check *check, const NodeState *state, char room[256]);

/* Cannot be reached, has a wrong pin, does not know this client, is another node, or of another token: what makes the rest worthless. */
static const char *find_problem(const Check *check, const NodeState *state, char room[256])
{
    return state->problem;
}

/* Cards whose names were exchanged by hand: keys and index are right, and whoever goes to a host goes to the wrong one. */
static const char *find_name(const Check *check, const NodeState *state, char room[256])
{
    if (!state->own_name || strcmp(state->own_name, state->name) == 0)
        return NULL;
    (void)snprintf(room, 256, "it calls itself %.32s", state->own_name);
    return room;
}

static const char *find_locked(const Check *check, const NodeState *state, char room[256])
{
    return state->pin_locked ? LOCKED_WORDS : NULL;
}

static const char *find_version(const Check *check, const NodeState *state, char room[256])
{
    if (!state->version || strcmp(state->version, KEYQUORUM_VERSION) == 0)
        return NULL;
    (void)snprintf(room, 256, "it runs version %s, this kqctl is of version " KEYQUORUM_VERSION, state->version);
    return room;
}

static const char *find_clock(const Check *check, const NodeState *state, char room[256])
{
    int64_t ours = (int64_t)check->asked_at + (int64_t)(state->latency / MICROSECONDS_PER_SECOND);
    int64_t off = (int64_t)state->time - ours;

    if (state->time == 0 || (off <= CLOCK_TOLERANCE && off >= -CLOCK_TOLERANCE))
        return NULL;
    (void)snprintf(room, 256, "its clock is %" PRId64 " s %s this host's: set one of them right, or the times in their logs will mislead",
                   off < 0 ? -off : off, off < 0 ? "behind" : "ahead of");
    return room;
}

static const char *find_pin(const Check *check, const NodeState *state, char room[256])
{
    if (!state->initialized || state->pin_version >= check->pin_version)
        return NULL;
    (void)snprintf(room, 256,
                   "it missed a change of the PIN (it has version %" PRIu64 ", the others %" PRIu64
                   "): 'kqctl node reset-pin --pin-version %" PRIu64 "' on its host",
                   state->pin_version, check->pin_version, check->pin_version);
    return room;
}

static const char *find_permissions(const Check *check, const NodeState *state, char room[256])
{
    char lacking[PERMISSIONS_TEXT_SIZE], wanted[PERMISSIONS_TEXT_SIZE];

    if (!state->client || (NEEDED_BY_SIGNER & ~state->permissions) == 0)
        return NULL;
    permissions_format(NEEDED_BY_SIGNER & ~state->permissions, lacking);
    permissions_format(NEEDED_BY_SIGNER | state->permissions, wanted); /* the list takes the place of the one before */
    (void)snprintf(
        room, 256,
        "this client (%s) lacks the permission %s there, which a signer needs: 'kqctl node authorize CARD --allow %s' on its host",
        state->client, lacking, wanted);
    return room;
}

/* What is worth knowing and needs nothing: versions differ while hosts are brought up to date one after the other, and the protocol, which
 * must be the same, is find_problem()'s. */
static const Finding remarks[] = {find_version};
static const Finding findings[] = {find_problem, find_name, find_locked, find_clock, find_pin, find_permissions};

/* Of the nodes' PIN versions, the newest that k nodes have or are past. */
static uint64_t newest_pin(const Check *check)
{
    uint64_t newest = 0;

    for (unsigned i = 0; i < check->roster->n; i++) {
        unsigned holders = 0;

        for (unsigned j = 0; j < check->roster->n; j++)
            holders += check->states[j].pin_version >= check->states[i].pin_version;
        if (holders >= check->roster->k && check->states[i].pin_version > newest)
            newest = check->states[i].pin_version;
    }
    return newest;
}

static unsigned count_findings(const Check *check, const NodeState *state)
{
    unsigned n = 0;
    char room[256];

    for (size_t i = 0; i < ELEMENTS(findings); i++)
        n += findings[i](check, state, room) != NULL;
    return n;
}

/* ---- Text ---- */

static void print_line(const NodeState *state, const char *words)
{
    printf("%s (%u): ", state->name, state->index);
    terminal_print(words, 0);
    putchar('\n');
}

static void print_all(const Finding *all, size_t n, const Check *check, const NodeState *state)
{
    char room[256];

    for (size_t i = 0; i < n; i++) {
        const char *words = all[i](check, state, room);

        if (words)
            print_line(state, words);
    }
}

static void print_node(const Check *check, const NodeState *state)
{
    if (count_findings(check, state) == 0)
        print_line(state, "as the roster says");
    print_all(findings, ELEMENTS(findings), check, state);
    print_all(remarks, ELEMENTS(remarks), check, state);
}

/* ---- JSON ---- */

static Document *list_all(const Finding *all, size_t n, const Check *check, const NodeState *state)
{
    Document *list = document_list();
    char room[256];

    for (size_t i = 0; i < n; i++)
        document_append_text(list, all[i](check, state, room));
    return list;
}

static Document *node_document(const Check *check, const NodeState *state)
{
    Document *node = document_new();

    document_text(node, "name", state->name);
    document_number(node, "index", state->index);
    document_text(node, "address", state->address);
    document_flag(node, "reachable", state->reachable);
    document_flag(node, "good", count_findings(check, state) == 0);
    document_add(node, "findings", list_all(findings, ELEMENTS(findings), check, state));
    document_add(node, "remarks", list_all(remarks, ELEMENTS(remarks), check, state));
    return node;
}

static void print_document(const Check *check, bool good)
{
    Document *document = document_new(), *nodes = document_list();

    document_text(document, "label", check->roster->label);
    document_flag(document, "good", good);
    for (unsigned i = 0; i < check->roster->n; i++)
        document_append(nodes, node_document(check, &check->states[i]));
    document_add(document, "nodes", nodes);
    document_print(document);
}

static bool report(const Call *call, const Check *check)
{
    unsigned n = 0;

    for (unsigned i = 0; i < check->roster->n; i++)
        n += count_findings(check, &check->states[i]);
    if (call->options[OPTION_JSON])
        print_document(check, n == 0);
    for (unsigned i = 0; !call->options[OPTION_JSON] && i < check->roster->n; i++)
        print_node(check, &check->states[i]);
    return n == 0;
}

int verb_roster_check(const Call *call, Problem *problem)
{
    _cleanup_(quorum_freep) Quorum *quorum = NULL;
    Check check = {0};
    int r = session_open(call, NULL, NULL, &quorum, problem);

    check.asked_at = time(NULL);
    if (r == 0)
        r = quorum_status(quorum, &check.states, problem);
    if (r != 0)
        return r;
    check.roster = quorum_roster(quorum);
    check.pin_version = newest_pin(&check);

    bool good = report(call, &check);

    quorum_status_free(check.states, check.roster->n);
    return good ? 0 : CTL_E_ATTENTION;
}
