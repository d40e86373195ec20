/* test_scheduler_backup.c - backup attempts: when, to whom, and which attempt wins. */
#include "scheduler_fixture.h"

/* Three tasks on three workers of one thread; 1 and 2 have done theirs in 100 ms, 3 runs task 2. */
static void begin_tail(fixture_t *f, uint32_t max_attempts) {
    mr_scheduler_config_t config = usual(3);
    config.backup_floor_ms = 50;
    config.silent_ms = 1000;
    config.max_attempts = max_attempts;
    begin_with(f, config);
    for (uint32_t worker = 1; worker <= 3; worker++)
        assert_int_equal(mr_scheduler_join(f->scheduler, 0, worker, 1, 0), 0);
    actions(f, 0);
    for (uint32_t worker = 1; worker <= 2; worker++)
        assert_true(mr_scheduler_partial(f->scheduler, 100, worker, (mr_attempt_t[]){{worker - 1, 1}}, 1));
    actions(f, 100);
    assert_counts(f, 0, 1, 2);
}

/* The same, and a backup of task 2 is on worker 1, as attempt 2. */
static void begin_backup(fixture_t *f) {
    begin_tail(f, 4);
    actions(f, 170);
    assert_sent(f, 0, 1, 2, 2);
    assert_true(f->alone);
}

static const mr_attempt_t primary = {2, 1}, backup = {2, 2};

static void an_overdue_attempt_gets_one_backup(void **state) {
    (void) state;
    fixture_t f;
    begin_tail(&f, 4);
    int64_t due = mr_scheduler_deadline(f.scheduler);
    assert_in_range(due, 150, 168); /* 1.5 x 100 ms, in buckets */
    uint32_t flushed = f.flushed[1];
    actions(&f, due - 1);
    assert_int_equal(f.count, 0);
    actions(&f, due);
    assert_int_equal(f.count, 1);
    assert_sent(&f, 0, 1, 2, 2);
    assert_true(f.alone && !f.suspect);
    assert_int_equal(f.flushed[1], flushed + 1); /* so that it sends it at once */
    assert_counts(&f, 0, 1, 2);
    for (int64_t now = due + 1; now < 900; now += 10) {
        actions(&f, now);
        assert_int_equal(f.count, 0);
    }
    assert_int_equal(mr_scheduler_stats(f.scheduler).backups, 1);
    end(&f);
}

/* A worker that stops with many tasks: whoever ends one backup gets the next at once. */
static void the_next_backup_does_not_wait(void **state) {
    (void) state;
    fixture_t f;
    mr_scheduler_config_t config = usual(6);
    config.backup_floor_ms = 1000;
    config.silent_ms = 5000;
    begin_with(&f, config);
    assert_int_equal(mr_scheduler_join(f.scheduler, 0, 1, 4, 0), 0);
    assert_int_equal(mr_scheduler_join(f.scheduler, 0, 2, 1, 0), 0);
    actions(&f, 0);
    size_t theirs = 0;
    for (size_t i = 0; i < f.count; i++)
        theirs += f.to[i] == 1;
    for (int64_t now = 100; f.count; actions(&f, now), now += 100) /* 2 does all it gets, 1 does nothing */
        for (size_t i = 0; i < f.count; i++)
            if (f.to[i] == 2)
                assert_true(mr_scheduler_partial(f.scheduler, now, 2, &f.sent[i], 1));
    assert_true(theirs >= 4 && theirs < 6);
    for (size_t i = 0; i < theirs; i++) {
        actions(&f, 1300 + (int64_t) i);
        assert_int_equal(f.count, 1);
        assert_true(f.to[0] == 2 && f.alone);
        mr_scheduler_done(f.scheduler, 1300 + (int64_t) i, 2, f.sent, 1);
    }
    end(&f);
}

static void no_backups_without_a_floor(void **state) {
    (void) state;
    fixture_t f;
    begin(&f, 2);
    join(&f, 0, 1, 1);
    join(&f, 0, 2, 1);
    assert_true(mr_scheduler_partial(f.scheduler, 10, 1, (mr_attempt_t[]){{0, 1}}, 1));
    actions(&f, 9000);
    assert_int_equal(f.count, 0);
    end(&f);
}

static void the_backup_may_win(void **state) {
    (void) state;
    fixture_t f;
    begin_backup(&f);
    assert_true(mr_scheduler_partial(f.scheduler, 250, 1, &backup, 1));
    assert_true(mr_scheduler_finished(f.scheduler));
    assert_int_equal(mr_scheduler_stats(f.scheduler).won, 1);
    assert_false(mr_scheduler_partial(f.scheduler, 260, 3, &primary, 1));
    assert_int_equal(mr_scheduler_stats(f.scheduler).discarded, 1);
    assert_true(mr_scheduler_committed(f.scheduler, &backup, 1));
    assert_false(mr_scheduler_committed(f.scheduler, &primary, 1));
    end(&f);
}

static void the_first_attempt_may_win(void **state) {
    (void) state;
    fixture_t f;
    begin_backup(&f);
    assert_true(mr_scheduler_partial(f.scheduler, 250, 3, &primary, 1));
    assert_false(mr_scheduler_partial(f.scheduler, 260, 1, &backup, 1));
    assert_counts(&f, 0, 0, 3);
    assert_int_equal(mr_scheduler_stats(f.scheduler).won, 0);
    end(&f);
}

/* The partial that names it and others is on the way. Only when its worker falls silent a backup may win. */
static void a_backup_does_not_overtake_what_is_done(void **state) {
    (void) state;
    fixture_t f;
    begin_backup(&f);
    mr_scheduler_done(f.scheduler, 180, 3, &primary, 1);
    assert_false(mr_scheduler_partial(f.scheduler, 190, 1, &backup, 1));
    assert_counts(&f, 0, 1, 2);
    actions(&f, 190);
    mr_scheduler_alive(f.scheduler, 1170, 2);
    actions(&f, 1179);
    assert_int_equal(f.count, 0);
    actions(&f, 1180); /* silent for 1,000 ms */
    assert_sent(&f, 0, 2, 2, 3);
    assert_true(f.alone);
    assert_true(mr_scheduler_partial(f.scheduler, 1200, 2, f.sent, 1));
    end(&f);
}

/* Two workers of one thread; 1 did its task in `median` ms, 2 has one. Returns when 1 is to back it up. */
static int64_t due_after(int64_t floor, int64_t median) {
    fixture_t f;
    mr_scheduler_config_t config = usual(2);
    config.backup_floor_ms = floor;
    config.silent_ms = 100000;
    config.lease_ms = 1000000;
    begin_with(&f, config);
    assert_int_equal(mr_scheduler_join(f.scheduler, 0, 1, 1, 0), 0);
    assert_int_equal(mr_scheduler_join(f.scheduler, 0, 2, 1, 0), 0);
    actions(&f, 0);
    assert_true(mr_scheduler_partial(f.scheduler, median, 1, (mr_attempt_t[]){{0, 1}}, 1));
    actions(&f, median);
    int64_t due = mr_scheduler_deadline(f.scheduler);
    actions(&f, due);
    assert_sent(&f, 0, 1, 1, 2);
    end(&f);
    return due;
}

static void short_tasks_do_not_wait_for_the_whole_floor(void **state) {
    (void) state;
    assert_int_equal(due_after(1000, 1), 200);
    assert_int_equal(due_after(1000, 3), 200);
    assert_in_range(due_after(1000, 50), 400, 520);    /* 8 x 50, in buckets */
    assert_int_equal(due_after(1000, 300), 1000);      /* the floor */
    assert_in_range(due_after(1000, 900), 1350, 1700); /* 1.5 x */
    assert_int_equal(due_after(100, 1), 100);
}

/* Nothing but its silence is waited for. */
static void what_a_silent_worker_has_done_waits_for_no_floor(void **state) {
    (void) state;
    fixture_t f;
    mr_scheduler_config_t config = usual(2);
    config.backup_floor_ms = 5000;
    config.silent_ms = 300;
    begin_with(&f, config);
    assert_int_equal(mr_scheduler_join(f.scheduler, 0, 1, 1, 0), 0);
    assert_int_equal(mr_scheduler_join(f.scheduler, 0, 2, 1, 0), 0);
    actions(&f, 0);
    mr_scheduler_done(f.scheduler, 10, 2, (mr_attempt_t[]){{1, 1}}, 1);
    assert_true(mr_scheduler_partial(f.scheduler, 500, 1, (mr_attempt_t[]){{0, 1}}, 1));
    actions(&f, 500); /* the tail begins, and the other has been silent for 490 ms */
    assert_sent(&f, 0, 1, 1, 2);
    assert_true(f.alone);
    end(&f);
}

static void a_lost_holder_leaves_its_task_to_the_backup(void **state) {
    (void) state;
    fixture_t f;
    begin_backup(&f);
    mr_scheduler_leave(f.scheduler, 180, 3, true);
    actions(&f, 180);
    assert_counts(&f, 0, 1, 2);
    assert_int_equal(f.count, 0);
    mr_scheduler_done(f.scheduler, 190, 1, &backup, 1);
    assert_counts(&f, 0, 1, 2);
    assert_true(mr_scheduler_partial(f.scheduler, 200, 1, &backup, 1));
    end(&f);
}

static void a_lost_backup_leaves_the_task_as_it_is(void **state) {
    (void) state;
    for (int way = 0; way < 4; way++) {
        fixture_t f;
        begin_backup(&f);
        if (way == 0)
            mr_scheduler_leave(f.scheduler, 180, 1, true);
        if (way == 1)
            mr_scheduler_failed(f.scheduler, 180, 1, backup);
        if (way == 2)
            mr_scheduler_returned(f.scheduler, 180, 1, &backup, 1);
        if (way == 3)
            mr_scheduler_discard(f.scheduler, 180, 1, &backup, 1);
        actions(&f, 180);
        assert_counts(&f, 0, 1, 2);
        assert_int_equal(f.count, 0); /* had its chance */
        assert_false(mr_scheduler_partial(f.scheduler, 190, 1, &backup, 1));
        assert_true(mr_scheduler_partial(f.scheduler, 190, 3, &primary, 1));
        end(&f);
    }
}

/* A task may fail max_attempts times, and no more, whatever kind of attempt it was; the job fails with the last of them. */
static void failures_of_both_kinds_count(void **state) {
    (void) state;
    fixture_t f;
    begin_tail(&f, 4);
    actions(&f, 170);
    mr_scheduler_failed(f.scheduler, 180, 1, backup);
    mr_scheduler_failed(f.scheduler, 181, 3, primary);
    actions(&f, 181);
    assert_int_equal(f.count, 1);
    assert_true(f.suspect); /* two failures */
    assert_int_equal(f.sent[0].attempt, 3);
    uint32_t worker = f.to[0];
    actions(&f, 1000);
    assert_int_equal(f.count, 0); /* a suspect gets no backup */
    mr_scheduler_leave(f.scheduler, 1001, worker, true);
    actions(&f, 1001);
    assert_sent(&f, 0, f.to[0], 2, 4);
    mr_scheduler_leave(f.scheduler, 1002, f.to[0], true);
    actions(&f, 1002);
    assert_int_equal(f.failures, 1);
    end(&f);
}

static void a_failed_backup_does_not_fail_the_job(void **state) {
    (void) state;
    fixture_t f;
    begin_tail(&f, 1);
    actions(&f, 170);
    mr_scheduler_failed(f.scheduler, 180, 1, backup);
    actions(&f, 180);
    assert_int_equal(f.failures, 0);
    assert_true(mr_scheduler_partial(f.scheduler, 190, 3, &primary, 1));
    assert_true(mr_scheduler_finished(f.scheduler));
    end(&f);
}

/* What one worker holds, all of it done or running, is shared out when it stops. */
static void all_that_a_stopped_worker_holds_gets_backups(void **state) {
    (void) state;
    fixture_t f;
    mr_scheduler_config_t config = usual(8);
    config.backup_floor_ms = 50;
    config.silent_ms = 500;
    begin_with(&f, config);
    join(&f, 0, 1, 2);
    assert_int_equal(f.count, 4);
    mr_scheduler_done(f.scheduler, 10, 1, f.sent, 2); /* tasks 0 and 1 done, 2.. running; then it stops */
    actions(&f, 10);
    for (uint32_t worker = 2; worker <= 3; worker++)
        assert_int_equal(mr_scheduler_join(f.scheduler, 10, worker, 2, worker), 0);
    bool seen[8] = {false};
    for (int64_t now = 11; now < 3000 && !mr_scheduler_finished(f.scheduler); now++) {
        mr_scheduler_alive(f.scheduler, now, 2);
        mr_scheduler_alive(f.scheduler, now, 3);
        actions(&f, now);
        for (size_t i = 0; i < f.count; i++) {
            assert_false(seen[f.sent[i].task]);
            seen[f.sent[i].task] = f.alone;
            assert_true(f.to[i] > 1);
            assert_true(mr_scheduler_partial(f.scheduler, now, f.to[i], &f.sent[i], 1));
        }
    }
    assert_true(mr_scheduler_finished(f.scheduler));
    assert_int_equal(mr_scheduler_stats(f.scheduler).won, mr_scheduler_stats(f.scheduler).backups);
    assert_true(seen[0] && seen[1]);
    end(&f);
}

/* A thread that still computes what was taken from it is not idle: it gets nothing before it reports. */
static void a_thread_that_lost_its_attempt_is_busy(void **state) {
    (void) state;
    fixture_t f;
    mr_scheduler_config_t config = usual(4);
    config.backup_floor_ms = 50;
    begin_with(&f, config);
    for (uint32_t worker = 1; worker <= 4; worker++)
        assert_int_equal(mr_scheduler_join(f.scheduler, 0, worker, 1, 0), 0);
    actions(&f, 0);
    assert_true(mr_scheduler_partial(f.scheduler, 100, 1, (mr_attempt_t[]){{0, 1}}, 1));
    assert_true(mr_scheduler_partial(f.scheduler, 100, 4, (mr_attempt_t[]){{3, 1}}, 1));
    mr_scheduler_drain(f.scheduler, 4);
    actions(&f, 170);
    assert_sent(&f, 0, 1, 1, 2); /* task 1 runs on workers 2 and 1 */
    assert_true(mr_scheduler_partial(f.scheduler, 180, 2, (mr_attempt_t[]){{1, 1}}, 1));
    mr_scheduler_leave(f.scheduler, 181, 3, false);
    actions(&f, 181);
    assert_sent(&f, 0, 2, 2, 2); /* not to worker 1, which computes in vain */
    mr_scheduler_leave(f.scheduler, 182, 2, false);
    actions(&f, 182);
    assert_int_equal(f.count, 0);
    mr_scheduler_done(f.scheduler, 183, 1, (mr_attempt_t[]){{1, 2}}, 1);
    actions(&f, 183);
    assert_sent(&f, 0, 1, 2, 3);
    end(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_overdue_attempt_gets_one_backup),
        cmocka_unit_test(the_next_backup_does_not_wait),
        cmocka_unit_test(no_backups_without_a_floor),
        cmocka_unit_test(the_backup_may_win),
        cmocka_unit_test(the_first_attempt_may_win),
        cmocka_unit_test(a_backup_does_not_overtake_what_is_done),
        cmocka_unit_test(short_tasks_do_not_wait_for_the_whole_floor),
        cmocka_unit_test(what_a_silent_worker_has_done_waits_for_no_floor),
        cmocka_unit_test(a_lost_holder_leaves_its_task_to_the_backup),
        cmocka_unit_test(a_lost_backup_leaves_the_task_as_it_is),
        cmocka_unit_test(failures_of_both_kinds_count),
        cmocka_unit_test(a_failed_backup_does_not_fail_the_job),
        cmocka_unit_test(all_that_a_stopped_worker_holds_gets_backups),
        cmocka_unit_test(a_thread_that_lost_its_attempt_is_busy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
