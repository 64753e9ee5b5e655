/* The node's worker threads: order, pairs, and who is called where. */
#include "node/jobs.h"
#include "unit.h"

#include <pthread.h>
#include <semaphore.h>
#include <string.h>

#define JOBS 20

typedef struct TestJob {
    Job job;
    unsigned number, kind;
    pthread_t worker;
    bool paired;
} TestJob;

static sd_event *event;
static pthread_t loop_thread;
static sem_t may_begin; /* the first job waits for it, so that the others are in the queue */
static unsigned order[JOBS], n_worked, n_done;

static void note(TestJob *job, bool paired)
{
    order[n_worked++] = job->number;
    job->worker = pthread_self();
    job->paired = paired;
}

static void work(Job *job)
{
    TestJob *test = (TestJob *)job;

    if (test->number == 0)
        (void)sem_wait(&may_begin);
    note(test, false);
}

static void work_pair(Job *a, Job *b)
{
    if (((TestJob *)a)->number == 0)
        (void)sem_wait(&may_begin);
    note((TestJob *)a, true);
    note((TestJob *)b, true);
}

static bool pairs(const Job *a, const Job *b)
{
    return ((const TestJob *)a)->kind == ((const TestJob *)b)->kind;
}

static void done(Job *job)
{
    ck_assert(pthread_equal(pthread_self(), loop_thread));
    ck_assert(!pthread_equal(((TestJob *)job)->worker, loop_thread));
    if (++n_done == JOBS)
        (void)sd_event_exit(event, 0);
}

static const JobClass single = {.work = work, .done = done};
static const JobClass paired = {.work = work, .done = done, .pairs = pairs, .work_pair = work_pair};

static Jobs *begin(unsigned threads)
{
    Jobs *jobs = NULL;

    loop_thread = pthread_self();
    ck_assert_int_eq(sem_init(&may_begin, 0, 0), 0);
    ck_assert_int_ge(sd_event_new(&event), 0);
    ck_assert_int_eq(jobs_new(event, threads, &jobs), 0);
    return jobs;
}

static void end(Jobs *jobs)
{
    (void)jobs_free(jobs);
    (void)sd_event_unref(event);
}

static void submit(Jobs *jobs, TestJob *test, const JobClass *class, unsigned number, unsigned kind)
{
    *test = (TestJob){.job.class = class, .number = number, .kind = kind};
    jobs_submit(jobs, &test->job);
}

START_TEST(one_thread_keeps_the_order)
{
    Jobs *jobs = begin(1);
    TestJob tests[JOBS];

    for (unsigned i = 0; i < JOBS; i++)
        submit(jobs, &tests[i], &single, i, 0);
    ck_assert_uint_eq(jobs_outstanding(jobs), JOBS);
    (void)sem_post(&may_begin);
    ck_assert_int_eq(sd_event_loop(event), 0);
    ck_assert_uint_eq(jobs_outstanding(jobs), 0);
    for (unsigned i = 0; i < JOBS; i++)
        ck_assert_uint_eq(order[i], i);
    end(jobs);
}
END_TEST

/* Kinds 0 1 0 1 … behind a first job of a third kind: 1 goes with 3, 2 with 4, and so on; nobody is forgotten. */
START_TEST(a_thread_takes_two_that_pair)
{
    Jobs *jobs = begin(1);
    TestJob tests[JOBS];
    const unsigned expected[] = {0, 1, 3, 2, 4, 5, 7, 6, 8, 9, 11, 10, 12, 13, 15, 14, 16, 17, 19, 18};

    submit(jobs, &tests[0], &single, 0, 2);
    for (unsigned i = 1; i < JOBS; i++)
        submit(jobs, &tests[i], &paired, i, i % 2);
    (void)sem_post(&may_begin);
    ck_assert_int_eq(sd_event_loop(event), 0);
    for (unsigned i = 0; i < JOBS; i++)
        ck_assert_uint_eq(order[i], expected[i]);
    for (unsigned i = 1; i < JOBS - 2; i++)
        ck_assert(tests[i].paired);
    ck_assert(tests[17].paired && tests[19].paired && !tests[18].paired);
    end(jobs);
}
END_TEST

static void work_alone(Job *job)
{
    ((TestJob *)job)->kind++;
}

static void done_alone(Job *job)
{
    n_done++;
}

START_TEST(many_threads_do_everything_once)
{
    static const JobClass alone = {.work = work_alone, .done = done_alone};
    Jobs *jobs = begin(8);
    TestJob tests[JOBS];

    for (unsigned round = 0; round < 500; round++) {
        n_done = 0;
        for (unsigned i = 0; i < JOBS; i++)
            submit(jobs, &tests[i], &alone, i, round);
        while (n_done < JOBS)
            ck_assert_int_ge(sd_event_run(event, UINT64_MAX), 0);
        for (unsigned i = 0; i < JOBS; i++)
            ck_assert_uint_eq(tests[i].kind, round + 1);
    }
    ck_assert_uint_eq(jobs_outstanding(jobs), 0);
    end(jobs);
}
END_TEST

START_TEST(the_end_waits_for_what_has_begun)
{
    Jobs *jobs = begin(1);
    TestJob tests[3];

    for (unsigned i = 0; i < 3; i++)
        submit(jobs, &tests[i], &single, i, 0);
    (void)sem_post(&may_begin);
    end(jobs);
    ck_assert_uint_le(n_worked, 3);
    ck_assert_uint_eq(n_done, 0);
}
END_TEST

static void add(TCase *cases)
{
    tcase_add_test(cases, one_thread_keeps_the_order);
    tcase_add_test(cases, a_thread_takes_two_that_pair);
    tcase_add_test(cases, many_threads_do_everything_once);
    tcase_add_test(cases, the_end_waits_for_what_has_begun);
}

UNIT_MAIN("node-jobs", add)
