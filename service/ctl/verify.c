#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "ctl/file-subject.h"
#include "ctl/session.h"

static int check(const ThresholdKey *key, const FileSubject *subject, const Bytes *signature)
{
    if (subject->is_message)
        return threshold_key_verify_message(key, subject->message.data, subject->message.size, signature->data, signature->size);
    return threshold_key_verify(key, &subject->digest, signature->data, signature->size);
}

static int verify(const Call *call, const QuorumKey *key, Problem *problem)
{
    _cleanup_bytes_ Bytes signature = {0};
    _cleanup_(file_subject_clear) FileSubject subject = {0};
    const char *path = call->arguments[2];
    int r = file_subject_read(call, call->arguments[1], key, &subject, problem);

    if (r != 0)
        return r;
    r = file_read(AT_FDCWD, path, THRESHOLD_SIGNATURE_SIZE_MAX, &signature);
    if (r < 0 && r != -EFBIG)
        return problem_set(problem, r, "%s cannot be read: %s", path, strerror(-r));
    if (r == 0)
        r = check(quorum_key_threshold(key), &subject, &signature);
    if (r == THRESHOLD_E_INVALID_SIGNATURE || r == -EFBIG)
        return problem_set(problem, -EBADMSG, "%s is not a signature of %s by that key%s", path, call->arguments[1],
                           subject.is_message ? "" : " with that hash");
    return r < 0 ? problem_set(problem, r, "the signature cannot be verified: %s", strerror(-r)) : 0;
}

int verb_verify(const Call *call, Problem *problem)
{
    _cleanup_(quorum_freep) Quorum *quorum = NULL;
    _cleanup_(quorum_key_unrefp) QuorumKey *key = NULL;
    int r = session_open(call, NULL, NULL, &quorum, problem);

    if (r == 0)
        r = session_key(quorum, call->arguments[0], &key, problem);
    if (r == 0)
        r = verify(call, key, problem);
    if (r == 0)
        printf("The signature is good.\n");
    return r;
}
