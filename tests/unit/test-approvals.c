/* What operators have approved, in the node's memory: an hour, one run, and not without end. */
#include "node/approvals.h"

#include "unit.h"

#include <errno.h>

#define HOUR (3600 * MICROSECONDS_PER_SECOND)

static Approval approval(NodeRunKind kind, uint8_t key, unsigned lost)
{
    return (Approval){kind, {{key}}, lost};
}

START_TEST(an_approval_serves_one_run)
{
    Approvals approvals = {0};
    const Approval given = approval(NODE_RUN_REFRESH, 1, 0);

    ck_assert(!approvals_has(&approvals, &given, 0));
    ck_assert_int_eq(approvals_add(&approvals, &given, 0), 0);
    ck_assert(approvals_has(&approvals, &given, 1));
    ck_assert(approvals_has(&approvals, &given, 1));
    ck_assert(approvals_take(&approvals, &given, 1));
    ck_assert(!approvals_has(&approvals, &given, 1));
    ck_assert(!approvals_take(&approvals, &given, 1));
}
END_TEST

START_TEST(an_approval_is_for_nothing_else)
{
    const Approval given = approval(NODE_RUN_REPAIR, 1, 3);
    const Approval others[] = {
        approval(NODE_RUN_REPAIR, 2, 3),
        approval(NODE_RUN_REPAIR, 1, 2),
        approval(NODE_RUN_REFRESH, 1, 3),
        approval(NODE_RUN_GENERATE, 1, 3),
    };
    Approvals approvals = {0};

    ck_assert_int_eq(approvals_add(&approvals, &given, 0), 0);
    for (size_t i = 0; i < ELEMENTS(others); i++) {
        ck_assert(!approvals_has(&approvals, &others[i], 1));
        ck_assert(!approvals_take(&approvals, &others[i], 1));
    }
    ck_assert(approvals_take(&approvals, &given, 1));
}
END_TEST

START_TEST(an_approval_expires)
{
    Approvals approvals = {0};
    const Approval first = approval(NODE_RUN_REFRESH, 1, 0), second = approval(NODE_RUN_REFRESH, 2, 0);

    ck_assert_int_eq(approvals_add(&approvals, &first, 5), 0);
    ck_assert_int_eq(approvals_add(&approvals, &second, 7), 0);
    ck_assert(approvals_has(&approvals, &first, HOUR + 4));
    ck_assert(!approvals_has(&approvals, &first, HOUR + 5));
    ck_assert(!approvals_take(&approvals, &first, HOUR + 5));
    ck_assert_uint_eq(approvals_tidy(&approvals, HOUR + 6), 1);
    ck_assert(approvals_take(&approvals, &second, HOUR + 6));
    /* Given again, it holds for another hour, and is one still. */
    ck_assert_int_eq(approvals_add(&approvals, &first, 0), 0);
    ck_assert_int_eq(approvals_add(&approvals, &first, HOUR - 1), 0);
    ck_assert(approvals_has(&approvals, &first, 2 * HOUR - 2));
    ck_assert(approvals_take(&approvals, &first, 2 * HOUR - 2));
    ck_assert(!approvals_has(&approvals, &first, 2 * HOUR - 2));
}
END_TEST

START_TEST(there_is_an_end_to_them)
{
    Approvals approvals = {0};
    const Approval more = approval(NODE_RUN_REFRESH, 0xff, 0);

    for (unsigned i = 0; i < NODE_APPROVALS_MAX; i++) {
        const Approval given = approval(NODE_RUN_REPAIR, (uint8_t)i, 1);

        ck_assert_int_eq(approvals_add(&approvals, &given, i), 0);
    }
    ck_assert_int_eq(approvals_add(&approvals, &more, 100), -E2BIG);
    ck_assert(!approvals_has(&approvals, &more, 100));
    for (unsigned i = 0; i < NODE_APPROVALS_MAX; i++) /* one that is there may be given again */
        ck_assert_int_eq(approvals_add(&approvals, &approvals.items[i], i), 0);
    ck_assert_int_eq(approvals_add(&approvals, &more, HOUR), 0); /* the first has made room */
    ck_assert_uint_eq(approvals_clear(&approvals, HOUR + 3), NODE_APPROVALS_MAX - 3);
    ck_assert_uint_eq(approvals_tidy(&approvals, 0), 0);
}
END_TEST

static void add(TCase *cases)
{
    tcase_add_test(cases, an_approval_serves_one_run);
    tcase_add_test(cases, an_approval_is_for_nothing_else);
    tcase_add_test(cases, an_approval_expires);
    tcase_add_test(cases, there_is_an_end_to_them);
}

UNIT_MAIN("approvals", add)
