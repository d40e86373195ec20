/* oracle.h - what must be true of a scheduler, kept in books so plain that they are plainly right: one entry a task, one a
 * worker, one a host, a log of failures, and every question answered from them by looking at all.
 *
 * It is told every event and every action, and a model of the sink (what was applied, how often). The first thing that is
 * wrong is kept as text. */
#ifndef MR_SIM_ORACLE_H
#define MR_SIM_ORACLE_H

#include "scheduler.h"

/* One attempt that a worker holds. */
typedef struct oracle_try {
    bool held;
    bool done;
    uint32_t holder;
    uint32_t attempt;
    uint64_t order; /* of sending or taking up */
    int64_t since;
} oracle_try_t;

typedef struct oracle_task {
    bool committed;
    oracle_try_t tries[2]; /* the attempt, and its backup; none held: it is queued */
    uint32_t latest;
    uint32_t backup;  /* number of its last backup in this life */
    uint32_t applied; /* by the sink */
    int64_t queued_at;
} oracle_task_t;

typedef struct oracle_worker {
    bool present;
    bool draining;
    bool alone; /* runs a suspect */
    uint32_t threads;
    uint32_t host;
    uint32_t running;
    uint32_t done;
    int64_t heard_at;
} oracle_worker_t;

typedef struct oracle_failure {
    uint32_t task;
    uint32_t host;
    bool counted;
} oracle_failure_t;

#define ORACLE_HOSTS 64

typedef struct oracle_host {
    bool aside;
    uint64_t finished;
    uint32_t takers;
    uint32_t streak[3];
    uint32_t streak_count;
} oracle_host_t;

typedef struct oracle {
    mr_scheduler_config_t config;
    int64_t now; /* ms */
    oracle_task_t *tasks;
    oracle_worker_t *workers; /* by number */
    uint32_t capacity;        /* of workers */
    oracle_host_t hosts[ORACLE_HOSTS];
    oracle_failure_t *failures; /* in order */
    size_t failure_count;
    size_t failure_room;
    uint32_t queued;
    uint32_t committed;
    uint32_t applied;  /* tasks by the sink */
    uint64_t checksum; /* of what the sink applied */
    uint64_t sends;    /* tasks sent so far */
    uint64_t adopted;
    bool check_doomed;
    char violation[200]; /* empty: none so far */
} oracle_t;

void oracle_init(oracle_t *oracle, const mr_scheduler_config_t *config);
void oracle_free(oracle_t *oracle);

/* The coordinator starts anew: only what is committed is left. */
void oracle_restart(oracle_t *oracle, const mr_scheduler_config_t *config);

/* Notes the first thing that is wrong. */
void oracle_violate(oracle_t *oracle, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Events; each is preceded by oracle_hear, if it is a worker's. */
void oracle_hear(oracle_t *oracle, int64_t now, uint32_t number);
void oracle_join(oracle_t *oracle, uint32_t number, uint32_t threads, uint32_t host);
void oracle_done(oracle_t *oracle, uint32_t number, const mr_attempt_t *attempts, size_t count);
void oracle_failed(oracle_t *oracle, uint32_t number, mr_attempt_t attempt);
void oracle_returned(oracle_t *oracle, uint32_t number, const mr_attempt_t *attempts, size_t count);
void oracle_reconcile(oracle_t *oracle, uint32_t number, const mr_attempt_t *running, size_t running_count,
                      const mr_attempt_t *done, size_t done_count);
void oracle_drain(oracle_t *oracle, uint32_t number);
void oracle_leave(oracle_t *oracle, uint32_t number, bool counted);
/* Returns what the verdict must be, and takes the event in. */
bool oracle_partial(oracle_t *oracle, uint32_t number, const mr_attempt_t *attempts, size_t count);

/* Actions. */
void oracle_sent(oracle_t *oracle, const mr_action_t *action);
void oracle_flush(oracle_t *oracle, uint32_t number);
void oracle_aside(oracle_t *oracle, uint32_t number);
void oracle_fail(oracle_t *oracle, uint32_t task);

/* A task that is doomed, when no action is left, has failed the job. */
void oracle_settled(oracle_t *oracle, bool failed);

/* The sink applied `count` of a partial's attempts, whose rows sum to `checksum`. */
void oracle_apply(oracle_t *oracle, const mr_attempt_t *attempts, size_t count, uint64_t checksum);

/* A commit that was not on disk is gone with the coordinator: `count` attempts, of which the sink had applied the first `applied`. */
void oracle_revoke(oracle_t *oracle, const mr_attempt_t *attempts, size_t count, size_t applied, uint64_t checksum);

/* A partial that a worker made, not one that was forged, names a backup only alone. */
void oracle_alone(oracle_t *oracle, const mr_attempt_t *attempts, size_t count);

/* After every step: the scheduler's counts are those of the books; what is committed is what was applied. */
void oracle_step(oracle_t *oracle, const mr_scheduler_t *scheduler);
/* Now and then: the books themselves, and the scheduler's, recounted. */
void oracle_recount(oracle_t *oracle, const mr_scheduler_t *scheduler);

#endif
