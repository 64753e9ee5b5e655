#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/crypto.h"
#include "ctl/ctl.h"

/* What the reader can do about an error, and words for it where the function that failed left none. */
typedef struct Advice {
    int error;
    const char *words;
    const char *advice; /* NULL: none */
} Advice;

static const Advice advices[] = {
    {QUORUM_E_TOO_FEW_NODES, "too few nodes answer", "'kqctl status' says what is wrong with each node"},
    {QUORUM_E_PIN_INCORRECT, "the PIN is not right", NULL},
    {QUORUM_E_PIN_LOCKED, "the PIN is locked: 'kqctl node reset-pin' on each node's host", NULL},
    {QUORUM_E_PIN_NOT_INITIALIZED, "the nodes belong to no token yet: 'kqctl token init'", NULL},
    {QUORUM_E_LOGIN_REQUIRED, "the PIN is needed", NULL},
    {QUORUM_E_UNKNOWN_KEY, "there is no such key", "'kqctl key list' lists the keys"},
    {QUORUM_E_SIGNATURE, "the partial signatures do not make a valid signature", "'kqctl status' and the nodes' logs say more"},
    {QUORUM_E_REFUSED, "the token does not do that", NULL},
    {QUORUM_E_CONFLICT, "another client changed the same thing at the same time", "look at the result, then try again"},
    {QUORUM_E_CANCELLED, "stopped", NULL},
    {CTL_E_USAGE, "wrong usage", NULL},
    {-ENOMEM, "out of memory", NULL},
    {-EPERM, "not permitted", "memory for secrets cannot be locked: raise RLIMIT_MEMLOCK ('ulimit -l')"},
};

static const Advice *advice_for(int error)
{
    for (size_t i = 0; i < ELEMENTS(advices); i++)
        if (advices[i].error == error)
            return &advices[i];
    return NULL;
}

/* -EPERM is said of files as well: whether memory was the matter, a look at memory tells. */
static bool memory_can_be_locked(void)
{
    _cleanup_secret_ Secret *probe = NULL;

    return crypto_secure_heap() == 0 && secret_new(1, &probe) == 0;
}

static bool has_advice(const Advice *advice)
{
    return advice && advice->advice && (advice->error != -EPERM || !memory_can_be_locked());
}

static void complain(const Call *call, int error, const Problem *problem)
{
    const Advice *advice = advice_for(error);
    const char *words = *problem->text ? problem->text : advice ? advice->words : strerror(error < 0 ? -error : EIO);

    fprintf(stderr, "kqctl: %s\n", words);
    if (has_advice(advice))
        fprintf(stderr, "kqctl: %s\n", advice->advice);
    if (error == CTL_E_USAGE)
        fprintf(stderr, "kqctl: 'kqctl%s%s --help' says how it is used\n", call->verb ? " " : "", call->verb ? call->verb->name : "");
}

static int run(const Call *call, Problem *problem)
{
    if (call->options[OPTION_HELP])
        help_print(call);
    else if (call->options[OPTION_VERSION])
        printf("kqctl %s\n", KEYQUORUM_VERSION);
    else if (call->options[OPTION_COMPLETE])
        help_print_table();
    else
        return crypto_check(problem) < 0 ? -EIO : call->verb->run(call, problem);
    return 0;
}

/* The output is the result: one that did not arrive is a failure. */
static int flush_output(int result, Problem *problem)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return result;
    return result != 0 && result != CTL_E_ATTENTION ? result : problem_set(problem, -EIO, "standard output cannot be written");
}

static ExitCode exit_code(int result)
{
    return result == 0                 ? EXIT_CODE_DONE
           : result == CTL_E_USAGE     ? EXIT_CODE_USAGE
           : result == CTL_E_ATTENTION ? EXIT_CODE_ATTENTION
                                       : EXIT_CODE_FAILED;
}

int main(int argc, char **argv)
{
    Problem problem = PROBLEM_INIT;
    Call call;
    int r = call_parse(argv, &call, &problem);

    (void)umask(022); /* every mode is given where a file is made: other users, the node's among them, have to read some */
    if (r == 0)
        r = flush_output(run(&call, &problem), &problem);
    if (r != 0 && r != CTL_E_ATTENTION)
        complain(&call, r, &problem);
    return (int)exit_code(r);
}
