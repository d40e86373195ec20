/* scheduler_backup.c - backup attempts at the tail: the times that say what is overdue, the search for it, and the life of a
 * backup's entry.
 *
 * Each of a worker's lists knows the first of its entries that has not had its chance of a backup; what stands before it
 * was passed, once. So a search looks at two entries a worker. It is made when one may be due, or an idle thread appears; but in a
 * large cluster threads become idle all the time near the end, so one that found nothing is not repeated at once. */
#include "scheduler_private.h"

#define SEARCHED_A_MS 256u /* workers */

#define FLOOR_MS 200 /* of short tasks */

/* ---- times ---- */

/* Buckets 0..3 are 0..3 ms; then four for each power of two: relative error at most a quarter. */
static uint32_t bucket_of(uint32_t ms) {
    if (ms < 4)
        return ms;
    uint32_t power = 31 - (uint32_t) __builtin_clz(ms);
    return (power - 1) * 4 + (ms >> (power - 2) & 3);
}

/* The largest time in a bucket. */
static int64_t bucket_end(uint32_t bucket) {
    if (bucket < 4)
        return bucket;
    uint32_t power = bucket / 4 + 1;
    return ((int64_t) (bucket % 4 + 5) << (power - 2)) - 1;
}

void mr_sched_timed(mr_scheduler_t *scheduler, int64_t elapsed) {
    scheduler->times[bucket_of(elapsed < UINT32_MAX ? (uint32_t) elapsed : UINT32_MAX)]++;
    scheduler->timed++;
}

static int64_t later(int64_t a, int64_t b) {
    return a > b ? a : b;
}

/* A pause that nobody is to blame for does not grow with the tasks, but where these are short, a second is a long time. */
static int64_t floor_ms(const mr_scheduler_t *scheduler, int64_t median) {
    int64_t short_tasks = later(8 * median, FLOOR_MS);
    return short_tasks < scheduler->config.backup_floor_ms ? short_tasks : scheduler->config.backup_floor_ms;
}

/* How old an attempt must be to be overdue; INT64_MAX when nothing is known yet. */
static int64_t overdue_ms(const mr_scheduler_t *scheduler) {
    uint64_t below = 0;
    if (scheduler->timed == 0)
        return INT64_MAX;
    for (uint32_t i = 0; i < MR_SCHED_BUCKETS; i++)
        if ((below += scheduler->times[i]) * 2 >= scheduler->timed)
            return later(bucket_end(i) * 3 / 2, floor_ms(scheduler, bucket_end(i)));
    return INT64_MAX;
}

static bool silent(const mr_scheduler_t *scheduler, const mr_sched_worker_t *worker) {
    return scheduler->now - worker->heard_at >= scheduler->config.silent_ms;
}

bool mr_sched_may_win(mr_scheduler_t *scheduler, mr_sched_task_t *entry) {
    const mr_sched_task_t *task = mr_sched_task_of(scheduler, entry);
    return task == entry || task->state != SCHED_DONE || silent(scheduler, mr_sched_find(scheduler, task->worker));
}

/* ---- entries ---- */

void mr_sched_spare_all(mr_scheduler_t *scheduler) {
    scheduler->spare = MR_SCHED_NONE;
    for (uint32_t i = scheduler->config.tasks + scheduler->pool; i-- > scheduler->config.tasks;) {
        scheduler->tasks[i].next = scheduler->spare;
        scheduler->spare = i;
    }
}

void mr_sched_spare(mr_scheduler_t *scheduler, mr_sched_task_t *task) {
    mr_sched_task_t *backup = &scheduler->tasks[task->mate];
    *backup = (mr_sched_task_t){.next = scheduler->spare};
    scheduler->spare = task->mate;
    task->mate = 0;
}

void mr_sched_promote(mr_scheduler_t *scheduler, mr_sched_task_t *task) {
    mr_sched_task_t *backup = &scheduler->tasks[task->mate];
    mr_sched_worker_t *holder = mr_sched_find(scheduler, backup->worker);
    mr_sched_list_t *list = backup->state == SCHED_RUNNING ? &holder->running : &holder->done;
    mr_sched_unlink(scheduler, list, backup);
    task->worker = backup->worker;
    task->attempt = backup->attempt;
    task->since = backup->since;
    task->state = backup->state;
    mr_sched_append(scheduler, list, task);
    mr_sched_spare(scheduler, task);
}

/* ---- what is due ---- */

/* The first in the list that may have a backup. */
static mr_sched_task_t *candidate(mr_scheduler_t *scheduler, mr_sched_list_t *list) {
    for (; list->due != MR_SCHED_NONE; list->due = scheduler->tasks[list->due].next) {
        mr_sched_task_t *entry = &scheduler->tasks[list->due];
        bool task = list->due < scheduler->config.tasks;
        if (task && !entry->mate && mr_sched_queue_of(scheduler, entry) != &scheduler->suspects)
            return entry;
    }
    return NULL;
}

/* The worker's entry that is overdue first, and when it is. What is done is on its way after FLUSH, unless its worker is silent. */
static mr_sched_task_t *earliest(mr_scheduler_t *scheduler, mr_sched_worker_t *worker, int64_t overdue, int64_t *at) {
    mr_sched_task_t *running = candidate(scheduler, &worker->running);
    mr_sched_task_t *done = candidate(scheduler, &worker->done);
    int64_t running_at = running ? mr_sched_since(scheduler, running) + overdue : INT64_MAX;
    int64_t done_at = done ? later(worker->flushed_at, worker->heard_at + scheduler->config.silent_ms) : INT64_MAX;
    *at = running_at < done_at ? running_at : done_at;
    return running_at < done_at ? running : done;
}

/* ---- who takes it ---- */

static bool has_idle_thread(const mr_scheduler_t *scheduler, const mr_sched_worker_t *worker) {
    return worker->running.count + worker->ghosts < worker->threads && !silent(scheduler, worker);
}

/* A worker with an idle thread that does not hold the task; on another host, if there is one. */
static mr_sched_worker_t *helper(mr_scheduler_t *scheduler, const mr_sched_task_t *task) {
    uint32_t host = mr_sched_find(scheduler, task->worker)->host;
    mr_sched_worker_t *found = NULL;
    mr_sched_worker_t *worker;
    TAILQ_FOREACH(worker, &scheduler->hungry, by_hunger) {
        /* cppcheck-suppress uninitvar ; TAILQ_FOREACH sets it */
        if (worker->number == task->worker || !has_idle_thread(scheduler, worker) ||
            !mr_sched_may_run(scheduler, task, worker->host))
            continue;
        if (worker->host != host || scheduler->taking == 1)
            return worker;
        found = found ? found : worker;
    }
    return found;
}

static bool any_idle(const mr_scheduler_t *scheduler) {
    const mr_sched_worker_t *worker;
    TAILQ_FOREACH(worker, &scheduler->hungry, by_hunger) {
        /* cppcheck-suppress uninitvar ; TAILQ_FOREACH sets it */
        if (has_idle_thread(scheduler, worker))
            return true;
    }
    return false;
}

/* What was found: the overdue attempt, the longest overdue first, and who helps; and when to look again. */
typedef struct search {
    mr_sched_task_t *task;
    mr_sched_worker_t *helper;
    int64_t since;
    int64_t again_at;
} search_t;

static search_t find_due(mr_scheduler_t *scheduler, int64_t overdue) {
    search_t found = {.since = INT64_MAX, .again_at = scheduler->now + overdue};
    bool idle = any_idle(scheduler);
    mr_sched_worker_t *worker;
    TAILQ_FOREACH(worker, &scheduler->leases, by_lease) {
        int64_t at;
        /* cppcheck-suppress uninitvar ; TAILQ_FOREACH sets it */
        mr_sched_task_t *task = earliest(scheduler, worker, overdue, &at);
        if (at > scheduler->now && at < found.again_at)
            found.again_at = at;
        if (at > scheduler->now || at >= found.since || !idle)
            continue;
        mr_sched_worker_t *helps = helper(scheduler, task);
        if (helps) {
            found.task = task;
            found.helper = helps;
            found.since = at;
        }
    }
    return found;
}

static void send_backup(mr_scheduler_t *scheduler, mr_sched_worker_t *worker, mr_sched_task_t *task,
                        mr_action_t *action) {
    uint32_t index = scheduler->spare;
    mr_sched_task_t *backup = &scheduler->tasks[index];
    scheduler->spare = backup->next;
    *backup = (mr_sched_task_t){.worker = worker->number,
                                .attempt = mr_sched_number(scheduler, task),
                                .mate = mr_sched_index(scheduler, task),
                                .since = (uint32_t) (scheduler->now - scheduler->began),
                                .state = SCHED_RUNNING};
    task->mate = index;
    mr_sched_append(scheduler, &worker->running, backup);
    mr_sched_unflushed(scheduler, worker);
    mr_sched_sated(scheduler, worker);
    mr_sched_hungry(scheduler, worker); /* behind the others; its other threads may take more */
    scheduler->backups++;
    scheduler->batch[0] = (mr_attempt_t){backup->mate, backup->attempt};
    *action = (mr_action_t){MR_ACTION_SEND, worker->number, scheduler->batch, 1, .alone = true};
}

bool mr_sched_tail(const mr_scheduler_t *scheduler) {
    return mr_sched_queued(scheduler) == 0 && scheduler->committed < scheduler->config.tasks;
}

/* Without an idle thread that may be relied on, it is looked for again when one turns up (mr_sched_hungry). */
bool mr_sched_next_backup(mr_scheduler_t *scheduler, mr_action_t *action) {
    if (scheduler->spare == MR_SCHED_NONE || !mr_sched_tail(scheduler) || scheduler->now < scheduler->backup_at)
        return false;
    mr_sched_reconsider(scheduler); /* none waits for another host now */
    int64_t overdue = overdue_ms(scheduler);
    search_t found = {.again_at = scheduler->now + scheduler->config.backup_floor_ms};
    if (overdue < INT64_MAX)
        found = find_due(scheduler, overdue);
    scheduler->backup_at = found.again_at;
    if (!found.task)
        scheduler->search_at = scheduler->now + 1 + scheduler->workers / SEARCHED_A_MS;
    else
        send_backup(scheduler, found.helper, found.task, action);
    return found.task != NULL;
}
