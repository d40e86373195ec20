/* `millrace status`: what runs, where, how far, and why not. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client_command.h"
#include "commands.h"
#include "units.h"

static const char help[] =
    "Usage: millrace status [options] [ID]\n"
    "\n"
    "  millrace status\n"
    "\n"
    "Tells what the coordinator at --connect (millrace serve) has to do, which workers are there, and why a\n"
    "job does not run. With a job's number, only that one, and more of it.\n"
    "\n"
    "Options (--format here: text or json, as docs/status.md has it):\n";

static const char *text_of(const json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

static long long number_of(const json_t *object, const char *name) {
    return json_integer_value(json_object_get(object, name));
}

static void put(const char *text) {
    mr_print_escaped(stdout, text, strlen(text));
}

static void put_span(const char *label, long long ms) {
    char text[32];
    mr_format_duration(text, (double) ms / 1000);
    printf("%s%s", label, text);
}

static void print_words(const json_t *job) {
    size_t index;
    json_t *word;
    json_array_foreach(json_object_get(job, "words"), index, word) {
        const char *text = json_string_value(word);
        if (!text || !strcmp(text, "--"))
            continue;
        putchar(' ');
        put(text);
    }
    if (json_is_true(json_object_get(job, "words_cut")))
        printf(" ...");
}

/* ---- one line a job ---- */

static void print_progress(const json_t *job) {
    const json_t *progress = json_object_get(job, "progress");
    char rate[32];
    if (!json_is_object(progress))
        return;
    mr_format_size(rate, json_number_value(json_object_get(progress, "bytes_per_second")));
    printf("  %s %.0f %%  %s/s  %lld workers", text_of(progress, "phase"),
           json_number_value(json_object_get(progress, "percent")), rate, number_of(job, "workers"));
}

static void print_remark(const json_t *job) {
    const char *why = text_of(job, "why"), *message = text_of(job, "message");
    print_progress(job);
    if (!*why && (!*message || !strcmp(text_of(job, "state"), "done")))
        return;
    printf("  ");
    put(*why ? why : message);
}

static void print_job(const json_t *job) {
    printf("%6lld  %-9s  %3lld  ", number_of(job, "id"), text_of(job, "state"), number_of(job, "priority"));
    put(text_of(job, "user"));
    putchar(' ');
    print_words(job);
    print_remark(job);
    putchar('\n');
}

static void print_jobs(const json_t *jobs, bool cut) {
    size_t index;
    json_t *job;
    if (!json_array_size(jobs)) {
        puts("no jobs");
        return;
    }
    puts("   job  state      pri  user  what");
    json_array_foreach(jobs, index, job) {
        print_job(job);
    }
    if (cut)
        puts("and more; millrace status ID tells of any");
}

/* ---- one job ---- */

static void print_moment(const char *label, long long ms) {
    char text[64];
    struct tm parts;
    time_t seconds = (time_t) (ms / 1000);
    if (!ms || !localtime_r(&seconds, &parts) || !strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %z", &parts))
        return;
    printf("%s\t%s\n", label, text);
}

static void print_text(const char *label, const char *text) {
    if (!*text)
        return;
    printf("%s\t", label);
    put(text);
    putchar('\n');
}

static void print_whole_job(const json_t *job) {
    printf("job\t%lld\nstate\t%s\n", number_of(job, "id"), text_of(job, "state"));
    printf("what\t");
    print_words(job);
    putchar('\n');
    print_text("directory", text_of(job, "directory"));
    printf("by\t");
    put(text_of(job, "user"));
    putchar('@');
    put(text_of(job, "host"));
    printf("\npriority\t%lld\n", number_of(job, "priority"));
    print_moment("submitted", number_of(job, "submitted_ms"));
    print_moment("started", number_of(job, "started_ms"));
    print_moment("ended", number_of(job, "ended_ms"));
    if (json_is_object(json_object_get(job, "progress"))) {
        printf("progress\t");
        print_progress(job);
        putchar('\n');
    }
    print_text("why", text_of(job, "why"));
    print_text("message", text_of(job, "message"));
    if (number_of(job, "ended_ms"))
        printf("status\t%lld\n", number_of(job, "status"));
}

/* ---- the whole ---- */

static void print_workers(const json_t *workers) {
    size_t index;
    json_t *worker;
    json_array_foreach(workers, index, worker) {
        printf("worker  ");
        put(text_of(worker, "host"));
        printf(":%lld  %lld threads", number_of(worker, "pid"), number_of(worker, "threads"));
        if (number_of(worker, "job"))
            printf("  job %lld", number_of(worker, "job"));
        else
            printf("  idle");
        put_span("  here for ", number_of(worker, "here_ms"));
        putchar('\n');
    }
}

static void print_whole(const json_t *body) {
    const json_t *coordinator = json_object_get(body, "coordinator");
    const json_t *workers = json_object_get(body, "workers");
    printf("coordinator ");
    put(text_of(coordinator, "host"));
    printf(" at ");
    put(text_of(coordinator, "endpoint"));
    printf(", version %s", text_of(coordinator, "version"));
    put_span(", up for ", number_of(coordinator, "up_ms"));
    printf(", %zu workers\n", json_array_size(workers));
    print_workers(workers);
    print_jobs(json_object_get(body, "jobs"), json_is_true(json_object_get(body, "jobs_cut")));
}

static int read_format(const mr_settings_t *settings, bool *json, mr_error_t *error) {
    const char *format = settings->values[MR_SETTING_FORMAT];
    const char *source = mr_settings_source(settings, MR_SETTING_FORMAT);
    bool typed = format && source[0] == '-'; /* elsewhere it is about rows */
    *json = typed && !strcmp(format, "json");
    if (typed && !*json && strcmp(format, "text"))
        return mr_error_set(error, MR_STATUS_USAGE, "%s: '%s' is none of text, json", source, format);
    return 0;
}

static int print_answer(const json_t *body, bool json, uint64_t id, mr_error_t *error) {
    if (json)
        json_dumpf(body, stdout, JSON_INDENT(2)), putchar('\n');
    else if (id)
        print_whole_job(json_array_get(json_object_get(body, "jobs"), 0));
    else
        print_whole(body);
    return fflush(stdout) ? mr_error_set(error, MR_STATUS_STORAGE, "standard output: cannot write") : 0;
}

static int ask(mr_client_command_t *command, uint64_t id, bool json, mr_error_t *error) {
    mr_answer_t answer = {0};
    json_t *body = json_pack("{s:I}", "id", (json_int_t) id);
    int failed = body ? mr_client_ask(&command->client, "status", body, &answer, error)
                      : mr_error_memory(error, "asking for the status");
    if (!failed)
        failed = print_answer(answer.body, json, id, error);
    mr_answer_free(&answer);
    json_decref(body);
    return failed;
}

int mr_command_status(int argc, char **argv) {
    mr_error_t error = {0};
    mr_client_command_t command = {0};
    uint64_t id = 0;
    bool json;
    if (!mr_client_settings(&command, MR_USE_STATUS, help, argc, argv, &error)) {
        if (argc - command.first > 1)
            mr_error_set(&error, MR_STATUS_USAGE, "one job's number at most; see millrace status --help");
        else if ((command.first == argc || !mr_client_id(argv[command.first], &id, &error)) &&
                 !read_format(&command.settings, &json, &error) && !mr_client_connect(&command, &error))
            ask(&command, id, json, &error);
    }
    return mr_client_leave(&command, &error);
}
