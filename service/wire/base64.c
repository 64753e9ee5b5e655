#include "wire/base64.h"

#include <errno.h>

static const char alphabet[64] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const void *data, size_t size, char *ret_text)
{
    const uint8_t *bytes = data;

    for (size_t i = 0; i < size; i += 3, ret_text += 4) {
        uint32_t second = i + 1 < size ? bytes[i + 1] : 0, third = i + 2 < size ? bytes[i + 2] : 0;
        uint32_t group = (uint32_t)bytes[i] << 16 | second << 8 | third;

        ret_text[0] = alphabet[group >> 18];
        ret_text[1] = alphabet[group >> 12 & 63];
        ret_text[2] = i + 1 < size ? alphabet[group >> 6 & 63] : '=';
        ret_text[3] = i + 2 < size ? alphabet[group & 63] : '=';
    }
}

/* 0..63, or 64 for a character outside the alphabet. */
static uint32_t digit_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (uint32_t)(c - 'A');
    if (c >= 'a' && c <= 'z')
        return (uint32_t)(c - 'a') + 26;
    if (c >= '0' && c <= '9')
        return (uint32_t)(c - '0') + 52;
    return c == '+' ? 62 : c == '/' ? 63 : 64;
}

/* Four characters, the last `padding` of which are '=': up to three bytes. */
static int decode_group(const char *text, size_t padding, uint8_t *ret_bytes)
{
    uint32_t group = 0;

    for (size_t i = 0; i < 4; i++) {
        uint32_t value = i < 4 - padding ? digit_value(text[i]) : 0;

        if (value > 63)
            return -EINVAL;
        group = group << 6 | value;
    }
    if (group & ((1U << (8 * padding)) - 1))
        return -EINVAL;
    for (size_t i = 0; i < 3 - padding; i++)
        ret_bytes[i] = (uint8_t)(group >> (16 - 8 * i));
    return 0;
}

static size_t padding_of(const char *text, size_t size)
{
    if (size < 4 || text[size - 1] != '=')
        return 0;
    return text[size - 2] == '=' ? 2 : 1;
}

int base64_decode(const char *text, size_t size, Bytes *ret_bytes)
{
    Bytes bytes _cleanup_bytes_ = {0};
    size_t padding = padding_of(text, size);

    if (size % 4 != 0)
        return -EINVAL;
    if (bytes_new(size / 4 * 3 - padding, &bytes) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < size; i += 4) {
        int r = decode_group(text + i, i + 4 == size ? padding : 0, bytes.data + i / 4 * 3);

        if (r < 0)
            return r;
    }
    *ret_bytes = bytes_take(&bytes);
    return 0;
}
