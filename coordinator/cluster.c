/* The life of a cluster: sockets, the loop, the scheduler's actions, and the local workers' deaths. */
#include "cluster.h"

#include <sys/random.h>
#include <sys/signalfd.h>

#include "clock.h"
#include "cluster_private.h"
#include "log.h"
#include "timeline.h"

#define LONELY_TOLD_MS 10000
#define MAX_ATTEMPTS 4
#define MAX_CREDIT 4096
#define MAX_BATCH 1024
#define CREDIT_MS 50
#define TASKS_BYTES ((size_t) 4 << 20) /* a TASKS message is sent when its paths and payloads pass this */

int mr_cluster_fail(mr_cluster_t *cluster) {
    cluster->over = true;
    return -1;
}

int mr_cluster_unreadable(mr_cluster_t *cluster, const mr_error_t *reason) {
    cluster->config.ledger->stale++;
    return reason->status == MR_STATUS_JOB ? mr_error_set(cluster->error, reason->status, "%s", reason->text) : 0;
}

/* ---- the scheduler's actions ---- */

static size_t spec_bytes(const mr_cluster_t *cluster, const mr_spec_t *spec, size_t first_segment) {
    const mr_segment_t *segments = (const mr_segment_t *) (const void *) cluster->segments.data + first_segment;
    size_t bytes = spec->payload.size;
    for (size_t i = 0; i < spec->segment_count; i++)
        bytes += strlen(segments[i].path) + (segments[i].url ? strlen(segments[i].url) : 0) + 64;
    return bytes;
}

/* Puts as many of the attempts as fit into one message into specs and segments. Returns how many, 0 when memory is out. */
static size_t build_tasks(mr_cluster_t *cluster, const mr_attempt_t *attempts, size_t count, uint32_t flags) {
    size_t bytes = 0, built = 0, first = 0;
    cluster->segments.size = cluster->specs.size = 0;
    for (; built < count && bytes < TASKS_BYTES; built++) {
        mr_spec_t spec;
        if (mr_work_spec(cluster->config.work, attempts[built].task, attempts[built].attempt, &spec,
                         &cluster->segments))
            return 0;
        spec.flags = flags;
        if (mr_buffer_append(&cluster->specs, &spec, sizeof spec))
            return 0;
        bytes += spec_bytes(cluster, &spec, first);
        first += spec.segment_count;
    }
    mr_spec_t *specs = (mr_spec_t *) (void *) cluster->specs.data;
    mr_segment_t *segments = (mr_segment_t *) (void *) cluster->segments.data;
    for (size_t i = 0; i < built; i++) {
        specs[i].segments = segments;
        segments += specs[i].segment_count;
    }
    return built;
}

static uint32_t flags_of(const mr_action_t *action) {
    return (action->alone ? MR_SPEC_ALONE : 0) | (action->suspect ? MR_SPEC_CAREFUL : 0);
}

static int act_send(mr_cluster_t *cluster, mr_member_t *member, const mr_action_t *action) {
    const mr_attempt_t *attempts = action->attempts;
    size_t count = action->count;
    for (size_t built; count; attempts += built, count -= built) {
        built = build_tasks(cluster, attempts, count, flags_of(action));
        mr_message_t message = {
            .type = MR_TASKS,
            .tasks = {cluster->epoch, member->generation, (mr_spec_t *) (void *) cluster->specs.data, built}};
        cluster->out.size = 0;
        if (!built || mr_message_encode(&message, &cluster->out)) {
            mr_error_memory(cluster->error, "sending tasks");
            return mr_cluster_fail(cluster);
        }
        /* Without a connection they are lost, as in one that breaks: HELD, or the end of the worker, brings them back. */
        if (zmq_send(zsock_resolve(member->lane), cluster->out.data, cluster->out.size, ZMQ_DONTWAIT) < 0)
            mr_log(MR_LOG_DEBUG, "worker %s:%u: tasks not sent: %s", member->host, member->pid,
                   zmq_strerror(zmq_errno()));
        member->sent += built;
    }
    return 0;
}

/* A host on which task after task fails. Its workers stay, without tasks: when no other host is left, it is used again. */
static void act_aside(mr_cluster_t *cluster, mr_member_t *member) {
    mr_progress_clear(cluster->config.progress);
    mr_log(MR_LOG_WARNING, "host %s: task after task failed there, and not elsewhere; it gets no more (the last: %s)",
           member->host, cluster->last_failure);
}

/* Asked again after a lease without a partial, the worker shall say what it holds: a message may have been lost. */
static void act_flush(mr_cluster_t *cluster, mr_member_t *member) {
    int64_t now = mr_clock_ms();
    if (member->flushed_at && now - member->flushed_at >= cluster->config.lease_ms) {
        mr_cluster_send(cluster, member, &(mr_message_t){.type = MR_ACCOUNT, .account = {cluster->epoch, 0}});
        member->flushed_at = now;
        return;
    }
    member->flushed_at = member->flushed_at ? member->flushed_at : now;
    mr_cluster_send(cluster, member,
                    &(mr_message_t){.type = MR_FLUSH, .flush = {cluster->epoch, member->generation, member->sent}});
}

static int act_fail(mr_cluster_t *cluster, uint32_t task) {
    char where[4500];
    mr_work_describe(cluster->config.work, task, where, sizeof where);
    mr_error_set(cluster->error, cluster->last_status ? cluster->last_status : MR_STATUS_JOB,
                 "%s: the task failed %d times; the last time: %s", where, MAX_ATTEMPTS, cluster->last_failure);
    return mr_cluster_fail(cluster);
}

static int act(mr_cluster_t *cluster, const mr_action_t *action) {
    mr_member_t *member = mr_members_get(&cluster->members, action->worker);
    if (action->kind == MR_ACTION_FAIL)
        return act_fail(cluster, action->attempts[0].task);
    if (!member)
        return 0;
    if (action->kind == MR_ACTION_SEND)
        return act_send(cluster, member, action);
    if (action->kind == MR_ACTION_DEAD)
        mr_cluster_bury(cluster, member);
    else if (action->kind == MR_ACTION_ASIDE)
        act_aside(cluster, member);
    else
        act_flush(cluster, member);
    return 0;
}

int mr_cluster_pump(mr_cluster_t *cluster) {
    mr_action_t action;
    while (!cluster->over && mr_scheduler_next(cluster->scheduler, mr_clock_ms(), &action))
        if (act(cluster, &action))
            return -1;
    if (mr_scheduler_finished(cluster->scheduler))
        cluster->over = true;
    else if (mr_cluster_wound_up(cluster))
        return mr_cluster_fail(cluster);
    return cluster->over ? -1 : 0;
}

/* ---- time ---- */

/* A partial may overtake the DONE of its tasks, and a backup's task may be done twice: what is committed is exact, the rest is not. */
static uint64_t bytes_done(const mr_cluster_t *cluster) {
    int64_t bytes = (int64_t) cluster->committed_bytes, all = (int64_t) mr_work_bytes(cluster->config.work);
    if (mr_scheduler_finished(cluster->scheduler))
        return cluster->committed_bytes;
    for (uint32_t i = 0; i < cluster->members.count; i++) {
        const mr_member_t *member = cluster->members.items[i];
        if (member)
            bytes += member->done_bytes + (int64_t) mr_watch_bytes(&member->watch);
    }
    return (uint64_t) (bytes < 0 ? 0 : bytes > all ? all : bytes);
}

static int check_lonely(mr_cluster_t *cluster, int64_t now, uint32_t workers) {
    if (workers) {
        cluster->lonely_since = 0;
        return 0;
    }
    if (!cluster->lonely_since)
        cluster->lonely_since = cluster->lonely_told = now;
    if (now - cluster->lonely_since >= cluster->config.worker_timeout_ms)
        return mr_error_set(cluster->error, MR_STATUS_NO_WORKERS, "no worker for %lld s (--worker-timeout)",
                            (long long) (now - cluster->lonely_since) / 1000);
    if (now - cluster->lonely_told >= LONELY_TOLD_MS) {
        cluster->lonely_told = now;
        mr_progress_clear(cluster->config.progress);
        mr_log(MR_LOG_WARNING, "no worker since %lld s; waiting%s%s", (long long) (now - cluster->lonely_since) / 1000,
               *cluster->listen.control ? " at " : "", cluster->listen.control);
    }
    return 0;
}

int mr_cluster_on_tick(zloop_t *loop, int timer, void *argument) {
    mr_cluster_t *cluster = argument;
    int64_t now = mr_clock_ms();
    (void) loop;
    (void) timer;
    mr_cluster_check_leases(cluster, now);
    uint32_t workers = mr_scheduler_stats(cluster->scheduler).workers;
    mr_progress_show(cluster->config.progress, now, bytes_done(cluster), workers);
    if (check_lonely(cluster, now, workers))
        return mr_cluster_fail(cluster);
    return mr_cluster_pump(cluster);
}

/* ---- signals and local workers ---- */

static int take_death(mr_cluster_t *cluster, const mr_local_death_t *death) {
    mr_member_t *member = mr_members_local(&cluster->members, (uint32_t) death->pid);
    mr_progress_clear(cluster->config.progress);
    if (!death->clean && !death->wanted) {
        mr_log(MR_LOG_WARNING, "worker process %ld: %s; its tasks are queued again", (long) death->pid, death->cause);
        snprintf(cluster->last_failure, sizeof cluster->last_failure, "its worker process %ld: %s", (long) death->pid,
                 death->cause);
        cluster->last_status = MR_STATUS_OK;
    }
    if (death->status == MR_STATUS_REFUSED || death->status == MR_STATUS_USAGE)
        return mr_error_set(cluster->error, (mr_status_t) death->status, "a local worker could not join: see above");
    if (member)
        mr_cluster_lose(cluster, member, !death->clean);
    return cluster->ending_at ? 0 : mr_local_restart(cluster->local, cluster->error);
}

int mr_cluster_on_signal(zloop_t *loop, zmq_pollitem_t *item, void *argument) {
    mr_cluster_t *cluster = argument;
    struct signalfd_siginfo info;
    mr_local_death_t death;
    (void) loop;
    while (read(item->fd, &info, sizeof info) == sizeof info)
        if (info.ssi_signo != SIGCHLD && mr_cluster_interrupt(cluster, info.ssi_signo))
            return mr_cluster_fail(cluster);
    while (mr_local_reap(cluster->local, &death))
        if (take_death(cluster, &death))
            return mr_cluster_fail(cluster);
    return mr_cluster_pump(cluster);
}

int mr_cluster_on_sink_event(zloop_t *loop, zmq_pollitem_t *item, void *argument) {
    mr_cluster_t *cluster = argument;
    (void) loop;
    (void) item;
    if (mr_sink_check(cluster->config.sink, cluster->error))
        return mr_cluster_fail(cluster);
    mr_cluster_grant(cluster);
    return mr_cluster_pump(cluster);
}

/* ---- life ---- */

static int start_local(mr_cluster_t *cluster, mr_error_t *error) {
    const mr_cluster_config_t *config = &cluster->config;
    mr_local_config_t local = {cluster->control_endpoint,
                               config->tmp_dir,
                               config->processes,
                               config->threads,
                               config->log_level,
                               config->root ? config->root->path : NULL,
                               NULL};
    cluster->local = mr_local_new(&local, error);
    mr_timeline("local workers started");
    return cluster->local ? 0 : -1;
}

static int draw_numbers(mr_cluster_t *cluster) {
    if (getrandom(&cluster->epoch, sizeof cluster->epoch, 0) < 0)
        return -1;
    cluster->job_id = cluster->config.job_id ? cluster->config.job_id : cluster->epoch;
    return 0;
}

/* What an earlier coordinator has committed. */
static void restore(mr_cluster_t *cluster) {
    const mr_cluster_config_t *config = &cluster->config;
    for (uint32_t task = 0; config->restored && task < mr_work_tasks(config->work); task++)
        if (config->restored[task]) {
            mr_scheduler_restore(cluster->scheduler, task);
            cluster->committed_bytes += mr_work_task_bytes(config->work, task);
        }
}

mr_cluster_t *mr_cluster_new(const mr_cluster_config_t *config, mr_error_t *error) {
    mr_cluster_t *cluster = calloc(1, sizeof *cluster);
    mr_scheduler_config_t scheduler = {.tasks = mr_work_tasks(config->work),
                                       .lease_ms = config->lease_ms,
                                       .max_attempts = MAX_ATTEMPTS,
                                       .max_credit = MAX_CREDIT,
                                       .credit_ms = CREDIT_MS,
                                       .max_batch = MAX_BATCH,
                                       .backup_floor_ms = config->backup_ms,
                                       .silent_ms =
                                           MR_CLUSTER_SILENT_BEATS * (int64_t) config->lease_ms / MR_CLUSTER_BEATS,
                                       .first_attempt = config->first_attempt};
    if (cluster) {
        cluster->config = *config;
        cluster->listen.lock = -1;
        cluster->guests.fd = -1;
        cluster->scheduler = mr_scheduler_new(&scheduler);
    }
    if (!cluster || !cluster->scheduler || draw_numbers(cluster))
        mr_error_memory(error, "starting the job");
    else if (restore(cluster), !mr_cluster_open_sockets(cluster, error) && !start_local(cluster, error))
        return cluster;
    if (cluster)
        mr_cluster_destroy(&cluster, 0);
    return NULL;
}

const char *mr_cluster_endpoint(const mr_cluster_t *cluster) {
    return cluster->listen.control;
}

int mr_cluster_run(mr_cluster_t *cluster, mr_error_t *error) {
    const mr_cluster_config_t *config = &cluster->config;
    cluster->error = error;
    mr_progress_start(config->progress, "map", mr_work_bytes(config->work), mr_clock_ms());
    if (!mr_cluster_pump(cluster))
        zloop_start(cluster->loop);
    if (!error->status && !mr_scheduler_finished(cluster->scheduler))
        mr_error_set(error, MR_STATUS_JOB, "the loop ended early: %s", zmq_strerror(zmq_errno()));
    if (!error->status)
        mr_cluster_print_last(cluster);
    config->ledger->tasks = mr_scheduler_stats(cluster->scheduler);
    mr_progress_end(config->progress, mr_clock_ms(), bytes_done(cluster), config->ledger->tasks.workers);
    mr_cluster_dismiss(cluster, error->status ? error->text : "all is reduced");
    return error->status ? -1 : 0;
}

void mr_cluster_destroy(mr_cluster_t **cluster, int64_t grace_ms) {
    mr_cluster_t *self = *cluster;
    if (!self)
        return;
    mr_local_destroy(&self->local, grace_ms);
    mr_guests_close(&self->guests);
    mr_members_free(&self->members);
    mr_cluster_close_sockets(self);
    zloop_destroy(&self->loop);
    mr_endpoint_close(&self->listen);
    mr_scheduler_destroy(&self->scheduler);
    mr_buffer_free(&self->out);
    mr_buffer_free(&self->segments);
    mr_buffer_free(&self->specs);
    mr_buffer_free(&self->answers);
    free(self);
    *cluster = NULL;
}
