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
    uint64_t rows;     /* bytes of rows had so far, of this life of the job's coordinator */
    uint64_t messages; /* bytes of messages had so far */
    uint64_t lives;    /* of its coordinators, when the last rows came */
    char state[16];    /* as last told */
    char why[400];     /* why it does not run, as last told */
    int64_t why_ms;    /* since when */
    bool why_said;
    mr_buffer_t had;   /* rows of a job with arguments that were written, whole lines */
    mr_buffer_t again; /* those of them that its next coordinator has not printed again yet */
    mr_buffer_t tail;  /* rows that do not end yet */
} mr_watcher_t;

/* Watches until the job has ended and all its rows are written. Returns 0: it is done; -1 and `error`: how it failed, with its status, or why it
 * cannot be watched any more. A connection that breaks is made anew and nothing is written twice. */
int mr_watcher_run(mr_watcher_t *watcher, mr_error_t *error);
void mr_watcher_free(mr_watcher_t *watcher);

#endif
