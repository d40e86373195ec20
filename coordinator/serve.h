/* serve.h - a coordinator that stays (docs/serve.md): a queue of jobs, a roll of workers, and for each job that runs a process of its own. */
#ifndef MR_SERVE_H
#define MR_SERVE_H

#include <stdint.h>

#include "keys.h"

typedef struct mr_serve_config {
    const char *listen;     /* the one endpoint that workers and clients know */
    const char *lane_ports; /* for the jobs' lanes; NULL: any */
    const char *advertise;  /* host at which workers find the jobs; NULL: the one they know */
    const char *root;       /* jobs open inputs beneath it only; NULL: anywhere */
    const char *state;      /* directory */
    const char *tmp_dir;
    const char *log_level; /* for local workers and jobs */
    uint32_t at_once;      /* jobs side by side, MR_ROLL_MOST_JOBS at most */
    int64_t keep_ms;       /* how long a job that has ended is kept */
    int64_t lease_ms;      /* a worker silent for so long is struck off */
    uint32_t processes;    /* local workers */
    uint32_t threads;      /* of all of them */
    const mr_keys_t *keys; /* of the coordinator; none given: anyone who reaches it may join */
    bool insecure;         /* it was said that the endpoint may be open to all */
} mr_serve_config_t;

/* Serves until SIGINT or SIGTERM. Returns 0 when it was told to end and all is kept for the next; -1 and `error`: USAGE, STORAGE, ... */
int mr_serve_run(const mr_serve_config_t *config, mr_error_t *error);

#endif
