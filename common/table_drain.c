/* Draining: the rows are listed, sorted by reference and written as a run; then the table starts anew in memory it keeps.
 *
 * Fails when memory is out, or when a row could not be folded in: the table is then as it was. */
#include <string.h>

#include "pages.h"
#include "run.h"
#include "sort.h"
#include "table_inner.h"

#define KEPT_BITS 21u /* slots kept over a drain: 16 MiB */
#define AHEAD 16u     /* rows fetched before they are written */

/* The slots that as many rows as there were would need. */
static uint32_t fitting_bits(const mr_table_t *table) {
    uint32_t bits = MR_TABLE_FIRST_BITS;
    while (bits < KEPT_BITS && ((size_t) 1 << bits) / 8 * 5 < table->rows)
        bits++;
    return bits;
}

/* Frees the slots by clearing them, unless they are far too many or too large to be kept. */
static void reset_slots(mr_table_t *table) {
    uint32_t bits = fitting_bits(table);
    uint64_t *slots = table->bits > bits + 1 ? mr_table_new_slots(bits) : NULL;
    if (slots) {
        mr_pages_free(table->slots, mr_table_slots_size(table->bits));
        mr_table_set_slots(table, slots, bits);
    } else {
        memset(table->slots, 0, mr_table_slots_size(table->bits));
    }
}

static void reset_arena(mr_table_t *table) {
    char *arena = table->arena_size > MR_TABLE_FIRST_ARENA ? mr_table_new_arena() : NULL;
    if (arena) {
        mr_pages_free(table->arena, table->arena_size);
        table->arena = arena;
        table->arena_size = MR_TABLE_FIRST_ARENA;
    }
}

/* One entry a row, in insertion order. */
static void list_rows(const mr_table_t *table, mr_sort_entry_t *entries) {
    size_t at = mr_table_row_units(table, 0);
    for (size_t i = 0; i < table->rows; i++) {
        const char *key = mr_table_row_key(table, at);
        uint32_t size;
        memcpy(&size, key, sizeof size);
        uint64_t prefix = __builtin_bswap64(mr_load64(key + sizeof size) & mr_key_mask(size));
        entries[i] = (mr_sort_entry_t){.prefix = prefix, .row = (uint32_t) at, .size = size};
        at += mr_table_row_units(table, size);
    }
}

static int write_rows(const mr_table_t *table, const mr_sort_entry_t *entries, mr_buffer_t *run) {
    mr_run_writer_t writer = {.out = run, .ncells = table->ncells};
    for (size_t i = 0; i < table->rows; i++) {
        if (i + AHEAD < table->rows)
            __builtin_prefetch(mr_table_row_cells(table, entries[i + AHEAD].row));
        const char *key = mr_table_row_key(table, entries[i].row) + sizeof(uint32_t);
        if (mr_run_write(&writer, key, entries[i].size, mr_table_row_cells(table, entries[i].row)))
            return -1;
    }
    mr_run_end_block(&writer);
    return 0;
}

/* Empties the table, keeping its memory up to a bound. Where smaller memory cannot be had, the larger is kept. */
static void reset(mr_table_t *table) {
    reset_slots(table);
    reset_arena(table);
    mr_table_set_empty(table);
}

int mr_table_drain(mr_table_t *table, mr_buffer_t *run) {
    if (mr_table_error(table))
        return -1;
    size_t before = run->size, size = 2 * table->rows * sizeof(mr_sort_entry_t);
    size = (size + MR_PAGES_MIN) / MR_PAGES_MIN * MR_PAGES_MIN;
    mr_sort_entry_t *entries = mr_pages_new(size);
    int result = -1;
    if (entries && mr_buffer_reserve(run, 8 * (size_t) table->used) == 0) {
        list_rows(table, entries);
        mr_sort(entries, entries + table->rows, table->rows, mr_table_row_key(table, 0) + sizeof(uint32_t));
        result = write_rows(table, entries, run);
    }
    mr_pages_free(entries, size);
    if (result)
        run->size = before;
    else
        reset(table);
    return result;
}
