/* Removing trees that another user may have made. */
#include <errno.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "ctl/workshop.h"
#include "unit.h"

static char path[] = "/tmp/keyquorum-workshop.XXXXXX";
static int directory = -1;

static void set_up(void)
{
    ck_assert_ptr_nonnull(mkdtemp(path));
    directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert_int_ge(directory, 0);
}

static void clean_up(void)
{
    cleanup_close(&directory);
    (void)rmdir(path);
    memcpy(path + strlen(path) - 6, "XXXXXX", 6);
}

/* Directories "d" in each other, and a file in the last. */
static void make_nested(unsigned levels)
{
    int at = dup(directory);

    for (unsigned i = 0; i < levels; i++) {
        ck_assert_int_eq(mkdirat(at, "d", 0700), 0);

        int next = openat(at, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        cleanup_close(&at);
        at = next;
    }

    int file = openat(at, "f", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    ck_assert_int_ge(file, 0);
    cleanup_close(&file);
    cleanup_close(&at);
}

/* By moving the inner ones up, one at a time. */
static void remove_nested(void)
{
    for (;;) {
        int outer = openat(directory, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (outer < 0)
            break;
        (void)unlinkat(outer, "f", 0);
        (void)renameat(outer, "d", directory, "e");
        cleanup_close(&outer);
        ck_assert_int_eq(unlinkat(directory, "d", AT_REMOVEDIR), 0);
        (void)renameat(directory, "e", directory, "d");
    }
}

START_TEST(removes_what_is_shallow)
{
    make_nested(16);
    ck_assert_int_eq(symlinkat("/", directory, "d/link"), 0);
    ck_assert_int_eq(workshop_remove_tree(directory, "d"), 0);
    ck_assert_int_lt(faccessat(directory, "d", F_OK, AT_SYMLINK_NOFOLLOW), 0);
    ck_assert_int_eq(workshop_remove_tree(directory, "d"), 0);
}
END_TEST

START_TEST(gives_up_on_what_is_deep)
{
    make_nested(17);
    ck_assert_int_eq(workshop_remove_tree(directory, "d"), -ENOTEMPTY);
    remove_nested();
}
END_TEST

/* Neither the stack nor the descriptors go. */
START_TEST(is_not_worn_out)
{
    const struct rlimit few = {40, 40};

    make_nested(5000);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0); /* this test's own process */
    ck_assert_int_eq(workshop_remove_tree(directory, "d"), -ENOTEMPTY);

    int lowest = dup(directory);

    ck_assert_int_lt(lowest, 20); /* none is left open */
    cleanup_close(&lowest);
    remove_nested();
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_checked_fixture(cases, set_up, clean_up);
    tcase_add_test(cases, removes_what_is_shallow);
    tcase_add_test(cases, gives_up_on_what_is_deep);
    tcase_add_test(cases, is_not_worn_out);
}

UNIT_MAIN("workshop", add_tests)
