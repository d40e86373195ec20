/* `millrace jobs`: the kinds of job there are. */
#include <stdio.h>

#include "commands.h"
#include "error.h"
#include "jobs/registry.h"

int mr_command_jobs(int argc, char **argv) {
    const mr_job_t *job;
    (void) argv;
    if (argc > 1) {
        fputs("millrace: error: jobs takes no arguments\n", stderr);
        return MR_STATUS_USAGE;
    }
    for (size_t i = 0; (job = mr_job_at(i)); i++)
        if (!(job->flags & MR_JOB_HIDDEN))
            printf("%-12s %-10s %s\n", job->name, job->arguments, job->summary);
    puts("\n`millrace run JOB --help` shows a job's options.");
    return fflush(stdout) ? MR_STATUS_STORAGE : MR_STATUS_OK;
}
