/* How a worker leaves the cluster: lost, distrusted, or never there. */
#include <signal.h>

#include "clock.h"
#include "cluster_private.h"
#include "log.h"

#define WIND_UP_MS 5000      /* for the workers of an interrupted job to hand in what they have */
#define MOST_LEASES 6        /* for a worker to connect its lane, while others connect theirs */
#define LANE_PATIENCE_MS 700 /* for a worker to connect its lane again */

void mr_cluster_lose(mr_cluster_t *cluster, mr_member_t *member, bool counted) {
    if (member->joined) {
        mr_scheduler_leave(cluster->scheduler, mr_clock_ms(), member->number, counted);
    } else if (member->lane) {
        mr_guests_remove(&cluster->guests, member->lane);
    }
    if (cluster->config.sink)
        mr_sink_drop_worker(cluster->config.sink, member->number);
    else
        mr_groups_drop_worker(cluster->config.groups, member->number);
    mr_cluster_journal_drop(cluster, member->number, NULL);
    mr_cluster_void_grants(cluster, member);
    mr_members_remove(&cluster->members, member);
    mr_cluster_grant(cluster);
}

/* If it is ours, another is started in its place when it has ended. One that others started may come back by itself. */
static void let_go(mr_cluster_t *cluster, mr_member_t *member, bool counted) {
    if (member->local)
        mr_local_kill(cluster->local, (pid_t) member->pid, SIGKILL);
    mr_cluster_lose(cluster, member, counted);
}

void mr_cluster_bury(mr_cluster_t *cluster, mr_member_t *member) {
    mr_progress_clear(cluster->config.progress);
    mr_log(MR_LOG_WARNING, "worker %s:%u has been silent for %.1f s; its tasks are queued again", member->host,
           member->pid, cluster->config.lease_ms / 1000.0);
    snprintf(cluster->last_failure, sizeof cluster->last_failure, "its worker %s:%u was silent for %.1f s (--lease)",
             member->host, member->pid, cluster->config.lease_ms / 1000.0);
    cluster->last_status = MR_STATUS_OK;
    member->joined = false; /* the scheduler has let it go itself */
    let_go(cluster, member, true);
}

void mr_cluster_distrust(mr_cluster_t *cluster, mr_member_t *member, const char *reason) {
    mr_progress_clear(cluster->config.progress);
    mr_log(MR_LOG_WARNING, "worker %s:%u: %s; it is sent away and its tasks are queued again", member->host,
           member->pid, reason);
    snprintf(cluster->last_failure, sizeof cluster->last_failure, "%s (from %s)", reason, member->host);
    cluster->last_status = MR_STATUS_JOB;
    mr_cluster_send(cluster, member, &(mr_message_t){.type = MR_SHUTDOWN, .shutdown = {MR_SHUTDOWN_UNSOUND, reason}});
    let_go(cluster, member, true);
}

/* One that said HELLO and whose lane never came is not in the scheduler, so no lease of it runs out. If it lives, its lane is blocked. */
static void drop_guest(mr_cluster_t *cluster, mr_member_t *member, int64_t now) {
    if (now - member->heard_at < cluster->config.lease_ms) {
        mr_progress_clear(cluster->config.progress);
        mr_log(MR_LOG_WARNING,
               "worker %s:%u: it has not connected its lane, %s, for %.1f s (is the port open?); it may try again",
               member->host, member->pid, member->lane_endpoint, (double) (now - member->welcomed_at) / 1000);
    }
    let_go(cluster, member, false);
}

/* When thousands start at once on a busy machine, a lane may take longer than a lease; but then others join meanwhile. */
static bool is_hopeless(const mr_cluster_t *cluster, const mr_member_t *member, int64_t now) {
    int64_t lease = cluster->config.lease_ms, waited = now - member->welcomed_at;
    bool others = now - cluster->joined_at < lease && now - member->heard_at < lease;
    return waited >= (others ? MOST_LEASES * lease : lease);
}

static void drop_guests(mr_cluster_t *cluster, int64_t now) {
    for (uint32_t i = 0; i < cluster->members.count; i++) {
        mr_member_t *member = cluster->members.items[i];
        if (member && !member->joined && is_hopeless(cluster, member, now))
            drop_guest(cluster, member, now);
    }
}

/* A worker whose lane is closed and not opened again at once is dead, or its host is: no need to wait for the lease. */
static void check_lane(mr_cluster_t *cluster, mr_member_t *member, int64_t now) {
    if (mr_member_reachable(member)) {
        member->lane_down_at = 0;
    } else if (!member->lane_down_at) {
        member->lane_down_at = now;
    } else if (now - member->lane_down_at >= LANE_PATIENCE_MS) {
        mr_progress_clear(cluster->config.progress);
        mr_log(MR_LOG_WARNING, "worker %s:%u: its connection closed; its tasks are queued again", member->host,
               member->pid);
        snprintf(cluster->last_failure, sizeof cluster->last_failure, "the connection of its worker %s:%u closed",
                 member->host, member->pid);
        cluster->last_status = MR_STATUS_OK;
        let_go(cluster, member, true);
    }
}

static void check_lanes(mr_cluster_t *cluster, int64_t now) {
    for (uint32_t i = 0; i < cluster->members.count; i++)
        if (cluster->members.items[i] && cluster->members.items[i]->joined)
            check_lane(cluster, cluster->members.items[i], now);
}

/* A coordinator that was itself stopped has heard nobody: that silence says nothing about its workers. Timers go before sockets in a
 * zloop, and what was sent meanwhile may not even have been read by ZeroMQ's own thread yet. */
static void forgive_own_absence(mr_cluster_t *cluster, int64_t now) {
    for (uint32_t i = 0; i < cluster->members.count; i++) {
        mr_member_t *member = cluster->members.items[i];
        if (member)
            member->heard_at = member->welcomed_at = now;
        if (member && member->joined)
            mr_scheduler_alive(cluster->scheduler, now, member->number);
    }
}

void mr_cluster_check_leases(mr_cluster_t *cluster, int64_t now) {
    if (cluster->ticked_at && now - cluster->ticked_at > MR_CLUSTER_TICK_MS + cluster->config.lease_ms / 4)
        forgive_own_absence(cluster, now);
    cluster->ticked_at = now;
    drop_guests(cluster, now);
    check_lanes(cluster, now);
    mr_scheduler_tick(cluster->scheduler, now);
}

/* ---- the end ---- */

static int interrupted(mr_cluster_t *cluster) {
    return mr_error_set(cluster->error, MR_STATUS_INTERRUPTED, "interrupted by signal %u; %s", cluster->signal,
                        cluster->config.groups ? "results not printed yet are lost" : "no output was written");
}

int mr_cluster_interrupt(mr_cluster_t *cluster, unsigned signal) {
    bool again = cluster->ending_at != 0;
    cluster->signal = signal;
    if (again || !cluster->config.journal)
        return interrupted(cluster);
    mr_progress_clear(cluster->config.progress);
    mr_log(MR_LOG_WARNING, "interrupted by signal %u: the workers hand in what they have (once more: end at once)",
           signal);
    cluster->ending_at = mr_clock_ms() + WIND_UP_MS;
    for (uint32_t i = 0; i < cluster->members.count; i++) {
        mr_member_t *member = cluster->members.items[i];
        if (!member)
            continue;
        if (member->joined)
            mr_scheduler_drain(cluster->scheduler, member->number);
        mr_cluster_send(cluster, member, &(mr_message_t){.type = MR_DRAIN, .drain = {cluster->epoch}});
    }
    return 0;
}

bool mr_cluster_wound_up(mr_cluster_t *cluster) {
    if (!cluster->ending_at || (cluster->members.present && mr_clock_ms() < cluster->ending_at))
        return false;
    interrupted(cluster);
    return true;
}

/* What has not joined by the end holds nothing and would not hear that the work is over. */
static void end_guests(mr_cluster_t *cluster) {
    pid_t child;
    for (uint32_t i = 0; i < cluster->config.processes; i++)
        if ((child = mr_local_child(cluster->local, i)) && !mr_members_local(&cluster->members, (uint32_t) child))
            mr_local_kill(cluster->local, child, SIGKILL);
}

void mr_cluster_dismiss(mr_cluster_t *cluster, const char *reason) {
    for (uint32_t i = 0; i < cluster->members.count; i++)
        if (cluster->members.items[i])
            mr_cluster_send(
                cluster, cluster->members.items[i],
                &(mr_message_t){
                    .type = MR_SHUTDOWN,
                    .shutdown = {cluster->members.items[i]->local ? MR_SHUTDOWN_END : MR_SHUTDOWN_AGAIN, reason}});
    end_guests(cluster);
}
