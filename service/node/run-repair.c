/* A lost share made anew by k other nodes, none of which learns it (threshold/frost-repair.h). */
#include <errno.h>
#include <string.h>

#include "node/run-kind.h"
#include "threshold/frost-repair.h"

typedef struct Repair {
    ThresholdKey *threshold;
    FrostRepair repair;
    unsigned helpers[THRESHOLD_NODES_MAX];
    FrostRepairParts parts; /* what this helper gives; those that are given are gone from it */
    /* In the order of the helpers: */
    Bytes vectors[THRESHOLD_NODES_MAX];
    Secret *received[THRESHOLD_NODES_MAX]; /* parts, if this is a helper; otherwise sums */
} Repair;

/* What a peer did, in words that go behind its name. */
static const char *const cheats[FROST_REPAIR_E_MAX] = {
    [FROST_REPAIR_E_INVALID_VECTOR] = "sent commitments that do not add up to what its share has to give",
    [FROST_REPAIR_E_INVALID_PART] = "sent a part that does not fit its commitments",
    [FROST_REPAIR_E_INVALID_SUM] = "sent a sum that does not fit the commitments of all",
};

static int judge(Run *run, unsigned from, int r, Problem *problem)
{
    if (r > 0 && r < FROST_REPAIR_E_MAX && cheats[r] && from > 0)
        return run_blame(run, from, problem, "%s", cheats[r]);
    if (r > 0)
        return problem_set(problem, RUN_E_FAILED, "what the nodes gave makes no share of this key (%d)", r);
    return r == 0 ? 0 : problem_set(problem, r, "this node's part of the repair cannot be computed: %s", strerror(-r));
}

static bool is_helper(const Run *run, unsigned index)
{
    return index != run->subject.lost;
}

/* Its place among the helpers. */
static unsigned place_of(const Repair *repair, unsigned index)
{
    unsigned at = 0;

    while (repair->helpers[at] != index)
        at++;
    return at;
}

/* ---- Beginning ---------------------------------------------------------------------------------------------------------------- */

static int split(void *context, const Secret *share)
{
    const Run *run = context;
    Repair *repair = run->state;

    return frost_repair_split(&repair->repair, run->subject.index, share, &repair->parts);
}

static int make_parts(Run *run, Problem *problem)
{
    Repair *repair = run->state;
    const unsigned own = place_of(repair, run->subject.index);
    Problem why = PROBLEM_INIT;
    int r = run->subject.use_share(run->subject.userdata, split, run, &why);

    if (r != 0 && why.text[0])
        return problem_set(problem, r, "%s", why.text);
    if (r != 0)
        return judge(run, 0, r, problem);
    repair->received[own] = TAKE_PTR(repair->parts.parts[own]);
    return judge(run, 0, bytes_copy(repair->parts.vector.data, repair->parts.vector.size, &repair->vectors[own]), problem);
}

static int begin(Run *run, Problem *problem)
{
    _cleanup_header_ Header header = {0};
    Repair *repair = calloc(1, sizeof(*repair));
    unsigned n = 0;
    int r = repair ? header_decode(run->subject.common, &header, problem) : -ENOMEM;

    run->state = repair;
    if (r == 0)
        r = threshold_key_new(&header.parameters, &header.public_key, &header.verification, &repair->threshold, problem);
    if (r < 0)
        return judge(run, 0, r, problem);
    for (unsigned index = 1; index <= run->subject.n; index++)
        if (run->subject.nodes & (uint32_t)1 << (index - 1) && is_helper(run, index))
            repair->helpers[n++] = index;
    repair->repair = (FrostRepair){threshold_key_frost(repair->threshold), run->subject.lost, repair->helpers};
    return is_helper(run, run->subject.index) ? make_parts(run, problem) : 0;
}

static void clear(Run *run)
{
    Repair *repair = run->state;

    if (!repair)
        return;
    frost_repair_parts_clear(&repair->parts);
    for (unsigned i = 0; i < THRESHOLD_NODES_MAX; i++) {
        bytes_clear(&repair->vectors[i]);
        secret_free(repair->received[i]);
    }
    threshold_key_free(repair->threshold);
    free(repair);
    run->state = NULL;
}

/* ---- Round 1: the helpers' commitments ------------------------------------------------------------------------------------------ */

static int say_vector(Run *run, Bytes *ret_content, Problem *problem)
{
    const Bytes *vector = &((Repair *)run->state)->parts.vector;

    return is_helper(run, run->subject.index) ? judge(run, 0, bytes_copy(vector->data, vector->size, ret_content), problem) : 0;
}

static int hear_vector(Run *run, unsigned from, const Bytes *content, Problem *problem)
{
    Repair *repair = run->state;

    if (!is_helper(run, from))
        return content->size == 0 ? 0 : run_blame(run, from, problem, "has lost its share, and gives some of it");

    int r = frost_repair_check_vector(&repair->repair, from, content);

    if (r == 0)
        r = bytes_copy(content->data, content->size, &repair->vectors[place_of(repair, from)]);
    return judge(run, from, r, problem);
}

/* ---- Round 2: the parts, from helper to helper ------------------------------------------------------------------------------------ */

static int tell_part(Run *run, unsigned to, Secret **ret_content, Problem *problem)
{
    Repair *repair = run->state;

    if (is_helper(run, run->subject.index) && is_helper(run, to))
        *ret_content = TAKE_PTR(repair->parts.parts[place_of(repair, to)]);
    return 0;
}

/* What is secret and should not be there, or the other way round. */
static int check_sent(Run *run, unsigned from, const Secret *content, bool expected, Problem *problem)
{
    if (!content == !expected)
        return 0;
    return run_blame(run, from, problem, "%s", expected ? "did not send what it has to give" : "sent something that is not for this node");
}

static int keep(Run *run, unsigned from, const Secret *content, Problem *problem)
{
    Repair *repair = run->state;

    return judge(run, from, secret_new_copy(secret_bytes(content), secret_size(content), &repair->received[place_of(repair, from)]),
                 problem);
}

static int learn_part(Run *run, unsigned from, const Secret *content, Problem *problem)
{
    Repair *repair = run->state;
    const bool expected = is_helper(run, run->subject.index) && is_helper(run, from);
    int r = check_sent(run, from, content, expected, problem);

    if (r != 0 || !expected)
        return r;
    r = frost_repair_check_part(&repair->repair, run->subject.index, &repair->vectors[place_of(repair, from)], content);
    return r == 0 ? keep(run, from, content, problem) : judge(run, from, r, problem);
}

/* ---- Round 3: the sums, to the node that lost its share ------------------------------------------------------------------------------ */

static int tell_sum(Run *run, unsigned to, Secret **ret_content, Problem *problem)
{
    const Repair *repair = run->state;

    if (!is_helper(run, run->subject.index) || is_helper(run, to))
        return 0;
    return judge(run, 0, frost_repair_sum(&repair->repair, (const Secret *const *)repair->received, ret_content), problem);
}

static int learn_sum(Run *run, unsigned from, const Secret *content, Problem *problem)
{
    const Repair *repair = run->state;
    const bool expected = !is_helper(run, run->subject.index);
    int r = check_sent(run, from, content, expected, problem);

    if (r != 0 || !expected)
        return r;
    r = frost_repair_check_sum(&repair->repair, from, repair->vectors, content);
    return r == 0 ? keep(run, from, content, problem) : judge(run, from, r, problem);
}

/* ---- The result -------------------------------------------------------------------------------------------------------------------------
 */

static int finish(Run *run, Problem *problem)
{
    const Repair *repair = run->state;
    int r = bytes_copy(run->subject.common->data, run->subject.common->size, &run->common);

    if (r == 0)
        r = header_key_id(&run->common, &run->id);
    if (r == 0 && !is_helper(run, run->subject.index))
        r = frost_repair_finish(&repair->repair, (const Secret *const *)repair->received, &run->share);
    return judge(run, 0, r, problem);
}

static const RunRound rounds[] = {
    {.say = say_vector, .hear = hear_vector},
    {.tell = tell_part, .learn = learn_part},
    {.tell = tell_sum, .learn = learn_sum},
    RUN_CONFIRMATION,
};

const RunKind run_repair = {
    .number = 3,
    .rounds = rounds,
    .n_rounds = ELEMENTS(rounds),
    .needs_approval = true,
    .permission = NODE_PERMISSION_GENERATE,
    .begin = begin,
    .finish = finish,
    .clear = clear,
};
