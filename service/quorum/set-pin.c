/* Changing the PIN (docs/protocol.md "PIN"): the next verifier is prepared on enough nodes, then committed. */
#include <errno.h>
#include <string.h>

#include "quorum/ask-as.h"
#include "quorum/pin.h"
#include "quorum/state.h"

typedef struct Change {
    Quorum *quorum;
    Login *login;         /* with which the connections log in */
    const Secret *master; /* of the new PIN */
    NodeSet nodes;        /* that accept the login and hold `version` in force */
    uint64_t version;
    unsigned enough; /* max(k, n-k+1) */
    NodeSet denying; /* nodes that do not permit this client to change the PIN */
} Change;

/* One durable step at one node. Returns true if the node has taken it; else its words are added to the problem. */
static bool tell(Change *change, unsigned index, const char *method, const Layout *input, const NodePinInput *parameters, Problem *problem)
{
    const void *const inputs[] = {parameters};
    _cleanup_node_answers_ NodeAnswers answers = {0};
    int r = ask_as(change->quorum, change->login, NODE_SET_OF(index), ASK_LOGGED_IN, method, input, inputs, true, &node_no_parameters,
                   quorum_deadline(change->quorum), &answers);

    if (r == 0 && node_answers_good(&answers))
        return true;
    if (r == 0 && answers.of[index - 1].error == NODE_ERROR_PERMISSION_DENIED)
        change->denying |= NODE_SET_OF(index);
    node_words_add(change->quorum, index, r < 0 ? strerror(-r) : answers.of[index - 1].words, problem);
    return false;
}

static int prepare_at(Change *change, unsigned index, const Secret *master, bool *ret_done, Problem *problem)
{
    uint8_t verifier[NODE_VERIFIER_SIZE];
    const NodePinInput input = {.version = change->version + 1, .verifier = {verifier, sizeof(verifier)}};
    int r = pin_verifier(change->quorum->roster, master, index, verifier);

    if (r < 0)
        return problem_set(problem, r, "the verifiers of the new PIN cannot be derived: %s", strerror(-r));
    quorum_step(change->quorum, "prepare-pin %u", index);
    *ret_done = tell(change, index, NODE_METHOD("PreparePin"), &node_prepare_pin_input, &input, problem);
    return 0;
}

static int prepare(Change *change, NodeSet nodes, const Secret *master, NodeSet *ret_prepared, Problem *problem)
{
    *ret_prepared = 0;
    for (unsigned i = 1; i <= change->quorum->roster->n; i++) {
        bool done = false;
        int r = nodes & NODE_SET_OF(i) ? prepare_at(change, i, master, &done, problem) : 0;

        if (r < 0)
            return r;
        if (done)
            *ret_prepared |= NODE_SET_OF(i);
    }
    return 0;
}

static NodeSet commit(Change *change, NodeSet nodes, uint64_t version, Problem *problem)
{
    const NodePinInput input = {.version = version};
    NodeSet committed = 0;

    for (unsigned i = 1; i <= change->quorum->roster->n; i++) {
        if (!(nodes & NODE_SET_OF(i)))
            continue;
        quorum_step(change->quorum, "commit-pin %u", i);
        if (!tell(change, i, NODE_METHOD("CommitPin"), &node_commit_pin_input, &input, problem))
            continue;
        committed |= NODE_SET_OF(i);
        peer_note_hello(change->quorum, i, version, 0);
    }
    return committed;
}

/* The nodes that were prepared in vain would accept the new PIN: give them the old one as their next. */
static void take_back(Change *change, NodeSet prepared)
{
    NodeSet restored;

    if (prepare(change, prepared, login_master(change->login), &restored, NULL) < 0)
        return; /* what could be done was done */
}

/* From one version to the next, on enough nodes or on none. */
static int change_once(Change *change, Problem *problem)
{
    Problem words = PROBLEM_INIT;
    NodeSet prepared, committed;
    int r = prepare(change, change->nodes, change->master, &prepared, &words);

    if (r < 0)
        return problem_set(problem, r, "%s", words.text);
    if (node_set_count(prepared) < change->enough) {
        bool refused = node_set_count(prepared | change->denying) >= change->enough;

        take_back(change, prepared);
        return problem_set(problem, refused ? QUORUM_E_REFUSED : QUORUM_E_TOO_FEW_NODES,
                           "the PIN is unchanged: %u nodes must take the new one, %u did. %s", change->enough, node_set_count(prepared),
                           words.text);
    }
    committed = commit(change, prepared, change->version + 1, &words);
    if (node_set_count(committed) < change->enough)
        committed |= commit(change, prepared & ~committed, change->version + 1, &words);
    if (node_set_count(committed) < change->enough)
        return problem_set(
            problem, QUORUM_E_TOO_FEW_NODES,
            "the new PIN is accepted, but the old one is not yet refused everywhere (%u of %u nodes): change it again, with the "
            "new one as the old one. %s",
            node_set_count(committed), change->enough, words.text);
    change->nodes = committed;
    change->version++;
    return 0;
}

/* ---- Where things stand before ----------------------------------------------------------------------------------------- */

typedef struct PinVersions {
    uint64_t in_force[THRESHOLD_NODES_MAX], next[THRESHOLD_NODES_MAX];
} PinVersions;

static PinVersions read_versions(Quorum *quorum)
{
    PinVersions versions = {0};

    (void)pthread_mutex_lock(&quorum->lock);
    for (unsigned i = 0; i < quorum->roster->n; i++) {
        versions.in_force[i] = quorum->peers[i].pin_version;
        versions.next[i] = quorum->peers[i].next_pin_version;
    }
    (void)pthread_mutex_unlock(&quorum->lock);
    return versions;
}

/* Nodes that took the old PIN for their next one: an earlier change to it was interrupted. It is finished first. */
static NodeSet finish_earlier(Change *change, NodeSet accepted, const PinVersions *versions, Problem *words)
{
    NodeSet failed = 0;

    for (unsigned i = 1; i <= change->quorum->roster->n; i++) {
        NodeSet node = NODE_SET_OF(i);
        uint64_t version = accepted & node ? login_accepted_version(change->login, i) : 0;

        if (version != 0 && version == versions->next[i - 1] && version != versions->in_force[i - 1])
            failed |= node & ~commit(change, node, version, words);
    }
    return accepted & ~failed;
}

/* The version that most of the nodes hold, and which of them do. */
static void find_majority(Change *change, NodeSet accepted)
{
    unsigned n = change->quorum->roster->n;

    change->nodes = 0;
    for (unsigned i = 1; i <= n; i++) {
        uint64_t version = accepted & NODE_SET_OF(i) ? login_accepted_version(change->login, i) : 0;
        NodeSet holders = 0;

        for (unsigned j = 1; j <= n && version != 0; j++)
            if (accepted & NODE_SET_OF(j) && login_accepted_version(change->login, j) == version)
                holders |= NODE_SET_OF(j);
        if (node_set_count(holders) > node_set_count(change->nodes)) {
            change->nodes = holders;
            change->version = version;
        }
    }
}

/* Has a node that does not take part a version that now is the new PIN's, from an earlier change? It would look up to date. */
static bool others_hold(const Change *change, const PinVersions *versions)
{
    for (unsigned i = 0; i < change->quorum->roster->n; i++)
        if (!(change->nodes & NODE_SET_OF(i + 1)) && versions->in_force[i] == change->version)
            return true;
    return false;
}

static int change_pin(Change *change, Problem *problem)
{
    PinVersions versions = read_versions(change->quorum);
    Problem words = PROBLEM_INIT;
    LoginCount count;

    login_count(change->login, change->quorum, &count);
    /* An earlier change is finished by the PIN of enough nodes only: else it would be in force on too few to be changed again. */
    if (node_set_count(count.accepted) >= change->enough)
        count.accepted = finish_earlier(change, count.accepted, &versions, &words);
    find_majority(change, count.accepted);
    if (node_set_count(change->nodes) < change->enough)
        return problem_set(problem, QUORUM_E_TOO_FEW_NODES,
                           "the PIN is unchanged: at least %u nodes must be there and accept the old one, %u are. %s", change->enough,
                           node_set_count(change->nodes), words.text);

    int r = change_once(change, problem);

    if (r != 0 || !others_hold(change, &versions))
        return r;

    /* Once more, so that those others are stale by their version. */
    _cleanup_secret_ Secret *master = NULL;
    _cleanup_login_ Login *login = NULL;

    r = secret_new_copy(secret_bytes(change->master), secret_size(change->master), &master);
    if (r == 0)
        r = login_new(change->quorum, TAKE_PTR(master), &login);
    if (r < 0)
        return problem_set(problem, r, "out of memory");
    change->login = login;
    r = change_once(change, problem);
    change->login = NULL;
    return r;
}

/* ---- The interface ------------------------------------------------------------------------------------------------------- */

/* Go on with the new PIN, if somebody was logged in. */
static int log_in_again(Quorum *quorum, Secret *master, Problem *problem)
{
    _cleanup_secret_ Secret *owned = master;
    _cleanup_login_ Login *login = NULL;

    if (!quorum_logged_in(quorum))
        return 0;

    int r = login_try(quorum, TAKE_PTR(owned), &login, NULL, problem);

    if (r == 0)
        login_install(quorum, login);
    return r;
}

static void note_missed(const Change *change, bool done)
{
    Quorum *quorum = change->quorum;

    (void)pthread_mutex_lock(&quorum->lock);
    quorum->pin_missed = done ? node_set_all(quorum->roster->n) & ~change->nodes : 0;
    quorum->pin_changed_to = done ? change->version : 0;
    (void)pthread_mutex_unlock(&quorum->lock);
}

int quorum_set_pin(Quorum *quorum, const Secret *old_pin, const Secret *new_pin, Problem *problem)
{
    const Roster *roster = quorum->roster;
    _cleanup_secret_ Secret *old_master = NULL, *new_master = NULL;
    _cleanup_login_ Login *login = NULL;
    bool decided = false;
    int r = pin_check(old_pin, problem);

    if (r == 0)
        r = pin_check(new_pin, problem);
    if (r < 0)
        return r;
    r = pin_master(roster, old_pin, &old_master);
    if (r == 0)
        r = pin_master(roster, new_pin, &new_master);
    if (r < 0)
        return problem_set(problem, r, "nothing can be derived from the PIN: %s", strerror(-r));
    r = login_try(quorum, TAKE_PTR(old_master), &login, &decided, problem);
    if (r != 0)
        return r;
    if (!decided)
        return problem_set(problem, QUORUM_E_TOO_FEW_NODES,
                           "the PIN is unchanged: too few nodes answer to tell whether the old one is right");

    Change change = {
        .quorum = quorum,
        .login = login,
        .master = new_master,
        .enough = quorum_pin_majority(roster),
    };

    r = change_pin(&change, problem);
    note_missed(&change, r == 0);
    return r == 0 ? log_in_again(quorum, TAKE_PTR(new_master), problem) : r;
}

uint32_t quorum_pin_missed(Quorum *quorum, uint64_t *ret_version)
{
    (void)pthread_mutex_lock(&quorum->lock);

    NodeSet missed = quorum->pin_missed;

    *ret_version = quorum->pin_changed_to;
    (void)pthread_mutex_unlock(&quorum->lock);
    return missed;
}
