/* scheduler_tasks.c - the books of tasks: the one array, the lists through it, and the moves a task can make (taken by a
 * worker, finished, committed, queued again). Every move is O(1). Nothing here can fail: who may move what is decided
 * by the events before they come here. */
#include "scheduler_private.h"

/* ---- lists ---- */

void mr_sched_list_init(mr_sched_list_t *list) {
    *list = (mr_sched_list_t){.head = MR_SCHED_NONE, .tail = MR_SCHED_NONE, .due = MR_SCHED_NONE};
}

uint32_t mr_sched_index(const mr_scheduler_t *scheduler, const mr_sched_task_t *entry) {
    return (uint32_t) (entry - scheduler->tasks);
}

void mr_sched_append(mr_scheduler_t *scheduler, mr_sched_list_t *list, mr_sched_task_t *entry) {
    uint32_t index = mr_sched_index(scheduler, entry);
    entry->previous = list->tail;
    entry->next = MR_SCHED_NONE;
    if (list->tail == MR_SCHED_NONE)
        list->head = index;
    else
        scheduler->tasks[list->tail].next = index;
    list->tail = index;
    if (list->due == MR_SCHED_NONE)
        list->due = index;
    list->count++;
}

void mr_sched_unlink(mr_scheduler_t *scheduler, mr_sched_list_t *list, mr_sched_task_t *entry) {
    if (list->due == mr_sched_index(scheduler, entry))
        list->due = entry->next;
    if (entry->previous == MR_SCHED_NONE)
        list->head = entry->next;
    else
        scheduler->tasks[entry->previous].next = entry->next;
    if (entry->next == MR_SCHED_NONE)
        list->tail = entry->previous;
    else
        scheduler->tasks[entry->next].previous = entry->previous;
    list->count--;
}

mr_sched_task_t *mr_sched_task_of(mr_scheduler_t *scheduler, mr_sched_task_t *entry) {
    return mr_sched_index(scheduler, entry) < scheduler->config.tasks ? entry : &scheduler->tasks[entry->mate];
}

static uint32_t clock_of(const mr_scheduler_t *scheduler) {
    int64_t since = scheduler->now - scheduler->began;
    return since < UINT32_MAX ? (uint32_t) since : UINT32_MAX;
}

int64_t mr_sched_since(const mr_scheduler_t *scheduler, const mr_sched_task_t *entry) {
    return scheduler->began + entry->since;
}

/* ---- the queue ---- */

uint32_t mr_sched_unsuspected(const mr_scheduler_t *scheduler) {
    uint32_t fresh = scheduler->config.tasks - scheduler->fresh - scheduler->ahead;
    return fresh + scheduler->again.count + scheduler->tried.count;
}

uint32_t mr_sched_queued(const mr_scheduler_t *scheduler) {
    return mr_sched_unsuspected(scheduler) + scheduler->suspects.count;
}

mr_sched_list_t *mr_sched_queue_of(mr_scheduler_t *scheduler, const mr_sched_task_t *task) {
    if (task->failures && task->failures >= scheduler->config.max_attempts / 2)
        return &scheduler->suspects;
    return task->failure ? &scheduler->tried : &scheduler->again;
}

void mr_sched_leave_queue(mr_scheduler_t *scheduler, mr_sched_task_t *task) {
    if (task->known) {
        mr_sched_unlink(scheduler, mr_sched_queue_of(scheduler, task), task);
        return;
    }
    task->known = true;
    scheduler->ahead++;
    while (scheduler->fresh < scheduler->config.tasks && scheduler->tasks[scheduler->fresh].known) {
        scheduler->fresh++;
        scheduler->ahead--;
    }
}

static void join_queue(mr_scheduler_t *scheduler, mr_sched_task_t *task) {
    task->state = SCHED_QUEUED;
    task->since = clock_of(scheduler);
    mr_sched_append(scheduler, mr_sched_queue_of(scheduler, task), task);
    if (task->failures >= scheduler->config.max_attempts && scheduler->failed == MR_SCHED_NONE)
        scheduler->failed = mr_sched_index(scheduler, task);
    mr_sched_reconsider(scheduler);
}

uint32_t mr_sched_number(mr_scheduler_t *scheduler, mr_sched_task_t *task) {
    task->latest = task->latest ? task->latest + 1 : scheduler->config.first_attempt;
    return task->latest;
}

static void hold(mr_scheduler_t *scheduler, mr_sched_worker_t *worker, uint32_t index, mr_attempt_t *attempt) {
    mr_sched_task_t *task = &scheduler->tasks[index];
    scheduler->retries += task->known;
    mr_sched_leave_queue(scheduler, task);
    task->state = SCHED_RUNNING;
    task->worker = worker->number;
    task->attempt = mr_sched_number(scheduler, task);
    task->since = clock_of(scheduler);
    mr_sched_append(scheduler, &worker->running, task);
    *attempt = (mr_attempt_t){.task = index, .attempt = task->attempt};
}

bool mr_sched_take(mr_scheduler_t *scheduler, mr_sched_worker_t *worker, mr_attempt_t *attempt) {
    uint32_t index = mr_sched_suitable(scheduler, &scheduler->tried, worker->host);
    if (index == MR_SCHED_NONE)
        index = scheduler->again.count ? scheduler->again.head : scheduler->fresh;
    if (index == scheduler->config.tasks)
        return false;
    hold(scheduler, worker, index, attempt);
    return true;
}

bool mr_sched_take_suspect(mr_scheduler_t *scheduler, mr_sched_worker_t *worker, mr_attempt_t *attempt) {
    uint32_t index = mr_sched_suitable(scheduler, &scheduler->suspects, worker->host);
    if (index == MR_SCHED_NONE)
        return false;
    hold(scheduler, worker, index, attempt);
    return true;
}

/* ---- what is held ---- */

static bool holds(const mr_sched_task_t *entry, uint32_t worker, uint32_t attempt) {
    bool held = entry->state == SCHED_RUNNING || entry->state == SCHED_DONE;
    return held && entry->worker == worker && entry->attempt == attempt;
}

mr_sched_task_t *mr_sched_held(mr_scheduler_t *scheduler, const mr_sched_worker_t *worker, mr_attempt_t attempt) {
    if (attempt.task >= scheduler->config.tasks)
        return NULL;
    mr_sched_task_t *task = &scheduler->tasks[attempt.task];
    if (holds(task, worker->number, attempt.attempt))
        return task;
    mr_sched_task_t *backup = task->mate ? &scheduler->tasks[task->mate] : NULL;
    return backup && holds(backup, worker->number, attempt.attempt) ? backup : NULL;
}

bool mr_sched_overtook(const mr_scheduler_t *scheduler, const mr_sched_worker_t *worker, mr_attempt_t attempt) {
    if (attempt.task >= scheduler->config.tasks)
        return false;
    const mr_sched_task_t *task = &scheduler->tasks[attempt.task];
    return task->state == SCHED_COMMITTED && task->worker == worker->number && task->attempt == attempt.attempt;
}

/* A worker that has run dry has a partial to give. */
bool mr_sched_let_go(mr_scheduler_t *scheduler, mr_sched_worker_t *worker, mr_sched_task_t *entry) {
    bool running = entry->state == SCHED_RUNNING;
    mr_sched_unlink(scheduler, running ? &worker->running : &worker->done, entry);
    if (!running)
        return false;
    if (worker->running.count == 0) {
        worker->alone = false;
        mr_sched_unflushed(scheduler, worker);
    }
    mr_sched_hungry(scheduler, worker);
    return true;
}

void mr_sched_wrest(mr_scheduler_t *scheduler, mr_sched_task_t *entry) {
    mr_sched_worker_t *holder = mr_sched_find(scheduler, entry->worker);
    if (mr_sched_let_go(scheduler, holder, entry))
        holder->ghosts++;
}

/* The worker has computed it. */
static void succeed(mr_scheduler_t *scheduler, const mr_sched_worker_t *worker, const mr_sched_task_t *entry) {
    mr_sched_timed(scheduler, scheduler->now - mr_sched_since(scheduler, entry));
    mr_sched_praise(scheduler, worker->host);
}

bool mr_sched_finish(mr_scheduler_t *scheduler, mr_sched_worker_t *worker, mr_sched_task_t *entry) {
    if (entry->state != SCHED_RUNNING)
        return false;
    mr_sched_let_go(scheduler, worker, entry);
    entry->state = SCHED_DONE;
    mr_sched_append(scheduler, &worker->done, entry);
    succeed(scheduler, worker, entry);
    return true;
}

bool mr_sched_commit(mr_scheduler_t *scheduler, mr_sched_worker_t *worker, mr_sched_task_t *entry) {
    mr_sched_task_t *task = mr_sched_task_of(scheduler, entry);
    bool running = mr_sched_let_go(scheduler, worker, entry);
    if (running)
        succeed(scheduler, worker, entry);
    if (task->mate) { /* the other attempt is in vain */
        mr_sched_wrest(scheduler, entry == task ? &scheduler->tasks[task->mate] : task);
        scheduler->won += entry != task;
        task->worker = entry->worker;
        task->attempt = entry->attempt;
        mr_sched_spare(scheduler, task);
    }
    task->state = SCHED_COMMITTED;
    scheduler->committed++;
    return running;
}

/* As mr_sched_requeue, but the failure has been counted. */
static bool give_up(mr_scheduler_t *scheduler, mr_sched_worker_t *worker, mr_sched_task_t *entry) {
    mr_sched_task_t *task = mr_sched_task_of(scheduler, entry);
    bool running = mr_sched_let_go(scheduler, worker, entry);
    if (entry != task)
        mr_sched_spare(scheduler, task);
    else if (task->mate)
        mr_sched_promote(scheduler, task);
    else
        join_queue(scheduler, task);
    return running;
}

bool mr_sched_requeue(mr_scheduler_t *scheduler, mr_sched_worker_t *worker, mr_sched_task_t *entry, bool counted) {
    if (counted)
        mr_sched_blame(scheduler, worker->host, mr_sched_task_of(scheduler, entry), true);
    return give_up(scheduler, worker, entry);
}

/* However many tasks a worker takes with it, its loss is one incident. */
void mr_sched_requeue_all(mr_scheduler_t *scheduler, mr_sched_worker_t *worker, bool counted) {
    bool evidence = true;
    while (worker->done.count)
        give_up(scheduler, worker, &scheduler->tasks[worker->done.head]);
    for (uint32_t i = 0; worker->running.count; i++) {
        mr_sched_task_t *entry = &scheduler->tasks[worker->running.head];
        if (counted && i < worker->threads &&
            mr_sched_blame(scheduler, worker->host, mr_sched_task_of(scheduler, entry), evidence))
            evidence = false;
        give_up(scheduler, worker, entry);
    }
}
