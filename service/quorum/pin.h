/* What is made of the PIN (docs/protocol.md "PIN"): one master, and from it an Ed25519 key per node. */
#pragma once

#include "quorum/roster.h"
#include "wire/node-interface.h"

/* May it be a PIN? Errors: -EINVAL. */
int pin_check(const Secret *pin, Problem *problem) _must_check_;
/* scrypt (RFC 7914): takes some 0.1 s and 32 MiB. `pin` is secret and not consumed. Errors: -EIO; those of secret_new(). */
int pin_master(const Roster *roster, const Secret *pin, Secret **ret_master) _must_check_;
/* What node `index` keeps to check answers with. Errors: -EIO; those of secret_new(). */
int pin_verifier(const Roster *roster, const Secret *master, unsigned index, uint8_t ret_verifier[NODE_VERIFIER_SIZE]) _must_check_;
/* The answer to the challenge of node `index`. Errors: -EIO; those of secret_new(). */
int pin_answer(const Roster *roster, const Secret *master, unsigned index, uint64_t version, const uint8_t nonce[NODE_NONCE_SIZE],
               uint8_t ret_answer[NODE_ANSWER_SIZE]) _must_check_;
