/* Partials: runs in memory and on disk come back as they were, and are freed when the last who uses them lets go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "partial.h"

static mr_buffer_t some_run(char letter, size_t size) {
    mr_buffer_t run = {0};
    assert_int_equal(mr_buffer_reserve(&run, size), 0);
    memset(run.data, letter, size);
    run.size = size;
    return run;
}

static void add(mr_partial_t *partial, char letter, size_t size, const char *dir) {
    mr_error_t error = {0};
    mr_buffer_t run = some_run(letter, size);
    assert_int_equal(mr_partial_add_run(partial, &run, dir, &error), 0);
    assert_null(run.data);
}

static void expect_run(const mr_partial_t *partial, size_t index, char letter, size_t size) {
    mr_error_t error = {0};
    mr_run_bytes_t *bytes = mr_partial_run_bytes(partial, index, &error);
    assert_non_null(bytes);
    assert_int_equal(partial->runs[index].size, size);
    for (size_t i = 0; i < size; i++)
        assert_int_equal(bytes->data[i], letter);
    mr_run_bytes_release(NULL, bytes);
}

static void memory_and_disk(void **state) {
    (void) state;
    mr_partial_t *partial = mr_partial_new(7);
    add(partial, 'a', 10000, NULL);
    add(partial, 'b', 1, "/tmp");
    add(partial, 'c', 300000, "/tmp");
    add(partial, 'd', 5, NULL);
    assert_int_equal(partial->memory, 10005);
    assert_int_equal(partial->file_size, 300001);
    for (int i = 0; i < 2; i++) { /* a run may be sent twice */
        expect_run(partial, 0, 'a', 10000);
        expect_run(partial, 1, 'b', 1);
        expect_run(partial, 2, 'c', 300000);
        expect_run(partial, 3, 'd', 5);
    }
    mr_partial_destroy(&partial);
    assert_null(partial);
    mr_partial_destroy(&partial);
}

/* What is lent to ZeroMQ lives on when the partial has been settled. */
static void bytes_outlive_the_partial(void **state) {
    (void) state;
    mr_error_t error = {0};
    mr_partial_t *partial = mr_partial_new(1);
    add(partial, 'x', 100, NULL);
    mr_run_bytes_t *bytes = mr_partial_run_bytes(partial, 0, &error);
    mr_partial_destroy(&partial);
    assert_int_equal(bytes->data[99], 'x');
    mr_run_bytes_release(NULL, bytes);
}

static void many_results(void **state) {
    (void) state;
    mr_error_t error = {0};
    mr_partial_t *partial = mr_partial_new(1);
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(mr_partial_add_result(partial, &(mr_result_t){.task = i, .bytes = 2 * i}, &error), 0);
    assert_int_equal(partial->result_count, 1000);
    assert_int_equal(partial->results[999].bytes, 1998);
    mr_partial_destroy(&partial);
}

static void nowhere_to_spill(void **state) {
    (void) state;
    mr_error_t error = {0};
    mr_partial_t *partial = mr_partial_new(1);
    mr_buffer_t run = some_run('x', 10);
    assert_int_equal(mr_partial_add_run(partial, &run, "/nonexistent", &error), -1);
    assert_int_equal(error.status, MR_STATUS_STORAGE);
    assert_non_null(strstr(error.text, "/nonexistent"));
    assert_non_null(strstr(error.text, "--tmp"));
    assert_int_equal(partial->run_count, 0);
    mr_buffer_free(&run); /* still the caller's */
    mr_partial_destroy(&partial);
}

static void full_disk(void **state) {
    (void) state;
    mr_error_t error = {0};
    struct rlimit before, tight;
    mr_partial_t *partial = mr_partial_new(1);
    mr_buffer_t run = some_run('x', 100000);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    tight = (struct rlimit){50000, before.rlim_max};
    setrlimit(RLIMIT_FSIZE, &tight);
    int failed = mr_partial_add_run(partial, &run, "/tmp", &error);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(failed, -1);
    assert_int_equal(error.status, MR_STATUS_STORAGE);
    mr_buffer_free(&run);
    mr_partial_destroy(&partial);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_and_disk), cmocka_unit_test(bytes_outlive_the_partial),
        cmocka_unit_test(many_results),    cmocka_unit_test(nowhere_to_spill),
        cmocka_unit_test(full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
