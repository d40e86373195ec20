/* oracle_check.c - what the scheduler does, held against the oracle's books. */
#include "oracle_private.h"

static bool is_held(const oracle_task_t *task) {
    return task->tries[0].held;
}

/* The task failed on the host, while another that takes tasks has not seen it fail, and has had time to take it. */
static bool misplaced(const oracle_t *oracle, uint32_t task, uint32_t host) {
    if (oracle->failure_count == 0 || !oracle_failed_on(oracle, task, host) ||
        oracle->now - oracle->tasks[task].queued_at >= oracle->config.lease_ms)
        return false;
    for (uint32_t i = 0; i < ORACLE_HOSTS; i++)
        if (oracle_takes(&oracle->hosts[i]) && !oracle_failed_on(oracle, task, i))
            return true;
    return false;
}

static void sent_first(oracle_t *oracle, const mr_action_t *action, mr_attempt_t attempt) {
    oracle_worker_t *worker = &oracle->workers[action->worker];
    oracle_task_t *task = &oracle->tasks[attempt.task];
    bool suspect = oracle_suspect(oracle, attempt.task);
    if (task->committed || is_held(task))
        oracle_violate(oracle, "SEND of task %u, which is not queued", attempt.task);
    if (suspect != action->suspect || worker->alone || (suspect && (worker->running || action->count != 1)))
        oracle_violate(oracle, "task %u of worker %u does not run alone, or is no suspect", attempt.task,
                       action->worker);
    if (misplaced(oracle, attempt.task, worker->host))
        oracle_violate(oracle, "task %u goes to host %u, where it failed, and not to another", attempt.task,
                       worker->host);
    worker->alone = suspect;
    oracle->queued--;
    oracle_hold(oracle, action->worker, &task->tries[0], attempt.attempt, false);
}

static void sent_backup(oracle_t *oracle, const mr_action_t *action, mr_attempt_t attempt) {
    oracle_task_t *task = &oracle->tasks[attempt.task];
    const oracle_try_t *first = &task->tries[0];
    if (action->count != 1 || oracle->queued || oracle->config.backup_floor_ms == 0)
        oracle_violate(oracle, "a backup of task %u out of place", attempt.task);
    if (task->committed || !first->held || task->tries[1].held || first->holder == action->worker)
        oracle_violate(oracle, "a backup of task %u, which has one, or which nobody else holds", attempt.task);
    if (oracle_suspect(oracle, attempt.task) || oracle->workers[action->worker].alone)
        oracle_violate(oracle, "a backup of task %u, which is suspect, or beside one that is", attempt.task);
    if (!first->done && oracle->now - first->since < oracle->config.backup_floor_ms)
        oracle_violate(oracle, "a backup of task %u, which is %ld ms old", attempt.task,
                       (long) (oracle->now - first->since));
    if (first->done && oracle->now - oracle->workers[first->holder].heard_at < oracle->config.silent_ms)
        oracle_violate(oracle, "a backup of task %u, which is done by a worker that is heard", attempt.task);
    task->backup = attempt.attempt;
    oracle_hold(oracle, action->worker, &task->tries[1], attempt.attempt, false);
}

static void sent_one(oracle_t *oracle, const mr_action_t *action, mr_attempt_t attempt) {
    if (attempt.task >= oracle->config.tasks) {
        oracle_violate(oracle, "SEND of task %u, which does not exist", attempt.task);
        return;
    }
    oracle_task_t *task = &oracle->tasks[attempt.task];
    if (attempt.attempt != (task->latest ? task->latest + 1 : oracle->config.first_attempt))
        oracle_violate(oracle, "SEND of task %u as attempt %u, after %u", attempt.task, attempt.attempt, task->latest);
    task->latest = attempt.attempt;
    if (action->alone)
        sent_backup(oracle, action, attempt);
    else
        sent_first(oracle, action, attempt);
}

void oracle_sent(oracle_t *oracle, const mr_action_t *action) {
    oracle_worker_t *worker = oracle_present(oracle, action->worker);
    if (!worker || worker->draining || oracle->hosts[worker->host].aside) {
        oracle_violate(oracle, "SEND to worker %u, which is %s", action->worker,
                       worker ? "draining, or aside" : "gone");
        return;
    }
    if (action->count == 0 || action->count > oracle->config.max_batch)
        oracle_violate(oracle, "SEND of %zu tasks, max_batch %u", action->count, oracle->config.max_batch);
    for (size_t i = 0; i < action->count && !oracle->violation[0]; i++)
        sent_one(oracle, action, action->attempts[i]);
    if (worker->running > oracle->config.max_credit + oracle->adopted)
        oracle_violate(oracle, "worker %u has %u undone tasks, max_credit %u", action->worker, worker->running,
                       oracle->config.max_credit);
}

void oracle_flush(oracle_t *oracle, uint32_t number) {
    const oracle_worker_t *worker = oracle_present(oracle, number);
    if (!worker)
        oracle_violate(oracle, "FLUSH to worker %u, which is gone", number);
    else if (oracle->queued)
        oracle_violate(oracle, "FLUSH while %u tasks are queued", oracle->queued);
    else if (worker->running + worker->done == 0)
        oracle_violate(oracle, "FLUSH to worker %u, which holds nothing", number);
}

void oracle_aside(oracle_t *oracle, uint32_t number) {
    const oracle_worker_t *worker = oracle_present(oracle, number);
    if (!worker || !oracle->hosts[worker->host].aside)
        oracle_violate(oracle, "worker %u is set aside without reason", number);
}

void oracle_fail(oracle_t *oracle, uint32_t task) {
    uint32_t failures = task < oracle->config.tasks ? oracle_failures(oracle, task) : 0;
    if (failures < oracle->config.max_attempts || is_held(&oracle->tasks[task]))
        oracle_violate(oracle, "FAIL of task %u after %u counted attempts", task, failures);
}

void oracle_settled(oracle_t *oracle, bool failed) {
    if (!oracle->check_doomed || failed)
        return;
    oracle->check_doomed = false;
    for (size_t i = 0; i < oracle->failure_count; i++) {
        uint32_t task = oracle->failures[i].task;
        bool queued = !oracle->tasks[task].committed && !is_held(&oracle->tasks[task]);
        if (queued && oracle_failures(oracle, task) >= oracle->config.max_attempts)
            oracle_violate(oracle, "task %u failed max_attempts times and the job goes on", task);
    }
}

void oracle_apply(oracle_t *oracle, const mr_attempt_t *attempts, size_t count, uint64_t checksum) {
    for (size_t i = 0; i < count; i++) {
        if (attempts[i].task >= oracle->config.tasks || oracle->tasks[attempts[i].task].applied++)
            oracle_violate(oracle, "I1: task %u is reduced twice", attempts[i].task);
        oracle->applied++;
    }
    oracle->checksum += checksum;
}

void oracle_revoke(oracle_t *oracle, const mr_attempt_t *attempts, size_t count, size_t applied, uint64_t checksum) {
    for (size_t i = 0; i < count; i++) {
        oracle_task_t *task = &oracle->tasks[attempts[i].task];
        task->committed = false;
        task->applied -= i < applied;
    }
    oracle->committed -= (uint32_t) count;
    oracle->applied -= (uint32_t) applied;
    oracle->checksum -= applied ? checksum : 0;
}

void oracle_alone(oracle_t *oracle, const mr_attempt_t *attempts, size_t count) {
    for (size_t i = 0; i < count && count > 1; i++)
        if (attempts[i].task < oracle->config.tasks && attempts[i].attempt >= oracle->config.first_attempt &&
            oracle->tasks[attempts[i].task].backup == attempts[i].attempt)
            oracle_violate(oracle, "a backup of task %u shares a partial", attempts[i].task);
}

void oracle_step(oracle_t *oracle, const mr_scheduler_t *scheduler) {
    mr_scheduler_stats_t stats = mr_scheduler_stats(scheduler);
    uint32_t held = oracle->config.tasks - oracle->queued - oracle->committed;
    if (stats.queued != oracle->queued || stats.held != held || stats.committed != oracle->committed)
        oracle_violate(oracle, "counts: queued %u held %u committed %u, should be %u %u %u", stats.queued, stats.held,
                       stats.committed, oracle->queued, held, oracle->committed);
    if (oracle->applied != stats.committed)
        oracle_violate(oracle, "I2: %u tasks committed, %u reduced", stats.committed, oracle->applied);
}

void oracle_recount(oracle_t *oracle, const mr_scheduler_t *scheduler) {
    uint32_t queued = 0, committed = 0, aside = 0;
    for (uint32_t i = 0; i < oracle->config.tasks; i++) {
        committed += oracle->tasks[i].committed;
        queued += !oracle->tasks[i].committed && !is_held(&oracle->tasks[i]);
    }
    for (uint32_t i = 0; i < ORACLE_HOSTS; i++)
        aside += oracle->hosts[i].aside;
    if (queued != oracle->queued || committed != oracle->committed)
        oracle_violate(oracle, "the oracle's own counts are wrong");
    if (aside != mr_scheduler_stats(scheduler).aside)
        oracle_violate(oracle, "%u hosts are aside, should be %u", mr_scheduler_stats(scheduler).aside, aside);
    if (!mr_scheduler_consistent(scheduler))
        oracle_violate(oracle, "the scheduler's books do not agree with each other");
}
