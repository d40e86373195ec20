/* local.h - the worker processes `millrace run` starts on this machine: started, watched, started again when one dies, ended. */
#ifndef MR_LOCAL_H
#define MR_LOCAL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "error.h"

typedef struct mr_local mr_local_t;

typedef struct mr_local_config {
    const char *endpoint; /* the control endpoint */
    const char *tmp_dir;
    uint32_t processes;
    uint32_t threads; /* in all, spread over the processes */
    const char *log_level;
    const char *root; /* their --root; NULL: none */
    const char *keys; /* folder of a worker's; NULL: none */
} mr_local_config_t;

/* Starts the processes. Finds `millrace-worker` beside this program, or where the build or the installation puts it, or by PATH. */
mr_local_t *mr_local_new(const mr_local_config_t *config, mr_error_t *error);

/* One child that has ended. */
typedef struct mr_local_death {
    pid_t pid;
    bool clean;      /* exit status 0 */
    bool wanted;     /* mr_local_kill was called on it */
    int status;      /* exit status, or -1: killed by a signal */
    char cause[128]; /* "killed by signal 9 (Killed)", "exit status 1" */
} mr_local_death_t;

/* The next child that has ended and was not reported yet. False: none. */
bool mr_local_reap(mr_local_t *local, mr_local_death_t *death);

/* Starts a process in the place of one that has died. Fails (status NO_WORKERS) when too many died and none has joined meanwhile: one
 * that has joined is sound, and what dies of a task is bounded by the task's attempts. */
int mr_local_restart(mr_local_t *local, mr_error_t *error);

/* One of the processes has joined. */
void mr_local_joined(mr_local_t *local);

/* Sends a signal to a child, if it is one of ours and lives. */
void mr_local_kill(mr_local_t *local, pid_t pid, int signal);

/* The process at a place 0..processes-1, or 0: none lives there. */
pid_t mr_local_child(const mr_local_t *local, uint32_t index);

/* Children that live. */
uint32_t mr_local_alive(const mr_local_t *local);

/* Waits up to `grace_ms` for the children to end by themselves, then kills them, and frees. */
void mr_local_destroy(mr_local_t **local, int64_t grace_ms);

#endif
