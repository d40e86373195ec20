/* sink_merge.c - merges runs into one new run: in memory while it is small, from then on in a file.
 *
 * Fails on overflow, a malformed run, a disk that is full, or when the sink is stopped; what was written goes away with
 * the file. */
#include <stdlib.h>

#include "sink_store.h"

#define SLACK MR_RUN_BLOCK /* room for the row that passes the limit, unless it is a very long one */
#define ROWS_A_LOOK 4096u  /* rows between two looks at mr_sink.stop */

/* The run in the making. */
typedef struct mr_target {
    mr_sink_t *sink;
    mr_buffer_t buffer; /* whole run, or what is not yet in the spill */
    mr_run_writer_t writer;
    mr_spill_t *spill; /* NULL: all is in the buffer */
    size_t limit;      /* the buffer is written out at this size */
    size_t block;      /* largest block written out */
    size_t inputs;     /* bytes of the inputs' block buffers */
    size_t *working;   /* where the sink counts all buffers */
} mr_target_t;

static void account(mr_target_t *target) {
    pthread_mutex_lock(&target->sink->lock);
    *target->working = target->inputs + target->buffer.capacity;
    mr_sink_account(target->sink, 0);
    pthread_mutex_unlock(&target->sink->lock);
}

static int target_open(mr_target_t *target, mr_held_t *const *inputs, size_t count, size_t keep, mr_error_t *error) {
    uint64_t most = 0; /* the result is no larger than its inputs */
    for (size_t i = 0; i < count; i++) {
        most += mr_run_size(inputs[i]->run);
        target->inputs += mr_held_buffer(inputs[i]);
    }
    target->limit = keep ? keep : target->sink->budget.chunk;
    target->writer = (mr_run_writer_t){.out = &target->buffer, .ncells = target->sink->ncells};
    size_t capacity = (most < target->limit ? (size_t) most : target->limit) + SLACK;
    target->buffer.data = malloc(capacity);
    if (!target->buffer.data)
        return mr_error_memory(error, "merging runs");
    target->buffer.capacity = capacity;
    account(target);
    return 0;
}

static int target_spill(mr_target_t *target, mr_error_t *error) {
    mr_buffer_t *buffer = &target->buffer;
    mr_run_end_block(&target->writer);
    if (!target->spill)
        target->spill = mr_spill_new(target->sink->tmp_dir, error);
    if (!target->spill || mr_spill_append(target->spill, buffer->data, buffer->size, error))
        return -1;
    size_t block = mr_largest_block(buffer->data, buffer->size);
    target->block = block > target->block ? block : target->block;
    target->limit = target->sink->budget.chunk;
    buffer->size = 0;
    if (buffer->capacity > target->limit + SLACK) {
        char *data = realloc(buffer->data, target->limit + SLACK);
        buffer->data = data ? data : buffer->data;
        buffer->capacity = target->limit + SLACK;
        account(target);
    }
    return 0;
}

static int target_fill(mr_target_t *target, mr_merge_t *merge, mr_error_t *error) {
    mr_row_t row;
    int more;
    uint32_t rows = 0;
    while ((more = mr_merge_next(merge, &row, error)) == 1) {
        if (mr_run_write(&target->writer, row.key, row.key_size, row.cells))
            return mr_error_memory(error, "merging runs");
        if (target->buffer.size >= target->limit && target_spill(target, error))
            return -1;
        if (++rows % ROWS_A_LOOK == 0 && atomic_load_explicit(&target->sink->stop, memory_order_relaxed))
            return mr_error_set(error, MR_STATUS_INTERRUPTED, "the merge was stopped");
    }
    return more;
}

static mr_held_t *target_in_file(mr_target_t *target, mr_error_t *error) {
    if (target_spill(target, error))
        return NULL;
    mr_spill_t *spill = target->spill;
    mr_run_t *run = mr_run_from_file(mr_spill_fd(spill), 0, mr_spill_size(spill), target->sink->ncells,
                                     mr_spill_name(spill), error);
    return run ? mr_held_new(run, spill, target->block, error) : NULL;
}

static mr_held_t *target_in_memory(mr_target_t *target, mr_error_t *error) {
    mr_buffer_t *buffer = &target->buffer;
    mr_run_end_block(&target->writer);
    mr_buffer_trim(buffer);
    mr_run_t *run = mr_run_from_memory(buffer->data, buffer->size, target->sink->ncells, free, buffer->data, error);
    if (!run)
        return NULL;
    size_t block = mr_largest_block(buffer->data, buffer->size);
    *buffer = (mr_buffer_t){0}; /* the run's from now on */
    return mr_held_new(run, NULL, block, error);
}

static mr_merge_t *merge_of(mr_sink_t *sink, mr_held_t *const *inputs, size_t count, mr_error_t *error) {
    mr_run_t **runs = calloc(count + 1, sizeof *runs);
    if (!runs)
        return mr_error_memory(error, "merging runs"), NULL;
    for (size_t i = 0; i < count; i++)
        runs[i] = inputs[i]->run;
    mr_merge_t *merge = mr_merge_new(runs, count, sink->ops, sink->ncells, (mr_range_t){0}, error);
    free(runs);
    return merge;
}

mr_held_t *mr_sink_merge(mr_sink_t *sink, mr_held_t *const *inputs, size_t count, size_t keep, size_t *working,
                         mr_error_t *error) {
    mr_target_t target = {.sink = sink, .working = working};
    mr_held_t *result = NULL;
    mr_merge_t *merge = merge_of(sink, inputs, count, error);
    if (merge && target_open(&target, inputs, count, keep, error) == 0 && target_fill(&target, merge, error) == 0)
        result = target.spill || !keep ? target_in_file(&target, error) : target_in_memory(&target, error);
    if (result) {
        result->committed = true;
        pthread_mutex_lock(&sink->lock);
        sink->stats.folded += mr_merge_folded(merge);
        pthread_mutex_unlock(&sink->lock);
    }
    mr_merge_destroy(&merge);
    mr_buffer_free(&target.buffer);
    mr_spill_drop(&target.spill);
    return result;
}
