/* jobs/builtin.h - the tables of the built-in jobs, for the registry. */
#ifndef MR_BUILTIN_H
#define MR_BUILTIN_H

#include "millrace/job.h"

extern const mr_job_t mr_job_ngrams;
extern const mr_job_t mr_job_sum;
extern const mr_job_t mr_job_count;
extern const mr_job_t mr_job_wordcount;
extern const mr_job_t mr_job_sum_range;
extern const mr_job_t mr_job_noop;
extern const mr_job_t mr_job_faulty;

#endif
