/* process.c - a worker process: it queues tasks, runs them on its threads, folds the results, sends partials and keeps
 * them until it hears the verdict; and it dies, stalls and loses its connection. */
#include "must.h"
#include "sim_cluster.h"

#include <string.h>

/* ---- lives ---- */

static void reset(process_t *process) {
    process->number = 0;
    process->stalled_until = 0;
    process->flush_asked = process->draining = false;
    process->busy_count = 0;
    memset(process->busy, 0, sizeof process->busy);
    bag_clear(&process->queue);
    bag_clear(&process->unreported);
    bag_clear(&process->folded);
    process->checksum = 0;
    process->kept.count = process->answered.count = 0;
}

static int64_t lease_us(const cluster_t *cluster) {
    return cluster->config->scheduler.lease_ms * 1000;
}

static void send_plain(cluster_t *cluster, uint32_t index, sim_kind_t kind, bool flag) {
    sim_event_t *event = agenda_event(kind, NULL, 0);
    event->flag = flag;
    cluster_send(cluster, index, UP_CONTROL, event);
}

static void start(cluster_t *cluster, uint32_t index) {
    process_t *process = &cluster->processes[index];
    if (process->number)
        return;
    if (cluster->numbers + 1 >= cluster->owner_room) {
        cluster->owner_room = cluster->owner_room * 2 + 64;
        cluster->owners = must(realloc(cluster->owners, cluster->owner_room * sizeof *cluster->owners));
    }
    process->number = ++cluster->numbers;
    cluster->owners[process->number] = index;
    send_plain(cluster, index, MSG_HELLO, false);
    cluster_plan(cluster, index, EV_HEARTBEAT, lease_us(cluster) / 5);
}

/* Ends this life; another begins after a while. */
static void end(cluster_t *cluster, uint32_t index) {
    reset(&cluster->processes[index]);
    cluster_plan(cluster, index, EV_START, sim_between(&cluster->random, 0, lease_us(cluster) * 2));
}

static void end_with_notice(cluster_t *cluster, uint32_t index, bool counted) {
    send_plain(cluster, index, MSG_GONE, counted);
    end(cluster, index);
}

/* ---- partials ---- */

static bool dry(const process_t *process) {
    return process->busy_count == 0 && bag_size(&process->queue) == 0;
}

static void report(cluster_t *cluster, uint32_t index) {
    bag_t *bag = &cluster->processes[index].unreported;
    if (bag->count == 0)
        return;
    bool twice = sim_chance(&cluster->random, cluster->config->twice);
    for (int i = 0; i <= twice; i++)
        cluster_send(cluster, index, UP_CONTROL, agenda_event(MSG_DONE, bag->items, bag->count));
    bag_clear(bag);
}

static void send_partial(cluster_t *cluster, uint32_t index, const bag_t *bag, uint64_t id, bool damaged) {
    sim_event_t *event = agenda_event(MSG_PARTIAL, bag->items, bag->count);
    event->partial = id;
    event->checksum = cluster->processes[index].checksum;
    event->flag = damaged;
    cluster_send(cluster, index, UP_SINK, event);
}

/* An attempt that the process does not hold: another's, an old one, or one of no task. */
static mr_attempt_t foreign(cluster_t *cluster, uint32_t number) {
    uint32_t tasks = cluster->config->scheduler.tasks;
    uint32_t task = (uint32_t) sim_random(&cluster->random) % (tasks + 2);
    const oracle_task_t *book = task < tasks ? &cluster->oracle.tasks[task] : NULL;
    bool others = book && book->holder != number && book->attempt;
    return (mr_attempt_t){task, others ? book->attempt : 100000};
}

/* A partial that must never be committed: it names what the process holds, and then some. */
static void forge_partial(cluster_t *cluster, uint32_t index) {
    process_t *process = &cluster->processes[index];
    size_t count = process->folded.count;
    sim_event_t *event = agenda_event(MSG_PARTIAL, NULL, count + 1);
    if (count)
        memcpy(event->attempts, process->folded.items, count * sizeof *event->attempts);
    bool twice = count && sim_chance(&cluster->random, 0.5);
    event->attempts[count] = twice ? process->folded.items[0] : foreign(cluster, process->number);
    event->partial = ++cluster->partials;
    ids_add(&process->answered, event->partial);
    cluster_send(cluster, index, UP_SINK, event);
}

/* Messages about what is not the sender's. */
static void forge(cluster_t *cluster, uint32_t index) {
    static const sim_kind_t kinds[] = {MSG_DONE, MSG_FAILED, MSG_RETURNED};
    mr_attempt_t attempt = foreign(cluster, cluster->processes[index].number);
    cluster_send(cluster, index, UP_CONTROL, agenda_event(kinds[sim_random(&cluster->random) % 3], &attempt, 1));
    forge_partial(cluster, index);
}

static void flush(cluster_t *cluster, uint32_t index) {
    process_t *process = &cluster->processes[index];
    report(cluster, index);
    if (sim_chance(&cluster->random, cluster->config->forged))
        forge(cluster, index);
    if (process->folded.count == 0)
        return;
    uint64_t id = ++cluster->partials;
    bool damaged = sim_chance(&cluster->random, cluster->config->damaged);
    send_partial(cluster, index, &process->folded, id, damaged);
    if (sim_chance(&cluster->random, cluster->config->twice))
        send_partial(cluster, index, &process->folded, id, damaged);
    if (cluster->config->sabotage == SABOTAGE_FREE_EARLY)
        cluster->result.sabotaged++;
    else
        ids_add(&process->kept, id);
    bag_clear(&process->folded);
    process->checksum = 0;
}

/* Has run dry: time to flush if it was asked to, and to go if it drains and has nothing left to answer for. */
static void settle(cluster_t *cluster, uint32_t index) {
    process_t *process = &cluster->processes[index];
    if (!dry(process))
        return;
    if (process->flush_asked || process->draining)
        flush(cluster, index);
    bool waited = cluster->now - process->draining_since > 4 * lease_us(cluster);
    if (process->draining && (process->kept.count == 0 || waited))
        end_with_notice(cluster, index, false);
}

/* ---- tasks ---- */

static void begin(cluster_t *cluster, uint32_t index) {
    process_t *process = &cluster->processes[index];
    for (uint32_t i = 0; i < cluster->config->threads[index] && bag_size(&process->queue); i++) {
        if (process->busy[i])
            continue;
        process->busy[i] = true;
        process->busy_count++;
        process->running[i] = process->queue.items[process->queue.first++];
        double work = cluster->config->work_us(cluster->config->seed, process->running[i].task);
        sim_event_t *event = agenda_event(EV_COMPUTED, NULL, 0);
        event->at = cluster->now + (int64_t) (work / cluster->config->speed[index]);
        event->worker = index;
        event->number = process->number;
        event->thread = i;
        agenda_add(&cluster->agenda, event);
    }
}

static void fold(cluster_t *cluster, uint32_t index, mr_attempt_t attempt) {
    process_t *process = &cluster->processes[index];
    if (process->folded.count == 0)
        process->folded_since = cluster->now;
    bag_add(&process->folded, attempt);
    process->checksum += cluster_checksum(cluster, attempt.task);
    bag_add(&process->unreported, attempt);
    if (cluster->config->report_us == 0)
        report(cluster, index);
    else if (process->unreported.count == 1)
        cluster_plan(cluster, index, EV_REPORT, cluster->config->report_us);
}

static void computed(cluster_t *cluster, uint32_t index, uint32_t thread) {
    process_t *process = &cluster->processes[index];
    mr_attempt_t attempt = process->running[thread];
    process->busy[thread] = false;
    process->busy_count--;
    process->ended_us = cluster->now;
    if (cluster->config->poisoned && attempt.task == cluster->config->poison) {
        end_with_notice(cluster, index, true);
        return;
    }
    if (sim_chance(&cluster->random, cluster->config->task_fails))
        cluster_send(cluster, index, UP_CONTROL, agenda_event(MSG_FAILED, &attempt, 1));
    else
        fold(cluster, index, attempt);
    begin(cluster, index);
    settle(cluster, index);
}

static void give_back(cluster_t *cluster, uint32_t index) {
    bag_t *queue = &cluster->processes[index].queue;
    if (bag_size(queue))
        cluster_send(cluster, index, UP_CONTROL,
                     agenda_event(MSG_RETURNED, queue->items + queue->first, bag_size(queue)));
    bag_clear(queue);
}

static void tasks_came(cluster_t *cluster, uint32_t index, const sim_event_t *event) {
    process_t *process = &cluster->processes[index];
    for (size_t i = 0; i < event->count; i++)
        bag_add(&process->queue, event->attempts[i]);
    process->flush_asked = false;
    if (process->draining)
        give_back(cluster, index);
    begin(cluster, index);
}

/* ---- control ---- */

static void flush_came(cluster_t *cluster, uint32_t index) {
    if (cluster->config->flush_at_once) {
        flush(cluster, index);
        return;
    }
    cluster->processes[index].flush_asked = true;
    settle(cluster, index);
}

static void drain_came(cluster_t *cluster, uint32_t index) {
    cluster->processes[index].draining = true;
    cluster->processes[index].draining_since = cluster->now;
    give_back(cluster, index);
    settle(cluster, index);
}

/* I3: a verdict speaks of a partial that is still kept, or that had its verdict before. */
static void verdict_came(cluster_t *cluster, uint32_t index, uint64_t id) {
    process_t *process = &cluster->processes[index];
    if (ids_remove(&process->kept, id))
        ids_add(&process->answered, id);
    else if (ids_find(&process->answered, id) == process->answered.count)
        oracle_violate(&cluster->oracle, "I3: worker %u freed partial %lu before its verdict", process->number,
                       (unsigned long) id);
    settle(cluster, index);
}

static void heartbeat(cluster_t *cluster, uint32_t index) {
    process_t *process = &cluster->processes[index];
    send_plain(cluster, index, MSG_ALIVE, false);
    int64_t flush_us = cluster->config->flush_us;
    if (flush_us && process->folded.count && cluster->now - process->folded_since > flush_us)
        flush(cluster, index);
    cluster_plan(cluster, index, EV_HEARTBEAT, lease_us(cluster) / 5);
    if (process->draining)
        settle(cluster, index);
}

/* ---- faults ---- */

static void break_connection(cluster_t *cluster, uint32_t index) {
    cluster->processes[index].connection++;
    end_with_notice(cluster, index, false);
}

static void die_silently(cluster_t *cluster, uint32_t index) {
    if (sim_chance(&cluster->random, 0.5))
        cluster->processes[index].connection++; /* what was under way is lost too */
    end(cluster, index);
}

static void stall(cluster_t *cluster, uint32_t index, int64_t low, int64_t high) {
    cluster->processes[index].stalled_until = cluster->now + sim_between(&cluster->random, low, high);
}

static void ask_to_drain(cluster_t *cluster, uint32_t index) {
    uint32_t number = cluster->processes[index].number;
    mr_scheduler_drain(cluster->scheduler, number);
    oracle_drain(&cluster->oracle, number);
    cluster_send(cluster, index, DOWN_CONTROL, agenda_event(MSG_DRAIN, NULL, 0));
}

static void strike(cluster_t *cluster, uint32_t index) {
    int64_t lease = lease_us(cluster);
    switch (sim_random(&cluster->random) % 6) {
    case 0:
        die_silently(cluster, index);
        break;
    case 1:
        end_with_notice(cluster, index, sim_chance(&cluster->random, 0.5));
        break;
    case 2:
        stall(cluster, index, lease / 10, lease * 9 / 10);
        break;
    case 3:
        stall(cluster, index, lease, lease * 4);
        break;
    case 4:
        break_connection(cluster, index);
        break;
    default:
        ask_to_drain(cluster, index);
    }
}

static void fault(cluster_t *cluster, uint32_t index) {
    if (cluster->now >= cluster->config->fault_until_us)
        return;
    if (cluster->processes[index].number)
        strike(cluster, index);
    cluster_plan(cluster, index, EV_FAULT, sim_between(&cluster->random, 1, 2 * cluster->config->fault_every_us));
}

/* ---- what happens ---- */

static bool outlived(const process_t *process, const sim_event_t *event) {
    bool message = event->kind < EV_START;
    return event->number != process->number || (message && event->connection != process->connection);
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
        verdict_came(cluster, index, event->partial);
        break;
    case MSG_DRAIN:
        drain_came(cluster, index);
        break;
    case MSG_REJOIN:
        end(cluster, index);
        break;
    case EV_COMPUTED:
        computed(cluster, index, event->thread);
        break;
    case EV_REPORT:
        report(cluster, index);
        break;
    case EV_HEARTBEAT:
        heartbeat(cluster, index);
        break;
    default:
        abort(); /* no other event is a process's */
    }
}

void process_event(cluster_t *cluster, const sim_event_t *event) {
    if (event->kind == EV_START)
        start(cluster, event->worker);
    else if (event->kind == EV_FAULT)
        fault(cluster, event->worker);
    else if (!outlived(&cluster->processes[event->worker], event))
        live_event(cluster, event);
}

void process_free(process_t *process) {
    free(process->queue.items);
    free(process->unreported.items);
    free(process->folded.items);
    free(process->kept.items);
    free(process->answered.items);
}
