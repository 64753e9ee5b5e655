#include "base/text.h"

#include <stdarg.h>
#include <string.h>

#include "base/utf8.h"

char *text_copy_of(const char *text, size_t size)
{
    char *copy = malloc(size + 1);

    if (!copy)
        return NULL;
    memcpy(copy, text, size);
    copy[size] = '\0';
    return copy;
}

char *text_copy(const char *text)
{
    return text_copy_of(text, strlen(text));
}

char *text_format(const char *format, ...)
{
    va_list arguments;
    int size;
    char *text;

    va_start(arguments, format);
    size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    text = size < 0 ? NULL : malloc((size_t)size + 1);
    if (!text)
        return NULL;
    va_start(arguments, format);
    (void)vsnprintf(text, (size_t)size + 1, format, arguments);
    va_end(arguments);
    return text;
}

static bool is_control(const char *at, size_t size)
{
    uint8_t first = (uint8_t)at[0];

    if (size == 1)
        return first < 0x20 || first == 0x7f;
    return size == 2 && first == 0xc2 && (uint8_t)at[1] < 0xa0;
}

void text_clean(char *text)
{
    size_t left = strlen(text);

    while (left > 0) {
        size_t character = utf8_character(text, left), size = character > 0 ? character : 1;

        if (character == 0 || is_control(text, character))
            memset(text, '?', size);
        text += size;
        left -= size;
    }
}
