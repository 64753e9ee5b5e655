/* The node's threads: order, pairs, who has the floor, what becomes of the loop meanwhile, and the end. */
#include "node/crew.h"
#include "unit.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#define JOBS   20
#define ROUNDS 200

typedef struct TestJob {
    Job job;
    unsigned number, kind;
    bool paired;
} TestJob;

static sd_event *event;
static Crew *crew;
static sem_t may_go;                           /* some jobs wait for it */
static atomic_int on_floor;                    /* threads that believe they have it */
static unsigned order[JOBS], n_worked, n_done; /* n_done and what the tests below count without atomics: with the floor */

static void enter_floor(void)
{
    ck_assert_int_eq(atomic_fetch_add(&on_floor, 1), 0);
}

static void leave_floor(void)
{
    ck_assert_int_eq(atomic_fetch_sub(&on_floor, 1), 1);
}

static void begin(void)
{
    ck_assert_int_eq(sem_init(&may_go, 0, 0), 0);
    ck_assert_int_ge(sd_event_new(&event), 0);
    ck_assert_int_eq(crew_new(event, &crew), 0);
}

static CrewQueue *begin_with(unsigned limit)
{
    CrewQueue *queue;

    begin();
    ck_assert_int_eq(crew_add_queue(crew, limit, &queue), 0);
    return queue;
}

static void end(void)
{
    (void)crew_free(crew);
    (void)sd_event_unref(event);
}

static void submit(CrewQueue *queue, TestJob *test, const JobClass *class, unsigned number, unsigned kind)
{
    *test = (TestJob){.job.class = class, .number = number, .kind = kind};
    crew_submit(queue, &test->job);
}

static void add_timer(uint64_t delay, sd_event_time_handler_t handler, void *userdata, sd_event_source **ret_source)
{
    uint64_t now;

    ck_assert_int_ge(sd_event_now(event, CLOCK_MONOTONIC, &now), 0);
    ck_assert_int_ge(sd_event_add_time(event, ret_source, CLOCK_MONOTONIC, now + delay, 1, handler, userdata), 0);
}

static int on_time_end(sd_event_source *source, uint64_t now, void *userdata)
{
    return sd_event_exit(event, 0);
}

/* ---- Order and pairs --------------------------------------------------------------------------------------------------------- */

static void note(TestJob *job, bool paired)
{
    order[n_worked++] = job->number;
    job->paired = paired;
}

/* The first waits, so that the others are in the queue. */
static void work_in_order(Job *job)
{
    TestJob *test = (TestJob *)job;

    if (test->number == 0)
        (void)sem_wait(&may_go);
    note(test, false);
}

static void work_pair(Job *a, Job *b)
{
    note((TestJob *)a, true);
    note((TestJob *)b, true);
}

static bool pairs(const Job *a, const Job *b)
{
    return ((const TestJob *)a)->kind == ((const TestJob *)b)->kind;
}

static void done_last_ends(Job *job)
{
    enter_floor();
    if (++n_done == JOBS)
        (void)sd_event_exit(event, 7);
    leave_floor();
}

static const JobClass single = {.work = work_in_order, .done = done_last_ends};
static const JobClass paired = {.work = work_in_order, .done = done_last_ends, .pairs = pairs, .work_pair = work_pair};

START_TEST(one_thread_keeps_the_order)
{
    CrewQueue *queue = begin_with(1);
    TestJob tests[JOBS];

    for (unsigned i = 0; i < JOBS; i++)
        submit(queue, &tests[i], &single, i, 0);
    ck_assert_uint_eq(crew_outstanding(queue), JOBS);
    (void)sem_post(&may_go);
    ck_assert_int_eq(crew_run(crew), 7);
    ck_assert_uint_eq(crew_outstanding(queue), 0);
    for (unsigned i = 0; i < JOBS; i++)
        ck_assert_uint_eq(order[i], i);
    end();
}
END_TEST

/* Kinds 0 1 0 1 … behind a first job of a third kind: 1 goes with 3, 2 with 4, and so on; nobody is forgotten. */
START_TEST(a_thread_takes_two_that_pair)
{
    CrewQueue *queue = begin_with(1);
    TestJob tests[JOBS];
    const unsigned expected[] = {0, 1, 3, 2, 4, 5, 7, 6, 8, 9, 11, 10, 12, 13, 15, 14, 16, 17, 19, 18};

    submit(queue, &tests[0], &single, 0, 2);
    for (unsigned i = 1; i < JOBS; i++)
        submit(queue, &tests[i], &paired, i, i % 2);
    (void)sem_post(&may_go);
    ck_assert_int_eq(crew_run(crew), 7);
    for (unsigned i = 0; i < JOBS; i++)
        ck_assert_uint_eq(order[i], expected[i]);
    for (unsigned i = 1; i < JOBS - 2; i++)
        ck_assert(tests[i].paired);
    ck_assert(tests[17].paired && tests[19].paired && !tests[18].paired);
    end();
}
END_TEST

/* ---- The floor ---------------------------------------------------------------------------------------------------------------- */

static unsigned n_ticks;

static int on_tick(sd_event_source *source, uint64_t now, void *userdata)
{
    enter_floor();
    n_ticks++;
    leave_floor();
    ck_assert_int_ge(sd_event_source_set_time(source, now + 10), 0);
    return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static void work_counted(Job *job)
{
    ((TestJob *)job)->number++;
}

static void done_goes_on(Job *job)
{
    TestJob *test = (TestJob *)job;

    enter_floor();
    ck_assert_uint_eq(test->number, ++test->kind);
    if (test->kind < ROUNDS)
        crew_submit(job->queue, job);
    else if (++n_done == JOBS)
        (void)sd_event_exit(event, 0);
    leave_floor();
}

/* The loop has something to do all the time, and the jobs are done all the same. */
START_TEST(many_threads_do_everything_once)
{
    static const JobClass counted = {.work = work_counted, .done = done_goes_on};
    CrewQueue *queue = begin_with(8);
    TestJob tests[JOBS];

    add_timer(0, on_tick, NULL, NULL);
    for (unsigned i = 0; i < JOBS; i++)
        submit(queue, &tests[i], &counted, 0, 0);
    ck_assert_int_eq(crew_run(crew), 0);
    ck_assert_uint_eq(crew_outstanding(queue), 0);
    ck_assert_uint_gt(n_ticks, 0);
    for (unsigned i = 0; i < JOBS; i++)
        ck_assert_uint_eq(tests[i].number, ROUNDS);
    end();
}
END_TEST

static CrewQueue *asked;
static sd_event_source *request;
static pthread_t dispatcher;
static unsigned n_at_once;

static int on_request(sd_event_source *source, uint64_t now, void *userdata)
{
    dispatcher = pthread_self();
    crew_submit(asked, userdata);
    return 0;
}

static void work_noting_thread(Job *job)
{
    n_at_once += pthread_equal(dispatcher, pthread_self()) != 0;
}

/* Asks the next time. */
static void done_asks(Job *job)
{
    if (++n_done == ROUNDS)
        (void)sd_event_exit(event, 0);
    else
        (void)sd_event_source_set_enabled(request, SD_EVENT_ONESHOT);
}

/* What it is all for: a request is not handed over. At the beginning a thread may happen to come along. */
START_TEST(who_dispatches_a_request_works_on_it)
{
    static const JobClass noting = {.work = work_noting_thread, .done = done_asks};
    TestJob test = {.job.class = &noting};

    asked = begin_with(4);
    add_timer(0, on_request, &test, &request);
    ck_assert_int_eq(crew_run(crew), 0);
    ck_assert_uint_ge(n_at_once, ROUNDS * 9 / 10);
    (void)sd_event_source_unref(request);
    end();
}
END_TEST

/* ---- The loop goes on ------------------------------------------------------------------------------------------------------------- */

static void work_waiting(Job *job)
{
    (void)sem_wait(&may_go);
}

static int on_time_release(sd_event_source *source, uint64_t now, void *userdata)
{
    for (unsigned i = 0; i < JOBS; i++)
        (void)sem_post(&may_go);
    return 0;
}

START_TEST(the_loop_is_served_while_all_work)
{
    static const JobClass waiting = {.work = work_waiting, .done = done_last_ends};
    CrewQueue *queue = begin_with(2);
    TestJob tests[JOBS];

    for (unsigned i = 0; i < JOBS; i++)
        submit(queue, &tests[i], &waiting, i, 0);
    add_timer(1000, on_time_release, NULL, NULL);
    ck_assert_int_eq(crew_run(crew), 7);
    end();
}
END_TEST

static void work_releasing(Job *job)
{
    (void)sem_post(&may_go);
}

static void done_nothing(Job *job)
{
    n_done++;
}

static void done_ends(Job *job)
{
    (void)sd_event_exit(event, 0);
}

START_TEST(a_queue_does_not_wait_for_another)
{
    static const JobClass waiting = {.work = work_waiting, .done = done_ends}, releasing = {.work = work_releasing, .done = done_nothing};
    CrewQueue *full = begin_with(1), *other;
    TestJob tests[2];

    ck_assert_int_eq(crew_add_queue(crew, 1, &other), 0);
    submit(full, &tests[0], &waiting, 0, 0);
    submit(other, &tests[1], &releasing, 1, 0);
    ck_assert_int_eq(crew_run(crew), 0);
    end();
}
END_TEST

static sd_event_source *far_off;

static void done_moves_timer(Job *job)
{
    uint64_t now;

    ck_assert_int_ge(sd_event_now(event, CLOCK_MONOTONIC, &now), 0);
    ck_assert_int_ge(sd_event_source_set_time(far_off, now + 2000), 0);
}

/* By then another thread has long been waiting for the loop's descriptor. */
static void work_a_while(Job *job)
{
    const struct timespec time = {0, 20 * 1000 * 1000};

    (void)nanosleep(&time, NULL);
}

START_TEST(a_timer_that_done_moves_is_noticed)
{
    static const JobClass moving = {.work = work_a_while, .done = done_moves_timer};
    CrewQueue *queue = begin_with(1);
    TestJob test;

    add_timer(3600ULL * 1000 * 1000, on_time_end, NULL, &far_off);
    submit(queue, &test, &moving, 0, 0);
    ck_assert_int_eq(crew_run(crew), 0);
    (void)sd_event_source_unref(far_off);
    end();
}
END_TEST

static int on_deferred(sd_event_source *source, void *userdata)
{
    return sd_event_exit(event, 0);
}

static void done_defers(Job *job)
{
    ck_assert_int_ge(sd_event_add_defer(event, NULL, on_deferred, NULL), 0);
}

START_TEST(what_done_defers_is_done)
{
    static const JobClass deferring = {.work = work_a_while, .done = done_defers};
    CrewQueue *queue = begin_with(1);
    TestJob test;

    submit(queue, &test, &deferring, 0, 0);
    ck_assert_int_eq(crew_run(crew), 0);
    end();
}
END_TEST

/* ---- Nobody waits for nothing ----------------------------------------------------------------------------------------------------------
 */

static TestJob helpers[2];
static sem_t has_begun, has_submitted;
static unsigned n_rounds;

static void work_until_submitted(Job *job)
{
    if (((TestJob *)job)->number == 1)
        (void)sem_wait(&has_submitted);
    else
        work_a_while(job);
}

/* Until both work, one of them by the thread that waits for the loop: another there is not, and who has the floor keeps it. */
static void work_together(Job *job)
{
    (void)sem_post(&has_begun);
    (void)sem_wait(&may_go);
}

static const JobClass together = {.work = work_together, .done = done_nothing};

static void done_submits_and_waits(Job *job)
{
    struct timespec until;

    if (((TestJob *)job)->number == 1)
        return;
    for (unsigned i = 0; i < 2; i++)
        submit(job->queue, &helpers[i], &together, i, 0);
    (void)sem_post(&has_submitted);
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 20;
    for (unsigned i = 0; i < 2; i++)
        ck_assert_int_eq(sem_timedwait(&has_begun, &until), 0);
    (void)sem_post(&may_go);
    (void)sem_post(&may_go);
    n_rounds++;
    (void)sd_event_exit(event, 0);
}

/* Two threads of the queue and the one for the loop: one has the floor, one begins a job and leaves another. */
START_TEST(who_waits_for_the_loop_is_called_to_work)
{
    static const JobClass before = {.work = work_until_submitted, .done = done_submits_and_waits};
    TestJob tests[2];

    CrewQueue *queue = begin_with(2);

    ck_assert_int_eq(sem_init(&has_begun, 0, 0), 0);
    ck_assert_int_eq(sem_init(&has_submitted, 0, 0), 0);
    for (unsigned i = 0; i < 2; i++)
        submit(queue, &tests[i], &before, i, 0);
    ck_assert_int_eq(crew_run(crew), 0);
    ck_assert_uint_eq(n_rounds, 1);
    end();
}
END_TEST

/* ---- The end ---------------------------------------------------------------------------------------------------------------------- */

static void work_and_note(Job *job)
{
    work_waiting(job);
    n_worked++;
}

START_TEST(the_end_does_not_wait_but_release_does)
{
    static const JobClass noting = {.work = work_and_note, .done = done_nothing};
    CrewQueue *queue = begin_with(1);
    TestJob tests[3];

    for (unsigned i = 0; i < ELEMENTS(tests); i++)
        submit(queue, &tests[i], &noting, i, 0);
    add_timer(20 * 1000, on_time_end, NULL, NULL);
    ck_assert_int_eq(crew_run(crew), 0);
    ck_assert_uint_eq(crew_outstanding(queue), ELEMENTS(tests));
    for (unsigned i = 0; i < ELEMENTS(tests); i++)
        (void)sem_post(&may_go);
    end();
    ck_assert_uint_eq(n_worked, 1);
    ck_assert_uint_eq(n_done, 0);
}
END_TEST

START_TEST(a_crew_that_never_ran_is_released)
{
    CrewQueue *queue = begin_with(3);

    ck_assert_uint_eq(crew_outstanding(queue), 0);
    end();
}
END_TEST

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
    return sd_event_exit(event, 3);
}

START_TEST(a_signal_reaches_the_loop)
{
    sigset_t signals;

    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    ck_assert_int_eq(sigprocmask(SIG_BLOCK, &signals, NULL), 0);
    (void)begin_with(2);
    ck_assert_int_ge(sd_event_add_signal(event, NULL, SIGTERM, on_signal, NULL), 0);
    ck_assert_int_eq(kill(getpid(), SIGTERM), 0);
    ck_assert_int_eq(crew_run(crew), 3);
    end();
}
END_TEST

static void add(TCase *cases)
{
    tcase_add_test(cases, one_thread_keeps_the_order);
    tcase_add_test(cases, a_thread_takes_two_that_pair);
    tcase_add_test(cases, many_threads_do_everything_once);
    tcase_add_test(cases, who_dispatches_a_request_works_on_it);
    tcase_add_test(cases, the_loop_is_served_while_all_work);
    tcase_add_test(cases, a_queue_does_not_wait_for_another);
    tcase_add_test(cases, a_timer_that_done_moves_is_noticed);
    tcase_add_test(cases, what_done_defers_is_done);
    tcase_add_test(cases, who_waits_for_the_loop_is_called_to_work);
    tcase_add_test(cases, the_end_does_not_wait_but_release_does);
    tcase_add_test(cases, a_crew_that_never_ran_is_released);
    tcase_add_test(cases, a_signal_reaches_the_loop);
}

UNIT_MAIN("node-crew", add)
