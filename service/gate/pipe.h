/* One direction of a connection through the gate: what is read from one stream is written to the other; nothing of it is understood. */
#pragma once

#include <stdint.h>

#include "wire/stream.h"

#define PIPE_CHUNK (64 * 1024) /* bytes that may wait to be written; meanwhile nothing is read */

typedef struct Pipe {
    uint8_t *rest; /* read and not written yet: rest[start..end) */
    size_t start, end;
    bool ended;    /* nothing more is to be read */
    bool finished; /* and all of it is written */
} Pipe;

void pipe_clear(Pipe *pipe);

/* Write `size` bytes (at most PIPE_CHUNK) before all that is to be read. Errors: -ENOMEM. */
int pipe_put(Pipe *pipe, const void *data, size_t size) _must_check_;
/* Move what can be moved now, through `chunk`. 0: until one of them has to be waited for; 1: there may be more, but it is others' turn.
 * Adds to `*moved`. Errors: as the streams'; `*ret_writing` tells whose. */
int pipe_move(Pipe *pipe, Stream *from, Stream *to, uint8_t chunk[PIPE_CHUNK], uint64_t *moved, bool *ret_writing) _must_check_;
bool pipe_wants_read(const Pipe *pipe);
bool pipe_wants_write(const Pipe *pipe);
