/* job_harness.h - what the tests of jobs share: text between margins, a job's rows and bad records, random numbers. */
#ifndef MR_JOB_HARNESS_H
#define MR_JOB_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "buffer.h"
#include "cpu.h"
#include "jobs/registry.h"
#include "options.h"
#include "out.h"
#include "run.h"

/* ---- random numbers (SplitMix64) ---- */

static uint64_t random_state;

static inline uint64_t next_random(void) {
    uint64_t x = random_state += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

static inline size_t below(size_t limit) {
    return (size_t) (next_random() % limit);
}

/* From MILLRACE_SEED, or the clock; printed, so that a failure can be repeated. */
static inline void seed_random(void) {
    const char *seed = getenv("MILLRACE_SEED");
    random_state = seed ? strtoull(seed, NULL, 10) : (uint64_t) time(NULL);
    print_message("MILLRACE_SEED=%llu\n", (unsigned long long) random_state);
}

/* ---- text: exactly MR_MAP_MARGIN bytes of rubbish on both sides, so that ASan sees who reads further ---- */

typedef struct text {
    char *memory;
    char *data;
    size_t size;
} text_t;

static inline text_t make_text(const char *bytes, size_t size) {
    text_t text = {.memory = malloc(size + 2 * MR_MAP_MARGIN), .size = size};
    if (!text.memory || size > SIZE_MAX / 4)
        abort();
    text.data = text.memory + MR_MAP_MARGIN;
    for (size_t i = 0; i < size + 2 * MR_MAP_MARGIN; i++)
        text.memory[i] = "7\t\n x0;,"[below(8)];
    memcpy(text.data, bytes, size);
    return text;
}

/* ---- rows ---- */

typedef struct harness_row {
    char *key; /* owned */
    size_t size;
    uint64_t cells[MR_MAX_CELLS];
} harness_row_t;

typedef struct harness_rows {
    harness_row_t *items; /* owned */
    size_t count;
} harness_rows_t;

static inline void free_rows(harness_rows_t *rows) {
    for (size_t i = 0; i < rows->count; i++)
        free(rows->items[i].key);
    free(rows->items);
    *rows = (harness_rows_t){0};
}

static inline harness_row_t *append_row(harness_rows_t *rows, const char *key, size_t size) {
    if ((rows->count & (rows->count - 1)) == 0) /* full: its capacity is the next power of two */
        rows->items = realloc(rows->items, (rows->count ? 2 * rows->count : 1) * sizeof *rows->items);
    harness_row_t *row = &rows->items[rows->count++];
    *row = (harness_row_t){.key = malloc(size + 1), .size = size};
    memcpy(row->key, key, size);
    row->key[size] = 0;
    return row;
}

/* Takes a table's rows, in key order. */
static inline harness_rows_t drain_rows(mr_table_t *table, uint32_t ncells) {
    harness_rows_t rows = {0};
    mr_buffer_t run = {0};
    assert_int_equal(mr_table_drain(table, &run), 0);
    for (size_t at = 0; at < run.size;) {
        uint32_t header[2];
        memcpy(header, run.data + at, sizeof header);
        const char *cursor = run.data + at + MR_RUN_BLOCK_HEADER, *end = cursor + header[0];
        for (uint32_t i = 0; i < header[1]; i++) {
            mr_row_t row;
            assert_int_equal(mr_row_decode(&cursor, end, ncells, &row), 0);
            memcpy(append_row(&rows, row.key, row.key_size)->cells, row.cells, ncells * sizeof *row.cells);
        }
        assert_ptr_equal(cursor, end);
        at = (size_t) (end - run.data);
    }
    mr_buffer_free(&run);
    return rows;
}

static inline void assert_rows_equal(const harness_rows_t *got, const harness_rows_t *wanted, uint32_t ncells) {
    for (size_t i = 0; i < got->count && i < wanted->count; i++) {
        const harness_row_t *a = &got->items[i], *b = &wanted->items[i];
        if (a->size != b->size || memcmp(a->key, b->key, a->size) != 0)
            fail_msg("row %zu: key '%s' (%zu bytes), wanted '%s' (%zu bytes)", i, a->key, a->size, b->key, b->size);
        for (uint32_t j = 0; j < ncells; j++)
            if (a->cells[j] != b->cells[j])
                fail_msg("key '%s', cell %u: %llu, wanted %llu", a->key, j, (unsigned long long) a->cells[j],
                         (unsigned long long) b->cells[j]);
    }
    assert_int_equal(got->count, wanted->count);
}

/* ---- a job, set up ---- */

typedef struct harness_job {
    const mr_job_t *job;
    void *state;
} harness_job_t;

/* `settings`: "key=1 signed delimiter=comma" */
static inline harness_job_t set_up_job(const char *name, const char *settings, mr_simd_t simd) {
    harness_job_t set = {.job = mr_job_find(name)};
    mr_options_t *options = mr_options_new(set.job);
    mr_error_t error = {0};
    mr_complaint_t complaint = {{0}};
    char *copy = strdup(settings), *rest = copy;
    for (char *word; (word = strsep(&rest, " "));) {
        char *value = strchr(word, '=');
        if (value)
            *value++ = 0;
        if (*word && mr_options_set(options, word, value, &error))
            fail_msg("%s", error.text);
    }
    setenv("MILLRACE_SIMD", mr_simd_name(simd), 1);
    set.job = mr_job_variant(set.job, options);
    if (set.job->configure && set.job->configure(options, &set.state, &complaint))
        fail_msg("%s", complaint.text);
    free(copy);
    mr_options_destroy(&options);
    return set;
}

static inline void tear_down_job(harness_job_t *set) {
    if (set->job->destroy)
        set->job->destroy(set->state);
    *set = (harness_job_t){0};
}

#endif
