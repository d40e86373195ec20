/* scheduler_speed.c - CPU time of the pure scheduler for one task's whole cycle: queued, sent, done, named by a partial,
 * committed.
 *
 *   scheduler_speed [TASKS [WORKERS [TASKS-A-DONE]]]      default 1000000 2 256 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "scheduler.h"

/* What one worker was sent and has not reported yet, and what it has reported since its last partial. */
typedef struct bench_worker {
    mr_attempt_t *sent;
    size_t first;
    size_t count;
} bench_worker_t;

static double cpu_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

static void take_actions(mr_scheduler_t *scheduler, int64_t now, bench_worker_t *workers, uint64_t *messages) {
    mr_action_t action;
    while (mr_scheduler_next(scheduler, now, &action)) {
        if (action.kind != MR_ACTION_SEND)
            continue;
        bench_worker_t *worker = &workers[action.worker];
        memcpy(worker->sent + worker->count, action.attempts, action.count * sizeof *action.attempts);
        worker->count += action.count;
        ++*messages;
    }
}

/* One report of up to `batch` tasks; all that was reported goes into one partial at the end. */
static void report(mr_scheduler_t *scheduler, int64_t now, uint32_t number, bench_worker_t *worker, size_t batch) {
    size_t count = worker->count - worker->first < batch ? worker->count - worker->first : batch;
    if (count)
        mr_scheduler_done(scheduler, now, number, worker->sent + worker->first, count);
    worker->first += count;
}

static bool commit(mr_scheduler_t *scheduler, int64_t now, bench_worker_t *workers, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        if (workers[i].count && !mr_scheduler_partial(scheduler, now, i, workers[i].sent, workers[i].count))
            return false;
    return mr_scheduler_finished(scheduler);
}

static uint64_t run(mr_scheduler_t *scheduler, bench_worker_t *workers, uint32_t count, size_t batch) {
    uint64_t messages = 0;
    int64_t now = 0;
    for (uint32_t i = 0; i < count; i++)
        mr_scheduler_join(scheduler, now, i, 1, i);
    take_actions(scheduler, now, workers, &messages);
    for (uint64_t step = 0; mr_scheduler_stats(scheduler).queued; step++) {
        now = (int64_t) (step / 16);
        uint32_t number = (uint32_t) (step % count);
        report(scheduler, now, number, &workers[number], batch);
        take_actions(scheduler, now, workers, &messages);
    }
    for (uint32_t i = 0; i < count; i++)
        report(scheduler, now, i, &workers[i], SIZE_MAX);
    take_actions(scheduler, now, workers, &messages);
    return commit(scheduler, now, workers, count) ? messages : 0;
}

static size_t argument(int count, char **arguments, int index, size_t otherwise) {
    return index < count ? strtoull(arguments[index], NULL, 10) : otherwise;
}

int main(int count, char **arguments) {
    uint32_t tasks = (uint32_t) argument(count, arguments, 1, 1000000);
    uint32_t workers = (uint32_t) argument(count, arguments, 2, 2);
    size_t batch = argument(count, arguments, 3, 256);
    mr_scheduler_config_t config = {
        .tasks = tasks, .lease_ms = 10000, .max_attempts = 4, .max_credit = 4096, .credit_ms = 50, .max_batch = 1024};
    bench_worker_t *all = calloc(workers, sizeof *all);
    for (uint32_t i = 0; all && i < workers; i++)
        all[i].sent = malloc((size_t) tasks * sizeof *all->sent); /* address space; only what is used is touched */
    double start = cpu_seconds();
    mr_scheduler_t *scheduler = mr_scheduler_new(&config);
    uint64_t messages = scheduler && all ? run(scheduler, all, workers, batch) : 0;
    double spent = cpu_seconds() - start;
    mr_scheduler_destroy(&scheduler);
    if (messages)
        printf("%u tasks, %u workers: %.3f us a task, %.1f tasks a message\n", tasks, workers, spent * 1e6 / tasks,
               tasks / (double) messages);
    for (uint32_t i = 0; all && i < workers; i++)
        free(all[i].sent);
    free(all);
    return messages ? 0 : 1;
}
