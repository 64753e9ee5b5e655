#include "ctl/log-time.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define SECOND 1000000ULL

static bool parse_ago(const char *text, uint64_t now, uint64_t *ret_time)
{
    static const struct {
        const char *name;
        uint64_t seconds;
    } units[] = {{"s", 1}, {"min", 60}, {"h", 3600}, {"d", 86400}};
    char *unit;
    uint64_t number, ago;

    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    number = strtoull(text, &unit, 10);
    for (size_t i = 0; errno == 0 && i < ELEMENTS(units); i++) {
        if (strcmp(unit, units[i].name) != 0)
            continue;
        if (__builtin_mul_overflow(number, units[i].seconds * SECOND, &ago))
            return false;
        *ret_time = ago < now ? now - ago : 0;
        return true;
    }
    return false;
}

/* The zone's rule for summer time decides what hour that is. */
static bool take_local(struct tm *local, uint64_t *ret_time)
{
    local->tm_isdst = -1;

    time_t time = mktime(local);

    if (time < 0)
        return false;
    *ret_time = (uint64_t)time * SECOND;
    return true;
}

static bool parse_day(const char *text, uint64_t now, uint64_t *ret_time)
{
    const bool yesterday = strcmp(text, "yesterday") == 0;
    const time_t seconds = (time_t)(now / SECOND);
    struct tm local;

    if ((!yesterday && strcmp(text, "today") != 0) || !localtime_r(&seconds, &local))
        return false;
    local.tm_mday -= yesterday;
    local.tm_hour = local.tm_min = local.tm_sec = 0;
    return take_local(&local, ret_time);
}

static bool parse_date(const char *text, uint64_t *ret_time)
{
    static const char *const formats[] = {"%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S"};

    for (size_t i = 0; i < ELEMENTS(formats); i++) {
        struct tm local = {0};
        const char *end = strptime(text, formats[i], &local);

        if (end && *end == '\0')
            return take_local(&local, ret_time);
    }
    return false;
}

int log_time_parse(const char *text, uint64_t now, uint64_t *ret_time, Problem *problem)
{
    if (parse_day(text, now, ret_time) || parse_date(text, ret_time) || parse_ago(text, now, ret_time))
        return 0;
    return problem_set(problem, -EINVAL, "'%s' is not a time such as 30min (ago), today, 2026-11-22 or '2026-11-22 15:30'", text);
}

void log_time_format(uint64_t time, char ret_text[LOG_TIME_SIZE])
{
    const time_t seconds = (time_t)(time / SECOND);
    struct tm local;

    if (!localtime_r(&seconds, &local) || strftime(ret_text, LOG_TIME_SIZE, "%Y-%m-%d %H:%M:%S", &local) == 0)
        (void)snprintf(ret_text, LOG_TIME_SIZE, "?");
}

void log_time_format_utc(uint64_t time, char ret_text[LOG_TIME_SIZE])
{
    const time_t seconds = (time_t)(time / SECOND);
    struct tm utc;
    size_t used = gmtime_r(&seconds, &utc) ? strftime(ret_text, LOG_TIME_SIZE, "%Y-%m-%dT%H:%M:%S", &utc) : 0;

    (void)snprintf(ret_text + used, LOG_TIME_SIZE - used, ".%06uZ", (unsigned)(time % SECOND));
}
