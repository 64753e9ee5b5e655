/* The first of a kind is its caller's to log, the others are summed up. Here the minute is over at once: __wrap_clock_now() is a minute
 * late. */
#include "base/clock.h"
#include "journal-fixture.h"
#include "node/repeats.h"

#define ROOM   1024 /* kinds that have a number each */
#define MINUTE (60 * MICROSECONDS_PER_SECOND)

static Microseconds late;

Microseconds __real_clock_now(void);
Microseconds __wrap_clock_now(void);

Microseconds __wrap_clock_now(void)
{
    return __real_clock_now() - late;
}

static sd_event *event;
static Repeats *repeats;
static int journal;

static void begin(void)
{
    journal_set_up();
    journal = journal_socket();
    ck_assert_int_ge(sd_event_new(&event), 0);
    ck_assert_int_eq(repeats_new(event, &repeats), 0);
}

static void end(void)
{
    repeats_freep(&repeats);
    (void)sd_event_unref(event);
    (void)close(journal);
    journal_clean_up();
}

static void expect(const char *client, const char *operation, const char *result, const char *count)
{
    char entry[JOURNAL_ENTRY_SIZE];

    journal_take(journal, entry);
    ck_assert_str_eq(journal_value(entry, "MESSAGE_ID"), journal_event_row(EVENT_REPEATED)->id);
    ck_assert_pstr_eq(journal_value(entry, "KEYQUORUM_CLIENT"), client);
    ck_assert_pstr_eq(journal_value(entry, "KEYQUORUM_OPERATION"), operation);
    ck_assert_pstr_eq(journal_value(entry, "KEYQUORUM_RESULT"), result);
    ck_assert_str_eq(journal_value(entry, "KEYQUORUM_COUNT"), count);
}

static void expect_nothing(void)
{
    char byte;

    ck_assert_int_lt(recv(journal, &byte, 1, MSG_DONTWAIT), 0);
}

START_TEST(each_kind_has_a_first)
{
    static const char *const clients[] = {"ns1", "ns2"}, *const operations[] = {"DestroyKey", "GetKey"},
                             *const results[] = {"PermissionDenied", "UnknownKey"};

    for (unsigned times = 0; times < 3; times++)
        for (unsigned i = 0; i < 8; i++)
            ck_assert_int_eq(repeats_first(repeats, clients[i & 1], operations[i >> 1 & 1], results[i >> 2]), times == 0);
    expect_nothing();
    repeats_tell(repeats);
    for (unsigned i = 0; i < 8; i++)
        expect(clients[i & 1], operations[i >> 1 & 1], results[i >> 2], "2");
    repeats_tell(repeats);
    expect_nothing();
}
END_TEST

START_TEST(once_a_minute)
{
    for (unsigned i = 0; i < 3; i++) {
        late = MINUTE;
        ck_assert(repeats_first(repeats, "", "AnnounceClient", "unknown"));
        ck_assert(!repeats_first(repeats, "", "AnnounceClient", "unknown"));
        ck_assert(repeats_first(repeats, "ns1", "GetKey", "PermissionDenied")); /* once only: that has been logged */
        late = 0;
        expect_nothing();
        ck_assert_int_gt(sd_event_run(event, 10 * MICROSECONDS_PER_SECOND), 0);
        expect(NULL, "AnnounceClient", "unknown", "1");
        expect_nothing();
        ck_assert_int_eq(sd_event_run(event, 0), 0); /* nothing wakes up for nothing */
    }
}
END_TEST

START_TEST(there_may_be_too_many_kinds)
{
    char client[16];
    unsigned n_first = 0;

    for (unsigned i = 0; i < 3 * ROOM; i++) {
        (void)snprintf(client, sizeof(client), "ns%u", i);
        n_first += repeats_first(repeats, client, "GetKey", "PermissionDenied");
    }
    ck_assert_uint_eq(n_first, ROOM);
    repeats_tell(repeats);
    expect(NULL, NULL, NULL, "2048");
    expect_nothing();
}
END_TEST

static void add(TCase *cases)
{
    tcase_add_checked_fixture(cases, begin, end);
    tcase_add_test(cases, each_kind_has_a_first);
    tcase_add_test(cases, once_a_minute);
    tcase_add_test(cases, there_may_be_too_many_kinds);
}

UNIT_MAIN("repeats", add)
