#include "quorum/roster.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "base/address.h"
#include "base/ini.h"
#include "base/text.h"
#include "quorum/card.h"
#include "quorum/roster-check.h"

#define TIMEOUT_DEFAULT         (10 * MICROSECONDS_PER_SECOND)
#define CONNECT_TIMEOUT_DEFAULT (2 * MICROSECONDS_PER_SECOND)
#define TIMEOUT_MIN             (10 * MICROSECONDS_PER_MILLISECOND)
#define TIMEOUT_MAX             (3600 * MICROSECONDS_PER_SECOND)

enum {
    TOKEN_LABEL,
    TOKEN_ID,
    TOKEN_THRESHOLD,
    TOKEN_CLIENT,
    TOKEN_TIMEOUT,
    TOKEN_CONNECT_TIMEOUT,
    TOKEN_DEAL,
    TOKEN_ALLOW_SHA1,
    TOKEN_SHOW_ED25519,
    TOKEN_CLIENT_KEY,
    TOKEN_KERNEL_LABELS,
    TOKEN_KEYRING_LABELS,
    TOKEN_LOG,
    TOKEN_MAX,
};

enum {
    NODE_INDEX,
    NODE_ADDRESS,
    NODE_TLS_PIN,
    NODE_SEALING_KEY,
    NODE_IDENTITY_KEY,
    NODE_MAX,
};

typedef struct NodeReading {
    NodeCard card;
    unsigned index;
    unsigned lines[NODE_MAX]; /* where each key was set; 0: not yet */
} NodeReading;

typedef struct Reading {
    Roster *roster;
    unsigned lines[TOKEN_MAX];
    NodeReading nodes[THRESHOLD_NODES_MAX]; /* in the order of the file */
    unsigned n_nodes;
    char section[64]; /* the one being read */
} Reading;

typedef struct Setting {
    const char *name;
    /* `node` is NULL for the keys of [token]. */
    int (*read)(const char *value, Reading *reading, NodeReading *node, Problem *problem);
    bool optional;
} Setting;

/* ---- [token] ----------------------------------------------------------------------------------------------------- */

static int read_label(const char *value, Reading *reading, NodeReading *node, Problem *problem)
{
    int r = roster_check_label(value, problem);

    if (r == 0)
        (void)snprintf(reading->roster->label, sizeof(reading->roster->label), "%s", value);
    return r;
}

static int read_id(const char *value, Reading *reading, NodeReading *node, Problem *problem)
{
    if (strlen(value) != 2 * TOKEN_ID_SIZE || hex_decode(value, reading->roster->token, TOKEN_ID_SIZE) < 0)
        return problem_set(problem, -EINVAL, "'%s' is not %d hexadecimal digits", value, 2 * TOKEN_ID_SIZE);
    return 0;
}

static int read_threshold(const char *value, Reading *reading, NodeReading *node, Problem *problem)
{
    uint64_t k;
    int r = ini_parse_uint(value, 2, THRESHOLD_NODES_MAX, &k, problem);

    if (r == 0)
        reading->roster->k = (unsigned)k;
    return r;
}

static int read_client(const char *value, Reading *reading, NodeReading *node, Problem *problem)
{
    int r = client_card_check_name(value, problem);

    if (r == 0)
        (void)snprintf(reading->roster->client, sizeof(reading->roster->client), "%s", value);
    return r;
}

static int read_duration(const char *value, Microseconds *ret_duration, Problem *problem)
{
    Microseconds duration;
    int r = ini_parse_duration(value, &duration, problem);

    if (r < 0)
        return r;
    if (duration < TIMEOUT_MIN || duration > TIMEOUT_MAX)
        return problem_set(problem, -EINVAL, "'%s' is not between 10ms and 60min", value);
    *ret_duration = duration;
    return 0;
}

static int read_timeout(const char *value, Reading *reading, NodeReading *node, Problem *problem)
{
    return read_duration(value, &reading->roster->timeout, problem);
}

static int read_connect_timeout(const char *value, Reading *reading, NodeReading *node, Problem *problem)
{
    return read_duration(value, &reading->roster->connect_timeout, problem);
}

static int read_deal(const char *value, Reading *reading, NodeReading *node, Problem *problem)
{
    return ini_parse_bool(value, &reading->roster->deal, problem);
}

static int read_allow_sha1(const char *value, Reading *reading, NodeReading *node, Problem *problem)
{
    return ini_parse_bool(value, &reading->roster->allow_sha1, problem);
}

static int read_show_ed25519(const char *value, Reading *reading, NodeReading *node, Problem *problem)
{
    return ini_parse_bool(value, &reading->roster->show_ed25519, problem);
}

static int keep_text(const char *value, char **ret_text, Problem *problem)
{
    *ret_text = text_copy(value);
    return *ret_text ? 0 : problem_set(problem, -ENOMEM, "out of memory");
}

static int read_client_key(const char *value, Reading *reading, NodeReading *node, Problem *problem)
{
    int r = roster_check_client_key(value, problem);

    return r < 0 ? r : keep_text(value, &reading->roster->client_key, problem);
}

static int keep_labels(const char *value, char **ret_labels, Problem *problem)
{
    int r = roster_check_labels(value, problem);

    return r < 0 ? r : keep_text(value, ret_labels, problem);
}

static int read_kernel_labels(const char *value, Reading *reading, NodeReading *node, Problem *problem)
{
    return keep_labels(value, &reading->roster->kernel_labels, problem);
}

static int read_keyring_labels(const char *value, Reading *reading, NodeReading *node, Problem *problem)
{
    return keep_labels(value, &reading->roster->keyring_labels, problem);
}

static int read_log(const char *value, Reading *reading, NodeReading *node, Problem *problem)
{
    for (size_t i = 0; i < LOG_TARGET_MAX; i++)
        if (strcmp(value, roster_log_targets[i]) == 0) {
            reading->roster->log = (LogTarget)i;
            return 0;
        }
    return problem_set(problem, -EINVAL, "'%s' is neither syslog, stderr nor none", value);
}

static const Setting token_settings[TOKEN_MAX] = {
    [TOKEN_LABEL] = {"Label", read_label, false},
    [TOKEN_ID] = {"Id", read_id, false},
    [TOKEN_THRESHOLD] = {"Threshold", read_threshold, false},
    [TOKEN_CLIENT] = {"Client", read_client, true},
    [TOKEN_TIMEOUT] = {"Timeout", read_timeout, true},
    [TOKEN_CONNECT_TIMEOUT] = {"ConnectTimeout", read_connect_timeout, true},
    [TOKEN_DEAL] = {"Deal", read_deal, true},
    [TOKEN_ALLOW_SHA1] = {"AllowSha1", read_allow_sha1, true},
    [TOKEN_SHOW_ED25519] = {"ShowEd25519", read_show_ed25519, true},
    [TOKEN_CLIENT_KEY] = {"ClientKey", read_client_key, true},
    [TOKEN_KERNEL_LABELS] = {"KernelLabels", read_kernel_labels, true},
    [TOKEN_KEYRING_LABELS] = {"KeyringLabels", read_keyring_labels, true},
    [TOKEN_LOG] = {"Log", read_log, true},
};

/* ---- [node NAME] --------------------------------------------------------------------------------------------------- */

static int read_index(const char *value, Reading *reading, NodeReading *node, Problem *problem)
{
    uint64_t index;
    int r = ini_parse_uint(value, 1, THRESHOLD_NODES_MAX, &index, problem);

    if (r == 0)
        node->index = (unsigned)index;
    return r;
}

static int read_address(const char *value, Reading *reading, NodeReading *node, Problem *problem)
{
    int r = card_check_address(value, problem);

    return r < 0 ? r : keep_text(value, &node->card.address, problem);
}

static int read_tls_pin(const char *value, Reading *reading, NodeReading *node, Problem *problem)
{
    return card_pins_parse(value, node->card.tls_pin, node->card.next_tls_pin, problem);
}

static int read_sealing_key(const char *value, Reading *reading, NodeReading *node, Problem *problem)
{
    return card_key_parse(value, node->card.sealing_key, problem);
}

static int read_identity_key(const char *value, Reading *reading, NodeReading *node, Problem *problem)
{
    return card_key_parse(value, node->card.identity_key, problem);
}

static const Setting node_settings[NODE_MAX] = {
    [NODE_INDEX] = {"Index", read_index, false},
    [NODE_ADDRESS] = {"Address", read_address, false},
    [NODE_TLS_PIN] = {"TlsPin", read_tls_pin, false},
    [NODE_SEALING_KEY] = {"SealingKey", read_sealing_key, false},
    [NODE_IDENTITY_KEY] = {"IdentityKey", read_identity_key, false},
};

/* What two nodes must not share; NULL: nothing is shared. */
static const char *shared_by(const NodeReading *a, const NodeReading *b)
{
    return a->index != 0 && a->index == b->index ? "Index" : roster_shared_by(&a->card, &b->card);
}

static int check_shared(const NodeReading *nodes, unsigned n, const NodeReading *node, Problem *problem)
{
    for (unsigned i = 0; i < n; i++) {
        const char *shared = &nodes[i] == node ? NULL : shared_by(&nodes[i], node);

        if (shared)
            return problem_set(problem, -EINVAL, "%s= is that of node %s already", shared, nodes[i].card.name);
    }
    return 0;
}

/* ---- The file ---------------------------------------------------------------------------------------------------------- */

static int read_setting(const Setting *settings, size_t n, unsigned *lines, const char *name, const char *value, unsigned line,
                        Reading *reading, NodeReading *node, Problem *problem)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(settings[i].name, name) != 0)
            continue;
        if (lines[i])
            return problem_set(problem, -EINVAL, "%s= was given in line %u already", name, lines[i]);
        lines[i] = line;

        int r = settings[i].read(value, reading, node, problem);

        return r < 0 ? problem_prefix(problem, r, "%s=", name) : 0;
    }
    return problem_set(problem, -EINVAL, "[%s] has no key '%s'", reading->section, name);
}

static NodeReading *find_node(Reading *reading, const char *name)
{
    for (unsigned i = 0; i < reading->n_nodes; i++)
        if (strcmp(reading->nodes[i].card.name, name) == 0)
            return &reading->nodes[i];
    return NULL;
}

static int enter_node(Reading *reading, const char *name, Problem *problem)
{
    int r = card_check_name(name, problem);

    if (r < 0)
        return r;
    if (find_node(reading, name))
        return problem_set(problem, -EINVAL, "there is a section [node %s] above already", name);
    if (reading->n_nodes == THRESHOLD_NODES_MAX)
        return problem_set(problem, -EINVAL, "there are more than %d nodes", THRESHOLD_NODES_MAX);
    (void)snprintf(reading->nodes[reading->n_nodes++].card.name, sizeof(reading->nodes[0].card.name), "%s", name);
    return 0;
}

static int enter_section(Reading *reading, const char *section, Problem *problem)
{
    bool token = strcmp(section, "token") == 0;
    int r = 0;

    if (*section && strcmp(section, reading->section) == 0)
        return 0;
    strncpy(reading->section, section, sizeof(reading->section) - 1); /* the last byte stays 0 */
    if (token)
        for (size_t i = 0; i < TOKEN_MAX; i++)
            if (reading->lines[i])
                return problem_set(problem, -EINVAL, "there is a section [token] above already");
    if (!token && strncmp(section, "node ", 5) != 0)
        return problem_set(problem, -EINVAL, "the section '[%s]' is unknown; there are [token] and [node NAME]", section);
    if (!token)
        r = enter_node(reading, section + 5, problem);
    return r;
}

static int on_value(void *userdata, const char *section, const char *name, const char *value, unsigned line, Problem *problem)
{
    Reading *reading = userdata;
    int r = enter_section(reading, section, problem);

    if (r < 0)
        return r;
    if (strcmp(section, "token") == 0)
        return read_setting(token_settings, TOKEN_MAX, reading->lines, name, value, line, reading, NULL, problem);

    NodeReading *node = &reading->nodes[reading->n_nodes - 1];

    r = read_setting(node_settings, NODE_MAX, node->lines, name, value, line, reading, node, problem);
    return r < 0 ? r : check_shared(reading->nodes, reading->n_nodes, node, problem);
}

static int check_missing(const Setting *settings, size_t n, const unsigned *lines, const char *section, Problem *problem)
{
    for (size_t i = 0; i < n; i++)
        if (!settings[i].optional && !lines[i])
            return problem_set(problem, -EINVAL, "%s= is missing from [%s]", settings[i].name, section);
    return 0;
}

static int check_complete(const Reading *reading, Problem *problem)
{
    char section[NODE_NAME_MAX + 6];
    int r = check_missing(token_settings, TOKEN_MAX, reading->lines, "token", problem);

    for (unsigned i = 0; i < reading->n_nodes && r == 0; i++) {
        (void)snprintf(section, sizeof(section), "node %s", reading->nodes[i].card.name);
        r = check_missing(node_settings, NODE_MAX, reading->nodes[i].lines, section, problem);
    }
    return r;
}

/* Put the nodes where their indices say; since no index is doubled, one above n means that one is missing. */
static int place_nodes(Reading *reading, Problem *problem)
{
    Roster *roster = reading->roster;

    for (unsigned i = 0; i < reading->n_nodes; i++)
        if (reading->nodes[i].index > reading->n_nodes)
            return problem_set(problem, -EINVAL, "[node %s] Index=%u, but there are %u nodes: an index from 1 to %u is missing",
                               reading->nodes[i].card.name, reading->nodes[i].index, reading->n_nodes, reading->n_nodes);
    for (unsigned i = 0; i < reading->n_nodes; i++) {
        NodeReading *node = &reading->nodes[i];

        roster->nodes[node->index - 1] = node->card;
        node->card.address = NULL;
    }
    roster->n = reading->n_nodes;
    return 0;
}

static void reading_clear(Reading *reading)
{
    for (unsigned i = 0; i < reading->n_nodes; i++)
        card_clear(&reading->nodes[i].card);
    roster_free(reading->roster);
}

Roster *roster_new(void)
{
    Roster *roster = calloc(1, sizeof(*roster));

    if (!roster)
        return NULL;
    roster->timeout = TIMEOUT_DEFAULT;
    roster->connect_timeout = CONNECT_TIMEOUT_DEFAULT;
    roster->deal = roster->show_ed25519 = true;
    (void)snprintf(roster->client, sizeof(roster->client), "local");
    return roster;
}

const char *roster_path(void)
{
    const char *path = secure_getenv(ROSTER_PATH_VARIABLE);

    return path && *path ? path : ROSTER_PATH_DEFAULT;
}

int roster_read(const char *path, Roster **ret_roster, Problem *problem)
{
    _cleanup_(reading_clear) Reading reading = {.roster = roster_new()};

    if (!path)
        path = roster_path();
    if (!reading.roster)
        return problem_set(problem, -ENOMEM, "%s: out of memory", path);
    if (stat(path, &reading.roster->file) < 0)
        return problem_set(problem, -errno, "%s: cannot be read: %s", path, strerror(errno));

    int r = ini_read(path, on_value, &reading, problem);

    if (r < 0)
        return r;
    r = check_complete(&reading, problem);
    if (r == 0)
        r = roster_check_threshold(reading.n_nodes, reading.roster->k, problem);
    if (r == 0)
        r = place_nodes(&reading, problem);
    if (r < 0)
        return problem_prefix(problem, r, "%s", path);
    reading.roster->path = text_copy(path);
    if (!reading.roster->path)
        return problem_set(problem, -ENOMEM, "%s: out of memory", path);
    *ret_roster = TAKE_PTR(reading.roster);
    return 0;
}

char *roster_client_key(const Roster *roster)
{
    const char *path = roster->path ? roster->path : roster_path(), *slash = strrchr(path, '/');

    if (roster->client_key)
        return text_copy(roster->client_key);
    return text_format("%.*s" CLIENT_KEY_DEFAULT, slash ? (int)(slash + 1 - path) : 0, path);
}

bool roster_needs_client_key(const Roster *roster)
{
    for (unsigned i = 0; i < roster->n; i++)
        if (address_is_tls(roster->nodes[i].address))
            return true;
    return false;
}

Roster *roster_ref(Roster *roster)
{
    atomic_fetch_add(&roster->shares, 1);
    return roster;
}

Roster *roster_free(Roster *roster)
{
    if (!roster || atomic_fetch_sub(&roster->shares, 1) > 0)
        return NULL;
    for (unsigned i = 0; i < roster->n; i++)
        card_clear(&roster->nodes[i]);
    free(roster->kernel_labels);
    free(roster->keyring_labels);
    free(roster->client_key);
    free(roster->path);
    free(roster);
    return NULL;
}

static int copy_text(const char *text, char **ret_copy)
{
    char *copy = text ? text_copy(text) : NULL;

    if (text && !copy)
        return -ENOMEM;
    *ret_copy = copy;
    return 0;
}

int roster_copy(const Roster *roster, Roster **ret_roster)
{
    _cleanup_(roster_freep) Roster *copy = malloc(sizeof(*copy));

    if (!copy)
        return -ENOMEM;
    *copy = *roster;
    atomic_init(&copy->shares, 0);
    copy->kernel_labels = copy->keyring_labels = copy->client_key = copy->path = NULL;
    for (unsigned i = 0; i < copy->n; i++)
        copy->nodes[i].address = NULL;

    int r = copy_text(roster->client_key, &copy->client_key);

    if (r == 0)
        r = copy_text(roster->kernel_labels, &copy->kernel_labels);
    if (r == 0)
        r = copy_text(roster->keyring_labels, &copy->keyring_labels);
    if (r == 0)
        r = copy_text(roster->path, &copy->path);
    for (unsigned i = 0; r == 0 && i < copy->n; i++)
        r = copy_text(roster->nodes[i].address, &copy->nodes[i].address);
    if (r == 0)
        *ret_roster = TAKE_PTR(copy);
    return r;
}
