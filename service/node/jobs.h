/*
 * Jobs: work that must not hold up the loop. work() runs in one of a fixed number of threads, done() afterwards on the loop's thread. Jobs
 * begin in the order in which they were submitted; where two are done together faster than one after the other, a thread takes both.
 */
#pragma once

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "base/cleanup.h"

typedef struct Jobs Jobs;
typedef struct Job Job;

typedef struct JobClass {
    void (*work)(Job *job); /* in a thread */
    void (*done)(Job *job); /* on the loop; the job is the receiver's again */
    /* Both NULL: no pairs. `pairs` must be quick: the queue is locked meanwhile. */
    bool (*pairs)(const Job *a, const Job *b);
    void (*work_pair)(Job *a, Job *b);
} JobClass;

/* First member of a structure that says what is to be done. */
struct Job {
    const JobClass *class;
    Job *next;
};

/* Errors: -ENOMEM, -errno. */
int jobs_new(sd_event *event, unsigned threads, Jobs **ret_jobs) _must_check_;
/* Waits for the jobs that have begun and drops the others without a word: nobody may be waiting for them any more. */
Jobs *jobs_free(Jobs *jobs);
DEFINE_CLEANUP(Jobs, jobs_free)

/* The loop's thread only. */
void jobs_submit(Jobs *jobs, Job *job);
/* Jobs submitted whose done() has not been called. */
unsigned jobs_outstanding(const Jobs *jobs);
