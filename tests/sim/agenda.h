/* agenda.h - the events to come, the earliest first, equal times in the order they were added. */
#ifndef MR_SIM_AGENDA_H
#define MR_SIM_AGENDA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scheduler.h"

typedef enum sim_kind {
    /* to the coordinator, on the control channel... */
    MSG_HELLO,
    MSG_ALIVE,
    MSG_DONE,
    MSG_FAILED,
    MSG_RETURNED,
    MSG_HELD, /* all it holds: the first `split` attempts are not computed, the others are */
    MSG_GONE, /* its connection closed, as the coordinator sees it */
    /* ...and on the sink's */
    MSG_PARTIAL,
    /* to a worker: the lane, and control */
    MSG_TASKS,
    MSG_FLUSH,
    MSG_COMMITTED,
    MSG_DISCARD,
    MSG_DRAIN,
    MSG_ACCOUNT, /* say what you hold */
    MSG_UNKNOWN, /* the coordinator knows no worker of this number */
    /* in a worker */
    EV_START,
    EV_COMPUTED,
    EV_REPORT,
    EV_HEARTBEAT,
    EV_NOTICE, /* it sees that a connection broke */
    EV_FAULT,
    /* in the coordinator */
    EV_TICK,
    EV_CRASH,
    EV_RISE,
    EV_DURABLE, /* the journal has it on the disk: a partial that is committed, or all that was before an answer */
} sim_kind_t;

/* One event or message. Owned by the agenda until it is taken, then by who took it. */
typedef struct sim_event {
    int64_t at; /* microseconds */
    uint64_t order;
    sim_kind_t kind;
    uint32_t worker;      /* index of the simulated process */
    uint32_t number;      /* its number, to the scheduler, when this was made */
    uint32_t incarnation; /* of the process, of an event in it */
    uint32_t life;        /* of the coordinator, when this was made */
    uint32_t generation;  /* of MSG_HELD, and of what is void when it is older */
    uint32_t channel;     /* of a message */
    uint32_t connection;  /* number of the channel's connection when this was sent; another one now: lost */
    uint32_t thread;      /* of EV_COMPUTED */
    uint32_t split;       /* of MSG_HELD; EV_DURABLE: so many of its tasks were reduced */
    bool flag;            /* MSG_GONE: counted; MSG_PARTIAL: damaged; MSG_TASKS: alone; EV_DURABLE: answered */
    bool forged;          /* MSG_PARTIAL: names what its sender does not hold */
    uint64_t partial;     /* its id */
    uint64_t checksum;    /* of the partial's rows */
    size_t count;
    mr_attempt_t attempts[];
} sim_event_t;

typedef struct agenda {
    sim_event_t **heap; /* owned */
    size_t count;
    size_t capacity;
    uint64_t order;
} agenda_t;

/* A new event with room for `count` attempts, copied from `attempts` if that is not NULL. */
sim_event_t *agenda_event(sim_kind_t kind, const mr_attempt_t *attempts, size_t count);

void agenda_add(agenda_t *agenda, sim_event_t *event);
sim_event_t *agenda_take(agenda_t *agenda);
void agenda_free(agenda_t *agenda);

#endif
