/* process.c - a worker process: it queues tasks, runs them on its threads, folds the results, and does what it is told. What
 * it sends is in report.c, what befalls it in faults.c. */
#include "must.h"
#include "sim_cluster.h"

#include <string.h>

static int64_t lease_us(const cluster_t *cluster) {
    return cluster->config->scheduler.lease_ms * 1000;
}

static bool dry(const process_t *process) {
    return process->busy_count == 0 && bag_size(&process->queue) + bag_size(&process->alone) == 0;
}

/* Has run dry: time to flush if it was asked to, and to go if it drains and has nothing left to answer for. */
static void settle(cluster_t *cluster, uint32_t index) {
    process_t *process = &cluster->processes[index];
    if (!dry(process))
        return;
    if (process->flush_asked || process->draining)
        report_flush(cluster, index);
    bool waited = cluster->now - process->draining_since > 4 * lease_us(cluster);
    if (process->draining && (process->kept_count == 0 || waited))
        fault_end(cluster, index, true, false);
}

/* ---- tasks ---- */

static void begin_one(cluster_t *cluster, uint32_t index, uint32_t thread) {
    process_t *process = &cluster->processes[index];
    bool solo = bag_size(&process->alone) > 0;
    bag_t *bag = solo ? &process->alone : &process->queue;
    process->busy[thread] = true;
    process->solo[thread] = solo;
    process->busy_count++;
    process->running[thread] = bag->items[bag->first++];
    double work = cluster->config->work_us(cluster->config->seed, process->running[thread].task);
    sim_event_t *event = agenda_event(EV_COMPUTED, NULL, 0);
    event->at = cluster->now + (int64_t) (work / cluster->config->speed[index % SIM_PROFILES]);
    event->worker = index;
    event->incarnation = process->incarnation;
    event->thread = thread;
    agenda_add(&cluster->agenda, event);
}

void process_begin(cluster_t *cluster, uint32_t index) {
    process_t *process = &cluster->processes[index];
    for (uint32_t i = 0; i < cluster->config->threads[index % SIM_PROFILES]; i++)
        if (!process->busy[i] && bag_size(&process->queue) + bag_size(&process->alone))
            begin_one(cluster, index, i);
}

static void fold(cluster_t *cluster, uint32_t index, mr_attempt_t attempt, bool solo) {
    process_t *process = &cluster->processes[index];
    bag_add(&process->unreported, attempt);
    if (solo) {
        report_done(cluster, index);
        report_alone(cluster, index, attempt);
        return;
    }
    if (process->folded.count == 0)
        process->folded_since = cluster->now;
    bag_add(&process->folded, attempt);
    process->checksum += cluster_checksum(cluster, attempt.task);
    if (cluster->config->report_us == 0)
        report_done(cluster, index);
    else if (process->unreported.count == 1)
        cluster_plan(cluster, index, EV_REPORT, cluster->config->report_us);
}

static bool fails(cluster_t *cluster, uint32_t index) {
    uint32_t host = cluster->config->host[index % SIM_PROFILES];
    return (host && host < cluster->config->black_hole) || sim_chance(&cluster->random, cluster->config->task_fails);
}

static void computed(cluster_t *cluster, uint32_t index, uint32_t thread) {
    process_t *process = &cluster->processes[index];
    mr_attempt_t attempt = process->running[thread];
    bool solo = process->solo[thread] && !cluster_sabotage(cluster, SABOTAGE_SHARE);
    process->busy[thread] = false;
    process->busy_count--;
    process->ended_us = cluster->now;
    process->tasks++;
    if (cluster->config->poisoned && attempt.task == cluster->config->poison) {
        fault_end(cluster, index, true, true);
        return;
    }
    if (fails(cluster, index))
        cluster_send(cluster, index, UP_CONTROL, agenda_event(MSG_FAILED, &attempt, 1));
    else
        fold(cluster, index, attempt, solo);
    process_begin(cluster, index);
    settle(cluster, index);
}

static void give_back(cluster_t *cluster, uint32_t index, bag_t *bag) {
    if (bag_size(bag))
        cluster_send(cluster, index, UP_CONTROL, agenda_event(MSG_RETURNED, bag->items + bag->first, bag_size(bag)));
    bag_clear(bag);
}

static void give_all_back(cluster_t *cluster, uint32_t index) {
    give_back(cluster, index, &cluster->processes[index].queue);
    give_back(cluster, index, &cluster->processes[index].alone);
}

static void tasks_came(cluster_t *cluster, uint32_t index, const sim_event_t *event) {
    process_t *process = &cluster->processes[index];
    for (size_t i = 0; i < event->count; i++)
        bag_add(event->flag ? &process->alone : &process->queue, event->attempts[i]);
    process->flush_asked = false;
    if (process->draining)
        give_all_back(cluster, index);
    process_begin(cluster, index);
}

/* ---- control ---- */

static void flush_came(cluster_t *cluster, uint32_t index) {
    if (cluster->config->flush_at_once) {
        report_flush(cluster, index);
        return;
    }
    cluster->processes[index].flush_asked = true;
    settle(cluster, index);
}

static void drain_came(cluster_t *cluster, uint32_t index) {
    cluster->processes[index].draining = true;
    cluster->processes[index].draining_since = cluster->now;
    give_all_back(cluster, index);
    settle(cluster, index);
}

static void verdict_came(cluster_t *cluster, uint32_t index, const sim_event_t *event) {
    report_verdict(cluster, index, event->partial, event->kind == MSG_COMMITTED);
    settle(cluster, index);
}

/* The coordinator does not know it: it joins anew, and says what it still holds. */
static void unknown_came(cluster_t *cluster, uint32_t index) {
    fault_join(cluster, index);
    report_held(cluster, index, true);
}

static void heartbeat(cluster_t *cluster, uint32_t index) {
    process_t *process = &cluster->processes[index];
    report_plain(cluster, index, MSG_ALIVE, false);
    int64_t flush_us = cluster->config->flush_us;
    if (flush_us && process->folded.count && cluster->now - process->folded_since > flush_us)
        report_flush(cluster, index);
    cluster_plan(cluster, index, EV_HEARTBEAT, lease_us(cluster) / 10);
    if (process->draining)
        settle(cluster, index);
}

static void notice(cluster_t *cluster, uint32_t index) {
    cluster->processes[index].noticing = false;
    report_held(cluster, index, true);
}

static void fault(cluster_t *cluster, uint32_t index) {
    if (cluster->now >= cluster->config->fault_until_us)
        return;
    if (cluster->processes[index].number)
        fault_strike(cluster, index);
    cluster_plan(cluster, index, EV_FAULT, sim_between(&cluster->random, 1, 2 * cluster->config->fault_every_us));
}

/* ---- what happens ---- */

/* Of another incarnation, to another number, or of an older generation. COMMITTED and DISCARD are of no generation: a partial that
 * was sent again gets two verdicts. */
static bool outlived(const process_t *process, const sim_event_t *event) {
    bool message = event->kind < EV_START;
    bool of_generation = event->kind == MSG_TASKS || event->kind == MSG_FLUSH;
    if (message)
        return event->number != process->number || event->connection != process->connection[event->channel] ||
               (of_generation && event->generation != process->generation);
    return event->incarnation != process->incarnation || process->number == 0;
}

static void live_event(cluster_t *cluster, const sim_event_t *event) {
    uint32_t index = event->worker;
    switch (event->kind) {
    case MSG_TASKS:
        tasks_came(cluster, index, event);
        break;
    case MSG_FLUSH:
        flush_came(cluster, index);
        break;
    case MSG_COMMITTED:
    case MSG_DISCARD:
        verdict_came(cluster, index, event);
        break;
    case MSG_DRAIN:
        drain_came(cluster, index);
        break;
    case MSG_ACCOUNT:
        report_held(cluster, index, false);
        break;
    case MSG_UNKNOWN:
        unknown_came(cluster, index);
        break;
    case EV_COMPUTED:
        computed(cluster, index, event->thread);
        break;
    case EV_REPORT:
        report_done(cluster, index);
        break;
    case EV_HEARTBEAT:
        heartbeat(cluster, index);
        break;
    case EV_NOTICE:
        notice(cluster, index);
        break;
    default:
        abort(); /* no other event is a process's */
    }
}

void process_event(cluster_t *cluster, const sim_event_t *event) {
    if (event->kind == EV_START)
        fault_start(cluster, event->worker);
    else if (event->kind == EV_FAULT)
        fault(cluster, event->worker);
    else if (!outlived(&cluster->processes[event->worker], event))
        live_event(cluster, event);
}

void process_free(process_t *process) {
    for (size_t i = 0; i < process->kept_count; i++)
        free(process->kept[i]);
    free(process->kept);
    free(process->queue.items);
    free(process->alone.items);
    free(process->unreported.items);
    free(process->folded.items);
    free(process->answered.items);
}
