/* scheduler.c - owns the scheduler: its life, the events it is told, and what it can be asked. The books are in
 * scheduler_tasks.c and scheduler_workers.c; what follows from them is in scheduler_actions.c.
 *
 * An event finds its worker, which is a sign of life, then moves those of the named tasks that this worker holds under that very
 * attempt. All else it names is stale: counted, and without effect. No event fails but a join without memory. */
#include "scheduler_private.h"

#include <stdlib.h>

static uint32_t at_least_one(uint32_t value) {
    return value ? value : 1;
}

static mr_scheduler_config_t sane(mr_scheduler_config_t config) {
    config.max_attempts = at_least_one(config.max_attempts < UINT16_MAX ? config.max_attempts : UINT16_MAX);
    config.max_credit = at_least_one(config.max_credit);
    config.max_batch = at_least_one(config.max_batch < config.tasks ? config.max_batch : config.tasks);
    if (config.credit_ms < 1)
        config.credit_ms = 1;
    return config;
}

mr_scheduler_t *mr_scheduler_new(const mr_scheduler_config_t *config) {
    mr_scheduler_t *scheduler = calloc(1, sizeof *scheduler);
    if (!scheduler)
        return NULL;
    scheduler->config = sane(*config);
    scheduler->now = INT64_MIN;
    scheduler->failed = MR_SCHED_NONE;
    mr_sched_list_init(&scheduler->again);
    mr_sched_list_init(&scheduler->suspects);
    TAILQ_INIT(&scheduler->leases);
    TAILQ_INIT(&scheduler->hungry);
    TAILQ_INIT(&scheduler->unflushed);
    TAILQ_INIT(&scheduler->dead);
    scheduler->tasks = calloc(at_least_one(config->tasks), sizeof *scheduler->tasks);
    scheduler->batch = calloc(scheduler->config.max_batch, sizeof *scheduler->batch);
    if (!scheduler->tasks || !scheduler->batch)
        mr_scheduler_destroy(&scheduler);
    return scheduler;
}

static void free_workers(struct mr_sched_queue *queue) {
    mr_sched_worker_t *worker;
    while ((worker = TAILQ_FIRST(queue))) {
        TAILQ_REMOVE(queue, worker, by_lease);
        free(worker);
    }
}

void mr_scheduler_destroy(mr_scheduler_t **scheduler) {
    if (!scheduler || !*scheduler)
        return;
    free_workers(&(*scheduler)->leases);
    free_workers(&(*scheduler)->dead);
    free((*scheduler)->table);
    free((*scheduler)->tasks);
    free((*scheduler)->batch);
    free(*scheduler);
    *scheduler = NULL;
}

/* ---- events ---- */

static void pass(mr_scheduler_t *scheduler, int64_t now) {
    if (now > scheduler->now)
        scheduler->now = now;
}

/* The worker an event comes from, whose lease begins anew; NULL, and the event is stale, when it is none of ours. */
static mr_sched_worker_t *hear(mr_scheduler_t *scheduler, int64_t now, uint32_t number) {
    pass(scheduler, now);
    mr_sched_worker_t *worker = mr_sched_find(scheduler, number);
    if (!worker) {
        scheduler->stale++;
        return NULL;
    }
    if (worker->heard_at != scheduler->now) {
        worker->heard_at = scheduler->now;
        TAILQ_REMOVE(&scheduler->leases, worker, by_lease);
        TAILQ_INSERT_TAIL(&scheduler->leases, worker, by_lease);
    }
    return worker;
}

int mr_scheduler_join(mr_scheduler_t *scheduler, int64_t now, uint32_t worker, uint32_t threads) {
    pass(scheduler, now);
    if (mr_sched_find(scheduler, worker)) {
        scheduler->stale++;
        return 0;
    }
    threads = at_least_one(threads < scheduler->config.max_credit ? threads : scheduler->config.max_credit);
    return mr_sched_enter(scheduler, worker, threads) ? 0 : -1;
}

void mr_scheduler_alive(mr_scheduler_t *scheduler, int64_t now, uint32_t number) {
    mr_sched_worker_t *worker = hear(scheduler, now, number);
    if (worker && scheduler->now - worker->flushed_at >= scheduler->config.lease_ms)
        mr_sched_unflushed(scheduler, worker);
}

void mr_scheduler_done(mr_scheduler_t *scheduler, int64_t now, uint32_t number, const mr_attempt_t *attempts,
                       size_t count) {
    mr_sched_worker_t *worker = hear(scheduler, now, number);
    if (!worker)
        return;
    size_t finished = 0;
    for (size_t i = 0; i < count; i++) {
        mr_sched_task_t *task = mr_sched_held(scheduler, worker, attempts[i]);
        if (task)
            finished += mr_sched_finish(scheduler, worker, task);
        else
            scheduler->stale += !mr_sched_overtook(scheduler, worker, attempts[i]);
    }
    if (finished)
        mr_sched_pace(scheduler, worker, finished);
}

void mr_scheduler_failed(mr_scheduler_t *scheduler, int64_t now, uint32_t number, mr_attempt_t attempt) {
    mr_sched_worker_t *worker = hear(scheduler, now, number);
    if (!worker)
        return;
    mr_sched_task_t *task = mr_sched_held(scheduler, worker, attempt);
    if (task)
        mr_sched_requeue(scheduler, worker, task, true);
    else
        scheduler->stale++;
}

/* Queues again those of the attempts that the worker holds. Returns how many it does not hold. */
static size_t give_back(mr_scheduler_t *scheduler, mr_sched_worker_t *worker, const mr_attempt_t *attempts,
                        size_t count) {
    size_t unknown = 0;
    for (size_t i = 0; i < count; i++) {
        mr_sched_task_t *task = mr_sched_held(scheduler, worker, attempts[i]);
        if (task)
            mr_sched_requeue(scheduler, worker, task, false);
        else
            unknown++;
    }
    return unknown;
}

void mr_scheduler_returned(mr_scheduler_t *scheduler, int64_t now, uint32_t number, const mr_attempt_t *attempts,
                           size_t count) {
    mr_sched_worker_t *worker = hear(scheduler, now, number);
    if (worker)
        scheduler->stale += give_back(scheduler, worker, attempts, count);
}

/* True if the worker holds every attempt, and none is named twice. */
static bool holds_all(mr_scheduler_t *scheduler, const mr_sched_worker_t *worker, const mr_attempt_t *attempts,
                      size_t count) {
    size_t good = 0;
    for (; good < count; good++) {
        mr_sched_task_t *task = mr_sched_held(scheduler, worker, attempts[good]);
        if (!task || task->named)
            break;
        task->named = true;
    }
    for (size_t i = 0; i < good; i++)
        scheduler->tasks[attempts[i].task].named = false;
    return good == count && count > 0;
}

static void commit_all(mr_scheduler_t *scheduler, mr_sched_worker_t *worker, const mr_attempt_t *attempts,
                       size_t count) {
    size_t finished = 0;
    for (size_t i = 0; i < count; i++)
        finished += mr_sched_commit(scheduler, worker, &scheduler->tasks[attempts[i].task]);
    if (finished)
        mr_sched_pace(scheduler, worker, finished);
}

static void discard_all(mr_scheduler_t *scheduler, mr_sched_worker_t *worker, const mr_attempt_t *attempts,
                        size_t count) {
    scheduler->discarded++;
    if (worker)
        scheduler->stale += give_back(scheduler, worker, attempts, count);
}

bool mr_scheduler_partial(mr_scheduler_t *scheduler, int64_t now, uint32_t number, const mr_attempt_t *attempts,
                          size_t count) {
    mr_sched_worker_t *worker = hear(scheduler, now, number);
    if (!worker || !holds_all(scheduler, worker, attempts, count)) {
        discard_all(scheduler, worker, attempts, count);
        return false;
    }
    commit_all(scheduler, worker, attempts, count);
    return true;
}

void mr_scheduler_discard(mr_scheduler_t *scheduler, int64_t now, uint32_t number, const mr_attempt_t *attempts,
                          size_t count) {
    discard_all(scheduler, hear(scheduler, now, number), attempts, count);
}

void mr_scheduler_drain(mr_scheduler_t *scheduler, uint32_t number) {
    mr_sched_worker_t *worker = mr_sched_find(scheduler, number);
    if (worker)
        mr_sched_retire(scheduler, worker);
    else
        scheduler->stale++;
}

void mr_scheduler_leave(mr_scheduler_t *scheduler, int64_t now, uint32_t number, bool counted) {
    mr_sched_worker_t *worker = hear(scheduler, now, number);
    if (!worker)
        return;
    mr_sched_requeue_all(scheduler, worker, counted);
    mr_sched_exit(scheduler, worker);
    free(worker);
}

static bool expired(const mr_scheduler_t *scheduler, const mr_sched_worker_t *worker) {
    return scheduler->now - worker->heard_at >= scheduler->config.lease_ms;
}

void mr_scheduler_tick(mr_scheduler_t *scheduler, int64_t now) {
    pass(scheduler, now);
    mr_sched_worker_t *worker;
    while ((worker = TAILQ_FIRST(&scheduler->leases)) && expired(scheduler, worker)) {
        mr_sched_requeue_all(scheduler, worker, true);
        mr_sched_exit(scheduler, worker);
        TAILQ_INSERT_TAIL(&scheduler->dead, worker, by_lease);
    }
}

/* ---- state ---- */

mr_scheduler_stats_t mr_scheduler_stats(const mr_scheduler_t *scheduler) {
    uint32_t queued = mr_sched_queued(scheduler);
    return (mr_scheduler_stats_t){
        .tasks = scheduler->config.tasks,
        .queued = queued,
        .held = scheduler->config.tasks - queued - scheduler->committed,
        .committed = scheduler->committed,
        .workers = scheduler->workers,
        .retries = scheduler->retries,
        .discarded = scheduler->discarded,
        .stale = scheduler->stale,
    };
}

bool mr_scheduler_finished(const mr_scheduler_t *scheduler) {
    return scheduler->committed == scheduler->config.tasks;
}

int64_t mr_scheduler_deadline(const mr_scheduler_t *scheduler) {
    const mr_sched_worker_t *worker = TAILQ_FIRST(&scheduler->leases);
    if (!worker || scheduler->config.lease_ms > INT64_MAX - worker->heard_at)
        return INT64_MAX;
    return worker->heard_at + scheduler->config.lease_ms;
}
