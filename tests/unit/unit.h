/* The frame of every unit test binary: one suite, TAP on standard output. */
#pragma once

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* End a test that cannot run here, with the reason (a format and its arguments). Not from a process that the test has started. The test's
 * _cleanup_ attributes do not run: skip before there is anything to clean up. */
#define UNIT_SKIP      "SKIP: "
#define skip_test(...) ck_abort_msg(UNIT_SKIP __VA_ARGS__)

/* Check knows no skipped tests: for it they fail, and its line "not ok N - NAME: SKIP: REASON" becomes "ok N - NAME # SKIP REASON". The
 * plan is Check's last line. */
static inline void unit_copy_tap(FILE *from)
{
    char *line = NULL;
    size_t size = 0;

    while (getline(&line, &size, from) > 0) {
        const char *reason = strncmp(line, "not ok ", 7) == 0 ? strstr(line, ": " UNIT_SKIP) : NULL;

        if (reason)
            (void)printf("ok %.*s # SKIP %s", (int)(reason - line - 7), line + 7, reason + strlen(": " UNIT_SKIP));
        else
            (void)fputs(line, stdout);
        (void)fflush(stdout);
        if (strncmp(line, "1..", 3) == 0)
            break;
    }
    free(line);
}

/* A process that translates what Check writes to the file named. */
static inline pid_t unit_start_copier(int *ret_fd, char ret_name[32])
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0)
        abort();
    (void)snprintf(ret_name, 32, "/proc/self/fd/%d", ends[1]);
    (void)fflush(stdout);

    pid_t copier = fork();

    if (copier == 0) {
        FILE *from = fdopen(ends[0], "r");

        (void)close(ends[1]);
        if (from)
            unit_copy_tap(from);
        _exit(0);
    }
    (void)close(ends[0]);
    *ret_fd = ends[1];
    return copier;
}

static inline int unit_count_failed(SRunner *runner)
{
    int failed = srunner_ntests_failed(runner), real = 0;
    TestResult **results = srunner_failures(runner);

    for (int i = 0; i < failed; i++)
        real += strncmp(tr_msg(results[i]), UNIT_SKIP, strlen(UNIT_SKIP)) != 0;
    free(results);
    return real;
}

static inline int unit_run(const char *name, void (*add)(TCase *cases))
{
    Suite *suite = suite_create(name);
    TCase *cases = tcase_create(name);
    SRunner *runner = srunner_create(suite);
    char tap[32];
    int fd;

    tcase_set_timeout(cases, 100);
    suite_add_tcase(suite, cases);
    add(cases);

    pid_t copier = unit_start_copier(&fd, tap);

    srunner_set_tap(runner, tap);
    srunner_run_all(runner, CK_SILENT);
    (void)close(fd);
    (void)waitpid(copier, NULL, 0);

    int failed = unit_count_failed(runner);

    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Define main(): `add` gets the test case to put its tests into. */
#define UNIT_MAIN(name, add)                                                                                                               \
    int main(void)                                                                                                                         \
    {                                                                                                                                      \
        return unit_run(name, add);                                                                                                        \
    }
