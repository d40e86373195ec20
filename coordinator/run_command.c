/* `millrace run JOB`: reads what was asked for and carries it out. */
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "log.h"
#include "request.h"

static const char help[] = "Usage: millrace run JOB [options] INPUT...\n"
                           "\n"
                           "  millrace run wordcount books/*.txt --top 20\n"
                           "\n"
                           "Runs one job here, with local worker processes, and prints its rows.\n"
                           "`millrace jobs` lists the jobs, `millrace run JOB --help` the options of one.\n";

int mr_command_run(int argc, char **argv) {
    mr_error_t error = {0};
    mr_request_t request;
    if (argc < 2) {
        fputs(help, stderr);
        return MR_STATUS_USAGE;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
        fputs(help, stdout);
        return fflush(stdout) ? MR_STATUS_STORAGE : MR_STATUS_OK;
    }
    if (!mr_request_read(&request, argc - 1, argv + 1, &error))
        mr_run(&request, &error);
    mr_request_free(&request);
    if (error.status)
        mr_log_error(&error);
    return (int) error.status;
}
