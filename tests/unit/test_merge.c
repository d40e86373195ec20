/* The merge against sort-and-fold: tables, runs in memory and in files, key ranges, and what is wrong in runs. */
#include "rows.h"

#include <stdbool.h>
#include <unistd.h>

static void run_free(void *hint) {
    mr_buffer_free(hint);
    free(hint);
}

static mr_run_t *memory_run(const mr_buffer_t *bytes, uint32_t ncells, mr_error_t *error) {
    mr_buffer_t *copy = calloc(1, sizeof *copy);
    mr_buffer_append(copy, bytes->data, bytes->size);
    mr_run_t *run = mr_run_from_memory(copy->data, copy->size, ncells, run_free, copy, error);
    if (!run)
        run_free(copy);
    return run;
}

static mr_run_t *file_run(int fd, const mr_buffer_t *bytes, uint32_t ncells, mr_error_t *error) {
    off_t offset = lseek(fd, 0, SEEK_END);
    assert_int_equal(write(fd, bytes->data, bytes->size), (ssize_t) bytes->size);
    return mr_run_from_file(fd, (uint64_t) offset, bytes->size, ncells, "spill", error);
}

static int temporary_file(void) {
    FILE *file = tmpfile();
    assert_non_null(file);
    int fd = dup(fileno(file));
    fclose(file);
    return fd;
}

#define MAX_RUNS 20u

/* `count` runs of a partition of the rows, about half of them in files. */
static void make_runs(const rows_t *rows, size_t count, uint32_t ncells, int fd, mr_run_t **runs) {
    mr_error_t error = {0};
    for (size_t i = 0; i < count; i++) {
        mr_buffer_t bytes = {0};
        table_run(rows, rows->count * i / count, rows->count * (i + 1) / count, ncells, &bytes);
        runs[i] = random_below(2) ? memory_run(&bytes, ncells, &error) : file_run(fd, &bytes, ncells, &error);
        assert_string_equal(error.text, "");
        assert_non_null(runs[i]);
        assert_int_equal(mr_run_size(runs[i]), bytes.size);
        mr_buffer_free(&bytes);
    }
}

static void expect_range(mr_run_t *const *runs, size_t count, uint32_t ncells, mr_range_t range,
                         const rows_t *reference, size_t *next) {
    mr_error_t error = {0};
    mr_merge_t *merge = mr_merge_new(runs, count, test_ops, ncells, range, &error);
    assert_non_null(merge);
    expect_rows(merge, reference, next, ncells);
    mr_merge_destroy(&merge);
    mr_merge_destroy(&merge);
}

/* Ranges that begin and end at random keys, some of which are in the rows: together, exactly the rows. */
static void expect_partition(mr_run_t *const *runs, size_t count, uint32_t ncells, const rows_t *reference) {
    rows_t cuts = random_rows(random_below(6));
    if (reference->count && random_below(2) && cuts.count) {
        row_t *cut = &cuts.row[0];
        const row_t *row = &reference->row[random_below(reference->count)];
        free(cut->key);
        *cut = make_row(row->key, row->key_size);
    }
    qsort(cuts.row, cuts.count, sizeof *cuts.row, compare_rows);
    mr_range_t range = {0};
    size_t next = 0;
    for (size_t i = 0; i < cuts.count; i++) {
        range.high = cuts.row[i].key;
        range.high_size = cuts.row[i].key_size;
        expect_range(runs, count, ncells, range, reference, &next);
        range.low = range.high;
        range.low_size = range.high_size;
    }
    range.high = NULL;
    expect_range(runs, count, ncells, range, reference, &next);
    assert_int_equal(next, reference->count);
    free_rows(&cuts);
}

static void round_trip(size_t rows_count, size_t runs_count, uint32_t ncells) {
    mr_run_t *runs[MAX_RUNS];
    rows_t rows = random_rows(rows_count);
    int fd = temporary_file();
    make_runs(&rows, runs_count, ncells, fd, runs);
    reduce_rows(&rows, test_ops, ncells);
    size_t next = 0;
    expect_range(runs, runs_count, ncells, (mr_range_t){0}, &rows, &next);
    assert_int_equal(next, rows.count);
    expect_partition(runs, runs_count, ncells, &rows);
    for (size_t i = 0; i < runs_count; i++)
        mr_run_destroy(&runs[i]);
    close(fd);
    free_rows(&rows);
}

static void test_random(void **state) {
    (void) state;
    random_start("random");
    for (int i = 0; i < 60; i++)
        round_trip(random_below(i % 4 ? 300 : 20000), 1 + random_below(MAX_RUNS), 1 + (uint32_t) random_below(8));
}

static void test_no_runs(void **state) {
    (void) state;
    mr_error_t error = {0};
    mr_buffer_t empty = {0};
    mr_row_t row;
    mr_merge_t *merge = mr_merge_new(NULL, 0, test_ops, 1, (mr_range_t){0}, &error);
    assert_int_equal(mr_merge_next(merge, &row, &error), 0);
    mr_merge_destroy(&merge);
    mr_run_t *runs[] = {memory_run(&empty, 1, &error), memory_run(&empty, 1, &error)};
    merge = mr_merge_new(runs, 2, test_ops, 1, (mr_range_t){0}, &error);
    assert_int_equal(mr_merge_next(merge, &row, &error), 0);
    assert_int_equal(mr_merge_next(merge, &row, &error), 0);
    mr_merge_destroy(&merge);
    mr_run_destroy(&runs[0]);
    mr_run_destroy(&runs[1]);
}

/* Keys of the greatest length, alone in their blocks and beside short ones. */
static void test_long_keys(void **state) {
    (void) state;
    random_start("long keys");
    rows_t rows = {.row = calloc(40, sizeof(row_t)), .count = 40};
    char *key = malloc(MR_MAX_KEY);
    memset(key, 'k', MR_MAX_KEY);
    for (size_t i = 0; i < rows.count; i++) {
        size_t size = i % 3 ? 5 + i % 7 : MR_MAX_KEY - i % 2;
        key[MR_MAX_KEY - 2] = (char) ('k' + i % 5);
        rows.row[i] = make_row(key, size);
    }
    free(key);
    mr_run_t *runs[5];
    int fd = temporary_file();
    make_runs(&rows, 5, 2, fd, runs);
    reduce_rows(&rows, test_ops, 2);
    size_t next = 0;
    expect_range(runs, 5, 2, (mr_range_t){0}, &rows, &next);
    assert_int_equal(next, rows.count);
    for (size_t i = 0; i < 5; i++)
        mr_run_destroy(&runs[i]);
    close(fd);
    free_rows(&rows);
}

static void write_row(mr_run_writer_t *writer, const char *key, uint64_t cell) {
    assert_int_equal(mr_run_write(writer, key, strlen(key), &cell), 0);
}

/* Merges runs made of one row each until the end or an error, which is returned. */
static mr_error_t merge_error(const mr_buffer_t *bytes, size_t count) {
    mr_error_t error = {0};
    mr_run_t *runs[2] = {0};
    mr_row_t row;
    for (size_t i = 0; i < count; i++)
        runs[i] = memory_run(&bytes[i], 1, &error);
    mr_merge_t *merge = mr_merge_new(runs, count, test_ops, 1, (mr_range_t){0}, &error);
    int more = merge ? 1 : -1;
    while (more == 1)
        more = mr_merge_next(merge, &row, &error);
    assert_int_equal(more, error.status ? -1 : 0);
    if (merge && more < 0) {
        mr_error_t later = {0};
        assert_int_equal(mr_merge_next(merge, &row, &later), -1);
    }
    mr_merge_destroy(&merge);
    for (size_t i = 0; i < count; i++)
        mr_run_destroy(&runs[i]);
    return error;
}

static void test_overflow_names_the_key(void **state) {
    (void) state;
    mr_buffer_t bytes[2] = {0};
    for (int i = 0; i < 2; i++) {
        mr_run_writer_t writer = {.out = &bytes[i], .ncells = 1};
        write_row(&writer, "a\x1b", UINT64_MAX - 1 + (uint64_t) i);
        mr_run_end_block(&writer);
    }
    mr_error_t error = merge_error(bytes, 2);
    assert_int_equal(error.status, MR_STATUS_JOB);
    assert_string_equal(error.text, "key \"a\\x1b\": the sum overflows 64 bits");
    mr_buffer_free(&bytes[0]);
    mr_buffer_free(&bytes[1]);
}

static void expect_disorder(const char *first, const char *second, bool two_blocks) {
    mr_buffer_t bytes = {0};
    mr_run_writer_t writer = {.out = &bytes, .ncells = 1};
    write_row(&writer, "0", 1);
    write_row(&writer, first, 1);
    if (two_blocks)
        mr_run_end_block(&writer);
    write_row(&writer, second, 1);
    mr_run_end_block(&writer);
    mr_error_t error = merge_error(&bytes, 1);
    assert_int_equal(error.status, MR_STATUS_JOB);
    assert_string_equal(error.text, two_blocks ? "run:14: the run is malformed: keys are out of order"
                                               : "run:0: the run is malformed: keys are out of order");
    mr_buffer_free(&bytes);
}

static void test_out_of_order(void **state) {
    (void) state;
    expect_disorder("b", "a", false);
    expect_disorder("b", "b", false);
    expect_disorder("b", "a", true);
    expect_disorder("b", "b", true);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),       cmocka_unit_test(test_no_runs),
        cmocka_unit_test(test_long_keys),    cmocka_unit_test(test_overflow_names_the_key),
        cmocka_unit_test(test_out_of_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
