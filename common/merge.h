/* merge.h - a k-way merge of sorted runs over one key range: a loser tree whose nodes compare 8-byte key prefixes first.
 *
 * Memory: one block buffer for each run that is in a file; nothing for runs in memory. Several merges may read the same runs
 * at once from several threads (runs are immutable; files are read with pread). */
#ifndef MR_MERGE_H
#define MR_MERGE_H

#include "key.h"
#include "run.h"

/* A half-open key range. A NULL key is an open end. Pointers are borrowed. */
typedef struct mr_range {
    const char *low; /* first key in the range, or NULL */
    size_t low_size;
    const char *high; /* first key past the range, or NULL */
    size_t high_size;
} mr_range_t;

typedef struct mr_merge mr_merge_t;

/* A merge of `count` runs (borrowed until the merge is destroyed) within `range`. NULL and `error` on failure. */
mr_merge_t *mr_merge_new(mr_run_t *const *runs, size_t count, const mr_op_t *ops, uint32_t ncells, mr_range_t range,
                         mr_error_t *error);
void mr_merge_destroy(mr_merge_t **merge);

/* Rows that were reduced into another so far: what was read is these and the rows that were given. */
uint64_t mr_merge_folded(const mr_merge_t *merge);

/* The next row, equal keys reduced. Returns 1; 0 at the end; -1 and `error`: a sum overflowed (status JOB, names the
 * key), a run is malformed or out of order, a read failed. `row` is valid until the next call. */
int mr_merge_next(mr_merge_t *merge, mr_row_t *row, mr_error_t *error);

#endif
