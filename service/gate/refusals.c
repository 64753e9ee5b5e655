#include "gate/refusals.h"

void refusals_report(Refusals *refusals)
{
    if (refusals->left_out > 0)
        journal_log(LOG_WARNING, "%u more %s than are logged here", refusals->left_out, refusals->what ?: "connections were refused");
    refusals->left_out = 0;
}

bool refusals_take(Refusals *refusals)
{
    Microseconds now = clock_now();

    if (now >= refusals->window + REFUSALS_WINDOW) {
        refusals_report(refusals);
        refusals->window = now;
        refusals->logged = 0;
    }
    if (refusals->logged < REFUSALS_PER_WINDOW) {
        refusals->logged++;
        return true;
    }
    refusals->left_out++;
    return false;
}
