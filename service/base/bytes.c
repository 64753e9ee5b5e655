#include "base/bytes.h"

#include <errno.h>
#include <string.h>

int bytes_new(size_t size, Bytes *ret_bytes)
{
    uint8_t *data = NULL;

    if (size > 0 && !(data = calloc(1, size)))
        return -ENOMEM;
    *ret_bytes = (Bytes){.data = data, .size = size};
    return 0;
}

int bytes_copy(const void *data, size_t size, Bytes *ret_bytes)
{
    int r = bytes_new(size, ret_bytes);

    if (r == 0 && size > 0)
        memcpy(ret_bytes->data, data, size);
    return r;
}

void bytes_clear(Bytes *bytes)
{
    free(bytes->data);
    *bytes = (Bytes){0};
}

bool bytes_equal(const Bytes *a, const Bytes *b)
{
    return a->size == b->size && (a->size == 0 || memcmp(a->data, b->data, a->size) == 0);
}

Bytes bytes_take(Bytes *from)
{
    Bytes taken = *from;

    *from = (Bytes){0};
    return taken;
}

Reader reader_of(const void *data, size_t size)
{
    return (Reader){.at = data, .left = size};
}

const uint8_t *read_bytes(Reader *reader, size_t size)
{
    if (reader->failed || size > reader->left) {
        reader->failed = true;
        return NULL;
    }

    const uint8_t *at = reader->at;

    reader->at += size;
    reader->left -= size;
    return at;
}

static uint32_t read_integer(Reader *reader, size_t size)
{
    const uint8_t *at = read_bytes(reader, size);
    uint32_t value = 0;

    for (size_t i = 0; at && i < size; i++)
        value = value << 8 | at[i];
    return value;
}

uint8_t read_u8(Reader *reader)
{
    return (uint8_t)read_integer(reader, 1);
}

uint32_t read_u32(Reader *reader)
{
    return read_integer(reader, 4);
}

int reader_finish(const Reader *reader)
{
    return reader->failed || reader->left > 0 ? -EBADMSG : 0;
}

Writer writer_of(void *data, size_t size)
{
    return (Writer){.start = data, .at = data, .left = size};
}

void write_bytes(Writer *writer, const void *data, size_t size)
{
    if (writer->failed || size > writer->left) {
        writer->failed = true;
        return;
    }
    if (size > 0)
        memcpy(writer->at, data, size);
    writer->at += size;
    writer->left -= size;
}

static void write_integer(Writer *writer, uint64_t value, size_t size)
{
    uint8_t encoded[8];

    for (size_t i = 0; i < size; i++)
        encoded[i] = (uint8_t)(value >> (8 * (size - 1 - i)));
    write_bytes(writer, encoded, size);
}

void write_u8(Writer *writer, uint8_t value)
{
    write_integer(writer, value, 1);
}

void write_u16(Writer *writer, uint16_t value)
{
    write_integer(writer, value, 2);
}

void write_u32(Writer *writer, uint32_t value)
{
    write_integer(writer, value, 4);
}

void write_u64(Writer *writer, uint64_t value)
{
    write_integer(writer, value, 8);
}

int writer_finish(const Writer *writer, size_t *ret_size)
{
    if (writer->failed)
        return -ENOBUFS;
    if (ret_size)
        *ret_size = (size_t)(writer->at - writer->start);
    return 0;
}

void hex_encode(const void *data, size_t size, char *ret_text)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *bytes = data;

    for (size_t i = 0; i < size; i++) {
        ret_text[2 * i] = digits[bytes[i] >> 4];
        ret_text[2 * i + 1] = digits[bytes[i] & 15];
    }
    ret_text[2 * size] = '\0';
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int hex_decode(const char *text, void *ret_data, size_t size)
{
    uint8_t *bytes = ret_data;

    if (strlen(text) != 2 * size)
        return -EINVAL;
    for (size_t i = 0; i < size; i++) {
        int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);

        if (high < 0 || low < 0)
            return -EINVAL;
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    return 0;
}
