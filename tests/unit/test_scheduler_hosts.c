/* test_scheduler_hosts.c - a task that failed goes to another host; a host on which everything fails is set aside. */
#include "scheduler_fixture.h"

static void fail_task(fixture_t *f, int64_t now, uint32_t worker, uint32_t task, uint32_t attempt) {
    mr_scheduler_failed(f->scheduler, now, worker, (mr_attempt_t){task, attempt});
    actions(f, now);
}

/* Worker n on host n, for each of `hosts`; each with a thread. */
static void join_hosts(fixture_t *f, uint32_t hosts) {
    for (uint32_t host = 1; host <= hosts; host++)
        assert_int_equal(mr_scheduler_join(f->scheduler, 0, host, 1, host), 0);
    actions(f, 0);
}

/* ---- where it goes next ---- */

static void a_task_is_tried_on_each_host_once(void **state) {
    (void) state;
    fixture_t f;
    begin(&f, 1);
    bool tried[5] = {false};
    join_hosts(&f, 4);
    for (uint32_t attempt = 1; attempt <= 4; attempt++) {
        assert_int_equal(f.count, 1);
        assert_false(tried[f.to[0]]);
        tried[f.to[0]] = true;
        assert_int_equal(f.suspect, attempt > 2);
        fail_task(&f, attempt, f.to[0], 0, attempt);
    }
    assert_int_equal(f.failures, 1);
    end(&f);
}

static void two_hosts_take_turns(void **state) {
    (void) state;
    fixture_t f;
    begin(&f, 1);
    join_hosts(&f, 2);
    for (uint32_t attempt = 1; attempt <= 4; attempt++) {
        assert_sent(&f, 0, 2 - attempt % 2, 0, attempt);
        fail_task(&f, attempt, 2 - attempt % 2, 0, attempt);
    }
    assert_int_equal(f.failures, 1);
    end(&f);
}

/* The other host is busy: the task waits for it, while its own host goes on with what else there is. */
static void it_waits_for_another_host_but_not_for_ever(void **state) {
    (void) state;
    fixture_t f;
    begin(&f, 3);
    join_hosts(&f, 2);
    assert_int_equal(f.count, 2);
    fail_task(&f, 10, 1, 0, 1);
    assert_sent(&f, 0, 1, 2, 1);
    mr_scheduler_done(f.scheduler, 20, 1, f.sent, 1);
    actions(&f, 20);
    assert_int_equal(f.count, 0);
    assert_counts(&f, 1, 2, 0);
    mr_scheduler_alive(f.scheduler, 9000, 1);
    mr_scheduler_alive(f.scheduler, 9000, 2);
    assert_int_equal(mr_scheduler_deadline(f.scheduler), 10010); /* queued at 10, and a lease */
    actions(&f, 10009);
    assert_int_equal(f.count, 0);
    actions(&f, 10010);
    assert_sent(&f, 0, 1, 0, 2);
    end(&f);
}

static void the_last_host_takes_it(void **state) {
    (void) state;
    fixture_t f;
    begin(&f, 2);
    join_hosts(&f, 2);
    fail_task(&f, 1, 1, 0, 1);
    assert_int_equal(f.count, 0);
    mr_scheduler_drain(f.scheduler, 2); /* no host but the first takes tasks now */
    actions(&f, 2);
    assert_sent(&f, 0, 1, 0, 2);
    end(&f);
}

/* ---- black holes ---- */

/* Host 2 has done a task; host 1 has failed tasks 0, 2 and 3. */
static void make_black_hole(fixture_t *f) {
    begin(f, 40);
    join_hosts(f, 2);
    assert_sent(f, 0, 1, 0, 1);
    mr_scheduler_done(f->scheduler, 1, 2, (mr_attempt_t[]){{f->sent[2].task, 1}}, 1);
    for (uint32_t task = 0, failed = 0; failed < 3; task++) {
        mr_attempt_t attempt = {task, 1};
        uint64_t before = stale(f);
        mr_scheduler_failed(f->scheduler, 2, 1, attempt);
        failed += stale(f) == before;
        actions(f, 2);
    }
}

static void a_black_hole_is_set_aside(void **state) {
    (void) state;
    static fixture_t f;
    make_black_hole(&f);
    assert_int_equal(f.asides, 1);
    assert_int_equal(f.aside, 1);
    assert_int_equal(mr_scheduler_stats(f.scheduler).aside, 1);
    mr_scheduler_worker_t info;
    assert_true(mr_scheduler_worker(f.scheduler, 1, &info) && info.aside && info.host == 1 && !info.draining);
    assert_int_equal(mr_scheduler_join(f.scheduler, 3, 3, 4, 1), 0); /* another of its host */
    actions(&f, 3);
    assert_int_equal(f.asides, 2);
    assert_int_equal(f.count, 0);
    end(&f);
}

static void what_failed_in_a_black_hole_does_not_count(void **state) {
    (void) state;
    static fixture_t f;
    mr_scheduler_config_t config = usual(12);
    config.max_attempts = 2; /* one counted failure makes a suspect */
    begin_with(&f, config);
    join_hosts(&f, 2);
    mr_scheduler_done(f.scheduler, 1, 2, (mr_attempt_t[]){{2, 1}}, 1);
    mr_scheduler_failed(f.scheduler, 2, 1, (mr_attempt_t){0, 1});
    actions(&f, 2);
    mr_scheduler_failed(f.scheduler, 2, 1, (mr_attempt_t){1, 1});
    mr_scheduler_leave(f.scheduler, 2, 1, true); /* what it was sent since */
    assert_int_equal(mr_scheduler_stats(f.scheduler).aside, 1);
    mr_scheduler_leave(f.scheduler, 3, 2, false);
    assert_int_equal(mr_scheduler_join(f.scheduler, 4, 3, 1, 3), 0);
    actions(&f, 4);
    assert_true(f.count > 0);
    assert_false(f.suspect);
    assert_int_equal(f.failures, 0);
    end(&f);
}

static void a_black_hole_is_used_when_nothing_else_is_left(void **state) {
    (void) state;
    static fixture_t f;
    mr_attempt_t held[300];
    size_t count = 0;
    make_black_hole(&f);
    assert_int_equal(mr_scheduler_join(f.scheduler, 3, 3, 1, 1), 0); /* of host 1, and set aside like worker 1 */
    mr_scheduler_leave(f.scheduler, 3, 2, false);
    assert_int_equal(mr_scheduler_stats(f.scheduler).aside, 0);
    actions(&f, 3);
    for (size_t failed = 0; failed < 200 && !f.failures; failed++) { /* it is judged by what it does now */
        for (size_t i = 0; i < f.count; i++)
            if (f.to[i] == 3)
                held[count++] = f.sent[i];
        assert_true(count > failed);
        mr_scheduler_failed(f.scheduler, 4, 3, held[failed]);
        actions(&f, 4);
    }
    assert_int_equal(f.failures, 1);
    assert_int_equal(f.asides, 1); /* worker 3 was used again before it was told */
    end(&f);
}

static void the_only_host_that_does_anything_is_never_set_aside(void **state) {
    (void) state;
    fixture_t f;
    begin(&f, 30);
    join_hosts(&f, 2);
    for (uint32_t i = 0; i < 3; i++)
        fail_task(&f, 1, 1, f.count ? f.sent[0].task : 0, 1);
    assert_int_equal(mr_scheduler_stats(f.scheduler).aside, 0); /* the other has finished nothing */
    end(&f);
}

/* One poisoned task that kills worker after worker of a host is one incident, whatever ran beside it. */
static void one_bad_task_does_not_condemn_a_host(void **state) {
    (void) state;
    fixture_t f;
    mr_scheduler_config_t config = usual(60);
    config.max_attempts = 100;
    begin_with(&f, config);
    join_hosts(&f, 2);
    mr_scheduler_done(f.scheduler, 1, 2, (mr_attempt_t[]){{f.sent[2].task, 1}}, 1);
    mr_scheduler_drain(f.scheduler, 2); /* so that all goes to host 1, though it fails there */
    for (uint32_t worker = 11; worker < 20; worker++) {
        assert_int_equal(mr_scheduler_join(f.scheduler, worker, worker, 1, 1), 0);
        actions(&f, worker);
        mr_scheduler_leave(f.scheduler, worker, worker - 1 == 10 ? 1 : worker - 1, true);
        actions(&f, worker);
    }
    assert_int_equal(f.asides, 0);
    end(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_task_is_tried_on_each_host_once),
        cmocka_unit_test(two_hosts_take_turns),
        cmocka_unit_test(it_waits_for_another_host_but_not_for_ever),
        cmocka_unit_test(the_last_host_takes_it),
        cmocka_unit_test(a_black_hole_is_set_aside),
        cmocka_unit_test(what_failed_in_a_black_hole_does_not_count),
        cmocka_unit_test(a_black_hole_is_used_when_nothing_else_is_left),
        cmocka_unit_test(the_only_host_that_does_anything_is_never_set_aside),
        cmocka_unit_test(one_bad_task_does_not_condemn_a_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
