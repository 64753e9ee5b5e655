#include "threshold/subset.h"
#include "unit.h"

static unsigned overlap(const SubsetSearch *search, Subset subset)
{
    unsigned sum = 0;

    for (size_t i = 0; i < search->n_failed; i++)
        sum += (unsigned)__builtin_popcount(subset & search->failed[i]);
    return sum;
}

static bool has_failed(const SubsetSearch *search, Subset subset)
{
    for (size_t i = 0; i < search->n_failed; i++)
        if (search->failed[i] == subset)
            return true;
    return false;
}

/* No set that was not tried shares less with the failed ones. */
static void check_least(const SubsetSearch *search, unsigned m, Subset chosen)
{
    ck_assert_uint_eq((unsigned)__builtin_popcount(chosen), search->k);
    ck_assert_uint_lt(chosen, 1U << m);
    ck_assert(!has_failed(search, chosen));
    for (Subset other = 0; other < 1U << m; other++)
        if ((unsigned)__builtin_popcount(other) == search->k && !has_failed(search, other))
            ck_assert_uint_ge(overlap(search, other), overlap(search, chosen));
}

static unsigned binomial(unsigned m, unsigned k)
{
    unsigned result = 1;

    for (unsigned i = 1; i <= k; i++)
        result = result * (m - k + i) / i;
    return result;
}

START_TEST(every_subset_comes_once)
{
    for (unsigned m = 1; m <= 7; m++) {
        for (unsigned k = 1; k <= m; k++) {
            SubsetSearch search;
            Subset next;
            unsigned n = 0;

            subset_search_init(&search, k);
            while (subset_search_next(&search, m, &next) == 1) {
                check_least(&search, m, next);
                ck_assert_int_eq(subset_search_failed(&search, next), 0);
                n++;
            }
            ck_assert_uint_eq(n, binomial(m, k));
            subset_search_clear(&search);
        }
    }
}
END_TEST

START_TEST(largest_search_is_complete)
{
    SubsetSearch search;
    Subset next;
    unsigned n = 0;

    subset_search_init(&search, 14);
    while (subset_search_next(&search, 16, &next) == 1) {
        ck_assert_int_eq(subset_search_failed(&search, next), 0);
        n++;
    }
    ck_assert_uint_eq(n, binomial(16, 14));
    subset_search_clear(&search);
}
END_TEST

START_TEST(disjoint_set_comes_first)
{
    SubsetSearch search;
    Subset next;

    subset_search_init(&search, 3);
    ck_assert_int_eq(subset_search_next(&search, 6, &next), 1);
    ck_assert_uint_eq(next, 0x07);
    ck_assert_int_eq(subset_search_failed(&search, 0x07), 0);
    ck_assert_int_eq(subset_search_next(&search, 6, &next), 1);
    ck_assert_uint_eq(next, 0x38);
    subset_search_clear(&search);
}
END_TEST

/* One liar among five, three sign: found out of the ten sets in three tries at most. */
START_TEST(one_liar_is_left_out_soon)
{
    SubsetSearch search;
    Subset next;
    unsigned tries = 1;

    subset_search_init(&search, 3);
    while (subset_search_next(&search, 5, &next) == 1 && (next >> _i & 1)) {
        ck_assert_int_eq(subset_search_failed(&search, next), 0);
        tries++;
    }
    ck_assert_uint_le(tries, 3);
    ck_assert(!(next >> _i & 1));
    subset_search_clear(&search);
}
END_TEST

START_TEST(too_few_positions)
{
    SubsetSearch search;
    Subset next = 99;

    subset_search_init(&search, 3);
    ck_assert_int_eq(subset_search_next(&search, 0, &next), 0);
    ck_assert_int_eq(subset_search_next(&search, 2, &next), 0);
    ck_assert_uint_eq(next, 99);
    subset_search_clear(&search);
}
END_TEST

/* Answers that come later widen the search; what failed stays failed. */
START_TEST(positions_can_be_added)
{
    SubsetSearch search;
    Subset next;

    subset_search_init(&search, 2);
    ck_assert_int_eq(subset_search_failed(&search, 0x3), 0);
    ck_assert_int_eq(subset_search_next(&search, 2, &next), 0);
    ck_assert_int_eq(subset_search_next(&search, 4, &next), 1);
    ck_assert_uint_eq(next, 0xc);
    subset_search_clear(&search);
}
END_TEST

static void add(TCase *cases)
{
    tcase_add_test(cases, every_subset_comes_once);
    tcase_add_test(cases, largest_search_is_complete);
    tcase_add_test(cases, disjoint_set_comes_first);
    tcase_add_loop_test(cases, one_liar_is_left_out_soon, 0, 5);
    tcase_add_test(cases, too_few_positions);
    tcase_add_test(cases, positions_can_be_added);
}

UNIT_MAIN("subset", add)
