/* The nodes of a token as one of them knows them. */
#pragma once

#include "wire/node-interface.h"

/* That of the peer's card, for people to compare. */
void peer_fingerprint(const NodePeer *peer, char ret_text[40]);
