#include "base/utf8.h"

#include <string.h>

static bool is_ascii_run(const char *text)
{
    uint64_t eight;

    memcpy(&eight, text, sizeof(eight));
    return (eight & 0x8080808080808080) == 0;
}

/* Bytes of the character that starts with `first`; 0: none starts so. */
static size_t character_size(uint8_t first)
{
    if (first < 0x80)
        return 1;
    if (first < 0xc2)
        return 0;
    if (first < 0xe0)
        return 2;
    if (first < 0xf0)
        return 3;
    return first < 0xf5 ? 4 : 0;
}

/* The second byte is where overlong forms, surrogates and too large values show. */
static bool second_valid(uint8_t first, uint8_t second)
{
    uint8_t from = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    uint8_t to = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;

    return second >= from && second <= to;
}

static bool character_valid(const uint8_t *at, size_t size)
{
    if (size > 1 && !second_valid(at[0], at[1]))
        return false;
    for (size_t i = 2; i < size; i++)
        if ((at[i] & 0xc0) != 0x80)
            return false;
    return true;
}

size_t utf8_character(const char *text, size_t size)
{
    size_t length = size > 0 ? character_size((uint8_t)text[0]) : 0;

    return length <= size && character_valid((const uint8_t *)text, length) ? length : 0;
}

bool utf8_valid(const char *text, size_t size)
{
    for (size_t i = 0; i < size;) {
        if (size - i >= 8 && is_ascii_run(text + i)) {
            i += 8;
            continue;
        }

        size_t length = utf8_character(text + i, size - i);

        if (length == 0)
            return false;
        i += length;
    }
    return true;
}

size_t utf8_write(uint32_t character, char ret_text[UTF8_SIZE_MAX])
{
    static const uint8_t leads[] = {0, 0, 0xc0, 0xe0, 0xf0};
    size_t size = character < 0x80 ? 1 : character < 0x800 ? 2 : character < 0x10000 ? 3 : 4;

    for (size_t i = size; i-- > 1; character >>= 6)
        ret_text[i] = (char)(0x80 | (character & 0x3f));
    ret_text[0] = (char)(leads[size] | character);
    return size;
}
