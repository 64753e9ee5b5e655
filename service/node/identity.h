/* The public halves of the node's two keys, for GetStatus. */
#pragma once

#include "base/node-config.h"
#include "wire/node-interface.h"

/* Each from the file beside the private key, with ".pub" added (32 bytes); where the configuration names no private key, as that of an
 * installed node, from sealing-key.pub and identity-key.pub beside the configuration. Without separation, where there is no such file, from
 * the private key itself, which is wiped at once. Errors: -errno; the problem names the file. */
int identity_read(const NodeConfig *config, const char *config_path, uint8_t ret_sealing[NODE_PUBLIC_KEY_SIZE],
                  uint8_t ret_identity[NODE_PUBLIC_KEY_SIZE], Problem *problem) _must_check_;
