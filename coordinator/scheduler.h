/* scheduler.h - who gets which task, when a worker is dead, what is committed. Pure: events and `now` in, actions out; no
 * sockets, no clock, no threads, no output.
 *
 * A task is queued, then held by one worker as an attempt (running, then done but not committed), then committed. It
 * goes back to the queue when its worker is lost, when the attempt fails, or when the partial that names it is discarded.
 * A partial is committed if and only if every (task, attempt) it names is held by the worker that sends it; otherwise it is
 * discarded whole and those of its tasks that the sender still holds are queued again (I1, I2 of docs/architecture.md).
 *
 * Order. First attempts go out in task order. A task queued again goes before all first attempts: those that have failed
 * first, each kind behind those queued again earlier. One that has failed half of max_attempts is a suspect: it runs alone
 * on a worker that has nothing else running, so that, if it kills its process, the next counted failure is its own and no
 * neighbour's.
 *
 * Credit. A worker may hold undone tasks up to its window: what it finished per credit_ms (a decaying average), at least
 * 2 a thread, at most max_credit. One that runs dry though tasks are queued gets twice as many each time: a round trip
 * takes longer than its window. Near the end the window shrinks to half of the worker's share of what is queued, shares
 * being as fast as the workers are, but never below one a thread, so that no tail waits behind a slow worker (guided
 * self-scheduling: Polychronopoulos and Kuck 1987; weighted factoring: Hummel et al. 1996). A worker is refilled when a
 * quarter of its window is free, or when it has less than 2 a thread: tiny tasks go out by hundreds, long ones by ones.
 *
 * Counting. A worker that is lost (its lease ran out, or it left `counted`) had at most one task running on each thread: its
 * oldest undone attempts, as many as it has threads, count as failed; what else it held does not. The job fails when a task
 * has max_attempts counted failures and no attempt of it is left.
 *
 * Hosts. A task goes to a host on which it has not failed, while one takes tasks (has a worker that does); when it has
 * failed on all of them, to any but the last. It waits a lease for such a host, then any will do. A host on which tasks
 * fail one after the other is set aside: 3 incidents (a failed attempt, or a lost worker) with a task each that has
 * not failed on another host, all different, and no success between, while another host that takes tasks has finished some.
 * Its workers get no more tasks, nor do those that join from it later; what failed on it does not count. When no
 * other host takes tasks, those set aside are used again, and judged anew.
 *
 * Backups. When nothing is queued, an attempt that has run for 1.5 x the median time from sent to done, but no less
 * than backup_floor_ms (where tasks are short: no less than 8 x the median and 200 ms), gets one backup on an idle thread of
 * another worker (on another host, if there is one). One that is done gets one when its worker is silent. Suspects get none. What
 * is committed first wins, except that a backup does not win over an attempt that is done on a worker that is not silent:
 * its partial is on the way, and names other tasks that would be lost with it. A backup that fails or is lost counts like
 * any attempt, but leaves the other as it is; when the other fails or is lost, the backup takes its place. A task
 * taken from a worker while it ran leaves its thread there busy, until the worker reports it.
 *
 * Taking up. What was committed in an earlier life of the coordinator is restored before any worker joins. A worker
 * whose connection broke, or that comes back, says exactly what it holds (mr_scheduler_reconcile): what is queued becomes
 * its own under the attempt number it names, be it of this life or an earlier one; what it should hold but does not was lost.
 *
 * Times are milliseconds of a monotonic clock; a `now` before the last one is taken as the last one. Tasks are numbered
 * 0..tasks-1; workers and hosts by numbers the caller gives, a worker's never used twice; attempts of a task count up from
 * first_attempt. */
#ifndef MR_SCHEDULER_H
#define MR_SCHEDULER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attempt.h"

typedef struct mr_scheduler mr_scheduler_t;

typedef struct mr_scheduler_config {
    uint32_t tasks;          /* how many tasks there are; less than UINT32_MAX */
    int64_t lease_ms;        /* a worker silent for so long is dead */
    uint32_t max_attempts;   /* counted attempts of one task before the job fails; at most 65,535 */
    uint32_t max_credit;     /* most tasks one worker may hold that are not done */
    int64_t credit_ms;       /* a worker's credit is what it does in this time, but never less than 2 a thread... */
    uint32_t max_batch;      /* most tasks in one SEND action */
    int64_t backup_floor_ms; /* no backup before an attempt is so old; 0: no backups */
    int64_t silent_ms; /* a worker not heard for so long may be stopped: some heartbeats; 0: a quarter of lease_ms */
    uint32_t first_attempt; /* number of the first attempt of a task in this life of the coordinator */
} mr_scheduler_config_t;

/* NULL when memory is out. Zeros among max_attempts, max_credit, credit_ms, max_batch and first_attempt are taken as 1. */
mr_scheduler_t *mr_scheduler_new(const mr_scheduler_config_t *config);
void mr_scheduler_destroy(mr_scheduler_t **scheduler);

/* The task was committed in an earlier life of the coordinator. Only before any worker joins. Twice is once. */
void mr_scheduler_restore(mr_scheduler_t *scheduler, uint32_t task);

/* ---- events; what names an unknown worker, task or attempt, or one the worker does not hold, is counted as stale and has no
 * other effect. -1 only when memory is out. Every event that a worker sent is also a sign of its life. ---- */

/* `threads` 0 is taken as 1. `host`: the caller's number of its machine. A worker number that is joined already is stale. */
int mr_scheduler_join(mr_scheduler_t *scheduler, int64_t now, uint32_t worker, uint32_t threads, uint32_t host);
/* The worker says exactly which attempts it holds: `running` (not done, begun or not) and `done` (folded into partials that are
 * still to come, or to be sent again). For a worker whose connection broke, or that comes back under a new number. */
void mr_scheduler_reconcile(mr_scheduler_t *scheduler, int64_t now, uint32_t worker, const mr_attempt_t *running,
                            size_t running_count, const mr_attempt_t *done, size_t done_count);
/* Any sign of life. */
void mr_scheduler_alive(mr_scheduler_t *scheduler, int64_t now, uint32_t worker);
/* The worker computed these; they are folded into a partial that is still to come, or that overtook this. */
void mr_scheduler_done(mr_scheduler_t *scheduler, int64_t now, uint32_t worker, const mr_attempt_t *attempts,
                       size_t count);
/* The worker could not compute this one; it holds it no longer. Counted. */
void mr_scheduler_failed(mr_scheduler_t *scheduler, int64_t now, uint32_t worker, mr_attempt_t attempt);
/* A partial is complete at the sink. Returns true: commit it (its tasks are now committed); false: discard it. A partial whose
 * attempts the worker has already had committed is a duplicate: false, nothing is queued again (mr_scheduler_committed tells).
 * One that names no task, or a task twice, is false too. */
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
/* Workers have been told to give signs of life less often: one is silent only after so long. Shorter than before: no effect. */
void mr_scheduler_silence(mr_scheduler_t *scheduler, int64_t silent_ms);
/* Time has passed: leases. Call it after the messages that have arrived, or a coordinator that was itself stopped for a
 * lease would take all its workers for dead. */
void mr_scheduler_tick(mr_scheduler_t *scheduler, int64_t now);

/* ---- actions ---- */

typedef enum mr_action_kind {
    MR_ACTION_SEND,  /* send `attempts` to `worker` */
    MR_ACTION_FLUSH, /* no tasks are left to hand out: ask `worker` for its partials */
    MR_ACTION_DEAD,  /* the lease of `worker` ran out; it has left, what it held is queued again */
    MR_ACTION_ASIDE, /* the host of `worker` is set aside: it gets no more tasks, unless no other host is left */
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
    bool alone; /* of SEND: a backup, one attempt: computed into a partial of its own, so that it can spoil no other */
    bool suspect; /* of SEND: one attempt of a task that may kill its process; the worker has nothing else to run */
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
    uint32_t restored;  /* of those committed: in an earlier life */
    uint32_t hosts;     /* seen so far */
    uint32_t aside;     /* hosts set aside now */
    uint64_t retries;   /* attempts beyond a task's first, but for backups */
    uint64_t backups;   /* backup attempts sent */
    uint64_t won;       /* backups that were committed before the attempt they stood by */
    uint64_t adopted;   /* attempts taken up from workers that came back */
    uint64_t lost;      /* attempts found lost when a worker said what it holds */
    uint64_t discarded; /* partials discarded */
    uint64_t stale;     /* events, and attempts in them, that named what the worker does not hold */
} mr_scheduler_stats_t;

mr_scheduler_stats_t mr_scheduler_stats(const mr_scheduler_t *scheduler);

/* What is known of one worker. */
typedef struct mr_scheduler_worker {
    uint32_t host;
    uint32_t threads;
    uint32_t running;  /* tasks sent to it that are not done */
    uint32_t done;     /* tasks done that are not committed */
    double pace;       /* tasks it finishes a second */
    int64_t heard_at;  /* its last sign of life */
    int64_t oldest_at; /* when its oldest undone task was sent; INT64_MAX: it has none */
    bool draining;
    bool aside; /* its host is */
} mr_scheduler_worker_t;

/* False: there is no such worker, and *info is as before. */
bool mr_scheduler_worker(const mr_scheduler_t *scheduler, uint32_t worker, mr_scheduler_worker_t *info);

/* Each of the attempts was committed in this life: a partial of them that comes again has been taken. */
bool mr_scheduler_committed(const mr_scheduler_t *scheduler, const mr_attempt_t *attempts, size_t count);

/* All tasks are committed. */
bool mr_scheduler_finished(const mr_scheduler_t *scheduler);

/* When there is something to do next without another event (mr_scheduler_tick, then mr_scheduler_next): a lease runs out, a
 * backup is due, a task has waited long enough for another host. Or INT64_MAX. */
int64_t mr_scheduler_deadline(const mr_scheduler_t *scheduler);

/* Walks all books and compares them with the counts; for tests, O(tasks + workers). */
bool mr_scheduler_consistent(const mr_scheduler_t *scheduler);

#endif
