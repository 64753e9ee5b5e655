/* The log, with a journal of our own: a datagram socket in a temporary directory. Each test is a process of its own. */
#include <errno.h>

#include "base/clock.h"
#include "journal-fixture.h"

#define MANY (4 * JOURNAL_QUEUE_MAX)
/* A caller that waited for the journal once would need a tenth of a second for it, and MANY of them minutes. */
#define MANY_TIME_MAX (5 * MICROSECONDS_PER_SECOND)

static unsigned count_lines(const char *entry)
{
    unsigned count = 0;

    for (; *entry; entry++)
        count += *entry == '\n';
    return count;
}

/* ---- Entries ---- */

START_TEST(test_line)
{
    _cleanup_close_ int fd = journal_socket();
    char entry[JOURNAL_ENTRY_SIZE];

    journal_log(LOG_WARNING, "%d bottles\nof \"beer\"", 99);
    journal_take(fd, entry);
    ck_assert_str_eq(journal_value(entry, "MESSAGE"), "99 bottles?of \"beer\"");
    ck_assert_str_eq(journal_value(entry, "PRIORITY"), "4");
    ck_assert_str_eq(journal_value(entry, "SYSLOG_IDENTIFIER"), "test-journal");
    ck_assert_uint_eq(count_lines(entry), 3);
}
END_TEST

START_TEST(test_event)
{
    const JournalEventRow *row = journal_event_row(EVENT_CLIENT_UNKNOWN);
    _cleanup_close_ int fd = journal_socket();
    char entry[JOURNAL_ENTRY_SIZE];

    journal_set_node("alpha");
    journal_start();
    journal_event(EVENT_CLIENT_UNKNOWN, (JournalFields){[JOURNAL_PIN] = "abc+/=", [JOURNAL_PEER] = "[2001:db8::1]:4711"}, "who is %s?",
                  "it");
    journal_take(fd, entry);
    ck_assert_str_eq(journal_value(entry, "MESSAGE"), "who is it?");
    ck_assert_str_eq(journal_value(entry, "MESSAGE_ID"), row->id);
    ck_assert_int_eq(*journal_value(entry, "PRIORITY") - '0', row->priority);
    ck_assert_str_eq(journal_value(entry, "KEYQUORUM_NODE"), "alpha");
    ck_assert_str_eq(journal_value(entry, "KEYQUORUM_PIN"), "abc+/=");
    ck_assert_str_eq(journal_value(entry, "KEYQUORUM_PEER"), "[2001:db8::1]:4711");
    ck_assert_uint_eq(count_lines(entry), 7);
    journal_stop();
}
END_TEST

/* Nothing in a value makes a line of its own. */
START_TEST(test_escapes)
{
    static const struct {
        const char *value, *expected;
    } cases[] = {
        {"", ""},
        {"zone ksk", "zone ksk"},
        {"a\nMESSAGE_ID=1", "a\\x0aMESSAGE_ID=1"},
        {"\x1b[31m\x7f", "\\x1b[31m\\x7f"},
        {"back\\slash", "back\\x5cslash"},
        {"z\xc3\xbcrich \xe2\x82\xac", "z\xc3\xbcrich \xe2\x82\xac"},
        {"c1 \xc2\x9b", "c1 \\xc2\\x9b"},
        {"cut \xe2\x82", "cut \\xe2\\x82"},
        {"\xff\xfe", "\\xff\\xfe"},
    };
    _cleanup_close_ int fd = journal_socket();
    char entry[JOURNAL_ENTRY_SIZE];

    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        journal_event(EVENT_KEY_LOCKED, (JournalFields){[JOURNAL_LABEL] = cases[i].value}, "locked");
        journal_take(fd, entry);
        ck_assert_str_eq(journal_value(entry, "KEYQUORUM_LABEL"), cases[i].expected);
        ck_assert_uint_eq(count_lines(entry), 5);
    }
}
END_TEST

/* However much there is to say, an entry is bounded and well-formed. */
START_TEST(test_long)
{
    _cleanup_close_ int fd = journal_socket();
    char text[10000], entry[JOURNAL_ENTRY_SIZE];
    const char *values[JOURNAL_FIELD_MAX];

    memset(text, '\x01', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    for (JournalField i = 0; i < JOURNAL_FIELD_MAX; i++)
        values[i] = text;
    journal_event(EVENT_SIGNATURE, values, "%s", text);
    journal_take(fd, entry);
    ck_assert_str_eq(journal_value(entry, "MESSAGE_ID"), journal_event_row(EVENT_SIGNATURE)->id);
    ck_assert_uint_ge(strlen(journal_value(entry, "KEYQUORUM_NODE")), 1000);
    ck_assert_uint_le(strlen(journal_value(entry, "KEYQUORUM_NODE")), 1024);
}
END_TEST

START_TEST(test_level)
{
    _cleanup_close_ int fd = journal_socket();
    char entry[JOURNAL_ENTRY_SIZE];

    ck_assert_int_eq(journal_level(), LOG_INFO);
    journal_log(LOG_DEBUG, "left out");
    journal_level_set(LOG_ERR);
    journal_log(LOG_WARNING, "left out");
    journal_event(EVENT_KEY_DESTROYED, NULL, "an event is not");
    journal_take(fd, entry);
    ck_assert_str_eq(journal_value(entry, "MESSAGE"), "an event is not");
    journal_level_set(LOG_DEBUG);
    journal_log(LOG_DEBUG, "not left out");
    journal_take(fd, entry);
    ck_assert_str_eq(journal_value(entry, "MESSAGE"), "not left out");
}
END_TEST

/* ---- The queue ---- */

START_TEST(test_order)
{
    _cleanup_close_ int fd = journal_socket();
    char entry[JOURNAL_ENTRY_SIZE], expected[32];

    journal_start();
    for (unsigned i = 0; i < 500; i++)
        journal_log(LOG_INFO, "entry %u", i);
    for (unsigned i = 0; i < 500; i++) {
        journal_take(fd, entry);
        (void)snprintf(expected, sizeof(expected), "entry %u", i);
        ck_assert_str_eq(journal_value(entry, "MESSAGE"), expected);
    }
    journal_stop();
    journal_log(LOG_INFO, "after the end");
    journal_take(fd, entry);
    ck_assert_str_eq(journal_value(entry, "MESSAGE"), "after the end");
}
END_TEST

static void log_many(void)
{
    const Microseconds start = clock_now();

    for (unsigned i = 0; i < MANY; i++)
        journal_event(EVENT_SIGNATURE, (JournalFields){[JOURNAL_DIGEST] = "00"}, "entry %u", i);
    ck_assert_uint_lt(clock_now() - start, MANY_TIME_MAX);
}

/* The entries that come and those that EVENT_LOST counts are all there were. */
static unsigned take_all(int fd, unsigned expected, unsigned *ret_lost)
{
    char entry[JOURNAL_ENTRY_SIZE];
    unsigned seen = 0, lost = 0;

    while (seen + lost < expected) {
        journal_take(fd, entry);
        if (strcmp(journal_value(entry, "MESSAGE_ID"), journal_event_row(EVENT_LOST)->id) == 0)
            lost += (unsigned)strtoul(journal_value(entry, "KEYQUORUM_COUNT"), NULL, 10);
        else
            seen++;
    }
    ck_assert_uint_eq(seen + lost, expected);
    *ret_lost = lost;
    return seen;
}

START_TEST(test_never_read)
{
    _cleanup_close_ int fd = journal_socket();
    unsigned lost;

    journal_start();
    log_many();

    unsigned seen = take_all(fd, MANY, &lost);

    ck_assert_uint_ge(seen, JOURNAL_QUEUE_MAX);
    ck_assert_uint_gt(lost, 0);
    journal_stop();
    ck_assert_int_lt(recv(fd, &lost, sizeof(lost), MSG_DONTWAIT), 0); /* and nothing twice */
}
END_TEST

/* Without anybody at the other end it is the same: entries wait for the journal's start. */
START_TEST(test_journal_away)
{
    char entry[JOURNAL_ENTRY_SIZE];
    unsigned lost;

    journal_start();
    log_many();

    _cleanup_close_ int fd = journal_socket();

    ck_assert_uint_ge(take_all(fd, MANY, &lost), JOURNAL_QUEUE_MAX);

    /* It is replaced by another. */
    (void)close(fd);
    (void)unlink(journal_path);
    fd = journal_socket();
    journal_log(LOG_INFO, "still here");
    journal_take(fd, entry);
    ck_assert_str_eq(journal_value(entry, "MESSAGE"), "still here");
    journal_stop();
}
END_TEST

START_TEST(test_stop_is_bounded)
{
    _cleanup_close_ int fd = journal_socket();
    const Microseconds start = clock_now();

    journal_start();
    log_many();
    journal_stop();
    ck_assert_uint_lt(clock_now() - start, MANY_TIME_MAX + 4 * MICROSECONDS_PER_SECOND);
}
END_TEST

START_TEST(test_stop_without_entries)
{
    journal_stop();
    journal_start();
    journal_stop();
    journal_stop();
}
END_TEST

/* What is queued when the end comes is written. */
START_TEST(test_stop_flushes)
{
    _cleanup_close_ int fd = journal_socket();
    char entry[JOURNAL_ENTRY_SIZE];
    int size = 1 << 20;

    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    for (unsigned round = 0; round < 20; round++) {
        journal_start();
        journal_log(LOG_INFO, "round %u", round);
        journal_log(LOG_INFO, "last words");
        journal_stop();
        ck_assert_int_gt(recv(fd, entry, sizeof(entry), MSG_DONTWAIT), 0);
        ck_assert_int_gt(recv(fd, entry, sizeof(entry), MSG_DONTWAIT), 0);
    }
}
END_TEST

/* A child has no thread; it must not wait for one, nor for a lock that another thread held. */
START_TEST(test_fork)
{
    _cleanup_close_ int fd = journal_socket();
    char entry[JOURNAL_ENTRY_SIZE];
    int status;

    journal_start();
    journal_log(LOG_INFO, "parent");
    journal_take(fd, entry);

    pid_t child = fork();

    if (child == 0) {
        journal_log(LOG_INFO, "child");
        journal_stop();
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    journal_take(fd, entry);
    ck_assert_str_eq(journal_value(entry, "MESSAGE"), "child");
    journal_stop();
}
END_TEST

/* ---- Standard error ---- */

static int stderr_to_pipe(void)
{
    int ends[2];

    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    ck_assert_int_ge(dup2(ends[1], STDERR_FILENO), 0);
    (void)close(ends[1]);
    ck_assert_int_eq(setenv("KEYQUORUM_JOURNAL", "", 1), 0);
    return ends[0];
}

START_TEST(test_stderr)
{
    static const char expected[] = "<6>before\n<3>node is well?\n<4>after\n";
    _cleanup_close_ int fd = stderr_to_pipe();
    char text[200] = "";

    journal_log(LOG_INFO, "before");
    journal_start();
    journal_event(EVENT_PIN_LOCKED, (JournalFields){[JOURNAL_CLIENT] = "signer"}, "%s is well\x07", "node");
    journal_stop();
    journal_log(LOG_WARNING, "after");
    ck_assert(!journal_is_native());
    ck_assert_int_eq(read(fd, text, sizeof(text) - 1), (ssize_t)strlen(expected));
    ck_assert_str_eq(text, expected);
}
END_TEST

/* A terminal that is stopped, a pager that is left open. */
START_TEST(test_stderr_never_read)
{
    _cleanup_close_ int fd = stderr_to_pipe();
    const Microseconds start = clock_now();

    journal_start();
    log_many();
    journal_stop();
    ck_assert_uint_lt(clock_now() - start, MANY_TIME_MAX + 4 * MICROSECONDS_PER_SECOND);
}
END_TEST

/* Only where standard error is the journal's is the system's journal used. */
START_TEST(test_stderr_is_not_the_journal)
{
    ck_assert_int_eq(unsetenv("KEYQUORUM_JOURNAL"), 0);
    ck_assert_int_eq(setenv("JOURNAL_STREAM", "1:1", 1), 0);
    ck_assert(!journal_is_native());
}
END_TEST

/* ---- The table ---- */

START_TEST(test_table)
{
    for (JournalEvent i = 0; i < EVENT_MAX; i++) {
        const JournalEventRow *row = journal_event_row(i);

        ck_assert_ptr_nonnull(row->name);
        ck_assert_uint_eq(strlen(row->id), 32);
        ck_assert_uint_eq(strspn(row->id, "0123456789abcdef"), 32);
        ck_assert(row->priority >= LOG_CRIT && row->priority <= LOG_INFO);
        ck_assert_uint_eq(row->fields >> JOURNAL_FIELD_MAX, 0);
        for (JournalEvent other = 0; other < i; other++) {
            ck_assert_str_ne(row->id, journal_event_row(other)->id);
            ck_assert_str_ne(row->name, journal_event_row(other)->name);
        }
    }
    for (JournalField i = 0; i < JOURNAL_FIELD_MAX; i++)
        ck_assert_int_eq(strncmp(journal_field_name(i), "KEYQUORUM_", strlen("KEYQUORUM_")), 0);
}
END_TEST

static void add(TCase *cases)
{
    tcase_add_checked_fixture(cases, journal_set_up, journal_clean_up);
    tcase_add_test(cases, test_line);
    tcase_add_test(cases, test_event);
    tcase_add_test(cases, test_escapes);
    tcase_add_test(cases, test_long);
    tcase_add_test(cases, test_level);
    tcase_add_test(cases, test_order);
    tcase_add_test(cases, test_never_read);
    tcase_add_test(cases, test_journal_away);
    tcase_add_test(cases, test_stop_is_bounded);
    tcase_add_test(cases, test_stop_without_entries);
    tcase_add_test(cases, test_stop_flushes);
    tcase_add_test(cases, test_fork);
    tcase_add_test(cases, test_stderr);
    tcase_add_test(cases, test_stderr_never_read);
    tcase_add_test(cases, test_stderr_is_not_the_journal);
    tcase_add_test(cases, test_table);
}

UNIT_MAIN("journal", add)
