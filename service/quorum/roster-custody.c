/* Which custody a key's label asks for: KernelLabels= and KeyringLabels=. */
#include <errno.h>
#include <string.h>

#include "base/utf8.h"
#include "quorum/roster-check.h"

/* '*' stands for any bytes, also none; everything else for itself. */
static bool matches(const char *pattern, const char *end, const char *label)
{
    const char *star = NULL, *resume = NULL;

    while (*label) {
        if (pattern < end && *pattern == '*') {
            star = ++pattern;
            resume = label;
        } else if (pattern < end && *pattern == *label) {
            pattern++;
            label++;
        } else if (star) { /* the last star stands for one byte more */
            pattern = star;
            label = ++resume;
        } else {
            return false;
        }
    }
    while (pattern < end && *pattern == '*')
        pattern++;
    return pattern == end;
}

static bool any_matches(const char *patterns, const char *label)
{
    while (patterns) {
        const char *end = strchrnul(patterns, ',');

        if (matches(patterns, end, label))
            return true;
        patterns = *end ? end + 1 : NULL;
    }
    return false;
}

CustodyKind roster_custody(const Roster *roster, const char *label)
{
    if (any_matches(roster->kernel_labels, label))
        return CUSTODY_KERNEL;
    return any_matches(roster->keyring_labels, label) ? CUSTODY_KEYRING : CUSTODY_INVALID;
}

int roster_check_labels(const char *patterns, Problem *problem)
{
    size_t size = strlen(patterns);

    if (size > LABELS_SIZE_MAX || !utf8_valid(patterns, size))
        return problem_set(problem, -EINVAL, "'%s' is not a list of labels: at most %d bytes of UTF-8", patterns, LABELS_SIZE_MAX);
    for (const char *at = patterns; *at; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f || *at == ';')
            return problem_set(problem, -EINVAL, "labels here have neither control characters nor semicolons");
    for (const char *at = patterns, *end;; at = end + 1) {
        end = strchrnul(at, ',');
        if (end == at || *at == ' ' || end[-1] == ' ')
            return problem_set(problem, -EINVAL,
                               "'%s' is not a list of labels: there is one on each side of a comma, without spaces around", patterns);
        if (!*end)
            return 0;
    }
}
