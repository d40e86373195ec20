/* roll.h - the workers that a coordinator that stays knows: who is here, heard when, and for which job each shall work. No sockets, no clock.
 *
 * A worker is known by its identity on the control socket, which it keeps for life. It is on the roll from its first HELLO until it says BYE or
 * was silent for a lease. */
#ifndef MR_ROLL_H
#define MR_ROLL_H

#include "members.h"

#define MR_ROLL_MOST_JOBS 64 /* that workers are shared out among */

typedef struct mr_roll_worker {
    mr_sender_t sender;
    char *host;    /* owned */
    char *version; /* owned */
    uint32_t pid;
    uint32_t threads;
    uint64_t job;      /* it shall work for that one; 0: none */
    uint64_t said_job; /* it works for that one, as its last HELLO said; 0: none */
    int64_t joined_ms; /* mr_clock_ms of its first HELLO */
    int64_t heard_ms;  /* of its last */
    bool untold;       /* `job` has changed and PLACE has not been sent */
} mr_roll_worker_t;

typedef struct mr_roll {
    mr_roll_worker_t **items; /* owned, each owned, in the order in which they came */
    size_t count;
    size_t capacity;
} mr_roll_t;

/* HELLO: finds the worker or takes it up. `fresh` tells which. NULL: memory is out. */
mr_roll_worker_t *mr_roll_hello(mr_roll_t *roll, const mr_sender_t *sender, const mr_hello_message_t *hello,
                                int64_t now, bool *fresh);

/* The worker of that identity, or NULL. */
mr_roll_worker_t *mr_roll_find(const mr_roll_t *roll, const mr_sender_t *sender);

/* Takes it off the roll and frees it. */
void mr_roll_remove(mr_roll_t *roll, mr_roll_worker_t *worker);

/* A worker that was not heard since `before`, or NULL. */
mr_roll_worker_t *mr_roll_silent(const mr_roll_t *roll, int64_t before);

/* Nobody could be heard until now: that silence says nothing about the workers. */
void mr_roll_forgive(mr_roll_t *roll, int64_t now);

/* Shares the workers out among the first `open` of the jobs in `jobs`, so that their threads are as even as whole workers allow. A worker is moved
 * from one of them to another only where that makes the shares more even. The others, up to `count`, keep the workers they have, and get none.
 * Those whose job has changed are `untold`. */
void mr_roll_share(mr_roll_t *roll, const uint64_t *jobs, size_t open, size_t count);

/* How many shall work for that job, and with how many threads in all (NULL: not asked). */
size_t mr_roll_count(const mr_roll_t *roll, uint64_t job, uint64_t *threads);

void mr_roll_free(mr_roll_t *roll);

#endif
