/* How long and how often a locked key is open. */
#include "node/lock.h"
#include "unit.h"

#define SECOND MICROSECONDS_PER_SECOND

START_TEST(nothing_is_open_by_itself)
{
    LockWindow window = {0};

    ck_assert(!lock_window_is_open(&window, 0));
    ck_assert(!lock_window_take(&window, 0));
    ck_assert(!lock_window_take(&window, MICROSECONDS_FOREVER - 1));
}
END_TEST

START_TEST(a_count_is_counted)
{
    LockWindow window = lock_window(0, 3, 1000);

    for (unsigned i = 0; i < 3; i++)
        ck_assert(lock_window_take(&window, 1000 + i * 1000000 * SECOND));
    ck_assert(!lock_window_is_open(&window, 1000));
    ck_assert(!lock_window_take(&window, 1000));
}
END_TEST

START_TEST(a_time_runs_out)
{
    LockWindow window = lock_window(10, 0, 1000);

    for (unsigned i = 0; i < 100000; i++)
        ck_assert(lock_window_take(&window, 1000 + 10 * SECOND - 1));
    ck_assert(!lock_window_take(&window, 1000 + 10 * SECOND));
    ck_assert(!lock_window_take(&window, 1000 + 11 * SECOND));
}
END_TEST

START_TEST(the_first_of_both_ends_it)
{
    LockWindow window = lock_window(10, 2, 0);

    ck_assert(lock_window_take(&window, 0));
    ck_assert(!lock_window_take(&window, 10 * SECOND));
    window = lock_window(10, 2, 0);
    ck_assert(lock_window_take(&window, 9) && lock_window_take(&window, 9));
    ck_assert(!lock_window_take(&window, 9));
}
END_TEST

START_TEST(the_most_that_can_be_asked_for_is_no_overflow)
{
    const Microseconds now = lock_now();
    LockWindow window = lock_window(INT32_MAX, INT64_MAX, now);

    ck_assert(lock_window_take(&window, now));
    ck_assert_uint_eq(window.left, INT64_MAX - 1);
    ck_assert(!lock_window_is_open(&window, now + (Microseconds)INT32_MAX * SECOND));
    ck_assert_uint_ge(lock_now(), now);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_test(cases, nothing_is_open_by_itself);
    tcase_add_test(cases, a_count_is_counted);
    tcase_add_test(cases, a_time_runs_out);
    tcase_add_test(cases, the_first_of_both_ends_it);
    tcase_add_test(cases, the_most_that_can_be_asked_for_is_no_overflow);
}

UNIT_MAIN("lock", add_tests)
