/*
 * varlink frames: one JSON object, then a NUL byte. Bounds: a frame at most FRAME_SIZE_MAX bytes without its NUL, nesting at most
 * FRAME_NESTING_MAX, STRICT_JSON_VALUES_MAX values. A frame over the limits or broken JSON closes the connection.
 */
#pragma once

#include <json-c/json_object.h>

#include "base/bytes.h"
#include "wire/stream.h"

#define FRAME_SIZE_MAX    (1024 * 1024)
#define FRAME_NESTING_MAX 32
#define FRAME_QUEUE_MAX   (2 * FRAME_SIZE_MAX) /* bytes that wait to be written */

/* The two directions of one stream. Reading takes at most one frame of the greatest size into memory, however many frames wait. */
typedef struct FrameBuffer FrameBuffer;

int frame_buffer_new(Stream *stream /* not owned */, FrameBuffer **ret_buffer) _must_check_;
FrameBuffer *frame_buffer_free(FrameBuffer *buffer);
DEFINE_CLEANUP(FrameBuffer, frame_buffer_free)

/* Queue an object for sending. Errors: -EMSGSIZE over FRAME_SIZE_MAX; -ENOBUFS too much is queued already; -ENOMEM. */
int frame_buffer_push(FrameBuffer *buffer, json_object *object) _must_check_;
/* Write what can be written without waiting. Errors: -EPIPE, -errno. */
int frame_buffer_flush(FrameBuffer *buffer) _must_check_;
bool frame_buffer_wants_write(const FrameBuffer *buffer);
/* Read what can be read without waiting. 0: all was read; 1: stopped because the buffer is full: pull, then fill again without polling
 * first. Errors: -ECONNRESET the other side closed (whole frames already here can still be pulled);
 * -EMSGSIZE a frame is too long; -ENOMEM; -errno. */
int frame_buffer_fill(FrameBuffer *buffer) _must_check_;
/* Bytes that were read and not pulled. */
size_t frame_buffer_waiting(const FrameBuffer *buffer);
/* The next whole frame: 1 and a new object, or 0 none yet. Errors: -EBADMSG not one strict JSON object in UTF-8, a repeated name in an
 * object, nested too deep, or too many values; -ENOMEM. */
int frame_buffer_pull(FrameBuffer *buffer, json_object **ret_object) _must_check_;
