/* The PIN: what a right answer to a challenge is, and who has failed how often (docs/protocol.md "PIN"). */
#pragma once

#include <stdbool.h>

#include "node/store.h"

#define PIN_FAILURES_MAX 10 /* in a row; then the client is locked */

/* Is `answer` the Ed25519 signature (RFC 8032) of "keyquorum login v1" || token || index || pin_version || nonce under `verifier`?
 * Any thread. */
bool pin_answer_is_right(const StoredToken *token, uint64_t pin_version, const Bytes *verifier, const uint8_t nonce[NODE_NONCE_SIZE],
                         const Bytes *answer);

typedef struct PinFailure {
    char client[NODE_NAME_SIZE_MAX + 1];
    uint64_t count;
} PinFailure;

typedef struct PinFailures {
    PinFailure *items;
    size_t n;
} PinFailures;

void pin_failures_clear(PinFailures *failures);
uint64_t pin_failures_of(const PinFailures *failures, const char *client);
bool pin_locked(const PinFailures *failures, const char *client);
/* The client's count, to be set; a new one starts at 0. NULL: no memory. */
uint64_t *pin_failures_entry(PinFailures *failures, const char *client);
