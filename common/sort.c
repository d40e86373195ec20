#include "sort.h"

#include <stdbool.h>

#define SMALL 32u      /* entries: insertion sort */
#define MAX_RUNS 64u   /* ascending sequences: merged rather than distributed */
#define MAX_LEVELS 32u /* of common prefixes: then merge sort, so that the stack is bounded */

typedef mr_sort_entry_t entry_t;

typedef struct sorter {
    const char *keys;
    entry_t *scratch; /* as long as the whole range that is being sorted */
} sorter_t;

/* Compares two entries whose prefixes are eight equal bytes from `depth` on. */
static int __attribute__((noinline)) compare_rest(const char *keys, const entry_t *a, const entry_t *b, size_t depth) {
    size_t from = depth + 8;
    if (a->size <= from || b->size <= from)
        return (a->size > b->size) - (a->size < b->size);
    return mr_key_compare(keys + 8 * (size_t) a->row + from, a->size - from, keys + 8 * (size_t) b->row + from,
                          b->size - from);
}

static inline bool less(const sorter_t *sorter, const entry_t *a, const entry_t *b, size_t depth) {
    if (__builtin_expect(a->prefix == b->prefix, 0))
        return compare_rest(sorter->keys, a, b, depth) < 0;
    return a->prefix < b->prefix;
}

static void insertion_sort(const sorter_t *sorter, entry_t *entries, size_t count, size_t depth) {
    for (size_t i = 1; i < count; i++) {
        entry_t entry = entries[i];
        size_t at = i;
        for (; at > 0 && less(sorter, &entry, &entries[at - 1], depth); at--)
            entries[at] = entries[at - 1];
        entries[at] = entry;
    }
}

/* How many of the sorted entries are before `entry`. */
static size_t count_before(const sorter_t *sorter, const entry_t *entries, size_t count, const entry_t *entry,
                           size_t depth) {
    size_t low = 0;
    while (low < count) {
        size_t middle = low + (count - low) / 2;
        if (less(sorter, &entries[middle], entry, depth))
            low = middle + 1;
        else
            count = middle;
    }
    return low;
}

/* Merges entries [0, middle) with [middle, count), both sorted. What is in its place already stays there. */
static void merge_two(const sorter_t *sorter, entry_t *entries, size_t middle, size_t count, size_t depth) {
    size_t skip = count_before(sorter, entries, middle, &entries[middle], depth);
    if (skip == middle)
        return;
    count = middle + count_before(sorter, entries + middle, count - middle, &entries[middle - 1], depth);
    entry_t *left = sorter->scratch, *left_end = left + (middle - skip);
    memcpy(left, entries + skip, (middle - skip) * sizeof *entries);
    entry_t *out = entries + skip, *right = entries + middle, *right_end = entries + count;
    while (left < left_end && right < right_end) {
        bool take_right = less(sorter, right, left, depth);
        *out++ = take_right ? *right : *left;
        right += take_right;
        left += !take_right;
    }
    memcpy(out, left, (size_t) (left_end - left) * sizeof *out);
}

static void merge_sort(const sorter_t *sorter, entry_t *entries, size_t count, size_t depth) {
    for (size_t i = 0; i < count; i += SMALL)
        insertion_sort(sorter, entries + i, count - i < SMALL ? count - i : SMALL, depth);
    for (size_t width = SMALL; width < count; width *= 2)
        for (size_t i = 0; i + width < count; i += 2 * width)
            merge_two(sorter, entries + i, width, count - i < 2 * width ? count - i : 2 * width, depth);
}

static void radix_sort(const sorter_t *sorter, entry_t *entries, size_t count, size_t depth, unsigned level);

/* Bytes that the keys of all entries share from `depth` on. */
static size_t common_length(const sorter_t *sorter, const entry_t *entries, size_t count, size_t depth) {
    const char *first = sorter->keys + 8 * (size_t) entries[0].row + depth;
    size_t length = entries[0].size - depth;
    for (size_t i = 1; i < count; i++) {
        const char *key = sorter->keys + 8 * (size_t) entries[i].row + depth;
        if (entries[i].size - depth < length)
            length = entries[i].size - depth;
        size_t same = 0;
        while (same + 8 <= length && mr_load64(first + same) == mr_load64(key + same))
            same += 8;
        while (same < length && first[same] == key[same])
            same++;
        length = same;
    }
    return length;
}

/* Moves the entries whose keys end within the eight bytes to the front, sorted; at most nine, as keys differ. */
static size_t split_ended(entry_t *entries, size_t count, size_t end) {
    size_t ended = 0;
    for (size_t i = 0; i < count; i++) {
        entry_t entry = entries[i];
        if (entry.size > end)
            continue;
        size_t at = ended++;
        entries[i] = entries[at];
        for (; at > 0 && entries[at - 1].size > entry.size; at--)
            entries[at] = entries[at - 1];
        entries[at] = entry;
    }
    return ended;
}

/* Sorts entries with equal prefixes at `depth` by what follows. */
static void sort_equal(const sorter_t *sorter, entry_t *entries, size_t count, size_t depth, unsigned level) {
    if (count <= SMALL) {
        insertion_sort(sorter, entries, count, depth);
        return;
    }
    if (level == MAX_LEVELS) {
        merge_sort(sorter, entries, count, depth);
        return;
    }
    depth += 8;
    size_t ended = split_ended(entries, count, depth);
    entries += ended;
    count -= ended;
    depth += common_length(sorter, entries, count, depth);
    for (size_t i = 0; i < count; i++)
        entries[i].prefix = mr_key_prefix(sorter->keys + 8 * (size_t) entries[i].row, entries[i].size, depth);
    radix_sort(sorter, entries, count, depth, level + 1);
}

/* The bits in which any two prefixes differ; 0: all are equal. */
static uint64_t differing_bits(const entry_t *entries, size_t count) {
    uint64_t bits = 0;
    for (size_t i = 1; i < count; i++)
        bits |= entries[i].prefix ^ entries[0].prefix;
    return bits;
}

/* Distributes the entries by one byte of their prefixes; ends[b] becomes where the entries with byte b end. */
static void distribute(const sorter_t *sorter, entry_t *entries, size_t count, unsigned shift, uint32_t ends[256]) {
    memset(ends, 0, 256 * sizeof *ends);
    for (size_t i = 0; i < count; i++)
        ends[entries[i].prefix >> shift & 255]++;
    uint32_t begin = 0;
    for (unsigned b = 0; b < 256; b++) {
        uint32_t size = ends[b];
        ends[b] = begin;
        begin += size;
    }
    for (size_t i = 0; i < count; i++)
        sorter->scratch[ends[entries[i].prefix >> shift & 255]++] = entries[i];
    memcpy(entries, sorter->scratch, count * sizeof *entries);
}

/* Sorts by the prefixes, all of eight bytes from `depth` on, and what follows them. Each call splits at a byte that differs, so it is at
 * most 8 calls deep for each level. */
static void radix_sort(const sorter_t *sorter, entry_t *entries, size_t count, size_t depth, unsigned level) {
    if (count <= SMALL) {
        insertion_sort(sorter, entries, count, depth);
        return;
    }
    uint64_t bits = differing_bits(entries, count);
    if (bits == 0) {
        sort_equal(sorter, entries, count, depth, level);
        return;
    }
    uint32_t ends[256];
    distribute(sorter, entries, count, (unsigned) (63 - __builtin_clzll(bits)) & ~7u, ends);
    uint32_t begin = 0;
    for (unsigned b = 0; b < 256; b++) {
        if (ends[b] - begin > 1)
            radix_sort(sorter, entries + begin, ends[b] - begin, depth, level);
        begin = ends[b];
    }
}

/* Finds where ascending sequences end; gives up past MAX_RUNS. Returns their number. */
static size_t find_runs(const sorter_t *sorter, const entry_t *entries, size_t count, size_t ends[MAX_RUNS + 1]) {
    size_t runs = 0;
    for (size_t i = 1; i < count && runs < MAX_RUNS; i++)
        if (less(sorter, &entries[i], &entries[i - 1], 0))
            ends[runs++] = i;
    ends[runs++] = count;
    return runs;
}

/* Merges neighbours until one sequence is left. */
static void merge_runs(const sorter_t *sorter, entry_t *entries, size_t runs, size_t ends[MAX_RUNS + 1]) {
    while (runs > 1) {
        size_t merged = 0;
        for (size_t i = 0; i < runs; i += 2) {
            size_t begin = i ? ends[i - 1] : 0, end = i + 1 < runs ? ends[i + 1] : ends[i];
            if (i + 1 < runs)
                merge_two(sorter, entries + begin, ends[i] - begin, end - begin, 0);
            ends[merged++] = end;
        }
        runs = merged;
    }
}

void mr_sort(mr_sort_entry_t *entries, mr_sort_entry_t *scratch, size_t count, const char *keys) {
    sorter_t sorter = {.keys = keys, .scratch = scratch};
    size_t ends[MAX_RUNS + 1];
    if (count < 2)
        return;
    size_t runs = count > SMALL ? find_runs(&sorter, entries, count, ends) : MAX_RUNS + 1;
    if (runs <= MAX_RUNS)
        merge_runs(&sorter, entries, runs, ends);
    else
        radix_sort(&sorter, entries, count, 0, 0);
}
