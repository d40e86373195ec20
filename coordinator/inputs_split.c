/* Inputs become tasks. A gzip file larger than a chunk cannot be cut, nor what a server sends as a whole only, so these come first, largest first: the last to end should be small.
 * Then, in the order of the inputs, plain files larger than a chunk in ranges of equal size, and runs of small files together. */
#include <stdlib.h>

#include "inputs.h"

#define MAX_PACKED 4096u

/* Splits being made. */
typedef struct cutter {
    const mr_inputs_t *inputs;
    mr_splits_t *splits;
    size_t capacity;
    uint64_t chunk;
    mr_split_t pack;     /* small files that wait for more; count 0: none */
    uint64_t pack_bytes; /* their sum */
    mr_error_t *error;
} cutter_t;

static int add(cutter_t *cutter, mr_split_t split) {
    mr_splits_t *splits = cutter->splits;
    if (splits->count == cutter->capacity) {
        size_t capacity = cutter->capacity ? 2 * cutter->capacity : 64;
        mr_split_t *items = realloc(splits->items, capacity * sizeof *items);
        if (!items)
            return mr_error_memory(cutter->error, "cutting inputs into tasks");
        splits->items = items;
        cutter->capacity = capacity;
    }
    if (splits->count == UINT32_MAX)
        return mr_error_set(cutter->error, MR_STATUS_USAGE, "more than 2^32 tasks: choose a larger chunk");
    splits->items[splits->count++] = split;
    return 0;
}

static int add_whole(cutter_t *cutter, size_t index) {
    return add(cutter, (mr_split_t){.input = (uint32_t) index, .count = 1, .end = cutter->inputs->items[index].size});
}

static int end_pack(cutter_t *cutter) {
    if (cutter->pack.count == 0)
        return 0;
    mr_split_t pack = cutter->pack;
    cutter->pack.count = 0;
    return pack.count == 1 ? add_whole(cutter, pack.input) : add(cutter, pack);
}

static int add_to_pack(cutter_t *cutter, size_t index) {
    uint64_t size = cutter->inputs->items[index].size;
    if (cutter->pack.count == MAX_PACKED || cutter->pack_bytes + size > cutter->chunk)
        if (end_pack(cutter))
            return -1;
    if (cutter->pack.count == 0) {
        cutter->pack.input = (uint32_t) index;
        cutter->pack_bytes = 0;
    }
    cutter->pack.count++;
    cutter->pack_bytes += size;
    return 0;
}

/* Ranges of equal size, to a byte, the number of which is size / chunk rounded. */
static int add_ranges(cutter_t *cutter, size_t index) {
    uint64_t size = cutter->inputs->items[index].size, chunk = cutter->chunk;
    uint64_t count = size / chunk + (size % chunk > chunk / 2);
    uint64_t base = size / count, longer = size % count, start = 0;
    if (count > UINT32_MAX)
        return mr_error_set(cutter->error, MR_STATUS_USAGE, "%s: more than 2^32 tasks: choose a larger chunk",
                            cutter->inputs->items[index].name);
    for (uint64_t i = 0; i < count; i++) {
        mr_split_t split = {.input = (uint32_t) index, .count = 1, .start = start, .end = start + base + (i < longer)};
        if (add(cutter, split))
            return -1;
        start = split.end;
    }
    return 0;
}

static bool is_large(const cutter_t *cutter, const mr_input_t *input) {
    return input->size > cutter->chunk;
}

static bool is_divisible(const mr_input_t *input) {
    return input->format == MR_FORMAT_PLAIN && !input->whole;
}

static int larger_first(const void *a, const void *b) {
    const mr_split_t *x = a, *y = b;
    if (x->end != y->end)
        return x->end < y->end ? 1 : -1;
    return x->input < y->input ? -1 : 1;
}

static int add_large_whole(cutter_t *cutter) {
    for (size_t i = 0; i < cutter->inputs->count; i++) {
        const mr_input_t *input = &cutter->inputs->items[i];
        if (!is_divisible(input) && is_large(cutter, input) && add_whole(cutter, i))
            return -1;
    }
    if (cutter->splits->count > 1)
        qsort(cutter->splits->items, cutter->splits->count, sizeof *cutter->splits->items, larger_first);
    return 0;
}

/* A large file ends a pack: a pack's inputs are consecutive. */
static int add_others(cutter_t *cutter) {
    for (size_t i = 0; i < cutter->inputs->count; i++) {
        const mr_input_t *input = &cutter->inputs->items[i];
        int result = is_large(cutter, input) ? end_pack(cutter) : add_to_pack(cutter, i);
        if (result == 0 && is_large(cutter, input) && is_divisible(input))
            result = add_ranges(cutter, i);
        if (result)
            return -1;
    }
    return end_pack(cutter);
}

int mr_inputs_split(const mr_inputs_t *inputs, uint64_t chunk, mr_splits_t *splits, mr_error_t *error) {
    *splits = (mr_splits_t){0};
    cutter_t cutter = {.inputs = inputs, .splits = splits, .chunk = chunk ? chunk : 1, .error = error};
    if (inputs->count > UINT32_MAX)
        return mr_error_set(error, MR_STATUS_INPUT, "more than 2^32 input files");
    if (add_large_whole(&cutter) || add_others(&cutter)) {
        mr_splits_free(splits);
        return -1;
    }
    return 0;
}

void mr_splits_free(mr_splits_t *splits) {
    free(splits->items);
    *splits = (mr_splits_t){0};
}
