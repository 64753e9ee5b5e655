#include <errno.h>
#include <string.h>

#include "ctl/file-subject.h"
#include "ctl/session.h"

static int write_signature(const char *path, const uint8_t *signature, size_t size, Problem *problem)
{
    FILE *file = path ? fopen(path, "we") : stdout;
    int r = 0;

    if (!file)
        return problem_set(problem, -errno, "%s cannot be written: %s", path, strerror(errno));
    if (fwrite(signature, 1, size, file) != size || fflush(file) != 0)
        r = problem_set(problem, -EIO, "the signature cannot be written to %s", path ? path : "standard output");
    if (path && fclose(file) != 0 && r == 0)
        r = problem_set(problem, -errno, "%s cannot be written: %s", path, strerror(errno));
    return r;
}

static int sign(const Call *call, Quorum *quorum, const QuorumKey *key, uint8_t signature[THRESHOLD_SIGNATURE_SIZE_MAX], Problem *problem)
{
    _cleanup_(file_subject_clear) FileSubject subject = {0};
    int r = session_login(call, quorum, NULL, problem);

    if (r == 0)
        r = file_subject_read(call, call->arguments[1], key, &subject, problem);
    if (r != 0)
        return r;
    if (subject.is_message)
        return quorum_sign_message(quorum, key, subject.message.data, subject.message.size, signature, problem);
    return quorum_sign(quorum, key, &subject.digest, signature, problem);
}

int verb_sign(const Call *call, Problem *problem)
{
    _cleanup_(quorum_freep) Quorum *quorum = NULL;
    _cleanup_(quorum_key_unrefp) QuorumKey *key = NULL;
    const char *output = call->options[OPTION_OUTPUT];
    uint8_t signature[THRESHOLD_SIGNATURE_SIZE_MAX];
    int r;

    if (!output && isatty(STDOUT_FILENO))
        return problem_set(problem, CTL_E_USAGE, "a signature is binary, not for a terminal: give --output FILE");
    r = session_open(call, NULL, NULL, &quorum, problem);
    if (r == 0)
        r = session_key(quorum, call->arguments[0], &key, problem);
    if (r == 0)
        r = sign(call, quorum, key, signature, problem);
    if (r != 0)
        return r;
    return write_signature(output, signature, threshold_key_signature_size(quorum_key_threshold(key)), problem);
}
