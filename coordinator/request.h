/* request.h - what `millrace run` was asked to do, read from the settings and checked. */
#ifndef MR_REQUEST_H
#define MR_REQUEST_H

#include "cluster.h"
#include "settings.h"

typedef struct mr_request {
    const mr_job_t *job; /* the variant the options mean */
    mr_options_t *options;
    void *state; /* the job's */
    mr_settings_t settings;
    int operand_count;
    char **operands; /* inputs, or arguments of the job */
    const char *tmp_dir;
    mr_root_t root;      /* of inputs */
    const char *journal; /* directory; NULL: none */
    bool resume;         /* go on with the job in it */
    mr_output_config_t output;
    mr_inputs_config_t inputs;
    mr_keys_t keys;              /* the coordinator's, if it listens and has some */
    mr_cluster_config_t cluster; /* limits only; the rest is filled in when the parts exist */
    uint64_t chunk;
    uint64_t memory;
    uint64_t reducers;
    bool in_order;
    bool dry_run;
    bool quiet;
    bool submitted; /* by a coordinator that stays, which reads what this one says */
    mr_progress_mode_t progress;
} mr_request_t;

/* Reads argv = { JOB, ... }. Returns 0; 1: help was printed; -1 and status USAGE. End with mr_request_free in every case. */
int mr_request_read(mr_request_t *request, int argc, char **argv, mr_error_t *error);
void mr_request_free(mr_request_t *request);

/* --help of a command that takes a job: "run", "submit". */
void mr_request_help(const mr_job_t *job, const char *command, mr_use_t use);

/* The job of that name, and an empty set of its options. -1: USAGE, naming the nearest right name. */
int mr_request_job(const char *name, const mr_job_t **job, mr_options_t **options, mr_error_t *error);

/* Settings that all coordinators have. */

/* Local worker processes (`least` at least, if a number is named) and the threads of all of them. */
int mr_request_local(const mr_settings_t *settings, uint64_t least, uint32_t *processes, uint32_t *threads,
                     mr_error_t *error);

/* Whether one may listen there: what can be reached from elsewhere needs more than an endpoint. */
int mr_request_check_listen(const mr_settings_t *settings, const char *listen, mr_error_t *error);

/* The keys of a coordinator that listens; none are given if none were asked for. */
int mr_request_keys(const mr_settings_t *settings, mr_keys_t *keys, mr_error_t *error);

/* The directory for what outgrows memory. */
const char *mr_request_tmp(const mr_settings_t *settings);

/* Reads the log level and sets it. */
int mr_request_log_level(const mr_settings_t *settings, const char **name, mr_error_t *error);

/* Carries it out. Returns 0, or -1 and `error`. */
int mr_run(const mr_request_t *request, mr_error_t *error);

#endif
