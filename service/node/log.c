#include "node/log.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/text.h"

#define LINE_SIZE_MAX 2048

void node_log(int priority, const char *format, ...)
{
    char line[LINE_SIZE_MAX];
    va_list arguments;
    int start = snprintf(line, sizeof(line), "<%d>", priority);

    va_start(arguments, format);
    int size = vsnprintf(line + start, sizeof(line) - (size_t)start, format, arguments);
    va_end(arguments);
    if (size < 0)
        return;

    size_t end = (size_t)(start + size) < sizeof(line) - 1 ? (size_t)(start + size) : sizeof(line) - 1;

    text_clean(line);
    line[end] = '\n';
    /* One write, so that lines of several threads do not mix. A log that cannot be written has nobody to be told to. */
    if (write(STDERR_FILENO, line, end + 1) < 0)
        return;
}
