#include "base/journal.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#include "base/journal-entry.h"
#include "base/journal-sink.h"

#define NODE_NAME_MAX 64
#define TICK          100 /* milliseconds: how long an entry is offered before we look whether to go on */
#define STOP_SECONDS  1   /* how long the end waits for the journal, and then once more for the thread */

static char node_name[NODE_NAME_MAX + 1];
static _Atomic int level = LOG_INFO;
static _Atomic uint64_t lost;  /* entries that nobody has been told of */
static _Atomic pid_t owner;    /* the process whose entries go through the queue; 0: none */
static _Atomic bool abandoned; /* the thread is to give up */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t wake, end; /* of the thread */
    JournalEntry *first, *last;
    unsigned n;
    pthread_t thread;
    bool running, stopping;
} queue = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER, .end = PTHREAD_COND_INITIALIZER};

/* ---- Entries ------------------------------------------------------------------------------------------------------------------ */

static JournalEntry *_printf_(3, 0) make_event(JournalEvent event, const JournalFields fields, const char *format, va_list arguments)
{
    const JournalEventRow *row = journal_event_row(event);
    const JournalContent content = {row->priority, row->id, node_name, fields};

    return journal_entry_new(journal_is_native(), &content, format, arguments);
}

static JournalEntry *_printf_(2, 3) make_lost(uint64_t count, const char *format, ...)
{
    char number[24];
    va_list arguments;

    (void)snprintf(number, sizeof(number), "%llu", (unsigned long long)count);
    va_start(arguments, format);

    JournalEntry *entry = make_event(EVENT_LOST, (JournalFields){[JOURNAL_COUNT] = number}, format, arguments);

    va_end(arguments);
    return entry;
}

/* ---- The thread ---------------------------------------------------------------------------------------------------------------- */

static bool deliver(JournalSink *sink, const JournalEntry *entry)
{
    int r;

    do
        r = journal_sink_send(sink, entry->data, entry->size, TICK);
    while (r == -EAGAIN && !abandoned);
    return r == 0;
}

/* Entries are taken again: say how many were not. */
static void tell_lost(JournalSink *sink)
{
    const uint64_t count = atomic_exchange(&lost, 0);

    if (count == 0)
        return;

    _cleanup_free_ JournalEntry *entry =
        make_lost(count, "%llu entries of the log are lost: the log was not read for too long", (unsigned long long)count);

    if (!entry || !deliver(sink, entry))
        lost += count;
}

static JournalEntry *take_first(void)
{
    JournalEntry *entry = queue.first;

    if (entry) {
        queue.first = entry->next;
        queue.n--;
    }
    return entry;
}

/* Comes and goes with the lock held. */
static void write_entry(JournalSink *sink, JournalEntry *entry)
{
    (void)pthread_mutex_unlock(&queue.lock);
    if (deliver(sink, entry))
        tell_lost(sink);
    else
        lost++;
    free(entry);
    (void)pthread_mutex_lock(&queue.lock);
}

static void *writer_main(void *unused)
{
    JournalSink sink = JOURNAL_SINK_INIT;

    (void)pthread_mutex_lock(&queue.lock);
    for (JournalEntry *entry; (entry = take_first()) || !queue.stopping;) {
        if (entry)
            write_entry(&sink, entry);
        else
            (void)pthread_cond_wait(&queue.wake, &queue.lock);
    }
    journal_sink_close(&sink);
    queue.running = false;
    (void)pthread_cond_signal(&queue.end);
    (void)pthread_mutex_unlock(&queue.lock);
    return NULL;
}

/* It takes no signals: those are for the loop. */
static bool start_writer(void)
{
    sigset_t all, before;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    queue.running = pthread_create(&queue.thread, NULL, writer_main, NULL) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return queue.running;
}

/* ---- The callers' side ----------------------------------------------------------------------------------------------------------- */

static bool append(JournalEntry *entry)
{
    if (queue.n >= JOURNAL_QUEUE_MAX || (!queue.running && !start_writer()))
        return false;
    if (queue.first)
        queue.last->next = entry;
    else
        queue.first = entry;
    queue.last = entry;
    queue.n++;
    return true;
}

static bool enqueue(JournalEntry *entry)
{
    (void)pthread_mutex_lock(&queue.lock);

    const bool taken = append(entry);

    (void)pthread_cond_signal(&queue.wake);
    (void)pthread_mutex_unlock(&queue.lock);
    return taken;
}

static bool send_at_once(JournalEntry *entry)
{
    JournalSink sink = JOURNAL_SINK_INIT;
    int r = journal_sink_send(&sink, entry->data, entry->size, TICK);

    journal_sink_close(&sink);
    free(entry);
    return r == 0;
}

/* A forked child has no thread, and the lock may be another's for ever. */
static void submit(JournalEntry *entry)
{
    const bool queued = owner == getpid();

    if (!entry) {
        lost++;
    } else if (queued && !enqueue(entry)) {
        lost++;
        free(entry);
    } else if (!queued && !send_at_once(entry)) {
        lost++;
    }
}

void journal_log(int priority, const char *format, ...)
{
    const JournalContent content = {priority, NULL, node_name, NULL};
    va_list arguments;

    if (priority > level)
        return;
    va_start(arguments, format);
    submit(journal_entry_new(journal_is_native(), &content, format, arguments));
    va_end(arguments);
}

void journal_event(JournalEvent event, const JournalFields fields, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    submit(make_event(event, fields, format, arguments));
    va_end(arguments);
}

/* ---- Settings, start and end ------------------------------------------------------------------------------------------------------ */

void journal_set_node(const char *name)
{
    (void)snprintf(node_name, sizeof(node_name), "%s", name);
}

void journal_start(void)
{
    queue.stopping = false;
    abandoned = false;
    owner = getpid();
}

/* With the lock held. */
static bool wait_for_end(void)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += STOP_SECONDS;
    for (int r = 0; queue.running && r == 0;)
        r = pthread_cond_clockwait(&queue.end, &queue.lock, CLOCK_MONOTONIC, &until);
    return !queue.running;
}

void journal_stop(void)
{
    if (owner != getpid())
        return;
    owner = 0;
    (void)pthread_mutex_lock(&queue.lock);

    const bool was_running = queue.running;

    queue.stopping = true;
    (void)pthread_cond_signal(&queue.wake);

    abandoned = !wait_for_end();

    const bool ended = !abandoned || wait_for_end();

    (void)pthread_mutex_unlock(&queue.lock);
    /* What hangs in a write ends with the process. */
    if (was_running)
        (void)(ended ? pthread_join(queue.thread, NULL) : pthread_detach(queue.thread));
}

void journal_level_set(int priority)
{
    level = priority;
}

int journal_level(void)
{
    return level;
}

bool journal_is_native(void)
{
    return journal_sink_path();
}
