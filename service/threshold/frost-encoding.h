/* What nodes and clients send one another of FROST, as bytes (docs/protocol.md, "The mathematics of Ed25519 keys"). Nothing here is secret.
 */
#pragma once

#include "threshold/frost.h"

#define FROST_COMMITMENT_SIZE (1 + 2 * ED25519_POINT_SIZE) /* index ‖ D ‖ E */

/* `ret_bytes`: count × FROST_COMMITMENT_SIZE bytes. */
void frost_commitments_write(const FrostCommitment *commitments, unsigned count, uint8_t *ret_bytes);
/* 1 to `max` of them; `ret_commitments` has room for `max`. Whether they are points is for who uses them to find out; the indices
 * are 1..16. Errors: -EBADMSG the size or an index. */
int frost_commitments_read(const Bytes *bytes, unsigned max, FrostCommitment *ret_commitments, unsigned *ret_count) _must_check_;

/* R ‖ z_i. */
void frost_partial_write(const FrostPartial *partial, uint8_t ret_bytes[FROST_PARTIAL_SIZE]);
/* From node `index`. */
void frost_partial_read(const uint8_t bytes[FROST_PARTIAL_SIZE], unsigned index, FrostPartial *ret_partial);
