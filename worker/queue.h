/* queue.h - tasks that have arrived and that no thread has begun: first in, first out. Not locked; the pool does that. */
#ifndef MR_QUEUE_H
#define MR_QUEUE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "wire.h"

/* One TASKS message; freed when the last of its tasks has been released. */
typedef struct mr_batch {
    mr_message_t message; /* owned */
    size_t begun;         /* specs taken */
    atomic_size_t held;   /* specs not released */
    struct mr_batch *next;
} mr_batch_t;

typedef struct mr_queue {
    mr_batch_t *first;
    mr_batch_t *last;
    size_t size;       /* specs that can be taken */
    uint64_t received; /* specs ever put in */
} mr_queue_t;

/* A task taken from the queue; give it back with mr_ticket_release when done. */
typedef struct mr_ticket {
    const mr_spec_t *spec;
    mr_batch_t *batch;
} mr_ticket_t;

/* Takes a decoded TASKS message over (it is empty afterwards). Returns 0, or -1 when memory is out. */
int mr_queue_put(mr_queue_t *queue, mr_message_t *tasks);

/* The oldest task. False: the queue is empty. */
bool mr_queue_take(mr_queue_t *queue, mr_ticket_t *ticket);

/* May be called from any thread. */
void mr_ticket_release(mr_ticket_t *ticket);

#endif
