/* sim.h - a simulated cluster: the real scheduler, and workers, channels, a sink and a clock that are made up.
 *
 * One seed is one history. Time is virtual (microseconds); an event is a message that arrives, a thread that ends a task,
 * a heartbeat or a fault. Control, lane and sink are separate channels: each keeps its order, none waits for another. After
 * every event the oracle looks at the scheduler; the first thing that is wrong ends the run. */
#ifndef MR_SIM_H
#define MR_SIM_H

#include "scheduler.h"

/* What may be broken on purpose, to see that the checks can fail. */
typedef enum sim_sabotage {
    SABOTAGE_NONE,
    SABOTAGE_COMMIT_STALE, /* the sink applies a partial that the scheduler discards */
    SABOTAGE_DISCARD_GOOD, /* the sink throws away a partial that the scheduler commits */
    SABOTAGE_HALF,         /* the sink applies half of a partial */
    SABOTAGE_FREE_EARLY,   /* a worker frees a partial before the verdict */
    SABOTAGE_NO_FLUSH,     /* FLUSH is never sent */
    SABOTAGE_NO_LEASE,     /* time never passes for the scheduler's leases */
    SABOTAGE_FORGET,       /* a coordinator that starts anew forgets a task that was committed */
    SABOTAGE_TRUST,        /* the sink applies all that a worker sends after it came back */
    SABOTAGE_SHARE,        /* a worker folds backups into the partial of its other tasks */
    SABOTAGE_NO_HELD,      /* the coordinator does not listen to what a worker says it holds */
    SABOTAGE_NO_RESEND,    /* a worker does not send its partials again after a connection broke */
    SABOTAGE_KEEP_QUIET,   /* a worker does not give the tasks of a discarded partial back */
    SABOTAGE_ANSWER_EARLY, /* a commit is answered before it is on disk */
} sim_sabotage_t;

#define SIM_PROFILES 64 /* worker i is as profile i % SIM_PROFILES says */

typedef struct sim_config {
    uint64_t seed;
    mr_scheduler_config_t scheduler;
    sim_sabotage_t sabotage;

    uint32_t workers;
    uint32_t threads[SIM_PROFILES];
    double speed[SIM_PROFILES];    /* 1: a task takes its time */
    int64_t join_us[SIM_PROFILES]; /* when it first joins */
    double (*work_us)(uint64_t seed, uint32_t task);
    int64_t join_every_us; /* more for each worker before it */
    uint32_t host[SIM_PROFILES];
    int64_t stop_us[SIM_PROFILES]; /* it is stopped for good then; 0: never */

    int64_t latency_us; /* one way, at least */
    int64_t jitter_us;  /* more, at random */
    int64_t report_us;  /* a worker gathers DONEs for so long */
    int64_t flush_us;   /* a worker flushes after so long by itself; 0: only when asked */
    bool flush_at_once; /* at FLUSH, not when it has run dry */

    /* Faults; all 0 in a cluster without any. */
    int64_t fault_every_us; /* mean time between faults of one worker; 0: none */
    int64_t fault_until_us; /* no faults afterwards */
    double task_fails;      /* probability that an attempt fails */
    double twice;           /* probability that a DONE or a partial arrives twice */
    double damaged;         /* probability that a partial lacks a run: the caller discards it */
    double forged;          /* probability that a worker speaks of attempts that it does not hold */
    double broken;          /* share of faults that are broken connections of a worker that lives on */
    int64_t crash_every_us; /* mean time between crashes of the coordinator; 0: none */
    int64_t journal_us;     /* mean time from a commit until it is on disk, and answered; 0: at once */
    bool account;           /* one that was asked to flush and sends nothing for a lease is asked what it holds */
    double crash_at_commit; /* probability that it crashes when a commit is on disk and not answered yet */
    uint32_t black_hole;    /* attempts fail on hosts below this number, but for host 0 */
    bool poisoned;          /* task `poison` kills every worker that begins it */
    uint32_t poison;
} sim_config_t;

typedef struct sim_result {
    char violation[200]; /* empty: none */
    bool failed;         /* the job failed, as it should, by task `failed_task` */
    uint32_t failed_task;
    uint32_t sabotaged; /* times the sabotage was done */
    uint64_t events;
    uint64_t messages;         /* SENDs */
    uint32_t lives;            /* of the coordinator */
    uint64_t helds;            /* reports of what a worker holds */
    uint64_t accounts;         /* ACCOUNTs sent */
    uint64_t revoked;          /* partials that were committed and not on disk when the coordinator died */
    uint64_t asides;           /* workers told that their hosts are set aside */
    mr_scheduler_stats_t past; /* sums of the counters over earlier lives */
    int64_t makespan_us;
    double ideal_us;                /* all work over all speed */
    int64_t ended_us[SIM_PROFILES]; /* when each of the first ended its last task */
    uint32_t least_tasks;           /* that one worker has computed */
    uint32_t most_tasks;
    mr_scheduler_stats_t stats;
} sim_result_t;

sim_result_t sim_run(const sim_config_t *config);

/* A cluster with all kinds of trouble, drawn from the seed. */
sim_config_t sim_draw(uint64_t seed);

#endif
