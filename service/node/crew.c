#include "node/crew.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>

/* How far a thread looks for the other half of a pair. */
#define PAIR_SEARCH_MAX 16

typedef struct JobList {
    Job *first, **end;
} JobList;

struct CrewQueue {
    Crew *crew;
    CrewQueue *next;
    JobList waiting;
    unsigned limit, working;
    unsigned outstanding; /* belongs to who has the floor */
};

struct Crew {
    sd_event *event;       /* belongs to who has the floor */
    pthread_mutex_t mutex; /* for moments only: of what follows */
    pthread_cond_t wake;   /* for who rests */
    pthread_cond_t end;    /* for crew_run() */
    CrewQueue *queues;
    JobList finished; /* worked on, not done */
    bool floor;       /* somebody has it */
    bool settled;     /* the loop is armed: what happens next shows at its descriptor */
    bool watched;     /* somebody waits for that */
    bool ended;
    int result;
    unsigned resting;
    int nudge_fd;       /* readable: who waits is to come back */
    unsigned n_threads; /* these belong to the creator */
    pthread_t *threads;
};

/* ---- Lists of jobs --------------------------------------------------------------------------------------------------------------- */

static void list_init(JobList *list)
{
    *list = (JobList){NULL, &list->first};
}

static void list_push(JobList *list, Job *job)
{
    job->next = NULL;
    *list->end = job;
    list->end = &job->next;
}

/* Take out the job at `link`, a next pointer of this list. */
static Job *list_take(JobList *list, Job **link)
{
    Job *job = *link;

    *link = job->next;
    if (!job->next)
        list->end = link;
    job->next = NULL;
    return job;
}

static Job *take_partner(JobList *list, const Job *job)
{
    Job **link = &list->first;

    if (!job->class->pairs)
        return NULL;
    for (unsigned i = 0; *link && i < PAIR_SEARCH_MAX; i++, link = &(*link)->next)
        if ((*link)->class == job->class && job->class->pairs(job, *link))
            return list_take(list, link);
    return NULL;
}

/* ---- What there is to do: everything below comes and goes with the mutex held ------------------------------------------------------ */

typedef enum Task {
    TASK_NONE,
    TASK_DONE,
    TASK_WORK,
    TASK_TURN,
    TASK_WATCH,
    TASK_MAX,
} Task;

static CrewQueue *ready_queue(const Crew *crew)
{
    CrewQueue *queue = crew->queues;

    while (queue && (!queue->waiting.first || queue->working == queue->limit))
        queue = queue->next;
    return queue;
}

/* The most urgent first: an answer that is ready, then what makes one, then what others ask. */
static Task next_task(const Crew *crew)
{
    if (crew->finished.first && !crew->floor)
        return TASK_DONE;
    if (ready_queue(crew))
        return TASK_WORK;
    if (crew->floor)
        return TASK_NONE;
    return !crew->settled ? TASK_TURN : !crew->watched ? TASK_WATCH : TASK_NONE;
}

/* A counter this far from overflow always takes one more. */
static void nudge(Crew *crew)
{
    const uint64_t one = 1;

    if (write(crew->nudge_fd, &one, sizeof(one)) < 0)
        abort();
}

/* Unlock, for long. If there is something to do for another thread, call one; it does the same when it leaves, and so on. */
static void leave(Crew *crew)
{
    const bool more = next_task(crew) != TASK_NONE, resting = crew->resting > 0, watched = crew->watched;

    (void)pthread_mutex_unlock(&crew->mutex);
    if (more && resting)
        (void)pthread_cond_signal(&crew->wake);
    else if (more && watched)
        nudge(crew);
}

static void end(Crew *crew, int result)
{
    crew->ended = true;
    crew->result = result;
    (void)pthread_cond_broadcast(&crew->wake);
    (void)pthread_cond_signal(&crew->end);
    nudge(crew);
}

/* ---- The tasks ------------------------------------------------------------------------------------------------------------------- */

static void rest(Crew *crew)
{
    crew->resting++;
    (void)pthread_cond_wait(&crew->wake, &crew->mutex);
    crew->resting--;
}

/* One step of the loop, with the floor. It ends armed or with something pending; armed, its descriptor stands for every source, timers as
 * they are set now included. Errors: -errno. */
static int step(sd_event *event)
{
    int r = 0;

    if (sd_event_get_state(event) == SD_EVENT_ARMED)
        r = sd_event_wait(event, 0);
    if (r >= 0 && sd_event_get_state(event) == SD_EVENT_PENDING)
        r = sd_event_dispatch(event);
    if (r >= 0 && sd_event_get_state(event) == SD_EVENT_INITIAL)
        r = sd_event_prepare(event);
    return r < 0 ? r : 0;
}

/* The step after done() arms the timers that it has set; who waits for the loop's descriptor notices them without being woken. */
static void take_floor(Crew *crew, Job *job)
{
    int code = 0;

    crew->floor = true;
    (void)pthread_mutex_unlock(&crew->mutex);
    if (job) {
        job->queue->outstanding--;
        job->class->done(job);
    }

    int r = step(crew->event);
    int state = sd_event_get_state(crew->event);

    if (r == 0 && state == SD_EVENT_FINISHED)
        r = sd_event_get_exit_code(crew->event, &code);
    (void)pthread_mutex_lock(&crew->mutex);
    crew->floor = false;
    crew->settled = state == SD_EVENT_ARMED;
    if (r < 0 || state == SD_EVENT_FINISHED)
        end(crew, r < 0 ? r : code);
}

static void finish(Crew *crew)
{
    take_floor(crew, list_take(&crew->finished, &crew->finished.first));
}

static void turn(Crew *crew)
{
    take_floor(crew, NULL);
}

static void work(Crew *crew)
{
    CrewQueue *queue = ready_queue(crew);
    Job *job = list_take(&queue->waiting, &queue->waiting.first);
    Job *partner = take_partner(&queue->waiting, job);

    queue->working++;
    leave(crew);
    if (partner)
        job->class->work_pair(job, partner);
    else
        job->class->work(job);
    (void)pthread_mutex_lock(&crew->mutex);
    queue->working--;
    list_push(&crew->finished, job);
    if (partner)
        list_push(&crew->finished, partner);
}

static void watch(Crew *crew)
{
    struct pollfd fds[] = {{.fd = sd_event_get_fd(crew->event), .events = POLLIN}, {.fd = crew->nudge_fd, .events = POLLIN}};
    uint64_t count;

    crew->watched = true;
    leave(crew);
    if (poll(fds, ELEMENTS(fds), -1) > 0 && fds[1].revents && read(crew->nudge_fd, &count, sizeof(count)) < 0)
        abort();
    (void)pthread_mutex_lock(&crew->mutex);
    crew->watched = false;
    crew->settled = false;
}

static void *thread_main(void *argument)
{
    static void (*const tasks[TASK_MAX])(Crew *) = {
        [TASK_NONE] = rest, [TASK_DONE] = finish, [TASK_WORK] = work, [TASK_TURN] = turn, [TASK_WATCH] = watch,
    };
    Crew *crew = argument;

    (void)pthread_mutex_lock(&crew->mutex);
    while (!crew->ended)
        tasks[next_task(crew)](crew);
    (void)pthread_mutex_unlock(&crew->mutex);
    return NULL;
}

/* ---- Beginning and end ------------------------------------------------------------------------------------------------------------- */

static int add_threads(Crew *crew, unsigned count)
{
    pthread_t *threads = reallocarray(crew->threads, crew->n_threads + count, sizeof(*threads));

    if (!threads)
        return -ENOMEM;
    crew->threads = threads;
    for (; count > 0; count--, crew->n_threads++) {
        int r = pthread_create(&threads[crew->n_threads], NULL, thread_main, crew);

        if (r != 0)
            return -r;
    }
    return 0;
}

int crew_new(sd_event *event, Crew **ret_crew)
{
    _cleanup_(crew_freep) Crew *crew = calloc(1, sizeof(*crew));

    if (!crew)
        return -ENOMEM;
    *crew = (Crew){.event = sd_event_ref(event), .floor = true, .nudge_fd = eventfd(0, EFD_CLOEXEC)};
    (void)pthread_mutex_init(&crew->mutex, NULL);
    (void)pthread_cond_init(&crew->wake, NULL);
    (void)pthread_cond_init(&crew->end, NULL);
    list_init(&crew->finished);
    if (crew->nudge_fd < 0)
        return -errno;

    int r = add_threads(crew, 1);

    if (r == 0)
        *ret_crew = TAKE_PTR(crew);
    return r;
}

static void stop_threads(Crew *crew)
{
    (void)pthread_mutex_lock(&crew->mutex);
    crew->ended = true;
    (void)pthread_cond_broadcast(&crew->wake);
    (void)pthread_mutex_unlock(&crew->mutex);
    for (unsigned i = 0; i < crew->n_threads; i++)
        (void)pthread_join(crew->threads[i], NULL);
}

Crew *crew_free(Crew *crew)
{
    if (!crew)
        return NULL;
    stop_threads(crew);
    for (CrewQueue *queue = crew->queues, *next; queue; queue = next) {
        next = queue->next;
        free(queue);
    }
    cleanup_close(&crew->nudge_fd);
    (void)pthread_cond_destroy(&crew->end);
    (void)pthread_cond_destroy(&crew->wake);
    (void)pthread_mutex_destroy(&crew->mutex);
    (void)sd_event_unref(crew->event);
    free(crew->threads);
    free(crew);
    return NULL;
}

int crew_add_queue(Crew *crew, unsigned limit, CrewQueue **ret_queue)
{
    CrewQueue *queue = calloc(1, sizeof(*queue));

    if (!queue)
        return -ENOMEM;
    *queue = (CrewQueue){.crew = crew, .limit = limit};
    list_init(&queue->waiting);
    (void)pthread_mutex_lock(&crew->mutex);
    queue->next = crew->queues;
    crew->queues = queue;
    (void)pthread_mutex_unlock(&crew->mutex);
    *ret_queue = queue;
    return add_threads(crew, limit);
}

int crew_run(Crew *crew)
{
    (void)pthread_mutex_lock(&crew->mutex);
    crew->floor = false;
    (void)pthread_cond_signal(&crew->wake);
    while (!crew->ended)
        (void)pthread_cond_wait(&crew->end, &crew->mutex);
    crew->floor = true;
    (void)pthread_mutex_unlock(&crew->mutex);
    return crew->result;
}

void crew_submit(CrewQueue *queue, Job *job)
{
    Crew *crew = queue->crew;

    job->queue = queue;
    queue->outstanding++;
    (void)pthread_mutex_lock(&crew->mutex);
    list_push(&queue->waiting, job);
    (void)pthread_mutex_unlock(&crew->mutex);
}

unsigned crew_outstanding(const CrewQueue *queue)
{
    return queue->outstanding;
}
