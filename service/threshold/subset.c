#include "threshold/subset.h"

#include <errno.h>
#include <stdlib.h>

#include "base/array.h"

#define POSITIONS_MAX THRESHOLD_NODES_MAX
#define SUBSETS_MAX   (1U << POSITIONS_MAX)

void subset_search_init(SubsetSearch *search, unsigned k)
{
    *search = (SubsetSearch){.k = k};
}

void subset_search_clear(SubsetSearch *search)
{
    free(search->failed);
    *search = (SubsetSearch){.k = search->k};
}

int subset_search_failed(SubsetSearch *search, Subset subset)
{
    Subset *failed = array_resize(search->failed, search->n_failed + 1, sizeof(*failed));

    if (!failed)
        return -ENOMEM;
    failed[search->n_failed++] = subset;
    search->failed = failed;
    return 0;
}

/* How often each position was in a failed set: a set's sum of these is what it shares with all the failed ones. */
static void count_failures(const SubsetSearch *search, size_t weights[POSITIONS_MAX], uint8_t tried[SUBSETS_MAX / 8])
{
    for (size_t i = 0; i < search->n_failed; i++) {
        Subset failed = search->failed[i] % SUBSETS_MAX;

        tried[failed / 8] |= (uint8_t)(1U << failed % 8);
        for (unsigned position = 0; position < POSITIONS_MAX; position++)
            weights[position] += failed >> position & 1;
    }
}

static size_t shared_members(Subset subset, const size_t weights[POSITIONS_MAX])
{
    size_t sum = 0;

    for (Subset rest = subset; rest != 0; rest &= rest - 1)
        sum += weights[__builtin_ctz(rest)];
    return sum;
}

int subset_search_next(const SubsetSearch *search, unsigned m, Subset *ret_subset)
{
    size_t weights[POSITIONS_MAX] = {0}, fewest = SIZE_MAX;
    uint8_t tried[SUBSETS_MAX / 8] = {0};

    if (m > POSITIONS_MAX)
        m = POSITIONS_MAX;
    count_failures(search, weights, tried);
    for (Subset subset = 1; subset < 1U << m; subset++) {
        if ((unsigned)__builtin_popcount(subset) != search->k || (tried[subset / 8] >> subset % 8 & 1))
            continue;

        size_t shared = shared_members(subset, weights);

        if (shared < fewest) {
            fewest = shared;
            *ret_subset = subset;
        }
    }
    return fewest == SIZE_MAX ? 0 : 1;
}
