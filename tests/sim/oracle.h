/* oracle.h - what must be true of a scheduler, kept in books so plain that they are plainly right: one entry a task, one a
 * worker, and every question answered from them.
 *
 * It is told every event and every action, and a model of the sink (what was applied, how often). The first thing that is
 * wrong is kept as text. */
#ifndef MR_SIM_ORACLE_H
#define MR_SIM_ORACLE_H

#include "scheduler.h"

typedef enum sim_state { SIM_QUEUED, SIM_RUNNING, SIM_DONE, SIM_COMMITTED } sim_state_t;

typedef struct oracle_task {
    sim_state_t state;
    uint32_t holder;
    uint32_t attempt;
    uint32_t failures;
    uint32_t applied; /* by the sink */
    uint64_t sent;    /* sequence of the latest send */
} oracle_task_t;

typedef struct oracle_worker {
    bool present;
    bool draining;
    bool alone; /* runs a suspect */
    uint32_t threads;
    uint32_t running;
    uint32_t done;
} oracle_worker_t;

typedef struct oracle {
    mr_scheduler_config_t config;
    oracle_task_t *tasks;
    oracle_worker_t *workers; /* by number */
    uint32_t capacity;        /* of workers */
    uint32_t counts[4];       /* tasks by state */
    uint32_t applied;         /* tasks by the sink */
    uint64_t checksum;        /* of what the sink applied */
    uint64_t sends;           /* tasks sent so far */
    uint32_t doomed;          /* tasks that failed max_attempts times */
    char violation[200];      /* empty: none so far */
} oracle_t;

void oracle_init(oracle_t *oracle, const mr_scheduler_config_t *config);
void oracle_free(oracle_t *oracle);

/* Notes the first thing that is wrong. */
void oracle_violate(oracle_t *oracle, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Events. */
void oracle_join(oracle_t *oracle, uint32_t number, uint32_t threads);
void oracle_done(oracle_t *oracle, uint32_t number, const mr_attempt_t *attempts, size_t count);
void oracle_failed(oracle_t *oracle, uint32_t number, mr_attempt_t attempt);
void oracle_returned(oracle_t *oracle, uint32_t number, const mr_attempt_t *attempts, size_t count);
void oracle_drain(oracle_t *oracle, uint32_t number);
void oracle_leave(oracle_t *oracle, uint32_t number, bool counted);
/* Returns what the verdict must be, and takes the event in. */
bool oracle_partial(oracle_t *oracle, uint32_t number, const mr_attempt_t *attempts, size_t count);

/* Actions. */
void oracle_sent(oracle_t *oracle, uint32_t number, const mr_attempt_t *attempts, size_t count);
void oracle_flush(oracle_t *oracle, uint32_t number);
void oracle_fail(oracle_t *oracle, uint32_t task);

/* The sink applied `count` of a partial's attempts, whose rows sum to `checksum`. */
void oracle_apply(oracle_t *oracle, const mr_attempt_t *attempts, size_t count, uint64_t checksum);

/* After every step: the scheduler's counts are those of the books; what is committed is what was applied. */
void oracle_step(oracle_t *oracle, const mr_scheduler_t *scheduler);
/* Now and then: the books themselves, and the scheduler's, recounted. */
void oracle_recount(oracle_t *oracle, const mr_scheduler_t *scheduler);

#endif
