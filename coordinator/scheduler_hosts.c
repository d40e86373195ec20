/* scheduler_hosts.c - owns the hosts and the records of what failed where: a task that failed goes to another host, and a
 * host on which everything fails is set aside.
 *
 * A host is never forgotten, so its index is its name here. A failure is a record in a list of its task. A record for
 * which there is no memory is missing: the failure counts, but may be repeated on the same host. */
#include "scheduler_private.h"

#include <stdlib.h>

#define MOST_LOOKED_AT 64

uint32_t mr_sched_host(mr_scheduler_t *scheduler, uint32_t number) {
    uint32_t count = scheduler->host_count;
    for (uint32_t i = 0; i < count; i++)
        if (scheduler->hosts[i].number == number)
            return i;
    if ((count & (count - 1)) == 0) { /* a power of two: full */
        mr_sched_host_t *hosts = realloc(scheduler->hosts, (count ? count * 2 : 1) * sizeof *hosts);
        if (!hosts)
            return MR_SCHED_NONE;
        scheduler->hosts = hosts;
    }
    scheduler->hosts[count] = (mr_sched_host_t){.number = number};
    return scheduler->host_count++;
}

void mr_sched_taker(mr_scheduler_t *scheduler, uint32_t index, int change) {
    mr_sched_host_t *host = &scheduler->hosts[index];
    bool took = host->takers && !host->aside;
    host->takers += (uint32_t) change;
    bool takes = host->takers && !host->aside;
    if (took == takes)
        return;
    scheduler->taking += takes ? 1u : UINT32_MAX;
    mr_sched_reconsider(scheduler);
}

/* ---- where a task may run ---- */

static bool failed_on(const mr_scheduler_t *scheduler, const mr_sched_task_t *task, uint32_t host) {
    for (uint32_t i = task->failure; i; i = scheduler->failures[i].next)
        if (scheduler->failures[i].host == host)
            return true;
    return false;
}

/* How many hosts that take tasks the task failed on. */
static uint32_t hosts_failed(mr_scheduler_t *scheduler, const mr_sched_task_t *task) {
    uint32_t count = 0;
    scheduler->marks++;
    for (uint32_t i = task->failure; i; i = scheduler->failures[i].next) {
        mr_sched_host_t *host = &scheduler->hosts[scheduler->failures[i].host];
        if (host->marked == scheduler->marks)
            continue;
        host->marked = scheduler->marks;
        count += host->takers && !host->aside;
    }
    return count;
}

bool mr_sched_may_run(mr_scheduler_t *scheduler, const mr_sched_task_t *task, uint32_t host) {
    if (scheduler->taking <= 1 || !failed_on(scheduler, task, host))
        return true;
    if (scheduler->now - mr_sched_since(scheduler, task) >= scheduler->config.lease_ms)
        return true;
    return hosts_failed(scheduler, task) == scheduler->taking && scheduler->failures[task->failure].host != host;
}

uint32_t mr_sched_suitable(mr_scheduler_t *scheduler, const mr_sched_list_t *list, uint32_t host) {
    uint32_t index = list->head;
    for (int i = 0; index != MR_SCHED_NONE && i < MOST_LOOKED_AT; i++) {
        if (mr_sched_may_run(scheduler, &scheduler->tasks[index], host))
            return index;
        index = scheduler->tasks[index].next;
    }
    return MR_SCHED_NONE;
}

static int64_t head_waited(const mr_scheduler_t *scheduler, const mr_sched_list_t *list) {
    int64_t lease = scheduler->config.lease_ms;
    if (list->head == MR_SCHED_NONE || lease > INT64_MAX / 2)
        return INT64_MAX;
    return mr_sched_since(scheduler, &scheduler->tasks[list->head]) + lease;
}

int64_t mr_sched_waited(const mr_scheduler_t *scheduler) {
    int64_t tried = head_waited(scheduler, &scheduler->tried);
    int64_t suspects = head_waited(scheduler, &scheduler->suspects);
    return tried < suspects ? tried : suspects;
}

/* ---- failures ---- */

static void record(mr_scheduler_t *scheduler, uint32_t host, mr_sched_task_t *task) {
    if (scheduler->failure_count + 1 >= scheduler->failure_room) {
        uint32_t room = scheduler->failure_room ? scheduler->failure_room * 2 : 64;
        mr_sched_failure_t *failures = realloc(scheduler->failures, room * sizeof *failures);
        if (!failures)
            return;
        scheduler->failures = failures;
        scheduler->failure_room = room;
    }
    scheduler->failures[++scheduler->failure_count] =
        (mr_sched_failure_t){mr_sched_index(scheduler, task), host, task->failure, !scheduler->hosts[host].aside};
    task->failure = scheduler->failure_count;
}

/* The task has not failed on another host, and stands for no incident yet. */
static bool is_evidence(const mr_scheduler_t *scheduler, const mr_sched_host_t *host, const mr_sched_task_t *task) {
    for (uint32_t i = task->failure; i; i = scheduler->failures[i].next)
        if (scheduler->failures[i].host != (uint32_t) (host - scheduler->hosts))
            return false;
    for (uint32_t i = 0; i < host->streak_count; i++)
        if (host->streak[i] == mr_sched_index(scheduler, task))
            return false;
    return host->streak_count < MR_SCHED_STREAK;
}

bool mr_sched_blame(mr_scheduler_t *scheduler, uint32_t index, mr_sched_task_t *task, bool evidence) {
    mr_sched_host_t *host = &scheduler->hosts[index];
    evidence = evidence && is_evidence(scheduler, host, task);
    if (evidence) {
        host->streak[host->streak_count++] = mr_sched_index(scheduler, task);
        scheduler->streaks += host->streak_count == MR_SCHED_STREAK;
    }
    record(scheduler, index, task);
    task->failures += !host->aside && task->failures < UINT16_MAX;
    return evidence;
}

static bool must_go(const mr_scheduler_t *scheduler, uint32_t index) {
    const mr_sched_host_t *host = &scheduler->hosts[index];
    if (host->aside || host->streak_count < MR_SCHED_STREAK)
        return false;
    for (uint32_t i = 0; i < scheduler->host_count; i++) {
        const mr_sched_host_t *other = &scheduler->hosts[i];
        if (i != index && other->takers && !other->aside && other->finished)
            return true;
    }
    return false;
}

static void end_streak(mr_scheduler_t *scheduler, mr_sched_host_t *host) {
    scheduler->streaks -= host->streak_count == MR_SCHED_STREAK;
    host->streak_count = 0;
}

void mr_sched_praise(mr_scheduler_t *scheduler, uint32_t index) {
    mr_sched_host_t *host = &scheduler->hosts[index];
    end_streak(scheduler, host);
    if (host->finished++ == 0 && scheduler->streaks)
        for (uint32_t i = 0; i < scheduler->host_count; i++)
            mr_sched_judge(scheduler, i);
}

/* ---- aside and back ---- */

/* The failure counts no more. A task that is queued may be no suspect then, and one that failed the job may not have. */
static void forgive(mr_scheduler_t *scheduler, mr_sched_failure_t *failure) {
    mr_sched_task_t *task = &scheduler->tasks[failure->task];
    bool queued = task->state == SCHED_QUEUED;
    if (queued)
        mr_sched_unlink(scheduler, mr_sched_queue_of(scheduler, task), task);
    failure->counted = false;
    task->failures--;
    if (queued)
        mr_sched_append(scheduler, mr_sched_queue_of(scheduler, task), task);
    if (scheduler->failed == failure->task && task->failures < scheduler->config.max_attempts && !scheduler->fail_told)
        scheduler->failed = MR_SCHED_NONE;
}

void mr_sched_judge(mr_scheduler_t *scheduler, uint32_t index) {
    if (!must_go(scheduler, index))
        return;
    mr_sched_host_t *host = &scheduler->hosts[index];
    scheduler->taking -= host->takers > 0;
    scheduler->aside++;
    host->aside = true;
    end_streak(scheduler, host);
    mr_sched_worker_t *worker;
    TAILQ_FOREACH(worker, &scheduler->leases, by_lease)
    if (worker->host == index)
        mr_sched_shelve(scheduler, worker);
    for (uint32_t i = 1; i <= scheduler->failure_count; i++)
        if (scheduler->failures[i].host == index && scheduler->failures[i].counted)
            forgive(scheduler, &scheduler->failures[i]);
    mr_sched_reconsider(scheduler);
}

static void use_again(mr_scheduler_t *scheduler, uint32_t index) {
    mr_sched_host_t *host = &scheduler->hosts[index];
    host->aside = false;
    end_streak(scheduler, host);
    scheduler->aside--;
    scheduler->taking += host->takers > 0;
    mr_sched_worker_t *worker;
    TAILQ_FOREACH(worker, &scheduler->leases, by_lease)
    if (worker->host == index)
        mr_sched_unshelve(scheduler, worker);
    mr_sched_reconsider(scheduler);
}

void mr_sched_relent(mr_scheduler_t *scheduler) {
    if (scheduler->taking || scheduler->aside == 0)
        return;
    for (uint32_t i = 0; i < scheduler->host_count; i++)
        if (scheduler->hosts[i].aside && scheduler->hosts[i].takers)
            use_again(scheduler, i);
}
