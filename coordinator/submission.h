/* submission.h - what `millrace submit` was asked to have run: the words for the job's coordinator, made of the settings of this side. */
#ifndef MR_SUBMISSION_H
#define MR_SUBMISSION_H

#include <jansson.h>

#include "settings.h"

typedef struct mr_submission {
    const mr_job_t *job;
    mr_options_t *options; /* owned */
    json_t *words;         /* owned: [JOB, "--option=value"..., "--", operand...] */
    uint64_t priority;
} mr_submission_t;

/* Reads argv = { JOB, ... }, with this side's environment and files. Returns 0; 1: help was printed; -1: USAGE. `settings` is filled for the client's
 * own part. Free both in every case. */
int mr_submission_read(mr_submission_t *submission, mr_settings_t *settings, int argc, char **argv, mr_error_t *error);

/* The body of the request (the caller's): words, working directory, priority, and who submits. NULL and `error`. */
json_t *mr_submission_body(const mr_submission_t *submission, mr_error_t *error);

void mr_submission_free(mr_submission_t *submission);

#endif
