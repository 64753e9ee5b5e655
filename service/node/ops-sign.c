/* PartialSign: of a digest, with the share of a key that was dealt. */
#include <errno.h>
#include <string.h>

#include "node/sign-job.h"

typedef struct PartialJob {
    SignJob sign; /* `digest` is what is signed */
    uint8_t base[THRESHOLD_PARTIAL_SIZE_MAX], partial[THRESHOLD_PARTIAL_SIZE_MAX];
} PartialJob;

/* ---- Without the floor --------------------------------------------------------------------------------------------------------- */

static int make_base(PartialJob *partial)
{
    SignJob *sign = &partial->sign;

    sign->r = threshold_key_base(sign->loaded->threshold, &sign->digest, partial->base);
    if (sign->r == -EMSGSIZE)
        (void)outcome_set(&sign->outcome, NODE_ERROR_REJECTED, "the key is too small for this hash and so long a salt");
    else if (sign->r != 0)
        (void)problem_set(&sign->outcome.problem, 0, "the digest cannot be encoded: %s", strerror(-sign->r));
    return sign->r;
}

static void work_sign(Job *job)
{
    PartialJob *partial = (PartialJob *)job;
    SignJob *sign = &partial->sign;

    if (make_base(partial) == 0)
        sign->r = keyring_share_power(sign->loaded->share, partial->base, partial->partial, &sign->outcome.problem);
}

/* Quick: what is loaded has been measured by who loaded it, or is just being measured by another. */
static bool sign_pairs(const Job *a, const Job *b)
{
    const Loaded *of_a = ((const SignJob *)a)->loaded, *of_b = ((const SignJob *)b)->loaded;

    return threshold_key_parameters(of_a->threshold)->bits == threshold_key_parameters(of_b->threshold)->bits &&
           keyring_share_pair_is_faster(of_a->share, of_b->share);
}

static void work_sign_pair(Job *job_a, Job *job_b)
{
    PartialJob *a = (PartialJob *)job_a, *b = (PartialJob *)job_b;

    if (make_base(a) != 0 || make_base(b) != 0) {
        work_sign(job_a);
        work_sign(job_b);
        return;
    }
    a->sign.r = b->sign.r = keyring_share_power_pair((KeyringShare *const[]){a->sign.loaded->share, b->sign.loaded->share},
                                                     (const uint8_t *const[]){a->base, b->base}, (uint8_t *const[]){a->partial, b->partial},
                                                     &a->sign.outcome.problem);
    b->sign.outcome.problem = a->sign.outcome.problem;
}

/* ---- With the floor ------------------------------------------------------------------------------------------------------------ */

static bool is_statement(const SignJob *sign, const Digest *statement)
{
    return digest_equal(&sign->digest, statement);
}

static void reply(SignJob *sign)
{
    const NodePartialSignOutput output = {{((PartialJob *)sign)->partial, threshold_key_partial_size(sign->loaded->threshold)}};

    (void)server_call_reply(sign->call, &output);
}

static const SignClass partial_sign = {
    .job = {.work = work_sign, .done = sign_job_done, .pairs = sign_pairs, .work_pair = work_sign_pair},
    .method = "PartialSign",
    .makes = "partial signature",
    .dealt = true,
    .signs = true,
    .is_statement = is_statement,
    .reply = reply,
};

/* What is to be signed. Returns the member that is wrong, or NULL. */
static const char *read_digest(const NodePartialSignInput *input, Digest *ret_digest)
{
    const HashAlgorithm hash = hash_from_name(input->hash);
    const Encoding encoding = input->encoding ? encoding_from_name(input->encoding) : ENCODING_PKCS1_V15;

    if (hash == HASH_INVALID)
        return "hash";
    if (digest_set(hash, input->digest.data, input->digest.size, ret_digest) < 0)
        return "digest";
    if (encoding == ENCODING_INVALID)
        return "encoding";
    if (encoding != ENCODING_PSS)
        return input->salt.size > 0 ? "salt" : NULL;
    return digest_set_pss(ret_digest, input->salt.data, input->salt.size) < 0 ? "salt" : NULL;
}

int op_partial_sign(Node *node, ServerCall *call, Client *client, const void *parameters)
{
    const NodePartialSignInput *input = parameters;
    const KeyId id = op_key_id(&input->key);
    Outcome outcome = {0};
    Digest digest;
    const char *wrong = read_digest(input, &digest);

    if (wrong)
        return server_call_invalid(call, wrong);

    Key *key = op_find_key(node, &id, &outcome);

    if (!key)
        return op_answer(call, &outcome);

    PartialJob *partial = sign_job_new(sizeof(*partial), &partial_sign, node, call, client, key);

    if (!partial)
        return -ENOMEM;
    partial->sign.digest = digest;
    return sign_job_submit(&partial->sign);
}
