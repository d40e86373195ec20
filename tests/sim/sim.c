/* sim.c - the coordinator's side of the simulated cluster: channels, the calls on the scheduler, the sink, and the run. */
#include "must.h"
#include "sim_cluster.h"

#include <stdio.h>
#include <string.h>

/* ---- channels ---- */

void cluster_plan(cluster_t *cluster, uint32_t process, sim_kind_t kind, int64_t delay) {
    sim_event_t *event = agenda_event(kind, NULL, 0);
    event->at = cluster->now + delay;
    event->worker = process;
    event->number = cluster->processes[process].number;
    agenda_add(&cluster->agenda, event);
}

/* A lost DONE is made good by the partial, so only workers that flush by themselves may lose one. */
static bool may_be_lost(const sim_config_t *config, sim_kind_t kind) {
    bool made_good = kind == MSG_DONE || kind == MSG_COMMITTED || kind == MSG_DISCARD;
    return kind == MSG_FLUSH || (made_good && config->flush_us);
}

void cluster_send(cluster_t *cluster, uint32_t index, sim_channel_t channel, sim_event_t *event) {
    process_t *process = &cluster->processes[index];
    const sim_config_t *config = cluster->config;
    int64_t jitter = config->jitter_us ? sim_between(&cluster->random, 0, config->jitter_us) : 0;
    int64_t at = cluster->now + config->latency_us + jitter;
    process->due[channel] = at > process->due[channel] ? at : process->due[channel];
    event->at = process->due[channel];
    event->worker = index;
    event->connection = process->connection;
    event->number = process->number;
    if (may_be_lost(config, event->kind) && sim_chance(&cluster->random, config->lost))
        free(event);
    else
        agenda_add(&cluster->agenda, event);
}

/* To a worker by its number; it may have another by now, and then the message is for nobody. */
static void send_down(cluster_t *cluster, uint32_t number, sim_channel_t channel, sim_event_t *event) {
    uint32_t index = cluster->owners[number];
    if (cluster->processes[index].number == number)
        cluster_send(cluster, index, channel, event);
    else
        free(event);
}

uint64_t cluster_checksum(const cluster_t *cluster, uint32_t task) {
    return sim_mix(cluster->config->seed ^ ((uint64_t) task + 1) * UINT64_C(0x9E3779B97F4A7C15));
}

/* ---- events of the coordinator ---- */

static int64_t now_ms(const cluster_t *cluster) {
    return cluster->now / 1000;
}

static uint32_t threads_of(const cluster_t *cluster, uint32_t index) {
    uint32_t threads = cluster->config->threads[index];
    uint32_t most = cluster->config->scheduler.max_credit;
    return threads < most ? threads : most;
}

static void hello(cluster_t *cluster, const sim_event_t *event) {
    uint32_t threads = cluster->config->threads[event->worker];
    if (mr_scheduler_join(cluster->scheduler, now_ms(cluster), event->number, threads, 0))
        abort();
    oracle_join(&cluster->oracle, event->number, threads_of(cluster, event->worker));
}

static void reduce(cluster_t *cluster, const sim_event_t *event, bool verdict) {
    sim_sabotage_t sabotage = cluster->config->sabotage;
    size_t count = verdict ? event->count : 0;
    if (sabotage == SABOTAGE_COMMIT_STALE && !verdict)
        count = event->count;
    if (sabotage == SABOTAGE_DISCARD_GOOD && verdict)
        count = 0;
    if (sabotage == SABOTAGE_HALF && verdict)
        count = event->count / 2;
    cluster->result.sabotaged += count != (verdict ? event->count : 0);
    if (count)
        oracle_apply(&cluster->oracle, event->attempts, count, event->checksum);
}

static void answer(cluster_t *cluster, const sim_event_t *event, bool verdict) {
    sim_event_t *reply = agenda_event(verdict ? MSG_COMMITTED : MSG_DISCARD, NULL, 0);
    reply->partial = event->partial;
    send_down(cluster, event->number, DOWN_CONTROL, reply);
}

static void partial(cluster_t *cluster, const sim_event_t *event) {
    int64_t now = now_ms(cluster);
    if (event->flag) {
        mr_scheduler_discard(cluster->scheduler, now, event->number, event->attempts, event->count);
        oracle_returned(&cluster->oracle, event->number, event->attempts, event->count);
        answer(cluster, event, false);
        return;
    }
    bool verdict = mr_scheduler_partial(cluster->scheduler, now, event->number, event->attempts, event->count);
    reduce(cluster, event, verdict);
    if (verdict != oracle_partial(&cluster->oracle, event->number, event->attempts, event->count))
        oracle_violate(&cluster->oracle, "partial %lu of worker %u is %s", (unsigned long) event->partial,
                       event->number, verdict ? "committed though it must not be" : "discarded though it is good");
    answer(cluster, event, verdict);
}

static void gone(cluster_t *cluster, const sim_event_t *event) {
    mr_scheduler_leave(cluster->scheduler, now_ms(cluster), event->number, event->flag);
    oracle_leave(&cluster->oracle, event->number, event->flag);
}

/* Wakes when the scheduler says so; later deadlines need no new plan, as a tick too early does nothing. */
static void plan_tick(cluster_t *cluster) {
    int64_t deadline = mr_scheduler_deadline(cluster->scheduler);
    if (cluster->planned || deadline == INT64_MAX)
        return;
    cluster->planned = true;
    int64_t delay = deadline * 1000 - cluster->now;
    cluster_plan(cluster, 0, EV_TICK, delay > 1000 ? delay : 1000);
}

static void tick(cluster_t *cluster) {
    cluster->planned = false;
    if (cluster->config->sabotage == SABOTAGE_NO_LEASE)
        cluster->result.sabotaged += mr_scheduler_deadline(cluster->scheduler) <= now_ms(cluster);
    else
        mr_scheduler_tick(cluster->scheduler, now_ms(cluster));
}

static void message_event(cluster_t *cluster, const sim_event_t *event) {
    mr_scheduler_t *scheduler = cluster->scheduler;
    int64_t now = now_ms(cluster);
    switch (event->kind) {
    case MSG_HELLO:
        hello(cluster, event);
        break;
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
    case MSG_GONE:
        gone(cluster, event);
        break;
    default:
        partial(cluster, event);
    }
}

/* ---- actions ---- */

static void carry_out(cluster_t *cluster, const mr_action_t *action) {
    switch (action->kind) {
    case MR_ACTION_SEND:
        oracle_sent(&cluster->oracle, action->worker, action->attempts, action->count);
        send_down(cluster, action->worker, DOWN_LANE, agenda_event(MSG_TASKS, action->attempts, action->count));
        cluster->result.messages++;
        break;
    case MR_ACTION_FLUSH:
        oracle_flush(&cluster->oracle, action->worker);
        if (cluster->config->sabotage == SABOTAGE_NO_FLUSH)
            cluster->result.sabotaged++;
        else
            send_down(cluster, action->worker, DOWN_CONTROL, agenda_event(MSG_FLUSH, NULL, 0));
        break;
    case MR_ACTION_DEAD:
        oracle_leave(&cluster->oracle, action->worker, true);
        send_down(cluster, action->worker, DOWN_CONTROL, agenda_event(MSG_REJOIN, NULL, 0));
        break;
    case MR_ACTION_ASIDE:
        break;
    case MR_ACTION_FAIL:
        if (cluster->result.failed)
            oracle_violate(&cluster->oracle, "FAIL twice");
        cluster->result.failed = true;
        cluster->result.failed_task = action->attempts[0].task;
        oracle_fail(&cluster->oracle, cluster->result.failed_task);
    }
}

static void pump(cluster_t *cluster) {
    mr_action_t action;
    while (!cluster->oracle.violation[0] && mr_scheduler_next(cluster->scheduler, now_ms(cluster), &action))
        carry_out(cluster, &action);
    plan_tick(cluster);
    if (cluster->oracle.doomed && !cluster->result.failed)
        oracle_violate(&cluster->oracle, "a task failed max_attempts times and the job goes on");
}

/* ---- the run ---- */

static bool for_coordinator(sim_kind_t kind) {
    return kind <= MSG_PARTIAL || kind == EV_TICK;
}

/* A process that is stalled does nothing until it wakes; then all that waited happens, in order. */
static bool postponed(cluster_t *cluster, sim_event_t *event) {
    int64_t until = cluster->processes[event->worker].stalled_until;
    if (for_coordinator(event->kind) || event->kind == EV_FAULT || cluster->now >= until)
        return false;
    event->at = until;
    agenda_add(&cluster->agenda, event);
    return true;
}

static bool lost_on_the_way(const cluster_t *cluster, const sim_event_t *event) {
    return event->kind <= MSG_PARTIAL && event->connection != cluster->processes[event->worker].connection;
}

static void happen(cluster_t *cluster, const sim_event_t *event) {
    if (event->kind == EV_TICK)
        tick(cluster);
    else if (!for_coordinator(event->kind))
        process_event(cluster, event);
    else if (!lost_on_the_way(cluster, event))
        message_event(cluster, event);
}

static void check(cluster_t *cluster) {
    oracle_step(&cluster->oracle, cluster->scheduler);
    if (++cluster->result.events % (cluster->config->scheduler.tasks + 64) == 0)
        oracle_recount(&cluster->oracle, cluster->scheduler);
}

/* Virtual time by which any cluster whose faults have ended must be done: every task once more on the slowest thread. */
static int64_t patience_us(const cluster_t *cluster) {
    double slowest = 1e9;
    double work = 0;
    for (uint32_t i = 0; i < cluster->config->workers; i++)
        slowest = cluster->config->speed[i] < slowest ? cluster->config->speed[i] : slowest;
    for (uint32_t i = 0; i < cluster->config->scheduler.tasks; i++)
        work += cluster->config->work_us(cluster->config->seed, i);
    int64_t lease = cluster->config->scheduler.lease_ms * 1000;
    return cluster->config->fault_until_us + (int64_t) (2 * work / slowest) + 40 * lease + 10000000;
}

static void finish(cluster_t *cluster) {
    if (cluster->finished_at || !mr_scheduler_finished(cluster->scheduler))
        return;
    cluster->finished_at = cluster->now;
    cluster->result.makespan_us = cluster->now;
    if (cluster->oracle.checksum != cluster->wanted)
        oracle_violate(&cluster->oracle, "I4: all tasks are committed, but the sum is not a serial run's");
    oracle_recount(&cluster->oracle, cluster->scheduler);
}

/* I3: when all is quiet, every partial of a worker that lives has had its verdict. */
static void check_verdicts(cluster_t *cluster) {
    for (uint32_t i = 0; i < cluster->config->workers; i++)
        if (cluster->config->lost == 0 && cluster->processes[i].number && cluster->processes[i].kept.count)
            oracle_violate(&cluster->oracle, "I3: worker %u waits for a verdict in vain", cluster->processes[i].number);
}

static void loop(cluster_t *cluster) {
    int64_t patience = patience_us(cluster);
    int64_t epilogue = 10 * cluster->config->scheduler.lease_ms * 1000; /* longer than any stall */
    sim_event_t *event;
    while (!cluster->oracle.violation[0] && !cluster->result.failed && (event = agenda_take(&cluster->agenda))) {
        cluster->now = event->at;
        if (postponed(cluster, event))
            continue;
        happen(cluster, event);
        free(event);
        pump(cluster);
        check(cluster);
        finish(cluster);
        if (!cluster->finished_at && cluster->now > patience)
            oracle_violate(&cluster->oracle, "liveness: not finished after %ld ms of virtual time",
                           (long) now_ms(cluster));
        if (cluster->finished_at && cluster->now > cluster->finished_at + epilogue)
            break;
    }
    if (cluster->finished_at)
        check_verdicts(cluster);
}

static void set_up(cluster_t *cluster, const sim_config_t *config) {
    *cluster = (cluster_t){.config = config, .random = config->seed};
    cluster->scheduler = must(mr_scheduler_new(&config->scheduler));
    oracle_init(&cluster->oracle, &config->scheduler);
    double speed = 0;
    for (uint32_t i = 0; i < config->workers; i++) {
        speed += config->speed[i] * config->threads[i];
        cluster_plan(cluster, i, EV_START, config->join_us[i]);
        if (config->fault_every_us)
            cluster_plan(cluster, i, EV_FAULT, sim_between(&cluster->random, 1, 2 * config->fault_every_us));
    }
    for (uint32_t i = 0; i < config->scheduler.tasks; i++) {
        cluster->wanted += cluster_checksum(cluster, i);
        cluster->result.ideal_us += config->work_us(config->seed, i) / speed;
    }
}

static void tear_down(cluster_t *cluster) {
    for (uint32_t i = 0; i < cluster->config->workers; i++) {
        cluster->result.ended_us[i] = cluster->processes[i].ended_us;
        process_free(&cluster->processes[i]);
    }
    memcpy(cluster->result.violation, cluster->oracle.violation, sizeof cluster->result.violation);
    cluster->result.stats = mr_scheduler_stats(cluster->scheduler);
    agenda_free(&cluster->agenda);
    oracle_free(&cluster->oracle);
    mr_scheduler_destroy(&cluster->scheduler);
    free(cluster->owners);
}

sim_result_t sim_run(const sim_config_t *config) {
    cluster_t *cluster = must(malloc(sizeof *cluster));
    set_up(cluster, config);
    loop(cluster);
    tear_down(cluster);
    sim_result_t result = cluster->result;
    free(cluster);
    return result;
}
