/* GetCommitments and SignShare: signatures of messages, with nonces and the share of a key that nobody dealt (RFC 9591). */
#include <errno.h>
#include <string.h>

#include "base/crypto.h"
#include "node/sign-job.h"

#define LIST_MAX NODE_INDEX_MAX

_Static_assert(NODE_COMMITMENT_SIZE == FROST_COMMITMENT_SIZE, "the wire carries what FROST encodes");
_Static_assert(NODE_MESSAGE_SIZE_MAX <= FROST_MESSAGE_SIZE_MAX, "what is sent can be signed");

/* Nonces that are made anew, and for SignShare what is signed with those from before. */
typedef struct ShareJob {
    SignJob sign;
    unsigned index; /* of this node */
    unsigned wanted;
    FrostNonces *made; /* NULL: none */
    uint8_t commitments[NONCES_PAIRS_MAX * NODE_COMMITMENT_SIZE];
    /* SignShare */
    NoncePair pair;
    bool is_listed; /* there is a commitment of this node in the list */
    Bytes message;  /* the call's */
    FrostCommitment list[LIST_MAX];
    unsigned n_list;
    uint8_t partial[FROST_PARTIAL_SIZE];
} ShareJob;

static void clear_share_job(SignJob *sign)
{
    ShareJob *share_job = (ShareJob *)sign;

    nonce_pair_clear(&share_job->pair);
    frost_nonces_freep(&share_job->made);
}

/* ---- Without the floor --------------------------------------------------------------------------------------------------------- */

static const FrostKey *frost_of(const ShareJob *share_job)
{
    return threshold_key_frost(share_job->sign.loaded->threshold);
}

/* What uses the share has codes of its own: they stay out of SignJob.r, where those of the keyring are. */
static void use_share(ShareJob *share_job, KeyringUse use)
{
    SignJob *sign = &share_job->sign;
    bool used;

    sign->r = keyring_share_use(sign->loaded->share, use, share_job, &used, &sign->outcome.problem);
    if (used && sign->r != 0)
        sign->r = -ECANCELED;
}

static int make_nonces(ShareJob *share_job, const Secret *share)
{
    return frost_nonces_new(frost_of(share_job), share_job->index, share, share_job->wanted, &share_job->made);
}

static int commit(void *userdata, const Secret *share)
{
    ShareJob *share_job = userdata;
    int r = make_nonces(share_job, share);

    if (r != 0)
        (void)problem_set(&share_job->sign.outcome.problem, 0, "no nonces can be made: %s",
                          r == -EPERM ? "memory cannot be locked" : strerror(-r));
    return r;
}

static void work_commit(Job *job)
{
    use_share((ShareJob *)job, commit);
}

static int explain(ShareJob *share_job, int r)
{
    Outcome *outcome = &share_job->sign.outcome;

    switch (r) {
    case 0:
        break;
    case FROST_E_NONCES_USED:
    case FROST_E_FOREIGN_NONCES:
        (void)outcome_set(outcome, NODE_ERROR_UNKNOWN_COMMITMENT, "this commitment is not good any more: ask for others");
        break;
    case FROST_E_INVALID_COMMITMENT:
        (void)outcome_set(outcome, NODE_ERROR_REJECTED, "a commitment of another node is not one: its points are not of the group");
        break;
    case -EINVAL:
        (void)outcome_set(outcome, NODE_ERROR_REJECTED, "the commitments are not of distinct nodes of this key, ascending by index");
        break;
    default:
        (void)problem_set(&outcome->problem, 0, "the signature share cannot be computed: error %d", r);
    }
    return r;
}

/* The answer can do without new nonces: then there are fewer than were asked for, and GetCommitments says why. */
static int sign_and_commit(void *userdata, const Secret *share)
{
    ShareJob *share_job = userdata;
    const FrostRequest request = {frost_of(share_job), share_job->list, share_job->message.data, share_job->message.size};
    FrostPartial partial;
    int r = explain(share_job,
                    frost_sign(nonce_pair_of(&share_job->pair), share_job->pair.number, &request, share_job->index, share, &partial));

    if (r != 0)
        return r;
    frost_partial_write(&partial, share_job->partial);
    if (share_job->wanted > 0)
        (void)make_nonces(share_job, share);
    return 0;
}

static bool has_all_commitments(ShareJob *share_job)
{
    const unsigned k = frost_key_k(frost_of(share_job));

    return share_job->n_list == k || outcome_set(&share_job->sign.outcome, NODE_ERROR_REJECTED,
                                                 "there are commitments of %u nodes, this key needs those of %u", share_job->n_list, k);
}

/* The audit tells the message's SHA-256. */
static int hash_message(ShareJob *share_job)
{
    SignJob *sign = &share_job->sign;
    uint8_t hash[SHA256_SIZE];
    int r = crypto_sha256(&share_job->message, 1, hash);

    if (r == 0)
        r = digest_set(HASH_SHA256, hash, sizeof(hash), &sign->digest);
    return r == 0 ? 0 : problem_set(&sign->outcome.problem, r, "the message cannot be hashed: %s", strerror(-r));
}

static void work_sign_share(Job *job)
{
    ShareJob *share_job = (ShareJob *)job;

    share_job->sign.r = has_all_commitments(share_job) ? hash_message(share_job) : -ECANCELED;
    if (share_job->sign.r == 0)
        use_share(share_job, sign_and_commit);
}

/* ---- With the floor ------------------------------------------------------------------------------------------------------------ */

/* Into the stock, and out as commitments. Nobody gets those of pairs that are not kept. */
static int hand_out(ShareJob *share_job, Bytes *ret_commitments)
{
    SignJob *sign = &share_job->sign;
    const unsigned count = share_job->made ? frost_nonces_count(share_job->made) : 0;

    if (!sign->client->connection)
        return -ENOTCONN;
    for (unsigned i = 0; i < count; i++)
        frost_commitments_write(frost_nonces_commitment(share_job->made, i), 1, share_job->commitments + i * NODE_COMMITMENT_SIZE);

    int r = count > 0 ? nonces_put(sign->node, sign->client, sign->key, &share_job->made) : 0;

    if (r == 0)
        *ret_commitments = (Bytes){share_job->commitments, count * NODE_COMMITMENT_SIZE};
    return r;
}

static void reply_commitments(SignJob *sign)
{
    NodeCommitmentsOutput output = {0};
    int r = hand_out((ShareJob *)sign, &output.commitments);

    if (r == 0)
        (void)server_call_reply(sign->call, &output);
    else
        (void)op_fail(sign->call, NODE_ERROR_UNAVAILABLE, "no commitments: %s",
                      r == -ENOSPC ? "too many are just being used; try again" : strerror(-r));
}

static void reply_share(SignJob *sign)
{
    ShareJob *share_job = (ShareJob *)sign;
    NodeSignShareOutput output = {.partial = {share_job->partial, sizeof(share_job->partial)}};

    (void)hand_out(share_job, &output.commitments); /* fewer, as above */
    (void)server_call_reply(sign->call, &output);
}

static bool is_statement(const SignJob *sign, const Digest *statement)
{
    uint8_t wanted[THRESHOLD_STATEMENT_SIZE_MAX];

    return bytes_equal(&((const ShareJob *)sign)->message, &(Bytes){wanted, threshold_statement(statement, wanted)});
}

static bool has_nonces(const SignJob *sign, Outcome *outcome)
{
    const ShareJob *share_job = (const ShareJob *)sign;
    const NoncePair *pair = &share_job->pair;

    if (key_state(sign->key) == KEY_ACTIVE && threshold_is_statement(share_job->message.data, share_job->message.size))
        return outcome_set(outcome, NODE_ERROR_REJECTED,
                           "this message begins like a statement of the quorum, which an active key does not make");
    if (!share_job->is_listed)
        return outcome_set(outcome, NODE_ERROR_REJECTED, "there is no commitment of this node, whose index is %u", share_job->index);
    return (pair->batch && nonce_pair_key(pair) == sign->key) ||
           outcome_set(outcome, NODE_ERROR_UNKNOWN_COMMITMENT,
                       "this node has not committed to that on this connection, or it is used or too old: ask for other commitments");
}

static const SignClass get_commitments = {
    .job = {.work = work_commit, .done = sign_job_done},
    .method = "GetCommitments",
    .makes = "commitments",
    .reply = reply_commitments,
    .clear = clear_share_job,
};

static const SignClass sign_share = {
    .job = {.work = work_sign_share, .done = sign_job_done},
    .method = "SignShare",
    .makes = "partial signature",
    .signs = true,
    .is_statement = is_statement,
    .is_ready = has_nonces,
    .reply = reply_share,
    .clear = clear_share_job,
};

static ShareJob *share_job_new(const SignClass *class, Node *node, ServerCall *call, Client *client, Key *key, uint64_t wanted)
{
    ShareJob *share_job = sign_job_new(sizeof(*share_job), class, node, call, client, key);

    if (share_job) {
        share_job->index = (unsigned)node->token.index;
        share_job->wanted = wanted < NONCES_PAIRS_MAX ? (unsigned)wanted : NONCES_PAIRS_MAX;
    }
    return share_job;
}

int op_get_commitments(Node *node, ServerCall *call, Client *client, const void *parameters)
{
    const NodeGetCommitmentsInput *input = parameters;
    const KeyId id = op_key_id(&input->key);
    Outcome outcome = {0};
    Key *key = op_find_key(node, &id, &outcome);

    if (!key)
        return op_answer(call, &outcome);

    ShareJob *share_job = share_job_new(&get_commitments, node, call, client, key, input->count);

    return share_job ? sign_job_submit(&share_job->sign) : -ENOMEM;
}

/* This node's entry of the list; NULL: there is none. */
static const FrostCommitment *find_own(const FrostCommitment *list, unsigned n, uint64_t index)
{
    for (unsigned i = 0; i < n; i++)
        if (list[i].index == index)
            return &list[i];
    return NULL;
}

/* The pair is spent, whatever the answer will be. */
int op_sign_share(Node *node, ServerCall *call, Client *client, const void *parameters)
{
    const NodeSignShareInput *input = parameters;
    const KeyId id = op_key_id(&input->key);
    _cleanup_nonce_pair_ NoncePair pair = {0};
    FrostCommitment list[LIST_MAX];
    unsigned n;

    if (frost_commitments_read(&input->commitments, LIST_MAX, list, &n) < 0)
        return server_call_invalid(call, "commitments");

    const FrostCommitment *own = find_own(list, n, node->token.index);
    Outcome outcome = {0};

    if (own)
        (void)nonces_take(client, own, &pair);

    Key *key = op_find_key(node, &id, &outcome);

    if (!key)
        return op_answer(call, &outcome);

    ShareJob *share_job = share_job_new(&sign_share, node, call, client, key, input->more);

    if (!share_job)
        return -ENOMEM;
    share_job->message = input->message;
    share_job->is_listed = own;
    share_job->pair = nonce_pair_move(&pair);
    share_job->n_list = n;
    memcpy(share_job->list, list, n * sizeof(list[0]));
    return sign_job_submit(&share_job->sign);
}
