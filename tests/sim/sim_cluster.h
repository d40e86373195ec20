/* sim_cluster.h - what the two halves of the simulation share: the coordinator's side (sim.c) and the processes (process.c). */
#ifndef MR_SIM_CLUSTER_H
#define MR_SIM_CLUSTER_H

#include "agenda.h"
#include "bag.h"
#include "oracle.h"
#include "random.h"
#include "sim.h"

#define SIM_MAX_THREADS 16

typedef enum sim_channel { UP_CONTROL, UP_SINK, DOWN_LANE, DOWN_CONTROL } sim_channel_t;

/* A worker process. It lives many lives, each under a number of its own. */
typedef struct process {
    uint32_t number; /* 0: it is down */
    uint32_t connection;
    int64_t due[4];        /* last arrival on each channel */
    int64_t stalled_until; /* it does nothing before */
    int64_t ended_us;      /* its last task */
    bool flush_asked;
    bool draining;
    int64_t draining_since;
    bag_t queue; /* not begun */
    mr_attempt_t running[SIM_MAX_THREADS];
    bool busy[SIM_MAX_THREADS];
    uint32_t busy_count;
    bag_t unreported; /* computed, DONE not sent */
    bag_t folded;     /* computed, in no partial yet */
    uint64_t checksum;
    int64_t folded_since;
    ids_t kept;     /* partials sent, no verdict yet */
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
    process_t processes[SIM_MAX_WORKERS];
    uint32_t numbers;    /* given so far */
    uint32_t *owners;    /* process of each number */
    size_t owner_room;   /* numbers there is room for */
    uint64_t partials;   /* ids given so far */
    uint64_t wanted;     /* checksum of a serial run */
    int64_t finished_at; /* all committed; 0: not yet */
    bool planned;        /* an EV_TICK is on the agenda */
} cluster_t;

/* ---- sim.c ---- */

/* Puts a message on a channel of a process; it arrives in order, unless the connection breaks. Takes the event over. */
void cluster_send(cluster_t *cluster, uint32_t process, sim_channel_t channel, sim_event_t *event);

/* Puts an event of a process on the agenda. */
void cluster_plan(cluster_t *cluster, uint32_t process, sim_kind_t kind, int64_t delay);

/* The sum of the rows of one task. */
uint64_t cluster_checksum(const cluster_t *cluster, uint32_t task);

/* ---- process.c ---- */

/* What arrives at, or happens in, a process. */
void process_event(cluster_t *cluster, const sim_event_t *event);
void process_free(process_t *process);

#endif
