/* scheduler_fixture.h - a scheduler, and what its last actions were. */
#ifndef MR_SCHEDULER_FIXTURE_H
#define MR_SCHEDULER_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "scheduler.h"

#define FIXTURE_ROOM 4096

/* A scheduler with long tasks: nothing is ever faster than 1 a second, so that windows are 2 a thread. */
typedef struct fixture {
    mr_scheduler_t *scheduler;
    mr_attempt_t sent[FIXTURE_ROOM]; /* by the last call of actions(), in order */
    uint32_t to[FIXTURE_ROOM];       /* the worker of each */
    size_t count;
    size_t messages;
    uint32_t flushed[64]; /* times each worker was asked to flush, in all */
    uint32_t dead;        /* the last worker told dead */
    size_t deaths;
    size_t failures;
    uint32_t failed;
    uint32_t aside; /* the last worker told set aside */
    size_t asides;
    bool alone;   /* of the last SEND by the last call of actions() */
    bool suspect; /* of the same */
} fixture_t;

static inline mr_scheduler_config_t usual(uint32_t tasks) {
    return (mr_scheduler_config_t){
        .tasks = tasks, .lease_ms = 10000, .max_attempts = 4, .max_credit = 64, .credit_ms = 100, .max_batch = 32};
}

static inline void begin_with(fixture_t *f, mr_scheduler_config_t config) {
    memset(f, 0, sizeof *f);
    f->scheduler = mr_scheduler_new(&config);
    assert_non_null(f->scheduler);
}

static inline void begin(fixture_t *f, uint32_t tasks) {
    begin_with(f, usual(tasks));
}

static inline void end(fixture_t *f) {
    assert_true(mr_scheduler_consistent(f->scheduler));
    mr_scheduler_destroy(&f->scheduler);
    assert_null(f->scheduler);
}

static inline void take(fixture_t *f, const mr_action_t *action) {
    for (size_t i = 0; action->kind == MR_ACTION_SEND && i < action->count; i++) {
        f->to[f->count] = action->worker;
        f->sent[f->count++] = action->attempts[i];
    }
    if (action->kind == MR_ACTION_SEND) {
        f->messages++;
        f->alone = action->alone;
        f->suspect = action->suspect;
    }
    f->flushed[action->worker % 64] += action->kind == MR_ACTION_FLUSH;
    f->deaths += action->kind == MR_ACTION_DEAD;
    f->failures += action->kind == MR_ACTION_FAIL;
    f->asides += action->kind == MR_ACTION_ASIDE;
    if (action->kind == MR_ACTION_ASIDE)
        f->aside = action->worker;
    if (action->kind == MR_ACTION_DEAD)
        f->dead = action->worker;
    if (action->kind == MR_ACTION_FAIL)
        f->failed = action->attempts[0].task;
}

static inline void actions(fixture_t *f, int64_t now) {
    mr_action_t action;
    f->count = f->messages = 0;
    f->alone = f->suspect = false;
    while (mr_scheduler_next(f->scheduler, now, &action))
        take(f, &action);
    assert_true(mr_scheduler_consistent(f->scheduler));
}

static inline void join(fixture_t *f, int64_t now, uint32_t worker, uint32_t threads) {
    assert_int_equal(mr_scheduler_join(f->scheduler, now, worker, threads, 0), 0);
    actions(f, now);
}

static inline void assert_counts(const fixture_t *f, uint32_t queued, uint32_t held, uint32_t committed) {
    mr_scheduler_stats_t stats = mr_scheduler_stats(f->scheduler);
    assert_int_equal(stats.queued, queued);
    assert_int_equal(stats.held, held);
    assert_int_equal(stats.committed, committed);
}

static inline uint64_t stale(const fixture_t *f) {
    return mr_scheduler_stats(f->scheduler).stale;
}

static inline void assert_sent(const fixture_t *f, size_t index, uint32_t worker, uint32_t task, uint32_t attempt) {
    assert_true(index < f->count);
    assert_int_equal(f->to[index], worker);
    assert_int_equal(f->sent[index].task, task);
    assert_int_equal(f->sent[index].attempt, attempt);
}

#endif
