/* The frame of every unit test binary: one suite, TAP on standard output. */
#pragma once

#include <check.h>
#include <stdlib.h>

/* Define main(): `add` gets the test case to put its tests into. */
#define UNIT_MAIN(name, add)                              \
    int main(void)                                        \
    {                                                     \
        Suite *suite = suite_create(name);                \
        TCase *cases = tcase_create(name);                \
        SRunner *runner = srunner_create(suite);          \
                                                          \
        tcase_set_timeout(cases, 100);                    \
        suite_add_tcase(suite, cases);                    \
        add(cases);                                       \
        srunner_set_tap(runner, "-");                     \
        srunner_run_all(runner, CK_SILENT);               \
                                                          \
        int failed = srunner_ntests_failed(runner);       \
                                                          \
        srunner_free(runner);                             \
        return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE; \
    }
