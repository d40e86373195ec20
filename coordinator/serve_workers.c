/* The workers of a coordinator that stays: HELLO is answered by PLACE, and PLACE is sent again when it changes. */
#include "clock.h"
#include "greeting.h"
#include "log.h"
#include "serve_private.h"

static void send_place(mr_serve_t *serve, mr_roll_worker_t *worker) {
    const mr_serve_job_t *job = worker->job ? mr_serve_running(serve, worker->job) : NULL;
    mr_place_message_t place = {worker->job, job ? job->endpoint : "", ""};
    worker->untold = false;
    mr_serve_send(serve, &worker->sender, &(mr_message_t){.type = MR_PLACE, .place = place});
}

static void refuse(mr_serve_t *serve, const mr_sender_t *sender, const char *reason) {
    mr_message_t refusal = mr_greeting_refusal(reason);
    mr_serve_send(serve, sender, &refusal);
}

static void welcome(mr_serve_t *serve, const mr_roll_worker_t *worker) {
    mr_log(MR_LOG_INFO, "worker %s:%u has joined with %u threads; %zu workers are here", worker->host, worker->pid,
           worker->threads, serve->roll.count);
    if (serve->local)
        mr_local_joined(serve->local);
    mr_serve_share(serve);
}

int mr_serve_hello(mr_serve_t *serve, const mr_sender_t *sender, const mr_hello_message_t *hello) {
    const char *mismatch = mr_greeting_mismatch(hello);
    bool fresh;
    if (!mismatch && serve->roll.count >= serve->most_workers && !mr_roll_find(&serve->roll, sender))
        mismatch = "this coordinator has no room for more workers (raise ulimit -n there)";
    if (mismatch) {
        refuse(serve, sender, mismatch);
        return 0;
    }
    mr_roll_worker_t *worker = mr_roll_hello(&serve->roll, sender, hello, mr_clock_ms(), &fresh);
    if (!worker)
        return mr_error_memory(serve->error, "taking a worker");
    worker->untold = true; /* each HELLO is answered */
    if (fresh)
        welcome(serve, worker);
    if (worker->untold)
        send_place(serve, worker);
    return fresh ? mr_serve_start_jobs(serve) : 0;
}

static void strike_off(mr_serve_t *serve, mr_roll_worker_t *worker, const char *reason) {
    uint64_t job = worker->job;
    mr_log(MR_LOG_INFO, "worker %s:%u left: %s; %zu workers are here", worker->host, worker->pid, reason,
           serve->roll.count - 1);
    mr_roll_remove(&serve->roll, worker);
    mr_serve_share(serve);
    if (job)
        mr_serve_news(serve, job);
}

void mr_serve_bye(mr_serve_t *serve, const mr_sender_t *sender, const mr_bye_message_t *bye) {
    mr_roll_worker_t *worker = mr_roll_find(&serve->roll, sender);
    if (worker)
        strike_off(serve, worker, bye->reason);
}

void mr_serve_check_roll(mr_serve_t *serve, int64_t now) {
    mr_roll_worker_t *worker;
    while ((worker = mr_roll_silent(&serve->roll, now - serve->config->lease_ms)))
        strike_off(serve, worker, "it was silent for a lease");
}

/* First the jobs that take workers, then those that only keep what they have: their coordinators are being started. */
static size_t list_jobs(const mr_serve_t *serve, uint64_t *jobs, size_t *open) {
    size_t count = 0;
    for (int listening = 1; listening >= 0; listening--) {
        for (uint32_t slot = 0; slot < serve->config->at_once; slot++) {
            const mr_serve_job_t *job = serve->jobs[slot];
            if (job && !job->merging && !job->cancelled && (*job->endpoint != 0) == (listening != 0))
                jobs[count++] = job->queued.id;
        }
        *open = listening ? count : *open;
    }
    return count;
}

void mr_serve_share(mr_serve_t *serve) {
    uint64_t jobs[MR_ROLL_MOST_JOBS];
    size_t open = 0, count = list_jobs(serve, jobs, &open);
    if (serve->ending_ms)
        return; /* their jobs tell them to hand in what they have */
    mr_roll_share(&serve->roll, jobs, open, count);
    for (size_t i = 0; i < serve->roll.count; i++)
        if (serve->roll.items[i]->untold)
            send_place(serve, serve->roll.items[i]);
}

void mr_serve_tell_workers(mr_serve_t *serve, const mr_serve_job_t *job) {
    for (size_t i = 0; i < serve->roll.count; i++)
        serve->roll.items[i]->untold |= serve->roll.items[i]->job == job->queued.id;
    mr_serve_share(serve);
}
