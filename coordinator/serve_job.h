/* serve_job.h - the process of a job that runs: its coordinator, as serve_jobs.c starts it and as serve_job.c hears it. */
#ifndef MR_SERVE_JOB_H
#define MR_SERVE_JOB_H

#include "fate.h"
#include "serve_private.h"

/* Whether the ports of that slot are free: a coordinator that was killed may not be gone quite yet, and another program may have them. `text` gets
 * which are meant. */
bool mr_serve_ports_are_free(const mr_serve_t *serve, uint32_t slot, char text[128]);

/* What a job's process is given of this one's environment: an array ended by NULL, the caller's to free; the entries are borrowed. NULL: memory is out. */
const char **mr_serve_job_environment(void);

/* Where it works: the directory its words are meant in, if that is here. */
const char *mr_serve_job_directory(const mr_queued_t *queued);

/* Starts a coordinator for the job, which goes on with what the job's journal has. -1 and why it cannot be started. */
int mr_serve_job_start(mr_serve_t *serve, mr_serve_job_t *job, mr_error_t *error);

/* Makes the rows that it has printed durable. */
int mr_serve_job_sync(const mr_serve_t *serve, const mr_serve_job_t *job, mr_error_t *error);

/* It has ended: takes what it still had to say, and lets go of it. Safe when there is none. */
void mr_serve_job_leave(mr_serve_t *serve, mr_serve_job_t *job);

#endif
