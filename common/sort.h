/* sort.h - sorts references to rows by their keys' bytes.
 *
 * An entry holds eight bytes of its key, so that most comparisons do not touch the row. Data that is a few ascending sequences is
 * merged; other data is distributed byte by byte (MSD radix), and what is equal in eight bytes is taken up at
 * the end of its common prefix. In the worst case (keys that are prefixes of each other) a merge sort bounds the work to n log n
 * comparisons of keys. */
#ifndef MR_SORT_H
#define MR_SORT_H

#include "key.h"

typedef struct mr_sort_entry {
    uint64_t prefix; /* of the key from its first byte on; changed by the sort */
    uint32_t row;    /* where the row is, in units of 8 bytes */
    uint32_t size;   /* of the key */
} mr_sort_entry_t;

/* Sorts `count` entries; their keys are at keys + 8 * row, and all different. `scratch` has room for as many. */
void mr_sort(mr_sort_entry_t *entries, mr_sort_entry_t *scratch, size_t count, const char *keys);

#endif
