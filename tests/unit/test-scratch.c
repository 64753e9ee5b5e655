/* Locked memory that is used again: what was in it is gone. */
#include <string.h>

#include "keyring/scratch.h"
#include "unit.h"

#define SIZE 300
#define MANY 40 /* more than are kept */

static Secret *take(size_t size)
{
    Secret *secret = NULL;

    ck_assert_int_eq(scratch_take(size, &secret), 0);
    ck_assert_uint_eq(secret_size(secret), size);
    for (size_t i = 0; i < size; i++)
        ck_assert_uint_eq(secret_bytes(secret)[i], 0);
    return secret;
}

static void fill(Secret *secret)
{
    memset(secret_data(secret), 0xa5, secret_size(secret));
}

START_TEST(what_comes_back_is_wiped_and_used_again)
{
    Secret *first = take(SIZE);

    fill(first);
    ck_assert_ptr_null(scratch_give_back(first));

    Secret *again = take(SIZE), *other = take(SIZE);

    ck_assert_ptr_eq(again, first);
    ck_assert_ptr_ne(other, first);
    fill(again);
    (void)scratch_give_back(again);
    (void)scratch_give_back(other);
}
END_TEST

START_TEST(each_size_is_given_what_it_asked_for)
{
    Secret *small = take(SIZE), *large;

    fill(small);
    (void)scratch_give_back(small);
    large = take(2 * SIZE);
    ck_assert_ptr_ne(large, small);
    fill(large);
    (void)scratch_give_back(large);
    ck_assert_ptr_eq(take(SIZE), small);
    ck_assert_ptr_eq(take(2 * SIZE), large);
    (void)scratch_give_back(small);
    (void)scratch_give_back(large);
}
END_TEST

START_TEST(more_than_are_kept_are_released)
{
    Secret *secrets[MANY];

    for (unsigned times = 0; times < 2; times++) {
        for (unsigned i = 0; i < MANY; i++) {
            secrets[i] = take(SIZE);
            fill(secrets[i]);
        }
        for (unsigned i = 0; i < MANY; i++)
            (void)scratch_give_back(secrets[i]);
    }
    ck_assert_ptr_null(scratch_give_back(NULL));
}
END_TEST

static void add(TCase *cases)
{
    tcase_add_test(cases, what_comes_back_is_wiped_and_used_again);
    tcase_add_test(cases, each_size_is_given_what_it_asked_for);
    tcase_add_test(cases, more_than_are_kept_are_released);
}

UNIT_MAIN("scratch", add)
