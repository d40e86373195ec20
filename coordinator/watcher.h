/* watcher.h - follows a submitted job to its end: its progress and messages to stderr, its rows to an output. */
#ifndef MR_WATCHER_H
#define MR_WATCHER_H

#include "client.h"
#include "output.h"
#include "progress.h"

typedef struct mr_watcher {
    mr_client_t *client;
    uint64_t id;
    mr_output_t *output; /* borrowed; for rows */
    mr_progress_t progress;
    bool quiet;        /* no closing summary */
    uint64_t rows;     /* bytes of rows had so far */
    uint64_t messages; /* bytes of messages had so far */
    char state[16];    /* as last told */
    char why[400];     /* why it does not run, as last told */
    int64_t why_ms;    /* since when */
    bool why_said;
    bool ended; /* the job has, and all of it is here */
} mr_watcher_t;

/* Watches until the job has ended and all its rows are written. Returns 0: it is done; -1 and `error`: how it failed, with its status, or why it
 * cannot be watched any more. A connection that breaks is made anew and nothing is written twice. */
int mr_watcher_run(mr_watcher_t *watcher, mr_error_t *error);

#endif
