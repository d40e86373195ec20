#include "serve_describe.h"

#include <unistd.h>

#include "clock.h"
#include "input/url.h"
#include "jobs/registry.h"

#define MOST_JOBS 1000u /* of those that have ended, and of the others: an answer must be short enough to be sent */

/* JSON holds UTF-8 only; what a peer said of itself may be anything. */
static json_t *text(const char *value) {
    json_t *string = json_string(value);
    return string ? string : json_string("?");
}

/* A URL without its secrets: who asks may be another user. */
static json_t *word_of(const char *word) {
    char *shown = mr_url_is(word) ? mr_url_shown(word) : NULL;
    json_t *string = text(shown ? shown : mr_url_is(word) ? "?" : word);
    free(shown);
    return string;
}

static json_t *words_of(const mr_queued_t *queued) {
    json_t *words = json_array();
    for (uint32_t i = 0; words && i < queued->word_count; i++)
        json_array_append_new(words, word_of(queued->words[i]));
    return words;
}

bool mr_serve_grows(const mr_queued_t *queued) {
    const mr_job_t *kind = queued->word_count ? mr_job_find(queued->words[0]) : NULL;
    return kind && kind->flags & MR_JOB_ARGUMENTS;
}

static json_t *progress_of(const mr_serve_job_t *running) {
    json_t *progress = running && *running->progress ? json_loads(running->progress, 0, NULL) : NULL;
    return progress ? progress : json_null();
}

json_t *mr_serve_describe_job(mr_serve_t *serve, const mr_queued_t *queued) {
    char why[400];
    const mr_serve_job_t *running = mr_serve_running(serve, queued->id);
    uint64_t threads = 0;
    size_t workers = running ? mr_roll_count(&serve->roll, queued->id, &threads) : 0;
    mr_serve_why(serve, queued, why, sizeof why);
    json_t *job =
        json_pack("{s:I,s:o,s:s,s:I,s:o,s:b,s:o,s:o,s:o}", "id", (json_int_t) queued->id, "job",
                  text(queued->word_count ? queued->words[0] : "?"), "state", mr_job_state_name(queued->state),
                  "priority", (json_int_t) queued->priority, "words", words_of(queued), "words_cut", queued->cut,
                  "directory", text(queued->directory), "user", text(queued->user), "host", text(queued->host));
    json_t *more =
        json_pack("{s:I,s:I,s:I,s:I,s:i,s:o,s:o,s:b,s:o,s:I,s:I}", "submitted_ms", (json_int_t) queued->submitted_ms,
                  "started_ms", (json_int_t) queued->started_ms, "ended_ms", (json_int_t) queued->ended_ms, "lives",
                  (json_int_t) queued->lives, "status", (int) queued->status, "message", text(queued->message), "why",
                  text(why), "grows", mr_serve_grows(queued), "progress", progress_of(running), "workers",
                  (json_int_t) workers, "threads", (json_int_t) threads);
    if (!job || !more || json_object_update(job, more)) {
        json_decref(job);
        job = NULL;
    }
    json_decref(more);
    return job;
}

static json_t *describe_workers(const mr_serve_t *serve) {
    json_t *workers = json_array();
    int64_t now = mr_clock_ms();
    for (size_t i = 0; workers && i < serve->roll.count; i++) {
        const mr_roll_worker_t *worker = serve->roll.items[i];
        json_array_append_new(workers, json_pack("{s:o,s:I,s:I,s:o,s:I,s:I,s:I}", "host", text(worker->host), "pid",
                                                 (json_int_t) worker->pid, "threads", (json_int_t) worker->threads,
                                                 "version", text(worker->version), "job", (json_int_t) worker->said_job,
                                                 "here_ms", (json_int_t) (now - worker->joined_ms), "silent_ms",
                                                 (json_int_t) (now - worker->heard_ms)));
    }
    return workers;
}

static json_t *describe_coordinator(const mr_serve_t *serve) {
    char host[256] = "?";
    gethostname(host, sizeof host - 1);
    return json_pack("{s:s,s:o,s:I,s:s,s:I,s:I}", "version", MILLRACE_VERSION, "host", text(host), "pid",
                     (json_int_t) getpid(), "endpoint", serve->listen.control, "up_ms",
                     (json_int_t) (mr_clock_ms() - serve->started_ms), "at_once", (json_int_t) serve->config->at_once);
}

static int add_jobs(mr_serve_t *serve, json_t *jobs, bool *cut, mr_error_t *error) {
    mr_job_queue_list_t list;
    int failed = mr_job_queue_outline(serve->queue, MOST_JOBS, &list, cut, error);
    for (size_t i = 0; !failed && i < list.count; i++)
        json_array_append_new(jobs, mr_serve_describe_job(serve, &list.items[i]));
    mr_job_queue_list_free(&list);
    return failed;
}

static int add_job(mr_serve_t *serve, json_t *jobs, uint64_t id, mr_error_t *error) {
    mr_queued_t queued;
    int found = mr_job_queue_find(serve->queue, id, &queued, error);
    if (found == 0)
        return mr_error_set(error, MR_STATUS_USAGE, "there is no job %llu; see millrace status",
                            (unsigned long long) id);
    if (found < 0)
        return -1;
    json_array_append_new(jobs, mr_serve_describe_job(serve, &queued));
    mr_queued_free(&queued);
    return 0;
}

json_t *mr_serve_describe(mr_serve_t *serve, uint64_t id, mr_error_t *error) {
    json_t *jobs = json_array();
    bool cut = false;
    int failed = !jobs ? mr_error_memory(error, "describing jobs")
                 : id  ? add_job(serve, jobs, id, error)
                       : add_jobs(serve, jobs, &cut, error);
    json_t *whole = failed ? NULL
                           : json_pack("{s:o,s:o,s:O,s:b}", "coordinator", describe_coordinator(serve), "workers",
                                       describe_workers(serve), "jobs", jobs, "jobs_cut", cut);
    json_decref(jobs);
    return whole;
}
