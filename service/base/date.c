#include "base/date.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#define SECONDS_PER_DAY 86400

static bool read_digits(const char *text, size_t n, int *ret_number)
{
    int number = 0;

    for (size_t i = 0; i < n; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        number = 10 * number + (text[i] - '0');
    }
    *ret_number = number;
    return true;
}

int date_parse(const char *text, size_t size, uint64_t *ret_seconds)
{
    int year, month, day;

    if (size != DATE_SIZE || !read_digits(text, 4, &year) || !read_digits(text + 4, 2, &month) || !read_digits(text + 6, 2, &day))
        return -EINVAL;

    struct tm parts = {.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day};
    time_t start = timegm(&parts);

    /* The 31st of June would have become the 1st of July. */
    if (year < 1970 || parts.tm_year != year - 1900 || parts.tm_mon != month - 1 || parts.tm_mday != day)
        return -EINVAL;
    *ret_seconds = (uint64_t)start + SECONDS_PER_DAY - 1;
    return 0;
}

void date_format(uint64_t seconds, char ret_text[DATE_SIZE + 1])
{
    time_t when = (time_t)seconds;
    struct tm parts;

    if (!gmtime_r(&when, &parts) || strftime(ret_text, DATE_SIZE + 1, "%Y%m%d", &parts) != DATE_SIZE)
        (void)snprintf(ret_text, DATE_SIZE + 1, "99991231");
}
