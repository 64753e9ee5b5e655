/* SELinux labels, with a marker and a program of our own in the place of the kernel's and restorecon. */
#include <errno.h>
#include <limits.h>
#include <sys/stat.h>

#include "base/file.h"
#include "ctl/labels.h"
#include "unit.h"

static char directory[] = "/tmp/keyquorum-labels.XXXXXX";
static char marker[PATH_MAX], program[PATH_MAX], trace[PATH_MAX];

static void write_text(const char *path, const char *text, mode_t mode)
{
    FILE *file = fopen(path, "we");

    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
    ck_assert_int_eq(chmod(path, mode), 0);
}

/* It writes down its arguments, and how many variables it has of the test's environment. */
static void make_program(int status)
{
    char text[3 * PATH_MAX];

    (void)snprintf(text, sizeof(text),
                   "#!/bin/sh\n"
                   "printf '[%%s]' \"$@\" \"$UNTOLD\" >'%s'\n"
                   "echo noise\n"
                   "exit %d\n",
                   trace, status);
    write_text(program, text, 0755);
}

static void set_up(void)
{
    ck_assert_ptr_nonnull(mkdtemp(directory));
    (void)snprintf(marker, sizeof(marker), "%s/enforce", directory);
    (void)snprintf(program, sizeof(program), "%s/restorecon", directory);
    (void)snprintf(trace, sizeof(trace), "%s/trace", directory);
    write_text(marker, "1", 0644);
    make_program(0);
    ck_assert_int_eq(setenv("UNTOLD", "something", 1), 0);
}

static void clean_up(void)
{
    (void)unlink(marker);
    (void)unlink(program);
    (void)unlink(trace);
    (void)rmdir(directory);
    memcpy(directory + strlen(directory) - 6, "XXXXXX", 6);
}

static void expect_trace(const char *expected)
{
    char got[256] = "";
    FILE *file = fopen(trace, "re");

    ck_assert_ptr_nonnull(file);
    ck_assert_uint_gt(fread(got, 1, sizeof(got) - 1, file), 0);
    (void)fclose(file);
    ck_assert_str_eq(got, expected);
}

START_TEST(labels_what_it_is_given)
{
    ck_assert_int_eq(labels_restore_with(marker, program, "/some where/$HOME;x"), 0);
    expect_trace("[-R][--][/some where/$HOME;x][]");
    ck_assert_int_eq(labels_restore_with(marker, program, "-x"), 0);
    expect_trace("[-R][--][-x][]");
}
END_TEST

/* The card that a verb prints is all that is on its standard output. */
START_TEST(keeps_off_the_result)
{
    int pipes[2], before = dup(STDOUT_FILENO);
    char got[64];

    ck_assert_int_eq(pipe(pipes), 0);
    ck_assert_int_ge(dup2(pipes[1], STDOUT_FILENO), 0);
    (void)close(pipes[1]);

    int r = labels_restore_with(marker, program, "/x");

    ck_assert_int_ge(dup2(before, STDOUT_FILENO), 0);
    ck_assert_int_eq(r, 0);
    ck_assert_int_eq(read(pipes[0], got, sizeof(got)), 0);
    (void)close(pipes[0]);
    (void)close(before);
}
END_TEST

START_TEST(nothing_without_selinux)
{
    ck_assert_int_eq(unlink(marker), 0);
    ck_assert_int_eq(labels_restore_with(marker, program, "/x"), 0);
    ck_assert_int_lt(access(trace, F_OK), 0);
}
END_TEST

START_TEST(nothing_without_the_program)
{
    ck_assert_int_eq(unlink(program), 0);
    ck_assert_int_eq(labels_restore_with(marker, program, "/x"), 0);
}
END_TEST

START_TEST(tells_of_failure)
{
    make_program(1);
    ck_assert_int_eq(labels_restore_with(marker, program, "/x"), -EIO);
    write_text(program, "#!/nowhere/to/be/found\n", 0755);
    ck_assert_int_lt(labels_restore_with(marker, program, "/x"), 0);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_checked_fixture(cases, set_up, clean_up);
    tcase_add_test(cases, labels_what_it_is_given);
    tcase_add_test(cases, keeps_off_the_result);
    tcase_add_test(cases, nothing_without_selinux);
    tcase_add_test(cases, nothing_without_the_program);
    tcase_add_test(cases, tells_of_failure);
}

UNIT_MAIN("labels", add_tests)
