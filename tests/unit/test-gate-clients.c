#include <errno.h>
#include <limits.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "gate/clients.h"
#include "unit.h"

#define KEY_A "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=" /* 32 times 'A' */
#define KEY_B "QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI="

static char directory[] = "/tmp/test-clients-XXXXXX";
static char path[64], beside[64];
static Clients clients;

static void setup(void)
{
    ck_assert_ptr_nonnull(mkdtemp(directory));
    (void)snprintf(path, sizeof(path), "%s/clients", directory);
    (void)snprintf(beside, sizeof(beside), "%s/new", directory);
    clients_init(&clients, path);
}

static void teardown(void)
{
    clients_clear(&clients);
    (void)unlink(path);
    (void)rmdir(directory);
}

/* As the node does it. */
static void publish(const char *text, size_t size)
{
    FILE *file = fopen(beside, "we");

    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(text, 1, size, file), size);
    ck_assert_int_eq(fclose(file), 0);
    ck_assert_int_eq(rename(beside, path), 0);
}

static const char *find(char letter)
{
    uint8_t pin[TLS_PIN_SIZE];

    memset(pin, letter, sizeof(pin));
    return clients_find(&clients, pin);
}

START_TEST(clients_are_found_by_their_pins)
{
    static const char text[] = KEY_B " signer-2\n" KEY_A " signer-1.example_x\n";

    publish(text, strlen(text));
    ck_assert_int_eq(clients_refresh(&clients, NULL), 0);
    ck_assert_str_eq(find('A'), "signer-1.example_x");
    ck_assert_str_eq(find('B'), "signer-2");
    ck_assert_ptr_null(find('C'));
}
END_TEST

START_TEST(what_is_new_is_seen)
{
    static const char first[] = KEY_A " signer-1\n", second[] = KEY_A " signer-2\n";

    ck_assert_int_eq(clients_refresh(&clients, NULL), 0); /* there is none yet */
    ck_assert_ptr_null(find('A'));
    for (unsigned i = 0; i < 100; i++) { /* however quickly they follow each other, and of the same size */
        publish(i % 2 ? first : second, strlen(first));
        ck_assert_int_eq(clients_refresh(&clients, NULL), 0);
        ck_assert_str_eq(find('A'), i % 2 ? "signer-1" : "signer-2");
    }
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(clients_refresh(&clients, NULL), 0);
    ck_assert_ptr_null(find('A'));
    publish("", 0);
    ck_assert_int_eq(clients_refresh(&clients, NULL), 0);
    ck_assert_ptr_null(find('A'));
}
END_TEST

static const struct {
    const char *text, *words;
} wrong[] = {
    {"\n", "line 1 is not 'PIN NAME'"},
    {"nonsense\n", "line 1"},
    {KEY_A " good\nnonsense\n", "line 2"},
    {KEY_A " good", "line 1"}, /* cut off */
    {KEY_A " good\n" KEY_B " cu", "line 2"},
    {KEY_A "\n", "line 1"},
    {KEY_A " \n", "line 1"},
    {KEY_A "  two-blanks\n", "line 1"},
    {KEY_A " a b\n", "line 1"},
    {KEY_A " a\"b\n", "line 1"},
    {KEY_A " a\\b\n", "line 1"},
    {KEY_A " \xc3\xa4\n", "line 1"},
    {KEY_A " a\r\n", "line 1"},
    {KEY_A " abcdefghijklmnopqrstuvwxyz0123456\n", "line 1"}, /* 33 */
    {KEY_A "x name\n", "line 1"},
    {"A" KEY_A " name\n", "line 1"},
    {"*UFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE= name\n", "line 1"},
    {"QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUF= name\n", "line 1"}, /* not canonical */
    {"QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQQ== name\n", "line 1"}, /* 31 bytes */
    {KEY_A " one\n" KEY_A " two\n", "one and two have the same pin"},
};

START_TEST(a_wrong_file_lets_nobody_in)
{
    static const char good[] = KEY_A " signer-1\n";
    Problem problem = PROBLEM_INIT;

    publish(good, strlen(good));
    ck_assert_int_eq(clients_refresh(&clients, NULL), 0);
    ck_assert_ptr_nonnull(find('A'));
    publish(wrong[_i].text, strlen(wrong[_i].text));
    ck_assert_int_eq(clients_refresh(&clients, &problem), -EINVAL);
    ck_assert_msg(strstr(problem.text, wrong[_i].words), "'%s' does not say '%s'", problem.text, wrong[_i].words);
    ck_assert_ptr_null(find('A'));
    ck_assert_int_eq(clients_refresh(&clients, &problem), 0); /* said once */
    ck_assert_ptr_null(find('A'));
    publish(good, strlen(good));
    ck_assert_int_eq(clients_refresh(&clients, NULL), 0);
    ck_assert_ptr_nonnull(find('A'));
}
END_TEST

START_TEST(a_nul_is_no_part_of_a_name)
{
    static const char text[] = KEY_A " a\0b\n";

    publish(text, sizeof(text) - 1);
    ck_assert_int_eq(clients_refresh(&clients, NULL), -EINVAL);
}
END_TEST

START_TEST(other_files_are_refused)
{
    const size_t size = 1024 * 1024 + 1;
    char *large = calloc(1, size);

    publish(large, size);
    ck_assert_int_eq(clients_refresh(&clients, NULL), -EFBIG);
    free(large);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(mkdir(path, 0755), 0);
    ck_assert_int_lt(clients_refresh(&clients, NULL), 0);
    ck_assert_int_eq(rmdir(path), 0);
}
END_TEST

/* What has nothing to do with the file passes. */
START_TEST(a_file_that_could_not_be_read_is_read_again)
{
    static const char text[] = KEY_A " signer-1\n";
    struct rlimit files, none;

    publish(text, strlen(text));
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
    none = (struct rlimit){0, files.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    ck_assert_int_eq(clients_refresh(&clients, NULL), -EMFILE);
    ck_assert_ptr_null(find('A'));
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
    ck_assert_int_eq(clients_refresh(&clients, NULL), 0);
    ck_assert_str_eq(find('A'), "signer-1");
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, clients_are_found_by_their_pins);
    tcase_add_test(cases, what_is_new_is_seen);
    tcase_add_loop_test(cases, a_wrong_file_lets_nobody_in, 0, (int)(sizeof(wrong) / sizeof(wrong[0])));
    tcase_add_test(cases, a_nul_is_no_part_of_a_name);
    tcase_add_test(cases, a_file_that_could_not_be_read_is_read_again);
    tcase_add_test(cases, other_files_are_refused);
}

UNIT_MAIN("gate-clients", add_tests)
