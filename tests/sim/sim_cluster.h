/* sim_cluster.h - what the parts of the simulation share: channels and the run (sim.c), the coordinator (coordinator.c), the
 * processes (process.c), what they send (report.c), and what befalls them (faults.c). */
#ifndef MR_SIM_CLUSTER_H
#define MR_SIM_CLUSTER_H

#include "agenda.h"
#include "bag.h"
#include "oracle.h"
#include "random.h"
#include "sim.h"

#define SIM_MAX_THREADS 16

typedef enum sim_channel { UP_CONTROL, UP_SINK, DOWN_LANE, DOWN_CONTROL } sim_channel_t;

/* A worker process. Between its start and its end it is one incarnation; it may have many numbers in that time. */
typedef struct process {
    uint32_t incarnation;
    uint32_t number; /* 0: it is down */
    uint32_t life;   /* of the coordinator that gave it */
    uint32_t generation;
    uint32_t connection[4];
    int64_t due[4];        /* last arrival on each channel */
    bool noticing;         /* an EV_NOTICE is on the agenda */
    int64_t stalled_until; /* it does nothing before */
    int64_t ended_us;      /* its last task */
    uint32_t tasks;        /* that it has computed */
    bool flush_asked;
    bool draining;
    int64_t draining_since;
    bag_t queue; /* not begun */
    bag_t alone; /* backups, not begun */
    mr_attempt_t running[SIM_MAX_THREADS];
    bool busy[SIM_MAX_THREADS];
    bool solo[SIM_MAX_THREADS]; /* what it runs is a backup */
    uint32_t busy_count;
    bag_t unreported; /* computed, DONE not sent */
    bag_t folded;     /* computed, in no partial yet */
    uint64_t checksum;
    int64_t folded_since;
    sim_event_t **kept; /* partials sent, no verdict yet */
    size_t kept_count;
    ids_t answered; /* partials with a verdict */
} process_t;

typedef struct cluster {
    const sim_config_t *config;
    sim_result_t result;
    mr_scheduler_t *scheduler;
    oracle_t oracle;
    agenda_t agenda;
    int64_t now; /* microseconds */
    uint64_t random;
    process_t *processes;
    uint32_t numbers;        /* given so far */
    uint32_t *owners;        /* process of each number */
    uint32_t *generations;   /* of each number, as the coordinator knows it */
    bool *joined;            /* each number has joined */
    bool *returned;          /* each number has said what it holds */
    int64_t *flushed;        /* when each number was first asked for a partial that has not come, ms; 0: it was not */
    sim_event_t **undurable; /* owned copies: committed, not on disk; in order */
    size_t undurable_count;
    int64_t durable_at;  /* when the last of them will be */
    size_t owner_room;   /* numbers there is room for */
    uint32_t life;       /* of the coordinator */
    bool down;           /* it is not there */
    uint64_t partials;   /* ids given so far */
    uint64_t wanted;     /* checksum of a serial run */
    int64_t finished_at; /* all committed; 0: not yet */
    int64_t planned;     /* when the next EV_TICK is on the agenda; 0: none */
} cluster_t;

/* ---- sim.c ---- */

/* Puts a message on a channel of a process; it arrives in order, unless the connection breaks. Takes the event over. */
void cluster_send(cluster_t *cluster, uint32_t process, sim_channel_t channel, sim_event_t *event);

/* Puts an event of a process on the agenda. */
void cluster_plan(cluster_t *cluster, uint32_t process, sim_kind_t kind, int64_t delay);

/* The sum of the rows of one task. */
uint64_t cluster_checksum(const cluster_t *cluster, uint32_t task);

/* The sabotage is to be done now. */
bool cluster_sabotage(cluster_t *cluster, sim_sabotage_t sabotage);

/* ---- coordinator.c ---- */

void coordinator_start(cluster_t *cluster);

/* What arrives at, or happens in, the coordinator. */
void coordinator_event(cluster_t *cluster, const sim_event_t *event);

/* Carries out all that its scheduler wants. */
void coordinator_pump(cluster_t *cluster);

/* ---- process.c ---- */

/* What arrives at, or happens in, a process. */
void process_event(cluster_t *cluster, const sim_event_t *event);
void process_free(process_t *process);

/* Begins as many tasks as threads are idle. */
void process_begin(cluster_t *cluster, uint32_t index);

/* ---- report.c: what a process sends ---- */

void report_done(cluster_t *cluster, uint32_t index);
void report_flush(cluster_t *cluster, uint32_t index);
void report_alone(cluster_t *cluster, uint32_t index, mr_attempt_t attempt);
void report_plain(cluster_t *cluster, uint32_t index, sim_kind_t kind, bool flag);

/* Says what it holds; `resend`: and sends what has no verdict again. */
void report_held(cluster_t *cluster, uint32_t index, bool resend);

/* Takes a verdict. */
void report_verdict(cluster_t *cluster, uint32_t index, uint64_t id, bool committed);

/* ---- faults.c ---- */

void fault_start(cluster_t *cluster, uint32_t index);
void fault_join(cluster_t *cluster, uint32_t index);
void fault_end(cluster_t *cluster, uint32_t index, bool notice, bool counted);
void fault_strike(cluster_t *cluster, uint32_t index);

#endif
