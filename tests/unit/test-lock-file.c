/* The lock that only the owner of a directory can take. */
#include <dirent.h>
#include <errno.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "ctl/lock-file.h"
#include "unit.h"

#define STRANGER 65534

static char path[] = "/tmp/keyquorum-lock.XXXXXX";
static int directory = -1;

static void set_up(void)
{
    ck_assert_ptr_nonnull(mkdtemp(path));
    ck_assert_int_eq(chmod(path, 0755), 0);
    directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert_int_ge(directory, 0);
}

static void clean_up(void)
{
    lock_file_remove(directory);
    cleanup_close(&directory);
    ck_assert_int_eq(rmdir(path), 0); /* nothing else is left */
    memcpy(path + strlen(path) - 6, "XXXXXX", 6);
}

START_TEST(one_at_a_time)
{
    Problem problem = PROBLEM_INIT;
    int first = -1, second = -1;

    ck_assert_int_eq(lock_file_take(directory, path, "somebody is here", &first, &problem), 0);
    ck_assert_int_eq(lock_file_take(directory, path, "somebody is here", &second, &problem), -EBUSY);
    ck_assert_int_eq(second, -1);
    ck_assert_ptr_nonnull(strstr(problem.text, "somebody is here"));
    cleanup_close(&first);
    ck_assert_int_eq(lock_file_take(directory, path, "somebody is here", &second, &problem), 0);
    cleanup_close(&second);
}
END_TEST

START_TEST(a_locked_directory_is_no_matter)
{
    int copy = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), lock = -1;

    ck_assert_int_eq(flock(copy, LOCK_EX | LOCK_NB), 0);
    ck_assert_int_eq(lock_file_take(directory, path, "", &lock, NULL), 0);
    cleanup_close(&lock);
    cleanup_close(&copy);
}
END_TEST

static int count_ways_in(void)
{
    struct dirent *entry;
    DIR *stream = opendir(path);
    int ways = 0;

    if (!stream || setuid(STRANGER) < 0)
        return -1;
    while ((entry = readdir(stream))) {
        int fd = entry->d_name[0] == '.' && strspn(entry->d_name, ".") == strlen(entry->d_name)
                     ? -1
                     : openat(directory, entry->d_name, O_RDONLY | O_CLOEXEC);

        ways += fd >= 0;
        cleanup_close(&fd);
    }
    (void)closedir(stream);
    return ways;
}

START_TEST(strangers_cannot_open_it)
{
    int lock = -1, status;

    if (geteuid() != 0)
        skip_test("to be somebody else needs root");
    ck_assert_int_eq(lock_file_take(directory, path, "", &lock, NULL), 0);

    pid_t child = fork();

    if (child == 0)
        _exit(count_ways_in() == 0 ? 0 : 1);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    cleanup_close(&lock);
}
END_TEST

/* Who opened the file before it was removed has not got the lock of those who come later. */
START_TEST(removed_while_it_is_held)
{
    int first = -1, second = -1;

    ck_assert_int_eq(lock_file_take(directory, path, "", &first, NULL), 0);
    lock_file_remove(directory);
    ck_assert_int_eq(lock_file_take(directory, path, "", &second, NULL), 0);
    cleanup_close(&first);
    cleanup_close(&second);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_checked_fixture(cases, set_up, clean_up);
    tcase_add_test(cases, one_at_a_time);
    tcase_add_test(cases, a_locked_directory_is_no_matter);
    tcase_add_test(cases, strangers_cannot_open_it);
    tcase_add_test(cases, removed_while_it_is_held);
}

UNIT_MAIN("lock-file", add_tests)
