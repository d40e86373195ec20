/* job_queue.h - the jobs that were submitted to `millrace serve`: a table in SQLite, in the state directory.
 *
 *   DIR/lock          held by the process that has the queue open
 *   DIR/queue.db      the table
 *   DIR/jobs/ID/      what belongs to a job: output, journal, messages (docs/serve.md)
 *
 * What a function has returned 0 for is on the disk: it survives SIGKILL and power loss. Times are milliseconds since 1970, by the clock of
 * the machine; they are shown and never decide anything but when an old job is forgotten. */
#ifndef MR_JOB_QUEUE_H
#define MR_JOB_QUEUE_H

#include <stdbool.h>

#include "error.h"

/* X(NAME, text); the numbers are stored. */
#define MR_JOB_STATES(X)                                                                                               \
    X(QUEUED, "queued")                                                                                                \
    X(RUNNING, "running")                                                                                              \
    X(DONE, "done")                                                                                                    \
    X(FAILED, "failed")                                                                                                \
    X(CANCELLED, "cancelled")

typedef enum mr_job_state {
#define X(name, text) MR_JOB_##name,
    MR_JOB_STATES(X)
#undef X
} mr_job_state_t;

/* "queued" and so on. */
const char *mr_job_state_name(mr_job_state_t state);

/* One job. Texts and words are owned: mr_queued_free. */
typedef struct mr_queued {
    uint64_t id; /* from 1, never used twice */
    int64_t priority;
    mr_job_state_t state;
    uint32_t word_count;
    char **words;    /* { JOB, option or input... , NULL }: what follows `millrace run` */
    bool cut;        /* there are more words (mr_job_queue_glance, mr_job_queue_outline) */
    char *directory; /* that the words are meant in */
    char *user;      /* who submitted it, as told; for people */
    char *host;      /* from where */
    int64_t submitted_ms;
    int64_t started_ms; /* first; 0: not yet */
    int64_t ended_ms;   /* 0: not yet */
    uint32_t lives;     /* coordinators that were started for it */
    int32_t status;     /* exit status when it has ended */
    char *message;      /* why it failed, or what its summary says; "" */
} mr_queued_t;

typedef struct mr_job_queue mr_job_queue_t;

/* Opens the queue in `dir`, which is made (0700) if missing, and locks it. NULL: USAGE when another process has it, or when a later version of
 * Millrace has written it; STORAGE when it cannot be read or written. */
mr_job_queue_t *mr_job_queue_open(const char *dir, mr_error_t *error);
void mr_job_queue_close(mr_job_queue_t **queue);

/* The state directory as it was named. */
const char *mr_job_queue_dir(const mr_job_queue_t *queue);

/* Adds a job in state QUEUED, made of priority, words, directory, user and host of `job` (which stays the caller's); its id and submitted_ms are
 * filled in. */
int mr_job_queue_add(mr_job_queue_t *queue, mr_queued_t *job, mr_error_t *error);

/* Writes state, started_ms, ended_ms, lives, status and message of the job of that id. */
int mr_job_queue_set(mr_job_queue_t *queue, const mr_queued_t *job, mr_error_t *error);

/* The job that is to run next: of those QUEUED one that was started before, else that of the highest priority, and of these the first that came. Returns 1 and the job, to be freed;
 * 0: none; -1. */
int mr_job_queue_next(mr_job_queue_t *queue, mr_queued_t *job, mr_error_t *error);

/* Returns 1 and the job, to be freed; 0: there is none of that id; -1. */
int mr_job_queue_find(mr_job_queue_t *queue, uint64_t id, mr_queued_t *job, mr_error_t *error);

/* The same, but of its words only the first 4 KiB: a job may have a million. */
int mr_job_queue_glance(mr_job_queue_t *queue, uint64_t id, mr_queued_t *job, mr_error_t *error);

/* A list of jobs; zeroed: empty. */
typedef struct mr_job_queue_list {
    mr_queued_t *items; /* owned */
    size_t count;
} mr_job_queue_list_t;

#define MR_JOB_QUEUE_STATE(state) (1u << (state))
#define MR_JOB_QUEUE_ALL (~0u)

/* The jobs in any of these states (MR_JOB_QUEUE_STATE bits), those that wait in the order in which they will run, behind all others, which are in the
 * order of their ids. `list` is to be freed also after a failure. */
int mr_job_queue_list(mr_job_queue_t *queue, unsigned states, mr_job_queue_list_t *list, mr_error_t *error);

/* The same, of all states, for people: of the jobs that have ended the last `most`, then those that run or wait, `most` of them; of their words the
 * first 4 KiB. `cut` gets whether there are more. */
int mr_job_queue_outline(mr_job_queue_t *queue, uint32_t most, mr_job_queue_list_t *list, bool *cut, mr_error_t *error);

/* The jobs that ended at `before_ms` or earlier. */
int mr_job_queue_old(mr_job_queue_t *queue, int64_t before_ms, mr_job_queue_list_t *list, mr_error_t *error);

/* Removes a job. Its folder is the caller's to remove, before. */
int mr_job_queue_forget(mr_job_queue_t *queue, uint64_t id, mr_error_t *error);

void mr_queued_free(mr_queued_t *job);
void mr_job_queue_list_free(mr_job_queue_list_t *list);

/* The path of something of a job's: DIR/jobs/ID/NAME, or the folder itself (name NULL). -1: it is too long (STORAGE). */
int mr_job_queue_path(const mr_job_queue_t *queue, uint64_t id, const char *name, char *path, size_t size,
                      mr_error_t *error);

/* Whether it has ended. */
static inline bool mr_queued_ended(const mr_queued_t *job) {
    return job->state >= MR_JOB_DONE;
}

#endif
