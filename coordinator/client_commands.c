/* `millrace submit`, `wait` and `cancel`: what clients say to a coordinator that stays. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client_command.h"
#include "commands.h"
#include "jobs/registry.h"
#include "log.h"
#include "submission.h"
#include "watcher.h"

#define MOST_JOBS INT64_MAX

static const char submit_help[] =
    "Usage: millrace submit JOB [options] INPUT...\n"
    "\n"
    "  millrace submit ngrams /data/1gram-*.gz -o totals.tsv\n"
    "\n"
    "Runs a job by the coordinator at --connect (millrace serve) and prints its rows, as run does. The\n"
    "inputs are files of that machine, or URLs. Ctrl-C ends the waiting, not the job.\n"
    "`millrace jobs` lists the jobs, `millrace submit JOB --help` the options of one.\n";

static const char wait_help[] =
    "Usage: millrace wait [options] ID...\n"
    "\n"
    "  millrace wait 12 -o totals.tsv\n"
    "\n"
    "Waits for jobs that were submitted, and prints their rows, as often as it is asked. Exit status: that\n"
    "of the first job that failed, or 0.\n"
    "\n"
    "Options:\n";

static const char cancel_help[] = "Usage: millrace cancel [options] ID...\n"
                                  "\n"
                                  "  millrace cancel 12\n"
                                  "\n"
                                  "Ends jobs that wait or run; asked twice, at once.\n"
                                  "\n"
                                  "Options:\n";

/* ---- what they share (client_command.h) ---- */

int mr_client_settings(mr_client_command_t *command, mr_use_t use, const char *help, int argc, char **argv,
                       mr_error_t *error) {
    int parsed = mr_settings_load(&command->settings, error);
    if (!parsed)
        parsed = mr_settings_parse(&command->settings, use, NULL, NULL, argc, argv, &command->first, error);
    if (parsed > 0) {
        fputs(help, stdout);
        mr_settings_help(stdout, use);
        if (fflush(stdout))
            mr_error_set(error, MR_STATUS_STORAGE, "standard output: cannot write");
    }
    return parsed;
}

int mr_client_connect(mr_client_command_t *command, mr_error_t *error) {
    mr_client_catch_signals();
    return mr_client_open(&command->client, mr_settings_text(&command->settings, MR_SETTING_CONNECT),
                          mr_settings_text(&command->settings, MR_SETTING_KEYS), error);
}

int mr_client_leave(mr_client_command_t *command, const mr_error_t *error) {
    mr_client_close(&command->client);
    mr_settings_free(&command->settings);
    if (error->status)
        mr_log_error(error);
    return (int) error->status;
}

int mr_client_id(const char *text, uint64_t *id, mr_error_t *error) {
    char *end;
    unsigned long long number = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || !number || number > MOST_JOBS)
        return mr_error_set(error, MR_STATUS_USAGE, "'%s' is not a job's number; see millrace status", text);
    *id = number;
    return 0;
}

/* ---- fetching rows ---- */

static mr_output_t *open_output(const mr_settings_t *settings, const mr_job_t *job, mr_error_t *error) {
    mr_output_config_t config = {.path = mr_settings_text(settings, MR_SETTING_OUTPUT),
                                 .overwrite = mr_settings_switch(settings, MR_SETTING_OVERWRITE),
                                 .job = job};
    return mr_output_open(&config, error);
}

static int read_progress(const mr_settings_t *settings, mr_progress_t *progress, mr_error_t *error) {
    const char *name = mr_settings_text(settings, MR_SETTING_PROGRESS);
    int mode = mr_progress_mode_find(name);
    if (mode < 0)
        return mr_error_set(error, MR_STATUS_USAGE, "%s: '%s' is none of auto, bar, json, none",
                            mr_settings_source(settings, MR_SETTING_PROGRESS), name);
    progress->mode = (mr_progress_mode_t) mode;
    return 0;
}

/* A client that fails is no end of the job: an interrupt, a full disk on this side, a coordinator that is not reached any more. */
static void advise(uint64_t id) {
    fprintf(stderr, "millrace: job %llu goes on; millrace wait %llu waits for it, millrace cancel %llu ends it\n",
            (unsigned long long) id, (unsigned long long) id, (unsigned long long) id);
}

static int watch(mr_client_command_t *command, uint64_t id, mr_output_t *output, mr_error_t *error) {
    mr_watcher_t watcher = {.client = &command->client,
                            .id = id,
                            .output = output,
                            .quiet = mr_settings_switch(&command->settings, MR_SETTING_QUIET)};
    if (read_progress(&command->settings, &watcher.progress, error))
        return -1;
    int failed = mr_watcher_run(&watcher, error);
    if (failed && !watcher.ended && (*watcher.state || error->status == MR_STATUS_INTERRUPTED))
        advise(id);
    return failed || mr_output_commit(output, error) ? -1 : 0;
}

/* ---- submit ---- */

static int send_submission(mr_client_command_t *command, const mr_submission_t *submission, uint64_t *id,
                           mr_error_t *error) {
    mr_answer_t answer = {0};
    json_t *body = mr_submission_body(submission, error);
    int failed = body ? mr_client_ask(&command->client, "submit", body, &answer, error) : -1;
    *id = (uint64_t) json_integer_value(json_object_get(answer.body, "id"));
    if (!failed && !*id)
        failed = mr_error_set(error, MR_STATUS_REFUSED, "the coordinator's answer has no job's number");
    mr_answer_free(&answer);
    json_decref(body);
    return failed;
}

/* The place of the output is looked at before the job is submitted. */
static int submit(mr_client_command_t *command, const mr_submission_t *submission, mr_error_t *error) {
    bool detach = mr_settings_switch(&command->settings, MR_SETTING_DETACH);
    uint64_t id;
    if (detach && mr_settings_text(&command->settings, MR_SETTING_OUTPUT))
        return mr_error_set(error, MR_STATUS_USAGE, "--detach: the rows are had by millrace wait ID -o FILE later");
    mr_output_t *output = open_output(&command->settings, submission->job, error);
    int failed = !output || mr_client_connect(command, error) || send_submission(command, submission, &id, error);
    if (!failed && detach)
        printf("%llu\n", (unsigned long long) id);
    else if (!failed)
        failed = watch(command, id, output, error);
    mr_output_destroy(&output);
    if (!failed && fflush(stdout))
        failed = mr_error_set(error, MR_STATUS_STORAGE, "standard output: cannot write");
    return failed;
}

int mr_command_submit(int argc, char **argv) {
    mr_error_t error = {0};
    mr_client_command_t command = {0};
    mr_submission_t submission = {0};
    bool asked = argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"));
    if (argc < 2 || asked) {
        fputs(submit_help, asked ? stdout : stderr);
        return !asked ? MR_STATUS_USAGE : fflush(stdout) ? MR_STATUS_STORAGE : MR_STATUS_OK;
    }
    if (!mr_submission_read(&submission, &command.settings, argc - 1, argv + 1, &error))
        submit(&command, &submission, &error);
    mr_submission_free(&submission);
    return mr_client_leave(&command, &error);
}

/* ---- wait and cancel ---- */

static int need_ids(const mr_client_command_t *command, const char *name, int argc, char **argv, mr_error_t *error) {
    uint64_t id;
    if (command->first == argc)
        return mr_error_set(error, MR_STATUS_USAGE, "a job's number is missing; see millrace %s --help", name);
    for (int i = command->first; i < argc; i++)
        if (mr_client_id(argv[i], &id, error))
            return -1;
    return 0;
}

/* Each job's error is told; the first is the command's. */
static void wait_for_all(mr_client_command_t *command, int argc, char **argv, mr_error_t *first) {
    mr_output_t *output = open_output(&command->settings, mr_job_find("count"), first);
    for (int i = command->first; output && i < argc && first->status != MR_STATUS_INTERRUPTED; i++) {
        mr_error_t error = {0};
        uint64_t id = 0;
        mr_client_id(argv[i], &id, &error);
        if (!watch(command, id, output, &error))
            continue;
        if (first->status)
            mr_log_error(&error);
        else
            *first = error;
    }
    mr_output_destroy(&output);
}

int mr_command_wait(int argc, char **argv) {
    mr_error_t error = {0};
    mr_client_command_t command = {0};
    if (!mr_client_settings(&command, MR_USE_WAIT, wait_help, argc, argv, &error) &&
        !need_ids(&command, "wait", argc, argv, &error)) {
        if (argc - command.first > 1 && mr_settings_text(&command.settings, MR_SETTING_OUTPUT))
            mr_error_set(&error, MR_STATUS_USAGE, "--output: takes the rows of one job; wait for the others apart");
        else if (!mr_client_connect(&command, &error))
            wait_for_all(&command, argc, argv, &error);
    }
    return mr_client_leave(&command, &error);
}

static int cancel(mr_client_command_t *command, const char *text, mr_error_t *error) {
    mr_answer_t answer = {0};
    uint64_t id = 0;
    mr_client_id(text, &id, error);
    json_t *body = json_pack("{s:I}", "id", (json_int_t) id);
    int failed =
        body ? mr_client_ask(&command->client, "cancel", body, &answer, error) : mr_error_memory(error, "cancelling");
    mr_answer_free(&answer);
    json_decref(body);
    return failed;
}

int mr_command_cancel(int argc, char **argv) {
    mr_error_t error = {0};
    mr_client_command_t command = {0};
    if (!mr_client_settings(&command, MR_USE_C, cancel_help, argc, argv, &error) &&
        !need_ids(&command, "cancel", argc, argv, &error) && !mr_client_connect(&command, &error))
        for (int i = command.first; i < argc && !cancel(&command, argv[i], &error);)
            i++;
    return mr_client_leave(&command, &error);
}
