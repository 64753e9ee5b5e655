/*
 * The state directory over crashes at every step: a child that does one thing is killed at its first, second, third … system call, and what
 * it leaves behind is opened as the next start would.
 */
#include "store-fixture.h"

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

typedef struct Act {
    Store *store;
    StoredKey *key;
    const Bytes *sealed;
    const StoredToken *token;
} Act;

typedef int (*Doing)(const Act *act);

static int add(const Act *act)
{
    return store_add_key(act->store, act->key, act->sealed, NULL);
}

static int change(const Act *act)
{
    StoredKey changed = *act->key;

    changed.record.version = 2;
    changed.activation = (Bytes){(uint8_t *)"activation", 10};
    return store_write_record(act->store, &changed, NULL);
}

static int discard(const Act *act)
{
    return store_remove_key(act->store, &act->key->id, NULL);
}

static int destroy(const Act *act)
{
    int r = store_write_tombstone(act->store, &act->key->id, "local", NULL);

    return r < 0 ? r : store_remove_destroyed(act->store, &act->key->id, NULL);
}

static int write_token(const Act *act)
{
    StoredToken token = *act->token;

    token.pin_version = 2;
    return store_write_token(act->store, &token, NULL);
}

static Clients two_clients(void)
{
    Clients clients = {.n = 2};

    for (unsigned i = 0; i < 2; i++) {
        (void)snprintf(clients.items[i].name, sizeof(clients.items[i].name), "ns%u", i);
        clients.items[i].n_pins = 1;
        clients.items[i].pins[0][0] = (uint8_t)i;
    }
    return clients;
}

static int write_clients(const Act *act)
{
    Clients clients = two_clients();

    clients.n = 1;
    return store_write_clients(act->store, &clients, NULL);
}

/* Do it in a child that dies when it enters system call `fatal` (from 1). True: it got to its end before. */
static bool crash(Doing doing, const Act *act, unsigned fatal)
{
    pid_t pid = fork();
    int status;

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        (void)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        (void)raise(SIGSTOP);
        _exit(doing(act) == 0 ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFSTOPPED(status));
    for (unsigned stops = 0; stops < 2 * fatal - 1; stops++) { /* entry and return of each */
        ck_assert_int_eq(ptrace(PTRACE_SYSCALL, pid, NULL, NULL), 0);
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        if (WIFEXITED(status)) {
            ck_assert_int_eq(WEXITSTATUS(status), 0);
            return true;
        }
    }
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return false;
}

START_TEST(a_crash_while_adding)
{
    _cleanup_bytes_ Bytes sealed = {0};
    _cleanup_stored_key_ StoredKey key = test_key(&sealed);
    unsigned there = 0, absent = 0;
    bool finished = false;

    for (unsigned fatal = 1; !finished; fatal++) {
        _cleanup_place_ Place place = place_new();
        _cleanup_store_ Store *store = open_store(&place);

        finished = crash(add, &(Act){.store = store, .key = &key, .sealed = &sealed}, fatal);
        store = store_close(store);

        Seen seen = look(&place);

        ck_assert_uint_eq(seen.damaged, 0);
        check_nothing_else(&place, 2 * seen.keys + seen.set_aside);
        seen.keys ? there++ : absent++;
        ck_assert(!finished || seen.keys == 1);
    }
    ck_assert_uint_gt(there, 1); /* killed after it was durable, too */
    ck_assert_uint_gt(absent, 10);
}
END_TEST

/* Crash `doing` to a stored key at every step and let `check` look at each outcome. */
static void crash_with_key(Doing doing, void (*check)(const Place *place, const Seen *seen, bool finished))
{
    _cleanup_bytes_ Bytes sealed = {0};
    _cleanup_stored_key_ StoredKey key = test_key(&sealed);
    bool finished = false;

    for (unsigned fatal = 1; !finished; fatal++) {
        _cleanup_place_ Place place = place_new();
        _cleanup_store_ Store *store = open_store(&place);

        ck_assert_int_eq(store_add_key(store, &key, &sealed, NULL), 0);
        finished = crash(doing, &(Act){.store = store, .key = &key}, fatal);
        store = store_close(store);

        const Seen seen = look(&place);

        ck_assert_uint_eq(seen.damaged, 0);
        check(&place, &seen, finished);
    }
}

static unsigned outcomes[2]; /* how often before, after */

static void check_changed(const Place *place, const Seen *seen, bool finished)
{
    ck_assert_uint_eq(seen->keys, 1);
    ck_assert(seen->version == 1 ? seen->activation_size == 0 : seen->activation_size == 10);
    ck_assert(!finished || seen->version == 2);
    check_nothing_else(place, 2);
    outcomes[seen->version == 2]++;
}

static void check_discarded(const Place *place, const Seen *seen, bool finished)
{
    ck_assert(!finished || seen->keys == 0);
    check_nothing_else(place, 2 * seen->keys + seen->set_aside);
    outcomes[seen->keys == 0]++;
}

static void check_destroyed(const Place *place, const Seen *seen, bool finished)
{
    ck_assert_uint_eq(seen->keys, 1);
    ck_assert(!finished || seen->destroyed);
    check_nothing_else(place, seen->destroyed ? 1 : 2);
    outcomes[seen->destroyed]++;
}

START_TEST(a_crash_while_changing)
{
    crash_with_key(change, check_changed);
    ck_assert(outcomes[0] > 3 && outcomes[1] > 1);
}
END_TEST

START_TEST(a_crash_while_discarding)
{
    crash_with_key(discard, check_discarded);
    ck_assert(outcomes[0] > 0 && outcomes[1] > 1);
}
END_TEST

START_TEST(a_crash_while_destroying)
{
    crash_with_key(destroy, check_destroyed);
    ck_assert(outcomes[0] > 3 && outcomes[1] > 3);
}
END_TEST

START_TEST(a_crash_while_writing_the_token)
{
    _cleanup_place_ Place place = place_new();
    _cleanup_store_ Store *store = open_store(&place);
    const StoredToken token = test_token();
    bool finished = false;

    for (unsigned fatal = 1; !finished; fatal++) {
        _cleanup_stored_token_ StoredToken read = {0};

        ck_assert_int_eq(store_write_token(store, &token, NULL), 0);
        finished = crash(write_token, &(Act){.store = store, .token = &token}, fatal);
        store = store_close(store);
        store = open_store(&place);
        ck_assert_int_eq(store_read_token(store, &read, NULL), 0);
        ck_assert(read.pin_version == 2 || (read.pin_version == 1 && !finished));
        ck_assert_uint_eq(count_files(&place, ""), 4);
        outcomes[read.pin_version == 2]++;
    }
    ck_assert(outcomes[0] > 3 && outcomes[1] > 1);
}
END_TEST

static int make_state(const Act *act)
{
    Store *store = NULL;

    return store_open((const char *)act->sealed->data, false, &store, NULL);
}

START_TEST(a_crash_while_writing_the_clients)
{
    bool finished = false;
    unsigned found[3] = {0};

    for (unsigned fatal = 1; !finished; fatal++) {
        _cleanup_place_ Place place = place_new();
        _cleanup_store_ Store *store = open_store(&place);
        Clients clients = two_clients();
        Problem problem = PROBLEM_INIT;

        ck_assert_int_eq(store_write_clients(store, &clients, NULL), 0);
        finished = crash(write_clients, &(Act){.store = store}, fatal);
        store = store_close(store);
        store = open_store(&place);
        ck_assert_msg(store_read_clients(store, &clients, &problem) == 0, "%s", problem.text);
        found[clients.n]++;
        ck_assert(clients.n > 0 && (!finished || clients.n == 1));
        ck_assert_uint_eq(count_files(&place, ""), 4);
    }
    ck_assert(found[1] > 1 && found[2] > 3);
}
END_TEST

START_TEST(a_crash_while_making_the_directory)
{
    bool finished = false;

    for (unsigned fatal = 1; !finished; fatal++) {
        _cleanup_place_ Place place = place_new();
        const Bytes path = {(uint8_t *)place.path, sizeof(place.path)};

        finished = crash(make_state, &(Act){.sealed = &path}, fatal);
        ck_assert_uint_eq(look(&place).keys, 0);
        check_nothing_else(&place, 0);
    }
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_test(cases, a_crash_while_adding);
    tcase_add_test(cases, a_crash_while_changing);
    tcase_add_test(cases, a_crash_while_discarding);
    tcase_add_test(cases, a_crash_while_destroying);
    tcase_add_test(cases, a_crash_while_writing_the_token);
    tcase_add_test(cases, a_crash_while_writing_the_clients);
    tcase_add_test(cases, a_crash_while_making_the_directory);
}

UNIT_MAIN("node-crash", add_tests)
