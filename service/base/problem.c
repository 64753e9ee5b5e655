#include "base/problem.h"

#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include "base/text.h"
#include "base/utf8.h"

/* A full text may end within a character: what there is of it goes. */
static void trim_cut(char *text, size_t size)
{
    size_t start = size;

    while (start > 0 && size - start < UTF8_SIZE_MAX && ((uint8_t)text[start - 1] & 0xc0) == 0x80)
        start--;
    if (start > 0 && (uint8_t)text[start - 1] >= 0xc0 && utf8_character(text + start - 1, size - start + 1) == 0)
        text[start - 1] = '\0';
}

static void clean(Problem *problem)
{
    size_t size = strlen(problem->text);

    if (size == PROBLEM_SIZE_MAX - 1)
        trim_cut(problem->text, size);
    text_clean(problem->text);
}

static void _printf_(2, 0) write_text(Problem *problem, const char *format, va_list arguments)
{
    if (vsnprintf(problem->text, sizeof(problem->text), format, arguments) < 0)
        (void)snprintf(problem->text, sizeof(problem->text), "%s", format);
    clean(problem);
}

int problem_set(Problem *problem, int code, const char *format, ...)
{
    va_list arguments;

    if (!problem)
        return code;
    va_start(arguments, format);
    write_text(problem, format, arguments);
    va_end(arguments);
    return code;
}

int problem_prefix(Problem *problem, int code, const char *format, ...)
{
    Problem before;
    va_list arguments;

    if (!problem)
        return code;
    before = *problem;
    va_start(arguments, format);
    write_text(problem, format, arguments);
    va_end(arguments);
    size_t used = strlen(problem->text);
    (void)snprintf(problem->text + used, sizeof(problem->text) - used, ": %s", before.text);
    clean(problem);
    return code;
}
