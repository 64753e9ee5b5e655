#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "ctl/file-digest.h"
#include "ctl/session.h"

static int verify(const Call *call, const QuorumKey *key, Problem *problem)
{
    _cleanup_bytes_ Bytes signature = {0};
    const char *path = call->arguments[2];
    Digest digest;
    int r = file_digest(call, call->arguments[1], &digest, problem);

    if (r != 0)
        return r;
    r = file_read(AT_FDCWD, path, THRESHOLD_SIGNATURE_SIZE_MAX, &signature);
    if (r < 0 && r != -EFBIG)
        return problem_set(problem, r, "%s cannot be read: %s", path, strerror(-r));
    if (r == 0)
        r = threshold_key_verify(quorum_key_threshold(key), &digest, signature.data, signature.size);
    if (r == THRESHOLD_E_INVALID_SIGNATURE || r == -EFBIG)
        return problem_set(problem, -EBADMSG, "%s is not a signature of %s by that key with that hash", path, call->arguments[1]);
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
