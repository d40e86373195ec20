/* test_scheduler_actions.c - how many tasks go to whom, and when partials are asked for. */
#include "scheduler_fixture.h"

/* ---- credit ---- */

static void credit_follows_the_pace(void **state) {
    (void) state;
    static fixture_t f;
    mr_scheduler_config_t config = usual(1000000);
    config.max_credit = 1000;
    begin_with(&f, config);
    join(&f, 0, 1, 1);
    size_t undone = f.count;
    for (int64_t now = 1; now < 100; now++) { /* all it was sent last, every millisecond */
        undone -= f.count;
        mr_scheduler_done(f.scheduler, now, 1, f.sent, f.count);
        actions(&f, now);
        undone += f.count;
    }
    assert_in_range(undone, 750, 1000); /* max_credit, but for a quarter; in batches of at most 32 */
    assert_true(f.count > 500 && f.messages == (f.count + 31) / 32);
    mr_scheduler_done(f.scheduler, 100, 1, f.sent, 10);
    actions(&f, 100);
    assert_int_equal(f.count, 0); /* not a quarter of the window is free */
    end(&f);
}

/* Its round trip takes a second, and it does all it has in less: at no pace would its window grow. */
static void one_that_runs_dry_gets_twice_as_many(void **state) {
    (void) state;
    static fixture_t f;
    begin(&f, 100000);
    join(&f, 0, 1, 1);
    size_t window = 2;
    for (int64_t now = 1000; now <= 8000; now += 1000) {
        assert_int_equal(f.count, window);
        mr_scheduler_done(f.scheduler, now, 1, f.sent, f.count);
        actions(&f, now);
        window = 2 * window < 64 ? 2 * window : 64; /* max_credit */
    }
    mr_attempt_t held[64];
    memcpy(held, f.sent, sizeof held);
    for (int64_t now = 9000; now < 40 * 1000; now += 1000) { /* now one a second: what is not needed wears off */
        mr_scheduler_done(f.scheduler, now, 1, held, 1);
        memmove(held, held + 1, sizeof held - sizeof *held);
        actions(&f, now);
    }
    mr_scheduler_worker_t worker;
    assert_true(mr_scheduler_worker(f.scheduler, 1, &worker));
    assert_in_range(worker.running, 20, 64 - 30); /* it was sent little or nothing meanwhile */
    end(&f);
}

static void the_tail_is_shared(void **state) {
    (void) state;
    fixture_t f;
    begin(&f, 10);
    for (uint32_t worker = 1; worker <= 4; worker++)
        assert_int_equal(mr_scheduler_join(f.scheduler, 0, worker, 2, 0), 0);
    actions(&f, 0);
    assert_int_equal(f.count, 8);
    for (uint32_t i = 0; i < 8; i++)
        assert_int_equal(f.to[i], 1 + i / 2); /* one a thread for each, not two */
    end(&f);
}

static void odd_configurations_work(void **state) {
    (void) state;
    fixture_t f;
    begin_with(&f, (mr_scheduler_config_t){.tasks = 3, .lease_ms = INT64_MAX});
    join(&f, 5, 1, 0);
    assert_int_equal(f.count, 1);
    assert_true(mr_scheduler_deadline(f.scheduler) == INT64_MAX);
    join(&f, 5, 1, 7); /* joined already */
    join(&f, 5, UINT32_MAX, UINT32_MAX);
    assert_int_equal(f.count, 1);
    assert_int_equal(mr_scheduler_stats(f.scheduler).workers, 2);
    assert_int_equal(stale(&f), 1);
    end(&f);
}

static void many_workers_come_and_go(void **state) {
    (void) state;
    static fixture_t f;
    mr_scheduler_config_t config = usual(3000);
    begin_with(&f, config);
    for (uint32_t worker = 0; worker < 1000; worker++)
        assert_int_equal(mr_scheduler_join(f.scheduler, 0, worker * 7919u, 1, worker % 7), 0);
    actions(&f, 0);
    for (uint32_t worker = 0; worker < 1000; worker += 2)
        mr_scheduler_leave(f.scheduler, 1, worker * 7919u, true);
    assert_true(mr_scheduler_consistent(f.scheduler));
    actions(&f, 1);
    assert_int_equal(mr_scheduler_stats(f.scheduler).workers, 500);
    for (uint32_t worker = 1; worker < 1000; worker += 2)
        mr_scheduler_leave(f.scheduler, 1, worker * 7919u, false);
    assert_counts(&f, 3000, 0, 0);
    assert_int_equal(stale(&f), 0);
    end(&f);
}

/* ---- flush ---- */

static void a_lost_flush_is_repeated(void **state) {
    (void) state;
    fixture_t f;
    begin(&f, 1);
    join(&f, 0, 1, 1);
    assert_int_equal(f.flushed[1], 1);
    mr_scheduler_alive(f.scheduler, 9999, 1);
    actions(&f, 9999);
    assert_int_equal(f.flushed[1], 1);
    mr_scheduler_alive(f.scheduler, 10000, 1);
    actions(&f, 10000);
    assert_int_equal(f.flushed[1], 2);
    assert_true(mr_scheduler_partial(f.scheduler, 10001, 1, (mr_attempt_t[]){{0, 1}}, 1));
    mr_scheduler_alive(f.scheduler, 20001, 1);
    actions(&f, 20001);
    assert_int_equal(f.flushed[1], 2); /* holds nothing */
    end(&f);
}

static void tasks_sent_after_a_flush_are_flushed_again(void **state) {
    (void) state;
    fixture_t f;
    begin(&f, 2);
    join(&f, 0, 1, 1);
    join(&f, 0, 2, 1);
    assert_int_equal(f.flushed[1] + f.flushed[2], 2);
    assert_true(mr_scheduler_partial(f.scheduler, 1, 1, (mr_attempt_t[]){{0, 1}}, 1));
    actions(&f, 1);
    mr_scheduler_leave(f.scheduler, 2, 2, false);
    actions(&f, 2);
    assert_sent(&f, 0, 1, 1, 2);
    assert_int_equal(f.flushed[1], 2);
    end(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_runs_dry_gets_twice_as_many),
        cmocka_unit_test(credit_follows_the_pace),
        cmocka_unit_test(the_tail_is_shared),
        cmocka_unit_test(odd_configurations_work),
        cmocka_unit_test(many_workers_come_and_go),
        cmocka_unit_test(a_lost_flush_is_repeated),
        cmocka_unit_test(tasks_sent_after_a_flush_are_flushed_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
