#include "base/problem.h"

#include <stdarg.h>
#include <string.h>

static void replace_controls(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            *text = '?';
}

static void write_text(Problem *problem, const char *format, va_list arguments)
{
    if (vsnprintf(problem->text, sizeof(problem->text), format, arguments) < 0)
        (void)snprintf(problem->text, sizeof(problem->text), "%s", format);
    replace_controls(problem->text);
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
    return code;
}
