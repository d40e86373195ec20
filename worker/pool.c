#include "pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "units.h"

#define EAGER_MS 50 /* results that are waited for are sent when they are so old */

typedef struct lane {
    struct mr_pool *pool;
    mr_slot_t slot;
    pthread_t thread;
    bool open;             /* the slot has a partial to flush */
    bool running;          /* a task */
    bool abandoned;        /* nobody waits for it any more */
    bool ended;            /* its thread */
    const mr_spec_t *spec; /* of the task */
    mr_attempt_t attempt;  /* at it */
    int64_t began_ms;      /* when it began */
    bool cut;              /* the open partial is to be flushed before another task */
    mr_relay_t *relay;     /* of another lane, which this one serves */
} lane_t;

struct mr_pool {
    mr_workshop_t *shop;
    pthread_mutex_t lock; /* over all below */
    pthread_cond_t changed;
    mr_queue_t queue;
    uint64_t flush_at; /* flush when so many tasks have arrived; UINT64_MAX: not asked for */
    bool draining;
    bool stop;
    size_t held_limit; /* begin no task while more bytes of partials wait to be committed */
    uint32_t count;    /* threads started */
    lane_t lanes[];
};

typedef enum step { STEP_RUN, STEP_FLUSH, STEP_SERVE, STEP_STOP } step_t;

static bool flush_due(const mr_pool_t *pool) {
    return pool->shop->limits->eager || pool->draining || pool->flush_at == pool->queue.received;
}

static void wake(mr_pool_t *pool) {
    pthread_cond_broadcast(&pool->changed);
    pthread_mutex_unlock(&pool->lock);
}

/* A lane whose file this one can help with. */
static bool find_relay(mr_pool_t *pool, lane_t *lane) {
    for (uint32_t i = 0; i < pool->count; i++) {
        lane_t *other = &pool->lanes[i];
        if (other != lane && other->running && mr_relay_join(&other->slot.relay)) {
            lane->relay = &other->slot.relay;
            return true;
        }
    }
    return false;
}

/* Whoever waits for a result shall not wait for tasks of others that are queued here. */
static bool result_due(const lane_t *lane) {
    return lane->pool->shop->limits->eager && mr_clock_ms() - lane->slot.opened_ms >= EAGER_MS;
}

/* Under the lock. False: wait. */
static bool find_step(mr_pool_t *pool, lane_t *lane, mr_ticket_t *ticket, step_t *step) {
    if (pool->stop) {
        *step = STEP_STOP;
        return true;
    }
    *step = STEP_FLUSH;
    if (lane->open && (lane->cut || result_due(lane)))
        return true;
    *step = STEP_RUN;
    if (atomic_load(&pool->shop->held) <= pool->held_limit && mr_queue_take(&pool->queue, ticket)) {
        atomic_store(&pool->shop->waiting, pool->queue.size);
        lane->running = true;
        lane->attempt = (mr_attempt_t){ticket->spec->task, ticket->spec->attempt};
        lane->spec = ticket->spec;
        lane->began_ms = mr_clock_ms();
        return true;
    }
    *step = STEP_FLUSH;
    if (lane->open && !pool->queue.size && flush_due(pool))
        return true;
    *step = STEP_SERVE;
    return !pool->queue.size && find_relay(pool, lane);
}

static step_t next_step(mr_pool_t *pool, lane_t *lane, mr_ticket_t *ticket) {
    step_t step;
    pthread_mutex_lock(&pool->lock);
    lane->open = lane->slot.partial != NULL;
    lane->cut = lane->cut && lane->open;
    while (!find_step(pool, lane, ticket, &step))
        pthread_cond_wait(&pool->changed, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
    return step;
}

/* The spec may be looked at while the lane is running, so it is released after that. */
static void run_task(lane_t *lane, mr_ticket_t *ticket) {
    mr_slot_run(&lane->slot, ticket->spec);
    pthread_mutex_lock(&lane->pool->lock);
    lane->running = false;
    lane->open = lane->slot.partial != NULL;
    pthread_mutex_unlock(&lane->pool->lock);
    mr_ticket_release(ticket);
}

static void *end_lane(lane_t *lane) {
    pthread_mutex_lock(&lane->pool->lock);
    lane->ended = true;
    pthread_mutex_unlock(&lane->pool->lock);
    return NULL;
}

static void *lane_main(void *argument) {
    lane_t *lane = argument;
    mr_ticket_t ticket;
    for (;;) {
        switch (next_step(lane->pool, lane, &ticket)) {
        case STEP_RUN:
            run_task(lane, &ticket);
            break;
        case STEP_FLUSH:
            mr_slot_flush(&lane->slot);
            break;
        case STEP_SERVE:
            mr_relay_serve(lane->relay);
            break;
        case STEP_STOP:
            return end_lane(lane);
        }
    }
}

static int start_lane(mr_pool_t *pool, mr_error_t *error) {
    lane_t *lane = &pool->lanes[pool->count];
    lane->pool = pool;
    int failed = mr_slot_init(&lane->slot, pool->shop, error);
    if (!failed && (failed = pthread_create(&lane->thread, NULL, lane_main, lane)))
        mr_error_set(error, MR_STATUS_JOB, "cannot start a thread: %s", strerror(failed));
    if (failed) {
        mr_slot_close(&lane->slot);
        return -1;
    }
    pthread_mutex_lock(&pool->lock);
    pool->count++; /* from now on the lanes before it may serve it */
    pthread_mutex_unlock(&pool->lock);
    return 0;
}

static void call_mates(void *argument) {
    mr_pool_t *pool = argument;
    pthread_mutex_lock(&pool->lock);
    wake(pool);
}

mr_pool_t *mr_pool_new(mr_workshop_t *shop, uint32_t threads, mr_error_t *error) {
    mr_pool_t *pool = calloc(1, sizeof *pool + threads * sizeof *pool->lanes);
    if (!pool) {
        mr_error_memory(error, "starting threads");
        return NULL;
    }
    pool->shop = shop;
    shop->pool = pool;
    shop->call_mates = call_mates;
    pool->flush_at = UINT64_MAX;
    pool->held_limit = 2 * (size_t) threads * shop->limits->table_memory;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->changed, NULL);
    for (uint32_t i = 0; i < threads; i++)
        if (start_lane(pool, error)) {
            mr_pool_destroy(&pool);
            return NULL;
        }
    return pool;
}

static void stop(mr_pool_t *pool) {
    atomic_store(&pool->shop->stop, true);
    pthread_mutex_lock(&pool->lock);
    pool->stop = true;
    wake(pool);
}

static bool all_ended(mr_pool_t *pool) {
    bool ended = true;
    pthread_mutex_lock(&pool->lock);
    for (uint32_t i = 0; i < pool->count; i++)
        ended = ended && pool->lanes[i].ended;
    pthread_mutex_unlock(&pool->lock);
    return ended;
}

bool mr_pool_stop(mr_pool_t *pool, int64_t patience_ms) {
    struct timespec moment = {0, 1000000};
    int64_t deadline = mr_clock_ms() + patience_ms;
    stop(pool);
    while (!all_ended(pool)) {
        if (mr_clock_ms() >= deadline)
            return false;
        nanosleep(&moment, NULL);
    }
    return true;
}

void mr_pool_destroy(mr_pool_t **pool) {
    mr_pool_t *self = *pool;
    mr_ticket_t ticket;
    if (!self)
        return;
    stop(self);
    for (uint32_t i = 0; i < self->count; i++) {
        pthread_join(self->lanes[i].thread, NULL);
        mr_slot_close(&self->lanes[i].slot);
    }
    while (mr_queue_take(&self->queue, &ticket))
        mr_ticket_release(&ticket);
    pthread_cond_destroy(&self->changed);
    pthread_mutex_destroy(&self->lock);
    free(self);
    *pool = NULL;
}

int mr_pool_give(mr_pool_t *pool, mr_message_t *tasks) {
    pthread_mutex_lock(&pool->lock);
    int failed = mr_queue_put(&pool->queue, tasks);
    atomic_store(&pool->shop->waiting, pool->queue.size);
    wake(pool);
    return failed;
}

void mr_pool_flush(mr_pool_t *pool, uint64_t sent) {
    pthread_mutex_lock(&pool->lock);
    pool->flush_at = sent;
    wake(pool);
}

void mr_pool_expect_anew(mr_pool_t *pool) {
    pthread_mutex_lock(&pool->lock);
    pool->queue.received = 0;
    pool->flush_at = UINT64_MAX;
    pthread_mutex_unlock(&pool->lock);
}

void mr_pool_cut(mr_pool_t *pool) {
    pthread_mutex_lock(&pool->lock);
    for (uint32_t i = 0; i < pool->count; i++)
        pool->lanes[i].cut = true;
    wake(pool);
}

int mr_pool_drain(mr_pool_t *pool, mr_attempts_t *returned) {
    mr_ticket_t ticket;
    int failed = 0;
    pthread_mutex_lock(&pool->lock);
    pool->draining = true;
    while (mr_queue_take(&pool->queue, &ticket)) {
        failed |= mr_attempts_add(returned, (mr_attempt_t){ticket.spec->task, ticket.spec->attempt});
        mr_ticket_release(&ticket);
    }
    atomic_store(&pool->shop->waiting, 0);
    wake(pool);
    return failed;
}

static bool is_overdue(const lane_t *lane, int64_t now) {
    int64_t timed = atomic_load(&lane->slot.timed);
    return lane->running && !lane->abandoned && timed && now - timed >= lane->pool->shop->limits->task_timeout_ms;
}

static void describe_overdue(const lane_t *lane, mr_error_t *error) {
    char limit[32];
    const mr_spec_t *spec = lane->spec;
    mr_format_time(limit, lane->pool->shop->limits->task_timeout_ms);
    if (spec->segment_count)
        mr_error_set(error, MR_STATUS_JOB, "%s:%llu: it ran longer than --task-timeout %s", spec->segments[0].path,
                     (unsigned long long) spec->segments[0].start, limit);
    else
        mr_error_set(error, MR_STATUS_JOB, "task %u: it ran longer than --task-timeout %s", spec->task, limit);
}

bool mr_pool_overdue(mr_pool_t *pool, int64_t now, mr_attempt_t *attempt, mr_error_t *error) {
    bool found = false;
    if (!pool->shop->limits->task_timeout_ms)
        return false;
    pthread_mutex_lock(&pool->lock);
    for (uint32_t i = 0; !found && i < pool->count; i++) {
        lane_t *lane = &pool->lanes[i];
        if (!is_overdue(lane, now))
            continue;
        found = lane->abandoned = true;
        atomic_store(&lane->slot.fate, MR_SLOT_DISOWNED);
        *attempt = lane->attempt;
        describe_overdue(lane, error);
    }
    pthread_mutex_unlock(&pool->lock);
    return found;
}

void mr_pool_give_up(mr_pool_t *pool) {
    pthread_mutex_lock(&pool->lock);
    for (uint32_t i = 0; i < pool->count; i++) {
        int goes_on = MR_SLOT_GOES_ON;
        if (pool->lanes[i].running)
            atomic_compare_exchange_strong(&pool->lanes[i].slot.fate, &goes_on, MR_SLOT_GIVEN_UP);
    }
    pthread_mutex_unlock(&pool->lock);
}

void mr_pool_abandon(mr_pool_t *pool) {
    pthread_mutex_lock(&pool->lock);
    for (uint32_t i = 0; i < pool->count; i++)
        pool->lanes[i].abandoned |= pool->lanes[i].running;
    pthread_mutex_unlock(&pool->lock);
}

bool mr_pool_idle(mr_pool_t *pool) {
    pthread_mutex_lock(&pool->lock);
    bool idle = !pool->queue.size;
    for (uint32_t i = 0; i < pool->count; i++)
        idle = idle && (pool->lanes[i].abandoned || (!pool->lanes[i].running && !pool->lanes[i].open));
    pthread_mutex_unlock(&pool->lock);
    return idle;
}

void mr_pool_release(mr_pool_t *pool, size_t bytes) {
    pthread_mutex_lock(&pool->lock);
    atomic_fetch_sub(&pool->shop->held, bytes);
    wake(pool);
}

size_t mr_pool_running(mr_pool_t *pool, mr_running_t *running) {
    size_t count = 0;
    int64_t now = mr_clock_ms();
    pthread_mutex_lock(&pool->lock);
    for (uint32_t i = 0; i < pool->count; i++) {
        const lane_t *lane = &pool->lanes[i];
        if (lane->running && !lane->abandoned)
            running[count++] = (mr_running_t){lane->attempt.task, lane->attempt.attempt,
                                              atomic_load_explicit(&lane->slot.bytes, memory_order_relaxed),
                                              (uint64_t) (now - lane->began_ms)};
    }
    pthread_mutex_unlock(&pool->lock);
    return count;
}
