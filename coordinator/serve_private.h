/* serve_private.h - what the files of a coordinator that stays share: serve.c (life, loop, dispatch), serve_workers.c (HELLO and PLACE), serve_jobs.c
 * (the jobs that run, each a process), serve_job.c (such a process, and what it says), serve_scratch.c (their directory), serve_requests.c (what clients ask for). One thread runs
 * them all. */
#ifndef MR_SERVE_PRIVATE_H
#define MR_SERVE_PRIVATE_H

#include "child.h"
#include "endpoint.h"
#include "guard.h"
#include "job_queue.h"
#include "local.h"
#include "roll.h"
#include "router.h"
#include "scratch.h"
#include "serve.h"

#define MR_SERVE_LINE 1200 /* what a job says on one line, with its end */

/* A job that runs: its record, and its coordinator. */
typedef struct mr_serve_job {
    mr_queued_t queued; /* as in the queue */
    uint32_t slot;      /* 0..at_once-1: which ports are its coordinator's */
    mr_child_t child;
    char endpoint[256];            /* where its workers join, as in PLACE; "": it does not listen yet */
    char progress[MR_SERVE_LINE];  /* the last JSON object of its progress; "": none yet */
    char complaint[MR_SERVE_LINE]; /* the last error it spoke of */
    char summary[MR_SERVE_LINE];   /* the last other line */
    uint64_t messages;             /* bytes it has said in this life of it and of the server */
    int messages_fd;               /* the file of its messages; -1: none */
    int64_t oom_kills;             /* of mr_fate_oom_kills, when its coordinator was started */
    bool over_files;               /* its rows come all at once at the end; else they grow */
    bool listened;                 /* its coordinator got as far as that */
    bool merging;                  /* it needs no workers any more */
    bool cancelled;                /* it was told to end, for good */
    uint32_t deaths;               /* of its coordinators, without a status of their own */
    int64_t told_ms;               /* when its coordinator was told to end; 0: it was not */
} mr_serve_job_t;

typedef struct mr_serve_requests mr_serve_requests_t; /* private to serve_requests.c */

typedef struct mr_serve {
    const mr_serve_config_t *config;
    zloop_t *loop;
    mr_guard_t *guard;
    zsock_t *socket; /* ROUTER, to workers and clients */
    mr_endpoint_t listen;
    mr_job_queue_t *queue;
    mr_roll_t roll;
    uint32_t most_workers; /* for whom there is room */
    mr_serve_job_t **jobs; /* by slot; NULL: free. Owned, each owned */
    mr_serve_requests_t *requests;
    mr_local_t *local;    /* workers of its own */
    mr_scratch_t scratch; /* for the jobs */
    mr_buffer_t out;      /* the message being encoded */
    int signals;
    int64_t started_ms; /* mr_clock_ms */
    int64_t ticked_ms;
    int64_t swept_ms;       /* when old jobs were last looked for */
    int64_t ending_ms;      /* when it was told to end; 0: it was not */
    int64_t wait_ms;        /* no job is started before then */
    int64_t ports_taken_ms; /* since when a job waits for ports; 0: none does */
    bool ports_told;        /* that was said */
    bool over;
    mr_error_t *error; /* of mr_serve_run */
} mr_serve_t;

/* ---- serve.c ---- */

/* Sends a message to a worker or client. */
void mr_serve_send(mr_serve_t *serve, const mr_sender_t *to, const mr_message_t *message);

/* The server cannot go on: the loop ends with serve->error, which must be set. Returns -1. */
int mr_serve_fail(mr_serve_t *serve);

/* ---- serve_workers.c ---- */

int mr_serve_hello(mr_serve_t *serve, const mr_sender_t *sender, const mr_hello_message_t *hello);
void mr_serve_bye(mr_serve_t *serve, const mr_sender_t *sender, const mr_bye_message_t *bye);

/* Strikes off who is silent. */
void mr_serve_check_roll(mr_serve_t *serve, int64_t now);

/* Workers or jobs have come or gone: shares the workers out, and tells those whose job has changed. */
void mr_serve_share(mr_serve_t *serve);

/* Tells all workers of a job where it is; its coordinator was started anew. */
void mr_serve_tell_workers(mr_serve_t *serve, const mr_serve_job_t *job);

/* ---- serve_jobs.c: what may be done with jobs ---- */

/* Adds a job to the queue (as mr_job_queue_add), and starts it if it may. The words have been checked. */
int mr_serve_submit(mr_serve_t *serve, mr_queued_t *job, mr_error_t *error);

/* Ends a job. One that runs is told; told twice, it is killed. USAGE: there is none of that id, or it has ended. */
int mr_serve_cancel(mr_serve_t *serve, uint64_t id, mr_error_t *error);

/* The job of that id if it runs, else NULL. */
mr_serve_job_t *mr_serve_running(const mr_serve_t *serve, uint64_t id);

/* Why the job does not run, or does not get on, in words with what to do; "": it runs, or has ended. */
void mr_serve_why(mr_serve_t *serve, const mr_queued_t *job, char *text, size_t size);

/* Starts jobs as long as there are jobs that wait, room for them, and a worker. */
int mr_serve_start_jobs(mr_serve_t *serve);

/* Starts again what ran when the last server ended. */
int mr_serve_resume_jobs(mr_serve_t *serve);

/* A child has ended (SIGCHLD). */
int mr_serve_reap_jobs(mr_serve_t *serve);

/* Kills what was told to end and has not, and removes what is old. */
int mr_serve_check_jobs(mr_serve_t *serve, int64_t now);

/* The server ends: all jobs are told to wind up; or, if they were, are killed. */
void mr_serve_wind_up(mr_serve_t *serve);
size_t mr_serve_count_running(const mr_serve_t *serve);
void mr_serve_free_jobs(mr_serve_t *serve);

/* ---- serve_scratch.c ---- */

int mr_serve_open_scratch(mr_serve_t *serve, mr_error_t *error);
void mr_serve_close_scratch(mr_serve_t *serve);

/* ---- serve_requests.c: what clients ask for ---- */

int mr_serve_open_requests(mr_serve_t *serve, mr_error_t *error);

/* Any message that is no worker's. -1: the server cannot go on. */
int mr_serve_request(mr_serve_t *serve, const mr_sender_t *sender, const mr_message_t *message);

/* What a worker has found on its machine. */
void mr_serve_checked(mr_serve_t *serve, const mr_sender_t *sender, const mr_checked_message_t *checked);

/* Something about a job has changed: state, progress, a message, rows, or why it waits. Who watches it is answered. */
void mr_serve_news(mr_serve_t *serve, uint64_t id);

/* Several times a second: watches that have waited long enough are answered. */
void mr_serve_check_requests(mr_serve_t *serve, int64_t now);
void mr_serve_close_requests(mr_serve_t *serve);

#endif
