#include "threshold/frost-encoding.h"

#include <errno.h>
#include <string.h>

void frost_commitments_write(const FrostCommitment *commitments, unsigned count, uint8_t *ret_bytes)
{
    for (unsigned i = 0; i < count; i++, ret_bytes += FROST_COMMITMENT_SIZE) {
        ret_bytes[0] = (uint8_t)commitments[i].index;
        memcpy(ret_bytes + 1, commitments[i].hiding.bytes, ED25519_POINT_SIZE);
        memcpy(ret_bytes + 1 + ED25519_POINT_SIZE, commitments[i].binding.bytes, ED25519_POINT_SIZE);
    }
}

int frost_commitments_read(const Bytes *bytes, unsigned max, FrostCommitment *ret_commitments, unsigned *ret_count)
{
    size_t count = bytes->size / FROST_COMMITMENT_SIZE;

    if (count == 0 || count > max || bytes->size % FROST_COMMITMENT_SIZE != 0)
        return -EBADMSG;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *from = bytes->data + i * FROST_COMMITMENT_SIZE;

        if (from[0] < 1 || from[0] > THRESHOLD_NODES_MAX)
            return -EBADMSG;
        ret_commitments[i].index = from[0];
        memcpy(ret_commitments[i].hiding.bytes, from + 1, ED25519_POINT_SIZE);
        memcpy(ret_commitments[i].binding.bytes, from + 1 + ED25519_POINT_SIZE, ED25519_POINT_SIZE);
    }
    *ret_count = (unsigned)count;
    return 0;
}

void frost_partial_write(const FrostPartial *partial, uint8_t ret_bytes[FROST_PARTIAL_SIZE])
{
    memcpy(ret_bytes, partial->r.bytes, ED25519_POINT_SIZE);
    memcpy(ret_bytes + ED25519_POINT_SIZE, partial->z.bytes, ED25519_SCALAR_SIZE);
}

void frost_partial_read(const uint8_t bytes[FROST_PARTIAL_SIZE], unsigned index, FrostPartial *ret_partial)
{
    ret_partial->index = index;
    memcpy(ret_partial->r.bytes, bytes, ED25519_POINT_SIZE);
    memcpy(ret_partial->z.bytes, bytes + ED25519_POINT_SIZE, ED25519_SCALAR_SIZE);
}
