/*
 * Bytes: an owned run of public bytes. Reader and Writer: bounded cursors over memory that somebody else owns, for
 * formats with fixed-width big-endian integers. A Reader or Writer that runs over its end remembers it: check once, at the
 * end, with reader_finish() or writer_finish().
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"

typedef struct Bytes {
    uint8_t *data; /* malloc'd; NULL when size is 0 */
    size_t size;
} Bytes;

/* Copy `size` bytes into a new allocation. Errors: -ENOMEM. */
int bytes_copy(const void *data, size_t size, Bytes *ret_bytes) _must_check_;
/* `size` zero bytes. Errors: -ENOMEM. */
int bytes_new(size_t size, Bytes *ret_bytes) _must_check_;
void bytes_clear(Bytes *bytes);
bool bytes_equal(const Bytes *a, const Bytes *b);
/* Move: `from` is empty afterwards. */
Bytes bytes_take(Bytes *from);

#define _cleanup_bytes_ _cleanup_(bytes_clear)

typedef struct Reader {
    const uint8_t *at;
    size_t left;
    bool failed;
} Reader;

Reader reader_of(const void *data, size_t size);
uint8_t read_u8(Reader *reader);
uint32_t read_u32(Reader *reader);
/* The next `size` bytes, still owned by the underlying memory; NULL once the reader has failed. */
const uint8_t *read_bytes(Reader *reader, size_t size);
/* 0 if everything was read and nothing is left over; -EBADMSG otherwise. */
int reader_finish(const Reader *reader) _must_check_;

typedef struct Writer {
    uint8_t *start;
    uint8_t *at;
    size_t left;
    bool failed;
} Writer;

Writer writer_of(void *data, size_t size);
void write_u8(Writer *writer, uint8_t value);
void write_u16(Writer *writer, uint16_t value);
void write_u32(Writer *writer, uint32_t value);
void write_u64(Writer *writer, uint64_t value);
void write_bytes(Writer *writer, const void *data, size_t size);
/* 0 and the number of bytes written; -ENOBUFS if it did not fit. `ret_size` may be NULL. */
int writer_finish(const Writer *writer, size_t *ret_size) _must_check_;

/* Lower-case hexadecimal; `ret_text` has room for 2 * size + 1 characters. */
void hex_encode(const void *data, size_t size, char *ret_text);
/* Exactly 2 * size hexadecimal digits, either case. Errors: -EINVAL (ret_data is then undefined). */
int hex_decode(const char *text, void *ret_data, size_t size) _must_check_;
