/* test_scheduler.c - each event's edge cases, by hand; histories by the thousand are in tests/sim. */
#include "scheduler_fixture.h"

/* ---- the happy path ---- */

static void a_job_from_join_to_commit(void **state) {
    (void) state;
    fixture_t f;
    begin(&f, 3);
    assert_counts(&f, 3, 0, 0);
    join(&f, 0, 5, 1);
    assert_int_equal(f.count, 2);
    assert_sent(&f, 0, 5, 0, 1);
    assert_sent(&f, 1, 5, 1, 1);
    mr_attempt_t all[] = {{0, 1}, {1, 1}, {2, 1}};
    mr_scheduler_done(f.scheduler, 900, 5, all, 1);
    actions(&f, 900);
    assert_int_equal(f.count, 0); /* the last task waits for a free thread: another worker may come */
    mr_scheduler_done(f.scheduler, 1000, 5, all + 1, 1);
    actions(&f, 1000);
    assert_sent(&f, 0, 5, 2, 1);
    assert_int_equal(f.flushed[5], 1); /* the last task is handed out */
    mr_scheduler_done(f.scheduler, 2000, 5, all + 2, 1);
    actions(&f, 2000);
    assert_int_equal(f.flushed[5], 2); /* and the worker has run dry */
    assert_counts(&f, 0, 3, 0);
    assert_true(mr_scheduler_partial(f.scheduler, 2001, 5, all, 3));
    assert_counts(&f, 0, 0, 3);
    assert_true(mr_scheduler_finished(f.scheduler));
    actions(&f, 2001);
    assert_int_equal(f.flushed[5], 2);
    assert_int_equal(stale(&f), 0);
    end(&f);
}

static void no_tasks_is_finished(void **state) {
    (void) state;
    fixture_t f;
    begin(&f, 0);
    assert_true(mr_scheduler_finished(f.scheduler));
    join(&f, 0, 1, 4);
    assert_int_equal(f.count + f.flushed[1], 0);
    end(&f);
    mr_scheduler_destroy(NULL);
}

/* ---- partials ---- */

static void a_partial_may_overtake_done(void **state) {
    (void) state;
    fixture_t f;
    begin(&f, 8);
    join(&f, 0, 1, 1);
    assert_true(mr_scheduler_partial(f.scheduler, 10, 1, f.sent, 2));
    mr_attempt_t first[2] = {f.sent[0], f.sent[1]};
    actions(&f, 10);
    assert_int_equal(f.count,
                     3); /* its credit came back with the partial; it had run dry, so it gets half of what is queued */
    mr_scheduler_done(f.scheduler, 11, 1, first, 2);
    assert_counts(&f, 3, 3, 2);
    assert_int_equal(stale(&f), 0);
    end(&f);
}

static void a_duplicate_partial_changes_nothing(void **state) {
    (void) state;
    fixture_t f;
    begin(&f, 4);
    join(&f, 0, 1, 1);
    mr_attempt_t both[2] = {{0, 1}, {1, 1}};
    assert_true(mr_scheduler_partial(f.scheduler, 10, 1, both, 2));
    assert_false(mr_scheduler_partial(f.scheduler, 11, 1, both, 2));
    assert_counts(&f, 2, 0, 2);
    assert_int_equal(mr_scheduler_stats(f.scheduler).discarded, 1);
    end(&f);
}

/* Sends a partial of two attempts, of which the first is held, and expects it whole in the queue again. */
static void expect_discarded_whole(mr_attempt_t second) {
    fixture_t f;
    begin(&f, 8);
    join(&f, 0, 1, 1);
    join(&f, 0, 2, 1);
    mr_attempt_t named[2] = {{0, 1}, second};
    assert_false(mr_scheduler_partial(f.scheduler, 10, 1, named, 2));
    assert_counts(&f, 5, 3, 0);
    assert_int_equal(stale(&f), 1);
    assert_int_equal(mr_scheduler_stats(f.scheduler).discarded, 1);
    actions(&f, 10);
    assert_sent(&f, 0, 1, 0, 2); /* before the first attempts */
    assert_false(mr_scheduler_partial(f.scheduler, 20, 1, (mr_attempt_t[]){{0, 1}}, 1));
    assert_true(mr_scheduler_partial(f.scheduler, 20, 1, (mr_attempt_t[]){{0, 2}}, 1));
    end(&f);
}

static void a_partial_is_committed_whole_or_not_at_all(void **state) {
    (void) state;
    expect_discarded_whole((mr_attempt_t){2, 1});          /* held by another */
    expect_discarded_whole((mr_attempt_t){1, 2});          /* another attempt */
    expect_discarded_whole((mr_attempt_t){1, 0});          /* no attempt */
    expect_discarded_whole((mr_attempt_t){0, 1});          /* named twice */
    expect_discarded_whole((mr_attempt_t){7, 1});          /* never sent */
    expect_discarded_whole((mr_attempt_t){8, 1});          /* no task */
    expect_discarded_whole((mr_attempt_t){UINT32_MAX, 1}); /* no task */
}

static void a_partial_of_nothing_or_nobody_is_discarded(void **state) {
    (void) state;
    fixture_t f;
    begin(&f, 4);
    join(&f, 0, 1, 1);
    assert_false(mr_scheduler_partial(f.scheduler, 1, 1, NULL, 0));
    assert_false(mr_scheduler_partial(f.scheduler, 1, 9, f.sent, 2));
    assert_counts(&f, 2, 2, 0);
    assert_true(mr_scheduler_partial(f.scheduler, 1, 1, f.sent, 2));
    end(&f);
}

static void a_damaged_partial_goes_back_to_the_queue(void **state) {
    (void) state;
    fixture_t f;
    begin(&f, 4);
    join(&f, 0, 1, 1);
    mr_scheduler_discard(f.scheduler, 1, 1, f.sent, 2);
    assert_counts(&f, 4, 0, 0);
    mr_scheduler_discard(f.scheduler, 1, 1, f.sent, 2); /* twice: nothing is held */
    assert_int_equal(mr_scheduler_stats(f.scheduler).discarded, 2);
    actions(&f, 1);
    assert_sent(&f, 0, 1, 0, 2);
    assert_sent(&f, 1, 1, 1, 2);
    assert_int_equal(mr_scheduler_stats(f.scheduler).retries, 2);
    end(&f);
}

/* ---- losing workers ---- */

static void what_a_lost_worker_held_goes_first_and_in_order(void **state) {
    (void) state;
    fixture_t f;
    begin(&f, 12);
    join(&f, 0, 1, 2);
    assert_int_equal(f.count, 4);
    mr_scheduler_done(f.scheduler, 1, 1, f.sent, 2); /* done is not committed: lost too */
    mr_scheduler_leave(f.scheduler, 2, 1, false);
    assert_counts(&f, 12, 0, 0);
    assert_int_equal(mr_scheduler_stats(f.scheduler).workers, 0);
    join(&f, 3, 2, 3);
    for (uint32_t i = 0; i < 6; i++)
        assert_sent(&f, i, 2, i, i < 4 ? 2 : 1);
    mr_scheduler_leave(f.scheduler, 4, 1, true); /* gone already */
    assert_int_equal(stale(&f), 1);
    end(&f);
}

static void a_silent_worker_is_dead_at_its_lease(void **state) {
    (void) state;
    fixture_t f;
    begin(&f, 4);
    assert_true(mr_scheduler_deadline(f.scheduler) == INT64_MAX);
    join(&f, 100, 1, 1);
    join(&f, 200, 2, 1);
    assert_int_equal(mr_scheduler_deadline(f.scheduler), 10100);
    mr_scheduler_alive(f.scheduler, 300, 1);
    assert_int_equal(mr_scheduler_deadline(f.scheduler), 10200);
    mr_scheduler_tick(f.scheduler, 10199);
    actions(&f, 10199);
    assert_int_equal(f.deaths, 0);
    mr_scheduler_tick(f.scheduler, 10200);
    assert_false(mr_scheduler_partial(f.scheduler, 10200, 2, (mr_attempt_t[]){{2, 1}}, 1)); /* too late */
    actions(&f, 10200);
    assert_int_equal(f.deaths, 1);
    assert_int_equal(f.dead, 2);
    assert_int_equal(mr_scheduler_deadline(f.scheduler), 10300);
    mr_scheduler_tick(f.scheduler, 99999);
    mr_scheduler_tick(f.scheduler, 50); /* time does not go back */
    actions(&f, 50);
    assert_int_equal(f.deaths, 2);
    assert_counts(&f, 4, 0, 0);
    end(&f);
}

/* ---- counting ---- */

static void a_task_that_fails_too_often_fails_the_job_once(void **state) {
    (void) state;
    fixture_t f;
    begin(&f, 1);
    join(&f, 0, 1, 1);
    for (uint32_t attempt = 1; attempt <= 4; attempt++) {
        assert_sent(&f, 0, 1, 0, attempt);
        mr_scheduler_failed(f.scheduler, attempt, 1, (mr_attempt_t){0, attempt + 1}); /* not held: not counted */
        mr_scheduler_failed(f.scheduler, attempt, 1, (mr_attempt_t){0, attempt});
        actions(&f, attempt);
    }
    assert_int_equal(f.failures, 1);
    assert_int_equal(f.failed, 0);
    assert_int_equal(f.count, 0); /* nothing is sent any more */
    actions(&f, 100);
    assert_int_equal(f.failures, 1);
    assert_int_equal(stale(&f), 4);
    end(&f);
}

/* Each death counts for as many tasks as the worker had threads; an uncounted one, and what only waited, for none. */
static void a_death_counts_what_was_running(void **state) {
    (void) state;
    fixture_t f;
    mr_scheduler_config_t config = usual(20);
    config.max_attempts = 1;
    for (int counted = 0; counted < 2; counted++) {
        begin_with(&f, config);
        join(&f, 0, 1, 2);
        mr_attempt_t done[] = {{0, 1}, {1, 1}, {2, 1}, {3, 1}};
        mr_scheduler_done(f.scheduler, 1, 1, done, 4);
        mr_scheduler_leave(f.scheduler, 2, 1, counted);
        actions(&f, 2);
        assert_int_equal(f.failures, 0); /* all were done */
        join(&f, 3, 2, 2);
        mr_scheduler_leave(f.scheduler, 4, 2, counted);
        actions(&f, 4);
        assert_int_equal(f.failures, counted);
        end(&f);
    }
}

static void a_suspect_runs_alone(void **state) {
    (void) state;
    fixture_t f;
    begin(&f, 40);
    for (uint32_t worker = 1; worker <= 2; worker++) { /* tasks 0 and 1 are running at both deaths */
        join(&f, worker, worker, 2);
        assert_sent(&f, 0, worker, 0, worker);
        mr_scheduler_leave(f.scheduler, worker, worker, true);
    }
    join(&f, 3, 3, 2);
    assert_int_equal(f.count, 1);
    assert_sent(&f, 0, 3, 0, 3);
    join(&f, 4, 4, 2);
    assert_int_equal(f.count, 1);
    assert_sent(&f, 0, 4, 1, 3);
    join(&f, 5, 5, 2);
    assert_int_equal(f.count, 4); /* no suspect is left: the usual */
    mr_scheduler_done(f.scheduler, 6, 4, (mr_attempt_t[]){{1, 3}}, 1);
    mr_scheduler_leave(f.scheduler, 6, 3, true);
    actions(&f, 6);
    assert_sent(&f, 0, 4, 0, 4); /* the idle worker takes it, before the tasks that were never tried */
    assert_int_equal(f.count, 1);
    mr_scheduler_leave(f.scheduler, 7, 4, true);
    actions(&f, 7);
    assert_int_equal(f.failures, 1);
    assert_int_equal(f.failed, 0);
    end(&f);
}

/* ---- drain ---- */

static void a_draining_worker_gets_nothing_and_may_finish(void **state) {
    (void) state;
    fixture_t f;
    begin(&f, 8);
    join(&f, 0, 1, 2);
    mr_attempt_t had[4];
    memcpy(had, f.sent, sizeof had);
    mr_scheduler_drain(f.scheduler, 1);
    mr_scheduler_drain(f.scheduler, 1); /* twice */
    mr_scheduler_drain(f.scheduler, 9); /* nobody */
    mr_scheduler_returned(f.scheduler, 1, 1, had + 2, 2);
    mr_scheduler_returned(f.scheduler, 1, 1, had + 2, 2);
    assert_int_equal(stale(&f), 3);
    assert_counts(&f, 6, 2, 0);
    actions(&f, 1);
    assert_int_equal(f.count, 0);
    mr_scheduler_done(f.scheduler, 2, 1, had, 2);
    actions(&f, 2);
    assert_int_equal(f.count, 0);
    assert_true(mr_scheduler_partial(f.scheduler, 3, 1, had, 2));
    mr_scheduler_leave(f.scheduler, 4, 1, false);
    join(&f, 5, 2, 1);
    assert_sent(&f, 0, 2, 2, 2);
    assert_sent(&f, 1, 2, 3, 2);
    assert_counts(&f, 4, 2, 2);
    end(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_from_join_to_commit),
        cmocka_unit_test(no_tasks_is_finished),
        cmocka_unit_test(a_partial_may_overtake_done),
        cmocka_unit_test(a_duplicate_partial_changes_nothing),
        cmocka_unit_test(a_partial_is_committed_whole_or_not_at_all),
        cmocka_unit_test(a_partial_of_nothing_or_nobody_is_discarded),
        cmocka_unit_test(a_damaged_partial_goes_back_to_the_queue),
        cmocka_unit_test(what_a_lost_worker_held_goes_first_and_in_order),
        cmocka_unit_test(a_silent_worker_is_dead_at_its_lease),
        cmocka_unit_test(a_task_that_fails_too_often_fails_the_job_once),
        cmocka_unit_test(a_death_counts_what_was_running),
        cmocka_unit_test(a_suspect_runs_alone),
        cmocka_unit_test(a_draining_worker_gets_nothing_and_may_finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
