/* The runs that this node takes part in: begun, continued and ended by a client, which takes the messages from node to node. */
#pragma once

#include "node/ops.h"

/* End all of them; nobody is answered. With the floor. */
void runs_clear(Node *node);
