/* faults.c - what befalls a process: it starts, dies loudly or silently, is stopped, loses its connections, is drained. */
#include "must.h"
#include "sim_cluster.h"

#include <string.h>

static int64_t lease_us(const cluster_t *cluster) {
    return cluster->config->scheduler.lease_ms * 1000;
}

static void reset(process_t *process) {
    for (size_t i = 0; i < process->kept_count; i++)
        free(process->kept[i]);
    process->kept_count = process->answered.count = 0;
    process->incarnation++;
    process->number = 0;
    process->stalled_until = 0;
    process->flush_asked = process->draining = process->noticing = false;
    process->busy_count = 0;
    memset(process->busy, 0, sizeof process->busy);
    bag_clear(&process->queue);
    bag_clear(&process->alone);
    bag_clear(&process->unreported);
    bag_clear(&process->folded);
    process->checksum = 0;
}

void fault_join(cluster_t *cluster, uint32_t index) {
    process_t *process = &cluster->processes[index];
    if (cluster->numbers + 1 >= cluster->owner_room) {
        cluster->owner_room = cluster->owner_room * 2 + 64;
        size_t room = cluster->owner_room;
        cluster->owners = must(realloc(cluster->owners, room * sizeof *cluster->owners));
        cluster->generations = must(realloc(cluster->generations, room * sizeof *cluster->generations));
        cluster->joined = must(realloc(cluster->joined, room * sizeof *cluster->joined));
        cluster->flushed = must(realloc(cluster->flushed, room * sizeof *cluster->flushed));
        cluster->returned = must(realloc(cluster->returned, room * sizeof *cluster->returned));
    }
    process->number = ++cluster->numbers;
    process->life = cluster->life;
    process->generation = 0;
    process->draining = false;
    cluster->owners[process->number] = index;
    cluster->generations[process->number] = 0;
    cluster->flushed[process->number] = 0;
    cluster->joined[process->number] = cluster->returned[process->number] = false;
    report_plain(cluster, index, MSG_HELLO, false);
}

void fault_start(cluster_t *cluster, uint32_t index) {
    process_t *process = &cluster->processes[index];
    if (process->number)
        return;
    fault_join(cluster, index);
    cluster_plan(cluster, index, EV_HEARTBEAT, lease_us(cluster) / 10);
}

/* Ends this life; another begins after a while. */
void fault_end(cluster_t *cluster, uint32_t index, bool notice, bool counted) {
    if (notice)
        report_plain(cluster, index, MSG_GONE, counted);
    reset(&cluster->processes[index]);
    cluster_plan(cluster, index, EV_START, sim_between(&cluster->random, 0, lease_us(cluster) * 2));
}

/* It lives on; what is under way on some of its channels, or all, is lost. Each end of control is one connection. */
static void break_connections(cluster_t *cluster, uint32_t index) {
    process_t *process = &cluster->processes[index];
    uint64_t which = 1 + sim_random(&cluster->random) % 7;
    for (int k = 0; k < 4; k++) {
        uint64_t bit = k == UP_SINK ? 1 : k == DOWN_LANE ? 2 : 4;
        process->connection[k] += (which & bit) != 0;
    }
    if (process->noticing)
        return;
    process->noticing = true;
    cluster_plan(cluster, index, EV_NOTICE, sim_between(&cluster->random, 0, lease_us(cluster) / 2));
}

static void die_silently(cluster_t *cluster, uint32_t index) {
    if (sim_chance(&cluster->random, 0.5))
        for (int k = 0; k < 4; k++)
            cluster->processes[index].connection[k]++; /* what was under way is lost too */
    fault_end(cluster, index, false, false);
}

static void stall(cluster_t *cluster, uint32_t index, int64_t low, int64_t high) {
    cluster->processes[index].stalled_until = cluster->now + sim_between(&cluster->random, low, high);
}

static void ask_to_drain(cluster_t *cluster, uint32_t index) {
    const process_t *process = &cluster->processes[index];
    if (cluster->down || process->life != cluster->life)
        return;
    mr_scheduler_drain(cluster->scheduler, process->number);
    oracle_drain(&cluster->oracle, process->number);
    cluster_send(cluster, index, DOWN_CONTROL, agenda_event(MSG_DRAIN, NULL, 0));
}

void fault_strike(cluster_t *cluster, uint32_t index) {
    int64_t lease = lease_us(cluster);
    if (sim_chance(&cluster->random, cluster->config->broken)) {
        break_connections(cluster, index);
        return;
    }
    switch (sim_random(&cluster->random) % 6) {
    case 0:
        die_silently(cluster, index);
        break;
    case 1:
    case 2:
        fault_end(cluster, index, true, sim_chance(&cluster->random, 0.5));
        break;
    case 3:
        stall(cluster, index, lease / 10, lease * 9 / 10);
        break;
    case 4:
        stall(cluster, index, lease, lease * 4);
        break;
    default:
        ask_to_drain(cluster, index);
    }
}
