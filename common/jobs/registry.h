/* jobs/registry.h - the built-in jobs, by name. */
#ifndef MR_REGISTRY_H
#define MR_REGISTRY_H

#include "millrace/job.h"

/* The job of that name, or NULL. */
const mr_job_t *mr_job_find(const char *name);

/* The job to run for these options: `job` itself or its variant. */
const mr_job_t *mr_job_variant(const mr_job_t *job, const mr_options_t *options);

/* The jobs one by one, in the order of the listing, hidden ones too; NULL past the last. */
const mr_job_t *mr_job_at(size_t index);

/* The name a user probably meant, among the jobs that are not hidden, or NULL. */
const char *mr_job_nearest(const char *typed);

#endif
