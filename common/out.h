/* out.h - where a kernel's rows and bad records go: a worker thread's table, behind the --only filter.
 *
 * The worker zeroes an mr_out_t, sets table (and only), and for each block: mr_out_begin, the job's map, then it looks at
 * `rejects` (while the block's memory is still there, to turn pointers into offsets) and at mr_table_error. */
#ifndef MR_OUT_H
#define MR_OUT_H

#include "millrace/job.h"
#include "table.h"

/* Bad records kept with their place, per call of map; further ones are only counted. */
#define MR_OUT_REJECTS 32u

typedef struct mr_rejected {
    const char *record; /* first byte, in the block given to map */
    const char *reason; /* a literal */
} mr_rejected_t;

struct mr_out {
    mr_table_t *table; /* borrowed */
    const char *only;  /* borrowed; keep only rows of this key; NULL: all rows */
    size_t only_size;
    uint64_t rejected; /* bad records since mr_out_begin */
    mr_rejected_t rejects[MR_OUT_REJECTS];
};

/* mr_emit of one row whose only cell is 1, for the kernels of this library. */
static inline void mr_out_count(mr_out_t *out, const char *key, size_t len) {
    static const uint64_t one = 1;
    if (__builtin_expect(out->only != NULL, 0))
        mr_emit(out, key, len, &one);
    else
        mr_table_add(out->table, key, len, &one); /* its error is sticky and ends the task after map */
}

/* Forgets the bad records of the block before. */
void mr_out_begin(mr_out_t *out);

/* How many of `rejects` are filled. */
size_t mr_out_rejects(const mr_out_t *out);

#endif
