/* An Ed25519 key as a dealer would make it, for tests and figures: the nodes of no program of ours are given one like that. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "threshold/ed25519-group.h"
#include "threshold/frost.h"
#include "threshold/threshold.h"

/* Works outside a test runner as well; inside one, abort() fails the test. */
static inline void deal_must(bool good, const char *words)
{
    if (good)
        return;
    (void)fprintf(stderr, "ed25519_deal: %s\n", words);
    abort();
}

static inline Deal ed25519_deal(unsigned n, unsigned k)
{
    Ed25519Scalar polynomial[THRESHOLD_NODES_MAX];
    Ed25519Point point;
    Problem problem = PROBLEM_INIT;
    Deal deal = {0};

    deal_must(ed25519_group_init(&problem) == 0, problem.text);
    for (unsigned i = 0; i < k; i++)
        deal_must(ed25519_scalar_draw(&polynomial[i]) == 0, "no randomness");
    ed25519_multiply_base(&polynomial[0], &point);
    deal_must(bytes_copy(point.bytes, sizeof(point.bytes), &deal.public_key) == 0, "memory");
    deal_must(bytes_new(n * sizeof(point.bytes), &deal.verification) == 0, "memory");
    for (unsigned i = 0; i < n; i++) {
        deal_must(secret_new(FROST_SHARE_SIZE, &deal.shares[i]) == 0, "locked memory");
        ed25519_scalar_evaluate(polynomial, k, i + 1, ed25519_scalars(deal.shares[i]));
        ed25519_multiply_base(ed25519_scalars_of(deal.shares[i]), &point);
        memcpy(deal.verification.data + i * sizeof(point.bytes), point.bytes, sizeof(point.bytes));
    }
    return deal;
}
