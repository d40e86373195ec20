/* The roll: who is here, and how the workers are shared out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "roll.h"

#define LEASE 9000

/* HELLO of worker `number`, at `now`. */
static mr_roll_worker_t *hello(mr_roll_t *roll, uint8_t number, uint32_t threads, uint64_t job, int64_t now) {
    mr_sender_t sender = {.identity = {1, number}, .size = 2};
    mr_hello_message_t message = {
        .protocol = MR_PROTOCOL, .version = "1", .host = "here", .pid = number, .threads = threads, .job = job};
    bool fresh, known = mr_roll_find(roll, &sender) != NULL;
    mr_roll_worker_t *worker = mr_roll_hello(roll, &sender, &message, now, &fresh);
    assert_non_null(worker);
    assert_int_equal(fresh, !known);
    assert_ptr_equal(mr_roll_find(roll, &sender), worker);
    return worker;
}

/* So many workers of one thread each, none of whom works for a job. */
static void crowd(mr_roll_t *roll, uint8_t count) {
    for (uint8_t i = 1; i <= count; i++)
        hello(roll, i, 1, 0, 0);
}

static void told(mr_roll_t *roll) {
    for (size_t i = 0; i < roll->count; i++)
        roll->items[i]->untold = false;
}

static size_t untold(const mr_roll_t *roll) {
    size_t count = 0;
    for (size_t i = 0; i < roll->count; i++)
        count += roll->items[i]->untold;
    return count;
}

static void a_worker_comes_and_goes(void **state) {
    (void) state;
    mr_roll_t roll = {0};
    mr_roll_worker_t *one = hello(&roll, 1, 2, 0, 100), *two = hello(&roll, 2, 0, 7, 200);
    assert_int_equal(roll.count, 2);
    assert_int_equal(two->threads, 1); /* nobody computes with none */
    assert_int_equal(two->said_job, 7);
    assert_ptr_equal(hello(&roll, 1, 2, 3, 5000), one);
    assert_int_equal(one->joined_ms, 100);
    assert_int_equal(one->said_job, 3);
    assert_ptr_equal(mr_roll_silent(&roll, 200 + LEASE - LEASE), NULL);
    assert_ptr_equal(mr_roll_silent(&roll, 201), two);
    mr_roll_remove(&roll, two);
    assert_ptr_equal(mr_roll_silent(&roll, 201), NULL);
    mr_roll_forgive(&roll, 90000);
    assert_ptr_equal(mr_roll_silent(&roll, 90000), NULL);
    mr_roll_remove(&roll, two); /* who is not there is not removed */
    assert_int_equal(roll.count, 1);
    mr_roll_free(&roll);
}

static void one_job_gets_all(void **state) {
    (void) state;
    mr_roll_t roll = {0};
    uint64_t job = 5, threads;
    crowd(&roll, 6);
    mr_roll_share(&roll, &job, 1, 1);
    assert_int_equal(mr_roll_count(&roll, 5, &threads), 6);
    assert_int_equal(threads, 6);
    assert_int_equal(untold(&roll), 6);
    told(&roll);
    mr_roll_share(&roll, &job, 1, 1);
    assert_int_equal(untold(&roll), 0); /* nothing has changed */
    mr_roll_share(&roll, NULL, 0, 0);
    assert_int_equal(mr_roll_count(&roll, 0, NULL), 6);
    assert_int_equal(untold(&roll), 6);
    mr_roll_free(&roll);
}

static void shares_are_even(void **state) {
    (void) state;
    uint64_t jobs[] = {1, 2, 3};
    for (uint8_t workers = 1; workers < 40; workers++) {
        mr_roll_t roll = {0};
        crowd(&roll, workers);
        mr_roll_share(&roll, jobs, 1, 1);
        for (size_t open = 2; open <= 3; open++) {
            told(&roll);
            mr_roll_share(&roll, jobs, open, open);
            size_t moved = 0;
            for (size_t i = 0; i < open; i++) {
                size_t share = mr_roll_count(&roll, jobs[i], NULL);
                assert_in_range(share, workers / open, (workers + open - 1) / open);
                moved = i == open - 1 ? share : moved;
            }
            assert_int_equal(untold(&roll), moved); /* only those move who must */
        }
        mr_roll_free(&roll);
    }
}

/* A large worker is not moved to and fro. */
static void threads_count_not_processes(void **state) {
    (void) state;
    mr_roll_t roll = {0};
    uint64_t jobs[] = {1, 2}, threads;
    hello(&roll, 1, 64, 0, 0);
    for (uint8_t i = 2; i < 6; i++)
        hello(&roll, i, 8, 0, 0);
    for (int again = 0; again < 2; again++) {
        mr_roll_share(&roll, jobs, 2, 2);
        assert_int_equal(mr_roll_count(&roll, 1, &threads), 1);
        assert_int_equal(threads, 64);
        assert_int_equal(mr_roll_count(&roll, 2, &threads), 4);
        assert_int_equal(threads, 32);
    }
    mr_roll_free(&roll);
}

/* A coordinator that was started anew takes nobody's work away: those that say that they work for a job that goes on are left there, also while it is
 * being planned and takes nobody else. */
static void who_works_is_left(void **state) {
    (void) state;
    mr_roll_t roll = {0};
    uint64_t jobs[] = {9, 4};
    hello(&roll, 1, 1, 4, 0);
    hello(&roll, 2, 1, 4, 0);
    hello(&roll, 3, 1, 8, 0); /* of a job that is no more */
    mr_roll_share(&roll, jobs, 1, 2);
    assert_int_equal(mr_roll_count(&roll, 4, NULL), 2);
    assert_int_equal(mr_roll_count(&roll, 9, NULL), 1);
    mr_roll_share(&roll, jobs + 1, 0, 1);
    assert_int_equal(mr_roll_count(&roll, 4, NULL), 2);
    assert_int_equal(mr_roll_count(&roll, 0, NULL), 1);
    mr_roll_free(&roll);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_worker_comes_and_goes), cmocka_unit_test(one_job_gets_all),
                                       cmocka_unit_test(shares_are_even), cmocka_unit_test(threads_count_not_processes),
                                       cmocka_unit_test(who_works_is_left)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
