/* scheduler_check.c - walks all books and compares them with the counts; for tests. */
#include "scheduler_private.h"

/* Counts a list's tasks if all are in `state` (and held by `holder`, when they are held); else MR_SCHED_NONE. */
static uint32_t walk(const mr_scheduler_t *scheduler, const mr_sched_list_t *list, mr_sched_state_t state,
                     uint32_t holder) {
    uint32_t count = 0;
    uint32_t previous = MR_SCHED_NONE;
    for (uint32_t i = list->head; i != MR_SCHED_NONE; i = scheduler->tasks[i].next) {
        const mr_sched_task_t *task = &scheduler->tasks[i];
        bool held = state != SCHED_QUEUED;
        if (task->state != state || task->previous != previous || task->named || (held && task->worker != holder))
            return MR_SCHED_NONE;
        if (++count > list->count)
            return MR_SCHED_NONE;
        previous = i;
    }
    return list->tail == previous ? count : MR_SCHED_NONE;
}

static bool queue_consistent(const mr_scheduler_t *scheduler) {
    for (uint32_t i = scheduler->fresh; i < scheduler->config.tasks; i++)
        if (scheduler->tasks[i].state != SCHED_QUEUED || scheduler->tasks[i].attempt)
            return false;
    return walk(scheduler, &scheduler->again, SCHED_QUEUED, 0) == scheduler->again.count &&
           walk(scheduler, &scheduler->suspects, SCHED_QUEUED, 0) == scheduler->suspects.count;
}

static bool worker_consistent(const mr_scheduler_t *scheduler, const mr_sched_worker_t *worker) {
    bool idle = worker->running.count == 0;
    return mr_sched_find(scheduler, worker->number) == worker &&
           walk(scheduler, &worker->running, SCHED_RUNNING, worker->number) == worker->running.count &&
           walk(scheduler, &worker->done, SCHED_DONE, worker->number) == worker->done.count &&
           worker->running.count <= scheduler->config.max_credit &&
           (!idle || worker->draining || worker->hungry); /* an idle worker is never forgotten */
}

static bool workers_consistent(const mr_scheduler_t *scheduler) {
    uint32_t workers = 0, reserved = 0, held = 0;
    uint64_t threads = 0;
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
        threads += worker->draining ? 0 : worker->threads;
    }
    return workers == scheduler->workers && reserved == scheduler->reserved && threads == scheduler->threads &&
           held == mr_scheduler_stats(scheduler).held;
}

bool mr_scheduler_consistent(const mr_scheduler_t *scheduler) {
    uint32_t committed = 0;
    for (uint32_t i = 0; i < scheduler->fresh; i++)
        committed += scheduler->tasks[i].state == SCHED_COMMITTED;
    return committed == scheduler->committed && queue_consistent(scheduler) && workers_consistent(scheduler);
}
