/* probe.h - another process of this program in which text is mapped that may end the process it is mapped in.
 *
 * The two talk over a socket pair. The process is sent the JOB, then text, and says before each call of the job's map at which byte
 * that begins; when it dies, or is silent for --task-timeout, the last byte it named is where the culprit is. It has a process group of its own,
 * ends with its parent, holds no other descriptor of it, leaves no core, and is the first that the kernel ends when memory is out. */
#ifndef MR_PROBE_H
#define MR_PROBE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "wire.h"

#define MR_DEED_SIZE 256u

typedef struct mr_probe mr_probe_t;

/* What became of a trial. */
typedef struct mr_verdict {
    bool harmless;
    size_t at;               /* else: where the call of map began that did not return */
    char deed[MR_DEED_SIZE]; /* and what it did: "crashes the job (killed by signal 11 (Segmentation fault))" */
} mr_verdict_t;

/* `program`, `job` and the two flags are borrowed; a trial is given up when one of these is not 0. No process is started before the first
 * trial. NULL when memory is out. */
mr_probe_t *mr_probe_new(const char *program, const mr_job_message_t *job, const atomic_bool *stop,
                         const atomic_int *fate, mr_error_t *error);

/* Maps whole lines there: all at once, or one record a call. Returns 0 and the verdict; -1: the process cannot be started (status JOB), or the
 * trial was given up (INTERRUPTED). */
int mr_probe_try(mr_probe_t *probe, const char *data, size_t size, bool by_record, mr_verdict_t *verdict,
                 mr_error_t *error);

/* Ends the process. */
void mr_probe_destroy(mr_probe_t **probe);

/* ---- the other side ---- */

/* What a trial begins with on the socket; then come `size` bytes of text. */
typedef struct mr_trial {
    uint64_t size;
    uint64_t by_record;
} mr_trial_t;

#define MR_TRIAL_OVER UINT64_MAX /* instead of the next call's begin */

/* The process: takes the JOB and trials from the socket until it is closed. */
int mr_probe_serve(int socket, mr_error_t *error);

#endif
