#include "quorum/status.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "quorum/state.h"

int status_ask(Quorum *quorum, NodeAnswers *ret_answers)
{
    const Roster *roster = quorum->roster;
    const void *const nothing[] = {NULL};

    follow_roster(quorum);
    return quorum_ask(quorum, node_set_all(roster->n), ASK_FRESH, NODE_METHOD("GetStatus"), &node_no_parameters, nothing, true,
                      &node_status_output, clock_now() + roster->connect_timeout, ret_answers);
}

bool status_is_member(const Roster *roster, unsigned index, const NodeStatusOutput *status)
{
    return status->initialized && status->token.size == TOKEN_ID_SIZE && memcmp(status->token.data, roster->token, TOKEN_ID_SIZE) == 0 &&
           status->index == index && status->n == roster->n && status->k == roster->k;
}

static bool same_key(const Bytes *key, const uint8_t expected[NODE_PUBLIC_KEY_SIZE])
{
    return key->size == NODE_PUBLIC_KEY_SIZE && memcmp(key->data, expected, NODE_PUBLIC_KEY_SIZE) == 0;
}

static int say(char **ret_words, const char *words)
{
    *ret_words = text_copy(words);
    return *ret_words ? 0 : -ENOMEM;
}

static int say_numbers(char **ret_words, const char *what, uint64_t its, uint64_t ours)
{
    *ret_words = text_format("its %s is %llu, the roster's %llu", what, (unsigned long long)its, (unsigned long long)ours);
    return *ret_words ? 0 : -ENOMEM;
}

int status_compare(const Roster *roster, unsigned index, const NodeStatusOutput *status, char **ret_words)
{
    const NodeCard *card = &roster->nodes[index - 1];

    if (!same_key(&status->sealing_key, card->sealing_key))
        return say(ret_words, "its sealing key is not the roster's: another node, or its keys were made anew");
    if (!same_key(&status->identity_key, card->identity_key))
        return say(ret_words, "its identity key is not the roster's: another node, or its keys were made anew");
    if (!status->initialized)
        return say(ret_words, "it belongs to no token yet: 'kqctl token init'");
    if (status->token.size != TOKEN_ID_SIZE || memcmp(status->token.data, roster->token, TOKEN_ID_SIZE) != 0)
        return say(ret_words, "it belongs to another token");
    if (status->index != index)
        return say_numbers(ret_words, "index", status->index, index);
    if (status->n != roster->n)
        return say_numbers(ret_words, "number of nodes", status->n, roster->n);
    if (status->k != roster->k)
        return say_numbers(ret_words, "threshold", status->k, roster->k);
    *ret_words = NULL;
    return 0;
}

unsigned status_permissions(const NodeStatusOutput *status)
{
    unsigned permissions = 0;

    for (size_t i = 0; i < status->permissions.count; i++) {
        NodePermission permission = node_permission_from_name(((const NodeText *)status->permissions.items)[i].text);

        if (permission < NODE_PERMISSION_MAX) /* a newer node may have others */
            permissions |= 1u << permission;
    }
    return permissions;
}

bool status_permits(const NodeStatusOutput *status, NodePermission permission)
{
    return !status->client || status_permissions(status) & 1u << permission;
}

NodeSet status_forbidding(const NodeAnswers *answers, NodePermission permission)
{
    NodeSet nodes = 0;

    for (unsigned i = 1; i <= THRESHOLD_NODES_MAX; i++)
        if (answers->of[i - 1].output && !status_permits(answers->of[i - 1].output, permission))
            nodes |= NODE_SET_OF(i);
    return nodes;
}

/* Move what the node said into the state. */
static void take_status(NodeStatusOutput *status, NodeState *state)
{
    state->version = TAKE_PTR(status->version);
    state->own_name = TAKE_PTR(status->name);
    state->custody = TAKE_PTR(status->custody);
    state->separation = status->separation;
    state->initialized = status->initialized;
    if (status->sealing_key.size == sizeof(state->sealing_key))
        memcpy(state->sealing_key, status->sealing_key.data, sizeof(state->sealing_key));
    if (status->identity_key.size == sizeof(state->identity_key))
        memcpy(state->identity_key, status->identity_key.data, sizeof(state->identity_key));
    state->pin_version = status->pin_version;
    state->active = status->active;
    state->pending = status->pending;
    state->unusable = status->unusable;
    state->destroyed = status->destroyed;
    state->signatures = status->signatures;
    state->key_quota_used = status->key_quota_used;
    state->key_quota_max = status->key_quota_max;
    state->key_bytes_used = status->key_bytes_used;
    state->key_bytes_max = status->key_bytes_max;
    state->time = status->time;
    state->client = TAKE_PTR(status->client);
    state->permissions = status_permissions(status);
}

/* GetStatus has no parameters but the protocol's version, and needs nothing: who does not understand it, or is not understood, speaks
 * another. */
static int say_no_status(const NodeAnswer *answer, char **ret_words)
{
    if (answer->error != NODE_ERROR_UNKNOWN && answer->r != -EBADMSG)
        return say(ret_words, answer->words);
    *ret_words = text_format("it speaks another version of the protocol than %d, which is ours (%s): bring its software, or this one's, up "
                             "to date",
                             NODE_PROTOCOL, answer->words);
    return *ret_words ? 0 : -ENOMEM;
}

/* `roster` has the addresses and keys of now. */
static int fill_state(const Quorum *quorum, const Roster *roster, unsigned index, NodeAnswer *answer, NodeState *state)
{
    *state = (NodeState){
        .index = index,
        .name = quorum->roster->nodes[index - 1].name,
        .address = text_copy(roster->nodes[index - 1].address),
        .reachable = answer->r == 0,
        .refused = answer->r == -EKEYREJECTED,
        .latency = answer->took,
    };
    if (!state->address)
        return -ENOMEM;
    if (!answer->output)
        return say_no_status(answer, &state->problem);

    int r = status_compare(roster, index, answer->output, &state->problem);

    take_status(answer->output, state);
    return r;
}

static NodeSet members_of(const Roster *roster, const NodeAnswers *answers)
{
    NodeSet members = 0;

    for (unsigned i = 1; i <= roster->n; i++)
        if (answers->of[i - 1].output && status_is_member(roster, i, answers->of[i - 1].output))
            members |= NODE_SET_OF(i);
    return members;
}

/* Hello says who is locked. A node that does not answer it is not known to have locked anybody. */
static int ask_locked(Quorum *quorum, NodeSet members, NodeSet *ret_locked)
{
    const Roster *roster = quorum->roster;
    NodeHelloInput hellos[THRESHOLD_NODES_MAX];
    const void *inputs[THRESHOLD_NODES_MAX];
    _cleanup_node_answers_ NodeAnswers answers = {0};
    NodeSet locked = 0;

    for (unsigned i = 1; i <= roster->n; i++) {
        hellos[i - 1] = (NodeHelloInput){.token = {(uint8_t *)(uintptr_t)roster->token, TOKEN_ID_SIZE}, .index = i};
        inputs[i - 1] = &hellos[i - 1];
    }

    int r = quorum_ask(quorum, members, ASK_FRESH, NODE_METHOD("Hello"), &node_hello_input, inputs, false, &node_hello_output,
                       clock_now() + roster->connect_timeout, &answers);

    for (unsigned i = 1; i <= roster->n && r == 0; i++) {
        const NodeHelloOutput *hello = answers.of[i - 1].output;

        if (hello && hello->pin_locked)
            locked |= NODE_SET_OF(i);
    }
    *ret_locked = locked;
    return r;
}

static int fill_states(Quorum *quorum, NodeState *states)
{
    const Roster *roster = quorum->roster;
    _cleanup_node_answers_ NodeAnswers answers = {0};
    NodeSet locked = 0;
    int r = status_ask(quorum, &answers);

    if (r == 0)
        r = ask_locked(quorum, members_of(roster, &answers), &locked);

    _cleanup_(roster_freep) Roster *now = quorum_roster_now(quorum);

    for (unsigned i = 1; i <= roster->n && r == 0; i++) {
        r = fill_state(quorum, now, i, &answers.of[i - 1], &states[i - 1]);
        states[i - 1].pin_locked = (locked & NODE_SET_OF(i)) != 0;
    }
    return r;
}

int quorum_status(Quorum *quorum, NodeState **ret_states, Problem *problem)
{
    const Roster *roster = quorum->roster;
    int r = follow_key(quorum, problem);

    if (r < 0)
        return r;

    NodeState *states = calloc(roster->n, sizeof(*states));

    r = states ? fill_states(quorum, states) : -ENOMEM;
    if (r < 0) {
        quorum_status_free(states, roster->n);
        return problem_set(problem, r, "out of memory");
    }
    *ret_states = states;
    return 0;
}

void quorum_status_free(NodeState *states, size_t n)
{
    for (size_t i = 0; states && i < n; i++) {
        free(states[i].address);
        free(states[i].problem);
        free(states[i].version);
        free(states[i].own_name);
        free(states[i].custody);
        free(states[i].client);
    }
    free(states);
}
