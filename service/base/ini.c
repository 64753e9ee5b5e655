#include "base/ini.h"

#include <errno.h>
#include <ini.h>
#include <string.h>

typedef struct IniReading {
    const char *path;
    FILE *file;
    unsigned line;
    int line_size_max; /* what libinih has room for, NUL included; 0: no line was too long */
    IniHandler handler;
    void *userdata;
    Problem *problem;
    int result;
} IniReading;

/* libinih's fgets(): counts lines, because the library tells its handler no line number. */
static char *read_line(char *text, int size, void *stream)
{
    IniReading *reading = stream;

    if (reading->result != 0 || reading->line_size_max > 0 || !fgets(text, size, reading->file))
        return NULL;
    reading->line++;
    if (!strchr(text, '\n') && !feof(reading->file)) {
        reading->line_size_max = size;
        return NULL;
    }
    return text;
}

static int on_value(void *user, const char *section, const char *name, const char *value)
{
    IniReading *reading = user;
    int r;

    if (reading->result != 0)
        return 1;
    r = reading->handler(reading->userdata, section, name, value ? value : "", reading->line, reading->problem);
    if (r != 0)
        reading->result = problem_prefix(reading->problem, r, "%s:%u", reading->path, reading->line);
    return 1;
}

int ini_read(const char *path, IniHandler handler, void *userdata, Problem *problem)
{
    _cleanup_fclose_ FILE *file = fopen(path, "re");
    IniReading reading = {.path = path, .file = file, .handler = handler, .userdata = userdata, .problem = problem};

    if (!file)
        return problem_set(problem, -errno, "%s: cannot be read: %s", path, strerror(errno));

    int bad_line = ini_parse_stream(read_line, &reading, on_value, &reading);

    if (reading.result != 0)
        return reading.result;
    if (reading.line_size_max > 0)
        return problem_set(problem, -EBADMSG, "%s:%u: the line is too long (at most %d bytes)", path, reading.line,
                           reading.line_size_max - 2);
    if (ferror(file))
        return problem_set(problem, -EIO, "%s: cannot be read to its end", path);
    if (bad_line < 0)
        return problem_set(problem, -ENOMEM, "%s: out of memory", path);
    if (bad_line > 0)
        return problem_set(problem, -EBADMSG, "%s:%d: neither a [section], a Key=value nor a comment", path, bad_line);
    return 0;
}

int ini_parse_bool(const char *value, bool *ret_value, Problem *problem)
{
    if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
        return problem_set(problem, -EINVAL, "'%s' is neither yes nor no", value);
    *ret_value = strcmp(value, "yes") == 0;
    return 0;
}

static int parse_digits(const char *value, uint64_t *ret_value, const char **ret_rest)
{
    char *end;

    if (value[0] < '0' || value[0] > '9')
        return -EINVAL;
    errno = 0;
    *ret_value = strtoull(value, &end, 10);
    *ret_rest = end;
    return errno ? -EINVAL : 0;
}

int ini_parse_uint(const char *value, uint64_t min, uint64_t max, uint64_t *ret_value, Problem *problem)
{
    uint64_t number;
    const char *rest;

    if (parse_digits(value, &number, &rest) < 0 || *rest || number < min || number > max)
        return problem_set(problem, -EINVAL, "'%s' is not a whole number from %llu to %llu", value, (unsigned long long)min,
                           (unsigned long long)max);
    *ret_value = number;
    return 0;
}

int ini_parse_duration(const char *value, uint64_t *ret_microseconds, Problem *problem)
{
    static const struct {
        const char *unit;
        uint64_t microseconds;
    } units[] = {{"ms", 1000}, {"s", 1000000}, {"min", 60000000}};
    uint64_t number;
    const char *rest;

    if (parse_digits(value, &number, &rest) == 0 && number > 0 && number <= 1000000)
        for (size_t i = 0; i < ELEMENTS(units); i++)
            if (strcmp(rest, units[i].unit) == 0) {
                *ret_microseconds = number * units[i].microseconds;
                return 0;
            }
    return problem_set(problem, -EINVAL, "'%s' is not a duration such as 500ms, 10s or 2min", value);
}
