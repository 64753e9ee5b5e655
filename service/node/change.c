#include "node/change.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "node/log.h"
#include "node/node.h"
#include "node/ops.h"

struct Lane {
    Jobs *jobs; /* one thread */
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

static void log_change(const Change *change)
{
    const Outcome *outcome = &change->outcome;
    char key[2 * KEY_ID_SIZE + 1] = "";
    const bool well = outcome->error == NODE_ERROR_NONE, warned = outcome->problem.text[0] != '\0';

    if (well && change->class->quiet && !warned)
        return;
    if (change->has_key)
        key_id_format(&change->key, key);
    node_log(well && !warned ? LOG_NOTICE : LOG_WARNING, "%s %s%s%s: %s%s%s", change->client ? change->client->name : "node",
             change->class->what, *key ? " " : "", key, well ? "done" : node_error_name(outcome->error), warned ? ": " : "",
             outcome->problem.text);
}

static void release(Change *change)
{
    if (change->class->clear)
        change->class->clear(change);
    (void)client_unref(change->client);
    free(change);
}

static void answer(Change *change)
{
    log_change(change);
    if (change->call)
        (void)op_answer(change->call, &change->outcome);
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

static void advance(Lane *lane)
{
    if (must_stop(lane))
        return;
    while (!lane->current && lane->first) {
        Change *change = lane->first;

        lane->first = change->next;
        if (!lane->first)
            lane->end = &lane->first;
        if (change->class->begin(change)) {
            lane->current = change;
            jobs_submit(lane->jobs, &change->job);
        } else {
            answer(change);
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

int lane_new(sd_event *event, void (*idle)(Node *node), Node *node, Lane **ret_lane)
{
    _cleanup_(lane_freep) Lane *lane = calloc(1, sizeof(*lane));

    if (!lane)
        return -ENOMEM;
    lane->end = &lane->first;
    lane->idle = idle;
    lane->node = node;

    int r = jobs_new(event, 1, &lane->jobs);

    if (r == 0)
        *ret_lane = TAKE_PTR(lane);
    return r;
}

Lane *lane_free(Lane *lane)
{
    if (!lane)
        return NULL;
    jobs_freep(&lane->jobs);
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
