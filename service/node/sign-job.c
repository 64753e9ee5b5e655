#include "node/sign-job.h"

#include <time.h>

#include "base/journal.h"
#include "node/bus.h"
#include "node/loading.h"

#define DESTROYED "this key is destroyed here"

static void sign_job_free(SignJob *sign)
{
    if (sign->class->clear)
        sign->class->clear(sign);
    (void)loaded_unref(sign->loaded);
    (void)key_unref(sign->key);
    (void)client_unref(sign->client);
    free(sign);
}

static void audit(const SignJob *sign, const Outcome *outcome)
{
    if (sign->class->signs)
        audit_signature(sign->node->audit, sign->client->name, sign->key, &sign->digest, outcome);
}

static int fail(SignJob *sign, const Outcome *outcome)
{
    int r = op_answer(sign->call, outcome);

    audit(sign, outcome);
    sign_job_free(sign);
    return r;
}

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

/* ---- May it be done? ----------------------------------------------------------------------------------------------------------- */

static bool fits_scheme(const SignJob *sign, Outcome *outcome)
{
    const bool dealt = threshold_scheme_has_dealer(header_scheme(&sign->key->stored.common));

    if (dealt == sign->class->dealt)
        return true;
    return outcome_set(outcome, NODE_ERROR_REJECTED, "%s",
                       dealt ? "this key signs digests, with PartialSign, not messages with SignShare"
                             : "this key signs messages, with GetCommitments and SignShare, not digests "
                               "with PartialSign");
}

/* May this be signed with this key now, and if not, why? */
static bool usable(const SignJob *sign, Outcome *outcome)
{
    const Key *key = sign->key;
    Digest statement;

    switch (key_state(key)) {
    case KEY_ACTIVE:
        return fits_scheme(sign, outcome);
    case KEY_UNUSABLE:
        return outcome_set(outcome, NODE_ERROR_KEY_UNUSABLE, "%s", key->stored.damage);
    case KEY_PENDING:
        break;
    default:
        return outcome_set(outcome, NODE_ERROR_KEY_DESTROYED, DESTROYED);
    }
    if (!fits_scheme(sign, outcome))
        return false;
    if (!sign->class->is_statement ||
        (key_activation_statement(&key->stored.id, &statement) == 0 && sign->class->is_statement(sign, &statement)))
        return true;
    return outcome_set(outcome, NODE_ERROR_KEY_PENDING, "this key is not active yet: it signs nothing but its activation");
}

/* The test of a pending key is the quorum's, not a signer's. */
static bool has_lock(const SignJob *sign)
{
    return sign->class->signs && sign->key->stored.locked && key_state(sign->key) == KEY_ACTIVE;
}

static bool refuse_locked(const Node *node, Outcome *outcome)
{
    return outcome_set(outcome, NODE_ERROR_KEY_LOCKED,
                       "this key is locked on node %s; to unlock it, on that node's host: kqctl node unlock", node->config.name);
}

/* May it be used now as far as its lock is concerned? Counts. */
static bool unlocked(const SignJob *sign, Outcome *outcome)
{
    return !has_lock(sign) || lock_window_take(&sign->key->window, lock_now()) || refuse_locked(sign->node, outcome);
}

/* Has nobody destroyed or locked it since this was begun? Once DestroyKey or LockKey is answered, no signature from before is given
 * away. */
static bool still_allowed(const SignJob *sign, Outcome *outcome)
{
    if (sign->key->stored.destroyed)
        return outcome_set(outcome, NODE_ERROR_KEY_DESTROYED, DESTROYED);
    return !has_lock(sign) || sign->closings == sign->key->closings || refuse_locked(sign->node, outcome);
}

/* ---- Done ---------------------------------------------------------------------------------------------------------------------- */

/* Somebody took the share out of the ring: load it again, once. */
static bool retry(SignJob *sign)
{
    Key *key = sign->key;

    if (sign->r != KEYRING_E_GONE || sign->retried || key->stored.destroyed)
        return false;
    sign->retried = true;
    if (key->loaded == sign->loaded)
        loading_forget(sign->node, key);
    sign->loaded = loaded_unref(sign->loaded);
    sign->outcome = (Outcome){0};
    if (key->loaded)
        begin(sign);
    else
        wait_for_load(sign);
    return true;
}

static void tell_failure(const SignJob *sign)
{
    const char *client = sign->client->name, *reason = sign->outcome.problem.text;
    char id[2 * KEY_ID_SIZE + 1];

    key_id_format(&sign->key->stored.id, id);
    bus_error(sign->node, reason);
    if (sign->client->door == DOOR_GATE && !repeats_first(sign->node->repeats, client, sign->class->method, "Unavailable"))
        return;
    journal_event(EVENT_SIGNATURE_FAILED, (JournalFields){[JOURNAL_CLIENT] = client, [JOURNAL_KEY] = id, [JOURNAL_REASON] = reason},
                  "no %s with key %s for %s: %s", sign->class->makes, id, client, reason);
}

static void answer_failure(SignJob *sign)
{
    Outcome outcome = {0};

    if (sign->outcome.error != NODE_ERROR_NONE)
        outcome = sign->outcome;
    else if (usable(sign, &outcome)) {
        tell_failure(sign);
        (void)outcome_set(&outcome, NODE_ERROR_UNAVAILABLE, "no %s: %s", sign->class->makes, sign->outcome.problem.text);
    }
    (void)fail(sign, &outcome);
}

static void count(const SignJob *sign)
{
    const Outcome well = {0};

    sign->node->signatures++;
    sign->key->signatures++;
    sign->key->last_used = (uint64_t)time(NULL);
    bus_counted(sign->node);
    audit(sign, &well);
}

void sign_job_done(Job *job)
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
    if (sign->class->signs)
        count(sign);
    sign->class->reply(sign);
    sign_job_free(sign);
}

/* ---- Beginning ----------------------------------------------------------------------------------------------------------------- */

void signing_go_on(Node *node, Key *key, const Outcome *outcome)
{
    SignJob *waiting = TAKE_PTR(key->waiting);

    for (SignJob *sign = waiting, *next; sign; sign = next) {
        Outcome now = *outcome;

        next = sign->next;
        sign->next = NULL;
        if (now.error == NODE_ERROR_NONE && !client_withdrawn(sign->client, &now) && usable(sign, &now))
            begin(sign);
        else
            (void)fail(sign, &now);
    }
}

void *sign_job_new(size_t size, const SignClass *class, Node *node, ServerCall *call, Client *client, Key *key)
{
    SignJob *sign = calloc(1, size);

    if (!sign)
        return NULL;
    *sign = (SignJob){.job.class = &class->job,
                      .class = class,
                      .node = node,
                      .call = call,
                      .client = client_ref(client),
                      .key = key_ref(key),
                      .closings = key->closings};
    return sign;
}

int sign_job_submit(SignJob *sign)
{
    Outcome outcome = {0};

    if (!usable(sign, &outcome) || (sign->class->is_ready && !sign->class->is_ready(sign, &outcome)) || !unlocked(sign, &outcome))
        return fail(sign, &outcome);
    if (sign->key->loaded)
        begin(sign);
    else
        wait_for_load(sign);
    return 0;
}
