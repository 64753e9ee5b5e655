/* Signing of messages, where quorum_sign_message() is not enough. */
#pragma once

#include "quorum/ask.h"

/* A test of a new key: one signature by exactly these k nodes, whose every share is checked. Nobody is left out for the future.
 * Errors: QUORUM_E_SIGNATURE with `ret_liars`, the nodes whose part is wrong; the others as quorum_sign_message(). */
int sign_message_test(Quorum *quorum, const KeyId *id, const ThresholdKey *threshold, NodeSet nodes, const void *message, size_t size,
                      uint8_t *ret_signature, NodeSet *ret_liars, Problem *problem) _must_check_;
