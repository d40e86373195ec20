/* The jobs that run: which, when, and what becomes of them. What a state means is written to the queue before it is acted upon, so that a server
 * that is killed at any point is gone on with by the next. */
#include "clock.h"
#include "jobs/registry.h"
#include "log.h"
#include "serve_job.h"
#include "tree.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define MOST_DEATHS 4        /* of a job's coordinators, after which it is not started again */
#define PATIENCE_MS 5000     /* for one that was told to end */
#define PORTS_TOLD_MS 2000   /* ports that are not free for so long are spoken of */
#define PORTS_AGAIN_MS 500   /* they are tried again so soon */
#define SWEEP_EVERY_MS 60000 /* old jobs are looked for so often */

/* ---- which run ---- */

mr_serve_job_t *mr_serve_running(const mr_serve_t *serve, uint64_t id) {
    for (uint32_t slot = 0; slot < serve->config->at_once; slot++)
        if (serve->jobs[slot] && serve->jobs[slot]->queued.id == id)
            return serve->jobs[slot];
    return NULL;
}

size_t mr_serve_count_running(const mr_serve_t *serve) {
    size_t count = 0;
    for (uint32_t slot = 0; slot < serve->config->at_once; slot++)
        count += serve->jobs[slot] != NULL;
    return count;
}

/* A slot that no job has, and whose ports nobody has. */
static int find_slot(const mr_serve_t *serve, uint32_t *slot) {
    char ports[128];
    for (*slot = 0; *slot < serve->config->at_once; (*slot)++)
        if (!serve->jobs[*slot] && mr_serve_ports_are_free(serve, *slot, ports))
            return 0;
    return -1;
}

/* ---- the end of one ---- */

static void free_job(mr_serve_t *serve, mr_serve_job_t *job) {
    mr_serve_job_leave(serve, job);
    mr_queued_free(&job->queued);
    serve->jobs[job->slot] = NULL;
    free(job);
}

/* What may be needed to go on is removed only when the job's end is on the disk. */
static void remove_remains(const mr_serve_t *serve, uint64_t id) {
    char path[4300];
    if (!mr_job_queue_path(serve->queue, id, "journal", path, sizeof path, NULL))
        mr_tree_remove(path);
}

static int write_state(mr_serve_t *serve, mr_queued_t *queued, mr_job_state_t state, int status, const char *message) {
    char *copy = strdup(message);
    if (!copy)
        return mr_error_memory(serve->error, "ending a job");
    free(queued->message);
    queued->message = copy;
    queued->state = state;
    queued->status = status;
    queued->ended_ms = mr_clock_wall_ms();
    return mr_job_queue_set(serve->queue, queued, serve->error);
}

static int finish(mr_serve_t *serve, mr_serve_job_t *job, mr_job_state_t state, int status, const char *message) {
    uint64_t id = job->queued.id;
    if (write_state(serve, &job->queued, state, status, message))
        return -1;
    mr_log(state == MR_JOB_FAILED ? MR_LOG_WARNING : MR_LOG_INFO, "job %llu: %s%s%s", (unsigned long long) id,
           mr_job_state_name(state), *message ? ": " : "", message);
    free_job(serve, job);
    remove_remains(serve, id);
    mr_serve_share(serve);
    mr_serve_news(serve, id);
    return 0;
}

/* ---- starting ---- */

/* Its coordinator was killed between giving the output its name and ending, or the server was before it could write that down. */
static bool is_complete(const mr_serve_t *serve, const mr_serve_job_t *job) {
    char path[4300];
    struct stat status;
    return job->over_files && job->queued.lives &&
           !mr_job_queue_path(serve->queue, job->queued.id, "output", path, sizeof path, NULL) && !stat(path, &status);
}

static int launch(mr_serve_t *serve, mr_serve_job_t *job) {
    mr_error_t error = {0};
    if (is_complete(serve, job))
        return finish(serve, job, MR_JOB_DONE, 0, "complete; its coordinator ended before it said so");
    job->queued.state = MR_JOB_RUNNING;
    job->queued.lives++;
    if (!job->queued.started_ms)
        job->queued.started_ms = mr_clock_wall_ms();
    if (mr_job_queue_set(serve->queue, &job->queued, serve->error))
        return -1;
    mr_log(MR_LOG_INFO, "job %llu: %s%s", (unsigned long long) job->queued.id, job->queued.words[0],
           job->queued.lives > 1 ? ": gone on with" : ": started");
    if (mr_serve_job_start(serve, job, &error))
        return finish(serve, job, MR_JOB_FAILED, (int) error.status, error.text);
    mr_serve_news(serve, job->queued.id);
    return 0;
}

/* Takes the record over. */
static int begin(mr_serve_t *serve, uint32_t slot, mr_queued_t *queued) {
    mr_serve_job_t *job = calloc(1, sizeof *job);
    const mr_job_t *kind = queued->word_count ? mr_job_find(queued->words[0]) : NULL;
    if (!job) {
        mr_queued_free(queued);
        return mr_error_memory(serve->error, "starting a job");
    }
    job->queued = *queued;
    *queued = (mr_queued_t){0};
    job->slot = slot;
    job->child.lines = job->messages_fd = -1;
    job->over_files = kind && !(kind->flags & MR_JOB_ARGUMENTS);
    serve->jobs[slot] = job;
    return launch(serve, job);
}

/* A slot is free, but not its ports. Said once, if they are not given back soon: a coordinator that was killed takes a moment. */
static void tell_ports(mr_serve_t *serve, const mr_queued_t *queued) {
    char text[512];
    int64_t now = mr_clock_ms();
    if (!serve->ports_taken_ms)
        serve->ports_taken_ms = now;
    if (serve->ports_told || now - serve->ports_taken_ms < PORTS_TOLD_MS)
        return;
    mr_serve_why(serve, queued, text, sizeof text);
    mr_log(MR_LOG_WARNING, "job %llu waits: %s", (unsigned long long) queued->id, text);
    serve->ports_told = true;
    mr_serve_news(serve, queued->id);
}

/* What was started before goes on also when its workers have not come back yet. */
int mr_serve_start_jobs(mr_serve_t *serve) {
    mr_queued_t queued;
    uint32_t slot;
    while (!serve->ending_ms && mr_clock_ms() >= serve->wait_ms &&
           mr_serve_count_running(serve) < serve->config->at_once) {
        int found = mr_job_queue_next(serve->queue, &queued, serve->error);
        if (found <= 0)
            return found;
        if (!queued.lives && !serve->roll.count) {
            mr_queued_free(&queued);
            return 0;
        }
        if (find_slot(serve, &slot)) {
            tell_ports(serve, &queued);
            mr_queued_free(&queued);
            return 0;
        }
        serve->ports_told = false;
        serve->ports_taken_ms = 0;
        if (begin(serve, slot, &queued))
            return -1;
    }
    return 0;
}

int mr_serve_resume_jobs(mr_serve_t *serve) {
    mr_job_queue_list_t list;
    int failed = mr_job_queue_list(serve->queue, MR_JOB_QUEUE_STATE(MR_JOB_RUNNING), &list, serve->error);
    for (size_t i = 0; !failed && i < list.count; i++) {
        list.items[i].state = MR_JOB_QUEUED;
        failed = mr_job_queue_set(serve->queue, &list.items[i], serve->error);
    }
    mr_job_queue_list_free(&list);
    return failed ? -1 : mr_serve_start_jobs(serve);
}

/* ---- how one has ended ---- */

static int start_again(mr_serve_t *serve, mr_serve_job_t *job, const char *cause) {
    if (job->deaths++ >= MOST_DEATHS) {
        char text[256];
        snprintf(text, sizeof text, "its coordinator ended %u times; the last time: %s", job->deaths, cause);
        return finish(serve, job, MR_JOB_FAILED, MR_STATUS_JOB, text);
    }
    mr_log(MR_LOG_WARNING, "job %llu: its coordinator ended: %s; another goes on", (unsigned long long) job->queued.id,
           cause);
    mr_serve_share(serve);
    return launch(serve, job);
}

/* Interrupted by nobody we know, or dead without a status of its own: the journal has what was committed. */
static bool is_death(int status) {
    return !WIFEXITED(status) || WEXITSTATUS(status) == MR_STATUS_INTERRUPTED;
}

/* Rows that grew in a file were not synced as they came. */
static int complete(mr_serve_t *serve, mr_serve_job_t *job) {
    mr_error_t error = {0};
    if (!job->over_files && mr_serve_job_sync(serve, job, &error))
        return finish(serve, job, MR_JOB_FAILED, (int) error.status, error.text);
    return finish(serve, job, MR_JOB_DONE, 0, job->summary);
}

/* Somebody has taken a port of the job's since it was looked at: it waits, as it would have then. */
static bool had_no_port(const mr_serve_job_t *job, int status) {
    return WIFEXITED(status) && WEXITSTATUS(status) == MR_STATUS_USAGE && !job->listened &&
           strstr(job->complaint, "another program listens");
}

static int put_back(mr_serve_t *serve, mr_serve_job_t *job) {
    uint64_t id = job->queued.id;
    job->queued.state = MR_JOB_QUEUED;
    if (mr_job_queue_set(serve->queue, &job->queued, serve->error))
        return -1;
    free_job(serve, job);
    serve->wait_ms = mr_clock_ms() + PORTS_AGAIN_MS;
    mr_serve_share(serve);
    mr_serve_news(serve, id);
    return 0;
}

static int settle(mr_serve_t *serve, mr_serve_job_t *job, int status) {
    char cause[128];
    mr_serve_job_leave(serve, job);
    mr_fate_describe(cause, sizeof cause, status, job->oom_kills);
    if (!is_death(status) && WEXITSTATUS(status) == MR_STATUS_OK)
        return complete(serve, job);
    if (job->cancelled)
        return finish(serve, job, MR_JOB_CANCELLED, MR_STATUS_INTERRUPTED, "cancelled");
    if (had_no_port(job, status) && !serve->ending_ms)
        return put_back(serve, job);
    if (!is_death(status))
        return finish(serve, job, MR_JOB_FAILED, WEXITSTATUS(status), *job->complaint ? job->complaint : cause);
    if (serve->ending_ms) {
        free_job(serve, job); /* it is RUNNING in the queue: the next server goes on */
        return 0;
    }
    return start_again(serve, job, cause);
}

int mr_serve_reap_jobs(mr_serve_t *serve) {
    int status;
    for (uint32_t slot = 0; slot < serve->config->at_once; slot++) {
        mr_serve_job_t *job = serve->jobs[slot];
        if (job && mr_child_ended(&job->child, &status) && settle(serve, job, status))
            return -1;
    }
    return mr_serve_start_jobs(serve);
}

/* ---- from outside ---- */

int mr_serve_submit(mr_serve_t *serve, mr_queued_t *job, mr_error_t *error) {
    if (serve->ending_ms)
        return mr_error_set(error, MR_STATUS_NO_WORKERS, "the coordinator is about to end; submit the job again later");
    if (mr_job_queue_add(serve->queue, job, error))
        return -1;
    mr_log(MR_LOG_INFO, "job %llu: %s, submitted by %s@%s", (unsigned long long) job->id, job->words[0], job->user,
           job->host);
    if (mr_serve_start_jobs(serve))
        mr_serve_fail(serve); /* it is in the queue all the same */
    return 0;
}

static int cancel_queued(mr_serve_t *serve, mr_queued_t *queued) {
    if (write_state(serve, queued, MR_JOB_CANCELLED, MR_STATUS_INTERRUPTED, "cancelled before it was started"))
        return mr_serve_fail(serve);
    remove_remains(serve, queued->id);
    mr_serve_news(serve, queued->id);
    return 0;
}

/* Two signals end it at once: there is no need to hand anything in. */
static void cancel_running(mr_serve_job_t *job) {
    if (job->cancelled)
        mr_child_signal(&job->child, SIGKILL);
    job->cancelled = true;
    job->told_ms = mr_clock_ms();
    mr_child_signal(&job->child, SIGTERM);
    mr_child_signal(&job->child, SIGINT);
}

int mr_serve_cancel(mr_serve_t *serve, uint64_t id, mr_error_t *error) {
    mr_serve_job_t *job = mr_serve_running(serve, id);
    mr_queued_t queued;
    if (job) {
        /* Who was told that it is cancelled shall not find it running after the next server's start. */
        if (!job->cancelled && write_state(serve, &job->queued, MR_JOB_CANCELLED, MR_STATUS_INTERRUPTED, "cancelled"))
            return mr_serve_fail(serve);
        cancel_running(job);
        mr_serve_news(serve, id);
        return 0;
    }
    int found = mr_job_queue_find(serve->queue, id, &queued, error);
    if (found < 0)
        return -1;
    if (!found)
        return mr_error_set(error, MR_STATUS_USAGE, "there is no job %llu; see millrace status",
                            (unsigned long long) id);
    int failed = queued.state == MR_JOB_QUEUED ? cancel_queued(serve, &queued)
                                               : mr_error_set(error, MR_STATUS_USAGE, "job %llu has ended: %s",
                                                              (unsigned long long) id, mr_job_state_name(queued.state));
    mr_queued_free(&queued);
    return failed;
}

void mr_serve_wind_up(mr_serve_t *serve) {
    for (uint32_t slot = 0; slot < serve->config->at_once; slot++)
        if (serve->jobs[slot])
            mr_child_signal(&serve->jobs[slot]->child, serve->ending_ms ? SIGKILL : SIGTERM);
}

/* ---- time ---- */

static int sweep(mr_serve_t *serve) {
    mr_job_queue_list_t list;
    char path[4300];
    int failed = mr_job_queue_old(serve->queue, mr_clock_wall_ms() - serve->config->keep_ms, &list, serve->error);
    for (size_t i = 0; !failed && i < list.count; i++) {
        failed = mr_job_queue_path(serve->queue, list.items[i].id, NULL, path, sizeof path, serve->error);
        if (!failed && !mr_tree_remove(path))
            failed = mr_job_queue_forget(serve->queue, list.items[i].id, serve->error);
    }
    mr_job_queue_list_free(&list);
    return failed;
}

int mr_serve_check_jobs(mr_serve_t *serve, int64_t now) {
    for (uint32_t slot = 0; slot < serve->config->at_once; slot++) {
        const mr_serve_job_t *job = serve->jobs[slot];
        if (job && job->told_ms && now - job->told_ms >= PATIENCE_MS)
            mr_child_signal(&job->child, SIGKILL);
    }
    if (mr_serve_reap_jobs(serve))
        return -1;
    if (serve->swept_ms && now - serve->swept_ms < SWEEP_EVERY_MS)
        return 0;
    serve->swept_ms = now;
    return sweep(serve);
}

void mr_serve_free_jobs(mr_serve_t *serve) {
    for (uint32_t slot = 0; serve->jobs && slot < serve->config->at_once; slot++)
        if (serve->jobs[slot])
            free_job(serve, serve->jobs[slot]);
    free(serve->jobs);
    serve->jobs = NULL;
}

/* ---- why one waits ---- */

static void why_queued(const mr_serve_t *serve, const mr_queued_t *queued, char *text, size_t size) {
    size_t used = 0;
    uint32_t free;
    char ports[128];
    if (!serve->roll.count && !queued->lives) {
        snprintf(text, size, "no worker has joined at %s; start one: millrace-worker --connect %s",
                 serve->listen.control, serve->listen.control);
        return;
    }
    for (free = 0; free < serve->config->at_once && serve->jobs[free]; free++)
        ;
    if (free < serve->config->at_once && !mr_serve_ports_are_free(serve, free, ports)) {
        snprintf(text, size, "another program listens at some of the ports %s, which are for the job", ports);
        return;
    }
    for (uint32_t slot = 0; slot < serve->config->at_once && used < size; slot++)
        if (serve->jobs[slot])
            used += (size_t) snprintf(text + used, size - used, "%s%llu", used ? ", " : "it waits for job ",
                                      (unsigned long long) serve->jobs[slot]->queued.id);
}

void mr_serve_why(mr_serve_t *serve, const mr_queued_t *queued, char *text, size_t size) {
    const mr_serve_job_t *job = mr_serve_running(serve, queued->id);
    *text = 0;
    if (serve->ending_ms && !mr_queued_ended(queued))
        snprintf(text, size, "the coordinator is about to end; the next one goes on");
    else if (queued->state == MR_JOB_QUEUED)
        why_queued(serve, queued, text, size);
    else if (job && !*job->endpoint)
        snprintf(text, size, "it is being planned");
    else if (job && !job->merging && !serve->roll.count)
        snprintf(text, size, "no worker is here any more; it waits for one at %s", serve->listen.control);
    else if (job && !job->merging && !mr_roll_count(&serve->roll, queued->id, NULL))
        snprintf(text, size, "there are more jobs than workers; it waits for one");
}
