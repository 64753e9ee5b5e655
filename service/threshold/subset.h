/*
 * Which quorums to try after a combination failed (blame step 1): all k-subsets of m partial signatures, those that share the
 * fewest members with the sets that failed before first.
 */
#pragma once

#include <stdint.h>

#include "threshold/threshold.h"

typedef uint32_t Subset; /* bit p set: the partial at position p is in; positions 0..15 */

typedef struct SubsetSearch {
    unsigned k;
    size_t n_failed;
    Subset *failed; /* grows; freed by subset_search_clear() */
} SubsetSearch;

void subset_search_init(SubsetSearch *search, unsigned k);
void subset_search_clear(SubsetSearch *search);
/* A set that did not verify. Errors: -ENOMEM. */
int subset_search_failed(SubsetSearch *search, Subset subset) _must_check_;
/* The next k-subset of positions 0..m-1 that has not failed. Returns 1 and the set, or 0 when none is left. */
int subset_search_next(const SubsetSearch *search, unsigned m, Subset *ret_subset) _must_check_;
