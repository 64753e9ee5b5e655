/* What the loader does for one request: from the sealed share, or the identity key, on disk to the key in the node's ring. */
#pragma once

#include "base/node-config.h"
#include "wire/load-interface.h"

/* Open the share that `input` names and put it into the node's ring. The sealing key and the share are in memory, locked, only while
 * this runs. A share that is in the ring already is a success. Returns LOAD_ERROR_NONE or why not; the problem says it in words. */
LoadError open_share(const NodeConfig *config, const LoadInput *input, Problem *problem);

/* The same with the node's identity key, which takes the place of the one in the ring. */
LoadError open_identity(const NodeConfig *config, const LoadIdentityInput *input, Problem *problem);
