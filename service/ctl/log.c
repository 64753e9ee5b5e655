/* kqctl log: the events in the journal (keyquorum-journal(7)). What anybody could have written there is left out: an entry counts only if
 * the journal itself says that one of our units wrote it. */
#include <errno.h>
#include <fnmatch.h>
#include <string.h>
#include <syslog.h>
#include <systemd/sd-journal.h>
#include <time.h>

#include "base/journal-events.h"
#include "base/text.h"
#include "ctl/ctl.h"
#include "ctl/document.h"
#include "ctl/log-time.h"
#include "ctl/terminal.h"

#define OUR_UNITS        "keyquorum-*.service"
#define KEY_DIGITS_MIN   8
#define KEY_DIGITS_SHOWN 16

typedef struct Entry {
    uint64_t time;
    const JournalEventRow *event;
    char *message;
    char *values[JOURNAL_FIELD_MAX]; /* NULL: it has no such field */
} Entry;

static void entry_clear(Entry *entry)
{
    free(entry->message);
    for (JournalField i = 0; i < JOURNAL_FIELD_MAX; i++)
        free(entry->values[i]);
}

/* ---- Reading -------------------------------------------------------------------------------------------------------------------- */

/* NULL: the entry has no such field. */
static char *read_value(sd_journal *journal, const char *name)
{
    const void *data;
    size_t size, prefix = strlen(name) + 1;

    if (sd_journal_get_data(journal, name, &data, &size) < 0 || size < prefix)
        return NULL;
    return text_copy_of((const char *)data + prefix, size - prefix);
}

static const JournalEventRow *find_event(const char *value, bool by_name)
{
    for (JournalEvent i = 0; value && i < EVENT_MAX; i++) {
        const JournalEventRow *row = journal_event_row(i);

        if (strcmp(by_name ? row->name : row->id, value) == 0)
            return row;
    }
    return NULL;
}

static bool is_ours(sd_journal *journal)
{
    _cleanup_free_ char *unit = read_value(journal, "_SYSTEMD_UNIT");

    return unit && fnmatch(OUR_UNITS, unit, 0) == 0;
}

/* When it was written; when the journal got it, if that is all it knows. */
static uint64_t read_time(sd_journal *journal)
{
    _cleanup_free_ char *source = read_value(journal, "_SOURCE_REALTIME_TIMESTAMP");
    uint64_t time = 0;

    if (source)
        return strtoull(source, NULL, 10);
    return sd_journal_get_realtime_usec(journal, &time) < 0 ? 0 : time;
}

static Entry read_entry(sd_journal *journal)
{
    _cleanup_free_ char *id = read_value(journal, "MESSAGE_ID");
    Entry entry = {.time = read_time(journal), .event = find_event(id, false), .message = read_value(journal, "MESSAGE")};

    for (JournalField i = 0; i < JOURNAL_FIELD_MAX; i++)
        entry.values[i] = read_value(journal, journal_field_name(i));
    return entry;
}

static int add_match(sd_journal *journal, const char *name, const char *value)
{
    _cleanup_free_ char *match = text_format("%s=%s", name, value);

    return match ? sd_journal_add_match(journal, match, 0) : -ENOMEM;
}

/* Matches of one field are alternatives, those of different fields are all required: sd_journal_add_match(3). */
static int add_matches(sd_journal *journal, const JournalEventRow *event, const char *client, const char *node)
{
    int r = client ? add_match(journal, journal_field_name(JOURNAL_CLIENT), client) : 0;

    if (r >= 0 && node)
        r = add_match(journal, journal_field_name(JOURNAL_NODE), node);
    for (JournalEvent i = 0; r >= 0 && i < EVENT_MAX; i++)
        if (!event || event == journal_event_row(i))
            r = add_match(journal, "MESSAGE_ID", journal_event_row(i)->id);
    return r;
}

/* ---- What is asked for ------------------------------------------------------------------------------------------------------------ */

/* `key`: the key id, its first digits, or the label. */
static bool is_about(const Entry *entry, const char *key)
{
    const char *id = entry->values[JOURNAL_KEY], *label = entry->values[JOURNAL_LABEL];

    if (!key)
        return true;
    if (id && strlen(key) >= KEY_DIGITS_MIN && strncmp(id, key, strlen(key)) == 0)
        return true;
    return label && strcmp(label, key) == 0;
}

static void closep(sd_journal **journal)
{
    sd_journal_close(*journal);
}

static int open_journal(const char *directory, sd_journal **ret_journal, Problem *problem)
{
    int r = directory ? sd_journal_open_directory(ret_journal, directory, 0) : sd_journal_open(ret_journal, SD_JOURNAL_LOCAL_ONLY);

    return r < 0 ? problem_set(problem, r, "the journal%s%s cannot be opened: %s", directory ? " in " : "", directory ? directory : "",
                               strerror(-r))
                 : 0;
}

static int seek(sd_journal *journal, const char *since, Problem *problem)
{
    struct timespec now;
    uint64_t time;
    int r;

    if (!since)
        return sd_journal_seek_head(journal);
    (void)clock_gettime(CLOCK_REALTIME, &now);
    r = log_time_parse(since, (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000, &time, problem);
    if (r < 0)
        return problem_prefix(problem, CTL_E_USAGE, "--since");
    return sd_journal_seek_realtime_usec(journal, time);
}

/* ---- The table ---------------------------------------------------------------------------------------------------------------------- */

static bool was_done(const Entry *entry)
{
    const char *result = entry->values[JOURNAL_RESULT];

    return result && strcmp(result, "done") == 0;
}

/* Fields that have a column of their own, or go without saying. */
static bool is_detail(const Entry *entry, JournalField field)
{
    const JournalFieldSet columns = JOURNAL_FIELD_BIT(JOURNAL_NODE) | JOURNAL_FIELD_BIT(JOURNAL_CLIENT) | JOURNAL_FIELD_BIT(JOURNAL_KEY) |
                                    JOURNAL_FIELD_BIT(JOURNAL_LABEL);
    const JournalFieldSet of_done = JOURNAL_FIELD_BIT(JOURNAL_OPERATION) | JOURNAL_FIELD_BIT(JOURNAL_RESULT);
    const JournalFieldSet left_out = was_done(entry) ? columns | of_done : columns;

    return entry->values[field] && (JOURNAL_FIELD_BIT(field) & left_out) == 0;
}

/* "KEYQUORUM_COUNT": "count" */
static const char *short_name(JournalField field, char ret_name[32])
{
    const char *name = journal_field_name(field) + strlen("KEYQUORUM_");
    size_t i;

    for (i = 0; name[i] && i < 31; i++)
        ret_name[i] = (char)(name[i] | 0x20);
    ret_name[i] = '\0';
    return ret_name;
}

static void print_column(const char *value, unsigned width)
{
    terminal_print(value ? value : "-", width);
    putchar(' ');
}

static void print_details(const Entry *entry)
{
    const char *between = "";
    char name[32];

    for (JournalField i = 0; i < JOURNAL_FIELD_MAX; i++) {
        if (!is_detail(entry, i))
            continue;
        printf("%s%s=", between, short_name(i, name));
        terminal_print(entry->values[i], 0);
        between = " ";
    }
    putchar('\n');
}

static void print_entry(const Entry *entry)
{
    const char *key = entry->values[JOURNAL_KEY];
    char time[LOG_TIME_SIZE], digits[KEY_DIGITS_SHOWN + 1];

    log_time_format(entry->time, time);
    (void)snprintf(digits, sizeof(digits), "%s", key ? key : "-");
    printf("%s ", time);
    print_column(entry->values[JOURNAL_NODE], 10);
    print_column(entry->event->name, 19);
    print_column(entry->values[JOURNAL_CLIENT], 10);
    print_column(digits, KEY_DIGITS_SHOWN);
    print_column(entry->values[JOURNAL_LABEL], 16);
    print_details(entry);
}

static void print_head(void)
{
    printf("%-19s %-10s %-19s %-10s %-16s %-16s %s\n", "TIME", "NODE", "EVENT", "CLIENT", "KEY", "LABEL", "DETAILS");
}

static Document *entry_document(const Entry *entry)
{
    const JournalFieldSet numbers =
        JOURNAL_FIELD_BIT(JOURNAL_COUNT) | JOURNAL_FIELD_BIT(JOURNAL_FAILED) | JOURNAL_FIELD_BIT(JOURNAL_SECONDS);
    Document *document = document_new();
    char time[LOG_TIME_SIZE], name[32];

    log_time_format_utc(entry->time, time);
    document_text(document, "time", time);
    document_text(document, "event", entry->event->name);
    document_number(document, "priority", (uint64_t)entry->event->priority);
    for (JournalField i = 0; i < JOURNAL_FIELD_MAX; i++) {
        if (entry->values[i] && (JOURNAL_FIELD_BIT(i) & numbers))
            document_number(document, short_name(i, name), strtoull(entry->values[i], NULL, 10));
        else if (entry->values[i])
            document_text(document, short_name(i, name), entry->values[i]);
    }
    document_text(document, "message", entry->message);
    return document;
}

/* ---- The verb ----------------------------------------------------------------------------------------------------------------------- */

/* Prints as it reads, or collects in `list`; returns how many. */
static size_t show(sd_journal *journal, const char *key, Document *list)
{
    size_t count = 0;

    while (sd_journal_next(journal) > 0) {
        _cleanup_(entry_clear) Entry entry = is_ours(journal) ? read_entry(journal) : (Entry){0};

        if (!entry.event || !is_about(&entry, key))
            continue;
        if (!list && count == 0)
            print_head();
        if (list)
            document_append(list, entry_document(&entry));
        else
            print_entry(&entry);
        count++;
    }
    return count;
}

static void show_all(sd_journal *journal, const Call *call)
{
    Document *list = call->options[OPTION_JSON] ? document_list() : NULL;
    size_t count = show(journal, call->options[OPTION_LOG_KEY], list);

    if (list)
        document_print(list);
    if (count == 0)
        fprintf(stderr, "The journal has no such events%s.\n",
                geteuid() == 0 || call->options[OPTION_JOURNAL] ? ""
                                                                : " that you may see: only root and the group systemd-journal see all");
}

int verb_log(const Call *call, Problem *problem)
{
    const char *name = call->options[OPTION_EVENT];
    const JournalEventRow *event = find_event(name, true);
    _cleanup_(closep) sd_journal *journal = NULL;
    int r;

    if (name && !event)
        return problem_set(problem, CTL_E_USAGE, "there is no event %s: keyquorum-journal(7) lists them", name);
    r = open_journal(call->options[OPTION_JOURNAL], &journal, problem);
    if (r == 0)
        r = seek(journal, call->options[OPTION_SINCE], problem);
    if (r == 0 && add_matches(journal, event, call->options[OPTION_LOG_CLIENT], call->options[OPTION_LOG_NODE]) < 0)
        r = problem_set(problem, -ENOMEM, "out of memory");
    if (r == 0)
        show_all(journal, call);
    return r;
}
