#include <errno.h>
#include <limits.h>

#include "ctl/instance.h"
#include "ctl/node-place.h"
#include "wire/tls.h"

/* Of the TLS key that is to follow, if there is one. */
static int add_next_pin(const char *path, NodeCard *card, Problem *problem)
{
    _cleanup_node_place_ NodePlace place = {0};
    _cleanup_secret_ Secret *next = NULL;

    if (node_place_open_config(path, &place, NULL) != 0 || node_place_read_key(&place, NODE_KEY_TLS, true, &next, NULL) < 0)
        return 0;

    int r = tls_key_pin(next, card->next_tls_pin);

    return r < 0 ? problem_set(problem, r, "the node's next TLS key cannot be used") : 0;
}

/* The card of the node that has this configuration. */
static int make_card(const char *path, const NodeConfig *config, NodeCard *ret_card, Problem *problem)
{
    _cleanup_node_keys_ NodeKeys keys = {0};
    const char *address = config->address ? config->address : config->listen;
    Instance instance;
    int r;

    if (instance_from_config(path, &instance))
        return node_keys_card_of_instance(instance.directory, config->name, address, ret_card, problem);
    r = node_keys_read(config, &keys, problem);
    if (r == 0)
        r = node_keys_card(&keys, config->name, address, ret_card, problem);
    return r != 0 ? r : add_next_pin(path, ret_card, problem);
}

int verb_node_card(const Call *call, Problem *problem)
{
    _cleanup_node_config_ NodeConfig config = {0};
    _cleanup_(card_clear) NodeCard card = {0};
    char path[PATH_MAX];
    int r = instance_config_path(call, path, problem);

    if (r == 0)
        r = node_config_read(path, &config, problem);
    if (r == 0)
        r = make_card(path, &config, &card, problem);
    return r != 0 ? r : node_keys_print_card(&card, problem);
}
