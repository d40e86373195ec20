/* Runs: varints, the exact bytes, the index, and every small damage. */
#include "rows.h"

#include <stdbool.h>
#include <unistd.h>

#include "run_index.h"

/* ---- varints ---- */

static void expect_varint(uint64_t value) {
    char bytes[16], slow[16];
    memset(bytes, 'x', sizeof bytes);
    size_t size = (size_t) (mr_varint_put(bytes, value) - bytes);
    assert_int_equal(size, (size_t) (mr_varint_put_long(slow, value) - slow));
    assert_memory_equal(bytes, slow, size);
    for (size_t end = size; end <= sizeof bytes; end++) { /* with and without bytes behind it: both ways to read */
        uint64_t got = ~value;
        assert_ptr_equal(mr_varint_get(bytes, bytes + end, &got), bytes + size);
        assert_int_equal(got, value);
    }
    for (size_t end = 0; end < size; end++) {
        uint64_t got;
        char *cut = malloc(end + 1);
        memcpy(cut, bytes, end);
        assert_null(mr_varint_get(cut, cut + end, &got));
        free(cut);
    }
}

static void test_varints(void **state) {
    (void) state;
    random_start("varints");
    expect_varint(0);
    expect_varint(UINT64_MAX);
    for (unsigned bit = 0; bit < 64; bit++)
        for (int around = -1; around <= 1; around++)
            expect_varint(((uint64_t) 1 << bit) + (uint64_t) around);
    for (int i = 0; i < 2000; i++)
        expect_varint(random_next() >> random_below(64));
}

static void expect_no_varint(const char *bytes, size_t size) {
    char padded[24] = {0};
    uint64_t value;
    memcpy(padded, bytes, size);
    assert_null(mr_varint_get(padded, padded + sizeof padded, &value));
    assert_null(mr_varint_get_careful(padded, padded + sizeof padded, &value));
    assert_null(mr_varint_get(padded, padded + size, &value));
}

static void test_bad_varints(void **state) {
    (void) state;
    expect_no_varint("\x80\x00", 2); /* longer than needed */
    expect_no_varint("\xff\x80\x80\x00", 4);
    expect_no_varint("\x80\x80\x80\x80\x80\x80\x80\x80\x00", 9);
    expect_no_varint("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10); /* past 64 bits */
    expect_no_varint("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11);
}

/* ---- the format ---- */

static void test_exact_bytes(void **state) {
    (void) state;
    static const char expected[] = "\x0b\0\0\0\x02\0\0\0" /* payload 11 bytes, 2 rows */
                                   "\0\x05\xac\x02"       /* "": 5, 300 */
                                   "\x03"
                                   "abc\0\xff\x01"        /* "abc": 0, 255 */
                                   "\x04\0\0\0\x01\0\0\0" /* the second block */
                                   "\x01"
                                   "b\x01\x02";
    uint64_t cells[][2] = {{5, 300}, {0, 255}, {1, 2}};
    mr_buffer_t out = {0};
    mr_run_writer_t writer = {.out = &out, .ncells = 2};
    assert_int_equal(mr_run_write(&writer, "", 0, cells[0]), 0);
    assert_int_equal(mr_run_write(&writer, "abc", 3, cells[1]), 0);
    mr_run_end_block(&writer);
    mr_run_end_block(&writer);
    assert_int_equal(mr_run_write(&writer, "b", 1, cells[2]), 0);
    mr_run_end_block(&writer);
    assert_int_equal(out.size, sizeof expected - 1);
    assert_memory_equal(out.data, expected, out.size);
    mr_buffer_free(&out);
}

static void test_blocks_are_cut(void **state) {
    (void) state;
    mr_buffer_t out = {0};
    mr_run_writer_t writer = {.out = &out, .ncells = 1};
    char key[16];
    for (uint64_t i = 0; i < 30000; i++) {
        snprintf(key, sizeof key, "%09zu", (size_t) i);
        assert_int_equal(mr_run_write(&writer, key, 9, &i), 0);
    }
    mr_run_end_block(&writer);
    mr_error_t error = {0};
    mr_run_t *run = mr_run_from_memory(out.data, out.size, 1, NULL, NULL, &error);
    assert_non_null(run);
    assert_int_equal(mr_run_rows(run), 30000);
    assert_int_equal(mr_run_blocks(run), out.size / MR_RUN_BLOCK + 1);
    assert_ptr_equal(mr_run_data(run), out.data);
    assert_true(mr_run_memory(run) >= out.size);
    for (size_t i = 0; i < mr_run_blocks(run); i++)
        assert_in_range(mr_run_block(run, i)->size, 1, MR_RUN_BLOCK + 32);
    size_t size;
    assert_memory_equal(mr_run_block_key(run, 0, &size), "000000000", 9);
    assert_int_equal(size, 9);
    mr_run_destroy(&run);
    mr_run_destroy(&run);
    mr_buffer_free(&out);
}

/* ---- damage ---- */

/* What a merge of the run gives: rows it gave, and whether it ended without an error. */
typedef struct outcome {
    bool good;
    size_t rows;
} outcome_t;

static outcome_t read_all(mr_run_t *run) {
    outcome_t outcome = {0};
    mr_error_t error = {0};
    mr_row_t row;
    int more = -1;
    char last[64];
    size_t last_size = 0;
    mr_merge_t *merge = mr_merge_new(&run, 1, test_ops, 2, (mr_range_t){0}, &error);
    while (merge && (more = mr_merge_next(merge, &row, &error)) == 1) {
        if (outcome.rows++)
            assert_true(mr_key_compare(last, last_size, row.key, row.key_size) < 0);
        assert_true(row.key_size <= sizeof last);
        memcpy(last, row.key, last_size = row.key_size);
    }
    mr_merge_destroy(&merge);
    outcome.good = more == 0;
    assert_int_equal(error.status == MR_STATUS_OK, outcome.good);
    return outcome;
}

/* Reads the bytes as a run in memory that ends where they end, and as a file. Both must agree. */
static outcome_t read_bytes(const char *bytes, size_t size) {
    mr_error_t error = {0}, file_error = {0};
    outcome_t outcome = {0}, from_file = {0};
    char *exact = malloc(size ? size : 1);
    memcpy(exact, bytes, size);
    mr_run_t *run = mr_run_from_memory(exact, size, 2, free, exact, &error);
    if (run)
        outcome = read_all(run);
    else
        free(exact);
    mr_run_destroy(&run);
    FILE *file = tmpfile();
    fwrite(bytes, 1, size, file);
    fflush(file);
    run = mr_run_from_file(fileno(file), 0, size, 2, "spill", &file_error);
    if (run)
        from_file = read_all(run);
    mr_run_destroy(&run);
    fclose(file);
    assert_int_equal(error.status, file_error.status == MR_STATUS_STORAGE ? MR_STATUS_JOB : file_error.status);
    assert_int_equal(outcome.good, from_file.good);
    assert_int_equal(outcome.rows, from_file.rows);
    return outcome;
}

#define DAMAGE_ROWS 12u

static mr_buffer_t small_run(size_t ends[3]) {
    mr_buffer_t out = {0};
    mr_run_writer_t writer = {.out = &out, .ncells = 2};
    char key[32] = "shared prefix ";
    ends[0] = 0;
    for (uint64_t i = 0; i < DAMAGE_ROWS; i++) {
        uint64_t cells[] = {i * i * 100, i};
        key[14] = (char) ('a' + i);
        assert_int_equal(mr_run_write(&writer, key, i % 2 ? 15 : 17, cells), 0);
        if (i % 6 == 5) {
            mr_run_end_block(&writer);
            ends[i / 6 + 1] = out.size;
        }
    }
    return out;
}

static void test_every_byte_damaged(void **state) {
    (void) state;
    size_t ends[3];
    mr_buffer_t run = small_run(ends);
    assert_int_equal(read_bytes(run.data, run.size).rows, DAMAGE_ROWS);
    for (size_t i = 0; i < run.size; i++)
        for (unsigned value = 1; value < 256; value += value < 8 || value > 120 ? 1 : 11) {
            run.data[i] = (char) (run.data[i] ^ (char) value);
            outcome_t outcome = read_bytes(run.data, run.size);
            if (outcome.good) /* a key or a cell is another, but no row is lost */
                assert_int_equal(outcome.rows, DAMAGE_ROWS);
            run.data[i] = (char) (run.data[i] ^ (char) value);
        }
    mr_buffer_free(&run);
}

static void test_cut_at_every_byte(void **state) {
    (void) state;
    size_t ends[3];
    mr_buffer_t run = small_run(ends);
    for (size_t size = 0; size <= run.size; size++) {
        outcome_t outcome = read_bytes(run.data, size);
        bool whole = size == ends[0] || size == ends[1] || size == ends[2];
        assert_int_equal(outcome.good, whole);
        assert_true(!whole || outcome.rows == (size == 0 ? 0 : size == ends[1] ? 6 : 12));
    }
    mr_buffer_free(&run);
}

static void expect_refused(const char *bytes, size_t size, const char *text) {
    mr_error_t error = {0};
    assert_null(mr_run_from_memory(bytes, size, 1, NULL, NULL, &error));
    assert_int_equal(error.status, MR_STATUS_JOB);
    assert_string_equal(error.text, text);
}

static void test_what_is_wrong_is_said(void **state) {
    (void) state;
    expect_refused("\x02\0\0", 3, "run:0: the run is malformed: a block header is cut short");
    expect_refused("\x02\0\0\0\x01\0\0\0\0", 9, "run:0: the run is malformed: a block ends past the run");
    expect_refused("\xff\xff\xff\xff\x01\0\0\0\0\0", 10, "run:0: the run is malformed: a block is too large");
    expect_refused("\x02\0\0\0\0\0\0\0\0\0", 10, "run:0: the run is malformed: a block's number of rows is impossible");
    expect_refused("\x02\0\0\0\x02\0\0\0\0\0", 10,
                   "run:0: the run is malformed: a block's number of rows is impossible");
    expect_refused("\x02\0\0\0\x01\0\0\0\x02k", 10, "run:0: the run is malformed: a row does not decode");
    expect_refused("\x02\0\0\0\x01\0\0\0\0\0\x02\0\0\0\x01\0\0\0\0\0", 20,
                   "run:10: the run is malformed: keys are out of order");
}

static void test_file_cut_after_opening(void **state) {
    (void) state;
    size_t ends[3];
    mr_buffer_t bytes = small_run(ends);
    mr_error_t error = {0};
    mr_row_t row;
    FILE *file = tmpfile();
    fwrite("before", 1, 6, file);
    fwrite(bytes.data, 1, bytes.size, file);
    fflush(file);
    mr_run_t *run = mr_run_from_file(fileno(file), 6, bytes.size, 2, "spill", &error);
    assert_non_null(run);
    assert_null(mr_run_data(run));
    assert_true(mr_run_memory(run) > 0);
    assert_int_equal(ftruncate(fileno(file), 20), 0);
    assert_null(mr_merge_new(&run, 1, test_ops, 2, (mr_range_t){0}, &error));
    assert_int_equal(error.status, MR_STATUS_STORAGE);
    assert_string_equal(error.text, "spill:20: cannot read the run: the file was cut short");
    (void) row;
    mr_run_destroy(&run);
    fclose(file);
    mr_buffer_free(&bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_varints),
        cmocka_unit_test(test_bad_varints),
        cmocka_unit_test(test_exact_bytes),
        cmocka_unit_test(test_blocks_are_cut),
        cmocka_unit_test(test_every_byte_damaged),
        cmocka_unit_test(test_cut_at_every_byte),
        cmocka_unit_test(test_what_is_wrong_is_said),
        cmocka_unit_test(test_file_cut_after_opening),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
