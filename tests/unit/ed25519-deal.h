/* An Ed25519 key as a dealer would make it, for tests: the nodes of no program of ours are given one like that. */
#pragma once

#include "threshold/ed25519-group.h"
#include "threshold/frost.h"
#include "threshold/threshold.h"
#include "unit.h"

static inline Deal ed25519_deal(unsigned n, unsigned k)
{
    Ed25519Scalar polynomial[THRESHOLD_NODES_MAX];
    Ed25519Point point;
    Problem problem = PROBLEM_INIT;
    Deal deal = {0};

    ck_assert_msg(ed25519_group_init(&problem) == 0, "%s", problem.text);
    for (unsigned i = 0; i < k; i++)
        ck_assert_int_eq(ed25519_scalar_draw(&polynomial[i]), 0);
    ed25519_multiply_base(&polynomial[0], &point);
    ck_assert_int_eq(bytes_copy(point.bytes, sizeof(point.bytes), &deal.public_key), 0);
    ck_assert_int_eq(bytes_new(n * sizeof(point.bytes), &deal.verification), 0);
    for (unsigned i = 0; i < n; i++) {
        ck_assert_int_eq(secret_new(FROST_SHARE_SIZE, &deal.shares[i]), 0);
        ed25519_scalar_evaluate(polynomial, k, i + 1, ed25519_scalars(deal.shares[i]));
        ed25519_multiply_base(ed25519_scalars_of(deal.shares[i]), &point);
        memcpy(deal.verification.data + i * sizeof(point.bytes), point.bytes, sizeof(point.bytes));
    }
    return deal;
}
