/* The sort against qsort, on random keys, on orders that ask for each of its ways, and on keys made to be slow. */
#include "rows.h"

#include "sort.h"

/* Rows as the table has them: u32 size, key, padded to 8 bytes. */
typedef struct arena {
    mr_buffer_t bytes;
    mr_sort_entry_t *entries; /* as many again behind them: scratch */
    size_t count;
} arena_t;

static arena_t arena_of(const rows_t *rows) {
    static const char zeros[16];
    arena_t arena = {.entries = malloc((2 * rows->count + 1) * sizeof(mr_sort_entry_t)), .count = rows->count};
    for (size_t i = 0; i < rows->count; i++) {
        const row_t *row = &rows->row[i];
        arena.entries[i] = (mr_sort_entry_t){.prefix = mr_key_prefix(row->key, row->key_size, 0),
                                             .row = (uint32_t) (arena.bytes.size / 8),
                                             .size = (uint32_t) row->key_size};
        mr_buffer_append(&arena.bytes, row->key, row->key_size);
        mr_buffer_append(&arena.bytes, zeros, 8 - arena.bytes.size % 8);
    }
    mr_buffer_append(&arena.bytes, zeros, sizeof zeros);
    return arena;
}

/* Sorts the rows, whose keys are different, in the order in which they are; frees them. */
static void expect_sorted(rows_t *rows) {
    arena_t arena = arena_of(rows);
    mr_sort(arena.entries, arena.entries + arena.count, arena.count, arena.bytes.data);
    qsort(rows->row, rows->count, sizeof *rows->row, compare_rows);
    for (size_t i = 0; i < rows->count; i++) {
        assert_int_equal(arena.entries[i].size, rows->row[i].key_size);
        assert_memory_equal(arena.bytes.data + 8 * (size_t) arena.entries[i].row, rows->row[i].key,
                            rows->row[i].key_size);
    }
    free(arena.entries);
    mr_buffer_free(&arena.bytes);
    free_rows(rows);
}

static void shuffle(rows_t *rows) {
    for (size_t i = rows->count; i > 1; i--) {
        size_t j = random_below(i);
        row_t row = rows->row[i - 1];
        rows->row[i - 1] = rows->row[j];
        rows->row[j] = row;
    }
}

/* Rows with different random keys, ascending. */
static rows_t distinct_rows(size_t count) {
    rows_t rows = random_rows(count);
    reduce_rows(&rows, test_ops, 1);
    return rows;
}

static void test_random(void **state) {
    (void) state;
    random_start("random");
    for (int i = 0; i < 200; i++) {
        rows_t rows = distinct_rows(random_below(i % 10 ? 500 : 30000));
        shuffle(&rows);
        expect_sorted(&rows);
    }
}

/* Keys without shared prefixes, so many that all bytes of the first eight decide somewhere. */
static void test_dense(void **state) {
    (void) state;
    random_start("dense");
    rows_t rows = {.row = calloc(200000, sizeof(row_t)), .count = 200000};
    for (size_t i = 0; i < rows.count; i++) {
        uint64_t key = random_next() >> random_below(30);
        rows.row[i] = make_row((const char *) &key, 8);
    }
    reduce_rows(&rows, test_ops, 1);
    shuffle(&rows);
    expect_sorted(&rows);
}

/* Ascending sequences, of all rows dealt in stretches: few are merged, many are distributed. */
static void test_ascending_sequences(void **state) {
    (void) state;
    random_start("sequences");
    static const size_t counts[] = {1, 2, 3, 5, 8, 11, 36, 63, 64, 65, 66, 200};
    for (size_t k = 0; k < sizeof counts / sizeof *counts; k++) {
        size_t parts = counts[k];
        rows_t rows = distinct_rows(2000), dealt = {.row = calloc(2001, sizeof(row_t))};
        size_t stretch = 1 + random_below(k < 6 ? 100 : 4);
        for (size_t p = 0; p < parts; p++)
            for (size_t i = 0; i < rows.count; i++)
                if (i / stretch % parts == p)
                    dealt.row[dealt.count++] = rows.row[i];
        free(rows.row);
        expect_sorted(&dealt);
    }
}

static void test_descending(void **state) {
    (void) state;
    random_start("descending");
    rows_t rows = distinct_rows(3000);
    for (size_t i = 0; i < rows.count / 2; i++) {
        row_t row = rows.row[i];
        rows.row[i] = rows.row[rows.count - 1 - i];
        rows.row[rows.count - 1 - i] = row;
    }
    expect_sorted(&rows);
}

/* Each key a prefix of the next: the most levels of common prefixes for their bytes. */
static void test_prefixes_of_each_other(void **state) {
    (void) state;
    random_start("prefixes");
    static char key[12000];
    for (int byte = 0; byte < 256; byte += 85) {
        rows_t rows = {.row = calloc(4000, sizeof(row_t)), .count = 4000};
        memset(key, byte, sizeof key);
        for (size_t i = 0; i < rows.count; i++)
            rows.row[i] = make_row(key, 3 * i);
        shuffle(&rows);
        expect_sorted(&rows);
    }
}

/* A long common prefix must be passed once, not once for each comparison: 2000 keys of 64 KiB. */
static void test_long_shared_prefix(void **state) {
    (void) state;
    random_start("long shared prefix");
    static char key[65536];
    memset(key, 's', sizeof key);
    rows_t rows = {.row = calloc(2000, sizeof(row_t)), .count = 2000};
    for (size_t i = 0; i < rows.count; i++) {
        mr_store32(key + sizeof key - 4, (uint32_t) i * 2654435761u);
        rows.row[i] = make_row(key, sizeof key);
    }
    shuffle(&rows);
    expect_sorted(&rows);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_dense),
        cmocka_unit_test(test_ascending_sequences),
        cmocka_unit_test(test_descending),
        cmocka_unit_test(test_prefixes_of_each_other),
        cmocka_unit_test(test_long_shared_prefix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
