/* scheduler_actions.c - what to do now: deaths are told first, then the job's failure, then tasks are handed out as
 * credit allows, and when nothing is queued partials are asked for.
 *
 * Workers that may have room wait in the hungry queue. One that turns out to have none is dropped from it and comes back with
 * its next event; it has tasks running then, so there is a next event. An idle worker is never dropped. */
#include "scheduler_private.h"

#include <stdlib.h>

static uint32_t least(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

static double larger(double a, double b) {
    return a > b ? a : b;
}

static double ceiling(double value) {
    double whole = (uint32_t) value;
    return whole < value ? whole + 1 : whole;
}

/* Half of the worker's share of what is queued, rounded up; shares are as the paces, with the threads standing in for a
 * pace that is not known yet. */
static double tail_share(const mr_scheduler_t *scheduler, const mr_sched_worker_t *worker) {
    double all = scheduler->pace + (double) scheduler->threads;
    double share = mr_sched_queued(scheduler) * (worker->pace + worker->threads) / all;
    return ceiling(share / 2);
}

static uint32_t window_of(const mr_scheduler_t *scheduler, const mr_sched_worker_t *worker) {
    double window = larger(2.0 * worker->threads, worker->pace);
    double tail = larger(worker->threads, tail_share(scheduler, worker));
    window = window < tail ? window : tail;
    return window < scheduler->config.max_credit ? (uint32_t) window : scheduler->config.max_credit;
}

/* How many tasks the worker should be sent now. */
static uint32_t room_of(const mr_scheduler_t *scheduler, const mr_sched_worker_t *worker) {
    uint32_t window = window_of(scheduler, worker);
    uint32_t running = worker->running.count;
    if (running >= window)
        return 0;
    uint32_t room = window - running;
    return running / 2 < worker->threads || room >= window / 4 ? room : 0;
}

static uint32_t unsuspected(const mr_scheduler_t *scheduler) {
    return scheduler->config.tasks - scheduler->fresh + scheduler->again.count;
}

/* As many workers run dry as there are suspects. An idle worker may take a suspect before the one that runs dry for it can;
 * that one learns it here. */
static void balance(mr_scheduler_t *scheduler, mr_sched_worker_t *worker) {
    if (worker->reserved && scheduler->reserved > scheduler->suspects.count)
        mr_sched_unreserve(scheduler, worker);
    if (worker->reserved || scheduler->reserved >= scheduler->suspects.count)
        return;
    worker->reserved = true;
    scheduler->reserved++;
}

static void hand_out(mr_scheduler_t *scheduler, mr_sched_worker_t *worker, uint32_t count, mr_action_t *action) {
    mr_sched_unflushed(scheduler, worker);
    *action = (mr_action_t){MR_ACTION_SEND, worker->number, scheduler->batch, count};
}

/* The worker is not hungry again before the suspect has ended: so it runs alone. */
static bool send_suspect(mr_scheduler_t *scheduler, mr_sched_worker_t *worker, mr_action_t *action) {
    mr_sched_unreserve(scheduler, worker);
    scheduler->batch[0] = mr_sched_take_suspect(scheduler, worker);
    hand_out(scheduler, worker, 1, action);
    return true;
}

static bool send_batch(mr_scheduler_t *scheduler, mr_sched_worker_t *worker, mr_action_t *action) {
    uint32_t room = room_of(scheduler, worker);
    uint32_t count = least(least(room, scheduler->config.max_batch), unsuspected(scheduler));
    if (count == 0)
        return false;
    for (uint32_t i = 0; i < count; i++)
        scheduler->batch[i] = mr_sched_take(scheduler, worker);
    if (count < room)
        mr_sched_hungry(scheduler, worker); /* behind the others: all get a first batch before one gets a second */
    hand_out(scheduler, worker, count, action);
    return true;
}

static bool feed(mr_scheduler_t *scheduler, mr_sched_worker_t *worker, mr_action_t *action) {
    mr_sched_sated(scheduler, worker);
    bool idle = worker->running.count == 0;
    if (idle)
        worker->paced_at = scheduler->now; /* idling says nothing about its pace */
    if (idle && scheduler->suspects.count)
        return send_suspect(scheduler, worker, action);
    balance(scheduler, worker);
    return !worker->reserved && send_batch(scheduler, worker, action);
}

static bool next_send(mr_scheduler_t *scheduler, mr_action_t *action) {
    mr_sched_worker_t *worker;
    while (mr_sched_queued(scheduler) && (worker = TAILQ_FIRST(&scheduler->hungry)))
        if (feed(scheduler, worker, action))
            return true;
    return false;
}

static bool next_flush(mr_scheduler_t *scheduler, mr_action_t *action) {
    mr_sched_worker_t *worker;
    while (mr_sched_queued(scheduler) == 0 && (worker = TAILQ_FIRST(&scheduler->unflushed))) {
        TAILQ_REMOVE(&scheduler->unflushed, worker, by_flush);
        worker->unflushed = false;
        if (worker->running.count + worker->done.count == 0)
            continue;
        worker->flushed_at = scheduler->now;
        *action = (mr_action_t){.kind = MR_ACTION_FLUSH, .worker = worker->number};
        return true;
    }
    return false;
}

static bool next_death(mr_scheduler_t *scheduler, mr_action_t *action) {
    mr_sched_worker_t *worker = TAILQ_FIRST(&scheduler->dead);
    if (!worker)
        return false;
    *action = (mr_action_t){.kind = MR_ACTION_DEAD, .worker = worker->number};
    TAILQ_REMOVE(&scheduler->dead, worker, by_lease);
    free(worker);
    return true;
}

static bool next_failure(mr_scheduler_t *scheduler, mr_action_t *action) {
    if (scheduler->fail_told)
        return false;
    scheduler->fail_told = true;
    scheduler->batch[0] = (mr_attempt_t){scheduler->failed, scheduler->tasks[scheduler->failed].attempt};
    *action = (mr_action_t){MR_ACTION_FAIL, scheduler->tasks[scheduler->failed].worker, scheduler->batch, 1};
    return true;
}

bool mr_scheduler_next(mr_scheduler_t *scheduler, int64_t now, mr_action_t *action) {
    if (now > scheduler->now)
        scheduler->now = now;
    if (next_death(scheduler, action))
        return true;
    if (scheduler->failed != MR_SCHED_NONE)
        return next_failure(scheduler, action);
    return next_send(scheduler, action) || next_flush(scheduler, action);
}
