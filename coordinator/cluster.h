/* cluster.h - the coordinator's side of the protocol for one job: welcomes workers, carries out what the scheduler decides, and
 * feeds the sink, until every task is committed. */
#ifndef MR_CLUSTER_H
#define MR_CLUSTER_H

#include "groups.h"
#include "journal.h"
#include "keys.h"
#include "ledger.h"
#include "local.h"
#include "options.h"
#include "progress.h"
#include "sink.h"
#include "work.h"

typedef struct mr_cluster_config {
    const mr_job_t *job;
    const mr_options_t *options; /* the job's, to send to workers */
    const mr_work_t *work;
    mr_sink_t *sink;         /* of a job over files; else NULL */
    mr_groups_t *groups;     /* of a job with arguments; else NULL */
    mr_journal_t *journal;   /* where what is committed is kept; NULL: nowhere */
    uint64_t journal_memory; /* bytes that may wait to be written to it before grants are withheld */
    const bool *restored;    /* for each task, whether an earlier coordinator has committed it; NULL: none */
    mr_ledger_t *ledger;
    mr_progress_t *progress;
    const char *dir;        /* private directory for ipc endpoints */
    const char *listen;     /* endpoint for workers that others start; NULL: none */
    const char *lane_ports; /* "LOW-HIGH" for their lanes; NULL: any that are free */
    const char *advertise;  /* host that those workers are told to go to; NULL: the one they know */
    const mr_keys_t *keys;  /* the coordinator's; NULL, or none given: those workers need none */
    uint32_t most_workers;  /* so many may join; those beyond are refused */
    uint64_t job_id;        /* the same in all lives of this job's coordinator; 0: one is drawn */
    uint32_t first_attempt; /* attempts of this life are numbered from here; 0: 1 */
    uint32_t backup_ms;     /* no backup attempt of a task before it has run for so long; 0: none at all */
    const char *tmp_dir;    /* for the workers' spills */
    const mr_root_t *root;  /* beneath which local workers open inputs only; without a path, or NULL: anywhere */
    const char *only;       /* keep only rows of this key; NULL: all */
    const char *log_level;  /* for local workers */
    uint32_t processes;     /* local worker processes */
    uint32_t threads;       /* in all of them */
    uint64_t worker_memory; /* bytes for the tables and partials of all local workers */
    uint64_t block_size;    /* bytes a worker reads at a time */
    uint64_t max_record;    /* bytes */
    uint64_t skip_bad;      /* bad records allowed */
    uint32_t flush_ms;      /* a partial is sent when it is so old */
    uint32_t lease_ms;
    uint32_t task_timeout_ms;   /* a task that runs longer has failed; 0: none */
    uint32_t worker_timeout_ms; /* no worker for so long ends the job */
    int signals;                /* signalfd of SIGINT, SIGTERM and SIGCHLD, all blocked */
} mr_cluster_config_t;

typedef struct mr_cluster mr_cluster_t;

/* Binds the sockets and starts the local workers. */
mr_cluster_t *mr_cluster_new(const mr_cluster_config_t *config, mr_error_t *error);

/* Where workers that others start may join, "" if nowhere. Valid as long as the cluster. */
const char *mr_cluster_endpoint(const mr_cluster_t *cluster);

/* Runs the job until every task is committed. -1 and `error`: it failed (status as in the table), or INTERRUPTED. In both cases the
 * workers have been told that the work is over. */
int mr_cluster_run(mr_cluster_t *cluster, mr_error_t *error);

/* Ends the local workers (those that do not end by themselves within `grace_ms` are killed) and frees. */
void mr_cluster_destroy(mr_cluster_t **cluster, int64_t grace_ms);

#endif
