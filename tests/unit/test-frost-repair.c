#include <errno.h>
#include <sodium.h>

#include "frost-fixture.h"
#include "stack-search.h"
#include "threshold/frost-repair.h"

int __real_secret_new(size_t size, Secret **ret_secret);
int __wrap_secret_new(size_t size, Secret **ret_secret);

static bool memory_is_short;

int __wrap_secret_new(size_t size, Secret **ret_secret)
{
    return memory_is_short ? -EPERM : __real_secret_new(size, ret_secret);
}

/* ---- A repair by all its helpers ---- */

typedef struct Helpers {
    FrostRepair repair;
    unsigned indices[THRESHOLD_NODES_MAX];
    FrostRepairParts given[THRESHOLD_NODES_MAX];
    Bytes vectors[THRESHOLD_NODES_MAX]; /* of given[] */
    Secret *sums[THRESHOLD_NODES_MAX];
} Helpers;

static void helpers_clear(Helpers *helpers)
{
    for (unsigned i = 0; i < THRESHOLD_NODES_MAX; i++) {
        frost_repair_parts_clear(&helpers->given[i]);
        secret_free(helpers->sums[i]);
    }
}

#define _cleanup_helpers_ _cleanup_(helpers_clear)

static void helpers_begin(Helpers *helpers, const Quorum *quorum, unsigned lost, uint32_t nodes)
{
    unsigned at = 0;

    *helpers = (Helpers){.repair = {quorum->key, lost, helpers->indices}};
    for (unsigned i = 0; i < quorum->n; i++)
        if (nodes & 1U << i)
            helpers->indices[at++] = i + 1;
    for (unsigned i = 0; i < quorum->k; i++) {
        unsigned index = helpers->indices[i];

        ck_assert_int_eq(frost_repair_split(&helpers->repair, index, quorum->shares[index - 1], &helpers->given[i]), 0);
        helpers->vectors[i] = helpers->given[i].vector;
    }
}

/* What helper `at` does with what it got. */
static void helper_sum(Helpers *helpers, unsigned k, unsigned at)
{
    const Secret *got[THRESHOLD_NODES_MAX];

    for (unsigned i = 0; i < k; i++) {
        got[i] = helpers->given[i].parts[at];
        ck_assert_int_eq(frost_repair_check_vector(&helpers->repair, helpers->indices[i], &helpers->vectors[i]), 0);
        ck_assert_int_eq(frost_repair_check_part(&helpers->repair, helpers->indices[at], &helpers->vectors[i], got[i]), 0);
    }
    ck_assert_int_eq(frost_repair_sum(&helpers->repair, got, &helpers->sums[at]), 0);
    ck_assert_int_eq(frost_repair_check_sum(&helpers->repair, helpers->indices[at], helpers->vectors, helpers->sums[at]), 0);
}

static int helpers_finish(const Helpers *helpers, Secret **ret_share)
{
    return frost_repair_finish(&helpers->repair, (const Secret *const *)helpers->sums, ret_share);
}

static void check_repair(const Quorum *quorum, unsigned lost, uint32_t nodes)
{
    _cleanup_helpers_ Helpers helpers;
    _cleanup_secret_ Secret *share = NULL;

    helpers_begin(&helpers, quorum, lost, nodes);
    for (unsigned at = 0; at < quorum->k; at++)
        helper_sum(&helpers, quorum->k, at);
    ck_assert_int_eq(helpers_finish(&helpers, &share), 0);
    ck_assert(secret_equal(share, quorum->shares[lost - 1]));
}

static const struct {
    unsigned n, k;
} sizes[] = {{3, 2}, {5, 3}, {6, 5}};

START_TEST(every_set_of_helpers_repairs_every_share)
{
    _cleanup_quorum_ Quorum quorum = quorum_new(sizes[_i].n, sizes[_i].k);

    for (unsigned lost = 1; lost <= quorum.n; lost++)
        for (uint32_t nodes = next_nodes(0, quorum.k); nodes < 1U << quorum.n; nodes = next_nodes(nodes, quorum.k))
            if (!(nodes & 1U << (lost - 1)))
                check_repair(&quorum, lost, nodes);
}
END_TEST

START_TEST(fifteen_helpers)
{
    _cleanup_quorum_ Quorum quorum = quorum_new(16, 15);

    check_repair(&quorum, 7, 0xffff & ~(1U << 6));
}
END_TEST

/* What a helper gives is random: two splits of one share have nothing in common. */
START_TEST(parts_are_random)
{
    _cleanup_quorum_ Quorum quorum = quorum_new(5, 3);
    _cleanup_helpers_ Helpers once, again;

    helpers_begin(&once, &quorum, 4, 0x07);
    helpers_begin(&again, &quorum, 4, 0x07);
    for (unsigned from = 0; from < 3; from++)
        for (unsigned to = 0; to < 3; to++) {
            ck_assert(!secret_equal(once.given[from].parts[to], again.given[from].parts[to]));
            ck_assert(!secret_equal(once.given[from].parts[to], quorum.shares[from]));
        }
}
END_TEST

START_TEST(another_librarys_sums)
{
    unsigned k = 3 + (unsigned)_i;
    _cleanup_quorum_ Quorum quorum = quorum_new(5, k);
    unsigned helpers[] = {1, 2, 3, 4};
    FrostRepair repair = {quorum.key, 5, helpers};
    Secret *terms[4] = {NULL};
    _cleanup_secret_ Secret *sum = NULL;
    Ed25519Scalar expected = scalar_of_hex(zf_repair[_i].sum);

    for (unsigned i = 0; i < k; i++)
        terms[i] = secret_of_scalar(scalar_of_hex(zf_repair[_i].terms[i]));
    ck_assert_int_eq(frost_repair_sum(&repair, (const Secret *const *)terms, &sum), 0);
    ck_assert_mem_eq(secret_bytes(sum), expected.bytes, sizeof(expected));
    for (unsigned i = 0; i < k; i++)
        secret_free(terms[i]);
}
END_TEST

/* ---- Cheating ---- */

typedef struct Cheat {
    Quorum quorum;
    Helpers helpers;
} Cheat;

static void cheat_begin(Cheat *cheat)
{
    cheat->quorum = quorum_new(5, 3);
    helpers_begin(&cheat->helpers, &cheat->quorum, 4, 0x13); /* helpers 1, 2, 5 */
}

static void cheat_clear(Cheat *cheat)
{
    helpers_clear(&cheat->helpers);
    quorum_clear(&cheat->quorum);
}

#define _cleanup_cheat_ _cleanup_(cheat_clear)

START_TEST(vectors_of_the_wrong_size_are_found)
{
    _cleanup_cheat_ Cheat cheat;
    Bytes vector;

    cheat_begin(&cheat);
    vector = cheat.helpers.vectors[1];
    ck_assert_int_eq(frost_repair_check_vector(&cheat.helpers.repair, 2, &vector), 0);
    for (size_t size = 0; size < 96; size += 32) {
        vector.size = size;
        ck_assert_int_eq(frost_repair_check_vector(&cheat.helpers.repair, 2, &vector), FROST_REPAIR_E_INVALID_VECTOR);
    }
    vector.size = 95;
    ck_assert_int_eq(frost_repair_check_vector(&cheat.helpers.repair, 2, &vector), FROST_REPAIR_E_INVALID_VECTOR);
    ck_assert_int_eq(frost_repair_check_part(&cheat.helpers.repair, 2, &vector, cheat.helpers.given[1].parts[1]), -EINVAL);
}
END_TEST

START_TEST(vectors_with_bad_points_are_found)
{
    _cleanup_cheat_ Cheat cheat;
    Ed25519Point bad = point_of_hex(bad_points[_i].point);

    cheat_begin(&cheat);
    memcpy(cheat.helpers.vectors[1].data + 64, bad.bytes, sizeof(bad));
    ck_assert_int_eq(frost_repair_check_vector(&cheat.helpers.repair, 2, &cheat.helpers.vectors[1]), FROST_REPAIR_E_INVALID_VECTOR);
}
END_TEST

/* A point of small order taken from one commitment and put onto another: the sum is right. */
START_TEST(vectors_that_only_add_up_are_found)
{
    _cleanup_cheat_ Cheat cheat;
    Ed25519Point order_two = point_of_hex(bad_points[1].point), *points;

    cheat_begin(&cheat);
    points = (Ed25519Point *)cheat.helpers.vectors[1].data;
    ck_assert_int_eq(ed25519_add(&points[0], &order_two, &points[0]), 0);
    ck_assert_int_eq(ed25519_add(&points[1], &order_two, &points[1]), 0);
    ck_assert_int_eq(frost_repair_check_vector(&cheat.helpers.repair, 2, &cheat.helpers.vectors[1]), FROST_REPAIR_E_INVALID_VECTOR);
}
END_TEST

/* What another helper has to give, or something else altogether, in the right form. */
START_TEST(vectors_of_something_else_are_found)
{
    _cleanup_cheat_ Cheat cheat;
    _cleanup_helpers_ Helpers others;

    cheat_begin(&cheat);
    ck_assert_int_eq(frost_repair_check_vector(&cheat.helpers.repair, 1, &cheat.helpers.vectors[1]), FROST_REPAIR_E_INVALID_VECTOR);
    helpers_begin(&others, &cheat.quorum, 3, 0x13);
    ck_assert_int_eq(frost_repair_check_vector(&cheat.helpers.repair, 2, &others.vectors[1]), FROST_REPAIR_E_INVALID_VECTOR);
}
END_TEST

static Secret *plus_one(const Secret *honest)
{
    Ed25519Scalar number = *ed25519_scalars_of(honest), one = {{1}};

    ed25519_scalar_add(&number, &one, &number);
    return secret_of_scalar(number);
}

static Secret *plus_order(const Secret *honest)
{
    Ed25519Scalar number = *ed25519_scalars_of(honest), order = scalar_of_hex(L_ITSELF);

    sodium_add(number.bytes, order.bytes, sizeof(order.bytes));
    return secret_of_scalar(number);
}

static Secret *cut_short(const Secret *honest)
{
    Secret *secret;

    ck_assert_int_eq(secret_new_copy(secret_bytes(honest), 31, &secret), 0);
    return secret;
}

static Secret *(*const wrong_numbers[])(const Secret *honest) = {plus_one, plus_order, cut_short};

START_TEST(wrong_parts_are_found)
{
    _cleanup_cheat_ Cheat cheat;
    _cleanup_secret_ Secret *wrong = NULL;

    cheat_begin(&cheat);
    wrong = wrong_numbers[_i](cheat.helpers.given[1].parts[2]);
    ck_assert_int_eq(frost_repair_check_part(&cheat.helpers.repair, 5, &cheat.helpers.vectors[1], wrong), FROST_REPAIR_E_INVALID_PART);
    ck_assert_int_eq(frost_repair_check_part(&cheat.helpers.repair, 5, &cheat.helpers.vectors[1], cheat.helpers.given[1].parts[0]),
                     FROST_REPAIR_E_INVALID_PART);
    ck_assert_int_eq(frost_repair_check_part(&cheat.helpers.repair, 5, &cheat.helpers.vectors[1], cheat.helpers.given[1].parts[2]), 0);
}
END_TEST

START_TEST(wrong_sums_are_found)
{
    _cleanup_cheat_ Cheat cheat;
    _cleanup_secret_ Secret *wrong = NULL, *share = NULL;

    cheat_begin(&cheat);
    for (unsigned at = 0; at < 3; at++)
        helper_sum(&cheat.helpers, 3, at);
    wrong = wrong_numbers[_i](cheat.helpers.sums[1]);
    ck_assert_int_eq(frost_repair_check_sum(&cheat.helpers.repair, 2, cheat.helpers.vectors, wrong), FROST_REPAIR_E_INVALID_SUM);
    ck_assert_int_eq(frost_repair_check_sum(&cheat.helpers.repair, 1, cheat.helpers.vectors, cheat.helpers.sums[1]),
                     FROST_REPAIR_E_INVALID_SUM);

    const Secret *sums[] = {cheat.helpers.sums[0], wrong, cheat.helpers.sums[2]};

    ck_assert_int_eq(frost_repair_finish(&cheat.helpers.repair, sums, &share),
                     wrong_numbers[_i] == plus_one ? FROST_REPAIR_E_INVALID_SHARE : -EINVAL);
    ck_assert_ptr_null(share);
}
END_TEST

/* ---- Arguments ---- */

static const struct {
    unsigned lost, helpers[3];
} wrong_indices[] = {
    {0, {1, 2, 5}}, {6, {1, 2, 5}}, {4, {1, 2, 6}}, {4, {0, 1, 2}}, {4, {1, 2, 2}}, {4, {2, 1, 5}}, {2, {1, 2, 5}}, {UINT32_MAX, {1, 2, 5}},
};

START_TEST(indices_are_checked)
{
    _cleanup_cheat_ Cheat cheat;
    _cleanup_secret_ Secret *made = NULL;
    FrostRepairParts parts = {0};
    FrostRepair repair;
    const Secret *numbers[3];

    cheat_begin(&cheat);
    repair = (FrostRepair){cheat.quorum.key, wrong_indices[_i].lost, wrong_indices[_i].helpers};
    for (unsigned i = 0; i < 3; i++)
        numbers[i] = cheat.helpers.given[i].parts[0];
    ck_assert_int_eq(frost_repair_split(&repair, 1, cheat.quorum.shares[0], &parts), -EINVAL);
    ck_assert_int_eq(frost_repair_check_vector(&repair, 1, &cheat.helpers.vectors[0]), -EINVAL);
    ck_assert_int_eq(frost_repair_check_part(&repair, 1, &cheat.helpers.vectors[0], numbers[0]), -EINVAL);
    ck_assert_int_eq(frost_repair_sum(&repair, numbers, &made), -EINVAL);
    ck_assert_int_eq(frost_repair_check_sum(&repair, 1, cheat.helpers.vectors, numbers[0]), -EINVAL);
    ck_assert_int_eq(frost_repair_finish(&repair, numbers, &made), -EINVAL);
    ck_assert_ptr_null(made);
    ck_assert_ptr_null(parts.vector.data);
}
END_TEST

START_TEST(only_helpers_help)
{
    _cleanup_cheat_ Cheat cheat;
    _cleanup_secret_ Secret *shorter = NULL;
    FrostRepairParts parts = {0};

    cheat_begin(&cheat);
    for (unsigned i = 0; i < 7; i++) {
        if (i == 1 || i == 2 || i == 5)
            continue;
        ck_assert_int_eq(frost_repair_split(&cheat.helpers.repair, i, cheat.quorum.shares[0], &parts), -EINVAL);
        ck_assert_int_eq(frost_repair_check_vector(&cheat.helpers.repair, i, &cheat.helpers.vectors[0]), -EINVAL);
        ck_assert_int_eq(frost_repair_check_part(&cheat.helpers.repair, i, &cheat.helpers.vectors[0], cheat.quorum.shares[0]), -EINVAL);
        ck_assert_int_eq(frost_repair_check_sum(&cheat.helpers.repair, i, cheat.helpers.vectors, cheat.quorum.shares[0]), -EINVAL);
    }
    ck_assert_int_eq(secret_new(31, &shorter), 0);
    ck_assert_int_eq(frost_repair_split(&cheat.helpers.repair, 1, shorter, &parts), -EINVAL);
    random_fails = true;
    ck_assert_int_eq(frost_repair_split(&cheat.helpers.repair, 1, cheat.quorum.shares[0], &parts), -EIO);
    memory_is_short = true;
    ck_assert_int_eq(frost_repair_split(&cheat.helpers.repair, 1, cheat.quorum.shares[0], &parts), -EPERM);
    ck_assert_ptr_null(parts.parts[0]);
}
END_TEST

/* ---- What stays behind ---- */

typedef struct Split {
    const Quorum *quorum;
    FrostRepair repair;
    FrostRepairParts parts;
    int r;
} Split;

static void *split_a_share(void *userdata)
{
    Split *split = userdata;

    split->r = frost_repair_split(&split->repair, 1, split->quorum->shares[0], &split->parts);
    return NULL;
}

START_TEST(no_part_stays_on_the_stack)
{
    uint8_t *stack = new_stack();
    _cleanup_quorum_ Quorum quorum = quorum_new(5, 3);
    const unsigned helpers[] = {1, 2, 4};
    Split split = {&quorum, {quorum.key, 3, helpers}};
    Ed25519Scalar weighted;

    run_on_stack(stack, split_a_share, &split);
    ck_assert_int_eq(split.r, 0);
    ed25519_scalar_lagrange(helpers, 3, 0, 3, &weighted);
    ed25519_scalar_multiply(&weighted, ed25519_scalars_of(quorum.shares[0]), &weighted);
    ck_assert(!stack_has(stack, weighted.bytes, sizeof(weighted)));
    ck_assert(!stack_has(stack, secret_bytes(quorum.shares[0]), FROST_SHARE_SIZE));
    for (unsigned i = 0; i < 3; i++)
        ck_assert(!stack_has(stack, secret_bytes(split.parts.parts[i]), sizeof(Ed25519Scalar)));
    frost_repair_parts_clear(&split.parts);
}
END_TEST

static void add(TCase *cases)
{
    seed_random();
    tcase_add_loop_test(cases, every_set_of_helpers_repairs_every_share, 0, ELEMENTS(sizes));
    tcase_add_test(cases, fifteen_helpers);
    tcase_add_test(cases, parts_are_random);
    tcase_add_loop_test(cases, another_librarys_sums, 0, ELEMENTS(zf_repair));
    tcase_add_test(cases, vectors_of_the_wrong_size_are_found);
    tcase_add_loop_test(cases, vectors_with_bad_points_are_found, 0, ELEMENTS(bad_points));
    tcase_add_test(cases, vectors_that_only_add_up_are_found);
    tcase_add_test(cases, vectors_of_something_else_are_found);
    tcase_add_loop_test(cases, wrong_parts_are_found, 0, ELEMENTS(wrong_numbers));
    tcase_add_loop_test(cases, wrong_sums_are_found, 0, ELEMENTS(wrong_numbers));
    tcase_add_loop_test(cases, indices_are_checked, 0, ELEMENTS(wrong_indices));
    tcase_add_test(cases, only_helpers_help);
    tcase_add_test(cases, no_part_stays_on_the_stack);
}

UNIT_MAIN("frost-repair", add)
