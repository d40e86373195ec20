/* scheduler_workers.c - the books of workers: a hash table by number, and the queues by lease, hunger and flush.
 *
 * A worker enters once and leaves once; what arrives under its number afterwards finds nothing. Entering is the only
 * thing that needs memory, and changes nothing when there is none. */
#include "scheduler_private.h"

#include <stdlib.h>

/* Fibonacci hashing: numbers that count up, the usual case, spread over the table. */
static uint32_t slot_of(uint32_t number, uint32_t capacity) {
    return (uint32_t) ((number * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & (capacity - 1);
}

/* The slot that holds `number`, or the empty one where it would go. */
static uint32_t probe(mr_sched_worker_t *const *table, uint32_t capacity, uint32_t number) {
    uint32_t slot = slot_of(number, capacity);
    while (table[slot] && table[slot]->number != number)
        slot = (slot + 1) & (capacity - 1);
    return slot;
}

mr_sched_worker_t *mr_sched_find(const mr_scheduler_t *scheduler, uint32_t number) {
    return scheduler->capacity ? scheduler->table[probe(scheduler->table, scheduler->capacity, number)] : NULL;
}

/* Keeps the table at most half full. */
static int grow(mr_scheduler_t *scheduler) {
    if (scheduler->workers < scheduler->capacity / 2)
        return 0;
    uint32_t capacity = scheduler->capacity ? scheduler->capacity * 2 : 16;
    mr_sched_worker_t **table = calloc(capacity, sizeof *table);
    if (!table)
        return -1;
    for (uint32_t i = 0; i < scheduler->capacity; i++)
        if (scheduler->table[i])
            table[probe(table, capacity, scheduler->table[i]->number)] = scheduler->table[i];
    free(scheduler->table);
    scheduler->table = table;
    scheduler->capacity = capacity;
    return 0;
}

/* Empties the worker's slot and moves up those behind it that a probe would no longer reach. */
static void forget(mr_scheduler_t *scheduler, uint32_t number) {
    uint32_t mask = scheduler->capacity - 1;
    uint32_t hole = probe(scheduler->table, scheduler->capacity, number);
    for (uint32_t next = (hole + 1) & mask; scheduler->table[next]; next = (next + 1) & mask) {
        uint32_t home = slot_of(scheduler->table[next]->number, scheduler->capacity);
        if (((next - home) & mask) < ((next - hole) & mask))
            continue;
        scheduler->table[hole] = scheduler->table[next];
        hole = next;
    }
    scheduler->table[hole] = NULL;
    scheduler->workers--;
}

static void begin_taking(mr_scheduler_t *scheduler, mr_sched_worker_t *worker) {
    scheduler->threads += worker->threads;
    scheduler->pace += worker->pace;
    mr_sched_hungry(scheduler, worker);
}

mr_sched_worker_t *mr_sched_enter(mr_scheduler_t *scheduler, uint32_t number, uint32_t threads, uint32_t host) {
    mr_sched_worker_t *worker = calloc(1, sizeof *worker);
    if (!worker || grow(scheduler)) {
        free(worker);
        return NULL;
    }
    worker->number = number;
    worker->threads = threads;
    worker->host = host;
    worker->depth = 2.0 * threads;
    worker->heard_at = scheduler->now;
    worker->flushed_at = scheduler->now;
    mr_sched_list_init(&worker->running);
    mr_sched_list_init(&worker->done);
    scheduler->table[probe(scheduler->table, scheduler->capacity, number)] = worker;
    scheduler->workers++;
    scheduler->hosts[host].workers++;
    TAILQ_INSERT_TAIL(&scheduler->leases, worker, by_lease);
    mr_sched_taker(scheduler, host, 1);
    begin_taking(scheduler, worker);
    return worker;
}

void mr_sched_exit(mr_scheduler_t *scheduler, mr_sched_worker_t *worker) {
    mr_sched_retire(scheduler, worker);
    if (worker->untold)
        TAILQ_REMOVE(&scheduler->untold, worker, by_hunger);
    if (worker->unflushed)
        TAILQ_REMOVE(&scheduler->unflushed, worker, by_flush);
    TAILQ_REMOVE(&scheduler->leases, worker, by_lease);
    scheduler->hosts[worker->host].workers--;
    forget(scheduler, worker->number);
}

/* ---- who takes tasks ---- */

bool mr_sched_takes(const mr_sched_worker_t *worker) {
    return !worker->draining && !worker->aside;
}

static void end_taking(mr_scheduler_t *scheduler, mr_sched_worker_t *worker) {
    scheduler->threads -= worker->threads;
    scheduler->pace -= worker->pace;
    if (scheduler->threads == 0)
        scheduler->pace = 0; /* no worker is left: what remains is rounding */
    mr_sched_sated(scheduler, worker);
    mr_sched_unreserve(scheduler, worker);
}

void mr_sched_retire(mr_scheduler_t *scheduler, mr_sched_worker_t *worker) {
    if (worker->draining)
        return;
    if (!worker->aside)
        end_taking(scheduler, worker);
    worker->draining = true;
    mr_sched_taker(scheduler, worker->host, -1);
}

void mr_sched_shelve(mr_scheduler_t *scheduler, mr_sched_worker_t *worker) {
    if (mr_sched_takes(worker))
        end_taking(scheduler, worker);
    worker->aside = true;
    worker->untold = true;
    TAILQ_INSERT_TAIL(&scheduler->untold, worker, by_hunger);
}

void mr_sched_unshelve(mr_scheduler_t *scheduler, mr_sched_worker_t *worker) {
    if (worker->untold)
        TAILQ_REMOVE(&scheduler->untold, worker, by_hunger);
    worker->untold = worker->aside = false;
    if (!worker->draining)
        begin_taking(scheduler, worker);
}

/* ---- queues ---- */

void mr_sched_hungry(mr_scheduler_t *scheduler, mr_sched_worker_t *worker) {
    if (worker->alone || !mr_sched_takes(worker))
        return;
    int64_t soon = scheduler->search_at > scheduler->now ? scheduler->search_at : scheduler->now;
    if (scheduler->backup_at > soon)
        scheduler->backup_at = soon; /* a thread may be idle that was not */
    if (worker->hungry)
        return;
    worker->hungry = true;
    TAILQ_INSERT_TAIL(&scheduler->hungry, worker, by_hunger);
}

void mr_sched_sated(mr_scheduler_t *scheduler, mr_sched_worker_t *worker) {
    if (!worker->hungry)
        return;
    struct mr_sched_queue *queue = worker->passed ? &scheduler->passed : &scheduler->hungry;
    worker->hungry = worker->passed = false;
    TAILQ_REMOVE(queue, worker, by_hunger);
}

void mr_sched_pass(mr_scheduler_t *scheduler, mr_sched_worker_t *worker) {
    mr_sched_sated(scheduler, worker);
    worker->hungry = worker->passed = true;
    TAILQ_INSERT_TAIL(&scheduler->passed, worker, by_hunger);
}

void mr_sched_reconsider(mr_scheduler_t *scheduler) {
    mr_sched_worker_t *worker;
    while ((worker = TAILQ_FIRST(&scheduler->passed))) {
        mr_sched_sated(scheduler, worker);
        mr_sched_hungry(scheduler, worker);
    }
}

void mr_sched_unflushed(mr_scheduler_t *scheduler, mr_sched_worker_t *worker) {
    if (worker->unflushed)
        return;
    worker->unflushed = true;
    TAILQ_INSERT_TAIL(&scheduler->unflushed, worker, by_flush);
}

/* A worker that runs dry though tasks are queued has done its window in less than a round trip, whatever its pace was: it gets twice as much, or
 * a coordinator that is late, with many workers, would be asked for tasks ever more often and be ever later. What is not needed wears
 * off. */
static void deepen(const mr_scheduler_t *scheduler, mr_sched_worker_t *worker) {
    double least = 2.0 * worker->threads, most = scheduler->config.max_credit;
    if (worker->running.count || worker->reserved || !mr_sched_queued(scheduler))
        worker->depth -= (worker->depth - least) / 16;
    else
        worker->depth = 2 * worker->depth < most ? 2 * worker->depth : most;
}

/* An exponential average in continuous time, with credit_ms as its memory. Each task finished adds one to the window and
 * time wears it down, so a window that is too small doubles every round trip, and a burst never adds more than it is. */
void mr_sched_pace(mr_scheduler_t *scheduler, mr_sched_worker_t *worker, size_t finished) {
    double memory = (double) scheduler->config.credit_ms;
    double elapsed = (double) (scheduler->now - worker->paced_at);
    double pace = (worker->pace + (double) finished) * memory / (memory + elapsed);
    if (mr_sched_takes(worker))
        scheduler->pace += pace - worker->pace;
    worker->pace = pace;
    worker->paced_at = scheduler->now;
    deepen(scheduler, worker);
}

void mr_sched_unreserve(mr_scheduler_t *scheduler, mr_sched_worker_t *worker) {
    scheduler->reserved -= worker->reserved;
    worker->reserved = false;
}

void mr_sched_unghost(mr_scheduler_t *scheduler, mr_sched_worker_t *worker) {
    if (worker->ghosts == 0)
        return;
    worker->ghosts--;
    mr_sched_hungry(scheduler, worker);
}
