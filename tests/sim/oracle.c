/* oracle.c - the oracle's books and the events they are told. */
#include "must.h"
#include "oracle_private.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void oracle_init(oracle_t *oracle, const mr_scheduler_config_t *config) {
    *oracle = (oracle_t){.config = *config, .queued = config->tasks};
    oracle->tasks = must(calloc(config->tasks + 1, sizeof *oracle->tasks));
}

void oracle_free(oracle_t *oracle) {
    free(oracle->tasks);
    free(oracle->workers);
    free(oracle->failures);
    *oracle = (oracle_t){0};
}

void oracle_restart(oracle_t *oracle, const mr_scheduler_config_t *config) {
    oracle->config = *config;
    if (oracle->workers) /* none joined the one before, perhaps */
        memset(oracle->workers, 0, oracle->capacity * sizeof *oracle->workers);
    memset(oracle->hosts, 0, sizeof oracle->hosts);
    oracle->failure_count = 0;
    oracle->queued = config->tasks - oracle->committed;
    oracle->adopted = 0;
    for (uint32_t i = 0; i < config->tasks; i++)
        oracle->tasks[i] = (oracle_task_t){
            .committed = oracle->tasks[i].committed, .applied = oracle->tasks[i].applied, .queued_at = oracle->now};
}

void oracle_violate(oracle_t *oracle, const char *format, ...) {
    if (oracle->violation[0])
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(oracle->violation, sizeof oracle->violation, format, arguments);
    va_end(arguments);
}

oracle_worker_t *oracle_present(const oracle_t *oracle, uint32_t number) {
    return number < oracle->capacity && oracle->workers[number].present ? &oracle->workers[number] : NULL;
}

/* ---- failures and hosts ---- */

uint32_t oracle_failures(const oracle_t *oracle, uint32_t task) {
    uint32_t count = 0;
    for (size_t i = 0; i < oracle->failure_count; i++)
        count += oracle->failures[i].task == task && oracle->failures[i].counted;
    return count;
}

bool oracle_suspect(const oracle_t *oracle, uint32_t task) {
    uint32_t failures = oracle->failure_count ? oracle_failures(oracle, task) : 0;
    return failures && failures >= oracle->config.max_attempts / 2;
}

bool oracle_failed_on(const oracle_t *oracle, uint32_t task, uint32_t host) {
    for (size_t i = 0; i < oracle->failure_count; i++)
        if (oracle->failures[i].task == task && oracle->failures[i].host == host)
            return true;
    return false;
}

bool oracle_takes(const oracle_host_t *host) {
    return host->takers && !host->aside;
}

/* Sets the host aside if three tasks failed on it in a row, and another that takes tasks has finished one. */
static void judge(oracle_t *oracle, uint32_t index) {
    oracle_host_t *host = &oracle->hosts[index];
    bool other = false;
    for (uint32_t i = 0; i < ORACLE_HOSTS; i++)
        other |= i != index && oracle_takes(&oracle->hosts[i]) && oracle->hosts[i].finished;
    if (host->aside || host->streak_count < 3 || !other)
        return;
    host->aside = true;
    host->streak_count = 0;
    for (size_t i = 0; i < oracle->failure_count; i++)
        if (oracle->failures[i].host == index)
            oracle->failures[i].counted = false;
}

static void relent(oracle_t *oracle) {
    for (uint32_t i = 0; i < ORACLE_HOSTS; i++)
        if (oracle_takes(&oracle->hosts[i]))
            return;
    for (uint32_t i = 0; i < ORACLE_HOSTS; i++) {
        oracle_host_t *host = &oracle->hosts[i];
        if (!host->aside || !host->takers)
            continue;
        host->aside = false;
        host->streak_count = 0;
    }
}

static bool incident(const oracle_t *oracle, uint32_t index, uint32_t task) {
    const oracle_host_t *host = &oracle->hosts[index];
    for (size_t i = 0; i < oracle->failure_count; i++)
        if (oracle->failures[i].task == task && oracle->failures[i].host != index)
            return false;
    for (uint32_t i = 0; i < host->streak_count; i++)
        if (host->streak[i] == task)
            return false;
    return host->streak_count < 3;
}

/* Returns true if it was an incident, which only one of a worker's tasks can be. */
static bool blame(oracle_t *oracle, uint32_t index, uint32_t task, bool may) {
    oracle_host_t *host = &oracle->hosts[index];
    may = may && incident(oracle, index, task);
    if (may)
        host->streak[host->streak_count++] = task;
    if (oracle->failure_count == oracle->failure_room) {
        oracle->failure_room = oracle->failure_room ? oracle->failure_room * 2 : 64;
        oracle->failures = must(realloc(oracle->failures, oracle->failure_room * sizeof *oracle->failures));
    }
    oracle->failures[oracle->failure_count++] = (oracle_failure_t){task, index, !host->aside};
    oracle->check_doomed = true;
    return may;
}

static void praise(oracle_t *oracle, uint32_t index) {
    oracle->hosts[index].streak_count = 0;
    if (oracle->hosts[index].finished++ == 0)
        for (uint32_t i = 0; i < ORACLE_HOSTS; i++)
            judge(oracle, i);
}

/* ---- what is held ---- */

static oracle_try_t *held(oracle_t *oracle, uint32_t number, mr_attempt_t attempt) {
    if (!oracle_present(oracle, number) || attempt.task >= oracle->config.tasks)
        return NULL;
    for (int i = 0; i < 2; i++) {
        oracle_try_t *try = &oracle->tasks[attempt.task].tries[i];
        if (try->held && try->holder == number && try->attempt == attempt.attempt)
            return try;
    }
    return NULL;
}

void oracle_hold(oracle_t *oracle, uint32_t number, oracle_try_t *try, uint32_t attempt, bool done) {
    oracle_worker_t *worker = &oracle->workers[number];
    *try = (oracle_try_t){true, done, number, attempt, ++oracle->sends, oracle->now};
    *(done ? &worker->done : &worker->running) += 1;
}

/* The attempt is its holder's no more. */
static void release(oracle_t *oracle, oracle_try_t *try) {
    oracle_worker_t *worker = &oracle->workers[try->holder];
    *(try->done ? &worker->done : &worker->running) -= 1;
    worker->alone &= worker->running > 0;
    try->held = false;
}

/* Given up: a backup takes its place, or the task is queued; a backup is just gone. */
static void drop(oracle_t *oracle, uint32_t index, oracle_try_t *try) {
    oracle_task_t *task = &oracle->tasks[index];
    release(oracle, try);
    if (try == &task->tries[0] && task->tries[1].held) {
        uint64_t order = ++oracle->sends;
        task->tries[0] = task->tries[1];
        task->tries[0].order = order; /* behind what the backup's holder holds */
        task->tries[1].held = false;
    }
    if (task->tries[0].held)
        return;
    task->queued_at = oracle->now;
    oracle->queued++;
}

static void finish(oracle_t *oracle, oracle_try_t *try) {
    if (try->done)
        return;
    oracle_worker_t *worker = &oracle->workers[try->holder];
    worker->running--;
    worker->done++;
    worker->alone &= worker->running > 0;
    try->done = true;
    try->order = ++oracle->sends;
    praise(oracle, worker->host);
}

/* ---- events ---- */

void oracle_hear(oracle_t *oracle, int64_t now, uint32_t number) {
    oracle->now = now > oracle->now ? now : oracle->now;
    if (oracle_present(oracle, number))
        oracle_present(oracle, number)->heard_at = oracle->now;
}

void oracle_join(oracle_t *oracle, uint32_t number, uint32_t threads, uint32_t host) {
    if (number >= oracle->capacity) {
        uint32_t capacity = number + 64;
        oracle->workers = must(realloc(oracle->workers, capacity * sizeof *oracle->workers));
        memset(oracle->workers + oracle->capacity, 0, (capacity - oracle->capacity) * sizeof *oracle->workers);
        oracle->capacity = capacity;
    }
    oracle->workers[number] =
        (oracle_worker_t){.present = true, .threads = threads, .host = host, .heard_at = oracle->now};
    oracle->hosts[host].takers++;
    relent(oracle);
}

void oracle_done(oracle_t *oracle, uint32_t number, const mr_attempt_t *attempts, size_t count) {
    for (size_t i = 0; i < count; i++) {
        oracle_try_t *try = held(oracle, number, attempts[i]);
        if (try)
            finish(oracle, try);
    }
}

void oracle_failed(oracle_t *oracle, uint32_t number, mr_attempt_t attempt) {
    oracle_try_t *try = held(oracle, number, attempt);
    if (!oracle_present(oracle, number))
        return;
    uint32_t host = oracle_present(oracle, number)->host;
    if (try) {
        blame(oracle, host, attempt.task, true);
        drop(oracle, attempt.task, try);
    }
    judge(oracle, host);
}

void oracle_returned(oracle_t *oracle, uint32_t number, const mr_attempt_t *attempts, size_t count) {
    for (size_t i = 0; i < count; i++) {
        oracle_try_t *try = held(oracle, number, attempts[i]);
        if (try)
            drop(oracle, attempts[i].task, try);
    }
}

typedef struct report {
    const mr_attempt_t *running;
    size_t running_count;
    const mr_attempt_t *done;
    size_t done_count;
} report_t;

static bool listed(const mr_attempt_t *attempts, size_t count, uint32_t task, uint32_t attempt) {
    for (size_t i = 0; i < count; i++)
        if (attempts[i].task == task && attempts[i].attempt == attempt)
            return true;
    return false;
}

/* The attempt of the worker, running or done, that has been so for longest, but none that the report lists. */
static oracle_try_t *oldest(const oracle_t *oracle, uint32_t number, bool done, const report_t *report,
                            uint32_t *task) {
    oracle_try_t *found = NULL;
    for (uint32_t i = 0; i < oracle->config.tasks; i++)
        for (int k = 0; k < 2; k++) {
            oracle_try_t *try = &oracle->tasks[i].tries[k];
            if (!try->held || try->done != done || try->holder != number || (found && try->order > found->order))
                continue;
            if (report && (listed(report->running, report->running_count, i, try->attempt) ||
                           listed(report->done, report->done_count, i, try->attempt)))
                continue;
            found = try;
            *task = i;
        }
    return found;
}

static void adopt(oracle_t *oracle, uint32_t number, mr_attempt_t attempt, bool done) {
    if (attempt.task >= oracle->config.tasks || held(oracle, number, attempt))
        return;
    oracle_task_t *task = &oracle->tasks[attempt.task];
    bool known = attempt.attempt && (attempt.attempt < oracle->config.first_attempt || attempt.attempt <= task->latest);
    if (task->committed || task->tries[0].held || !known)
        return;
    oracle_hold(oracle, number, &task->tries[0], attempt.attempt, done);
    oracle->queued--;
    oracle->adopted++;
}

void oracle_reconcile(oracle_t *oracle, uint32_t number, const mr_attempt_t *running, size_t running_count,
                      const mr_attempt_t *done, size_t done_count) {
    if (!oracle_present(oracle, number))
        return;
    oracle_done(oracle, number, done, done_count);
    const report_t report = {running, running_count, done, done_count};
    oracle_try_t *try;
    uint32_t task;
    for (int k = 0; k < 2; k++)
        while ((try = oldest(oracle, number, k, &report, &task)))
            drop(oracle, task, try);
    for (size_t i = 0; i < running_count; i++)
        adopt(oracle, number, running[i], false);
    for (size_t i = 0; i < done_count; i++)
        adopt(oracle, number, done[i], true);
}

void oracle_drain(oracle_t *oracle, uint32_t number) {
    oracle_worker_t *worker = oracle_present(oracle, number);
    if (!worker || worker->draining)
        return;
    worker->draining = true;
    oracle->hosts[worker->host].takers--;
    relent(oracle);
}

void oracle_leave(oracle_t *oracle, uint32_t number, bool counted) {
    oracle_worker_t *worker = oracle_present(oracle, number);
    if (!worker)
        return;
    oracle_try_t *try;
    uint32_t task = 0;
    bool may = true;
    while (worker->done && (try = oldest(oracle, number, true, NULL, &task)))
        drop(oracle, task, try);
    for (uint32_t i = 0; worker->running && (try = oldest(oracle, number, false, NULL, &task)); i++) {
        if (counted && i < worker->threads)
            may = !blame(oracle, worker->host, task, may) && may;
        drop(oracle, task, try);
    }
    oracle->hosts[worker->host].takers -= !worker->draining;
    worker->present = false;
    judge(oracle, worker->host);
    relent(oracle);
}

/* A backup wins, unless the attempt it stands by is done on a worker that is heard. */
static bool may_win(const oracle_t *oracle, uint32_t index, const oracle_try_t *try) {
    const oracle_try_t *first = &oracle->tasks[index].tries[0];
    return try == first || !first->done ||
           oracle->now - oracle->workers[first->holder].heard_at >= oracle->config.silent_ms;
}

static bool named_before(const mr_attempt_t *attempts, size_t index) {
    for (size_t i = 0; i < index; i++)
        if (attempts[i].task == attempts[index].task)
            return true;
    return false;
}

static void commit(oracle_t *oracle, uint32_t index, oracle_try_t *try) {
    oracle_task_t *task = &oracle->tasks[index];
    bool running = !try->done;
    uint32_t host = oracle->workers[try->holder].host;
    for (int k = 0; k < 2; k++)
        if (task->tries[k].held)
            release(oracle, &task->tries[k]);
    task->committed = true;
    oracle->committed++;
    if (running)
        praise(oracle, host);
}

bool oracle_partial(oracle_t *oracle, uint32_t number, const mr_attempt_t *attempts, size_t count) {
    bool good = count > 0;
    for (size_t i = 0; i < count && good; i++) {
        const oracle_try_t *try = held(oracle, number, attempts[i]);
        good = try && may_win(oracle, attempts[i].task, try);
    }
    /* quadratic, so only for partials of faulty clusters, which are small; large ones are caught by I1 in the sink */
    for (size_t i = 0; i < count && count < 2000 && good; i++)
        good = !named_before(attempts, i);
    for (size_t i = 0; i < count && good; i++)
        commit(oracle, attempts[i].task, held(oracle, number, attempts[i]));
    if (!good)
        oracle_returned(oracle, number, attempts, count);
    return good;
}
