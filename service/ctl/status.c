#include <inttypes.h>

#include "ctl/document.h"
#include "ctl/session.h"
#include "ctl/terminal.h"

#define QUOTA_TIGHT 90 /* percent */

static double milliseconds(Microseconds time)
{
    return (double)time / (double)MICROSECONDS_PER_MILLISECOND;
}

/* ---- What needs the operator ---- */

/* One thing that may be wrong with a node; NULL: it is not. `room` is for words that must be made. */
typedef const char *(*Finding)(const NodeState *state, char room[256]);

static const char *find_problem(const NodeState *state, char room[256])
{
    return state->problem;
}

static const char *find_locked(const NodeState *state, char room[256])
{
    return state->pin_locked ? LOCKED_WORDS : NULL;
}

static const char *find_unusable(const NodeState *state, char room[256])
{
    if (state->unusable == 0)
        return NULL;
    (void)snprintf(room, 256, "%" PRIu64 " of its shares cannot be used: its log says why", state->unusable);
    return room;
}

static const char *find_pending(const NodeState *state, char room[256])
{
    if (state->pending == 0)
        return NULL;
    (void)snprintf(room, 256, "%" PRIu64 " of its keys were never activated: if no generation is going on, 'kqctl sync' says more",
                   state->pending);
    return room;
}

static bool is_tight(uint64_t used, uint64_t max)
{
    return max > 0 && used * 100 >= max * QUOTA_TIGHT;
}

static const char *find_quota(const NodeState *state, char room[256])
{
    if (!is_tight(state->key_quota_used, state->key_quota_max))
        return NULL;
    (void)snprintf(room, 256, "%" PRIu64 " of %" PRIu64 " kernel keys of its user are used: raise kernel.keys.maxkeys (sysctl)",
                   state->key_quota_used, state->key_quota_max);
    return room;
}

static const char *find_byte_quota(const NodeState *state, char room[256])
{
    if (!is_tight(state->key_bytes_used, state->key_bytes_max))
        return NULL;
    (void)snprintf(room, 256, "%" PRIu64 " of %" PRIu64 " bytes of its user's kernel keys are used: raise kernel.keys.maxbytes (sysctl)",
                   state->key_bytes_used, state->key_bytes_max);
    return room;
}

static const Finding findings[] = {find_problem, find_locked, find_unusable, find_pending, find_quota, find_byte_quota};

static bool is_good(const NodeState *state)
{
    char room[256];

    for (size_t i = 0; i < ELEMENTS(findings); i++)
        if (findings[i](state, room))
            return false;
    return true;
}

/* ---- Text ---- */

static void format_quota(uint64_t used, uint64_t max, char ret_text[48])
{
    if (max > 0)
        (void)snprintf(ret_text, 48, "%" PRIu64 "/%" PRIu64, used, max);
    else
        (void)snprintf(ret_text, 48, "-");
}

static void print_row(const NodeState *state)
{
    char quota[48], bytes[48];

    printf("%-16s %5u ", state->name, state->index);
    if (!state->reachable) {
        printf("%s\n", state->refused ? "refused" : "down");
        return;
    }
    format_quota(state->key_quota_used, state->key_quota_max, quota);
    format_quota(state->key_bytes_used, state->key_bytes_max, bytes);
    printf("up     ");
    terminal_print(state->version ? state->version : "?", 8);
    putchar(' ');
    terminal_print(state->custody ? state->custody : "?", 8);
    printf(" %-10s %6" PRIu64 " %10" PRIu64 " %10s %14s %6.1f ms\n", state->separation ? "yes" : "no", state->active, state->signatures,
           quota, bytes, milliseconds(state->latency));
}

static void print_findings(const NodeState *state)
{
    char room[256];

    for (size_t i = 0; i < ELEMENTS(findings); i++) {
        const char *words = findings[i](state, room);

        if (!words)
            continue;
        printf("%s (%u): ", state->name, state->index);
        terminal_print(words, 0);
        putchar('\n');
    }
}

static void print_text(const Roster *roster, const NodeState *states, bool good)
{
    printf("Token ");
    terminal_print(roster->label, 0);
    printf(": any %u of %u nodes sign\n\n", roster->k, roster->n);
    printf("%-16s %5s %-6s %-8s %-8s %-10s %6s %10s %10s %14s %9s\n", "NODE", "INDEX", "STATE", "VERSION", "CUSTODY", "SEPARATION", "KEYS",
           "SIGNATURES", "QUOTA", "BYTES", "LATENCY");
    for (unsigned i = 0; i < roster->n; i++)
        print_row(&states[i]);
    if (good)
        return;
    putchar('\n');
    for (unsigned i = 0; i < roster->n; i++)
        print_findings(&states[i]);
}

/* ---- JSON ---- */

static Document *findings_document(const NodeState *state)
{
    Document *list = document_list();
    char room[256];

    for (size_t i = 0; i < ELEMENTS(findings); i++)
        document_append_text(list, findings[i](state, room));
    return list;
}

static Document *keys_document(const NodeState *state)
{
    Document *keys = document_new();

    document_number(keys, "active", state->active);
    document_number(keys, "pending", state->pending);
    document_number(keys, "unusable", state->unusable);
    document_number(keys, "destroyed", state->destroyed);
    return keys;
}

static void add_details(Document *node, const NodeState *state)
{
    document_text(node, "version", state->version);
    document_text(node, "custody", state->custody);
    document_flag(node, "separation", state->separation);
    document_flag(node, "initialized", state->initialized);
    document_flag(node, "pinLocked", state->pin_locked);
    document_number(node, "pinVersion", state->pin_version);
    document_add(node, "keys", keys_document(state));
    document_number(node, "signatures", state->signatures);
    document_number(node, "keyQuotaUsed", state->key_quota_used);
    document_number(node, "keyQuotaMax", state->key_quota_max);
    document_number(node, "keyBytesUsed", state->key_bytes_used);
    document_number(node, "keyBytesMax", state->key_bytes_max);
    document_number(node, "latencyMicroseconds", state->latency);
}

static void print_document(const Roster *roster, const NodeState *states, bool good)
{
    Document *document = document_new(), *nodes = document_list();

    document_text(document, "label", roster->label);
    document_number(document, "threshold", roster->k);
    document_flag(document, "good", good);
    for (unsigned i = 0; i < roster->n; i++) {
        Document *node = document_new();

        document_text(node, "name", states[i].name);
        document_number(node, "index", states[i].index);
        document_text(node, "address", states[i].address);
        document_flag(node, "reachable", states[i].reachable);
        document_flag(node, "refused", states[i].refused);
        if (states[i].reachable)
            add_details(node, &states[i]);
        document_add(node, "problems", findings_document(&states[i]));
        document_append(nodes, node);
    }
    document_add(document, "nodes", nodes);
    document_print(document);
}

int verb_status(const Call *call, Problem *problem)
{
    _cleanup_(quorum_freep) Quorum *quorum = NULL;
    NodeState *states = NULL;
    bool good = true;
    int r = session_open(call, NULL, NULL, &quorum, problem);

    if (r == 0)
        r = quorum_status(quorum, &states, problem);
    if (r != 0)
        return r;

    const Roster *roster = quorum_roster(quorum);

    for (unsigned i = 0; i < roster->n; i++)
        good = good && is_good(&states[i]);
    if (call->options[OPTION_JSON])
        print_document(roster, states, good);
    else
        print_text(roster, states, good);
    quorum_status_free(states, roster->n);
    return good ? 0 : CTL_E_ATTENTION;
}
