#include "node/jobs.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/eventfd.h>

/* How far a thread looks for the other half of a pair. */
#define PAIR_SEARCH_MAX 16

typedef struct Queue {
    Job *first, **end;
} Queue;

struct Jobs {
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    Queue waiting, finished; /* under the mutex */
    bool stop;
    int event_fd; /* readable when `finished` is not empty */
    sd_event_source *source;
    unsigned outstanding; /* the loop's */
    unsigned n_threads;
    pthread_t threads[];
};

static void queue_push(Queue *queue, Job *job)
{
    job->next = NULL;
    *queue->end = job;
    queue->end = &job->next;
}

/* Take out the job at `link`, a next pointer of this queue. */
static Job *queue_take(Queue *queue, Job **link)
{
    Job *job = *link;

    *link = job->next;
    if (!job->next)
        queue->end = link;
    job->next = NULL;
    return job;
}

static Job *take_partner(Queue *queue, const Job *job)
{
    Job **link = &queue->first;

    if (!job->class->pairs)
        return NULL;
    for (unsigned i = 0; *link && i < PAIR_SEARCH_MAX; i++, link = &(*link)->next)
        if ((*link)->class == job->class && job->class->pairs(job, *link))
            return queue_take(queue, link);
    return NULL;
}

/* Outside the lock, so that the loop does not wake up only to wait for it. A counter this far from overflow always takes one more. */
static void tell_loop(Jobs *jobs)
{
    const uint64_t one = 1;

    if (write(jobs->event_fd, &one, sizeof(one)) < 0)
        abort();
}

static bool finish(Jobs *jobs, Job *job, Job *partner)
{
    const bool first = !jobs->finished.first;

    queue_push(&jobs->finished, job);
    if (partner)
        queue_push(&jobs->finished, partner);
    return first;
}

/* Comes and goes with the lock held. */
static void work(Jobs *jobs)
{
    Job *job = queue_take(&jobs->waiting, &jobs->waiting.first);
    Job *partner = take_partner(&jobs->waiting, job);

    (void)pthread_mutex_unlock(&jobs->mutex);
    if (partner)
        job->class->work_pair(job, partner);
    else
        job->class->work(job);
    (void)pthread_mutex_lock(&jobs->mutex);
    if (!finish(jobs, job, partner))
        return;
    (void)pthread_mutex_unlock(&jobs->mutex);
    tell_loop(jobs);
    (void)pthread_mutex_lock(&jobs->mutex);
}

static void *thread_main(void *argument)
{
    Jobs *jobs = argument;

    (void)pthread_mutex_lock(&jobs->mutex);
    while (!jobs->stop) {
        if (jobs->waiting.first)
            work(jobs);
        else
            (void)pthread_cond_wait(&jobs->wake, &jobs->mutex);
    }
    (void)pthread_mutex_unlock(&jobs->mutex);
    return NULL;
}

static Queue take_finished(Jobs *jobs)
{
    Queue finished;
    uint64_t count;

    (void)pthread_mutex_lock(&jobs->mutex);
    if (read(jobs->event_fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
        abort();
    finished = jobs->finished;
    jobs->finished = (Queue){NULL, &jobs->finished.first};
    (void)pthread_mutex_unlock(&jobs->mutex);
    return finished;
}

static int on_finished(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    Jobs *jobs = userdata;
    Queue finished = take_finished(jobs);

    for (Job *job = finished.first, *next; job; job = next) {
        next = job->next;
        jobs->outstanding--;
        job->class->done(job);
    }
    return 0;
}

static int start_threads(Jobs *jobs, unsigned threads)
{
    for (; jobs->n_threads < threads; jobs->n_threads++) {
        int r = pthread_create(&jobs->threads[jobs->n_threads], NULL, thread_main, jobs);

        if (r != 0)
            return -r;
    }
    return 0;
}

int jobs_new(sd_event *event, unsigned threads, Jobs **ret_jobs)
{
    _cleanup_(jobs_freep) Jobs *jobs = calloc(1, sizeof(*jobs) + threads * sizeof(jobs->threads[0]));

    if (!jobs)
        return -ENOMEM;
    (void)pthread_mutex_init(&jobs->mutex, NULL);
    (void)pthread_cond_init(&jobs->wake, NULL);
    jobs->waiting.end = &jobs->waiting.first;
    jobs->finished.end = &jobs->finished.first;
    jobs->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (jobs->event_fd < 0)
        return -errno;

    int r = sd_event_add_io(event, &jobs->source, jobs->event_fd, EPOLLIN, on_finished, jobs);

    if (r >= 0)
        r = start_threads(jobs, threads);
    if (r < 0)
        return r;
    *ret_jobs = TAKE_PTR(jobs);
    return 0;
}

Jobs *jobs_free(Jobs *jobs)
{
    if (!jobs)
        return NULL;
    (void)pthread_mutex_lock(&jobs->mutex);
    jobs->stop = true;
    (void)pthread_cond_broadcast(&jobs->wake);
    (void)pthread_mutex_unlock(&jobs->mutex);
    for (unsigned i = 0; i < jobs->n_threads; i++)
        (void)pthread_join(jobs->threads[i], NULL);
    (void)sd_event_source_unref(jobs->source);
    cleanup_close(&jobs->event_fd);
    (void)pthread_cond_destroy(&jobs->wake);
    (void)pthread_mutex_destroy(&jobs->mutex);
    free(jobs);
    return NULL;
}

void jobs_submit(Jobs *jobs, Job *job)
{
    jobs->outstanding++;
    (void)pthread_mutex_lock(&jobs->mutex);
    queue_push(&jobs->waiting, job);
    (void)pthread_mutex_unlock(&jobs->mutex);
    (void)pthread_cond_signal(&jobs->wake);
}

unsigned jobs_outstanding(const Jobs *jobs)
{
    return jobs->outstanding;
}
