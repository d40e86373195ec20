/* progress.h - how far the job is, on stderr: a bar that redraws itself on a terminal, JSON lines for programs, or nothing. */
#ifndef MR_PROGRESS_H
#define MR_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

typedef enum mr_progress_mode { MR_PROGRESS_NONE, MR_PROGRESS_BAR, MR_PROGRESS_JSON } mr_progress_mode_t;

typedef struct mr_progress {
    mr_progress_mode_t mode;
    const char *phase;  /* "map", "merge" */
    uint64_t total;     /* bytes of input */
    int64_t started_ms; /* of the phase */
    int64_t last_ms;    /* when it was last shown */
    uint64_t done;      /* as last shown: it never goes back, also when tasks have to run again */
    bool drawn;         /* a bar stands on the terminal's line */
} mr_progress_t;

/* The mode of that name ("auto", "bar", "json", "none"), or -1. `auto` is a bar if stderr is a terminal. */
int mr_progress_mode_find(const char *name);

/* JSON: an object that says where workers may join. */
void mr_progress_endpoint(const mr_progress_t *progress, const char *endpoint);

/* JSON shows it at once. */
void mr_progress_start(mr_progress_t *progress, const char *phase, uint64_t total, int64_t now_ms);

/* Shows it, at most ten times a second (JSON: twice). */
void mr_progress_show(mr_progress_t *progress, int64_t now_ms, uint64_t done, uint32_t workers);

/* Shows the end of the phase (JSON), and takes the bar away, so that a message may follow. */
void mr_progress_end(mr_progress_t *progress, int64_t now_ms, uint64_t done, uint32_t workers);

/* Takes the bar away; the next show draws it again. */
void mr_progress_clear(mr_progress_t *progress);

#endif
