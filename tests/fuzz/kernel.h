/* kernel.h - for the targets of kernels: one text mapped by each instruction set there is, and what the slow reference says of it. */
#ifndef MR_FUZZ_KERNEL_H
#define MR_FUZZ_KERNEL_H

#include "cpu.h"
#include "fuzz.h"
#include "out.h"
#include "run.h"
#include "table.h"

/* What a kernel made of a text, or must make of it. */
typedef struct outcome {
    mr_buffer_t rows; /* in key order, each as size, key, cells */
    bool failed;      /* the table has an error */
    mr_tally_t tally;
    size_t bad_at[MR_OUT_REJECTS]; /* the first bad records */
} outcome_t;

/* Text between margins that are not part of it: what they hold must not matter, and ASan sees who reads further. */
typedef struct text {
    char *memory; /* owned */
    char *data;
    size_t size;
} text_t;

/* Whole lines: an end is added if there is none. */
static inline text_t make_text(const uint8_t *data, size_t size, uint8_t filling) {
    text_t text = {.memory = malloc(size + 1 + 2 * MR_MAP_MARGIN)};
    MUST(text.memory);
    memset(text.memory, filling, size + 1 + 2 * MR_MAP_MARGIN);
    text.data = text.memory + MR_MAP_MARGIN;
    if (size)
        memcpy(text.data, data, size);
    text.size = size;
    if (size == 0 || text.data[size - 1] != '\n')
        text.data[text.size++] = '\n';
    return text;
}

/* An empty table of so many sums, the same one each time: it is emptied by take_rows, unless it has failed. */
static inline mr_table_t *the_table(uint32_t ncells) {
    static const mr_op_t ops[] = {MR_SUM, MR_SUM};
    static mr_table_t *tables[2];
    mr_table_t **table = &tables[ncells - 1];
    if (*table && mr_table_error(*table))
        mr_table_destroy(table);
    if (!*table)
        *table = mr_table_new(ops, ncells);
    MUST(*table);
    return *table;
}

/* The table's rows, or that it failed. */
static inline void take_rows(outcome_t *outcome, mr_table_t *table, uint32_t ncells) {
    mr_buffer_t run = {0};
    mr_row_t row;
    outcome->failed = mr_table_error(table) != NULL;
    MUST((mr_table_drain(table, &run) != 0) == outcome->failed);
    for (size_t at = 0; at < run.size;) {
        input_t header = {(const uint8_t *) run.data + at, MR_RUN_BLOCK_HEADER};
        size_t size = take_number(&header, 4), rows = take_number(&header, 4);
        const char *cursor = run.data + at + MR_RUN_BLOCK_HEADER, *end = cursor + size;
        for (; rows; rows--) {
            MUST(mr_row_decode(&cursor, end, ncells, &row) == 0);
            put_bytes(&outcome->rows, &row.key_size, sizeof row.key_size);
            put_bytes(&outcome->rows, row.key, row.key_size);
            put_bytes(&outcome->rows, row.cells, ncells * sizeof *row.cells);
        }
        MUST(cursor == end);
        at = (size_t) (end - run.data);
    }
    mr_buffer_free(&run);
}

static inline void take_rejects(outcome_t *outcome, const mr_out_t *out, const text_t *text) {
    MUST(out->rejected == outcome->tally.rejected);
    for (size_t i = 0; i < mr_out_rejects(out); i++) {
        MUST(out->rejects[i].reason && out->rejects[i].record >= text->data);
        outcome->bad_at[i] = (size_t) (out->rejects[i].record - text->data);
    }
}

static inline void compare_outcomes(const outcome_t *got, const outcome_t *want) {
    MUST(got->tally.records == want->tally.records && got->tally.rejected == want->tally.rejected);
    for (size_t i = 0; i < want->tally.rejected && i < MR_OUT_REJECTS; i++)
        MUST(got->bad_at[i] == want->bad_at[i]);
    MUST(got->failed == want->failed);
    MUST(want->failed || same_bytes(&got->rows, &want->rows));
}

/* ---- the reference's rows: a list, searched from its beginning ---- */

typedef struct plain_row {
    mr_buffer_t key;
    uint64_t cells[2];
} plain_row_t;

typedef struct plain_rows {
    plain_row_t *items; /* owned */
    size_t count;
    bool overflow;
} plain_rows_t;

static inline void plain_add(plain_rows_t *rows, const char *key, size_t size, uint64_t value, bool second) {
    const mr_buffer_t wanted = {.data = (char *) (uintptr_t) key, .size = size};
    size_t i = 0;
    while (i < rows->count && !same_bytes(&rows->items[i].key, &wanted))
        i++;
    if (i == rows->count) {
        rows->items = realloc(rows->items, ++rows->count * sizeof *rows->items);
        MUST(rows->items);
        rows->items[i] = (plain_row_t){0};
        put_bytes(&rows->items[i].key, key, size);
    }
    uint64_t *cell = &rows->items[i].cells[second];
    rows->overflow |= *cell + value < *cell;
    *cell += value;
}

static inline int plain_order(const void *a, const void *b) {
    const mr_buffer_t *x = &((const plain_row_t *) a)->key, *y = &((const plain_row_t *) b)->key;
    size_t common = x->size < y->size ? x->size : y->size;
    int order = common ? memcmp(x->data, y->data, common) : 0;
    return order ? order : (x->size > y->size) - (x->size < y->size);
}

/* Moves the rows to the outcome, and frees them. */
static inline void plain_end(plain_rows_t *rows, outcome_t *outcome, uint32_t ncells) {
    if (rows->count)
        qsort(rows->items, rows->count, sizeof *rows->items, plain_order);
    for (size_t i = 0; i < rows->count; i++) {
        plain_row_t *row = &rows->items[i];
        put_bytes(&outcome->rows, &row->key.size, sizeof row->key.size);
        put_bytes(&outcome->rows, row->key.data, row->key.size);
        put_bytes(&outcome->rows, row->cells, ncells * sizeof *row->cells);
        mr_buffer_free(&row->key);
    }
    outcome->failed = rows->overflow;
    free(rows->items);
}

#endif
