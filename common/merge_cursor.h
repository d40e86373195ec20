/* merge_cursor.h - one run's place in a merge: the row it stands on, within the merge's key range. Private to the merge.
 *
 * It checks what opening the run could not: that every row decodes, that keys ascend strictly, that each block holds exactly the
 * rows its header promises. */
#ifndef MR_MERGE_CURSOR_H
#define MR_MERGE_CURSOR_H

#include <stdbool.h>

#include "merge.h"
#include "run_index.h"

typedef struct mr_cursor {
    uint64_t prefix; /* of row.key; UINT64_MAX when done */
    mr_row_t row;    /* where the cursor stands */
    const char *at;  /* the next row of the block */
    const char *end; /* of the block */
    uint32_t rows;   /* left in the block */
    uint32_t ncells; /* of a row */
    bool done;       /* past the range or the run */
    bool check_high; /* the range may end in this block */
    size_t block;    /* index of the next block */
    const mr_run_t *run;
    const mr_range_t *range;
    mr_buffer_t buffer;   /* the block of a file run */
    mr_buffer_t previous; /* copy of the key before this row, when the block it was in has been replaced */
} mr_cursor_t;

/* Stands the cursor on the first row in the range. The zeroed cursor, run and range are the caller's. Returns 0 or -1. */
int mr_cursor_open(mr_cursor_t *cursor, mr_error_t *error);

void mr_cursor_close(mr_cursor_t *cursor);

/* Fetches the next block, or ends the run. *key, the key of the row before, is moved to a copy if its block goes away. */
int mr_cursor_next_block(mr_cursor_t *cursor, const char **key, size_t key_size, mr_error_t *error);

int mr_cursor_malformed(const mr_cursor_t *cursor, const char *reason, mr_error_t *error);

static inline uint64_t mr_cursor_row_prefix(const mr_cursor_t *cursor) {
    const mr_row_t *row = &cursor->row;
    if (__builtin_expect(cursor->end - row->key >= 8, 1))
        return __builtin_bswap64(mr_load64(row->key) & mr_key_mask(row->key_size));
    return mr_key_prefix(row->key, row->key_size, 0);
}

/* Decodes the next row of the block, whatever its key. */
static inline int mr_cursor_decode(mr_cursor_t *cursor, mr_error_t *error) {
    if (__builtin_expect(mr_row_decode_inline(&cursor->at, cursor->end, cursor->ncells, &cursor->row), 0))
        return mr_cursor_malformed(cursor, "a row does not decode", error);
    cursor->rows--;
    cursor->prefix = mr_cursor_row_prefix(cursor);
    return 0;
}

static inline bool mr_cursor_past_range(const mr_cursor_t *cursor) {
    const mr_range_t *range = cursor->range;
    return cursor->check_high &&
           mr_key_compare(cursor->row.key, cursor->row.key_size, range->high, range->high_size) >= 0;
}

static inline void mr_cursor_end(mr_cursor_t *cursor) {
    cursor->done = true;
    cursor->prefix = UINT64_MAX;
}

/* Moves to the next row. *key is where the key of the row before is from now on, until the next call. */
static inline int mr_cursor_advance(mr_cursor_t *cursor, const char **key, mr_error_t *error) {
    uint64_t prefix = cursor->prefix;
    size_t key_size = cursor->row.key_size;
    *key = cursor->row.key;
    if (__builtin_expect(cursor->rows == 0, 0)) {
        if (mr_cursor_next_block(cursor, key, key_size, error))
            return -1;
        if (cursor->done)
            return 0;
    }
    if (mr_cursor_decode(cursor, error))
        return -1;
    if (__builtin_expect(cursor->prefix <= prefix, 0) &&
        mr_key_compare(*key, key_size, cursor->row.key, cursor->row.key_size) >= 0)
        return mr_cursor_malformed(cursor, "keys are out of order", error);
    if (mr_cursor_past_range(cursor))
        mr_cursor_end(cursor);
    return 0;
}

#endif
