#include "node/audit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/journal.h"

#define INTERVAL (60 * MICROSECONDS_PER_SECOND)
#define SUMS_MAX 2048 /* clients times keys in one interval, which ends early when there are more; all of them fit into the log's queue */

_Static_assert(SUMS_MAX < JOURNAL_QUEUE_MAX, "what was counted can be told at once");

typedef struct Sum {
    char client[NODE_NAME_SIZE_MAX + 1];
    KeyId key;
    uint64_t well, failed;
} Sum;

struct Audit {
    const Keys *keys;
    sd_event_source *timer; /* off while nothing is counted */
    Microseconds start;     /* of the interval */
    size_t n;
    Sum sums[SUMS_MAX]; /* ascending by client, key */
};

/* ---- What is told ------------------------------------------------------------------------------------------------------------- */

static const char *label_of(const Keys *keys, const KeyId *id)
{
    const Key *key = keys_find(keys, id);

    return key && key->stored.has_record ? key->stored.record.private_label : NULL;
}

static void number_format(uint64_t number, char ret_text[24])
{
    (void)snprintf(ret_text, 24, "%llu", (unsigned long long)number);
}

static void tell_sum(const Audit *audit, const Sum *sum, Microseconds now)
{
    char key[2 * KEY_ID_SIZE + 1], well[24], failed[24], seconds[24];

    key_id_format(&sum->key, key);
    number_format(sum->well, well);
    number_format(sum->failed, failed);
    number_format((now - audit->start + MICROSECONDS_PER_SECOND - 1) / MICROSECONDS_PER_SECOND, seconds);

    const JournalFields fields = {
        [JOURNAL_CLIENT] = sum->client, [JOURNAL_KEY] = key,       [JOURNAL_LABEL] = label_of(audit->keys, &sum->key),
        [JOURNAL_COUNT] = well,         [JOURNAL_FAILED] = failed, [JOURNAL_SECONDS] = seconds,
    };

    journal_event(EVENT_SIGNATURES, fields, "%s signed with key %s: %s partial signatures in %s s, %s refused or failed", sum->client, key,
                  well, seconds, failed);
}

void audit_tell(Audit *audit)
{
    const Microseconds now = clock_now();

    for (size_t i = 0; i < audit->n; i++)
        tell_sum(audit, &audit->sums[i], now);
    audit->n = 0;
    (void)sd_event_source_set_enabled(audit->timer, SD_EVENT_OFF);
}

/* Then the digest is for the audit alone. */
static bool signs_messages(const Key *key)
{
    const Scheme *scheme = header_scheme(&key->stored.common);

    return scheme && !threshold_scheme_has_dealer(scheme);
}

static void tell_each(const char *client, const Key *key, const Digest *digest, const Outcome *outcome)
{
    char id[2 * KEY_ID_SIZE + 1], digits[2 * DIGEST_SIZE_MAX + 1];

    key_id_format(&key->stored.id, id);
    hex_encode(digest->bytes, digest->size, digits);

    const JournalFields fields = {
        [JOURNAL_CLIENT] = client,
        [JOURNAL_KEY] = id,
        [JOURNAL_LABEL] = key->stored.has_record ? key->stored.record.private_label : NULL,
        [JOURNAL_HASH] = hash_name(digest->hash),
        [JOURNAL_DIGEST] = digits,
        [JOURNAL_ENCODING] = signs_messages(key) ? "message" : encoding_name(digest->encoding),
        [JOURNAL_RESULT] = outcome_name(outcome),
    };

    journal_event(EVENT_SIGNATURE, fields, "%s signs with key %s, which has a lock, %s %s: %s", client, id, fields[JOURNAL_HASH], digits,
                  fields[JOURNAL_RESULT]);
}

/* ---- Counting ------------------------------------------------------------------------------------------------------------------ */

static int compare(const Sum *sum, const char *client, const KeyId *key)
{
    int r = strcmp(sum->client, client);

    return r != 0 ? r : memcmp(sum->key.bytes, key->bytes, KEY_ID_SIZE);
}

/* The position of this sum, or where it belongs. */
static size_t position_of(const Audit *audit, const char *client, const KeyId *key, bool *ret_found)
{
    size_t from = 0, to = audit->n;

    *ret_found = false;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        int r = compare(&audit->sums[middle], client, key);

        if (r == 0) {
            *ret_found = true;
            return middle;
        }
        if (r < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static void begin_interval(Audit *audit)
{
    audit->start = clock_now();
    (void)sd_event_source_set_time(audit->timer, audit->start + INTERVAL);
    (void)sd_event_source_set_enabled(audit->timer, SD_EVENT_ONESHOT);
}

static void insert(Audit *audit, size_t at, const char *client, const KeyId *key)
{
    Sum *sum = &audit->sums[at];

    if (audit->n == 0)
        begin_interval(audit);
    memmove(sum + 1, sum, (audit->n - at) * sizeof(*sum));
    audit->n++;
    *sum = (Sum){.key = *key};
    (void)snprintf(sum->client, sizeof(sum->client), "%s", client);
}

static Sum *sum_of(Audit *audit, const char *client, const KeyId *key)
{
    bool found;
    size_t at = position_of(audit, client, key, &found);

    if (!found && audit->n == SUMS_MAX) {
        audit_tell(audit);
        at = 0;
    }
    if (!found)
        insert(audit, at, client, key);
    return &audit->sums[at];
}

void audit_signature(Audit *audit, const char *client, const Key *key, const Digest *digest, const Outcome *outcome)
{
    const bool well = outcome->error == NODE_ERROR_NONE;

    if (key->stored.locked && well) {
        tell_each(client, key, digest, outcome);
        return;
    }

    Sum *sum = sum_of(audit, client, &key->stored.id);

    sum->well += well;
    sum->failed += !well;
}

/* ---- Its life ------------------------------------------------------------------------------------------------------------------- */

static int on_interval(sd_event_source *source, uint64_t now, void *userdata)
{
    audit_tell(userdata);
    return 0;
}

int audit_new(sd_event *event, const Keys *keys, Audit **ret_audit)
{
    _cleanup_(audit_freep) Audit *audit = calloc(1, sizeof(*audit));

    if (!audit)
        return -ENOMEM;
    audit->keys = keys;

    int r = sd_event_add_time(event, &audit->timer, CLOCK_MONOTONIC, UINT64_MAX, 0, on_interval, audit);

    if (r >= 0)
        r = sd_event_source_set_enabled(audit->timer, SD_EVENT_OFF);
    if (r < 0)
        return r;
    *ret_audit = TAKE_PTR(audit);
    return 0;
}

Audit *audit_free(Audit *audit)
{
    (void)sd_event_source_disable_unref(audit->timer);
    free(audit);
    return NULL;
}
