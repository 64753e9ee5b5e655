#include "keyring/errors.h"

#include <errno.h>
#include <string.h>

static int explain_quota(const char *call, Problem *problem)
{
    bool root = geteuid() == 0;
    KeyringQuota quota;

    if (keyring_quota(&quota) < 0)
        return problem_set(problem, KEYRING_E_QUOTA,
                           "%s: the key quota of this user (or of the ring's owner) is used up: raise the sysctl kernel.keys.%smaxkeys or "
                           "kernel.keys.%smaxbytes",
                           call, root ? "root_" : "", root ? "root_" : "");
    return problem_set(
        problem, KEYRING_E_QUOTA,
        "%s: the key quota of this user (or of the ring's owner) is used up; this user has %u of %u keys and %u of %u bytes: "
        "raise the sysctl kernel.keys.%smaxkeys or kernel.keys.%smaxbytes",
        call, quota.keys, quota.keys_max, quota.bytes, quota.bytes_max, root ? "root_" : "", root ? "root_" : "");
}

static int explain_refused(const char *call, Problem *problem)
{
    return problem_set(problem, KEYRING_E_FORBIDDEN,
                       "%s is refused by a system call filter or missing in this kernel: allow add_key and keyctl (a container's seccomp "
                       "profile forbids them by default)",
                       call);
}

static int explain_permissions(const char *call, Problem *problem)
{
    return problem_set(
        problem, KEYRING_E_FORBIDDEN,
        "%s: the permissions of the key or the ring do not allow it: is Separation= as it should be, and is the loader in the "
        "node's group?",
        call);
}

static int explain_gone(const char *call, Problem *problem)
{
    return problem_set(problem, KEYRING_E_GONE, "%s: the key or the ring is not there (any more)", call);
}

static const struct {
    int error;
    int (*explain)(const char *call, Problem *problem);
} explanations[] = {
    {EDQUOT, explain_quota}, {EPERM, explain_refused},    {ENOSYS, explain_refused},   {EACCES, explain_permissions},
    {ENOKEY, explain_gone},  {EKEYREVOKED, explain_gone}, {EKEYEXPIRED, explain_gone},
};

int errors_explain(int error, const char *call, Problem *problem)
{
    for (size_t i = 0; i < ELEMENTS(explanations); i++)
        if (explanations[i].error == error)
            return explanations[i].explain(call, problem);
    return problem_set(problem, -error, "%s failed: %s", call, strerror(error));
}

int errors_explain_use(int error, const char *call, Problem *problem)
{
    return errors_explain(error == EACCES ? ENOKEY : error, call, problem);
}
