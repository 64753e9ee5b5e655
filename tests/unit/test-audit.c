/* Signatures summed up, and those with a locked key one by one. Here the minute is over at once: __wrap_clock_now() is a minute late. */
#include <systemd/sd-event.h>

#include "base/clock.h"
#include "journal-fixture.h"
#include "node/audit.h"

#define MANY   5000 /* more than twice of … */
#define ROOM   2048 /* … what audit.c sums up at a time */
#define MINUTE (60 * MICROSECONDS_PER_SECOND)

static Microseconds late;

Microseconds __real_clock_now(void);
Microseconds __wrap_clock_now(void);

Microseconds __wrap_clock_now(void)
{
    return __real_clock_now() - late;
}

/* ---- A node's table of keys ---- */

typedef struct Fixture {
    sd_event *event;
    Keys keys;
    Audit *audit;
    int journal;
} Fixture;

static void fixture_clear(Fixture *fixture)
{
    audit_freep(&fixture->audit);
    keys_clear(&fixture->keys);
    (void)sd_event_unref(fixture->event);
    (void)close(fixture->journal);
}

static Fixture fixture_new(void)
{
    Fixture fixture = {.journal = journal_socket()};

    ck_assert_int_ge(sd_event_new(&fixture.event), 0);
    return fixture;
}

#define FIXTURE(name)                                                                                                                      \
    _cleanup_(fixture_clear) Fixture name = fixture_new();                                                                                 \
    ck_assert_int_eq(audit_new(name.event, &name.keys, &name.audit), 0)

static Key *add_key(Fixture *fixture, uint8_t number, const char *label, bool locked)
{
    StoredKey stored = {.has_record = true, .locked = locked};
    char *owned = strdup(label);

    memset(stored.id.bytes, number, sizeof(stored.id.bytes));
    stored.record.private_label = owned;
    ck_assert_int_eq(keys_reserve(&fixture->keys), 0);

    Key *key = key_new(&stored);

    ck_assert_ptr_nonnull(key);
    keys_insert(&fixture->keys, key);
    return key;
}

static void signs(Fixture *fixture, const char *client, const Key *key, NodeError error)
{
    Digest digest;
    uint8_t bytes[32] = {0xab, 0xcd};

    ck_assert_int_eq(digest_set(HASH_SHA256, bytes, sizeof(bytes), &digest), 0);
    audit_signature(fixture->audit, client, key, &digest, &(Outcome){.error = error});
}

static void expect_sum(const Fixture *fixture, const char *client, const char *label, const char *count, const char *failed)
{
    char entry[JOURNAL_ENTRY_SIZE];

    journal_take(fixture->journal, entry);
    ck_assert_str_eq(journal_value(entry, "MESSAGE_ID"), journal_event_row(EVENT_SIGNATURES)->id);
    ck_assert_str_eq(journal_value(entry, "KEYQUORUM_CLIENT"), client);
    ck_assert_str_eq(journal_value(entry, "KEYQUORUM_LABEL"), label);
    ck_assert_str_eq(journal_value(entry, "KEYQUORUM_COUNT"), count);
    ck_assert_str_eq(journal_value(entry, "KEYQUORUM_FAILED"), failed);
}

static void expect_nothing(const Fixture *fixture)
{
    char byte;

    ck_assert_int_lt(recv(fixture->journal, &byte, 1, MSG_DONTWAIT), 0);
}

/* ---- Tests ---- */

START_TEST(test_sums)
{
    FIXTURE(fixture);
    const Key *ksk = add_key(&fixture, 1, "ksk", false), *zsk = add_key(&fixture, 2, "zsk", false);

    for (unsigned i = 0; i < 100; i++) {
        signs(&fixture, "signer", zsk, NODE_ERROR_NONE);
        signs(&fixture, "local", ksk, i < 7 ? NODE_ERROR_KEY_PENDING : NODE_ERROR_NONE);
        if (i < 3)
            signs(&fixture, "local", zsk, NODE_ERROR_NONE);
    }
    expect_nothing(&fixture);
    audit_tell(fixture.audit);
    expect_sum(&fixture, "local", "ksk", "93", "7");
    expect_sum(&fixture, "local", "zsk", "3", "0");
    expect_sum(&fixture, "signer", "zsk", "100", "0");
    expect_nothing(&fixture);
    audit_tell(fixture.audit);
    expect_nothing(&fixture);
}
END_TEST

START_TEST(test_minute)
{
    FIXTURE(fixture);
    const Key *key = add_key(&fixture, 1, "ksk", false);

    signs(&fixture, "local", key, NODE_ERROR_NONE);
    ck_assert_int_eq(sd_event_run(fixture.event, 0), 0);
    expect_nothing(&fixture);
    audit_tell(fixture.audit);
    expect_sum(&fixture, "local", "ksk", "1", "0");
    for (unsigned i = 0; i < 3; i++) {
        late = MINUTE;
        signs(&fixture, "local", key, NODE_ERROR_NONE);
        signs(&fixture, "local", key, NODE_ERROR_NONE);
        late = 0;
        ck_assert_int_gt(sd_event_run(fixture.event, 10 * MICROSECONDS_PER_SECOND), 0);
        expect_sum(&fixture, "local", "ksk", "2", "0");
        ck_assert_int_eq(sd_event_run(fixture.event, 0), 0); /* nothing wakes up for nothing */
    }
}
END_TEST

/* A key that has gone meanwhile has no label any more. */
START_TEST(test_destroyed)
{
    FIXTURE(fixture);
    const Key *key = add_key(&fixture, 1, "ksk", false);
    const KeyId id = key->stored.id;
    char entry[JOURNAL_ENTRY_SIZE];

    signs(&fixture, "local", key, NODE_ERROR_NONE);
    keys_remove(&fixture.keys, &id);
    audit_tell(fixture.audit);
    journal_take(fixture.journal, entry);
    ck_assert_ptr_null(journal_value(entry, "KEYQUORUM_LABEL"));
    ck_assert_str_eq(journal_value(entry, "KEYQUORUM_COUNT"), "1");
}
END_TEST

START_TEST(test_locked)
{
    FIXTURE(fixture);
    const Key *key = add_key(&fixture, 1, "root-ksk", true);
    char entry[JOURNAL_ENTRY_SIZE];

    for (unsigned i = 0; i < 3; i++) {
        signs(&fixture, "signer", key, NODE_ERROR_KEY_LOCKED);
        expect_nothing(&fixture);
        signs(&fixture, "signer", key, NODE_ERROR_NONE);
        journal_take(fixture.journal, entry);
        ck_assert_str_eq(journal_value(entry, "MESSAGE_ID"), journal_event_row(EVENT_SIGNATURE)->id);
        ck_assert_str_eq(journal_value(entry, "KEYQUORUM_LABEL"), "root-ksk");
        ck_assert_str_eq(journal_value(entry, "KEYQUORUM_HASH"), "sha256");
        ck_assert_str_eq(journal_value(entry, "KEYQUORUM_ENCODING"), "emsa-pkcs1-v1_5");
        ck_assert_str_eq(journal_value(entry, "KEYQUORUM_DIGEST"), "abcd000000000000000000000000000000000000000000000000000000000000");
    }
    audit_tell(fixture.audit);
    expect_sum(&fixture, "signer", "root-ksk", "0", "3");
}
END_TEST

/* The counts of so many entries. */
static unsigned take_counts(const Fixture *fixture, unsigned n)
{
    char entry[JOURNAL_ENTRY_SIZE];
    unsigned sum = 0;

    while (n-- > 0) {
        journal_take(fixture->journal, entry);
        ck_assert_str_eq(journal_value(entry, "MESSAGE_ID"), journal_event_row(EVENT_SIGNATURES)->id);
        sum += (unsigned)strtoul(journal_value(entry, "KEYQUORUM_COUNT"), NULL, 10);
    }
    return sum;
}

/* More keys than an interval has room for: it ends early, and nothing is forgotten. */
START_TEST(test_many_keys)
{
    FIXTURE(fixture);
    Key key = {0};

    journal_start();
    for (unsigned i = 0; i < 2 * MANY; i++) {
        memcpy(key.stored.id.bytes, &(uint16_t){(uint16_t)(i / 2 * 7919)}, 2);
        signs(&fixture, "local", &key, NODE_ERROR_NONE);
    }
    ck_assert_uint_eq(take_counts(&fixture, MANY / ROOM * ROOM), 2 * (MANY / ROOM * ROOM));
    audit_tell(fixture.audit);
    ck_assert_uint_eq(take_counts(&fixture, MANY % ROOM), 2 * (MANY % ROOM));
    expect_nothing(&fixture);
    journal_stop();
}
END_TEST

static void add(TCase *cases)
{
    tcase_add_checked_fixture(cases, journal_set_up, journal_clean_up);
    tcase_add_test(cases, test_sums);
    tcase_add_test(cases, test_minute);
    tcase_add_test(cases, test_destroyed);
    tcase_add_test(cases, test_locked);
    tcase_add_test(cases, test_many_keys);
}

UNIT_MAIN("audit", add)
