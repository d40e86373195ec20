/* watch.h - tells a worker that is slow from one that is stuck, by what its heartbeats say of its running tasks: a slow one reads on. */
#ifndef MR_WATCH_H
#define MR_WATCH_H

#include <stdbool.h>

#include "wire.h"

typedef struct mr_watched {
    mr_attempt_t attempt;
    uint64_t bytes;   /* read of it, as last heard */
    int64_t moved_at; /* when that last grew */
    bool told;        /* that it is stuck */
} mr_watched_t;

/* The running tasks of one worker. Zero it to make one. */
typedef struct mr_watch {
    mr_watched_t *items; /* owned */
    size_t count;
    size_t capacity;
} mr_watch_t;

/* Takes what a heartbeat says. Returns 0, or -1 when memory is out (nothing is watched then). */
int mr_watch_take(mr_watch_t *watch, const mr_running_t *running, size_t count, int64_t now);

/* The next task that has not moved for `stuck_ms`, once for each attempt; NULL: none. */
const mr_watched_t *mr_watch_stuck(mr_watch_t *watch, int64_t now, int64_t stuck_ms);

/* Input bytes read of all running tasks. */
uint64_t mr_watch_bytes(const mr_watch_t *watch);

void mr_watch_free(mr_watch_t *watch);

#endif
