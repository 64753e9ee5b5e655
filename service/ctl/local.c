#include "ctl/local.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "ctl/instance.h"
#include "wire/service-interface.h"

#define PATIENCE (20 * MICROSECONDS_PER_SECOND) /* a node that writes to a slow disk is not a dead one */

/* ---- Connecting ---- */

static int not_there(const LocalNode *node, const char *path, int error, Problem *problem)
{
    const char *name = node->config.name;
    Instance instance;

    if (error == -EACCES && instance_from_config(path, &instance))
        return problem_prefix(problem, error, "node %s: root and the group keyquorum-admin may do this", name);
    if ((error == -ENOENT || error == -ECONNREFUSED) && instance_from_config(path, &instance))
        return problem_prefix(problem, error, "node %s does not run ('systemctl start %s')", name, instance.target);
    return problem_prefix(problem, error, "node %s", name);
}

int local_open_config(const char *path, LocalNode *ret_node, Problem *problem)
{
    _cleanup_local_ LocalNode node = {.patience = PATIENCE};
    int r = node_config_read(path, &node.config, problem);

    if (r != 0)
        return r;
    r = link_open(node.config.listen, NULL, &node.link, problem);
    if (r < 0)
        return not_there(&node, path, r, problem);
    *ret_node = node;
    node = (LocalNode){0};
    return 0;
}

int local_open(const Call *call, LocalNode *ret_node, Problem *problem)
{
    char path[PATH_MAX];
    int r = instance_config_path(call, path, problem);

    return r != 0 ? r : local_open_config(path, ret_node, problem);
}

void local_close(LocalNode *node)
{
    node->link = link_close(node->link);
    node_config_clear(&node->config);
}

/* ---- Asking ---- */

/* Not an error of the nodes' interface, but of varlink itself: what was asked is strange to the node. */
static int not_understood(const LocalNode *node, const Reply *reply, Problem *problem)
{
    ServiceText text = {0};
    char field[MESSAGE_FIELD_NAME_MAX];
    const char *error = reply_error(reply);

    if (strcmp(error, SERVICE_INVALID_PARAMETER) != 0 || reply_parse(reply, &service_invalid_parameter, &text, field) != 0)
        return problem_set(problem, QUORUM_E_REFUSED,
                           "node %s answers %s: is it of the same version as this kqctl (" KEYQUORUM_VERSION ")?", node->config.name,
                           error);
    (void)problem_set(problem, 0, "node %s does not take the '%s' that it was given", node->config.name, text.text);
    message_clear(&service_invalid_parameter, &text);
    return QUORUM_E_REFUSED;
}

/* The node says no. */
static int refused(const LocalNode *node, const Reply *reply, Problem *problem)
{
    NodeErrorDetail detail = {0};
    char field[MESSAGE_FIELD_NAME_MAX];

    if (node_error_from_name(reply_error(reply)) == NODE_ERROR_UNKNOWN)
        return not_understood(node, reply, problem);
    if (reply_parse(reply, &node_error_detail, &detail, field) != 0)
        return problem_set(problem, QUORUM_E_REFUSED, "node %s answers %s", node->config.name, reply_error(reply));
    (void)problem_set(problem, 0, "node %s: %s", node->config.name, detail.reason);
    message_clear(&node_error_detail, &detail);
    return QUORUM_E_REFUSED;
}

int local_call(LocalNode *node, const char *method, const Layout *input, const void *parameters, const Layout *output, void *ret_output,
               Problem *problem)
{
    _cleanup_reply_ Reply *reply = NULL;
    char field[MESSAGE_FIELD_NAME_MAX];
    int r = link_call_wait(node->link, method, input, parameters, clock_now() + node->patience, &reply);

    if (r < 0)
        return problem_set(problem, r, "node %s does not answer: %s", node->config.name,
                           r == -ECONNRESET ? "it closed the connection" : strerror(-r));
    if (reply_error(reply))
        return refused(node, reply, problem);
    if (!output)
        return 0;
    r = reply_parse(reply, output, ret_output, field);
    if (r == MESSAGE_E_INVALID_FIELD)
        return problem_set(problem, -EBADMSG, "node %s answers what this kqctl does not understand ('%s'): is it of another version?",
                           node->config.name, field);
    return r < 0 ? problem_set(problem, r, "out of memory") : 0;
}

int local_status(LocalNode *node, NodeStatusOutput *ret_status, Problem *problem)
{
    return local_call(node, NODE_METHOD("GetStatus"), &node_no_parameters, NULL, &node_status_output, ret_status, problem);
}

/* ---- Keys ---- */

#define PREFIX_MIN 8

static int say_hello(LocalNode *node, Problem *problem)
{
    NodeStatusOutput status;
    NodeHelloOutput hello;
    int r = local_status(node, &status, problem);

    if (r != 0)
        return r;

    const NodeHelloInput input = {.token = status.token, .index = status.index};

    r = status.initialized
            ? local_call(node, NODE_METHOD("Hello"), &node_hello_input, &input, &node_hello_output, &hello, problem)
            : problem_set(problem, QUORUM_E_UNKNOWN_KEY, "node %s belongs to no token yet, so it has no keys", node->config.name);
    if (r == 0)
        message_clear(&node_hello_output, &hello);
    message_clear(&node_status_output, &status);
    return r;
}

static bool is_named(const NodeKeyEntry *entry, const char *text)
{
    char id[2 * NODE_KEY_ID_SIZE + 1];
    size_t size = strlen(text);

    hex_encode(entry->key.data, entry->key.size, id);
    return (size >= PREFIX_MIN && strncasecmp(id, text, size) == 0) || strcmp(entry->record.private_label, text) == 0 ||
           strcmp(entry->record.public_label, text) == 0;
}

#define FOUND_MAX 4 /* generations of one key are hardly ever more than two */

typedef struct Search {
    const char *text;
    LocalKey found[FOUND_MAX];
    size_t n_found;
} Search;

/* One page of the list; `*after` moves on. */
static int search_page(LocalNode *node, Search *search, Bytes *after, bool *ret_more, Problem *problem)
{
    const NodeListInput input = {.after = *after};
    NodeListOutput output;
    int r = local_call(node, NODE_METHOD("ListKeys"), &node_list_input, &input, &node_list_output, &output, problem);

    if (r != 0)
        return r;

    NodeKeyEntry *entries = output.keys.items;

    for (size_t i = 0; i < output.keys.count; i++)
        if (strcmp(entries[i].state, "destroyed") != 0 && is_named(&entries[i], search->text)) {
            LocalKey *key = &search->found[search->n_found < FOUND_MAX ? search->n_found : FOUND_MAX - 1];

            memcpy(key->id.bytes, entries[i].key.data, sizeof(key->id.bytes));
            (void)snprintf(key->label, sizeof(key->label), "%s", entries[i].record.private_label);
            search->n_found++;
        }
    *ret_more = output.more && output.keys.count > 0;
    bytes_clear(after);
    if (*ret_more)
        *after = bytes_take(&entries[output.keys.count - 1].key);
    message_clear(&node_list_output, &output);
    return 0;
}

int local_header(LocalNode *node, const KeyId *id, Header *ret_header, bool *ret_active, Problem *problem)
{
    const NodeKeyInput input = {.key = {(uint8_t *)(uintptr_t)id->bytes, sizeof(id->bytes)}};
    NodeGetKeyOutput output;
    int r = local_call(node, NODE_METHOD("GetKey"), &node_key_input, &input, &node_get_key_output, &output, problem);

    if (r != 0)
        return r;
    r = header_decode(&output.header, ret_header, problem);
    if (r == 0)
        *ret_active = output.activation.size > 0;
    message_clear(&node_get_key_output, &output);
    return r;
}

/* Of generations of one key, the latest that is active comes to the front. */
static bool choose_generation(LocalNode *node, Search *search)
{
    _cleanup_header_ Header best = {0};
    bool has_best = false;

    for (size_t i = 0; i < search->n_found; i++) {
        _cleanup_header_ Header header = {0};
        bool active = false;

        if (search->n_found > FOUND_MAX || local_header(node, &search->found[i].id, &header, &active, NULL) != 0 ||
            (i > 0 && !bytes_equal(&header.public_key, &best.public_key)))
            return false;
        if (i > 0 && (!active || (has_best && header.generation < best.generation)))
            continue;
        search->found[0] = search->found[i];
        has_best = active;
        header_clear(&best);
        best = header;
        header = (Header){0};
    }
    return has_best;
}

int local_find_key(LocalNode *node, const char *text, LocalKey *ret_key, Problem *problem)
{
    _cleanup_bytes_ Bytes after = {0};
    Search search = {.text = text};
    bool more = true;
    int r = say_hello(node, problem);

    while (r == 0 && more)
        r = search_page(node, &search, &after, &more, problem);
    if (r != 0)
        return r;
    if (search.n_found == 0)
        return problem_set(problem, QUORUM_E_UNKNOWN_KEY, "node %s has no key with the key id or label '%s'", node->config.name, text);
    if (search.n_found > 1 && !choose_generation(node, &search))
        return problem_set(problem, -EINVAL, "'%s' fits %zu keys: give more of the key id, as 'kqctl key list' shows it", text,
                           search.n_found);
    *ret_key = search.found[0];
    return 0;
}

int local_key(LocalNode *node, const char *text, KeyId *ret_id, Problem *problem)
{
    LocalKey key;
    int r = local_find_key(node, text, &key, problem);

    if (r == 0)
        *ret_id = key.id;
    return r;
}
