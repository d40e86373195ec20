/* report.c - what a process sends: what is done, partials, and all it holds; and the verdicts that come back.
 *
 * A partial is kept until its verdict, and sent again after every report of what it holds. One that is discarded is given
 * back: a report that was made before the verdict may say that its tasks are done, and they would wait for it in vain. */
#include "must.h"
#include "sim_cluster.h"

#include <string.h>

void report_plain(cluster_t *cluster, uint32_t index, sim_kind_t kind, bool flag) {
    sim_event_t *event = agenda_event(kind, NULL, 0);
    event->flag = flag;
    cluster_send(cluster, index, UP_CONTROL, event);
}

void report_done(cluster_t *cluster, uint32_t index) {
    bag_t *bag = &cluster->processes[index].unreported;
    if (bag->count == 0)
        return;
    bool twice = sim_chance(&cluster->random, cluster->config->twice);
    for (int i = 0; i <= twice; i++)
        cluster_send(cluster, index, UP_CONTROL, agenda_event(MSG_DONE, bag->items, bag->count));
    bag_clear(bag);
}

/* ---- partials ---- */

static sim_event_t *copy_of(const sim_event_t *partial) {
    sim_event_t *copy = agenda_event(MSG_PARTIAL, partial->attempts, partial->count);
    copy->partial = partial->partial;
    copy->checksum = partial->checksum;
    return copy;
}

static void send_copy(cluster_t *cluster, uint32_t index, const sim_event_t *partial) {
    sim_event_t *copy = copy_of(partial);
    copy->flag = sim_chance(&cluster->random, cluster->config->damaged);
    cluster_send(cluster, index, UP_SINK, copy);
}

static void keep(process_t *process, sim_event_t *partial) {
    process->kept = must(realloc(process->kept, (process->kept_count + 1) * sizeof *process->kept));
    process->kept[process->kept_count++] = partial;
}

/* Sends what the bag holds as a partial, and keeps it. */
static void send_partial(cluster_t *cluster, uint32_t index, const mr_attempt_t *attempts, size_t count,
                         uint64_t checksum) {
    sim_event_t *partial = agenda_event(MSG_PARTIAL, attempts, count);
    partial->partial = ++cluster->partials;
    partial->checksum = checksum;
    send_copy(cluster, index, partial);
    if (sim_chance(&cluster->random, cluster->config->twice))
        send_copy(cluster, index, partial);
    if (cluster_sabotage(cluster, SABOTAGE_FREE_EARLY))
        free(partial);
    else
        keep(&cluster->processes[index], partial);
}

void report_alone(cluster_t *cluster, uint32_t index, mr_attempt_t attempt) {
    send_partial(cluster, index, &attempt, 1, cluster_checksum(cluster, attempt.task));
}

/* ---- lies ---- */

/* An attempt that the process does not hold: another's, an old one, or one of no task. */
static mr_attempt_t foreign(cluster_t *cluster, uint32_t number) {
    uint32_t tasks = cluster->config->scheduler.tasks;
    uint32_t task = (uint32_t) sim_random(&cluster->random) % (tasks + 2);
    const oracle_try_t *try = task < tasks ? &cluster->oracle.tasks[task].tries[0] : NULL;
    bool others = try && try->held && try->holder != number;
    return (mr_attempt_t){task, others ? try->attempt : UINT32_MAX};
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
    event->forged = true;
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

void report_flush(cluster_t *cluster, uint32_t index) {
    process_t *process = &cluster->processes[index];
    report_done(cluster, index);
    if (sim_chance(&cluster->random, cluster->config->forged))
        forge(cluster, index);
    if (process->folded.count == 0)
        return;
    send_partial(cluster, index, process->folded.items, process->folded.count, process->checksum);
    bag_clear(&process->folded);
    process->checksum = 0;
}

/* ---- all it holds ---- */

static void add_all(bag_t *bag, const mr_attempt_t *attempts, size_t count) {
    for (size_t i = 0; i < count; i++)
        bag_add(bag, attempts[i]);
}

static bag_t everything(const process_t *process, size_t *split) {
    bag_t bag = {0};
    add_all(&bag, process->queue.items + process->queue.first, bag_size(&process->queue));
    add_all(&bag, process->alone.items + process->alone.first, bag_size(&process->alone));
    for (uint32_t i = 0; i < SIM_MAX_THREADS; i++)
        if (process->busy[i])
            bag_add(&bag, process->running[i]);
    *split = bag.count;
    add_all(&bag, process->folded.items, process->folded.count);
    for (size_t i = 0; i < process->kept_count; i++)
        add_all(&bag, process->kept[i]->attempts, process->kept[i]->count);
    return bag;
}

void report_held(cluster_t *cluster, uint32_t index, bool resend) {
    process_t *process = &cluster->processes[index];
    size_t split;
    bag_t bag = everything(process, &split);
    sim_event_t *event = agenda_event(MSG_HELD, bag.items, bag.count);
    event->split = (uint32_t) split;
    event->generation = ++process->generation;
    bag_clear(&process->unreported); /* this says it */
    process->flush_asked = false;
    cluster_send(cluster, index, UP_CONTROL, event);
    free(bag.items);
    for (size_t i = 0; resend && i < process->kept_count; i++)
        if (!cluster_sabotage(cluster, SABOTAGE_NO_RESEND))
            send_copy(cluster, index, process->kept[i]);
}

/* I3: a verdict speaks of a partial that is still kept, or that had its verdict before. */
void report_verdict(cluster_t *cluster, uint32_t index, uint64_t id, bool committed) {
    process_t *process = &cluster->processes[index];
    size_t i = 0;
    while (i < process->kept_count && process->kept[i]->partial != id)
        i++;
    if (i == process->kept_count) {
        if (ids_find(&process->answered, id) == process->answered.count)
            oracle_violate(&cluster->oracle, "I3: worker %u freed partial %lu before its verdict", process->number,
                           (unsigned long) id);
        return;
    }
    sim_event_t *partial = process->kept[i];
    process->kept[i] = process->kept[--process->kept_count];
    ids_add(&process->answered, id);
    if (!committed && !cluster_sabotage(cluster, SABOTAGE_KEEP_QUIET))
        cluster_send(cluster, index, UP_CONTROL, agenda_event(MSG_RETURNED, partial->attempts, partial->count));
    free(partial);
}
