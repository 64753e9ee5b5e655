#include "node/ops-run.h"

#include <errno.h>
#include <string.h>

#include "base/crypto.h"
#include "node/identity.h"
#include "node/loading.h"
#include "node/run-of-key.h"
#include "node/run.h"
#include "threshold/ed25519-group.h"

/* A run holds locked memory: of a client that forgets it, not for long, and of all clients together, not much. */
#define RUNS_MAX            4
#define RUNS_PER_CLIENT_MAX 2
#define RUN_EXPIRY          (60 * MICROSECONDS_PER_SECOND)

/* Steps of all runs are changes in the key lane, one at a time: what they begin with still holds when they end, and the last of them stores
 * a key as PrepareKey does. */
typedef struct NodeRun {
    struct NodeRun *next; /* of the node's */
    Node *node;
    char client[NODE_NAME_SIZE_MAX + 1];
    uint8_t name[NODE_RUN_SIZE];
    unsigned index; /* this node's */
    Run *run;
    NodeRecord record;
    RunOfKey of_key; /* if it makes shares of a key anew */
    Loaded *loaded;  /* this node's share of that; NULL: it has none */
    bool approved;   /* this node's operator has said so */
    sd_event_source *expiry;
    bool busy; /* a step is being taken */
} NodeRun;

static NodeRun *node_run_free(NodeRun *run)
{
    if (!run)
        return NULL;
    sd_event_source_disable_unref(run->expiry);
    (void)run_free(run->run);
    message_clear(&node_record, &run->record);
    run_of_key_clear(&run->of_key);
    (void)loaded_unref(run->loaded);
    free(run);
    return NULL;
}
DEFINE_CLEANUP(NodeRun, node_run_free)

/* Out of the node's list. */
static NodeRun *take(NodeRun *run)
{
    NodeRun **at = &run->node->runs;

    while (*at && *at != run)
        at = &(*at)->next;
    if (*at)
        *at = run->next;
    run->next = NULL;
    return run;
}

void runs_clear(Node *node)
{
    while (node->runs)
        (void)node_run_free(take(node->runs));
}

/* ---- Expiry -------------------------------------------------------------------------------------------------------------------- */

static int arm(NodeRun *run)
{
    int r = sd_event_source_set_time(run->expiry, clock_now() + RUN_EXPIRY);

    return r < 0 ? r : sd_event_source_set_enabled(run->expiry, SD_EVENT_ONESHOT);
}

static int on_expiry(sd_event_source *source, uint64_t now, void *userdata)
{
    NodeRun *run = userdata;

    if (run->busy)
        return 0; /* armed again when the step is taken */
    if (repeats_first(run->node->repeats, run->client, "ContinueRun", "expired"))
        journal_log(LOG_NOTICE, "a run of client %s is over: it was not continued for %llu seconds", run->client,
                    (unsigned long long)(RUN_EXPIRY / MICROSECONDS_PER_SECOND));
    (void)node_run_free(take(run));
    return 0;
}

/* ---- Outcomes ------------------------------------------------------------------------------------------------------------------ */

/* `r`: of run_step(). */
static void set_outcome(Change *change, const Run *run, int r, const Problem *problem)
{
    (void)outcome_set(&change->outcome, r == RUN_E_FAILED ? NODE_ERROR_RUN_FAILED : NODE_ERROR_UNAVAILABLE, "%s", problem->text);
    if (r == RUN_E_FAILED)
        change->outcome.number = run_culprit(run);
}

static bool no_memory(Change *change)
{
    return outcome_set(&change->outcome, NODE_ERROR_UNAVAILABLE, "out of memory");
}

/* ---- BeginRun ------------------------------------------------------------------------------------------------------------------- */

typedef struct RunChange {
    Change change;
    NodeRun *run; /* ContinueRun: of the list */
    RunSubject subject;
    RunMessages messages;
    bool over;    /* that was the last step: */
    Bytes sealed; /* this node's share of the key, if it is to store one, */
    Bytes header; /* or only the key's common header */
} RunChange;

static void clear_run_change(Change *change)
{
    RunChange *run_change = (RunChange *)change;

    run_messages_clear(&run_change->messages);
    bytes_clear(&run_change->sealed);
    bytes_clear(&run_change->header);
}

static void clear_begin(Change *change)
{
    clear_run_change(change);
    (void)node_run_free(((RunChange *)change)->run); /* it did not begin */
}

static bool has_room(Change *change)
{
    unsigned all = 0, own = 0;

    for (const NodeRun *run = change->node->runs; run; run = run->next) {
        all++;
        own += strcmp(run->client, change->client->name) == 0;
    }
    if (all < RUNS_MAX && own < RUNS_PER_CLIENT_MAX)
        return true;
    return outcome_set(&change->outcome, NODE_ERROR_UNAVAILABLE,
                       "%s has %u runs under way here, as many as there may be; one that nobody continues is over after %llu seconds",
                       own < RUNS_PER_CLIENT_MAX ? "this node" : "this client", own < RUNS_PER_CLIENT_MAX ? all : own,
                       (unsigned long long)(RUN_EXPIRY / MICROSECONDS_PER_SECOND));
}

/* Who the nodes are is what operators have said on this host, not what a client says. */
static bool read_parties(Change *change, RunSubject *subject)
{
    const Node *node = change->node;
    const StoredToken *token = &node->token;
    RunParty *own = &subject->parties[token->index - 1];
    unsigned known = 0;

    for (size_t i = 0; i < node->peers.n; i++) {
        const Peer *peer = &node->peers.items[i];

        if (peer->index == token->index || peer->index > token->n)
            continue;
        known++;
        memcpy(subject->parties[peer->index - 1].name, peer->name, sizeof(peer->name));
        memcpy(subject->parties[peer->index - 1].identity_key, peer->identity_key, sizeof(peer->identity_key));
    }
    if (known + 1 < token->n)
        return outcome_set(
            &change->outcome, NODE_ERROR_UNAVAILABLE,
            "node %s knows %u of the %u other nodes' identity keys, by which it would tell them from strangers; on its host: "
            "kqctl node peers with the cards of all nodes",
            node->config.name, known, (unsigned)token->n - 1);
    (void)snprintf(own->name, sizeof(own->name), "%s", node->config.name);
    memcpy(own->identity_key, node->identity_key, sizeof(own->identity_key));
    return true;
}

static int read_identity(const Node *node, Secret **ret_seed, Problem *problem)
{
    int r = keyring_identity_read(node->ring, ret_seed, problem);

    return r == 0 ? 0 : problem_prefix(problem, r < 0 ? r : -ENOKEY, "the identity key");
}

/* In the lane's thread. */
static int sign(void *userdata, const Bytes *statement, uint8_t ret_signature[RUN_SIGNATURE_SIZE], Problem *problem)
{
    _cleanup_secret_ Secret *seed = NULL;
    int r = read_identity(((NodeRun *)userdata)->node, &seed, problem);

    if (r < 0)
        return r;
    r = identity_sign(seed, statement, ret_signature);
    return r < 0 ? problem_set(problem, r, "nothing can be signed with the identity key: %s", strerror(-r)) : 0;
}

/* In the lane's thread. */
static int use_share(void *userdata, RunUse use, void *context, Problem *problem)
{
    const NodeRun *run = userdata;
    bool used = false;
    int r = keyring_share_use(run->loaded->share, use, context, &used, problem);

    return used || r <= 0 ? r : problem_set(problem, -EAGAIN, "the share of this key is not in the ring any more");
}

/* What it is about, besides its kind. */
static bool read_subject(Change *change, NodeRun *run, RunSubject *subject)
{
    const NodeBeginRunInput *input = change->parameters;
    Node *node = change->node;

    subject->nodes = ((uint32_t)1 << subject->n) - 1;
    if (!run_kind_needs_approval(subject->kind))
        return true;
    if (!run_of_key_read(node, input, &run->of_key, &change->outcome))
        return false;
    run->approved = approvals_has(&node->approvals, &run->of_key.approval, lock_now());
    change->key = run->of_key.approval.key;
    change->has_key = true;
    subject->nodes = run->of_key.nodes;
    subject->lost = run->of_key.approval.lost;
    subject->common = &run->of_key.common;
    subject->approved = run->approved;
    subject->use_share = run->of_key.has_share ? use_share : NULL;
    return true;
}

static bool begin_begin(Change *change)
{
    const NodeBeginRunInput *input = change->parameters;
    RunChange *run_change = (RunChange *)change;
    const StoredToken *token = &change->node->token;
    RunSubject *subject = &run_change->subject;

    subject->kind = run_kind_by_name(input->kind);
    subject->n = (unsigned)token->n;
    subject->k = (unsigned)token->k;
    subject->index = (unsigned)token->index;
    memcpy(subject->token, token->token.data, sizeof(subject->token));
    if (!has_room(change) || !read_parties(change, subject))
        return false;
    run_change->run = calloc(1, sizeof(*run_change->run));
    if (!run_change->run || node_record_copy(&input->record, &run_change->run->record) < 0)
        return no_memory(change);
    run_change->run->node = change->node;
    run_change->run->index = subject->index;
    (void)snprintf(run_change->run->client, sizeof(run_change->run->client), "%s", change->client->name);
    subject->record = &run_change->run->record;
    subject->sign = sign;
    subject->userdata = run_change->run;
    return read_subject(change, run_change->run, subject);
}

/* The loader has the key that is in force now; others know this node by the one that it had at its start. */
static int load_identity(Node *node, Problem *problem)
{
    _cleanup_secret_ Secret *seed = NULL;
    uint8_t public_key[NODE_PUBLIC_KEY_SIZE];
    int r = loader_client_load_identity(node->loader, problem);

    if (r != 0)
        return problem_prefix(problem, r < 0 ? r : -EKEYREJECTED, "the identity key cannot be loaded");
    r = read_identity(node, &seed, problem);
    if (r < 0)
        return r;
    r = identity_public(seed, public_key);
    if (r < 0)
        return problem_set(problem, r, "the identity key cannot be used: %s", strerror(-r));
    if (memcmp(public_key, node->identity_key, sizeof(public_key)) != 0)
        return problem_set(problem, -EKEYREJECTED,
                           "the identity key is not the one that node %s had when it was started, and whose public half is on its card: "
                           "restart keyquorum-node",
                           node->config.name);
    return 0;
}

static void work_begin(Change *change)
{
    RunChange *run_change = (RunChange *)change;
    NodeRun *run = run_change->run;
    Problem problem = PROBLEM_INIT;
    int r = ed25519_group_init(&problem);

    if (r == 0)
        r = load_identity(change->node, &problem);
    if (r == 0 && run->of_key.has_share &&
        !loading_load(change->node, &run->of_key.approval.key, &run->of_key.common, &run->loaded, &change->outcome))
        return;
    if (r == 0)
        r = crypto_random(run->name, sizeof(run->name));
    if (r == 0)
        r = run_new(&run_change->subject, &run->run, &run_change->messages, &problem);
    if (r != 0)
        (void)outcome_set(&change->outcome, NODE_ERROR_UNAVAILABLE, "%s", problem.text);
}

static void done_begin(Change *change)
{
    RunChange *run_change = (RunChange *)change;
    NodeRun *run = run_change->run;
    Node *node = change->node;

    if (change->outcome.error != NODE_ERROR_NONE)
        return;
    if (sd_event_add_time(node->event, &run->expiry, CLOCK_MONOTONIC, clock_now() + RUN_EXPIRY, 0, on_expiry, run) < 0) {
        (void)no_memory(change);
        return;
    }
    run->next = node->runs;
    node->runs = TAKE_PTR(run_change->run);
}

/* The run is the newest of the list: changes of one lane are answered in order. */
static int reply_begin(Change *change)
{
    RunMessages *messages = &((RunChange *)change)->messages;
    const NodeBeginRunOutput output = {
        .run = {change->node->runs->name, NODE_RUN_SIZE},
        .messages = {messages->items, messages->count},
    };

    return server_call_reply(change->call, &output);
}

static const ChangeClass begin_run = {.what = "begins a run",
                                      .begin = begin_begin,
                                      .work = work_begin,
                                      .done = done_begin,
                                      .reply = reply_begin,
                                      .clear = clear_begin,
                                      .quiet = true};

int op_begin_run(Node *node, ServerCall *call, Client *client, const void *parameters)
{
    const NodeBeginRunInput *input = parameters;
    const RunKind *kind = run_kind_by_name(input->kind);
    const char *wrong = !kind ? "kind" : input->record.version < 1 ? "record.version" : run_of_key_find_wrong(input);

    if (wrong)
        return server_call_invalid(call, wrong);
    if (!(client->permissions & 1u << run_kind_permission(kind)))
        return op_refuse_permission(node, call, client, "BeginRun", run_kind_permission(kind));
    return op_change(node->key_lane, sizeof(RunChange), &begin_run, node, call, client, parameters, NULL);
}

/* ---- ContinueRun -------------------------------------------------------------------------------------------------------------------- */

/* A run is its client's, on whatever connection. */
static NodeRun *find(const Node *node, const Client *client, const Bytes *name)
{
    NodeRun *run = node->runs;

    while (run && (memcmp(run->name, name->data, sizeof(run->name)) != 0 || strcmp(run->client, client->name) != 0))
        run = run->next;
    return run;
}

static bool begin_continue(Change *change)
{
    const NodeContinueRunInput *input = change->parameters;
    NodeRun *run = find(change->node, change->client, &input->run);

    if (!run)
        return outcome_set(&change->outcome, NODE_ERROR_UNKNOWN_RUN,
                           "there is no such run: it is over, was not continued for %llu seconds, or this node has started anew",
                           (unsigned long long)(RUN_EXPIRY / MICROSECONDS_PER_SECOND));
    run->busy = true;
    ((RunChange *)change)->run = run;
    return true;
}

static int take_result(RunChange *run_change, const RunResult *result)
{
    if (!result->share)
        return bytes_copy(result->common->data, result->common->size, &run_change->header);
    return sealed_share_new(result->common, run_change->run->index, run_change->change.node->sealing_key, result->share,
                            &run_change->sealed);
}

static void work_continue(Change *change)
{
    const NodeContinueRunInput *input = change->parameters;
    RunChange *run_change = (RunChange *)change;
    Run *run = run_change->run->run;
    Problem problem = PROBLEM_INIT;
    RunResult result;
    int r = run_step(run, &input->messages, &run_change->messages, &problem);

    if (r != 0) {
        set_outcome(change, run, r, &problem);
        return;
    }
    run_change->over = run_result(run, &result);
    r = run_change->over ? take_result(run_change, &result) : 0;
    if (r < 0)
        (void)outcome_set(&change->outcome, NODE_ERROR_UNAVAILABLE, "the share cannot be sealed: %s", strerror(-r));
}

/* The call goes over to the change that stores the key. */
static void store(Change *change)
{
    RunChange *run_change = (RunChange *)change;
    NodeRun *run = run_change->run;
    const Approval *of = &run->of_key.approval;
    const KeyId *refreshed = of->kind == NODE_RUN_REFRESH ? &of->key : NULL;

    if (run_change->sealed.size == 0)
        return;
    if (op_store_made_share(change->node, change->call, change->client, refreshed, &run_change->sealed, &run->record) == 0)
        change->call = NULL;
    else
        (void)no_memory(change);
}

/* Before anything is given away. What was said in round 0 must be so still. */
static void take_part(Change *change, const NodeRun *run)
{
    const bool of_key = run->of_key.common.size > 0;

    if (of_key && !op_take_part(change->node, change->client, &run->of_key.approval, run->approved))
        (void)outcome_set(&change->outcome, NODE_ERROR_RUN_FAILED,
                          "what node %s's operator had approved was used for another run, was withdrawn or has expired meanwhile",
                          change->node->config.name);
}

static void done_continue(Change *change)
{
    RunChange *run_change = (RunChange *)change;
    NodeRun *run = run_change->run;

    run->busy = false;
    if (change->outcome.error == NODE_ERROR_NONE && run_gives(run->run))
        take_part(change, run);
    if (change->outcome.error == NODE_ERROR_NONE && !run_change->over && arm(run) < 0)
        (void)no_memory(change);
    if (change->outcome.error == NODE_ERROR_NONE && !run_change->over)
        return;
    if (change->outcome.error == NODE_ERROR_NONE)
        store(change);
    (void)node_run_free(take(run));
}

static int reply_continue(Change *change)
{
    RunChange *run_change = (RunChange *)change;
    const NodeContinueRunOutput output = {
        .messages = {run_change->messages.items, run_change->messages.count},
        .header = run_change->header,
    };

    return server_call_reply(change->call, &output);
}

static const ChangeClass continue_run = {.what = "continues a run",
                                         .begin = begin_continue,
                                         .work = work_continue,
                                         .done = done_continue,
                                         .reply = reply_continue,
                                         .clear = clear_run_change,
                                         .quiet = true};

int op_continue_run(Node *node, ServerCall *call, Client *client, const void *parameters)
{
    return op_change(node->key_lane, sizeof(RunChange), &continue_run, node, call, client, parameters, NULL);
}

/* ---- EndRun ---------------------------------------------------------------------------------------------------------------------------
 */

/* In the lane, so no step of it is being taken. One that is over already is as good. */
static bool begin_end(Change *change)
{
    const NodeRunInput *input = change->parameters;
    NodeRun *run = find(change->node, change->client, &input->run);

    if (run)
        (void)node_run_free(take(run));
    return false;
}

static const ChangeClass end_run = {.what = "ends a run", .begin = begin_end, .quiet = true};

int op_end_run(Node *node, ServerCall *call, Client *client, const void *parameters)
{
    return op_change(node->key_lane, sizeof(RunChange), &end_run, node, call, client, parameters, NULL);
}
