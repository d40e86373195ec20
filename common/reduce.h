/* reduce.h - how two rows of equal key become one. */
#ifndef MR_REDUCE_H
#define MR_REDUCE_H

#include <stdbool.h>

#include "error.h"
#include "millrace/job.h"

/* Reduces one cell into `into`. Returns false when a sum overflows; `into` is then unchanged. */
static inline bool mr_reduce_cell(mr_op_t op, uint64_t *into, uint64_t from) {
    uint64_t sum;
    switch (op) {
    case MR_SUM:
        if (__builtin_add_overflow(*into, from, &sum))
            return false;
        *into = sum;
        return true;
    case MR_MIN:
        *into = from < *into ? from : *into;
        return true;
    case MR_MAX:
        *into = from > *into ? from : *into;
        return true;
    }
    return false;
}

static inline bool mr_reduce_cells(const mr_op_t *ops, uint32_t ncells, uint64_t *into, const uint64_t *from) {
    for (uint32_t i = 0; i < ncells; i++)
        if (!mr_reduce_cell(ops[i], &into[i], from[i]))
            return false;
    return true;
}

/* Fills `error` (status JOB) with 'key "KEY": the sum overflows 64 bits', KEY escaped and cut when long. Returns -1. */
int mr_reduce_overflow(mr_error_t *error, const char *key, size_t key_size);

#endif
