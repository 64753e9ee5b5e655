#include "node/change.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/journal.h"
#include "node/bus.h"
#include "node/node.h"
#include "node/ops.h"

struct Lane {
    CrewQueue *queue; /* of one at a time */
    Change *current;
    Change *first, **end; /* waiting */
    void (*idle)(Node *node);
    Node *node;
};

bool outcome_set(Outcome *outcome, NodeError error, const char *format, ...)
{
    char text[PROBLEM_SIZE_MAX];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    outcome->error = error;
    (void)problem_set(&outcome->problem, 0, "%s", text);
    return false;
}

/* ---- The log ----------------------------------------------------------------------------------------------------------------- */

/* Before a change the key may be new, afterwards it may be gone. */
static void note_label(Change *change)
{
    const Key *key = change->has_key && !change->label ? keys_find(&change->node->keys, &change->key) : NULL;

    if (key && key->stored.has_record)
        change->label = strdup(key->stored.record.private_label);
}

const char *outcome_name(const Outcome *outcome)
{
    const char *name = outcome->error == NODE_ERROR_NONE ? "done" : node_error_name(outcome->error);
    const char *last = strrchr(name, '.');

    return last ? last + 1 : name;
}

static JournalEvent event_of(const Change *change)
{
    const NodeError error = change->outcome.error;

    if (error == NODE_ERROR_NONE)
        return change->class->event;
    for (const ChangeFailure *failure = change->class->failures; failure && failure->error != NODE_ERROR_NONE; failure++)
        if (failure->error == error)
            return failure->event;
    return EVENT_CHANGE_FAILED;
}

static void log_outcome(const Change *change, const char *key)
{
    const char *client = change->client ? change->client->name : NULL, *reason = change->outcome.problem.text;
    const char *result = outcome_name(&change->outcome);
    const JournalFields fields = {
        [JOURNAL_CLIENT] = client,       [JOURNAL_KEY] = *key ? key : NULL,
        [JOURNAL_LABEL] = change->label, [JOURNAL_OPERATION] = change->class->what,
        [JOURNAL_RESULT] = result,       [JOURNAL_REASON] = *reason ? reason : NULL,
    };

    journal_event(event_of(change), fields, "%s %s%s%s: %s%s%s", client ? client : "node", change->class->what, *key ? " " : "", key,
                  result, *reason ? ": " : "", reason);
}

/* Whoever can ask from elsewhere can ask often, and a share that cannot be loaded is loaded each time. */
static bool is_repeated(const Change *change)
{
    const Client *client = change->client;
    const bool bounded = client ? client->door != DOOR_GATE : change->outcome.error != NODE_ERROR_UNAVAILABLE;

    return !bounded &&
           !repeats_first(change->node->repeats, client ? client->name : "", change->class->what, outcome_name(&change->outcome));
}

/* What was done, each time; what was so already or went wrong, where somebody asked for it. */
static bool is_told(const Change *change)
{
    const bool well = change->outcome.error == NODE_ERROR_NONE;

    if (well && (change->class->quiet || (!change->begun && !change->client)))
        return false;
    return (well && change->begun) || !is_repeated(change);
}

/* What a caller did wrong says nothing about the node. */
static bool is_own_fault(NodeError error)
{
    return error == NODE_ERROR_NONE || error == NODE_ERROR_UNAVAILABLE || error == NODE_ERROR_KEY_UNUSABLE;
}

static void log_change(Change *change)
{
    const bool well = change->outcome.error == NODE_ERROR_NONE, warned = change->outcome.problem.text[0] != '\0';
    char key[2 * KEY_ID_SIZE + 1] = "";

    note_label(change);
    if (change->has_key)
        key_id_format(&change->key, key);
    if (is_told(change))
        log_outcome(change, key);
    if (well && warned)
        journal_log(LOG_WARNING, "%s%s%s: %s", change->class->what, *key ? " " : "", key, change->outcome.problem.text);
    if (warned && is_own_fault(change->outcome.error))
        bus_error(change->node, change->outcome.problem.text);
}

/* ---- Changes ------------------------------------------------------------------------------------------------------------------ */

static void release(Change *change)
{
    if (change->class->clear)
        change->class->clear(change);
    (void)client_unref(change->client);
    free(change->label);
    free(change);
}

static void answer(Change *change)
{
    log_change(change);
    if (change->call) {
        bus_changed(change->node);
        (void)(change->class->reply && change->outcome.error == NODE_ERROR_NONE ? change->class->reply(change)
                                                                                : op_answer(change->call, &change->outcome));
    }
    release(change);
}

/* What is in memory may not be what is on the disk: the next start looks. */
static bool must_stop(Lane *lane)
{
    if (!store_in_doubt(lane->node->store))
        return false;
    (void)sd_event_exit(lane->node->event, -EIO);
    return true;
}

/* It waited in the lane while its caller lost the authorization for it. */
static bool is_withdrawn(Change *change)
{
    return change->client && client_withdrawn(change->client, &change->outcome);
}

static void advance(Lane *lane)
{
    if (must_stop(lane))
        return;
    while (!lane->current && lane->first) {
        Change *change = lane->first;

        lane->first = change->next;
        if (!lane->first)
            lane->end = &lane->first;
        note_label(change);
        if (is_withdrawn(change) || !change->class->begin(change)) {
            answer(change);
        } else {
            change->begun = true;
            lane->current = change;
            crew_submit(lane->queue, &change->job);
        }
    }
    if (!lane->current && lane->idle)
        lane->idle(lane->node);
}

static void work(Job *job)
{
    Change *change = (Change *)job;

    change->class->work(change);
}

static void done(Job *job)
{
    Change *change = (Change *)job;
    Lane *lane = change->lane;

    change->class->done(change);
    lane->current = NULL;
    answer(change);
    advance(lane);
}

static const JobClass change_job = {.work = work, .done = done};

int lane_new(Crew *crew, void (*idle)(Node *node), Node *node, Lane **ret_lane)
{
    _cleanup_(lane_freep) Lane *lane = calloc(1, sizeof(*lane));

    if (!lane)
        return -ENOMEM;
    lane->end = &lane->first;
    lane->idle = idle;
    lane->node = node;

    int r = crew_add_queue(crew, 1, &lane->queue);

    if (r == 0)
        *ret_lane = TAKE_PTR(lane);
    return r;
}

Lane *lane_free(Lane *lane)
{
    if (!lane)
        return NULL;
    if (lane->current)
        release(lane->current);
    for (Change *change = lane->first, *next; change; change = next) {
        next = change->next;
        release(change);
    }
    free(lane);
    return NULL;
}

bool lane_busy(const Lane *lane)
{
    return lane->current;
}

void *change_new(size_t size, const ChangeClass *class, Node *node, ServerCall *call, Client *client, const void *parameters)
{
    Change *change = calloc(1, size);

    if (!change)
        return NULL;
    change->job.class = &change_job;
    change->class = class;
    change->node = node;
    change->call = call;
    change->client = client ? client_ref(client) : NULL;
    change->parameters = parameters;
    return change;
}

void lane_submit(Lane *lane, Change *change)
{
    change->lane = lane;
    *lane->end = change;
    lane->end = &change->next;
    advance(lane);
}
