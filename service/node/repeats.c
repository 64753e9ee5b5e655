#include "node/repeats.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/journal.h"
#include "wire/node-interface.h"

#define INTERVAL  (60 * MICROSECONDS_PER_SECOND)
#define KINDS_MAX 1024 /* in one interval; whatever else there is has one number for all of it */

_Static_assert(KINDS_MAX < JOURNAL_QUEUE_MAX / 2, "what was counted can be told at once");

typedef struct Kind {
    char client[NODE_NAME_SIZE_MAX + 1];
    const char *operation, *result;
    uint64_t more; /* behind the first */
} Kind;

struct Repeats {
    sd_event_source *timer; /* off while nothing is counted */
    Microseconds start;     /* of the interval */
    uint64_t others;
    size_t n;
    Kind kinds[KINDS_MAX];
};

static void tell_kind(const Kind *kind, const char *seconds)
{
    char count[24];

    (void)snprintf(count, sizeof(count), "%llu", (unsigned long long)kind->more);

    const JournalFields fields = {
        [JOURNAL_CLIENT] = *kind->client ? kind->client : NULL,
        [JOURNAL_OPERATION] = kind->operation,
        [JOURNAL_RESULT] = kind->result,
        [JOURNAL_COUNT] = count,
        [JOURNAL_SECONDS] = seconds,
    };

    journal_event(EVENT_REPEATED, fields, "%s%s%s: %s, %s times more in %s s", kind->client, *kind->client ? " " : "", kind->operation,
                  kind->result, count, seconds);
}

static void tell_others(uint64_t others, const char *seconds)
{
    char count[24];

    (void)snprintf(count, sizeof(count), "%llu", (unsigned long long)others);
    journal_event(EVENT_REPEATED, (JournalFields){[JOURNAL_COUNT] = count, [JOURNAL_SECONDS] = seconds},
                  "%s more refusals of many kinds in %s s", count, seconds);
}

void repeats_tell(Repeats *repeats)
{
    char seconds[24];

    (void)snprintf(seconds, sizeof(seconds), "%llu",
                   (unsigned long long)((clock_now() - repeats->start + MICROSECONDS_PER_SECOND - 1) / MICROSECONDS_PER_SECOND));
    for (size_t i = 0; i < repeats->n; i++)
        if (repeats->kinds[i].more > 0)
            tell_kind(&repeats->kinds[i], seconds);
    if (repeats->others > 0)
        tell_others(repeats->others, seconds);
    repeats->n = 0;
    repeats->others = 0;
    (void)sd_event_source_set_enabled(repeats->timer, SD_EVENT_OFF);
}

static void begin_interval(Repeats *repeats)
{
    repeats->start = clock_now();
    (void)sd_event_source_set_time(repeats->timer, repeats->start + INTERVAL);
    (void)sd_event_source_set_enabled(repeats->timer, SD_EVENT_ONESHOT);
}

static bool is_kind(const Kind *kind, const char *client, const char *operation, const char *result)
{
    return strcmp(kind->client, client) == 0 && strcmp(kind->operation, operation) == 0 && strcmp(kind->result, result) == 0;
}

bool repeats_first(Repeats *repeats, const char *client, const char *operation, const char *result)
{
    size_t at = 0;

    while (at < repeats->n && !is_kind(&repeats->kinds[at], client, operation, result))
        at++;
    if (at < repeats->n) {
        repeats->kinds[at].more++;
        return false;
    }
    if (repeats->n == KINDS_MAX) {
        repeats->others++;
        return false;
    }
    if (repeats->n == 0)
        begin_interval(repeats);
    repeats->n++;
    repeats->kinds[at] = (Kind){.operation = operation, .result = result};
    (void)snprintf(repeats->kinds[at].client, sizeof(repeats->kinds[at].client), "%s", client);
    return true;
}

static int on_interval(sd_event_source *source, uint64_t now, void *userdata)
{
    repeats_tell(userdata);
    return 0;
}

int repeats_new(sd_event *event, Repeats **ret_repeats)
{
    _cleanup_(repeats_freep) Repeats *repeats = calloc(1, sizeof(*repeats));

    if (!repeats)
        return -ENOMEM;

    int r = sd_event_add_time(event, &repeats->timer, CLOCK_MONOTONIC, UINT64_MAX, 0, on_interval, repeats);

    if (r >= 0)
        r = sd_event_source_set_enabled(repeats->timer, SD_EVENT_OFF);
    if (r < 0)
        return r;
    *ret_repeats = TAKE_PTR(repeats);
    return 0;
}

Repeats *repeats_free(Repeats *repeats)
{
    (void)sd_event_source_disable_unref(repeats->timer);
    free(repeats);
    return NULL;
}
