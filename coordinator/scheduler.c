/* scheduler.c - owns the scheduler: its life, the events it is told, and what it can be asked. The books are in
 * scheduler_tasks.c, scheduler_workers.c and scheduler_hosts.c; what follows from them is in scheduler_actions.c.
 *
 * An event finds its worker, which is a sign of life, then moves those of the named tasks that this worker holds under that very
 * attempt. All else it names is stale: counted, and without effect. No event fails but a join without memory. */
#include "scheduler_private.h"

#include <stdlib.h>

#define MOST_BACKUPS 1024

static uint32_t at_least_one(uint32_t value) {
    return value ? value : 1;
}

static mr_scheduler_config_t sane(mr_scheduler_config_t config) {
    config.max_attempts = at_least_one(config.max_attempts < UINT16_MAX ? config.max_attempts : UINT16_MAX);
    config.max_credit = at_least_one(config.max_credit);
    config.max_batch = at_least_one(config.max_batch < config.tasks ? config.max_batch : config.tasks);
    config.first_attempt = at_least_one(config.first_attempt);
    if (config.credit_ms < 1)
        config.credit_ms = 1;
    if (config.silent_ms < 1)
        config.silent_ms = config.lease_ms / 4 > 1 ? config.lease_ms / 4 : 1;
    return config;
}

/* How many backups there can be at a time. */
static uint32_t pool_of(const mr_scheduler_config_t *config) {
    uint32_t room = UINT32_MAX - 1 - config->tasks;
    uint32_t pool = config->tasks < MOST_BACKUPS ? config->tasks : MOST_BACKUPS;
    if (config->backup_floor_ms <= 0)
        return 0;
    return pool < room ? pool : room;
}

static void init_lists(mr_scheduler_t *scheduler) {
    mr_sched_list_init(&scheduler->again);
    mr_sched_list_init(&scheduler->tried);
    mr_sched_list_init(&scheduler->suspects);
    TAILQ_INIT(&scheduler->leases);
    TAILQ_INIT(&scheduler->hungry);
    TAILQ_INIT(&scheduler->passed);
    TAILQ_INIT(&scheduler->unflushed);
    TAILQ_INIT(&scheduler->dead);
    TAILQ_INIT(&scheduler->untold);
}

mr_scheduler_t *mr_scheduler_new(const mr_scheduler_config_t *config) {
    mr_scheduler_t *scheduler = calloc(1, sizeof *scheduler);
    if (!scheduler)
        return NULL;
    scheduler->config = sane(*config);
    scheduler->now = INT64_MIN;
    scheduler->failed = MR_SCHED_NONE;
    scheduler->pool = pool_of(&scheduler->config);
    init_lists(scheduler);
    size_t entries = (size_t) config->tasks + scheduler->pool;
    scheduler->tasks = calloc(entries ? entries : 1, sizeof *scheduler->tasks);
    scheduler->batch = calloc(scheduler->config.max_batch, sizeof *scheduler->batch);
    if (!scheduler->tasks || !scheduler->batch)
        mr_scheduler_destroy(&scheduler);
    else
        mr_sched_spare_all(scheduler);
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
    free((*scheduler)->hosts);
    free((*scheduler)->failures);
    free(*scheduler);
    *scheduler = NULL;
}

/* ---- events ---- */

void mr_sched_clock(mr_scheduler_t *scheduler, int64_t now) {
    if (scheduler->now == INT64_MIN)
        scheduler->began = now;
    if (now > scheduler->now)
        scheduler->now = now;
}

mr_sched_worker_t *mr_sched_hear(mr_scheduler_t *scheduler, int64_t now, uint32_t number) {
    mr_sched_clock(scheduler, now);
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

int mr_scheduler_join(mr_scheduler_t *scheduler, int64_t now, uint32_t number, uint32_t threads, uint32_t host) {
    mr_sched_clock(scheduler, now);
    if (mr_sched_find(scheduler, number)) {
        scheduler->stale++;
        return 0;
    }
    threads = at_least_one(threads < scheduler->config.max_credit ? threads : scheduler->config.max_credit);
    uint32_t index = mr_sched_host(scheduler, host);
    mr_sched_worker_t *worker = index == MR_SCHED_NONE ? NULL : mr_sched_enter(scheduler, number, threads, index);
    if (!worker)
        return -1;
    if (scheduler->hosts[index].aside)
        mr_sched_shelve(scheduler, worker);
    mr_sched_relent(scheduler);
    return 0;
}

void mr_scheduler_alive(mr_scheduler_t *scheduler, int64_t now, uint32_t number) {
    mr_sched_worker_t *worker = mr_sched_hear(scheduler, now, number);
    if (worker && scheduler->now - worker->flushed_at >= scheduler->config.lease_ms)
        mr_sched_unflushed(scheduler, worker);
}

void mr_scheduler_silence(mr_scheduler_t *scheduler, int64_t silent_ms) {
    if (silent_ms > scheduler->config.silent_ms)
        scheduler->config.silent_ms = silent_ms;
}

/* The worker speaks of an attempt that is not, or no longer, its own. */
static void disown(mr_scheduler_t *scheduler, mr_sched_worker_t *worker) {
    scheduler->stale++;
    mr_sched_unghost(scheduler, worker);
}

void mr_scheduler_done(mr_scheduler_t *scheduler, int64_t now, uint32_t number, const mr_attempt_t *attempts,
                       size_t count) {
    mr_sched_worker_t *worker = mr_sched_hear(scheduler, now, number);
    if (!worker)
        return;
    size_t finished = 0;
    for (size_t i = 0; i < count; i++) {
        mr_sched_task_t *task = mr_sched_held(scheduler, worker, attempts[i]);
        if (task)
            finished += mr_sched_finish(scheduler, worker, task);
        else if (!mr_sched_overtook(scheduler, worker, attempts[i]))
            disown(scheduler, worker);
    }
    if (finished)
        mr_sched_pace(scheduler, worker, finished);
}

void mr_scheduler_failed(mr_scheduler_t *scheduler, int64_t now, uint32_t number, mr_attempt_t attempt) {
    mr_sched_worker_t *worker = mr_sched_hear(scheduler, now, number);
    if (!worker)
        return;
    mr_sched_task_t *task = mr_sched_held(scheduler, worker, attempt);
    if (task)
        mr_sched_requeue(scheduler, worker, task, true);
    else
        disown(scheduler, worker);
    mr_sched_judge(scheduler, worker->host);
}

/* Gives up those of the attempts that the worker holds. */
static void give_back(mr_scheduler_t *scheduler, mr_sched_worker_t *worker, const mr_attempt_t *attempts, size_t count,
                      bool unghost) {
    for (size_t i = 0; i < count; i++) {
        mr_sched_task_t *task = mr_sched_held(scheduler, worker, attempts[i]);
        if (task)
            mr_sched_requeue(scheduler, worker, task, false);
        else if (unghost)
            disown(scheduler, worker);
        else
            scheduler->stale++;
    }
}

void mr_scheduler_returned(mr_scheduler_t *scheduler, int64_t now, uint32_t number, const mr_attempt_t *attempts,
                           size_t count) {
    mr_sched_worker_t *worker = mr_sched_hear(scheduler, now, number);
    if (worker)
        give_back(scheduler, worker, attempts, count, true);
}

/* True if the worker holds every attempt, none is named twice, and each may win over another of its task. */
static bool holds_all(mr_scheduler_t *scheduler, const mr_sched_worker_t *worker, const mr_attempt_t *attempts,
                      size_t count) {
    size_t good = 0;
    for (; good < count; good++) {
        mr_sched_task_t *task = mr_sched_held(scheduler, worker, attempts[good]);
        if (!task || task->named || !mr_sched_may_win(scheduler, task))
            break;
        task->named = true;
    }
    for (size_t i = 0; i < good; i++)
        mr_sched_held(scheduler, worker, attempts[i])->named = false;
    return good == count && count > 0;
}

static void commit_all(mr_scheduler_t *scheduler, mr_sched_worker_t *worker, const mr_attempt_t *attempts,
                       size_t count) {
    size_t finished = 0;
    for (size_t i = 0; i < count; i++)
        finished += mr_sched_commit(scheduler, worker, mr_sched_held(scheduler, worker, attempts[i]));
    if (finished)
        mr_sched_pace(scheduler, worker, finished);
}

static void discard_all(mr_scheduler_t *scheduler, mr_sched_worker_t *worker, const mr_attempt_t *attempts,
                        size_t count) {
    scheduler->discarded++;
    if (worker)
        give_back(scheduler, worker, attempts, count, false); /* its DONE says which thread is free */
}

bool mr_scheduler_partial(mr_scheduler_t *scheduler, int64_t now, uint32_t number, const mr_attempt_t *attempts,
                          size_t count) {
    mr_sched_worker_t *worker = mr_sched_hear(scheduler, now, number);
    if (!worker || !holds_all(scheduler, worker, attempts, count)) {
        discard_all(scheduler, worker, attempts, count);
        return false;
    }
    commit_all(scheduler, worker, attempts, count);
    return true;
}

void mr_scheduler_discard(mr_scheduler_t *scheduler, int64_t now, uint32_t number, const mr_attempt_t *attempts,
                          size_t count) {
    discard_all(scheduler, mr_sched_hear(scheduler, now, number), attempts, count);
}

void mr_scheduler_drain(mr_scheduler_t *scheduler, uint32_t number) {
    mr_sched_worker_t *worker = mr_sched_find(scheduler, number);
    if (worker)
        mr_sched_retire(scheduler, worker);
    else
        scheduler->stale++;
    mr_sched_relent(scheduler);
}

/* It holds nothing afterwards, and is in no books. */
static void lose(mr_scheduler_t *scheduler, mr_sched_worker_t *worker, bool counted) {
    mr_sched_requeue_all(scheduler, worker, counted);
    mr_sched_exit(scheduler, worker);
    mr_sched_judge(scheduler, worker->host);
    mr_sched_relent(scheduler);
}

void mr_scheduler_leave(mr_scheduler_t *scheduler, int64_t now, uint32_t number, bool counted) {
    mr_sched_worker_t *worker = mr_sched_hear(scheduler, now, number);
    if (!worker)
        return;
    lose(scheduler, worker, counted);
    free(worker);
}

static bool expired(const mr_scheduler_t *scheduler, const mr_sched_worker_t *worker) {
    return scheduler->now - worker->heard_at >= scheduler->config.lease_ms;
}

void mr_scheduler_tick(mr_scheduler_t *scheduler, int64_t now) {
    mr_sched_clock(scheduler, now);
    mr_sched_worker_t *worker;
    while ((worker = TAILQ_FIRST(&scheduler->leases)) && expired(scheduler, worker)) {
        lose(scheduler, worker, true);
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
        .restored = scheduler->restored,
        .hosts = scheduler->host_count,
        .aside = scheduler->aside,
        .retries = scheduler->retries,
        .backups = scheduler->backups,
        .won = scheduler->won,
        .adopted = scheduler->adopted,
        .lost = scheduler->lost,
        .discarded = scheduler->discarded,
        .stale = scheduler->stale,
    };
}

bool mr_scheduler_worker(const mr_scheduler_t *scheduler, uint32_t number, mr_scheduler_worker_t *info) {
    const mr_sched_worker_t *worker = mr_sched_find(scheduler, number);
    if (!worker)
        return false;
    uint32_t oldest = worker->running.head;
    *info = (mr_scheduler_worker_t){
        .host = scheduler->hosts[worker->host].number,
        .threads = worker->threads,
        .running = worker->running.count,
        .done = worker->done.count,
        .pace = worker->pace * 1000 / (double) scheduler->config.credit_ms,
        .heard_at = worker->heard_at,
        .oldest_at = oldest == MR_SCHED_NONE ? INT64_MAX : mr_sched_since(scheduler, &scheduler->tasks[oldest]),
        .draining = worker->draining,
        .aside = worker->aside,
    };
    return true;
}

bool mr_scheduler_committed(const mr_scheduler_t *scheduler, const mr_attempt_t *attempts, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (attempts[i].task >= scheduler->config.tasks)
            return false;
        const mr_sched_task_t *task = &scheduler->tasks[attempts[i].task];
        if (task->state != SCHED_COMMITTED || task->attempt == 0 || task->attempt != attempts[i].attempt)
            return false;
    }
    return count > 0;
}

bool mr_scheduler_finished(const mr_scheduler_t *scheduler) {
    return scheduler->committed == scheduler->config.tasks;
}

static int64_t earlier(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static int64_t lease_end(const mr_scheduler_t *scheduler) {
    const mr_sched_worker_t *worker = TAILQ_FIRST(&scheduler->leases);
    if (!worker || scheduler->config.lease_ms > INT64_MAX - worker->heard_at)
        return INT64_MAX;
    return worker->heard_at + scheduler->config.lease_ms;
}

int64_t mr_scheduler_deadline(const mr_scheduler_t *scheduler) {
    int64_t deadline = lease_end(scheduler);
    if (scheduler->pool && mr_sched_tail(scheduler) && scheduler->workers)
        deadline = earlier(deadline, scheduler->backup_at);
    if (!TAILQ_EMPTY(&scheduler->passed))
        deadline = earlier(deadline, mr_sched_waited(scheduler));
    return deadline;
}
