/* scheduler_reconcile.c - taking up what is there already: tasks committed in an earlier life, and attempts held by a worker
 * whose connection broke or that comes back.
 *
 * A worker's report is the whole truth about what it holds. Three passes: what is listed and known is marked (and finished, if
 * it is listed done); what is not marked was lost and is given up; what is listed but not held is taken up if it is queued. A number
 * that neither this life nor an earlier one can have given is not believed. */
#include "scheduler_private.h"

void mr_scheduler_restore(mr_scheduler_t *scheduler, uint32_t index) {
    if (index >= scheduler->config.tasks || scheduler->tasks[index].state == SCHED_COMMITTED)
        return;
    mr_sched_leave_queue(scheduler, &scheduler->tasks[index]);
    scheduler->tasks[index].state = SCHED_COMMITTED;
    scheduler->committed++;
    scheduler->restored++;
}

/* Marks what the worker holds of the list. Returns how many were finished only now. */
static size_t mark(mr_scheduler_t *scheduler, mr_sched_worker_t *worker, const mr_attempt_t *attempts, size_t count,
                   bool done) {
    size_t finished = 0;
    for (size_t i = 0; i < count; i++) {
        mr_sched_task_t *entry = mr_sched_held(scheduler, worker, attempts[i]);
        if (!entry)
            continue;
        entry->named = true;
        finished += done && mr_sched_finish(scheduler, worker, entry);
    }
    return finished;
}

/* Gives up what is not marked, and takes the marks away. A list keeps its order: each entry is looked at once. */
static void sweep(mr_scheduler_t *scheduler, mr_sched_worker_t *worker, const mr_sched_list_t *list) {
    uint32_t index = list->head;
    while (index != MR_SCHED_NONE) {
        mr_sched_task_t *entry = &scheduler->tasks[index];
        index = entry->next;
        if (!entry->named) {
            mr_sched_requeue(scheduler, worker, entry, false);
            scheduler->lost++;
        }
        entry->named = false;
    }
}

static bool can_be(const mr_scheduler_t *scheduler, const mr_sched_task_t *task, uint32_t attempt) {
    return attempt && (attempt < scheduler->config.first_attempt || attempt <= task->latest);
}

static bool adopt(mr_scheduler_t *scheduler, mr_sched_worker_t *worker, mr_attempt_t attempt, bool done) {
    if (attempt.task >= scheduler->config.tasks)
        return false;
    mr_sched_task_t *task = &scheduler->tasks[attempt.task];
    if (task->state != SCHED_QUEUED || !can_be(scheduler, task, attempt.attempt))
        return false;
    mr_sched_leave_queue(scheduler, task);
    task->state = done ? SCHED_DONE : SCHED_RUNNING;
    task->worker = worker->number;
    task->attempt = attempt.attempt;
    task->since = (uint32_t) (scheduler->now - scheduler->began);
    mr_sched_append(scheduler, done ? &worker->done : &worker->running, task);
    scheduler->adopted++;
    return true;
}

/* Takes up what is not held yet. Returns how many are another's, or committed. */
static size_t take_up(mr_scheduler_t *scheduler, mr_sched_worker_t *worker, const mr_attempt_t *attempts, size_t count,
                      bool done) {
    size_t foreign = 0;
    for (size_t i = 0; i < count; i++)
        foreign += !mr_sched_held(scheduler, worker, attempts[i]) && !adopt(scheduler, worker, attempts[i], done);
    scheduler->stale += foreign;
    return foreign;
}

void mr_scheduler_reconcile(mr_scheduler_t *scheduler, int64_t now, uint32_t number, const mr_attempt_t *running,
                            size_t running_count, const mr_attempt_t *done, size_t done_count) {
    mr_sched_worker_t *worker = mr_sched_hear(scheduler, now, number);
    if (!worker)
        return;
    mark(scheduler, worker, running, running_count, false);
    size_t finished = mark(scheduler, worker, done, done_count, true);
    if (finished)
        mr_sched_pace(scheduler, worker, finished);
    sweep(scheduler, worker, &worker->running);
    sweep(scheduler, worker, &worker->done);
    worker->ghosts = (uint32_t) take_up(scheduler, worker, running, running_count, false);
    take_up(scheduler, worker, done, done_count, true);
    mr_sched_unflushed(scheduler, worker);
    mr_sched_hungry(scheduler, worker);
}
