#include "node/approvals.h"

#include <errno.h>
#include <string.h>

static void remove_at(Approvals *approvals, unsigned at)
{
    const unsigned behind = approvals->n - at - 1;

    memmove(&approvals->items[at], &approvals->items[at + 1], behind * sizeof(approvals->items[0]));
    memmove(&approvals->until[at], &approvals->until[at + 1], behind * sizeof(approvals->until[0]));
    approvals->n--;
}

unsigned approvals_tidy(Approvals *approvals, Microseconds now)
{
    for (unsigned at = approvals->n; at > 0; at--)
        if (approvals->until[at - 1] <= now)
            remove_at(approvals, at - 1);
    return approvals->n;
}

/* Its position; `n`: it is not there. */
static unsigned find(Approvals *approvals, const Approval *approval, Microseconds now)
{
    const unsigned n = approvals_tidy(approvals, now);
    unsigned at = 0;

    while (at < n && !(approvals->items[at].kind == approval->kind && approvals->items[at].lost == approval->lost &&
                       key_id_equal(&approvals->items[at].key, &approval->key)))
        at++;
    return at;
}

int approvals_add(Approvals *approvals, const Approval *approval, Microseconds now)
{
    const unsigned at = find(approvals, approval, now);

    if (at == NODE_APPROVALS_MAX)
        return -E2BIG;
    if (at == approvals->n)
        approvals->n++;
    approvals->items[at] = *approval;
    approvals->until[at] = now + APPROVAL_SECONDS * MICROSECONDS_PER_SECOND;
    return 0;
}

bool approvals_has(Approvals *approvals, const Approval *approval, Microseconds now)
{
    return find(approvals, approval, now) < approvals->n;
}

bool approvals_take(Approvals *approvals, const Approval *approval, Microseconds now)
{
    const unsigned at = find(approvals, approval, now);

    if (at == approvals->n)
        return false;
    remove_at(approvals, at);
    return true;
}

unsigned approvals_clear(Approvals *approvals, Microseconds now)
{
    const unsigned n = approvals_tidy(approvals, now);

    approvals->n = 0;
    return n;
}
