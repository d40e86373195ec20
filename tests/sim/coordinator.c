/* coordinator.c - the coordinator: calls on its scheduler, the sink, the journal of what is committed, and its own death.
 *
 * The sink's books are the journal, but for what is not on disk yet: that is taken back when the coordinator dies. One that starts anew
 * restores what is in them and nothing else; workers of the one before are unknown to it. */
#include "must.h"
#include "sim_cluster.h"

#include <string.h>

static int64_t now_ms(const cluster_t *cluster) {
    return cluster->now / 1000;
}

/* To a worker by its number; it may have another by now, and then the message is for nobody. */
static void send_down(cluster_t *cluster, uint32_t number, sim_channel_t channel, sim_event_t *event) {
    uint32_t index = cluster->owners[number];
    event->generation = cluster->joined[number] ? cluster->generations[number] : 0;
    if (cluster->processes[index].number == number)
        cluster_send(cluster, index, channel, event);
    else
        free(event);
}

/* ---- lives ---- */

void coordinator_start(cluster_t *cluster) {
    mr_scheduler_config_t config = cluster->config->scheduler;
    config.first_attempt = 1 + cluster->life * 100000;
    cluster->life++;
    cluster->result.lives++;
    cluster->scheduler = must(mr_scheduler_new(&config));
    if (cluster->life == 1) {
        oracle_init(&cluster->oracle, &config);
        return;
    }
    oracle_restart(&cluster->oracle, &config);
    for (uint32_t i = 0; i < config.tasks; i++)
        if (cluster->oracle.tasks[i].applied && !cluster_sabotage(cluster, SABOTAGE_FORGET))
            mr_scheduler_restore(cluster->scheduler, i);
}

/* What was committed in memory only. Nobody may have been told that it is committed. */
static void revoke_all(cluster_t *cluster) {
    for (size_t i = 0; i < cluster->undurable_count; i++) {
        sim_event_t *commit = cluster->undurable[i];
        oracle_revoke(&cluster->oracle, commit->attempts, commit->count, commit->split, commit->checksum);
        cluster->result.revoked += commit->count > 0;
        if (commit->flag)
            oracle_violate(&cluster->oracle, "partial %lu was answered, and is not on disk",
                           (unsigned long) commit->partial);
        free(commit);
    }
    cluster->undurable_count = 0;
    cluster->durable_at = 0;
}

/* All connections break with it. */
static void crash(cluster_t *cluster) {
    revoke_all(cluster);
    mr_scheduler_stats_t stats = mr_scheduler_stats(cluster->scheduler), *past = &cluster->result.past;
    past->retries += stats.retries;
    past->backups += stats.backups;
    past->won += stats.won;
    past->adopted += stats.adopted;
    past->lost += stats.lost;
    past->discarded += stats.discarded;
    past->stale += stats.stale;
    mr_scheduler_destroy(&cluster->scheduler);
    cluster->down = true;
    for (uint32_t i = 0; i < cluster->config->workers; i++)
        for (int k = 0; k < 4; k++)
            cluster->processes[i].connection[k]++;
    cluster_plan(cluster, 0, EV_RISE, sim_between(&cluster->random, 0, 3 * cluster->config->scheduler.lease_ms * 1000));
}

static void maybe_crash(cluster_t *cluster) {
    const sim_config_t *config = cluster->config;
    if (cluster->now >= config->fault_until_us)
        return;
    if (!cluster->down && !mr_scheduler_finished(cluster->scheduler))
        crash(cluster);
    cluster_plan(cluster, 0, EV_CRASH, sim_between(&cluster->random, 1, 2 * config->crash_every_us));
}

/* ---- events ---- */

static uint32_t threads_of(const cluster_t *cluster, uint32_t index) {
    uint32_t threads = cluster->config->threads[index % SIM_PROFILES];
    uint32_t most = cluster->config->scheduler.max_credit;
    return threads < most ? threads : most;
}

static void hello(cluster_t *cluster, const sim_event_t *event) {
    uint32_t threads = cluster->config->threads[event->worker % SIM_PROFILES];
    uint32_t host = cluster->config->host[event->worker % SIM_PROFILES];
    cluster->joined[event->number] = true;
    if (mr_scheduler_join(cluster->scheduler, now_ms(cluster), event->number, threads, host))
        abort();
    oracle_join(&cluster->oracle, event->number, threads_of(cluster, event->worker), host);
}

static void take_held(cluster_t *cluster, const sim_event_t *event) {
    if (event->generation <= cluster->generations[event->number])
        return;
    cluster->generations[event->number] = event->generation;
    cluster->returned[event->number] = true;
    cluster->result.helds++;
    if (cluster_sabotage(cluster, SABOTAGE_NO_HELD))
        return;
    const mr_attempt_t *done = event->attempts + event->split;
    size_t count = event->count - event->split;
    mr_scheduler_reconcile(cluster->scheduler, now_ms(cluster), event->number, event->attempts, event->split, done,
                           count);
    oracle_reconcile(&cluster->oracle, event->number, event->attempts, event->split, done, count);
}

/* Returns how many of the partial's attempts the sink applied. */
static size_t reduce(cluster_t *cluster, const sim_event_t *event, bool verdict) {
    sim_sabotage_t sabotage = cluster->config->sabotage;
    size_t count = verdict ? event->count : 0;
    if (sabotage == SABOTAGE_COMMIT_STALE && !verdict)
        count = event->count;
    if (sabotage == SABOTAGE_TRUST && !verdict && cluster->returned[event->number] && !event->forged)
        count = event->count;
    if (sabotage == SABOTAGE_DISCARD_GOOD && verdict)
        count = 0;
    if (sabotage == SABOTAGE_HALF && verdict)
        count = event->count / 2;
    cluster->result.sabotaged += count != (verdict ? event->count : 0);
    if (count)
        oracle_apply(&cluster->oracle, event->attempts, count, event->checksum);
    return count;
}

static void answer(cluster_t *cluster, const sim_event_t *event, bool verdict) {
    sim_event_t *reply = agenda_event(verdict ? MSG_COMMITTED : MSG_DISCARD, NULL, 0);
    reply->partial = event->partial;
    send_down(cluster, event->number, DOWN_CONTROL, reply);
}

/* ---- the journal ---- */

/* A commit (of no attempt: an answer that waits for those before it) is written behind all others. */
static void write_commit(cluster_t *cluster, const sim_event_t *event, size_t count, size_t applied) {
    size_t size = (cluster->undurable_count + 1) * sizeof(sim_event_t *);
    sim_event_t *kept = agenda_event(EV_DURABLE, event->attempts, count);
    sim_event_t *due = agenda_event(EV_DURABLE, NULL, 0);
    int64_t at = cluster->now + sim_between(&cluster->random, 0, 2 * cluster->config->journal_us);
    kept->number = event->number;
    kept->partial = event->partial;
    kept->split = (uint32_t) applied;
    kept->checksum = event->checksum;
    cluster->undurable = must(realloc(cluster->undurable, size));
    cluster->undurable[cluster->undurable_count++] = kept;
    cluster->durable_at = at > cluster->durable_at ? at : cluster->durable_at;
    due->at = cluster->durable_at;
    due->life = cluster->life;
    agenda_add(&cluster->agenda, due);
    if (cluster_sabotage(cluster, SABOTAGE_ANSWER_EARLY)) {
        answer(cluster, event, true);
        kept->flag = true;
    }
}

static void durable(cluster_t *cluster, const sim_event_t *event) {
    if (event->life != cluster->life || !cluster->undurable_count)
        return;
    sim_event_t *first = cluster->undurable[0];
    if (!first->flag)
        answer(cluster, first, true);
    free(first);
    memmove(cluster->undurable, cluster->undurable + 1, --cluster->undurable_count * sizeof first);
}

static void answer_committed(cluster_t *cluster, const sim_event_t *event, size_t count, size_t applied) {
    if (cluster->config->journal_us && (count || cluster->undurable_count))
        write_commit(cluster, event, count, applied);
    else
        answer(cluster, event, true);
}

static void discard(cluster_t *cluster, const sim_event_t *event) {
    mr_scheduler_discard(cluster->scheduler, now_ms(cluster), event->number, event->attempts, event->count);
    oracle_returned(&cluster->oracle, event->number, event->attempts, event->count);
    answer(cluster, event, false);
}

/* One that comes again and is committed already is answered as it was. */
static bool taken_before(const cluster_t *cluster, const sim_event_t *event) {
    return !event->forged && mr_scheduler_committed(cluster->scheduler, event->attempts, event->count);
}

static void partial(cluster_t *cluster, const sim_event_t *event) {
    cluster->flushed[event->number] = 0;
    if (event->flag) {
        discard(cluster, event);
        return;
    }
    bool before = taken_before(cluster, event);
    bool verdict =
        mr_scheduler_partial(cluster->scheduler, now_ms(cluster), event->number, event->attempts, event->count);
    if (!event->forged)
        oracle_alone(&cluster->oracle, event->attempts, event->count);
    size_t applied = reduce(cluster, event, verdict);
    if (verdict != oracle_partial(&cluster->oracle, event->number, event->attempts, event->count))
        oracle_violate(&cluster->oracle, "partial %lu of worker %u is %s", (unsigned long) event->partial,
                       event->number, verdict ? "committed though it must not be" : "discarded though it is good");
    if (verdict && cluster->now < cluster->config->fault_until_us &&
        sim_chance(&cluster->random, cluster->config->crash_at_commit))
        crash(cluster); /* on disk, and not answered */
    else if (verdict || before)
        answer_committed(cluster, event, verdict ? event->count : 0, verdict ? applied : 0);
    else
        answer(cluster, event, false);
}

static void gone(cluster_t *cluster, const sim_event_t *event) {
    mr_scheduler_leave(cluster->scheduler, now_ms(cluster), event->number, event->flag);
    oracle_leave(&cluster->oracle, event->number, event->flag);
}

/* Wakes when the scheduler says so; later deadlines need no new plan, as a tick too early does nothing. */
static void plan_tick(cluster_t *cluster) {
    int64_t deadline = mr_scheduler_deadline(cluster->scheduler);
    int64_t at = deadline == INT64_MAX ? INT64_MAX : deadline * 1000;
    if (at == INT64_MAX || (cluster->planned && cluster->planned <= at))
        return;
    int64_t delay = at - cluster->now;
    delay = delay > 1000 ? delay : 1000;
    if (cluster->planned && cluster->planned <= cluster->now + delay)
        return;
    cluster->planned = cluster->now + delay;
    cluster_plan(cluster, 0, EV_TICK, delay);
}

static void tick(cluster_t *cluster) {
    if (cluster->planned <= cluster->now)
        cluster->planned = 0;
    if (cluster->config->sabotage == SABOTAGE_NO_LEASE)
        cluster->result.sabotaged += mr_scheduler_deadline(cluster->scheduler) <= now_ms(cluster);
    else
        mr_scheduler_tick(cluster->scheduler, now_ms(cluster));
}

/* A worker of an earlier life, or one whose lease ran out, or whose HELLO was lost, is told so. Partials may come before
 * the HELLO; they are not taken, and answered. */
static bool unknown(cluster_t *cluster, const sim_event_t *event) {
    mr_scheduler_worker_t info;
    bool early = event->kind == MSG_PARTIAL && !cluster->joined[event->number];
    bool known =
        event->life == cluster->life && (early || mr_scheduler_worker(cluster->scheduler, event->number, &info));
    if (!known && event->kind == MSG_ALIVE)
        send_down(cluster, event->number, DOWN_CONTROL, agenda_event(MSG_UNKNOWN, NULL, 0));
    return !known;
}

static void worker_event(cluster_t *cluster, const sim_event_t *event) {
    mr_scheduler_t *scheduler = cluster->scheduler;
    int64_t now = now_ms(cluster);
    oracle_hear(&cluster->oracle, now, event->number);
    switch (event->kind) {
    case MSG_ALIVE:
        mr_scheduler_alive(scheduler, now, event->number);
        break;
    case MSG_DONE:
        mr_scheduler_done(scheduler, now, event->number, event->attempts, event->count);
        oracle_done(&cluster->oracle, event->number, event->attempts, event->count);
        break;
    case MSG_FAILED:
        mr_scheduler_failed(scheduler, now, event->number, event->attempts[0]);
        oracle_failed(&cluster->oracle, event->number, event->attempts[0]);
        break;
    case MSG_RETURNED:
        mr_scheduler_returned(scheduler, now, event->number, event->attempts, event->count);
        oracle_returned(&cluster->oracle, event->number, event->attempts, event->count);
        break;
    case MSG_HELD:
        take_held(cluster, event);
        break;
    case MSG_GONE:
        gone(cluster, event);
        break;
    default:
        partial(cluster, event);
    }
}

void coordinator_event(cluster_t *cluster, const sim_event_t *event) {
    cluster->oracle.now = now_ms(cluster);
    if (event->kind == EV_CRASH) {
        maybe_crash(cluster);
    } else if (event->kind == EV_RISE) {
        cluster->down = false;
        coordinator_start(cluster);
    } else if (cluster->down) {
        if (event->kind == EV_TICK && cluster->planned <= cluster->now)
            cluster->planned = 0; /* what is sent to nobody is lost */
    } else if (event->kind == EV_TICK) {
        tick(cluster);
    } else if (event->kind == EV_DURABLE) {
        durable(cluster, event);
    } else if (event->kind == MSG_HELLO) {
        if (event->life == cluster->life)
            hello(cluster, event);
    } else if (!unknown(cluster, event)) {
        worker_event(cluster, event);
    }
}

/* ---- actions ---- */

static void act_send(cluster_t *cluster, const mr_action_t *action) {
    oracle_sent(&cluster->oracle, action);
    sim_event_t *tasks = agenda_event(MSG_TASKS, action->attempts, action->count);
    tasks->flag = action->alone;
    send_down(cluster, action->worker, DOWN_LANE, tasks);
    cluster->result.messages++;
}

/* As cluster.c does: whoever has not answered a FLUSH for a lease is asked instead. */
static void act_flush(cluster_t *cluster, uint32_t number) {
    int64_t *since = &cluster->flushed[number];
    bool asks = cluster->config->account && *since && now_ms(cluster) - *since >= cluster->config->scheduler.lease_ms;
    oracle_flush(&cluster->oracle, number);
    if (!*since || asks)
        *since = now_ms(cluster) + !now_ms(cluster);
    if (asks)
        cluster->result.accounts++;
    else if (cluster_sabotage(cluster, SABOTAGE_NO_FLUSH))
        return;
    send_down(cluster, number, DOWN_CONTROL, agenda_event(asks ? MSG_ACCOUNT : MSG_FLUSH, NULL, 0));
}

static void act_fail(cluster_t *cluster, const mr_action_t *action) {
    if (cluster->result.failed)
        oracle_violate(&cluster->oracle, "FAIL twice");
    cluster->result.failed = true;
    cluster->result.failed_task = action->attempts[0].task;
    oracle_fail(&cluster->oracle, cluster->result.failed_task);
}

static void carry_out(cluster_t *cluster, const mr_action_t *action) {
    switch (action->kind) {
    case MR_ACTION_SEND:
        act_send(cluster, action);
        break;
    case MR_ACTION_FLUSH:
        act_flush(cluster, action->worker);
        break;
    case MR_ACTION_DEAD:
        oracle_leave(&cluster->oracle, action->worker, true);
        send_down(cluster, action->worker, DOWN_CONTROL, agenda_event(MSG_UNKNOWN, NULL, 0));
        break;
    case MR_ACTION_ASIDE:
        oracle_aside(&cluster->oracle, action->worker);
        cluster->result.asides++;
        break;
    case MR_ACTION_FAIL:
        act_fail(cluster, action);
    }
}

void coordinator_pump(cluster_t *cluster) {
    mr_action_t action;
    if (cluster->down)
        return;
    cluster->oracle.now = now_ms(cluster);
    while (!cluster->oracle.violation[0] && mr_scheduler_next(cluster->scheduler, now_ms(cluster), &action))
        carry_out(cluster, &action);
    plan_tick(cluster);
    oracle_settled(&cluster->oracle, cluster->result.failed);
}
