/* Messages on the control socket: one function each. */
#include "clock.h"
#include "cluster_private.h"
#include "log.h"
#include "router.h"

#define SIGNS 8 /* of this coordinator's life in a lease, at least; a worker gives up after three leases without any */
#define STUCK_LEASES 3    /* a task that does not move for so many leases is spoken of */
#define MOST_AT_ONCE 1024 /* messages taken before other sockets have their turn */

static void send_to(mr_cluster_t *cluster, zsock_t *socket, const void *identity, size_t size,
                    const mr_message_t *message) {
    if (mr_router_send(socket, identity, size, message, &cluster->out)) { /* a worker might wait for it for ever */
        mr_error_memory(cluster->error, "sending a message");
        mr_cluster_fail(cluster);
    }
}

void mr_cluster_send_to(mr_cluster_t *cluster, const mr_sender_t *to, const mr_message_t *message) {
    send_to(cluster, to->socket, to->identity, to->size, message);
}

void mr_cluster_send(mr_cluster_t *cluster, mr_member_t *member, const mr_message_t *message) {
    member->told_at = mr_clock_ms();
    send_to(cluster, member->control, member->identity, member->identity_size, message);
}

/* ---- working ---- */

/* The worker lives, its task does not move: that is for a person to judge, or for --task-timeout. */
static void tell_stuck(mr_cluster_t *cluster, mr_member_t *member) {
    int64_t patience = STUCK_LEASES * (int64_t) cluster->config.lease_ms;
    const mr_watched_t *stuck;
    while ((stuck = mr_watch_stuck(&member->watch, member->heard_at, patience))) {
        char where[4500];
        if (stuck->attempt.task >= mr_work_tasks(cluster->config.work))
            continue;
        mr_work_describe(cluster->config.work, stuck->attempt.task, where, sizeof where);
        mr_progress_clear(cluster->config.progress);
        mr_log(MR_LOG_WARNING,
               "worker %s:%u: %s: the task has not moved for %lld s, though the worker lives (%llu MB resident)",
               member->host, member->pid, where, (long long) (member->heard_at - stuck->moved_at) / 1000,
               (unsigned long long) member->rss / 1000000);
    }
}

/* Tasks are sent, and a lease long it runs none: they may have gone down a connection that was dead already, of which it heard
 * nothing after it had said what it holds. */
static void find_lost_tasks(mr_cluster_t *cluster, mr_member_t *member, size_t running) {
    mr_scheduler_worker_t info;
    if (running || !mr_scheduler_worker(cluster->scheduler, member->number, &info) || !info.running) {
        member->idle_since = 0;
    } else if (!member->idle_since) {
        member->idle_since = member->heard_at;
    } else if (member->heard_at - member->idle_since >= cluster->config.lease_ms) {
        mr_cluster_send(cluster, member, &(mr_message_t){.type = MR_ACCOUNT, .account = {cluster->epoch, 0}});
        member->idle_since = 0;
    }
}

static void take_heartbeat(mr_cluster_t *cluster, mr_member_t *member, const mr_heartbeat_message_t *heartbeat) {
    member->heard_at = mr_clock_ms();
    member->rss = heartbeat->rss;
    mr_watch_take(&member->watch, heartbeat->running, heartbeat->running_count, member->heard_at);
    tell_stuck(cluster, member);
    find_lost_tasks(cluster, member, heartbeat->running_count);
    mr_scheduler_alive(cluster->scheduler, member->heard_at, member->number);
    if (member->heard_at - member->told_at >= cluster->config.lease_ms / SIGNS)
        mr_cluster_send(cluster, member, &(mr_message_t){.type = MR_ALIVE, .alive = {cluster->epoch}});
}

static void take_done(mr_cluster_t *cluster, mr_member_t *member, const mr_done_message_t *done) {
    for (size_t i = 0; i < done->attempts_count; i++)
        if (done->attempts[i].task < mr_work_tasks(cluster->config.work))
            member->done_bytes += (int64_t) mr_work_task_bytes(cluster->config.work, done->attempts[i].task);
    mr_scheduler_done(cluster->scheduler, mr_clock_ms(), member->number, done->attempts, done->attempts_count);
}

static void take_returned(mr_cluster_t *cluster, mr_member_t *member, const mr_returned_message_t *returned) {
    if (returned->draining)
        mr_scheduler_drain(cluster->scheduler, member->number);
    mr_scheduler_returned(cluster->scheduler, mr_clock_ms(), member->number, returned->attempts,
                          returned->attempts_count);
}

/* There is no other machine on which a file that cannot be read may be readable. */
static bool is_only_host(const mr_cluster_t *cluster) {
    return cluster->members.host_count == 1 && !cluster->config.listen;
}

static int take_failed(mr_cluster_t *cluster, mr_member_t *member, const mr_failed_message_t *failed) {
    mr_status_t status = failed->status == MR_STATUS_INPUT || failed->status == MR_STATUS_STORAGE
                             ? (mr_status_t) failed->status
                             : MR_STATUS_JOB;
    const char *text = failed->text, *name = mr_work_name(cluster->config.work, failed->task, &text);
    if (!failed->retry || (status == MR_STATUS_INPUT && is_only_host(cluster)))
        return mr_error_set(cluster->error, status, "%s%s", name, text);
    snprintf(cluster->last_failure, sizeof cluster->last_failure, "%s%s (on %s)", name, text, member->host);
    cluster->last_status = status;
    mr_progress_clear(cluster->config.progress);
    mr_log(MR_LOG_WARNING, "%s; the task is queued again", cluster->last_failure);
    mr_scheduler_failed(cluster->scheduler, mr_clock_ms(), member->number,
                        (mr_attempt_t){failed->task, failed->attempt});
    return 0;
}

static void take_offer(mr_cluster_t *cluster, mr_member_t *member, const mr_offer_message_t *offer) {
    if (!offer->size || offer->size > MR_WIRE_MAX_RUN) {
        mr_cluster_distrust(cluster, member, "it made an offer that no run can be");
        return;
    }
    member->offered = offer->size;
    member->offer_order = cluster->offers++;
    mr_scheduler_alive(cluster->scheduler, mr_clock_ms(), member->number);
    mr_cluster_grant(cluster);
}

void mr_cluster_grant(mr_cluster_t *cluster) {
    mr_member_t *member;
    while ((member = mr_members_next_offer(&cluster->members))) {
        if (mr_cluster_journal_behind(cluster) ||
            (cluster->config.sink && !mr_sink_reserve(cluster->config.sink, member->offered)))
            return;
        member->reserved = member->offered;
        member->offered = 0;
        mr_cluster_send(cluster, member,
                        &(mr_message_t){.type = MR_GRANT, .grant = {cluster->epoch, member->reserved}});
    }
}

static void take_bye(mr_cluster_t *cluster, mr_member_t *member, const mr_bye_message_t *bye) {
    bool drained = !strcmp(bye->reason, "drained");
    if (!drained) {
        snprintf(cluster->last_failure, sizeof cluster->last_failure, "%s (on %s)", bye->reason, member->host);
        cluster->last_status = MR_STATUS_JOB;
    }
    mr_log(drained ? MR_LOG_INFO : MR_LOG_WARNING, "worker %s:%u left: %s", member->host, member->pid, bye->reason);
    mr_cluster_lose(cluster, member, !drained);
}

static int take_from_member(mr_cluster_t *cluster, mr_member_t *member, mr_message_t *message) {
    switch (message->type) {
    case MR_HEARTBEAT:
        take_heartbeat(cluster, member, &message->heartbeat);
        return 0;
    case MR_DONE:
        take_done(cluster, member, &message->done);
        return 0;
    case MR_FAILED:
        return take_failed(cluster, member, &message->failed);
    case MR_OFFER:
        take_offer(cluster, member, &message->offer);
        return 0;
    case MR_RETURNED:
        take_returned(cluster, member, &message->returned);
        return 0;
    case MR_BYE:
        take_bye(cluster, member, &message->bye);
        return 0;
    case MR_HELD:
        mr_cluster_take_held(cluster, member, message);
        return 0;
    default:
        cluster->config.ledger->stale++;
        return 0;
    }
}

/* One that has left (its lease ran out), or was of an earlier life of this coordinator: if it lives, it may come back. */
static void take_from_stranger(mr_cluster_t *cluster, const mr_sender_t *sender, const mr_message_t *message) {
    const mr_heartbeat_message_t *heartbeat = &message->heartbeat;
    cluster->config.ledger->stale++;
    if (message->type == MR_HEARTBEAT)
        mr_cluster_send_to(cluster, sender,
                           &(mr_message_t){.type = MR_UNKNOWN, .unknown = {heartbeat->epoch, heartbeat->worker}});
}

bool mr_cluster_is_from(const mr_member_t *member, const mr_sender_t *sender) {
    return member->control == sender->socket && member->identity_size == sender->size &&
           !memcmp(member->identity, sender->identity, sender->size) && mr_peer_same(&member->peer, &sender->peer);
}

/* Every message but HELLO begins with epoch and worker. The member that it names, if it comes from that one. */
static mr_member_t *member_of(const mr_cluster_t *cluster, const mr_sender_t *sender, const mr_message_t *message) {
    mr_member_t *member = mr_members_get(&cluster->members, message->heartbeat.worker);
    return member && message->heartbeat.epoch == cluster->epoch && mr_cluster_is_from(member, sender) ? member : NULL;
}

static bool is_of_a_worker(const mr_message_t *message) {
    return message->type <= MR_HELD;
}

static int take_message(mr_cluster_t *cluster, const mr_sender_t *sender, mr_message_t *message) {
    if (message->type == MR_HELLO)
        return mr_cluster_take_hello(cluster, sender, &message->hello);
    mr_member_t *member = is_of_a_worker(message) ? member_of(cluster, sender, message) : NULL;
    if (member)
        return take_from_member(cluster, member, message);
    take_from_stranger(cluster, sender, message);
    return 0;
}

int mr_cluster_on_control(zloop_t *loop, zsock_t *socket, void *argument) {
    mr_cluster_t *cluster = argument;
    mr_message_t message;
    mr_sender_t sender;
    (void) loop;
    for (int i = 0; i < MOST_AT_ONCE; i++) {
        mr_error_t unreadable = {0};
        int got = mr_router_receive(socket, &sender, &message, &unreadable);
        if (got == 0)
            break;
        int failed = got < 0 ? mr_cluster_unreadable(cluster, &unreadable) : take_message(cluster, &sender, &message);
        if (got > 0)
            mr_message_clear(&message);
        if (failed)
            return mr_cluster_fail(cluster);
    }
    return mr_cluster_pump(cluster);
}
