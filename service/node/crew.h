/*
 * Crew: the node's threads, and the rule by which they share its state.
 *
 * All of them are alike. One at a time has the floor: it dispatches what has become pending in the event loop, or calls done() of a job
 * that was worked on. What belongs to the node is touched only by who has the floor. Without it go on: work() of jobs, and waiting until
 * something happens in the loop, which one thread does for all. Who dispatches a request returns to the crew and works on it at once, and
 * takes the floor to answer it: nothing is handed from thread to thread on the way. (Leader/followers: Schmidt, O'Ryan, Kircher, Pyarali,
 * Buschmann, "Leader/Followers", PLoP 2000.)
 *
 * Jobs wait in queues; those of one queue begin in the order in which they were submitted. Where two are done together faster than one
 * after the other, a thread takes both.
 */
#pragma once

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "base/cleanup.h"

typedef struct Crew Crew;
typedef struct CrewQueue CrewQueue;
typedef struct Job Job;

typedef struct JobClass {
    void (*work)(Job *job); /* without the floor */
    void (*done)(Job *job); /* with the floor, after work(); the job is the receiver's again */
    /* Both NULL: no pairs. `pairs` must be quick: the crew is locked meanwhile. */
    bool (*pairs)(const Job *a, const Job *b);
    void (*work_pair)(Job *a, Job *b);
} JobClass;

/* First member of a structure that says what is to be done. */
struct Job {
    const JobClass *class;
    CrewQueue *queue;
    Job *next;
};

/* Beside the threads that the queues bring along there is one for the loop, so it is served whatever the others do. The caller has the
 * floor, until crew_run(). Errors: -ENOMEM, -errno. */
int crew_new(sd_event *event, Crew **ret_crew) _must_check_;
/* Waits for work() that has begun; neither done() nor the other jobs are called any more. The caller has the floor. */
Crew *crew_free(Crew *crew);
DEFINE_CLEANUP(Crew, crew_free)

/* A queue of which at most `limit` threads work at a time; so many are added, so no queue waits for another. It lives as long as the crew.
 * Before crew_run(). Errors: -ENOMEM, -errno. */
int crew_add_queue(Crew *crew, unsigned limit, CrewQueue **ret_queue) _must_check_;

/* Give the crew the floor until sd_event_exit(), and take it back: what still goes on then is work(), and its jobs are never done. Once.
 * Returns the code that the loop ended with. Errors: -errno. */
int crew_run(Crew *crew) _must_check_;

/* With the floor; the job begins when the caller gives it back. */
void crew_submit(CrewQueue *queue, Job *job);
/* Jobs submitted whose done() has not been called. With the floor. */
unsigned crew_outstanding(const CrewQueue *queue);
