#include "gate/pipe.h"

#include <errno.h>
#include <string.h>

#define TURNS 4 /* chunks at a time, until others get their turn */

void pipe_clear(Pipe *pipe)
{
    free(pipe->rest);
    pipe->rest = NULL;
    pipe->start = pipe->end = 0;
}

int pipe_put(Pipe *pipe, const void *data, size_t size)
{
    uint8_t *rest = malloc(size);

    if (!rest)
        return -ENOMEM;
    memcpy(rest, data, size);
    free(pipe->rest);
    pipe->rest = rest;
    pipe->start = 0;
    pipe->end = size;
    return 0;
}

/* How much of it was written; -errno. */
static ssize_t write_some(Stream *to, const uint8_t *data, size_t size)
{
    size_t done = 0;

    while (done < size) {
        ssize_t n = to->class->write(to, data + done, size - done);

        if (n == -EAGAIN)
            break;
        if (n < 0)
            return n;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

/* 1: nothing waits any more. */
static int write_rest(Pipe *pipe, Stream *to)
{
    ssize_t n = write_some(to, pipe->rest + pipe->start, pipe->end - pipe->start);

    if (n < 0)
        return (int)n;
    pipe->start += (size_t)n;
    if (pipe->start < pipe->end)
        return 0;
    pipe_clear(pipe);
    return 1;
}

/* 1: read and written, 0: wait. */
static int pass_on(Pipe *pipe, Stream *to, const uint8_t *chunk, size_t size)
{
    ssize_t n = write_some(to, chunk, size);

    if (n < 0)
        return (int)n;
    if ((size_t)n == size)
        return 1;
    return pipe_put(pipe, chunk + n, size - (size_t)n);
}

static int move_once(Pipe *pipe, Stream *from, Stream *to, uint8_t *chunk, uint64_t *moved, bool *ret_writing)
{
    int r = pipe_wants_write(pipe) ? write_rest(pipe, to) : 1;

    *ret_writing = true;
    if (r <= 0 || pipe->ended)
        return r < 0 ? r : 0;
    *ret_writing = false;

    ssize_t n = from->class->read(from, chunk, PIPE_CHUNK);

    if (n == -EAGAIN)
        return 0;
    if (n < 0)
        return (int)n;
    if (n == 0) {
        pipe->ended = true;
        return 0;
    }
    *moved += (uint64_t)n;
    *ret_writing = true;
    return pass_on(pipe, to, chunk, (size_t)n);
}

int pipe_move(Pipe *pipe, Stream *from, Stream *to, uint8_t chunk[PIPE_CHUNK], uint64_t *moved, bool *ret_writing)
{
    int r = 1;

    for (unsigned turn = 0; r == 1 && turn < TURNS; turn++)
        r = move_once(pipe, from, to, chunk, moved, ret_writing);
    if (r >= 0)
        pipe->finished = pipe->ended && !pipe_wants_write(pipe);
    return r;
}

bool pipe_wants_read(const Pipe *pipe)
{
    return !pipe->ended && !pipe_wants_write(pipe);
}

bool pipe_wants_write(const Pipe *pipe)
{
    return pipe->start < pipe->end;
}
