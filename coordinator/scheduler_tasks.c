/* scheduler_tasks.c - the books of tasks: the one array, the lists through it, and the four moves a task can make (taken by
 * a worker, finished, committed, queued again). Every move is O(1). Nothing here can fail: who may move what is decided
 * by the events before they come here. */
#include "scheduler_private.h"

void mr_sched_list_init(mr_sched_list_t *list) {
    *list = (mr_sched_list_t){.head = MR_SCHED_NONE, .tail = MR_SCHED_NONE};
}

static void append(mr_scheduler_t *scheduler, mr_sched_list_t *list, uint32_t index) {
    mr_sched_task_t *task = &scheduler->tasks[index];
    task->previous = list->tail;
    task->next = MR_SCHED_NONE;
    if (list->tail == MR_SCHED_NONE)
        list->head = index;
    else
        scheduler->tasks[list->tail].next = index;
    list->tail = index;
    list->count++;
}

static void unlink_task(mr_scheduler_t *scheduler, mr_sched_list_t *list, const mr_sched_task_t *task) {
    if (task->previous == MR_SCHED_NONE)
        list->head = task->next;
    else
        scheduler->tasks[task->previous].next = task->next;
    if (task->next == MR_SCHED_NONE)
        list->tail = task->previous;
    else
        scheduler->tasks[task->next].previous = task->previous;
    list->count--;
}

uint32_t mr_sched_queued(const mr_scheduler_t *scheduler) {
    return scheduler->config.tasks - scheduler->fresh + scheduler->again.count + scheduler->suspects.count;
}

static mr_attempt_t hold(mr_scheduler_t *scheduler, mr_sched_worker_t *worker, uint32_t index) {
    mr_sched_task_t *task = &scheduler->tasks[index];
    append(scheduler, &worker->running, index);
    task->state = SCHED_RUNNING;
    task->worker = worker->number;
    task->attempt++;
    scheduler->retries += task->attempt > 1;
    return (mr_attempt_t){.task = index, .attempt = task->attempt};
}

static uint32_t pop(mr_scheduler_t *scheduler, mr_sched_list_t *list) {
    uint32_t index = list->head;
    unlink_task(scheduler, list, &scheduler->tasks[index]);
    return index;
}

mr_attempt_t mr_sched_take(mr_scheduler_t *scheduler, mr_sched_worker_t *worker) {
    uint32_t index = scheduler->again.count ? pop(scheduler, &scheduler->again) : scheduler->fresh++;
    return hold(scheduler, worker, index);
}

mr_attempt_t mr_sched_take_suspect(mr_scheduler_t *scheduler, mr_sched_worker_t *worker) {
    return hold(scheduler, worker, pop(scheduler, &scheduler->suspects));
}

mr_sched_task_t *mr_sched_held(mr_scheduler_t *scheduler, const mr_sched_worker_t *worker, mr_attempt_t attempt) {
    if (attempt.task >= scheduler->config.tasks)
        return NULL;
    mr_sched_task_t *task = &scheduler->tasks[attempt.task];
    bool held = task->state == SCHED_RUNNING || task->state == SCHED_DONE;
    return held && task->worker == worker->number && task->attempt == attempt.attempt ? task : NULL;
}

bool mr_sched_overtook(const mr_scheduler_t *scheduler, const mr_sched_worker_t *worker, mr_attempt_t attempt) {
    if (attempt.task >= scheduler->config.tasks)
        return false;
    const mr_sched_task_t *task = &scheduler->tasks[attempt.task];
    return task->state == SCHED_COMMITTED && task->worker == worker->number && task->attempt == attempt.attempt;
}

/* Takes the task from the worker's lists. A worker that has run dry has a partial to give. */
static bool let_go(mr_scheduler_t *scheduler, mr_sched_worker_t *worker, const mr_sched_task_t *task) {
    bool running = task->state == SCHED_RUNNING;
    unlink_task(scheduler, running ? &worker->running : &worker->done, task);
    if (!running)
        return false;
    mr_sched_hungry(scheduler, worker);
    if (worker->running.count == 0)
        mr_sched_unflushed(scheduler, worker);
    return true;
}

bool mr_sched_finish(mr_scheduler_t *scheduler, mr_sched_worker_t *worker, mr_sched_task_t *task) {
    if (task->state != SCHED_RUNNING)
        return false;
    let_go(scheduler, worker, task);
    append(scheduler, &worker->done, (uint32_t) (task - scheduler->tasks));
    task->state = SCHED_DONE;
    return true;
}

bool mr_sched_commit(mr_scheduler_t *scheduler, mr_sched_worker_t *worker, mr_sched_task_t *task) {
    bool running = let_go(scheduler, worker, task);
    task->state = SCHED_COMMITTED;
    scheduler->committed++;
    return running;
}

static void count_failure(mr_scheduler_t *scheduler, mr_sched_task_t *task) {
    task->failures++;
    if (task->failures >= scheduler->config.max_attempts && scheduler->failed == MR_SCHED_NONE)
        scheduler->failed = (uint32_t) (task - scheduler->tasks);
}

bool mr_sched_requeue(mr_scheduler_t *scheduler, mr_sched_worker_t *worker, mr_sched_task_t *task, bool counted) {
    bool running = let_go(scheduler, worker, task);
    if (counted)
        count_failure(scheduler, task);
    bool suspect = task->failures && task->failures >= scheduler->config.max_attempts / 2;
    task->state = SCHED_QUEUED;
    append(scheduler, suspect ? &scheduler->suspects : &scheduler->again, (uint32_t) (task - scheduler->tasks));
    return running;
}

void mr_sched_requeue_all(mr_scheduler_t *scheduler, mr_sched_worker_t *worker, bool counted) {
    while (worker->done.count)
        mr_sched_requeue(scheduler, worker, &scheduler->tasks[worker->done.head], false);
    for (uint32_t i = 0; worker->running.count; i++)
        mr_sched_requeue(scheduler, worker, &scheduler->tasks[worker->running.head], counted && i < worker->threads);
}
