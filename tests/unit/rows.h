/* rows.h - for the tests of table, sort, run and merge: seeded random rows, and the plainest way to reduce them. */
#ifndef TEST_ROWS_H
#define TEST_ROWS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "key.h"
#include "merge.h"
#include "table.h"

typedef struct row {
    char *key; /* owned; exactly key_size bytes, so that a read past its end is seen by ASan */
    size_t key_size;
    uint64_t cells[MR_MAX_CELLS];
} row_t;

typedef struct rows {
    row_t *row;
    size_t count;
} rows_t;

static uint64_t random_state;

static inline uint64_t random_next(void) {
    random_state += 0x9E3779B97F4A7C15u; /* splitmix64 */
    uint64_t z = random_state;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

static inline size_t random_below(size_t bound) {
    return (size_t) (random_next() % bound);
}

/* The seed is SEED from the environment, or the time; it is printed. */
static inline void random_start(const char *test) {
    const char *seed = getenv("SEED");
    random_state = seed ? strtoull(seed, NULL, 0) : (uint64_t) time(NULL) * 1000003;
    print_message("%s: SEED=%llu\n", test, (unsigned long long) random_state);
}

/* Keys of every awkward kind: empty, few distinct bytes (0x00 and 0xff among them), long shared prefixes, prefixes of each other. */
static inline size_t random_key(char *out) {
    static const size_t shared[] = {0, 0, 7, 8, 9, 16, 24, 31, 120, 128};
    static const char bytes[] = {0, 1, 'a', 'b', '\x7f', '\x80', '\xff'};
    size_t size = shared[random_below(sizeof shared / sizeof *shared)];
    memset(out, random_below(2) ? 'p' : '\xff', size);
    for (size_t more = random_below(random_below(4) ? 5 : 30); more; more--)
        out[size++] = bytes[random_below(sizeof bytes)];
    return size;
}

static inline row_t make_row(const char *key, size_t key_size) {
    row_t row = {.key = malloc(key_size ? key_size : 1), .key_size = key_size};
    if (key_size)
        memcpy(row.key, key, key_size);
    for (unsigned i = 0; i < MR_MAX_CELLS; i++)
        row.cells[i] = random_next() >> (8 + random_below(56));
    return row;
}

static inline rows_t random_rows(size_t count) {
    char key[256];
    rows_t rows = {.row = calloc(count + 1, sizeof(row_t)), .count = count};
    for (size_t i = 0; i < count; i++) {
        size_t size = random_key(key);
        rows.row[i] = make_row(key, size);
    }
    return rows;
}

static inline void free_rows(rows_t *rows) {
    for (size_t i = 0; i < rows->count; i++)
        free(rows->row[i].key);
    free(rows->row);
    *rows = (rows_t){0};
}

static inline int compare_rows(const void *a, const void *b) {
    const row_t *x = a, *y = b;
    size_t common = x->key_size < y->key_size ? x->key_size : y->key_size;
    int order = memcmp(x->key, y->key, common);
    return order ? order : x->key_size < y->key_size ? -1 : x->key_size > y->key_size;
}

static inline void fold_row(const mr_op_t *ops, uint32_t ncells, row_t *into, const row_t *from) {
    for (uint32_t i = 0; i < ncells; i++) {
        uint64_t a = into->cells[i], b = from->cells[i];
        into->cells[i] = ops[i] == MR_SUM ? a + b : (ops[i] == MR_MIN) == (a < b) ? a : b;
    }
}

/* Sorts and folds in place: the reference. */
static inline void reduce_rows(rows_t *rows, const mr_op_t *ops, uint32_t ncells) {
    size_t kept = 0;
    qsort(rows->row, rows->count, sizeof *rows->row, compare_rows);
    for (size_t i = 0; i < rows->count; i++) {
        if (kept && compare_rows(&rows->row[kept - 1], &rows->row[i]) == 0) {
            fold_row(ops, ncells, &rows->row[kept - 1], &rows->row[i]);
            free(rows->row[i].key);
        } else {
            rows->row[kept++] = rows->row[i];
        }
    }
    rows->count = kept;
}

static const mr_op_t test_ops[MR_MAX_CELLS] = {MR_SUM, MR_MIN, MR_MAX, MR_SUM, MR_MAX, MR_MIN, MR_SUM, MR_MAX};

/* Rows [from, to) folded through a table, as a run appended to `out`. */
static inline void table_run(const rows_t *rows, size_t from, size_t to, uint32_t ncells, mr_buffer_t *out) {
    mr_table_t *table = mr_table_new(test_ops, ncells);
    assert_non_null(table);
    for (size_t i = from; i < to; i++)
        assert_int_equal(mr_table_add(table, rows->row[i].key, rows->row[i].key_size, rows->row[i].cells), 0);
    assert_int_equal(mr_table_drain(table, out), 0);
    mr_table_destroy(&table);
}

/* Asserts that the merge gives the reference's rows from *next on, as far as it goes; moves *next. */
static inline void expect_rows(mr_merge_t *merge, const rows_t *reference, size_t *next, uint32_t ncells) {
    mr_error_t error = {0};
    mr_row_t row;
    int more;
    while ((more = mr_merge_next(merge, &row, &error)) == 1) {
        assert_true(*next < reference->count);
        const row_t *want = &reference->row[(*next)++];
        assert_int_equal(row.key_size, want->key_size);
        assert_memory_equal(row.key, want->key, want->key_size);
        assert_memory_equal(row.cells, want->cells, ncells * sizeof *want->cells);
    }
    assert_string_equal(error.text, "");
    assert_int_equal(more, 0);
}

#endif
