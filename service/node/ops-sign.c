#include "node/ops-sign.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/journal.h"
#include "node/bus.h"
#include "node/loading.h"

#define DESTROYED "this key is destroyed here"

typedef struct SignJob {
    Job job;
    Node *node;
    ServerCall *call;
    Client *client;
    Key *key;
    Loaded *loaded;    /* what the thread uses; NULL while waiting for the load */
    bool retried;      /* the share was gone once already */
    uint64_t closings; /* of the key, when it was begun */
    Digest digest;
    int r;
    uint8_t base[THRESHOLD_PARTIAL_SIZE_MAX], partial[THRESHOLD_PARTIAL_SIZE_MAX];
    Problem problem;
    struct SignJob *next; /* waiting */
} SignJob;

static void sign_job_free(SignJob *sign)
{
    (void)loaded_unref(sign->loaded);
    (void)key_unref(sign->key);
    (void)client_unref(sign->client);
    free(sign);
}

static void audit(const SignJob *sign, const Outcome *outcome)
{
    audit_signature(sign->node->audit, sign->client->name, sign->key, &sign->digest, outcome);
}

static int fail(SignJob *sign, const Outcome *outcome)
{
    int r = op_answer(sign->call, outcome);

    audit(sign, outcome);
    sign_job_free(sign);
    return r;
}

/* ---- Without the floor --------------------------------------------------------------------------------------------------------- */

static int make_base(SignJob *sign)
{
    sign->r = threshold_key_base(sign->loaded->threshold, &sign->digest, sign->base);
    if (sign->r != 0)
        (void)problem_set(&sign->problem, 0, "the digest cannot be encoded: %s", strerror(-sign->r));
    return sign->r;
}

static void work_sign(Job *job)
{
    SignJob *sign = (SignJob *)job;

    if (make_base(sign) == 0)
        sign->r = keyring_share_power(sign->loaded->share, sign->base, sign->partial, &sign->problem);
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
    SignJob *a = (SignJob *)job_a, *b = (SignJob *)job_b;

    if (make_base(a) != 0 || make_base(b) != 0) {
        work_sign(job_a);
        work_sign(job_b);
        return;
    }
    a->r = b->r =
        keyring_share_power_pair((KeyringShare *const[]){a->loaded->share, b->loaded->share}, (const uint8_t *const[]){a->base, b->base},
                                 (uint8_t *const[]){a->partial, b->partial}, &a->problem);
    b->problem = a->problem;
}

/* ---- With the floor --------------------------------------------------------------------------------------------------------- */

static void done_sign(Job *job);

static const JobClass sign_class = {.work = work_sign, .done = done_sign, .pairs = sign_pairs, .work_pair = work_sign_pair};

static void begin(SignJob *sign)
{
    sign->loaded = loaded_ref(sign->key->loaded);
    crew_submit(sign->node->signers, &sign->job);
}

static void wait_for_load(SignJob *sign)
{
    const Outcome no_memory = {.error = NODE_ERROR_UNAVAILABLE, .problem.text = "out of memory"};
    SignJob **end = &sign->key->waiting;

    while (*end)
        end = &(*end)->next;
    *end = sign;
    /* The load may be over, and with it the job, when this returns. */
    if (loading_request(sign->node, sign->key) < 0) {
        *end = NULL;
        (void)fail(sign, &no_memory);
    }
}

/* May this be signed with this key now, and if not, why? */
static bool usable(const Key *key, const Digest *digest, Outcome *outcome)
{
    Digest statement;

    switch (key_state(key)) {
    case KEY_ACTIVE:
        return true;
    case KEY_UNUSABLE:
        return outcome_set(outcome, NODE_ERROR_KEY_UNUSABLE, "%s", key->stored.damage);
    case KEY_PENDING:
        break;
    default:
        return outcome_set(outcome, NODE_ERROR_KEY_DESTROYED, DESTROYED);
    }
    if (key_activation_statement(&key->stored.id, &statement) == 0 && digest_equal(digest, &statement))
        return true;
    return outcome_set(outcome, NODE_ERROR_KEY_PENDING, "this key is not active yet: it signs nothing but its activation");
}

/* The test of a pending key is the quorum's, not a signer's. */
static bool has_lock(const Key *key)
{
    return key->stored.locked && key_state(key) == KEY_ACTIVE;
}

static bool refuse_locked(const Node *node, Outcome *outcome)
{
    return outcome_set(outcome, NODE_ERROR_KEY_LOCKED,
                       "this key is locked on node %s; to unlock it, on that node's host: kqctl node unlock", node->config.name);
}

/* May it be used now as far as its lock is concerned? Counts. */
static bool unlocked(const Node *node, Key *key, Outcome *outcome)
{
    return !has_lock(key) || lock_window_take(&key->window, lock_now()) || refuse_locked(node, outcome);
}

/* Has nobody destroyed or locked it since this was begun? Once DestroyKey or LockKey is answered, no signature from before is given
 * away. */
static bool still_allowed(const SignJob *sign, Outcome *outcome)
{
    if (sign->key->stored.destroyed)
        return outcome_set(outcome, NODE_ERROR_KEY_DESTROYED, DESTROYED);
    return !has_lock(sign->key) || sign->closings == sign->key->closings || refuse_locked(sign->node, outcome);
}

/* Somebody took the share out of the ring: load it again, once. */
static bool retry(SignJob *sign)
{
    Key *key = sign->key;

    if (sign->r != KEYRING_E_GONE || sign->retried || key->stored.destroyed)
        return false;
    sign->retried = true;
    if (key->loaded == sign->loaded)
        key->loaded = loaded_unref(key->loaded);
    sign->loaded = loaded_unref(sign->loaded);
    if (key->loaded)
        begin(sign);
    else
        wait_for_load(sign);
    return true;
}

static void tell_failure(const SignJob *sign, const char *id)
{
    const char *client = sign->client->name, *reason = sign->problem.text;

    bus_error(sign->node, reason);
    if (sign->client->door == DOOR_GATE && !repeats_first(sign->node->repeats, client, "PartialSign", "Unavailable"))
        return;
    journal_event(EVENT_SIGNATURE_FAILED, (JournalFields){[JOURNAL_CLIENT] = client, [JOURNAL_KEY] = id, [JOURNAL_REASON] = reason},
                  "no partial signature with key %s for %s: %s", id, client, reason);
}

static void answer_failure(SignJob *sign)
{
    Outcome outcome = {0};
    char id[2 * KEY_ID_SIZE + 1];

    if (sign->r == -EMSGSIZE)
        (void)outcome_set(&outcome, NODE_ERROR_REJECTED, "the key is too small for this hash and so long a salt");
    else if (usable(sign->key, &sign->digest, &outcome)) {
        key_id_format(&sign->key->stored.id, id);
        tell_failure(sign, id);
        (void)outcome_set(&outcome, NODE_ERROR_UNAVAILABLE, "no partial signature: %s", sign->problem.text);
    }
    (void)fail(sign, &outcome);
}

static void count(SignJob *sign)
{
    sign->node->signatures++;
    sign->key->signatures++;
    sign->key->last_used = (uint64_t)time(NULL);
    bus_counted(sign->node);
}

static void done_sign(Job *job)
{
    SignJob *sign = (SignJob *)job;
    Outcome outcome = {0};

    if (retry(sign))
        return;
    if (sign->r != 0) {
        answer_failure(sign);
        return;
    }
    if (!still_allowed(sign, &outcome)) {
        (void)fail(sign, &outcome);
        return;
    }

    const NodePartialSignOutput output = {{sign->partial, threshold_key_partial_size(sign->loaded->threshold)}};

    count(sign);
    audit(sign, &outcome);
    (void)server_call_reply(sign->call, &output);
    sign_job_free(sign);
}

void signing_go_on(Node *node, Key *key, const Outcome *outcome)
{
    SignJob *waiting = TAKE_PTR(key->waiting);

    for (SignJob *sign = waiting, *next; sign; sign = next) {
        Outcome now = *outcome;

        next = sign->next;
        sign->next = NULL;
        if (now.error == NODE_ERROR_NONE && !client_withdrawn(sign->client, &now) && usable(key, &sign->digest, &now))
            begin(sign);
        else
            (void)fail(sign, &now);
    }
}

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
    if (!usable(key, &digest, &outcome) || !unlocked(node, key, &outcome)) {
        audit_signature(node->audit, client->name, key, &digest, &outcome);
        return op_answer(call, &outcome);
    }

    SignJob *sign = malloc(sizeof(*sign));

    if (!sign)
        return -ENOMEM;
    *sign = (SignJob){.job.class = &sign_class,
                      .node = node,
                      .call = call,
                      .client = client_ref(client),
                      .key = key_ref(key),
                      .closings = key->closings,
                      .digest = digest};
    if (key->loaded)
        begin(sign);
    else
        wait_for_load(sign);
    return 0;
}
