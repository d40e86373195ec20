/* scheduler.h - who gets which task, when a worker is dead, what is committed. Pure: events and `now` in, actions out; no
 * sockets, no clock, no threads, no output.
 *
 * A task is queued, then held by one worker as an attempt (running, then done but not committed), then committed. It
 * goes back to the queue when its worker is lost, when the attempt fails, or when the partial that names it is discarded.
 * A partial is committed if and only if every (task, attempt) it names is held by the worker that sends it; otherwise it is
 * discarded whole and those of its tasks that the sender still holds are queued again (I1, I2 of docs/architecture.md).
 *
 * Times are milliseconds of a monotonic clock. Tasks are numbered 0..tasks-1; workers by numbers the caller gives, never used
 * twice; attempts of a task from 1. */
#ifndef MR_SCHEDULER_H
#define MR_SCHEDULER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct mr_scheduler mr_scheduler_t;

typedef struct mr_scheduler_config {
    uint32_t tasks;        /* how many tasks there are */
    int64_t lease_ms;      /* a worker silent for so long is dead */
    uint32_t max_attempts; /* counted attempts of one task before the job fails */
    uint32_t max_credit;   /* most tasks one worker may hold that are not done */
    int64_t credit_ms;     /* a worker's credit is what it does in this time, but never less than 2 a thread... */
    uint32_t max_batch;    /* most tasks in one SEND action */
} mr_scheduler_config_t;

mr_scheduler_t *mr_scheduler_new(const mr_scheduler_config_t *config);
void mr_scheduler_destroy(mr_scheduler_t **scheduler);

typedef struct mr_attempt {
    uint32_t task;
    uint32_t attempt;
} mr_attempt_t;

/* ---- events; what names an unknown worker, task or attempt, or one the worker does not hold, is counted as stale and has no
 * other effect. -1 only when memory is out. ---- */

int mr_scheduler_join(mr_scheduler_t *scheduler, int64_t now, uint32_t worker, uint32_t threads);
/* Any sign of life. */
void mr_scheduler_alive(mr_scheduler_t *scheduler, int64_t now, uint32_t worker);
/* The worker computed these; they are folded into a partial that is still to come. */
void mr_scheduler_done(mr_scheduler_t *scheduler, int64_t now, uint32_t worker, const mr_attempt_t *attempts,
                       size_t count);
/* The worker could not compute this one; it holds it no longer. Counted. */
void mr_scheduler_failed(mr_scheduler_t *scheduler, int64_t now, uint32_t worker, mr_attempt_t attempt);
/* A partial is complete at the sink. Returns true: commit it (its tasks are now committed); false: discard it. A partial whose
 * attempts the worker has already had committed is a duplicate: false, nothing is queued again. */
bool mr_scheduler_partial(mr_scheduler_t *scheduler, int64_t now, uint32_t worker, const mr_attempt_t *attempts,
                          size_t count);
/* No more tasks for this worker; those it has not begun it returns with mr_scheduler_returned. */
void mr_scheduler_drain(mr_scheduler_t *scheduler, uint32_t worker);
void mr_scheduler_returned(mr_scheduler_t *scheduler, int64_t now, uint32_t worker, const mr_attempt_t *attempts,
                           size_t count);
/* The worker is gone (its process died, its connection closed, it said BYE). What it held is queued again; `counted`:
 * as a failed attempt of the tasks it held that were not done. */
void mr_scheduler_leave(mr_scheduler_t *scheduler, int64_t now, uint32_t worker, bool counted);
/* Time has passed: leases. */
void mr_scheduler_tick(mr_scheduler_t *scheduler, int64_t now);

/* ---- actions ---- */

typedef enum mr_action_kind {
    MR_ACTION_SEND,  /* send `attempts` to `worker` */
    MR_ACTION_FLUSH, /* no tasks are left to hand out: ask `worker` for its partials */
    MR_ACTION_DEAD,  /* the lease of `worker` ran out; it has left, what it held is queued again */
    MR_ACTION_FAIL,  /* attempts[0].task failed max_attempts times: the job fails */
} mr_action_kind_t;

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
    uint64_t stale;     /* events that named what the worker does not hold */
} mr_scheduler_stats_t;

mr_scheduler_stats_t mr_scheduler_stats(const mr_scheduler_t *scheduler);

/* All tasks are committed. */
bool mr_scheduler_finished(const mr_scheduler_t *scheduler);

/* When mr_scheduler_tick has something to do next, or INT64_MAX. */
int64_t mr_scheduler_deadline(const mr_scheduler_t *scheduler);

#endif
