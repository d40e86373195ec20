#include "merge_cursor.h"

int mr_cursor_malformed(const mr_cursor_t *cursor, const char *reason, mr_error_t *error) {
    return mr_run_malformed(cursor->run, cursor->block - 1, reason, error);
}

/* Makes block `cursor->block` the current one. */
static int load_block(mr_cursor_t *cursor, mr_error_t *error) {
    const mr_range_t *range = cursor->range;
    const mr_run_block_t *block = mr_run_block(cursor->run, cursor->block);
    const char *payload = mr_run_block_payload(cursor->run, cursor->block, &cursor->buffer, error);
    if (!payload)
        return -1;
    cursor->at = payload;
    cursor->end = payload + block->size;
    cursor->rows = block->rows;
    cursor->block++;
    /* Keys of this block are before the next one's first: when that is within the range, so are they. */
    const mr_run_block_t *next = cursor->block < mr_run_blocks(cursor->run) ? block + 1 : NULL;
    cursor->check_high =
        range->high && (!next || mr_key_compare(next->key, next->key_size, range->high, range->high_size) > 0);
    return 0;
}

static int keep_previous(mr_cursor_t *cursor, const char **key, size_t key_size, mr_error_t *error) {
    if (mr_run_data(cursor->run))
        return 0;
    cursor->previous.size = 0;
    if (mr_buffer_append(&cursor->previous, *key, key_size) || mr_buffer_reserve(&cursor->previous, 1))
        return mr_error_memory(error, "merging runs");
    *key = cursor->previous.data;
    return 0;
}

int mr_cursor_next_block(mr_cursor_t *cursor, const char **key, size_t key_size, mr_error_t *error) {
    if (cursor->at != cursor->end)
        return mr_cursor_malformed(cursor, "bytes follow a block's last row", error);
    if (cursor->block == mr_run_blocks(cursor->run)) {
        mr_cursor_end(cursor);
        return 0;
    }
    return keep_previous(cursor, key, key_size, error) || load_block(cursor, error) ? -1 : 0;
}

static bool before_range(const mr_cursor_t *cursor) {
    const mr_range_t *range = cursor->range;
    return range->low && mr_key_compare(cursor->row.key, cursor->row.key_size, range->low, range->low_size) < 0;
}

int mr_cursor_open(mr_cursor_t *cursor, mr_error_t *error) {
    const mr_range_t *range = cursor->range;
    if (mr_run_blocks(cursor->run) == 0) {
        mr_cursor_end(cursor);
        return 0;
    }
    cursor->block = range->low ? mr_run_find_block(cursor->run, range->low, range->low_size) : 0;
    if (load_block(cursor, error) || mr_cursor_decode(cursor, error))
        return -1;
    if (mr_cursor_past_range(cursor))
        mr_cursor_end(cursor);
    const char *key;
    while (!cursor->done && before_range(cursor))
        if (mr_cursor_advance(cursor, &key, error))
            return -1;
    return 0;
}

void mr_cursor_close(mr_cursor_t *cursor) {
    mr_buffer_free(&cursor->buffer);
    mr_buffer_free(&cursor->previous);
}
