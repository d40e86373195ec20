/* test_scheduler_reconcile.c - what a worker says it holds, and what an earlier life has committed. */
#include "scheduler_fixture.h"

static void report(fixture_t *f, uint32_t worker, const mr_attempt_t *running, size_t n, const mr_attempt_t *done,
                   size_t m) {
    mr_scheduler_reconcile(f->scheduler, 10, worker, running, n, done, m);
    assert_true(mr_scheduler_consistent(f->scheduler));
}

/* ---- restore ---- */

static void what_was_committed_is_not_sent(void **state) {
    (void) state;
    fixture_t f;
    mr_scheduler_config_t config = usual(6);
    config.first_attempt = 1000;
    begin_with(&f, config);
    mr_scheduler_restore(f.scheduler, 0);
    mr_scheduler_restore(f.scheduler, 2);
    mr_scheduler_restore(f.scheduler, 2);
    mr_scheduler_restore(f.scheduler, 6); /* no task */
    assert_true(mr_scheduler_consistent(f.scheduler));
    assert_counts(&f, 4, 0, 2);
    join(&f, 0, 1, 2);
    static const uint32_t tasks[] = {1, 3, 4};
    for (size_t i = 0; i < f.count; i++)
        assert_sent(&f, i, 1, tasks[i], 1000);
    assert_true(f.count >= 2);
    assert_int_equal(mr_scheduler_stats(f.scheduler).restored, 2);
    end(&f);
}

static void all_restored_is_finished(void **state) {
    (void) state;
    fixture_t f;
    begin(&f, 2);
    mr_scheduler_restore(f.scheduler, 1);
    mr_scheduler_restore(f.scheduler, 0);
    assert_true(mr_scheduler_finished(f.scheduler));
    assert_counts(&f, 0, 0, 2);
    join(&f, 0, 1, 1);
    assert_int_equal(f.count, 0);
    end(&f);
}

/* ---- a broken connection ---- */

static void what_was_lost_is_queued_again_uncounted(void **state) {
    (void) state;
    fixture_t f;
    mr_scheduler_config_t config = usual(4);
    config.max_attempts = 1;
    begin_with(&f, config);
    join(&f, 0, 1, 2);
    assert_int_equal(f.count, 2);
    uint32_t before = f.flushed[1];
    report(&f, 1, f.sent, 1, NULL, 0); /* the second never arrived */
    assert_counts(&f, 3, 1, 0);
    assert_int_equal(mr_scheduler_stats(f.scheduler).lost, 1);
    actions(&f, 10);
    assert_sent(&f, 0, 1, 1, 2);
    assert_int_equal(f.failures, 0);
    assert_int_equal(f.flushed[1], before);
    end(&f);
}

static void what_was_done_meanwhile_is_done(void **state) {
    (void) state;
    fixture_t f;
    begin(&f, 2);
    join(&f, 0, 1, 1);
    join(&f, 0, 2, 1);
    assert_int_equal(f.flushed[1], 1);
    mr_attempt_t held = {0, 1};
    report(&f, 1, NULL, 0, &held, 1);
    mr_scheduler_worker_t info;
    assert_true(mr_scheduler_worker(f.scheduler, 1, &info));
    assert_int_equal(info.running, 0);
    assert_int_equal(info.done, 1);
    actions(&f, 10);
    assert_int_equal(f.flushed[1], 2); /* the first may be lost */
    report(&f, 1, NULL, 0, &held, 1);  /* twice is once */
    assert_counts(&f, 0, 2, 0);
    assert_true(mr_scheduler_partial(f.scheduler, 11, 1, &held, 1));
    report(&f, 1, NULL, 0, &held, 1); /* its COMMITTED is not there yet */
    assert_counts(&f, 0, 1, 1);
    assert_int_equal(mr_scheduler_stats(f.scheduler).adopted, 0);
    end(&f);
}

/* ---- coming back ---- */

static void what_it_still_has_is_taken_up(void **state) {
    (void) state;
    fixture_t f;
    begin(&f, 6);
    join(&f, 0, 1, 1);
    mr_attempt_t had[2] = {f.sent[0], f.sent[1]};
    mr_scheduler_tick(f.scheduler, 10000);
    actions(&f, 10000);
    assert_counts(&f, 6, 0, 0);
    assert_int_equal(mr_scheduler_join(f.scheduler, 10001, 2, 1, 0), 0);
    report(&f, 2, had + 1, 1, had, 1);
    assert_counts(&f, 4, 2, 0);
    assert_int_equal(mr_scheduler_stats(f.scheduler).adopted, 2);
    assert_true(mr_scheduler_partial(f.scheduler, 10002, 2, had, 2));
    actions(&f, 10003);
    assert_sent(&f, 0, 2, 2, 1);
    end(&f);
}

/* Tasks taken up out of order are skipped by the counter of first attempts; when they are lost, they are sent all the same. */
static void tasks_of_an_earlier_life_are_taken_up(void **state) {
    (void) state;
    fixture_t f;
    mr_scheduler_config_t config = usual(8);
    config.first_attempt = 100;
    begin_with(&f, config);
    assert_int_equal(mr_scheduler_join(f.scheduler, 0, 1, 1, 0), 0);
    mr_attempt_t running[] = {{5, 3}}, done[] = {{0, 1}, {3, 99}, {3, 98}, {6, 100}, {6, 0}, {8, 1}};
    report(&f, 1, running, 1, done, 6);
    assert_counts(&f, 5, 3, 0);
    assert_int_equal(stale(&f), 4); /* taken up already; of no life so far; no attempt; no task */
    mr_scheduler_leave(f.scheduler, 11, 1, false);
    assert_true(mr_scheduler_consistent(f.scheduler));
    join(&f, 12, 2, 8);
    assert_int_equal(f.count, 8);
    bool seen[8] = {false};
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(f.sent[i].attempt, 100);
        assert_false(seen[f.sent[i].task]);
        seen[f.sent[i].task] = true;
    }
    end(&f);
}

static void what_is_committed_or_anothers_is_not(void **state) {
    (void) state;
    fixture_t f;
    begin(&f, 3);
    join(&f, 0, 1, 1);
    assert_int_equal(f.count, 2);
    assert_true(mr_scheduler_partial(f.scheduler, 1, 1, f.sent, 1));
    assert_int_equal(mr_scheduler_join(f.scheduler, 2, 2, 1, 0), 0);
    mr_attempt_t claims[] = {{0, 1}, {1, 1}};
    report(&f, 2, NULL, 0, claims, 2);
    assert_int_equal(stale(&f), 2);
    assert_int_equal(mr_scheduler_stats(f.scheduler).adopted, 0);
    assert_false(mr_scheduler_partial(f.scheduler, 3, 2, claims, 2));
    assert_counts(&f, 1, 1, 1);
    mr_scheduler_reconcile(f.scheduler, 4, 9, claims, 2, NULL, 0); /* nobody */
    assert_int_equal(stale(&f), 5);
    end(&f);
}

/* Threads that compute what is another's are busy until they report. */
static void foreign_attempts_keep_their_threads_busy(void **state) {
    (void) state;
    fixture_t f;
    begin(&f, 3);
    join(&f, 0, 1, 1);
    assert_int_equal(f.count, 2);
    assert_int_equal(mr_scheduler_join(f.scheduler, 2, 2, 1, 0), 0);
    mr_attempt_t claim = {0, 1};
    report(&f, 2, &claim, 1, NULL, 0);
    actions(&f, 10);
    assert_int_equal(f.count, 0);
    mr_scheduler_done(f.scheduler, 11, 2, &claim, 1);
    actions(&f, 11);
    assert_sent(&f, 0, 2, 2, 1);
    end(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_committed_is_not_sent),
        cmocka_unit_test(all_restored_is_finished),
        cmocka_unit_test(what_was_lost_is_queued_again_uncounted),
        cmocka_unit_test(what_was_done_meanwhile_is_done),
        cmocka_unit_test(what_it_still_has_is_taken_up),
        cmocka_unit_test(tasks_of_an_earlier_life_are_taken_up),
        cmocka_unit_test(what_is_committed_or_anothers_is_not),
        cmocka_unit_test(foreign_attempts_keep_their_threads_busy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
