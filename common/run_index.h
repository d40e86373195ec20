/* run_index.h - a run's blocks, for the merge: where they are, and how one is fetched. Private to run and merge. */
#ifndef MR_RUN_INDEX_H
#define MR_RUN_INDEX_H

#include "run.h"
#include "varint.h"

/* No block that mr_run_write makes has a larger payload. */
#define MR_RUN_PAYLOAD_MAX (MR_RUN_BLOCK + MR_MAX_KEY + 128)

/* Decodes as mr_row_decode does; inline for the merge's loop. */
static inline int mr_row_decode_inline(const char **cursor, const char *end, uint32_t ncells, mr_row_t *row) {
    uint64_t size;
    const char *at = mr_varint_get_small(*cursor, end, &size);
    if (!at || size > MR_MAX_KEY || size > (size_t) (end - at))
        return -1;
    row->key = at;
    row->key_size = (size_t) size;
    at += size;
    for (uint32_t i = 0; i < ncells; i++)
        if (!(at = mr_varint_get(at, end, &row->cells[i])))
            return -1;
    *cursor = at;
    return 0;
}

typedef struct mr_run_block {
    uint64_t offset;   /* of the payload, in the run */
    const char *key;   /* the first row's key */
    uint32_t key_size; /* its length */
    uint32_t size;     /* bytes of payload */
    uint32_t rows;     /* rows in it */
} mr_run_block_t;

const mr_run_block_t *mr_run_block(const mr_run_t *run, size_t index);

/* The payload of block `index`: in place if the run is in memory, else read into `buffer` (grown as needed). NULL and `error` on
 * failure. */
const char *mr_run_block_payload(const mr_run_t *run, size_t index, mr_buffer_t *buffer, mr_error_t *error);

/* Fills `error` with "NAME:OFFSET: the run is malformed: REASON", the offset being that of block `index`. Returns -1. */
int mr_run_malformed(const mr_run_t *run, size_t index, const char *reason, mr_error_t *error);

/* The block in which a row with `key` is, if there is one: the last whose first key is not past it; 0 if there is none. */
size_t mr_run_find_block(const mr_run_t *run, const char *key, size_t key_size);

#endif
