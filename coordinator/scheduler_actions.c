/* scheduler_actions.c - what to do now: deaths and hosts set aside are told first, then the job's failure, then tasks are
 * handed out as credit allows, and when nothing is queued partials are asked for and backups sent.
 *
 * Workers that may have room wait in the hungry queue. One that turns out to have none is dropped from it and comes back with
 * its next event; it has tasks running then, so there is a next event. An idle worker is never dropped: when all that is
 * queued waits for another host, it is passed by until the queue or the hosts change, or the wait is over. */
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
    double window = larger(worker->depth, worker->pace);
    double tail = larger(worker->threads, tail_share(scheduler, worker));
    window = window < tail ? window : tail;
    return window < scheduler->config.max_credit ? (uint32_t) window : scheduler->config.max_credit;
}

/* How many tasks the worker should be sent now. */
static uint32_t room_of(const mr_scheduler_t *scheduler, const mr_sched_worker_t *worker) {
    uint32_t window = window_of(scheduler, worker);
    uint32_t running = worker->running.count;
    if (running >= window || worker->ghosts >= worker->threads)
        return 0;
    uint32_t room = window - running;
    return running / 2 < worker->threads || room >= window / 4 ? room : 0;
}

static bool may_take_suspect(mr_scheduler_t *scheduler, const mr_sched_worker_t *worker) {
    return mr_sched_suitable(scheduler, &scheduler->suspects, worker->host) != MR_SCHED_NONE;
}

/* At most as many workers run dry as there are suspects. An idle worker may take a suspect before the one that runs dry for it
 * can; that one learns it here. */
static void balance(mr_scheduler_t *scheduler, mr_sched_worker_t *worker) {
    bool wanted = may_take_suspect(scheduler, worker);
    if (worker->reserved && (!wanted || scheduler->reserved > scheduler->suspects.count))
        mr_sched_unreserve(scheduler, worker);
    if (worker->reserved || !wanted || scheduler->reserved >= scheduler->suspects.count)
        return;
    worker->reserved = true;
    scheduler->reserved++;
}

static void hand_out(mr_scheduler_t *scheduler, mr_sched_worker_t *worker, uint32_t count, mr_action_t *action) {
    mr_sched_unflushed(scheduler, worker);
    *action = (mr_action_t){.kind = MR_ACTION_SEND,
                            .worker = worker->number,
                            .attempts = scheduler->batch,
                            .count = count,
                            .suspect = worker->alone};
}

static bool send_suspect(mr_scheduler_t *scheduler, mr_sched_worker_t *worker, mr_action_t *action) {
    if (!mr_sched_take_suspect(scheduler, worker, scheduler->batch))
        return false;
    mr_sched_unreserve(scheduler, worker);
    worker->alone = true;
    hand_out(scheduler, worker, 1, action);
    return true;
}

/* What is queued may all wait for another host; then the worker waits too. */
static bool send_batch(mr_scheduler_t *scheduler, mr_sched_worker_t *worker, mr_action_t *action) {
    uint32_t room = room_of(scheduler, worker);
    uint32_t most = least(room, scheduler->config.max_batch);
    uint32_t count = 0;
    while (count < most && mr_sched_take(scheduler, worker, &scheduler->batch[count]))
        count++;
    if (count == 0 && room && worker->running.count == 0)
        mr_sched_pass(scheduler, worker);
    if (count == 0)
        return false;
    if (count < room)
        mr_sched_hungry(scheduler, worker); /* behind the others: all get a first batch before one gets a second */
    hand_out(scheduler, worker, count, action);
    return true;
}

static bool feed(mr_scheduler_t *scheduler, mr_sched_worker_t *worker, mr_action_t *action) {
    mr_sched_sated(scheduler, worker);
    bool idle = worker->running.count == 0 && worker->ghosts < worker->threads;
    if (idle)
        worker->paced_at = scheduler->now; /* idling says nothing about its pace */
    if (idle && send_suspect(scheduler, worker, action))
        return true;
    balance(scheduler, worker);
    if (worker->reserved && idle)
        mr_sched_unreserve(scheduler, worker);
    return !worker->reserved && send_batch(scheduler, worker, action);
}

static bool next_send(mr_scheduler_t *scheduler, mr_action_t *action) {
    mr_sched_worker_t *worker;
    if (!TAILQ_EMPTY(&scheduler->passed) && mr_sched_waited(scheduler) <= scheduler->now)
        mr_sched_reconsider(scheduler);
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

static bool next_aside(mr_scheduler_t *scheduler, mr_action_t *action) {
    mr_sched_worker_t *worker = TAILQ_FIRST(&scheduler->untold);
    if (!worker)
        return false;
    *action = (mr_action_t){.kind = MR_ACTION_ASIDE, .worker = worker->number};
    TAILQ_REMOVE(&scheduler->untold, worker, by_hunger);
    worker->untold = false;
    return true;
}

static bool next_failure(mr_scheduler_t *scheduler, mr_action_t *action) {
    if (scheduler->fail_told)
        return false;
    scheduler->fail_told = true;
    scheduler->batch[0] = (mr_attempt_t){scheduler->failed, scheduler->tasks[scheduler->failed].attempt};
    *action = (mr_action_t){.kind = MR_ACTION_FAIL,
                            .worker = scheduler->tasks[scheduler->failed].worker,
                            .attempts = scheduler->batch,
                            .count = 1};
    return true;
}

bool mr_scheduler_next(mr_scheduler_t *scheduler, int64_t now, mr_action_t *action) {
    mr_sched_clock(scheduler, now);
    if (next_death(scheduler, action) || next_aside(scheduler, action))
        return true;
    if (scheduler->failed != MR_SCHED_NONE)
        return next_failure(scheduler, action);
    return next_send(scheduler, action) || next_flush(scheduler, action) || mr_sched_next_backup(scheduler, action);
}
