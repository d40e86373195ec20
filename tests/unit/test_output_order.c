/* The order of the output's rows: by key, by value, the top ones; with much memory and with little; against a plain sort. */
#include "output_help.h"

static int best_first(const void *a, const void *b) {
    const row_t *x = a, *y = b;
    if (x->cells[0] != y->cells[0])
        return x->cells[0] > y->cells[0] ? -1 : 1;
    return compare_rows(a, b);
}

/* Distinct rows of two cells; many first cells are equal. */
static rows_t distinct_rows(size_t count) {
    rows_t rows = random_rows(count);
    for (size_t i = 0; i < count; i++) {
        uint64_t cell = random_below(4) ? random_below(50) : random_next() >> random_below(64);
        char *key = malloc(rows.row[i].key_size + 24);
        memcpy(key, rows.row[i].key, rows.row[i].key_size);
        snprintf(key + rows.row[i].key_size, 24, "%07zu", i);
        rows.row[i].key_size += 7; /* distinct, whatever stands before */
        free(rows.row[i].key);
        rows.row[i].key = key;
        rows.row[i].cells[0] = cell >> 1;
    }
    qsort(rows.row, count, sizeof *rows.row, compare_rows);
    return rows;
}

static mr_sink_t *sink_of(const rows_t *rows, size_t memory, uint32_t reducers) {
    mr_error_t error = {0};
    mr_sink_t *sink = new_sink(memory, reducers, test_ops, 2);
    uint64_t partial = 0;
    for (size_t from = 0, to; from < rows->count; from = to) {
        mr_buffer_t run = {0};
        to = from + 1 + random_below(5000);
        to = to < rows->count ? to : rows->count;
        table_run(rows, from, to, 2, &run);
        reserve_room(sink, run.size);
        assert_int_equal(stage_bytes(sink, 1, ++partial, run.data, run.size, &error), 0);
        assert_int_equal(mr_sink_commit(sink, 1, partial, &error), 0);
        mr_buffer_free(&run);
    }
    return sink;
}

static mr_buffer_t text_of(const rows_t *rows, size_t count) {
    mr_buffer_t text = {0};
    for (size_t i = 0; i < count; i++) {
        char cells[64];
        int size = snprintf(cells, sizeof cells, "\t%llu\t%llu\n", (unsigned long long) rows->row[i].cells[0],
                            (unsigned long long) rows->row[i].cells[1]);
        mr_buffer_append(&text, rows->row[i].key, rows->row[i].key_size);
        mr_buffer_append(&text, cells, (size_t) size);
    }
    return text;
}

typedef struct try {
    size_t rows;
    mr_sort_t sort;
    uint64_t top;
    size_t memory;
    uint32_t reducers;
}
try_t;

static void attempt(try_t try) {
    static const mr_job_t job = {.abi = MR_JOB_ABI, .name = "two", .ncells = 2, .ops = {MR_SUM, MR_MIN}};
    mr_error_t error = {0};
    rows_t rows = distinct_rows(try.rows);
    mr_sink_t *sink = sink_of(&rows, try.memory, try.reducers);
    mr_output_config_t config = config_for(in_dir("out"));
    config.job = &job;
    config.overwrite = true;
    config.sort = try.sort;
    config.top = try.top;
    config.memory = try.memory;
    config.reducers = try.reducers;
    mr_output_t *output = open_output(&config);
    uint64_t written;
    int result = mr_output_sink(output, sink, &written, &error);
    assert_string_equal(error.text, "");
    assert_int_equal(result, 0);
    commit_output(&output);
    mr_sink_destroy(&sink);
    if (try.top || try.sort == MR_SORT_VALUE)
        qsort(rows.row, rows.count, sizeof *rows.row, best_first);
    size_t count = try.top && try.top < try.rows ? try.top : try.rows;
    assert_int_equal(written, count);
    mr_buffer_t want = text_of(&rows, count), got = read_file(in_dir("out"));
    assert_int_equal(got.size, want.size);
    assert_memory_equal(got.data, want.data ? want.data : "", want.size);
    mr_buffer_free(&want);
    mr_buffer_free(&got);
    free_rows(&rows);
    assert_int_equal(atomic_load(&live_runs), 0);
}

static void by_key(void **state) {
    (void) state;
    random_start("by_key");
    for (uint32_t reducers = 1; reducers <= 3; reducers++)
        attempt((try_t){.rows = 30000, .memory = 1 << 20, .reducers = reducers});
    attempt((try_t){.rows = 30000, .sort = MR_SORT_NONE, .memory = 64 << 20, .reducers = 2});
}

static void by_value(void **state) {
    (void) state;
    random_start("by_value");
    for (size_t rows = 0; rows <= 40000; rows = 10 * rows + 4)
        attempt((try_t){.rows = rows, .sort = MR_SORT_VALUE, .memory = 64 << 20, .reducers = 2});
    for (uint32_t reducers = 1; reducers <= 3; reducers++)
        attempt((try_t){.rows = 60000, .sort = MR_SORT_VALUE, .memory = 1 << 20, .reducers = reducers});
}

static void top_rows(void **state) {
    (void) state;
    random_start("top_rows");
    static const uint64_t tops[] = {1, 2, 10, 63, 64, 65, 1000, 20000, 50000, UINT64_MAX};
    for (size_t i = 0; i < sizeof tops / sizeof *tops; i++) {
        attempt((try_t){.rows = 20000, .top = tops[i], .memory = 64 << 20, .reducers = 1 + (uint32_t) i % 3});
        attempt((try_t){.rows = 40000, .top = tops[i], .memory = 1 << 20, .reducers = 1 + (uint32_t) i % 3});
    }
    attempt((try_t){.rows = 0, .top = 10, .memory = 1 << 20, .reducers = 2});
}

/* The second sink can't spill: the error comes out, nothing hangs. */
static void sort_without_tmp_dir(void **state) {
    (void) state;
    mr_error_t error = {0};
    static const mr_job_t job = {.abi = MR_JOB_ABI, .name = "two", .ncells = 2, .ops = {MR_SUM, MR_MIN}};
    random_start("sort_without_tmp_dir");
    rows_t rows = distinct_rows(60000);
    mr_sink_t *sink = sink_of(&rows, 64 << 20, 3);
    mr_output_config_t config = config_for(in_dir("out"));
    config.job = &job;
    config.sort = MR_SORT_VALUE;
    config.memory = 1 << 20;
    config.tmp_dir = "/nonexistent/dir";
    config.reducers = 3;
    mr_output_t *output = open_output(&config);
    uint64_t written;
    assert_int_equal(mr_output_sink(output, sink, &written, &error), -1);
    assert_int_equal(error.status, MR_STATUS_STORAGE);
    assert_non_null(strstr(error.text, "/nonexistent/dir"));
    mr_output_destroy(&output);
    mr_sink_destroy(&sink);
    free_rows(&rows);
    assert_int_equal(count_names(""), 0);
}

#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, make_dir, remove_dir)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_DIR(by_key),
        IN_DIR(by_value),
        IN_DIR(top_rows),
        IN_DIR(sort_without_tmp_dir),
    };
    return cmocka_run_group_tests_name("output_order", tests, NULL, NULL);
}
