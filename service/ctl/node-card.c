#include "ctl/ctl.h"
#include "ctl/node-keys.h"

int verb_node_card(const Call *call, Problem *problem)
{
    _cleanup_node_config_ NodeConfig config = {0};
    _cleanup_node_keys_ NodeKeys keys = {0};
    _cleanup_(card_clear) NodeCard card = {0};
    int r = node_config_read(call->options[OPTION_CONFIG], &config, problem);

    if (r == 0)
        r = node_keys_read(&config, &keys, problem);
    if (r == 0)
        r = node_keys_card(&keys, config.name, config.listen, &card, problem);
    if (r == 0)
        r = node_keys_print_card(&card, problem);
    return r;
}
