/* Which of a worker's tasks are stuck. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "watch.h"

static void only_what_does_not_move_is_stuck(void **state) {
    (void) state;
    mr_watch_t watch = {0};
    const mr_running_t before[] = {{1, 1, 100, 5}, {2, 1, 100, 5}, {3, 1, 100, 5}};
    const mr_running_t after[] = {{2, 1, 200, 5}, {3, 2, 100, 5}, {1, 1, 100, 5}, {4, 1, 0, 5}};
    assert_null(mr_watch_stuck(&watch, 1000, 10));
    assert_int_equal(mr_watch_take(&watch, before, 3, 1000), 0);
    assert_int_equal(mr_watch_bytes(&watch), 300);
    assert_null(mr_watch_stuck(&watch, 1099, 100));
    assert_int_equal(mr_watch_take(&watch, after, 4, 1050), 0);
    assert_int_equal(mr_watch_bytes(&watch), 400);
    assert_null(mr_watch_stuck(&watch, 1099, 100));
    const mr_watched_t *stuck = mr_watch_stuck(&watch, 1100, 100); /* 2 has moved, 3 is another attempt, 4 is new */
    assert_non_null(stuck);
    assert_int_equal(stuck->attempt.task, 1);
    assert_null(mr_watch_stuck(&watch, 1101, 100));
    assert_int_equal(mr_watch_take(&watch, after, 4, 1140), 0);
    assert_null(mr_watch_stuck(&watch, 1149, 100)); /* told once */
    for (int i = 0; i < 3; i++)
        assert_non_null(mr_watch_stuck(&watch, 1150, 100));
    assert_null(mr_watch_stuck(&watch, 1150, 100));
    assert_int_equal(mr_watch_take(&watch, NULL, 0, 1200), 0);
    assert_null(mr_watch_stuck(&watch, 9999, 100));
    mr_watch_free(&watch);
    mr_watch_free(&watch);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_does_not_move_is_stuck),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
