/* scheduler_private.h - the scheduler's books, shared by scheduler*.c and nobody else.
 *
 * An attempt is an entry in one array. The first `config.tasks` entries are the tasks themselves, each with its one attempt;
 * behind them is a small pool for backup attempts, so that all lists work alike. A task that was never sent is in no list:
 * first attempts go out in task order, so a counter says which is next. Any other entry is in exactly one list (queued
 * again, tried, suspect, a worker's running, a worker's done), or committed, or spare. Workers are found by number in a
 * hash table and stand in up to three queues. */
#ifndef MR_SCHEDULER_PRIVATE_H
#define MR_SCHEDULER_PRIVATE_H

#include <sys/queue.h>

#include "scheduler.h"

#define MR_SCHED_NONE UINT32_MAX
#define MR_SCHED_BUCKETS 128 /* of times: four for each power of two */
#define MR_SCHED_STREAK 3    /* incidents in a row that set a host aside */

typedef enum mr_sched_state { SCHED_QUEUED, SCHED_RUNNING, SCHED_DONE, SCHED_COMMITTED } mr_sched_state_t;

typedef struct mr_sched_task {
    uint32_t previous; /* in its list */
    uint32_t next;
    uint32_t worker;   /* who holds it, when running or done; who had it committed */
    uint32_t attempt;  /* under which it is held, or was last */
    uint32_t latest;   /* the highest number of its attempts in this life; 0: none yet */
    uint32_t mate;     /* of a task: the entry of its backup, 0: none; of a backup: its task */
    uint32_t since;    /* when it was sent or queued, in ms since the scheduler began */
    uint32_t failure;  /* the latest record of its failures; 0: none */
    uint16_t failures; /* counted attempts */
    uint8_t state;     /* mr_sched_state_t */
    bool named : 1;    /* by the partial or report that is being judged */
    bool known : 1;    /* was sent, taken up or restored: the counter of first attempts passes it by */
} mr_sched_task_t;

/* A list of entries, linked through themselves. */
typedef struct mr_sched_list {
    uint32_t head; /* MR_SCHED_NONE when empty */
    uint32_t tail;
    uint32_t due; /* the first that has not had its chance of a backup, or MR_SCHED_NONE */
    uint32_t count;
} mr_sched_list_t;

/* One counted failure. */
typedef struct mr_sched_failure {
    uint32_t task;
    uint32_t host;
    uint32_t next; /* an earlier one of the same task, or 0 */
    bool counted;  /* among the task's failures */
} mr_sched_failure_t;

typedef struct mr_sched_host {
    uint32_t number;
    uint32_t workers;                 /* of its, joined */
    uint32_t takers;                  /* of those, such as take tasks when the host does */
    uint64_t finished;                /* tasks */
    uint32_t streak[MR_SCHED_STREAK]; /* tasks that failed on it since it last finished one */
    uint32_t streak_count;
    uint64_t marked; /* by the search that is going on, if it equals `marks` */
    bool aside;
} mr_sched_host_t;

typedef struct mr_sched_worker {
    uint32_t number;
    uint32_t threads;
    uint32_t host;           /* its index */
    mr_sched_list_t running; /* sent, not done; oldest first */
    mr_sched_list_t done;    /* done, not committed */
    uint32_t ghosts;         /* attempts taken from it that its threads still run */
    double pace;             /* tasks finished per credit_ms, a decaying average */
    double depth;            /* least window, so that it does not run dry in a round trip */
    int64_t paced_at;        /* when pace was last brought up to date, or the worker began after idling */
    int64_t heard_at;        /* last sign of life */
    int64_t flushed_at;      /* last FLUSH */
    bool draining;           /* gets no more tasks */
    bool aside;              /* gets none while its host is aside */
    bool untold;             /* in the queue of those to be told aside */
    bool hungry;             /* in the queue of that name, or of the passed */
    bool passed;             /* in that queue */
    bool unflushed;          /* in the queue of that name */
    bool reserved;           /* runs dry for a suspect */
    bool alone;              /* runs a suspect, and gets nothing before that has ended */
    TAILQ_ENTRY(mr_sched_worker) by_lease;
    TAILQ_ENTRY(mr_sched_worker) by_hunger; /* hungry, passed or untold */
    TAILQ_ENTRY(mr_sched_worker) by_flush;
} mr_sched_worker_t;

TAILQ_HEAD(mr_sched_queue, mr_sched_worker);

struct mr_scheduler {
    mr_scheduler_config_t config;
    int64_t now;   /* the latest seen */
    int64_t began; /* the first seen */

    mr_sched_task_t *tasks;
    uint32_t fresh;           /* the next task never sent */
    uint32_t ahead;           /* tasks behind it that are known all the same */
    mr_sched_list_t again;    /* queued again, without a failure */
    mr_sched_list_t tried;    /* queued again after a failure */
    mr_sched_list_t suspects; /* queued again, to run alone */
    uint32_t committed;
    uint32_t restored;
    uint32_t failed; /* the task that fails the job, or MR_SCHED_NONE */
    bool fail_told;

    uint32_t pool;                    /* entries behind the tasks */
    uint32_t spare;                   /* the first unused one, linked by `next` */
    int64_t backup_at;                /* no backup is due before */
    int64_t search_at;                /* none is looked for before: the last search found none */
    uint64_t times[MR_SCHED_BUCKETS]; /* how many attempts took how long from sent to done */
    uint64_t timed;                   /* all of those */

    mr_sched_host_t *hosts;
    uint32_t host_count;
    uint32_t taking;  /* hosts that take tasks */
    uint32_t aside;   /* hosts set aside */
    uint32_t streaks; /* hosts that would be, if another had finished a task */
    uint64_t marks;
    mr_sched_failure_t *failures; /* the first is not used */
    uint32_t failure_count;
    uint32_t failure_room;

    mr_sched_worker_t **table; /* open addressing by number; linear probing */
    uint32_t capacity;         /* a power of two, or 0 */
    uint32_t workers;
    uint32_t reserved;               /* workers that run dry for a suspect */
    double pace;                     /* sum over the workers that take tasks */
    uint64_t threads;                /* sum over the same */
    struct mr_sched_queue leases;    /* all workers, the longest silent first */
    struct mr_sched_queue hungry;    /* may have room; each idle worker that takes tasks is here or in the next */
    struct mr_sched_queue passed;    /* idle, but all that is queued waits for another host */
    struct mr_sched_queue unflushed; /* to be asked for partials once nothing is queued */
    struct mr_sched_queue dead;      /* their leases ran out, not yet told */
    struct mr_sched_queue untold;    /* set aside, not yet told */

    mr_attempt_t *batch; /* what the last action names */
    uint64_t retries;
    uint64_t backups;
    uint64_t won;
    uint64_t adopted;
    uint64_t lost;
    uint64_t discarded;
    uint64_t stale;
};

/* ---- scheduler.c ---- */

void mr_sched_clock(mr_scheduler_t *scheduler, int64_t now);

/* The worker an event comes from, whose lease begins anew; NULL, and the event is stale, when it is none of ours. */
mr_sched_worker_t *mr_sched_hear(mr_scheduler_t *scheduler, int64_t now, uint32_t number);

/* ---- scheduler_tasks.c: the books of tasks ---- */

void mr_sched_list_init(mr_sched_list_t *list);
void mr_sched_append(mr_scheduler_t *scheduler, mr_sched_list_t *list, mr_sched_task_t *entry);
void mr_sched_unlink(mr_scheduler_t *scheduler, mr_sched_list_t *list, mr_sched_task_t *entry);

/* Waiting for a worker; of those, such as are no suspects. */
uint32_t mr_sched_queued(const mr_scheduler_t *scheduler);
uint32_t mr_sched_unsuspected(const mr_scheduler_t *scheduler);

/* The task an entry is an attempt of: itself, unless it is a backup. */
mr_sched_task_t *mr_sched_task_of(mr_scheduler_t *scheduler, mr_sched_task_t *entry);
uint32_t mr_sched_index(const mr_scheduler_t *scheduler, const mr_sched_task_t *entry);

/* Its time of sending or queueing. */
int64_t mr_sched_since(const mr_scheduler_t *scheduler, const mr_sched_task_t *entry);

/* The list in which a task that is queued, and known, stands or would. */
mr_sched_list_t *mr_sched_queue_of(mr_scheduler_t *scheduler, const mr_sched_task_t *task);

/* Takes a task out of the queue, wherever in it it is. */
void mr_sched_leave_queue(mr_scheduler_t *scheduler, mr_sched_task_t *task);

/* Hands a queued task that `worker` may have to it: the next that is no suspect, or the next suspect. False: there is none. */
bool mr_sched_take(mr_scheduler_t *scheduler, mr_sched_worker_t *worker, mr_attempt_t *attempt);
bool mr_sched_take_suspect(mr_scheduler_t *scheduler, mr_sched_worker_t *worker, mr_attempt_t *attempt);

/* The next number of an attempt of the task, which is used up. */
uint32_t mr_sched_number(mr_scheduler_t *scheduler, mr_sched_task_t *task);

/* The entry of an attempt that `worker` holds, or NULL. */
mr_sched_task_t *mr_sched_held(mr_scheduler_t *scheduler, const mr_sched_worker_t *worker, mr_attempt_t attempt);

/* True if the attempt was the worker's and is committed: its partial overtook the message that speaks of it. */
bool mr_sched_overtook(const mr_scheduler_t *scheduler, const mr_sched_worker_t *worker, mr_attempt_t attempt);

/* What becomes of an attempt that `worker` holds. Each returns true if it was running. */
bool mr_sched_finish(mr_scheduler_t *scheduler, mr_sched_worker_t *worker, mr_sched_task_t *entry);
bool mr_sched_commit(mr_scheduler_t *scheduler, mr_sched_worker_t *worker, mr_sched_task_t *entry);
/* A backup takes the place of an attempt that is given up; a backup that is given up is just gone; else the task is queued. */
bool mr_sched_requeue(mr_scheduler_t *scheduler, mr_sched_worker_t *worker, mr_sched_task_t *entry, bool counted);

/* Gives up all that `worker` holds; `counted`: its oldest running attempts, one a thread, as failed. */
void mr_sched_requeue_all(mr_scheduler_t *scheduler, mr_sched_worker_t *worker, bool counted);

/* Takes an attempt from its holder's lists; when that happens without the holder's doing, a thread of it is a ghost's. */
bool mr_sched_let_go(mr_scheduler_t *scheduler, mr_sched_worker_t *worker, mr_sched_task_t *entry);
void mr_sched_wrest(mr_scheduler_t *scheduler, mr_sched_task_t *entry);

/* ---- scheduler_workers.c: the books of workers ---- */

mr_sched_worker_t *mr_sched_find(const mr_scheduler_t *scheduler, uint32_t number);

/* A new worker in all its places. NULL when memory is out (nothing has changed). */
mr_sched_worker_t *mr_sched_enter(mr_scheduler_t *scheduler, uint32_t number, uint32_t threads, uint32_t host);

/* Takes the worker out of the table and all queues; it must hold nothing. The caller owns it then. */
void mr_sched_exit(mr_scheduler_t *scheduler, mr_sched_worker_t *worker);

/* The worker takes no more tasks: for good; or while its host is aside; and again after that. */
void mr_sched_retire(mr_scheduler_t *scheduler, mr_sched_worker_t *worker);
void mr_sched_shelve(mr_scheduler_t *scheduler, mr_sched_worker_t *worker);
void mr_sched_unshelve(mr_scheduler_t *scheduler, mr_sched_worker_t *worker);

bool mr_sched_takes(const mr_sched_worker_t *worker);

/* Notes that the worker may have room; that it has not; that nothing queued is for it. */
void mr_sched_hungry(mr_scheduler_t *scheduler, mr_sched_worker_t *worker);
void mr_sched_sated(mr_scheduler_t *scheduler, mr_sched_worker_t *worker);
void mr_sched_pass(mr_scheduler_t *scheduler, mr_sched_worker_t *worker);

/* The queue or the hosts have changed: those passed by may get something. */
void mr_sched_reconsider(mr_scheduler_t *scheduler);

/* Notes that the worker may have work to flush. */
void mr_sched_unflushed(mr_scheduler_t *scheduler, mr_sched_worker_t *worker);

/* Brings the worker's pace up to date: it has finished so many since the last time. */
void mr_sched_pace(mr_scheduler_t *scheduler, mr_sched_worker_t *worker, size_t finished);

/* Gives back the worker's reservation for a suspect, if it has one. */
void mr_sched_unreserve(mr_scheduler_t *scheduler, mr_sched_worker_t *worker);

/* The worker has told of an attempt that is not its own any more. */
void mr_sched_unghost(mr_scheduler_t *scheduler, mr_sched_worker_t *worker);

/* ---- scheduler_hosts.c: where tasks fail ---- */

/* The index of the host of that number, a new one if need be; MR_SCHED_NONE when memory is out. */
uint32_t mr_sched_host(mr_scheduler_t *scheduler, uint32_t number);

/* One more, or one less, of the host's workers takes tasks. */
void mr_sched_taker(mr_scheduler_t *scheduler, uint32_t host, int change);

/* The first of the list that may run on the host, or MR_SCHED_NONE; only so many are looked at. */
uint32_t mr_sched_suitable(mr_scheduler_t *scheduler, const mr_sched_list_t *list, uint32_t host);

/* When a task that waits for another host has waited long enough, or INT64_MAX. */
int64_t mr_sched_waited(const mr_scheduler_t *scheduler);

/* The task may run on the host, its failures considered. */
bool mr_sched_may_run(mr_scheduler_t *scheduler, const mr_sched_task_t *task, uint32_t host);

/* The task failed on the host, counted. Returns true if that was an incident, which it can only be with `evidence`. */
bool mr_sched_blame(mr_scheduler_t *scheduler, uint32_t host, mr_sched_task_t *task, bool evidence);

/* The host finished a task. */
void mr_sched_praise(mr_scheduler_t *scheduler, uint32_t host);

/* Sets the host aside if it must be; uses those set aside again if none other takes tasks. */
void mr_sched_judge(mr_scheduler_t *scheduler, uint32_t host);
void mr_sched_relent(mr_scheduler_t *scheduler);

/* ---- scheduler_backup.c ---- */

/* Notes how long an attempt took from sent to done. */
void mr_sched_timed(mr_scheduler_t *scheduler, int64_t elapsed);

/* The backup has become the attempt; has failed, or is lost: its entry is spare. */
void mr_sched_promote(mr_scheduler_t *scheduler, mr_sched_task_t *task);
void mr_sched_spare(mr_scheduler_t *scheduler, mr_sched_task_t *task);
void mr_sched_spare_all(mr_scheduler_t *scheduler);

/* False: an attempt of the same task is done, on a worker that is about to have it committed. */
bool mr_sched_may_win(mr_scheduler_t *scheduler, mr_sched_task_t *entry);

/* The next backup to send now, if there is one. */
bool mr_sched_next_backup(mr_scheduler_t *scheduler, mr_action_t *action);

/* Nothing is queued and something is held. */
bool mr_sched_tail(const mr_scheduler_t *scheduler);

#endif
