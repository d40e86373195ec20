/* scheduler.h - who gets which task, when a worker is dead, what is committed. Pure: events and `now` in, actions out; no
 * sockets, no clock, no threads, no output.
 *
 * A task is queued, then held by one worker as an attempt (running, then done but not committed), then committed. It
 * goes back to the queue when its worker is lost, when the attempt fails, or when the partial that names it is discarded.
 * A partial is committed if and only if every (task, attempt) it names is held by the worker that sends it; otherwise it is
 * discarded whole and those of its tasks that the sender still holds are queued again (I1, I2 of docs/architecture.md).
 *
 * Order. First attempts go out in task order. A task queued again goes before all first attempts, behind those queued
 * again earlier. One that has failed half of max_attempts is a suspect: it runs alone on a worker that has nothing else
 * running, so that, if it kills its process, the next counted failure is its own and no neighbour's.
 *
 * Credit. A worker may hold undone tasks up to its window: what it finished per credit_ms (a decaying average), at least
 * 2 a thread, at most max_credit. Near the end the window shrinks to half of the worker's share of what is queued, shares
 * being as fast as the workers are, but never below one a thread, so that no tail waits behind a slow worker (guided
 * self-scheduling: Polychronopoulos and Kuck 1987; weighted factoring: Hummel et al. 1996). A worker is refilled when a
 * quarter of its window is free, or when it has less than 2 a thread: tiny tasks go out by hundreds, long ones by ones.
 *
 * Counting. A worker that is lost (its lease ran out, or it left `counted`) had at most one task running on each thread: its
 * oldest undone attempts, as many as it has threads, count as failed; what else it held does not.
 *
 * Times are milliseconds of a monotonic clock; a `now` before the last one is taken as the last one. Tasks are numbered
 * 0..tasks-1; workers by numbers the caller gives, never used twice; attempts of a task from 1. */
#ifndef MR_SCHEDULER_H
#define MR_SCHEDULER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attempt.h"

typedef struct mr_scheduler mr_scheduler_t;

typedef struct mr_scheduler_config {
    uint32_t tasks;        /* how many tasks there are; less than UINT32_MAX */
    int64_t lease_ms;      /* a worker silent for so long is dead */
    uint32_t max_attempts; /* counted attempts of one task before the job fails; at most 65,535 */
    uint32_t max_credit;   /* most tasks one worker may hold that are not done */
    int64_t credit_ms;     /* a worker's credit is what it does in this time, but never less than 2 a thread... */
    uint32_t max_batch;    /* most tasks in one SEND action */
} mr_scheduler_config_t;

/* NULL when memory is out. Zeros among max_attempts, max_credit, credit_ms and max_batch are taken as 1. */
mr_scheduler_t *mr_scheduler_new(const mr_scheduler_config_t *config);
void mr_scheduler_destroy(mr_scheduler_t **scheduler);

/* ---- events; what names an unknown worker, task or attempt, or one the worker does not hold, is counted as stale and has no
 * other effect. -1 only when memory is out. Every event that a worker sent is also a sign of its life. ---- */

/* `threads` 0 is taken as 1. A number that is joined already is stale. */
int mr_scheduler_join(mr_scheduler_t *scheduler, int64_t now, uint32_t worker, uint32_t threads);
/* Any sign of life. */
void mr_scheduler_alive(mr_scheduler_t *scheduler, int64_t now, uint32_t worker);
/* The worker computed these; they are folded into a partial that is still to come, or that overtook this. */
void mr_scheduler_done(mr_scheduler_t *scheduler, int64_t now, uint32_t worker, const mr_attempt_t *attempts,
                       size_t count);
/* The worker could not compute this one; it holds it no longer. Counted. */
void mr_scheduler_failed(mr_scheduler_t *scheduler, int64_t now, uint32_t worker, mr_attempt_t attempt);
/* A partial is complete at the sink. Returns true: commit it (its tasks are now committed); false: discard it. A partial whose
 * attempts the worker has already had committed is a duplicate: false, nothing is queued again. One that names no task, or a
 * task twice, is false too. */
bool mr_scheduler_partial(mr_scheduler_t *scheduler, int64_t now, uint32_t worker, const mr_attempt_t *attempts,
                          size_t count);
/* A partial that the caller cannot take (runs of it are missing): as a partial that is discarded. */
void mr_scheduler_discard(mr_scheduler_t *scheduler, int64_t now, uint32_t worker, const mr_attempt_t *attempts,
                          size_t count);
/* No more tasks for this worker; those it has not begun it returns with mr_scheduler_returned. */
void mr_scheduler_drain(mr_scheduler_t *scheduler, uint32_t worker);
/* The worker gives these back. Not counted. */
void mr_scheduler_returned(mr_scheduler_t *scheduler, int64_t now, uint32_t worker, const mr_attempt_t *attempts,
                           size_t count);
/* The worker is gone (its process died, its connection closed, it said BYE). What it held is queued again; `counted`:
 * what it was running counts as failed (see above). */
void mr_scheduler_leave(mr_scheduler_t *scheduler, int64_t now, uint32_t worker, bool counted);
/* Time has passed: leases. Call it after the messages that have arrived, or a coordinator that was itself stopped for a
 * lease would take all its workers for dead. */
void mr_scheduler_tick(mr_scheduler_t *scheduler, int64_t now);

/* ---- actions ---- */

typedef enum mr_action_kind {
    MR_ACTION_SEND,  /* send `attempts` to `worker` */
    MR_ACTION_FLUSH, /* no tasks are left to hand out: ask `worker` for its partials */
    MR_ACTION_DEAD,  /* the lease of `worker` ran out; it has left, what it held is queued again */
    MR_ACTION_FAIL,  /* attempts[0].task failed max_attempts times: the job fails; the last action there is */
} mr_action_kind_t;

/* FLUSH comes when the last task is handed out, to each worker that holds uncommitted work and was sent tasks since its last
 * FLUSH; once more when such a worker has run dry (so that it may flush at once or when dry, as it likes); and again with a
 * sign of life when a lease has passed without its partial (the message may have been lost). */
typedef struct mr_action {
    mr_action_kind_t kind;
    uint32_t worker;
    const mr_attempt_t *attempts; /* valid until the next call on the scheduler */
    size_t count;
} mr_action_t;

/* The next action to carry out now. Returns true and fills it, or false: nothing to do. */
bool mr_scheduler_next(mr_scheduler_t *scheduler, int64_t now, mr_action_t *action);

/* ---- state ---- */

typedef struct mr_scheduler_stats {
    uint32_t tasks;     /* in all */
    uint32_t queued;    /* waiting for a worker */
    uint32_t held;      /* sent, not committed (running or done) */
    uint32_t committed; /* reduced, exactly once */
    uint32_t workers;   /* joined and not left */
    uint64_t retries;   /* attempts beyond a task's first */
    uint64_t discarded; /* partials discarded */
    uint64_t stale;     /* events, and attempts in them, that named what the worker does not hold */
} mr_scheduler_stats_t;

mr_scheduler_stats_t mr_scheduler_stats(const mr_scheduler_t *scheduler);

/* All tasks are committed. */
bool mr_scheduler_finished(const mr_scheduler_t *scheduler);

/* When mr_scheduler_tick has something to do next, or INT64_MAX. */
int64_t mr_scheduler_deadline(const mr_scheduler_t *scheduler);

/* Walks all books and compares them with the counts; for tests, O(tasks + workers). */
bool mr_scheduler_consistent(const mr_scheduler_t *scheduler);

#endif
