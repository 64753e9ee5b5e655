/* Key generation among the nodes: Pedersen's, with proofs of possession; and refresh, which is the same with polynomials that begin with
 * zero, added to the shares that there are (threshold/frost-dkg.h). */
#include <errno.h>
#include <string.h>

#include "node/run-kind.h"
#include "threshold/frost-dkg.h"

#define GENERATION_FIRST 1

/* What a peer did, in words that go behind its name. */
static const char *const cheats[FROST_DKG_E_MAX] = {
    [FROST_DKG_E_VECTOR_SIZE] = "sent commitments to a polynomial of another degree",
    [FROST_DKG_E_INVALID_POINT] = "sent commitments that are no points of the group",
    [FROST_DKG_E_CONSTANT_TERM] = "sent commitments that would change the key",
    [FROST_DKG_E_INVALID_PROOF] = "did not prove that it knows what it committed to",
    [FROST_DKG_E_INVALID_EVALUATION] = "sent a secret that does not fit its commitments",
};

static int judge(Run *run, unsigned from, int r, Problem *problem)
{
    if (r > 0 && r < FROST_DKG_E_MAX && cheats[r] && from > 0)
        return run_blame(run, from, problem, "%s", cheats[r]);
    if (r > 0)
        return problem_set(problem, RUN_E_FAILED, "the nodes' contributions do not make a key (%d)", r);
    return r == 0 ? 0 : problem_set(problem, r, "this node's part of the key cannot be computed: %s", strerror(-r));
}

static FrostDkgParameters parameters_of(Run *run)
{
    return (FrostDkgParameters){run->subject.n, run->subject.k, run->subject.index, {run->session, sizeof(run->session)}};
}

static int begin(Run *run, Problem *problem)
{
    const FrostDkgParameters parameters = parameters_of(run);
    FrostDkg *dkg = NULL;
    int r = frost_dkg_new(&parameters, &dkg);

    run->state = dkg;
    return judge(run, 0, r, problem);
}

static int begin_refresh(Run *run, Problem *problem)
{
    const FrostDkgParameters parameters = parameters_of(run);
    _cleanup_header_ Header header = {0};
    _cleanup_threshold_key_ ThresholdKey *key = NULL;
    FrostDkg *dkg = NULL;
    int r = header_decode(run->subject.common, &header, problem);

    if (r == 0)
        r = threshold_key_new(&header.parameters, &header.public_key, &header.verification, &key, problem);
    if (r == 0)
        r = frost_dkg_new_refresh(&parameters, threshold_key_frost(key), &dkg);
    run->state = dkg;
    return judge(run, 0, r, problem);
}

static void clear(Run *run)
{
    (void)frost_dkg_free(run->state);
}

/* ---- Round 1: the vector and the proof ---- */

static int say_vector(Run *run, Bytes *ret_content, Problem *problem)
{
    const Bytes *vector = frost_dkg_vector(run->state), *proof = frost_dkg_proof(run->state);
    int r = bytes_new(vector->size + proof->size, ret_content);

    if (r < 0)
        return judge(run, 0, r, problem);
    memcpy(ret_content->data, vector->data, vector->size);
    if (proof->size > 0)
        memcpy(ret_content->data + vector->size, proof->data, proof->size);
    return 0;
}

/* The proof is at the end and has the size that ours has; whether what is in front of it has the right one is looked at there. */
static int hear_vector(Run *run, unsigned from, const Bytes *content, Problem *problem)
{
    const size_t proof_size = frost_dkg_proof(run->state)->size;

    if (content->size < proof_size)
        return run_blame(run, from, problem, "%s", cheats[FROST_DKG_E_VECTOR_SIZE]);

    const Bytes vector = {content->data, content->size - proof_size}, proof = {content->data + vector.size, proof_size};

    return judge(run, from, frost_dkg_accept_vector(run->state, from, &vector, &proof), problem);
}

/* ---- Round 2: the evaluations ---- */

static int tell_evaluation(Run *run, unsigned to, Secret **ret_content, Problem *problem)
{
    return judge(run, 0, frost_dkg_evaluation(run->state, to, ret_content), problem);
}

static int learn_evaluation(Run *run, unsigned from, const Secret *content, Problem *problem)
{
    if (!content)
        return run_blame(run, from, problem, "%s", cheats[FROST_DKG_E_INVALID_EVALUATION]);
    return judge(run, from, frost_dkg_accept_evaluation(run->state, from, content), problem);
}

/* ---- The result ---- */

static int make_header(Run *run, const FrostDkgResult *result, uint32_t generation, Problem *problem)
{
    const Header header = {
        .parameters = {THRESHOLD_ED25519, 256, run->subject.n, run->subject.k},
        .custody = CUSTODY_KEYRING,
        .generation = generation,
        .public_key = result->public_key,
        .verification = result->verification,
    };
    int r = header_encode(&header, &run->common);

    if (r == 0)
        r = header_key_id(&run->common, &run->id);
    return judge(run, 0, r, problem);
}

static int take_result(Run *run, FrostDkgResult *result, uint32_t generation, Problem *problem)
{
    int r = make_header(run, result, generation, problem);

    if (r == 0)
        run->share = TAKE_PTR(result->share);
    return r;
}

static int finish(Run *run, Problem *problem)
{
    _cleanup_frost_dkg_result_ FrostDkgResult result = {0};
    int r = judge(run, 0, frost_dkg_finish(run->state, NULL, &result), problem);

    return r == 0 ? take_result(run, &result, GENERATION_FIRST, problem) : r;
}

typedef struct Renewal {
    const FrostDkg *dkg;
    FrostDkgResult result;
} Renewal;

static void renewal_clear(Renewal *renewal)
{
    frost_dkg_result_clear(&renewal->result);
}

static int renew(void *context, const Secret *share)
{
    Renewal *renewal = context;

    return frost_dkg_finish(renewal->dkg, share, &renewal->result);
}

static int finish_refresh(Run *run, Problem *problem)
{
    _cleanup_(renewal_clear) Renewal renewal = {.dkg = run->state};
    _cleanup_header_ Header header = {0};
    Problem why = PROBLEM_INIT;
    int r = header_decode(run->subject.common, &header, problem);

    if (r < 0)
        return r;
    r = run->subject.use_share(run->subject.userdata, renew, &renewal, &why);
    if (r != 0 && why.text[0])
        return problem_set(problem, r, "%s", why.text);
    r = judge(run, 0, r, problem);
    return r == 0 ? take_result(run, &renewal.result, header.generation + 1, problem) : r;
}

static const RunRound rounds[] = {
    {.say = say_vector, .hear = hear_vector},
    {.tell = tell_evaluation, .learn = learn_evaluation},
    RUN_CONFIRMATION,
};

const RunKind run_generate = {
    .number = 1,
    .rounds = rounds,
    .n_rounds = ELEMENTS(rounds),
    .permission = NODE_PERMISSION_GENERATE,
    .begin = begin,
    .finish = finish,
    .clear = clear,
};

const RunKind run_refresh = {
    .number = 2,
    .rounds = rounds,
    .n_rounds = ELEMENTS(rounds),
    .needs_approval = true,
    .permission = NODE_PERMISSION_DESTROY, /* in the end the old shares are retired */
    .begin = begin_refresh,
    .finish = finish_refresh,
    .clear = clear,
};
