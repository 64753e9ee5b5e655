/* The roster and the client's key change while a program runs: what is taken over, and what is not. */
#include <errno.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/text.h"
#include "quorum/card.h"
#include "quorum/state.h"
#include "unit.h"

#define THREADS 4
#define ROUNDS  200

static char directory[64], roster_file[96], key_file[96];
static Quorum *quorum;
static _Atomic(unsigned) n_lines; /* logged */
static char line[512];            /* the last */

static void on_log(void *userdata, int priority, const char *text)
{
    (void)snprintf(line, sizeof(line), "%s", text);
    n_lines++;
}

static Roster *new_roster(void)
{
    static const char *const names[] = {"alpha", "beta", "gamma"};
    Roster *roster = roster_new();

    ck_assert_ptr_nonnull(roster);
    (void)snprintf(roster->label, sizeof(roster->label), "example");
    roster->token[0] = 1;
    roster->n = 3;
    roster->k = 2;
    for (unsigned i = 0; i < roster->n; i++) {
        NodeCard *card = &roster->nodes[i];

        (void)snprintf(card->name, sizeof(card->name), "%s", names[i]);
        card->address = text_format("tls:192.0.2.%u:7853", i + 1);
        memset(card->tls_pin, (int)(0x10 + i), sizeof(card->tls_pin));
        memset(card->sealing_key, (int)(0x20 + i), sizeof(card->sealing_key));
        memset(card->identity_key, (int)(0x30 + i), sizeof(card->identity_key));
    }
    return roster;
}

static void write_roster(const Roster *roster)
{
    Problem problem = PROBLEM_INIT;

    ck_assert_msg(roster_write(roster_file, roster, &problem) == 0, "%s", problem.text);
}

static void write_key(void)
{
    _cleanup_secret_ Secret *pem = NULL;
    _cleanup_close_ int folder = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    ck_assert_int_eq(tls_key_new(&pem), 0);
    ck_assert_int_eq(file_replace(folder, CLIENT_KEY_DEFAULT, secret_bytes(pem), secret_size(pem), 0640), 0);
}

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");

    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
}

static void setup(void)
{
    static const QuorumHooks hooks = {.log = on_log};
    _cleanup_(roster_freep) Roster *written = new_roster();
    Problem problem = PROBLEM_INIT;
    Roster *roster;

    (void)snprintf(directory, sizeof(directory), "/tmp/keyquorum-follow-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    (void)snprintf(roster_file, sizeof(roster_file), "%s/token.conf", directory);
    (void)snprintf(key_file, sizeof(key_file), "%s/" CLIENT_KEY_DEFAULT, directory);
    write_roster(written);
    write_key();
    ck_assert_msg(roster_read(roster_file, &roster, &problem) == 0, "%s", problem.text);
    n_lines = 0;
    ck_assert_int_eq(quorum_new(roster, &hooks, &quorum), 0);
}

static void teardown(void)
{
    quorum_free(quorum);
    (void)unlink(roster_file);
    (void)unlink(key_file);
    ck_assert_int_eq(rmdir(directory), 0);
}

/* What a connection to node 2 would be made with. */
typedef struct Contact {
    char address[64];
    uint8_t pin[TLS_PIN_SIZE], own[TLS_PIN_SIZE];
} Contact;

static Contact contact(void)
{
    _cleanup_(roster_freep) Roster *roster = NULL;
    _cleanup_tls_identity_ TlsIdentity *identity = NULL;
    Problem problem = PROBLEM_INIT;
    Contact found;

    ck_assert_msg(follow_contact(quorum, 2, &roster, &identity, &problem) == 0, "%s", problem.text);
    (void)snprintf(found.address, sizeof(found.address), "%s", roster->nodes[1].address);
    memcpy(found.pin, roster->nodes[1].tls_pin, TLS_PIN_SIZE);
    memcpy(found.own, tls_identity_pin(identity), TLS_PIN_SIZE);
    return found;
}

static void must_say(const char *words)
{
    ck_assert_msg(strstr(line, words), "'%s' instead of '%s'", line, words);
}

/* ---- What may change ------------------------------------------------------------------------------------------------------------ */

static void other_token(Roster *roster)
{
    roster->token[15] = 9;
}

static void fewer_nodes(Roster *roster)
{
    card_clear(&roster->nodes[--roster->n]);
}

static void other_threshold(Roster *roster)
{
    roster->k = 3;
}

static void other_name(Roster *roster)
{
    (void)snprintf(roster->nodes[2].name, sizeof(roster->nodes[2].name), "delta");
}

static void exchanged(Roster *roster)
{
    NodeCard first = roster->nodes[0];

    roster->nodes[0] = roster->nodes[1];
    roster->nodes[1] = first;
}

static const struct {
    void (*change)(Roster *roster);
    const char *words;
} forbidden[] = {
    {other_token, "Id="},
    {fewer_nodes, "2 nodes instead of 3"},
    {other_threshold, "Threshold= is 3 instead of 2"},
    {other_name, "node 3 is delta instead of gamma"},
    {exchanged, "node 1 is beta instead of alpha"},
};

START_TEST(what_makes_another_token_is_not_taken_over)
{
    _cleanup_(roster_freep) Roster *roster = new_roster();
    Contact before = contact(), after;

    (void)snprintf(roster->nodes[1].address, strlen(roster->nodes[1].address) + 1, "tls:192.0.2.9:7853");
    forbidden[_i].change(roster);
    write_roster(roster);
    for (unsigned i = 0; i < 3; i++)
        after = contact();
    ck_assert_str_eq(after.address, before.address);
    must_say(forbidden[_i].words);
    must_say("started again");
    ck_assert_uint_eq(n_lines, 1);
}
END_TEST

static void move(Roster *roster)
{
    free(roster->nodes[1].address);
    roster->nodes[1].address = text_format("tls:[2001:db8::2]:7853");
}

static void second_pin(Roster *roster)
{
    memset(roster->nodes[1].next_tls_pin, 0x44, TLS_PIN_SIZE);
}

static void new_pin(Roster *roster)
{
    memset(roster->nodes[1].tls_pin, 0x44, TLS_PIN_SIZE);
}

static void new_sealing_key(Roster *roster)
{
    memset(roster->nodes[1].sealing_key, 0x45, sizeof(roster->nodes[1].sealing_key));
}

static void new_identity_key(Roster *roster)
{
    memset(roster->nodes[1].identity_key, 0x46, sizeof(roster->nodes[1].identity_key));
}

static const struct {
    void (*change)(Roster *roster);
    bool keeps; /* connections */
} allowed[] = {{move, false}, {second_pin, true}, {new_pin, false}, {new_sealing_key, true}, {new_identity_key, true}};

START_TEST(new_addresses_and_keys_are_taken_over)
{
    _cleanup_(roster_freep) Roster *roster = new_roster();

    (void)contact();
    allowed[_i].change(roster);
    write_roster(roster);
    (void)contact();

    _cleanup_(roster_freep) Roster *now = quorum_roster_now(quorum);

    ck_assert_str_eq(now->nodes[1].address, roster->nodes[1].address);
    ck_assert_mem_eq(now->nodes[1].tls_pin, roster->nodes[1].tls_pin, TLS_PIN_SIZE);
    ck_assert_mem_eq(now->nodes[1].next_tls_pin, roster->nodes[1].next_tls_pin, TLS_PIN_SIZE);
    ck_assert_mem_eq(now->nodes[1].sealing_key, roster->nodes[1].sealing_key, 32);
    ck_assert_mem_eq(now->nodes[1].identity_key, roster->nodes[1].identity_key, 32);
    ck_assert_int_eq(follow_keeps(quorum->roster, now, 2), allowed[_i].keeps);
    ck_assert(follow_keeps(quorum->roster, now, 1));
    must_say("new addresses and keys of beta are in use");
    ck_assert_uint_eq(n_lines, 1);
}
END_TEST

START_TEST(a_pin_may_go_when_it_is_replaced)
{
    _cleanup_(roster_freep) Roster *before = new_roster(), *after = new_roster();

    second_pin(before);
    ck_assert(!follow_keeps(before, after, 2)); /* nobody knows which of the two it was made with */
    new_pin(after);
    ck_assert(!follow_keeps(before, after, 2));
    memcpy(after->nodes[1].next_tls_pin, before->nodes[1].tls_pin, TLS_PIN_SIZE);
    ck_assert(follow_keeps(before, after, 2)); /* the same two */
}
END_TEST

START_TEST(settings_are_those_of_the_start)
{
    _cleanup_(roster_freep) Roster *roster = new_roster();

    roster->timeout = 3 * MICROSECONDS_PER_SECOND;
    roster->deal = false;
    roster->kernel_labels = text_copy("ksk*");
    move(roster);
    write_roster(roster);
    ck_assert_str_eq(contact().address, roster->nodes[1].address);
    must_say("Timeout=, Deal=, KernelLabels= is for programs that are started from now on");
    ck_assert_uint_eq(n_lines, 2);
    ck_assert(quorum_roster(quorum)->deal);
    second_pin(roster);
    write_roster(roster);
    (void)contact();
    ck_assert_uint_eq(n_lines, 3); /* it is not said again */
}
END_TEST

/* ---- The files ------------------------------------------------------------------------------------------------------------------ */

START_TEST(nothing_new_is_not_read)
{
    _cleanup_(roster_freep) Roster *before = quorum_roster_now(quorum);
    TlsIdentity *identity = quorum->identity;

    for (unsigned i = 0; i < 3; i++)
        (void)contact();
    ck_assert_ptr_eq(quorum->current, before);
    ck_assert_ptr_eq(quorum->identity, identity);
    ck_assert_uint_eq(n_lines, 0);
}
END_TEST

START_TEST(half_a_roster_changes_nothing)
{
    _cleanup_(roster_freep) Roster *roster = new_roster();
    Contact before = contact();

    write_text(roster_file, "[token]\nLabel=example\nThreshold=2\n");
    for (unsigned i = 0; i < 3; i++)
        ck_assert_str_eq(contact().address, before.address);
    must_say("Id= is missing");
    must_say("what was read before stays in use");
    ck_assert_uint_eq(n_lines, 1);
    move(roster);
    write_roster(roster);
    ck_assert_str_eq(contact().address, roster->nodes[1].address);
}
END_TEST

START_TEST(files_out_of_reach_change_nothing)
{
    _cleanup_(roster_freep) Roster *roster = new_roster();
    Contact before = contact();

    ck_assert_int_eq(unlink(roster_file), 0);
    ck_assert_int_eq(unlink(key_file), 0);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_mem_eq(contact().own, before.own, TLS_PIN_SIZE);
    ck_assert_uint_eq(n_lines, 2); /* one for each */
    must_say("client-key.pem cannot be read any more");
    ck_assert_int_eq(mkfifo(roster_file, 0600), 0);
    (void)contact();
    ck_assert_int_eq(unlink(roster_file), 0);
    move(roster);
    write_roster(roster);
    write_key();
    ck_assert_str_eq(contact().address, roster->nodes[1].address);
    ck_assert_mem_ne(contact().own, before.own, TLS_PIN_SIZE);
}
END_TEST

START_TEST(a_new_client_key_is_taken_over)
{
    Contact before = contact();

    write_key();
    ck_assert_mem_ne(contact().own, before.own, TLS_PIN_SIZE);
    must_say("this client has a new TLS key");
    ck_assert_uint_eq(n_lines, 1);
}
END_TEST

START_TEST(a_client_key_that_is_none_changes_nothing)
{
    Contact before = contact();

    write_text(key_file, "-----BEGIN PRIVATE KEY-----\n");
    for (unsigned i = 0; i < 3; i++)
        ck_assert_mem_eq(contact().own, before.own, TLS_PIN_SIZE);
    must_say("what was read before stays in use");
    ck_assert_uint_eq(n_lines, 1);
    ck_assert_int_eq(chmod(key_file, 0644), 0); /* for everybody: refused */
    ck_assert_mem_eq(contact().own, before.own, TLS_PIN_SIZE);
    write_key();
    ck_assert_mem_ne(contact().own, before.own, TLS_PIN_SIZE);
}
END_TEST

START_TEST(a_key_may_be_made_later)
{
    _cleanup_(roster_freep) Roster *roster = NULL;
    _cleanup_tls_identity_ TlsIdentity *identity = NULL;
    Problem problem = PROBLEM_INIT;

    quorum->identity = tls_identity_unref(quorum->identity);
    ck_assert_int_eq(unlink(key_file), 0);
    ck_assert_int_eq(follow_contact(quorum, 2, &roster, &identity, &problem), -ENOENT);
    ck_assert_ptr_nonnull(strstr(problem.text, key_file));
    ck_assert_uint_eq(n_lines, 0);
    write_key();
    (void)contact();
}
END_TEST

/* ---- Threads and processes ------------------------------------------------------------------------------------------------------ */

/* Addresses and pins always go together: "tls:192.0.2.N:7853" and N, N, N … */
static void *look_on(void *userdata)
{
    _Atomic(bool) *over = userdata;
    unsigned wrong = 0;

    while (!*over) {
        _cleanup_(roster_freep) Roster *roster = NULL;
        _cleanup_tls_identity_ TlsIdentity *identity = NULL;
        char expected[64];

        if (follow_contact(quorum, 2, &roster, &identity, NULL) < 0) {
            wrong++;
            continue;
        }
        (void)snprintf(expected, sizeof(expected), "tls:192.0.2.%u:7853", roster->nodes[1].tls_pin[0]);
        wrong += strcmp(roster->nodes[1].address, expected) != 0 || roster->nodes[1].tls_pin[31] != roster->nodes[1].tls_pin[0];
    }
    return (void *)(uintptr_t)wrong;
}

static void renew(unsigned number)
{
    _cleanup_(roster_freep) Roster *roster = new_roster();

    free(roster->nodes[1].address);
    roster->nodes[1].address = text_format("tls:192.0.2.%u:7853", number);
    memset(roster->nodes[1].tls_pin, (int)number, TLS_PIN_SIZE);
    write_roster(roster);
}

START_TEST(threads_see_one_roster_or_the_other)
{
    static _Atomic(bool) over;
    pthread_t threads[THREADS];

    over = false;
    renew(100);
    for (unsigned i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, look_on, &over), 0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        renew(101 + i % 100);
        if (i % 20 == 0)
            write_key();
    }
    over = true;
    for (unsigned i = 0; i < THREADS; i++) {
        void *wrong;

        ck_assert_int_eq(pthread_join(threads[i], &wrong), 0);
        ck_assert_ptr_null(wrong);
    }
    renew(250);
    ck_assert_str_eq(contact().address, "tls:192.0.2.250:7853");
}
END_TEST

/* Another thread of the parent had the locks. */
START_TEST(a_child_goes_on_by_itself)
{
    int status;

    (void)pthread_mutex_lock(&quorum->follow.lock);
    (void)pthread_mutex_lock(&quorum->lock);

    pid_t child = fork();

    if (child == 0) {
        (void)alarm(20);
        quorum_forked(quorum);
        renew(77);
        _exit(strcmp(contact().address, "tls:192.0.2.77:7853") == 0 ? 0 : 1);
    }
    (void)pthread_mutex_unlock(&quorum->lock);
    (void)pthread_mutex_unlock(&quorum->follow.lock);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    ck_assert_str_eq(contact().address, "tls:192.0.2.77:7853");
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_loop_test(cases, what_makes_another_token_is_not_taken_over, 0, (int)ELEMENTS(forbidden));
    tcase_add_loop_test(cases, new_addresses_and_keys_are_taken_over, 0, (int)ELEMENTS(allowed));
    tcase_add_test(cases, a_pin_may_go_when_it_is_replaced);
    tcase_add_test(cases, settings_are_those_of_the_start);
    tcase_add_test(cases, nothing_new_is_not_read);
    tcase_add_test(cases, half_a_roster_changes_nothing);
    tcase_add_test(cases, files_out_of_reach_change_nothing);
    tcase_add_test(cases, a_new_client_key_is_taken_over);
    tcase_add_test(cases, a_client_key_that_is_none_changes_nothing);
    tcase_add_test(cases, a_key_may_be_made_later);
    tcase_add_test(cases, threads_see_one_roster_or_the_other);
    tcase_add_test(cases, a_child_goes_on_by_itself);
}

UNIT_MAIN("follow", add_tests)
