/* The token's beginning: every node is told what it is part of, and its first PIN; or a forgotten PIN is replaced. */
#include <errno.h>
#include <string.h>

#include "quorum/pin.h"
#include "quorum/state.h"
#include "quorum/status.h"
#include "quorum/steps.h"

#define VERSION_LEAP ((uint64_t)1 << 32) /* a node that claims a PIN version so much newer than the others' lies */

typedef struct Init {
    Quorum *quorum;
    const Roster *roster;
    const Secret *master;
    NodeAnswers status;
    NodeSet fresh, members; /* uninitialized; of this token */
    uint64_t version;       /* that the verifiers get */
} Init;

static void init_clear(Init *init)
{
    node_answers_clear(&init->status);
}

static const NodeStatusOutput *status_of(const Init *init, unsigned index)
{
    return init->status.of[index - 1].output;
}

/* Who is what; a node that is not the roster's, or another token's, stops everything. */
static int sort_nodes(Init *init, Problem *problem)
{
    for (unsigned i = 1; i <= init->roster->n; i++) {
        const NodeStatusOutput *status = status_of(init, i);
        _cleanup_free_ char *words = NULL;

        if (!status)
            continue;
        if (status_is_member(init->roster, i, status))
            init->members |= NODE_SET_OF(i);
        if (!status->initialized)
            init->fresh |= NODE_SET_OF(i);

        int r = status_compare(init->roster, i, status, &words);

        if (r < 0)
            return problem_set(problem, r, "out of memory");
        if (words && (status->initialized || memcmp(status->sealing_key.data, init->roster->nodes[i - 1].sealing_key, 32) != 0 ||
                      memcmp(status->identity_key.data, init->roster->nodes[i - 1].identity_key, 32) != 0))
            return problem_set(problem, QUORUM_E_REFUSED, "node %s (%u): %s", init->roster->nodes[i - 1].name, i, words);
    }
    return 0;
}

/* A node that has got the token from an interrupted run and nothing since. */
static bool is_new(const NodeStatusOutput *status)
{
    return status->pin_version == 1 && status->active + status->pending + status->unusable + status->destroyed == 0;
}

/* Before the first node is told anything: a token that some nodes know and others do not helps nobody. */
static int check_permissions(const Init *init, Problem *problem)
{
    NodeSet forbidding = status_forbidding(&init->status, NODE_PERMISSION_ADMIN) & init->fresh;
    char names[NODE_NAMES_SIZE];

    if (forbidding == 0)
        return 0;
    steps_name_nodes(init->quorum, forbidding, names);
    return problem_set(problem, QUORUM_E_REFUSED,
                       "initialising a token needs the permission 'admin' at all its nodes, which this client lacks at %s: 'kqctl node "
                       "authorize --allow' there",
                       names);
}

/* The nodes that say that this client is on another host. */
static NodeSet remote_nodes(const Init *init)
{
    NodeSet nodes = 0;

    for (unsigned i = 1; i <= init->roster->n; i++)
        if (status_of(init, i) && status_of(init, i)->client && strcmp(status_of(init, i)->client, "local") != 0)
            nodes |= NODE_SET_OF(i);
    return nodes;
}

static int check_first(const Init *init, Problem *problem)
{
    Problem words = PROBLEM_INIT;

    if (node_set_count(init->fresh | init->members) < init->roster->n) {
        node_answers_describe(init->quorum, &init->status, &words);
        return problem_set(problem, QUORUM_E_TOO_FEW_NODES, "all %u nodes must be there. %s", init->roster->n, words.text);
    }
    if (init->fresh == 0)
        return problem_set(
            problem, QUORUM_E_REFUSED,
            "the nodes have their token and PIN already; a forgotten PIN is replaced with --reset-pin, for nodes on other hosts "
            "with 'kqctl node reset-pin' there");
    for (unsigned i = 1; i <= init->roster->n; i++)
        if (init->members & NODE_SET_OF(i) && !is_new(status_of(init, i)))
            return problem_set(
                problem, QUORUM_E_REFUSED,
                "node %s (%u) is in use in this token already; --reset-pin takes in new nodes and replaces the PIN, where the "
                "nodes are on this host; on other hosts 'kqctl node reset-pin' replaces it",
                init->roster->nodes[i - 1].name, i);
    return check_permissions(init, problem);
}

static int check_reset(const Init *init, Problem *problem)
{
    const Roster *roster = init->roster;
    unsigned enough = quorum_pin_majority(roster);
    NodeSet remote = remote_nodes(init);
    char names[NODE_NAMES_SIZE];
    Problem words = PROBLEM_INIT;

    steps_name_nodes(init->quorum, remote, names);
    if (remote != 0)
        return problem_set(problem, QUORUM_E_REFUSED, "a PIN is reset on the nodes' own hosts: 'kqctl node reset-pin' on those of %s",
                           names);
    if (init->members == 0 && init->fresh != 0)
        return problem_set(problem, QUORUM_E_REFUSED, "the nodes that answer belong to no token yet: there is nothing to reset");
    if (node_set_count(init->fresh | init->members) >= enough)
        return 0;
    node_answers_describe(init->quorum, &init->status, &words);
    return problem_set(problem, QUORUM_E_TOO_FEW_NODES, "at least %u nodes must be there. %s", enough, words.text);
}

/* One more than the newest, so that nodes that are away are stale; a liar's leap is not followed. */
static uint64_t next_version(const Init *init)
{
    const Roster *roster = init->roster;
    unsigned liars = quorum_liars_max(roster);
    uint64_t newest = 0;

    for (unsigned i = 1; i <= roster->n; i++) {
        uint64_t version = init->members & NODE_SET_OF(i) ? status_of(init, i)->pin_version : 0;
        unsigned vouchers = 0;

        for (unsigned j = 1; j <= roster->n; j++)
            vouchers += init->members & NODE_SET_OF(j) && status_of(init, j)->pin_version + VERSION_LEAP >= version;
        if (version > newest && vouchers > liars)
            newest = version;
    }
    return newest + 1;
}

static int tell_node(const Init *init, unsigned index, bool reset, uint64_t version, bool *ret_done, Problem *words)
{
    const Roster *roster = init->roster;
    uint8_t verifier[NODE_VERIFIER_SIZE];
    _cleanup_node_answers_ NodeAnswers answers = {0};
    const NodeInitTokenInput input = {
        .token = {(uint8_t *)(uintptr_t)roster->token, TOKEN_ID_SIZE},
        .index = index,
        .n = roster->n,
        .k = roster->k,
        .verifier = {verifier, sizeof(verifier)},
        .reset_pin = reset,
        .pin_version = version,
    };
    const void *const inputs[] = {&input};
    int r = pin_verifier(roster, init->master, index, verifier);

    if (r < 0)
        return r;
    quorum_step(init->quorum, "init-token %u", index);
    r = quorum_ask(init->quorum, NODE_SET_OF(index), ASK_FRESH, NODE_METHOD("InitToken"), &node_init_token_input, inputs, true,
                   &node_no_parameters, quorum_deadline(init->quorum), &answers);
    if (r < 0)
        return r;
    *ret_done = node_answers_good(&answers) != 0;
    if (*ret_done)
        peer_note_hello(init->quorum, index, version, 0);
    else
        node_words_add(init->quorum, index, answers.of[index - 1].words, words);
    return 0;
}

/* The first version of a PIN is 1: a new node of a token that is in use gets that first. */
static int init_node(const Init *init, unsigned index, bool *ret_done, Problem *words)
{
    const bool member = init->members & NODE_SET_OF(index);
    bool done = member;
    int r = member ? 0 : tell_node(init, index, false, 1, &done, words);

    if (r == 0 && done && (member || init->version > 1))
        r = tell_node(init, index, true, init->version, &done, words);
    if (r == 0)
        *ret_done = done;
    return r;
}

static int init_nodes(const Init *init, unsigned enough, Problem *problem)
{
    Problem words = PROBLEM_INIT;
    unsigned done = 0;

    for (unsigned i = 1; i <= init->roster->n; i++) {
        bool good = false;
        int r = (init->fresh | init->members) & NODE_SET_OF(i) ? init_node(init, i, &good, &words) : 0;

        if (r < 0)
            return problem_set(problem, r, "the PIN's verifiers cannot be made: %s", strerror(-r));
        done += good;
    }
    if (done < enough)
        return problem_set(problem, QUORUM_E_TOO_FEW_NODES, "%u nodes took the PIN, %u must: try again. %s", done, enough, words.text);
    return 0;
}

int quorum_init_token(Quorum *quorum, const Secret *pin, bool reset, Problem *problem)
{
    const Roster *roster = quorum->roster;
    _cleanup_secret_ Secret *master = NULL;
    _cleanup_(init_clear) Init init = {.quorum = quorum, .roster = roster, .version = 1};
    unsigned enough = quorum_pin_majority(roster);
    int r = pin_check(pin, problem);

    if (r < 0)
        return r;
    r = pin_master(roster, pin, &master);
    if (r == 0)
        r = status_ask(quorum, &init.status);
    if (r < 0)
        return problem_set(problem, r, "the token cannot be initialized: %s", strerror(-r));
    init.master = master;
    r = sort_nodes(&init, problem);
    if (r == 0)
        r = reset ? check_reset(&init, problem) : check_first(&init, problem);
    if (r != 0)
        return r;
    if (reset)
        init.version = next_version(&init);
    quorum_logout(quorum);
    return init_nodes(&init, reset ? enough : roster->n, problem);
}
