/* scheduler_private.h - the scheduler's books, shared by scheduler*.c and nobody else.
 *
 * A task is a 20-byte entry in one array. A task that was never sent is in no list: first attempts go out in task order,
 * so a counter says which is next. Any other task is in exactly one list (queued again, suspect, a worker's running, a
 * worker's done) or committed. Workers are found by number in a hash table and stand in up to three queues. */
#ifndef MR_SCHEDULER_PRIVATE_H
#define MR_SCHEDULER_PRIVATE_H

#include <sys/queue.h>

#include "scheduler.h"

#define MR_SCHED_NONE UINT32_MAX

typedef enum mr_sched_state { SCHED_QUEUED, SCHED_RUNNING, SCHED_DONE, SCHED_COMMITTED } mr_sched_state_t;

typedef struct mr_sched_task {
    uint32_t previous; /* in its list */
    uint32_t next;
    uint32_t worker;   /* who holds it, when running or done */
    uint32_t attempt;  /* the latest; 0: never sent */
    uint16_t failures; /* counted attempts */
    uint8_t state;     /* mr_sched_state_t */
    bool named;        /* by the partial that is being judged */
} mr_sched_task_t;

/* A list of tasks, linked through their entries. */
typedef struct mr_sched_list {
    uint32_t head; /* MR_SCHED_NONE when empty */
    uint32_t tail;
    uint32_t count;
} mr_sched_list_t;

typedef struct mr_sched_worker {
    uint32_t number;
    uint32_t threads;
    mr_sched_list_t running; /* sent, not done; oldest first */
    mr_sched_list_t done;    /* done, not committed */
    double pace;             /* tasks finished per credit_ms, a decaying average */
    int64_t paced_at;        /* when pace was last brought up to date, or the worker began after idling */
    int64_t heard_at;        /* last sign of life */
    int64_t flushed_at;      /* last FLUSH */
    bool draining;           /* gets no more tasks */
    bool hungry;             /* in the queue of that name */
    bool unflushed;          /* in the queue of that name */
    bool reserved;           /* runs dry for a suspect */
    TAILQ_ENTRY(mr_sched_worker) by_lease;
    TAILQ_ENTRY(mr_sched_worker) by_hunger;
    TAILQ_ENTRY(mr_sched_worker) by_flush;
} mr_sched_worker_t;

TAILQ_HEAD(mr_sched_queue, mr_sched_worker);

struct mr_scheduler {
    mr_scheduler_config_t config;
    int64_t now; /* the latest seen */

    mr_sched_task_t *tasks;
    uint32_t fresh;           /* the next task never sent; all after it are fresh too */
    mr_sched_list_t again;    /* queued again */
    mr_sched_list_t suspects; /* queued again, to run alone */
    uint32_t committed;
    uint32_t failed; /* the task that fails the job, or MR_SCHED_NONE */
    bool fail_told;

    mr_sched_worker_t **table; /* open addressing by number; linear probing */
    uint32_t capacity;         /* a power of two, or 0 */
    uint32_t workers;
    uint32_t reserved;               /* workers that run dry for a suspect */
    double pace;                     /* sum over the workers that take tasks */
    uint64_t threads;                /* sum over the same */
    struct mr_sched_queue leases;    /* all workers, the longest silent first */
    struct mr_sched_queue hungry;    /* may have room; each idle worker that takes tasks is here */
    struct mr_sched_queue unflushed; /* to be asked for partials once nothing is queued */
    struct mr_sched_queue dead;      /* their leases ran out, not yet told */

    mr_attempt_t *batch; /* what the last action names */
    uint64_t retries;
    uint64_t discarded;
    uint64_t stale;
};

/* ---- scheduler_tasks.c: the books of tasks ---- */

void mr_sched_list_init(mr_sched_list_t *list);

/* Waiting for a worker. */
uint32_t mr_sched_queued(const mr_scheduler_t *scheduler);

/* Hands the next queued task that is no suspect (or the next suspect) to `worker`; there must be one. */
mr_attempt_t mr_sched_take(mr_scheduler_t *scheduler, mr_sched_worker_t *worker);
mr_attempt_t mr_sched_take_suspect(mr_scheduler_t *scheduler, mr_sched_worker_t *worker);

/* The entry of an attempt that `worker` holds, or NULL. */
mr_sched_task_t *mr_sched_held(mr_scheduler_t *scheduler, const mr_sched_worker_t *worker, mr_attempt_t attempt);

/* True if the attempt was the worker's and is committed: its partial overtook the message that speaks of it. */
bool mr_sched_overtook(const mr_scheduler_t *scheduler, const mr_sched_worker_t *worker, mr_attempt_t attempt);

/* What becomes of a task that `worker` holds. Each returns true if it was running. */
bool mr_sched_finish(mr_scheduler_t *scheduler, mr_sched_worker_t *worker, mr_sched_task_t *task);
bool mr_sched_commit(mr_scheduler_t *scheduler, mr_sched_worker_t *worker, mr_sched_task_t *task);
bool mr_sched_requeue(mr_scheduler_t *scheduler, mr_sched_worker_t *worker, mr_sched_task_t *task, bool counted);

/* Queues again all that `worker` holds; `counted`: its oldest running tasks, one a thread, as failed. */
void mr_sched_requeue_all(mr_scheduler_t *scheduler, mr_sched_worker_t *worker, bool counted);

/* ---- scheduler_workers.c: the books of workers ---- */

mr_sched_worker_t *mr_sched_find(const mr_scheduler_t *scheduler, uint32_t number);

/* A new worker in all its places. NULL when memory is out (nothing has changed). */
mr_sched_worker_t *mr_sched_enter(mr_scheduler_t *scheduler, uint32_t number, uint32_t threads);

/* Takes the worker out of the table and all queues; it must hold nothing. The caller owns it then. */
void mr_sched_exit(mr_scheduler_t *scheduler, mr_sched_worker_t *worker);

/* The worker takes no more tasks. */
void mr_sched_retire(mr_scheduler_t *scheduler, mr_sched_worker_t *worker);

/* Notes that the worker may have room; that it has not. */
void mr_sched_hungry(mr_scheduler_t *scheduler, mr_sched_worker_t *worker);
void mr_sched_sated(mr_scheduler_t *scheduler, mr_sched_worker_t *worker);

/* Notes that the worker may have work to flush. */
void mr_sched_unflushed(mr_scheduler_t *scheduler, mr_sched_worker_t *worker);

/* Brings the worker's pace up to date: it has finished so many since the last time. */
void mr_sched_pace(mr_scheduler_t *scheduler, mr_sched_worker_t *worker, size_t finished);

/* Gives back the worker's reservation for a suspect, if it has one. */
void mr_sched_unreserve(mr_scheduler_t *scheduler, mr_sched_worker_t *worker);

#endif
