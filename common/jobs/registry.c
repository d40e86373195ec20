#include "registry.h"

#include <string.h>

#include "builtin.h"
#include "options.h"

static const mr_job_t *const jobs[] = {
    &mr_job_ngrams, &mr_job_sum, &mr_job_count, &mr_job_wordcount, &mr_job_sum_range, &mr_job_noop, &mr_job_faulty,
};

const mr_job_t *mr_job_at(size_t index) {
    return index < sizeof jobs / sizeof *jobs ? jobs[index] : NULL;
}

const mr_job_t *mr_job_find(const char *name) {
    for (size_t i = 0; mr_job_at(i); i++)
        if (strcmp(jobs[i]->name, name) == 0)
            return jobs[i];
    return NULL;
}

const mr_job_t *mr_job_variant(const mr_job_t *job, const mr_options_t *options) {
    return job->variant ? job->variant(options) : job;
}

const char *mr_job_nearest(const char *typed) {
    mr_nearest_t nearest = {.typed = typed};
    for (size_t i = 0; mr_job_at(i); i++)
        if (!(jobs[i]->flags & MR_JOB_HIDDEN))
            mr_nearest_offer(&nearest, jobs[i]->name);
    return nearest.best;
}
