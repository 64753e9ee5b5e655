#include "wire/frame.h"

#include <errno.h>
#include <string.h>

#include "wire/strict-json.h"

#define CAPACITY_FIRST 4096
#define CAPACITY_KEPT  (64 * 1024) /* a larger queue is released when it is empty */
#define IN_MAX         (FRAME_SIZE_MAX + 1)
#define OUT_MAX        (FRAME_QUEUE_MAX + 2)

/* Bytes that wait: data[start..end). */
typedef struct Queue {
    char *data;
    size_t start, end, capacity;
} Queue;

struct FrameBuffer {
    Stream *stream; /* not owned */
    Queue in, out;
    size_t searched; /* of what waits in `in`: holds no NUL */
};

static size_t queue_size(const Queue *queue)
{
    return queue->end - queue->start;
}

/* Room for `more` bytes at the end: move what waits to the front, or grow, doubling, up to `max` (the caller knows that it suffices). */
static int queue_reserve(Queue *queue, size_t more, size_t max)
{
    size_t size = queue_size(queue), capacity = queue->capacity ?: CAPACITY_FIRST;

    if (queue->capacity - queue->end >= more)
        return 0;
    if (size > 0 && queue->start > 0)
        memmove(queue->data, queue->data + queue->start, size);
    queue->start = 0;
    queue->end = size;
    while (capacity - size < more)
        capacity = capacity * 2 < max ? capacity * 2 : max;
    if (capacity == queue->capacity)
        return 0;

    char *data = realloc(queue->data, capacity);

    if (!data)
        return -ENOMEM;
    queue->data = data;
    queue->capacity = capacity;
    return 0;
}

static void queue_clear(Queue *queue)
{
    free(queue->data);
    *queue = (Queue){0};
}

static void queue_drop(Queue *queue, size_t size)
{
    queue->start += size;
    if (queue->start < queue->end)
        return;
    queue->start = queue->end = 0;
    if (queue->capacity > CAPACITY_KEPT)
        queue_clear(queue);
}

int frame_buffer_new(Stream *stream, FrameBuffer **ret_buffer)
{
    FrameBuffer *buffer = calloc(1, sizeof(*buffer));

    if (!buffer)
        return -ENOMEM;
    buffer->stream = stream;
    *ret_buffer = buffer;
    return 0;
}

FrameBuffer *frame_buffer_free(FrameBuffer *buffer)
{
    if (buffer) {
        queue_clear(&buffer->in);
        queue_clear(&buffer->out);
    }
    free(buffer);
    return NULL;
}

int frame_buffer_push(FrameBuffer *buffer, json_object *object)
{
    size_t size;
    const char *text = json_object_to_json_string_length(object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &size);

    if (!text)
        return -ENOMEM;
    if (size > FRAME_SIZE_MAX)
        return -EMSGSIZE;
    if (queue_size(&buffer->out) + size > FRAME_QUEUE_MAX)
        return -ENOBUFS;

    int r = queue_reserve(&buffer->out, size + 1, OUT_MAX);

    if (r < 0)
        return r;
    memcpy(buffer->out.data + buffer->out.end, text, size + 1); /* with its NUL, which ends the frame */
    buffer->out.end += size + 1;
    return 0;
}

int frame_buffer_flush(FrameBuffer *buffer)
{
    Queue *out = &buffer->out;

    while (queue_size(out) > 0) {
        ssize_t n = buffer->stream->class->write(buffer->stream, out->data + out->start, queue_size(out));

        if (n < 0)
            return n == -EAGAIN ? 0 : (int)n;
        queue_drop(out, (size_t)n);
    }
    return 0;
}

bool frame_buffer_wants_write(const FrameBuffer *buffer)
{
    return queue_size(&buffer->out) > 0;
}

size_t frame_buffer_waiting(const FrameBuffer *buffer)
{
    return queue_size(&buffer->in);
}

/* The NUL of the first frame that waits, or NULL. */
static char *find_end(FrameBuffer *buffer)
{
    Queue *in = &buffer->in;

    if (queue_size(in) == buffer->searched)
        return NULL;

    char *from = in->data + in->start + buffer->searched;
    char *end = memchr(from, '\0', queue_size(in) - buffer->searched);

    buffer->searched = end ? (size_t)(end - in->data) - in->start : queue_size(in);
    return end;
}

/* Always at least a quarter of the first capacity at a time, so that a stream that trickles does not move memory about. */
static int reserve_in(Queue *in)
{
    size_t room = IN_MAX - queue_size(in);

    return queue_reserve(in, room < CAPACITY_FIRST / 4 ? room : CAPACITY_FIRST / 4, IN_MAX);
}

int frame_buffer_fill(FrameBuffer *buffer)
{
    Queue *in = &buffer->in;

    while (queue_size(in) < IN_MAX) {
        if (reserve_in(in) < 0)
            return -ENOMEM;

        ssize_t n = buffer->stream->class->read(buffer->stream, in->data + in->end, in->capacity - in->end);

        if (n == 0)
            return -ECONNRESET;
        if (n < 0)
            return n == -EAGAIN ? 0 : (int)n;
        in->end += (size_t)n;
    }
    return find_end(buffer) ? 1 : -EMSGSIZE;
}

int frame_buffer_pull(FrameBuffer *buffer, json_object **ret_object)
{
    Queue *in = &buffer->in;
    char *end = find_end(buffer);

    if (!end)
        return 0;

    char *start = in->data + in->start;
    size_t size = (size_t)(end - start);
    int r = strict_json_parse(start, size, FRAME_NESTING_MAX, ret_object);

    queue_drop(in, size + 1);
    buffer->searched = 0;
    return r < 0 ? r : 1;
}
