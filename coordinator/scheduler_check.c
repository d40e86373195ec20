/* scheduler_check.c - walks all books and compares them with the counts; for tests. */
#include "scheduler_private.h"

/* The entry is a task, or a backup whose task has it for its mate. */
static bool mated(const mr_scheduler_t *scheduler, uint32_t index) {
    const mr_sched_task_t *entry = &scheduler->tasks[index];
    if (index >= scheduler->config.tasks)
        return entry->mate < scheduler->config.tasks && scheduler->tasks[entry->mate].mate == index;
    bool held = entry->state == SCHED_RUNNING || entry->state == SCHED_DONE;
    return !entry->mate ||
           (held && entry->mate >= scheduler->config.tasks && scheduler->tasks[entry->mate].worker != entry->worker);
}

/* Counts a list's entries if all are in `state` (and held by `holder`, when they are held); else MR_SCHED_NONE. */
static uint32_t walk(const mr_scheduler_t *scheduler, const mr_sched_list_t *list, mr_sched_state_t state,
                     uint32_t holder) {
    uint32_t count = 0;
    uint32_t previous = MR_SCHED_NONE;
    bool due = list->due == MR_SCHED_NONE;
    for (uint32_t i = list->head; i != MR_SCHED_NONE; i = scheduler->tasks[i].next) {
        const mr_sched_task_t *entry = &scheduler->tasks[i];
        bool held = state != SCHED_QUEUED;
        if (entry->state != state || entry->previous != previous || entry->named || !mated(scheduler, i) ||
            (held && entry->worker != holder) || (!held && (!entry->known || i >= scheduler->config.tasks)))
            return MR_SCHED_NONE;
        if (++count > list->count)
            return MR_SCHED_NONE;
        due |= list->due == i;
        previous = i;
    }
    return list->tail == previous && due ? count : MR_SCHED_NONE;
}

/* A task that is queued stands in the list where it belongs. */
static bool placed(mr_scheduler_t *scheduler, const mr_sched_list_t *list) {
    for (uint32_t i = list->head; i != MR_SCHED_NONE; i = scheduler->tasks[i].next)
        if (mr_sched_queue_of(scheduler, &scheduler->tasks[i]) != list)
            return false;
    return walk(scheduler, list, SCHED_QUEUED, 0) == list->count;
}

static bool queue_consistent(mr_scheduler_t *scheduler) {
    uint32_t ahead = 0;
    if (scheduler->fresh < scheduler->config.tasks && scheduler->tasks[scheduler->fresh].known)
        return false;
    for (uint32_t i = 0; i < scheduler->config.tasks; i++) {
        const mr_sched_task_t *task = &scheduler->tasks[i];
        if (!task->known && (i < scheduler->fresh || task->state != SCHED_QUEUED || task->latest))
            return false;
        ahead += task->known && i >= scheduler->fresh;
    }
    return ahead == scheduler->ahead && placed(scheduler, &scheduler->again) && placed(scheduler, &scheduler->tried) &&
           placed(scheduler, &scheduler->suspects);
}

/* An idle worker is never forgotten. */
static bool hungry_enough(const mr_sched_worker_t *worker) {
    bool idle = worker->running.count == 0 && worker->ghosts < worker->threads;
    return !idle || !mr_sched_takes(worker) || worker->hungry;
}

static bool worker_consistent(const mr_scheduler_t *scheduler, const mr_sched_worker_t *worker) {
    uint64_t most = scheduler->config.max_credit + scheduler->adopted;
    return mr_sched_find(scheduler, worker->number) == worker &&
           walk(scheduler, &worker->running, SCHED_RUNNING, worker->number) == worker->running.count &&
           walk(scheduler, &worker->done, SCHED_DONE, worker->number) == worker->done.count &&
           worker->running.count <= most && hungry_enough(worker) && (worker->hungry || !worker->passed) &&
           worker->aside == scheduler->hosts[worker->host].aside && (!worker->untold || worker->aside) &&
           (worker->running.count || !worker->alone);
}

static uint32_t spare_count(const mr_scheduler_t *scheduler) {
    uint32_t count = 0;
    for (uint32_t i = scheduler->spare; i != MR_SCHED_NONE && count <= scheduler->pool; i = scheduler->tasks[i].next)
        count++;
    return count;
}

static bool workers_consistent(const mr_scheduler_t *scheduler) {
    uint32_t workers = 0, reserved = 0;
    uint64_t threads = 0, held = 0;
    int64_t heard = INT64_MIN;
    const mr_sched_worker_t *worker;
    TAILQ_FOREACH(worker, &scheduler->leases, by_lease) {
        /* cppcheck-suppress uninitvar ; TAILQ_FOREACH sets it */
        if (!worker_consistent(scheduler, worker) || worker->heard_at < heard)
            return false;
        heard = worker->heard_at;
        workers++;
        reserved += worker->reserved;
        held += worker->running.count + worker->done.count;
        threads += mr_sched_takes(worker) ? worker->threads : 0;
    }
    uint32_t backups = scheduler->pool - spare_count(scheduler);
    return workers == scheduler->workers && reserved == scheduler->reserved && threads == scheduler->threads &&
           held == mr_scheduler_stats(scheduler).held + (uint64_t) backups;
}

/* The host's workers, recounted. */
static bool host_consistent(const mr_scheduler_t *scheduler, uint32_t index) {
    const mr_sched_host_t *host = &scheduler->hosts[index];
    uint32_t workers = 0, takers = 0;
    const mr_sched_worker_t *worker;
    TAILQ_FOREACH(worker, &scheduler->leases, by_lease) {
        /* cppcheck-suppress uninitvar ; TAILQ_FOREACH sets it */
        workers += worker->host == index;
        takers += worker->host == index && !worker->draining;
    }
    return workers == host->workers && takers == host->takers;
}

static bool hosts_consistent(const mr_scheduler_t *scheduler) {
    uint32_t taking = 0, aside = 0, usable = 0;
    for (uint32_t i = 0; i < scheduler->host_count; i++) {
        const mr_sched_host_t *host = &scheduler->hosts[i];
        if (!host_consistent(scheduler, i))
            return false;
        taking += host->takers && !host->aside;
        aside += host->aside;
        usable += host->takers > 0;
    }
    return taking == scheduler->taking && aside == scheduler->aside && (taking || !usable);
}

/* Each task's counted failures are as many as it has records of them. */
static bool failures_consistent(const mr_scheduler_t *scheduler) {
    for (uint32_t i = 0; i < scheduler->config.tasks; i++) {
        uint32_t counted = 0;
        for (uint32_t f = scheduler->tasks[i].failure; f; f = scheduler->failures[f].next) {
            if (scheduler->failures[f].task != i)
                return false;
            counted += scheduler->failures[f].counted;
        }
        if (counted != scheduler->tasks[i].failures)
            return false;
    }
    return true;
}

bool mr_scheduler_consistent(const mr_scheduler_t *scheduler) {
    uint32_t committed = 0;
    for (uint32_t i = 0; i < scheduler->config.tasks; i++)
        committed += scheduler->tasks[i].state == SCHED_COMMITTED;
    return committed == scheduler->committed && queue_consistent((mr_scheduler_t *) scheduler) &&
           workers_consistent(scheduler) && hosts_consistent(scheduler) && failures_consistent(scheduler);
}
