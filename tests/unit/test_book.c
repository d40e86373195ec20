/* The worker's book of attempts, against a plain array. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "book.h"

#define TASKS 300
#define ATTEMPTS 3

typedef enum state { ABSENT, UNDONE, DONE } state_t;

static int count_in(const mr_attempts_t *list, mr_attempt_t attempt) {
    int count = 0;
    for (size_t i = 0; i < list->count; i++)
        count += list->items[i].task == attempt.task && list->items[i].attempt == attempt.attempt;
    return count;
}

static void compare(const mr_book_t *book, state_t model[TASKS][ATTEMPTS + 1]) {
    mr_attempts_t undone = {0}, done = {0};
    size_t wanted = 0;
    assert_int_equal(mr_book_list(book, &undone, &done), 0);
    for (uint32_t task = 0; task < TASKS; task++)
        for (uint32_t attempt = 1; attempt <= ATTEMPTS; attempt++) {
            state_t state = model[task][attempt];
            wanted += state != ABSENT;
            assert_int_equal(count_in(&undone, (mr_attempt_t){task, attempt}), state == UNDONE);
            assert_int_equal(count_in(&done, (mr_attempt_t){task, attempt}), state == DONE);
        }
    assert_int_equal(undone.count + done.count, wanted);
    assert_int_equal(book->count, wanted);
    mr_attempts_free(&undone);
    mr_attempts_free(&done);
}

static void step(mr_book_t *book, state_t model[TASKS][ATTEMPTS + 1], unsigned *seed) {
    mr_attempt_t attempt = {(uint32_t) rand_r(seed) % TASKS, 1 + (uint32_t) rand_r(seed) % ATTEMPTS};
    state_t *state = &model[attempt.task][attempt.attempt];
    switch (rand_r(seed) % 4) {
    case 0:
    case 1:
        assert_int_equal(mr_book_add(book, attempt), 0);
        *state = *state == ABSENT ? UNDONE : *state;
        break;
    case 2:
        mr_book_done(book, attempt);
        *state = *state == ABSENT ? ABSENT : DONE;
        break;
    default:
        mr_book_remove(book, attempt);
        *state = ABSENT;
    }
}

static void any_history_is_remembered(void **unused) {
    (void) unused;
    const char *given = getenv("MR_SEED");
    unsigned seed = given ? (unsigned) strtoul(given, NULL, 10) : (unsigned) time(NULL);
    printf("MR_SEED=%u\n", seed);
    static state_t model[TASKS][ATTEMPTS + 1];
    mr_book_t book = {0};
    for (int i = 0; i < 20000; i++) {
        step(&book, model, &seed);
        if (i % 500 == 0)
            compare(&book, model);
    }
    compare(&book, model);
    mr_book_close(&book);
    mr_book_close(&book);
}

static void an_empty_book_knows_nothing(void **unused) {
    (void) unused;
    mr_book_t book = {0};
    mr_attempts_t undone = {0}, done = {0};
    mr_book_done(&book, (mr_attempt_t){1, 1});
    mr_book_remove(&book, (mr_attempt_t){1, 1});
    assert_int_equal(mr_book_add(&book, (mr_attempt_t){1, 0}), 0);
    assert_int_equal(mr_book_list(&book, &undone, &done), 0);
    assert_int_equal(undone.count + done.count, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_history_is_remembered),
        cmocka_unit_test(an_empty_book_knows_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
