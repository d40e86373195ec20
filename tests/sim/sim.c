/* sim.c - the simulated cluster: its channels, its clock, and the run. */
#include "must.h"
#include "sim_cluster.h"

#include <stdio.h>
#include <string.h>

/* ---- channels ---- */

void cluster_plan(cluster_t *cluster, uint32_t process, sim_kind_t kind, int64_t delay) {
    sim_event_t *event = agenda_event(kind, NULL, 0);
    event->at = cluster->now + delay;
    event->worker = process;
    event->incarnation = cluster->processes[process].incarnation;
    agenda_add(&cluster->agenda, event);
}

void cluster_send(cluster_t *cluster, uint32_t index, sim_channel_t channel, sim_event_t *event) {
    process_t *process = &cluster->processes[index];
    const sim_config_t *config = cluster->config;
    int64_t jitter = config->jitter_us ? sim_between(&cluster->random, 0, config->jitter_us) : 0;
    int64_t at = cluster->now + config->latency_us + jitter;
    process->due[channel] = at > process->due[channel] ? at : process->due[channel];
    event->at = process->due[channel];
    event->worker = index;
    event->channel = channel;
    event->connection = process->connection[channel];
    event->number = process->number;
    event->life = process->life;
    agenda_add(&cluster->agenda, event);
}

bool cluster_sabotage(cluster_t *cluster, sim_sabotage_t sabotage) {
    bool done = cluster->config->sabotage == sabotage;
    cluster->result.sabotaged += done;
    return done;
}

uint64_t cluster_checksum(const cluster_t *cluster, uint32_t task) {
    return sim_mix(cluster->config->seed ^ ((uint64_t) task + 1) * UINT64_C(0x9E3779B97F4A7C15));
}

/* ---- the run ---- */

static bool for_coordinator(sim_kind_t kind) {
    return kind <= MSG_PARTIAL || kind >= EV_TICK;
}

/* A process that is stalled does nothing until it wakes; then all that waited happens, in order. */
static bool postponed(cluster_t *cluster, sim_event_t *event) {
    int64_t until = cluster->processes[event->worker].stalled_until;
    int64_t stop = cluster->config->stop_us[event->worker % SIM_PROFILES];
    if (stop && cluster->now >= stop)
        until = INT64_MAX;
    if (for_coordinator(event->kind) || event->kind == EV_FAULT || cluster->now >= until)
        return false;
    event->at = until;
    if (until == INT64_MAX)
        free(event); /* it never wakes */
    else
        agenda_add(&cluster->agenda, event);
    return true;
}

static bool lost_on_the_way(const cluster_t *cluster, const sim_event_t *event) {
    return event->kind <= MSG_PARTIAL &&
           event->connection != cluster->processes[event->worker].connection[event->channel];
}

static void happen(cluster_t *cluster, const sim_event_t *event) {
    if (!for_coordinator(event->kind))
        process_event(cluster, event);
    else if (!lost_on_the_way(cluster, event))
        coordinator_event(cluster, event);
}

static void check(cluster_t *cluster) {
    if (cluster->down)
        return;
    oracle_step(&cluster->oracle, cluster->scheduler);
    if (++cluster->result.events % (cluster->config->scheduler.tasks + 64) == 0)
        oracle_recount(&cluster->oracle, cluster->scheduler);
}

/* Virtual time by which any cluster whose faults have ended must be done: every task once more on the slowest thread. */
static int64_t patience_us(const cluster_t *cluster) {
    double slowest = 1e9;
    double work = 0;
    for (uint32_t i = 0; i < cluster->config->workers; i++)
        slowest =
            cluster->config->speed[i % SIM_PROFILES] < slowest ? cluster->config->speed[i % SIM_PROFILES] : slowest;
    for (uint32_t i = 0; i < cluster->config->scheduler.tasks; i++)
        work += cluster->config->work_us(cluster->config->seed, i);
    int64_t lease = cluster->config->scheduler.lease_ms * 1000;
    return cluster->config->fault_until_us + (int64_t) (2 * work / slowest) + 60 * lease + 10000000;
}

static void finish(cluster_t *cluster) {
    if (cluster->finished_at || cluster->down || !mr_scheduler_finished(cluster->scheduler))
        return;
    cluster->finished_at = cluster->now;
    cluster->result.makespan_us = cluster->now;
    if (cluster->oracle.checksum != cluster->wanted)
        oracle_violate(&cluster->oracle, "I4: all tasks are committed, but the sum is not a serial run's");
    oracle_recount(&cluster->oracle, cluster->scheduler);
}

/* I3: when all is quiet, every partial of a worker that lives has had its verdict. What it sent last may be under way, or wait for the
 * journal. */
static void check_verdicts(cluster_t *cluster) {
    int64_t patience = 4 * cluster->config->scheduler.lease_ms * 1000 + 2 * cluster->config->journal_us;
    for (uint32_t i = 0; i < cluster->config->workers; i++) {
        const process_t *process = &cluster->processes[i];
        bool waits = process->number && process->kept_count && cluster->now - process->due[UP_SINK] > patience;
        if (waits && !cluster->config->stop_us[i % SIM_PROFILES] && process->stalled_until < cluster->now)
            oracle_violate(&cluster->oracle, "I3: worker %u waits for a verdict in vain", process->number);
    }
}

static void loop(cluster_t *cluster) {
    int64_t patience = patience_us(cluster);
    int64_t epilogue =
        10 * cluster->config->scheduler.lease_ms * 1000 + 2 * cluster->config->journal_us; /* longer than any stall */
    sim_event_t *event;
    while (!cluster->oracle.violation[0] && !cluster->result.failed && (event = agenda_take(&cluster->agenda))) {
        cluster->now = event->at;
        if (postponed(cluster, event))
            continue;
        happen(cluster, event);
        free(event);
        coordinator_pump(cluster);
        check(cluster);
        finish(cluster);
        if (!cluster->finished_at && cluster->now > patience)
            oracle_violate(&cluster->oracle, "liveness: not finished after %ld ms of virtual time",
                           (long) (cluster->now / 1000));
        if (cluster->finished_at && cluster->now > cluster->finished_at + epilogue)
            break;
    }
    if (cluster->finished_at)
        check_verdicts(cluster);
}

static void set_up(cluster_t *cluster, const sim_config_t *config) {
    *cluster = (cluster_t){.config = config, .random = config->seed};
    cluster->processes = must(calloc(config->workers, sizeof *cluster->processes));
    coordinator_start(cluster);
    if (config->crash_every_us)
        cluster_plan(cluster, 0, EV_CRASH, sim_between(&cluster->random, 1, 2 * config->crash_every_us));
    double speed = 0;
    for (uint32_t i = 0; i < config->workers; i++) {
        speed += config->speed[i % SIM_PROFILES] * config->threads[i % SIM_PROFILES];
        cluster_plan(cluster, i, EV_START, config->join_us[i % SIM_PROFILES] + i * config->join_every_us);
        if (config->fault_every_us)
            cluster_plan(cluster, i, EV_FAULT, sim_between(&cluster->random, 1, 2 * config->fault_every_us));
    }
    for (uint32_t i = 0; i < config->scheduler.tasks; i++) {
        cluster->wanted += cluster_checksum(cluster, i);
        cluster->result.ideal_us += config->work_us(config->seed, i) / speed;
    }
}

static void tell_of(sim_result_t *result, uint32_t index, const process_t *process) {
    if (index < SIM_PROFILES)
        result->ended_us[index] = process->ended_us;
    if (index == 0 || process->tasks < result->least_tasks)
        result->least_tasks = process->tasks;
    if (process->tasks > result->most_tasks)
        result->most_tasks = process->tasks;
}

static void tear_down(cluster_t *cluster) {
    for (uint32_t i = 0; i < cluster->config->workers; i++) {
        tell_of(&cluster->result, i, &cluster->processes[i]);
        process_free(&cluster->processes[i]);
    }
    free(cluster->processes);
    memcpy(cluster->result.violation, cluster->oracle.violation, sizeof cluster->result.violation);
    if (cluster->scheduler)
        cluster->result.stats = mr_scheduler_stats(cluster->scheduler);
    agenda_free(&cluster->agenda);
    oracle_free(&cluster->oracle);
    mr_scheduler_destroy(&cluster->scheduler);
    free(cluster->owners);
    free(cluster->generations);
    free(cluster->joined);
    free(cluster->flushed);
    for (size_t i = 0; i < cluster->undurable_count; i++)
        free(cluster->undurable[i]);
    free(cluster->undurable);
    free(cluster->returned);
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
