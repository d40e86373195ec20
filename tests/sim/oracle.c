#include "oracle.h"
#include "must.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void oracle_init(oracle_t *oracle, const mr_scheduler_config_t *config) {
    *oracle = (oracle_t){.config = *config, .counts = {config->tasks}};
    oracle->tasks = must(calloc(config->tasks + 1, sizeof *oracle->tasks));
}

void oracle_free(oracle_t *oracle) {
    free(oracle->tasks);
    free(oracle->workers);
    *oracle = (oracle_t){0};
}

void oracle_violate(oracle_t *oracle, const char *format, ...) {
    if (oracle->violation[0])
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(oracle->violation, sizeof oracle->violation, format, arguments);
    va_end(arguments);
}

static oracle_worker_t *present(oracle_t *oracle, uint32_t number) {
    return number < oracle->capacity && oracle->workers[number].present ? &oracle->workers[number] : NULL;
}

static bool holds(oracle_t *oracle, uint32_t number, mr_attempt_t attempt) {
    if (!present(oracle, number) || attempt.task >= oracle->config.tasks)
        return false;
    const oracle_task_t *task = &oracle->tasks[attempt.task];
    return (task->state == SIM_RUNNING || task->state == SIM_DONE) && task->holder == number &&
           task->attempt == attempt.attempt;
}

static void move(oracle_t *oracle, uint32_t index, sim_state_t state) {
    oracle_task_t *task = &oracle->tasks[index];
    oracle_worker_t *worker = present(oracle, task->holder);
    oracle->counts[task->state]--;
    oracle->counts[state]++;
    if (worker && (task->state == SIM_RUNNING || task->state == SIM_DONE))
        *(task->state == SIM_RUNNING ? &worker->running : &worker->done) -= 1;
    task->state = state;
    if (worker && (task->state == SIM_RUNNING || task->state == SIM_DONE))
        *(task->state == SIM_RUNNING ? &worker->running : &worker->done) += 1;
    if (worker && worker->running == 0)
        worker->alone = false;
}

void oracle_join(oracle_t *oracle, uint32_t number, uint32_t threads) {
    if (number >= oracle->capacity) {
        uint32_t capacity = number + 64;
        oracle->workers = must(realloc(oracle->workers, capacity * sizeof *oracle->workers));
        memset(oracle->workers + oracle->capacity, 0, (capacity - oracle->capacity) * sizeof *oracle->workers);
        oracle->capacity = capacity;
    }
    oracle->workers[number] = (oracle_worker_t){.present = true, .threads = threads};
}

void oracle_done(oracle_t *oracle, uint32_t number, const mr_attempt_t *attempts, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (holds(oracle, number, attempts[i]))
            move(oracle, attempts[i].task, SIM_DONE);
}

static void count_failure(oracle_t *oracle, uint32_t task) {
    oracle->doomed += ++oracle->tasks[task].failures == oracle->config.max_attempts;
}

void oracle_failed(oracle_t *oracle, uint32_t number, mr_attempt_t attempt) {
    if (!holds(oracle, number, attempt))
        return;
    move(oracle, attempt.task, SIM_QUEUED);
    count_failure(oracle, attempt.task);
}

void oracle_returned(oracle_t *oracle, uint32_t number, const mr_attempt_t *attempts, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (holds(oracle, number, attempts[i]))
            move(oracle, attempts[i].task, SIM_QUEUED);
}

void oracle_drain(oracle_t *oracle, uint32_t number) {
    oracle_worker_t *worker = present(oracle, number);
    if (worker)
        worker->draining = true;
}

/* The running task of `number` that was sent first, or UINT32_MAX. */
static uint32_t oldest(const oracle_t *oracle, uint32_t number) {
    uint32_t found = UINT32_MAX;
    for (uint32_t i = 0; i < oracle->config.tasks; i++) {
        const oracle_task_t *task = &oracle->tasks[i];
        bool candidate = task->state == SIM_RUNNING && task->holder == number;
        if (candidate && (found == UINT32_MAX || task->sent < oracle->tasks[found].sent))
            found = i;
    }
    return found;
}

void oracle_leave(oracle_t *oracle, uint32_t number, bool counted) {
    oracle_worker_t *worker = present(oracle, number);
    if (!worker)
        return;
    uint32_t task;
    for (uint32_t i = 0; counted && i < worker->threads && (task = oldest(oracle, number)) != UINT32_MAX; i++)
        oracle_failed(oracle, number, (mr_attempt_t){task, oracle->tasks[task].attempt});
    for (uint32_t i = 0; i < oracle->config.tasks && worker->running + worker->done; i++)
        if (holds(oracle, number, (mr_attempt_t){i, oracle->tasks[i].attempt}))
            move(oracle, i, SIM_QUEUED);
    worker->present = false;
}

static bool named_before(const mr_attempt_t *attempts, size_t index) {
    for (size_t i = 0; i < index; i++)
        if (attempts[i].task == attempts[index].task)
            return true;
    return false;
}

bool oracle_partial(oracle_t *oracle, uint32_t number, const mr_attempt_t *attempts, size_t count) {
    bool good = count > 0;
    for (size_t i = 0; i < count && good; i++)
        good = holds(oracle, number, attempts[i]);
    /* quadratic, so only for partials of faulty clusters, which are small; large ones are caught by I1 in the sink */
    for (size_t i = 0; i < count && count < 2000 && good; i++)
        good = !named_before(attempts, i);
    for (size_t i = 0; i < count && good; i++)
        move(oracle, attempts[i].task, SIM_COMMITTED);
    if (!good)
        oracle_returned(oracle, number, attempts, count);
    return good;
}

static bool suspect(const oracle_t *oracle, uint32_t task) {
    uint32_t failures = oracle->tasks[task].failures;
    return failures && failures >= oracle->config.max_attempts / 2;
}

static void sent_one(oracle_t *oracle, uint32_t number, mr_attempt_t attempt, size_t batch) {
    oracle_worker_t *worker = &oracle->workers[number];
    if (attempt.task >= oracle->config.tasks) {
        oracle_violate(oracle, "SEND of task %u, which does not exist", attempt.task);
        return;
    }
    oracle_task_t *task = &oracle->tasks[attempt.task];
    if (task->state != SIM_QUEUED)
        oracle_violate(oracle, "SEND of task %u, which is not queued", attempt.task);
    if (attempt.attempt != task->attempt + 1)
        oracle_violate(oracle, "SEND of task %u as attempt %u, after %u", attempt.task, attempt.attempt, task->attempt);
    if (worker->alone || (suspect(oracle, attempt.task) && (worker->running || batch != 1)))
        oracle_violate(oracle, "task %u is not alone with a suspect on worker %u", attempt.task, number);
    worker->alone = suspect(oracle, attempt.task);
    task->attempt = attempt.attempt;
    task->holder = number;
    task->sent = ++oracle->sends;
    oracle->counts[task->state]--; /* as move, but the holder is new */
    oracle->counts[SIM_RUNNING]++;
    task->state = SIM_RUNNING;
    worker->running++;
}

void oracle_sent(oracle_t *oracle, uint32_t number, const mr_attempt_t *attempts, size_t count) {
    oracle_worker_t *worker = present(oracle, number);
    if (!worker || worker->draining) {
        oracle_violate(oracle, "SEND to worker %u, which is %s", number, worker ? "draining" : "gone");
        return;
    }
    if (count == 0 || count > oracle->config.max_batch)
        oracle_violate(oracle, "SEND of %zu tasks, max_batch %u", count, oracle->config.max_batch);
    for (size_t i = 0; i < count && !oracle->violation[0]; i++)
        sent_one(oracle, number, attempts[i], count);
    if (worker->running > oracle->config.max_credit)
        oracle_violate(oracle, "worker %u has %u undone tasks, max_credit %u", number, worker->running,
                       oracle->config.max_credit);
}

void oracle_flush(oracle_t *oracle, uint32_t number) {
    const oracle_worker_t *worker = present(oracle, number);
    if (!worker)
        oracle_violate(oracle, "FLUSH to worker %u, which is gone", number);
    else if (oracle->counts[SIM_QUEUED])
        oracle_violate(oracle, "FLUSH while %u tasks are queued", oracle->counts[SIM_QUEUED]);
    else if (worker->running + worker->done == 0)
        oracle_violate(oracle, "FLUSH to worker %u, which holds nothing", number);
}

void oracle_fail(oracle_t *oracle, uint32_t task) {
    uint32_t failures = task < oracle->config.tasks ? oracle->tasks[task].failures : 0;
    if (failures < oracle->config.max_attempts)
        oracle_violate(oracle, "FAIL of task %u after %u counted attempts", task, failures);
}

void oracle_apply(oracle_t *oracle, const mr_attempt_t *attempts, size_t count, uint64_t checksum) {
    for (size_t i = 0; i < count; i++) {
        if (attempts[i].task >= oracle->config.tasks || oracle->tasks[attempts[i].task].applied++)
            oracle_violate(oracle, "I1: task %u is reduced twice", attempts[i].task);
        oracle->applied++;
    }
    oracle->checksum += checksum;
}

void oracle_step(oracle_t *oracle, const mr_scheduler_t *scheduler) {
    mr_scheduler_stats_t stats = mr_scheduler_stats(scheduler);
    const uint32_t *counts = oracle->counts;
    if (stats.queued != counts[SIM_QUEUED] || stats.held != counts[SIM_RUNNING] + counts[SIM_DONE] ||
        stats.committed != counts[SIM_COMMITTED] || stats.queued + stats.held + stats.committed != stats.tasks)
        oracle_violate(oracle, "counts: queued %u held %u committed %u, should be %u %u %u", stats.queued, stats.held,
                       stats.committed, counts[SIM_QUEUED], counts[SIM_RUNNING] + counts[SIM_DONE],
                       counts[SIM_COMMITTED]);
    if (oracle->applied != stats.committed)
        oracle_violate(oracle, "I2: %u tasks committed, %u reduced", stats.committed, oracle->applied);
}

void oracle_recount(oracle_t *oracle, const mr_scheduler_t *scheduler) {
    uint32_t counts[4] = {0};
    for (uint32_t i = 0; i < oracle->config.tasks; i++)
        counts[oracle->tasks[i].state]++;
    if (memcmp(counts, oracle->counts, sizeof counts) != 0)
        oracle_violate(oracle, "the oracle's own counts are wrong");
    if (!mr_scheduler_consistent(scheduler))
        oracle_violate(oracle, "the scheduler's books do not agree with each other");
}
