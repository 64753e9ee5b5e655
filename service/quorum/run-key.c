#include "quorum/run-key.h"

#include "quorum/key.h"
#include "quorum/records.h"
#include "quorum/run.h"
#include "quorum/state.h"

/* What a run came to, as a key on its way. */
static int begin(Quorum *quorum, const NodeBeginRunInput *input, RunEnd *end, Creation *ret_creation, Problem *problem)
{
    int r = creation_begin(quorum, &end->header, &input->record, ret_creation, problem);

    if (r == 0)
        ret_creation->stored = end->stored;
    return r;
}

/* The run failed, but not everywhere. Its own words are those that count. */
static void clean_up(Quorum *quorum, const NodeBeginRunInput *input, RunEnd *end, Problem *problem)
{
    _cleanup_creation_ Creation creation = {0};

    if (end->header.size > 0 && begin(quorum, input, end, &creation, NULL) == 0)
        creation_discard(&creation, problem);
}

int creation_by_run(Quorum *quorum, const NodeBeginRunInput *input, MadeCheck check, const void *userdata, QuorumKey **ret_key,
                    Problem *problem)
{
    _cleanup_creation_ Creation creation = {0};
    _cleanup_run_end_ RunEnd end = {0};
    int r = quorum_run(quorum, node_set_all(quorum_roster(quorum)->n), input, &end, problem);

    if (r != 0) {
        clean_up(quorum, input, &end, problem);
        return r;
    }
    r = begin(quorum, input, &end, &creation, problem);
    if (r != 0)
        return r;
    r = check(&creation, userdata, problem);
    if (r == 0)
        return creation_finish(&creation, ret_key, problem);
    creation_discard(&creation, problem);
    return r;
}

/* ---- Refresh ---------------------------------------------------------------------------------------------------------------------- */

/* The same key in its next generation: all nodes say so; but it is looked at. */
static int check_next(const Creation *creation, const void *userdata, Problem *problem)
{
    _cleanup_header_ Header header = {0};
    const Header *old = userdata;
    int r = header_decode(&creation->common, &header, problem);

    if (r != 0)
        return r;
    if (header_same_key(&header, old) && header.parameters.n == old->parameters.n && header.parameters.k == old->parameters.k &&
        header.generation == old->generation + 1)
        return 0;
    return problem_set(problem, QUORUM_E_REFUSED, "The nodes have not made the next generation of the key, but key %s", creation->id_text);
}

static int check_key(const QuorumKey *key, Problem *problem)
{
    if (!threshold_scheme_has_dealer(threshold_key_scheme(quorum_key_threshold(key))))
        return 0;
    return problem_set(problem, QUORUM_E_REFUSED,
                       "The shares of RSA keys cannot be made anew: to be rid of old ones, make a new key and roll over to it");
}

int quorum_refresh(Quorum *quorum, const KeyId *id, QuorumKey **ret_key, Problem *problem)
{
    _cleanup_quorum_key_ QuorumKey *old = quorum_key_by_id(quorum, id), *key = NULL;
    NodeBeginRunInput input = {
        .kind = (char *)(uintptr_t)node_run_kind_name(NODE_RUN_REFRESH),
        .key = {(uint8_t *)(uintptr_t)id->bytes, KEY_ID_SIZE},
    };
    int r;

    if (!old)
        return problem_set(problem, QUORUM_E_UNKNOWN_KEY, "There is no such key");
    r = check_key(old, problem);
    if (r == 0 && !quorum_logged_in(quorum))
        r = problem_set(problem, QUORUM_E_LOGIN_REQUIRED, "Making shares anew needs the PIN");
    if (r != 0)
        return r;
    follow_roster(quorum);
    input.record = key_record_borrow(quorum_key_record(old));
    r = creation_by_run(quorum, &input, check_next, quorum_key_header(old), &key, problem);
    if (r == 0)
        r = quorum_retire(quorum, id, problem);
    if (r == 0)
        *ret_key = TAKE_PTR(key);
    return r;
}
