/* sink_finish.c - the final merge: threads take key ranges in ascending order, and the text of the ranges is written in that
 * order.
 *
 * Each range being merged has a place in a ring, with a buffer. When a range is merged its place is ready; whoever finds that the
 * next range to be written is ready writes it, and all ready ones after it. A thread whose buffer fills up in the middle of a range
 * waits until it is that range's turn, and from then on writes as it merges: so any range fits in bounded memory.
 * The range whose turn it is is always being merged or ready, so that this never locks up.
 *
 * Any thread's error ends all; the first one is reported. */
#include <stdlib.h>
#include <string.h>

#include "sink_store.h"

#define LEAST_RANGE ((uint64_t) 256 << 10) /* bytes of runs */
#define MOST_RANGE ((uint64_t) 2 << 20)
#define LEAST_TEXT ((size_t) 32 << 10)
#define MOST_TEXT ((size_t) 8 << 20)

typedef struct place {
    mr_buffer_t text;
    bool ready; /* merged, not yet written */
} place_t;

typedef struct final {
    mr_sink_t *sink;
    const mr_sink_visitor_t *visitor;
    mr_run_t **runs; /* owned array of borrowed runs */
    size_t count;
    mr_cuts_t cuts;
    uint32_t threads;
    place_t *ring; /* owned: range i has place i % places while it is merged and written */
    size_t places;
    size_t bound; /* bytes at which a text is full */
    pthread_mutex_t lock;
    pthread_cond_t moved;
    size_t next;  /* range to be taken next */
    size_t turn;  /* range to be written next */
    bool writing; /* a thread is writing, or streaming the range whose turn it is */
    bool failed;
    mr_error_t error;
    uint64_t rows;
    uint64_t folded; /* rows reduced into others */
} final_t;

/* ---- one range ---- */

static int fail(final_t *final, const mr_error_t *error) {
    pthread_mutex_lock(&final->lock);
    if (!final->failed)
        final->error = *error;
    final->failed = true;
    pthread_cond_broadcast(&final->moved);
    pthread_mutex_unlock(&final->lock);
    return -1;
}

/* Hands a text to the visitor; the buffer is then empty. By one thread at a time, in order. */
static int write_text(final_t *final, mr_buffer_t *text, mr_error_t *error) {
    if (text->size && final->visitor->write(final->visitor->context, text, error))
        return -1;
    text->size = 0;
    if (text->capacity > 2 * final->bound) /* a very long row had been in it */
        mr_buffer_free(text);
    return 0;
}

static int seal(final_t *final, mr_buffer_t *text, mr_error_t *error) {
    if (!final->visitor->seal || text->size == 0)
        return 0;
    return final->visitor->seal(final->visitor->context, text, error);
}

/* Waits until it is `range`'s turn to be written, and takes the pen. -1: the merge has failed. */
static int await_turn(final_t *final, size_t range) {
    pthread_mutex_lock(&final->lock);
    while (!final->failed && (final->turn != range || final->writing))
        pthread_cond_wait(&final->moved, &final->lock);
    bool failed = final->failed;
    final->writing = !failed;
    pthread_mutex_unlock(&final->lock);
    return failed ? -1 : 0;
}

/* Merges one range into its text; what does not fit is written. `streaming` tells whether that happened. */
static int fill_range(final_t *final, size_t range, mr_merge_t *merge, bool *streaming, mr_error_t *error) {
    const mr_sink_visitor_t *visitor = final->visitor;
    mr_buffer_t *text = &final->ring[range % final->places].text;
    mr_row_t row;
    uint64_t rows = 0;
    int more;
    while ((more = mr_merge_next(merge, &row, error)) == 1) {
        rows++;
        if (visitor->row(visitor->context, &row, text, error))
            return -1;
        if (text->size < final->bound)
            continue;
        if (seal(final, text, error))
            return -1;
        if (!*streaming && await_turn(final, range))
            return mr_error_set(error, MR_STATUS_INTERRUPTED, "another thread failed");
        *streaming = true;
        if (write_text(final, text, error))
            return -1;
    }
    __atomic_fetch_add(&final->rows, rows, __ATOMIC_RELAXED);
    __atomic_fetch_add(&final->folded, mr_merge_folded(merge), __ATOMIC_RELAXED);
    return more ? -1 : seal(final, text, error);
}

/* Writes the ready ranges whose turn it is. With the lock and the pen; gives up the pen. */
static int write_ready(final_t *final, mr_error_t *error) {
    int result = 0;
    while (!result && !final->failed && final->turn < final->next && final->ring[final->turn % final->places].ready) {
        place_t *place = &final->ring[final->turn % final->places];
        pthread_mutex_unlock(&final->lock);
        result = write_text(final, &place->text, error);
        pthread_mutex_lock(&final->lock);
        place->ready = false;
        final->turn++;
        pthread_cond_broadcast(&final->moved);
    }
    final->writing = false;
    pthread_cond_broadcast(&final->moved);
    return result;
}

static int finish_range(final_t *final, size_t range, bool streaming, mr_error_t *error) {
    int result = 0;
    pthread_mutex_lock(&final->lock);
    final->ring[range % final->places].ready = true;
    if (streaming || (!final->writing && final->turn == range)) {
        final->writing = true;
        result = write_ready(final, error);
    }
    pthread_mutex_unlock(&final->lock);
    return result;
}

static int merge_range(final_t *final, size_t range) {
    mr_error_t error = {0};
    bool streaming = false;
    mr_sink_t *sink = final->sink;
    mr_merge_t *merge =
        mr_merge_new(final->runs, final->count, sink->ops, sink->ncells, final->cuts.ranges[range], &error);
    int result = merge ? fill_range(final, range, merge, &streaming, &error) : -1;
    mr_merge_destroy(&merge);
    if (result == 0)
        result = finish_range(final, range, streaming, &error);
    return result ? fail(final, &error) : 0;
}

/* Takes the next range once it has a place. False: there is none, or the merge has failed. */
static bool take_range(final_t *final, size_t *range) {
    pthread_mutex_lock(&final->lock);
    while (!final->failed && final->next < final->cuts.count && final->next >= final->turn + final->places)
        pthread_cond_wait(&final->moved, &final->lock);
    bool taken = !final->failed && final->next < final->cuts.count;
    if (taken)
        *range = final->next++;
    pthread_mutex_unlock(&final->lock);
    return taken;
}

static void *run_ranges(void *argument) {
    final_t *final = argument;
    size_t range;
    while (take_range(final, &range) && merge_range(final, range) == 0)
        continue;
    return NULL;
}

/* ---- preparing ---- */

static size_t block_buffers(const mr_sink_t *sink) {
    size_t bytes = 0;
    for (size_t i = 0; i < sink->store.count; i++)
        bytes += mr_held_buffer(sink->store.items[i]);
    return bytes;
}

static int files_then_size(const void *a, const void *b) {
    const mr_held_t *x = *(mr_held_t *const *) a, *y = *(mr_held_t *const *) b;
    if (!x->spill != !y->spill)
        return x->spill ? -1 : 1;
    uint64_t x_size = mr_run_size(x->run), y_size = mr_run_size(y->run);
    return (x_size > y_size) - (x_size < y_size);
}

/* How many runs, from the first on, to merge into one: as few as will do, so that the fewest bytes are written again. */
static size_t surplus(const mr_sink_t *sink) {
    const mr_store_t *store = &sink->store;
    size_t files = 0, buffers = 0, saved = 0, count = 0;
    for (size_t i = 0; i < store->count; i++)
        files += store->items[i]->spill != NULL;
    buffers = block_buffers(sink);
    while (count < files && count < MR_SINK_FAN &&
           (count < 2 || files - count + 1 > MR_SINK_FAN || buffers - saved > sink->budget.blocks)) {
        size_t more = mr_held_buffer(store->items[count]);
        if (count >= 2 && saved + more > sink->budget.blocks)
            break;
        saved += more;
        count++;
    }
    return count;
}

/* Merges the smallest files until the rest may be merged at once. */
static int reduce_files(mr_sink_t *sink, mr_error_t *error) {
    mr_store_t *store = &sink->store;
    for (;;) {
        size_t files = 0;
        for (size_t i = 0; i < store->count; i++)
            files += store->items[i]->spill != NULL;
        if (files <= 2 || (files <= MR_SINK_FAN && block_buffers(sink) <= sink->budget.blocks))
            return 0;
        qsort(store->items, store->count, sizeof *store->items, files_then_size);
        mr_held_t *inputs[MR_SINK_FAN];
        size_t count = surplus(sink);
        memcpy(inputs, store->items, count * sizeof *inputs);
        mr_held_t *result = mr_sink_merge(sink, inputs, count, 0, &sink->slots[0].working, error);
        if (!result)
            return -1;
        for (size_t i = 0; i < count; i++) {
            mr_store_remove(store, inputs[i]);
            mr_held_free(&inputs[i]);
        }
        sink->slots[0].working = 0;
        sink->stats.spilled_bytes += mr_run_size(result->run);
        mr_store_add(store, result, error); /* in the place of an input */
    }
}

/* Staged runs never counted. */
static void drop_staged(mr_sink_t *sink) {
    for (size_t i = sink->store.count; i-- > 0;) {
        mr_held_t *held = sink->store.items[i];
        if (held->committed)
            continue;
        mr_store_remove(&sink->store, held);
        mr_held_free(&held);
    }
}

static uint64_t range_bytes(const final_t *final) {
    uint64_t total = 0, blocks = 0;
    for (size_t i = 0; i < final->count; i++) {
        size_t count = mr_run_blocks(final->runs[i]);
        total += mr_run_size(final->runs[i]);
        blocks += count ? mr_run_size(final->runs[i]) / count : 0;
    }
    if (final->threads <= 1)
        return UINT64_MAX;
    uint64_t bytes = total / (final->threads * 8);
    bytes = bytes < LEAST_RANGE ? LEAST_RANGE : bytes > MOST_RANGE ? MOST_RANGE : bytes;
    /* At each cut a block of every run is read twice. */
    return bytes > 4 * blocks ? bytes : 4 * blocks;
}

static uint32_t affordable_threads(const mr_sink_t *sink) {
    size_t buffers = block_buffers(sink);
    uint32_t threads = sink->reducers;
    while (threads > 1 && (buffers * threads > sink->budget.blocks ||
                           sink->budget.keep / (3 * threads) < LEAST_TEXT)) /* two places a thread, each 3/2 of bound */
        threads--;
    return threads;
}

static int prepare(final_t *final, mr_error_t *error) {
    mr_sink_t *sink = final->sink;
    final->count = sink->store.count;
    final->runs = malloc((final->count + 1) * sizeof *final->runs);
    if (!final->runs)
        return mr_error_memory(error, "planning the final merge");
    for (size_t i = 0; i < final->count; i++)
        final->runs[i] = sink->store.items[i]->run;
    final->threads = affordable_threads(sink);
    if (mr_cuts_make(&final->cuts, final->runs, final->count, range_bytes(final), error))
        return -1;
    if (final->threads > final->cuts.count)
        final->threads = (uint32_t) final->cuts.count;
    final->places = 2 * final->threads;
    size_t bound = sink->budget.keep / (3 * final->threads);
    final->bound = bound < LEAST_TEXT ? LEAST_TEXT : bound > MOST_TEXT ? MOST_TEXT : bound;
    if (final->visitor->bound && final->visitor->bound < final->bound)
        final->bound = final->visitor->bound;
    final->ring = calloc(final->places, sizeof *final->ring);
    return final->ring ? 0 : mr_error_memory(error, "planning the final merge");
}

/* ---- the whole ---- */

/* The caller is one of the threads; with fewer than planned it takes longer, no more. */
static void merge_all(final_t *final) {
    pthread_t threads[256];
    uint32_t started = 0;
    while (started + 1 < final->threads && started < 256 &&
           pthread_create(&threads[started], NULL, run_ranges, final) == 0)
        started++;
    run_ranges(final);
    while (started > 0)
        pthread_join(threads[--started], NULL);
}

static void account(final_t *final) {
    size_t bytes = block_buffers(final->sink) * final->threads + final->count * final->threads * 128;
    for (size_t i = 0; i < final->places; i++)
        bytes += final->ring[i].text.capacity;
    mr_sink_account(final->sink, bytes);
}

static void release(final_t *final) {
    for (size_t i = 0; final->ring && i < final->places; i++)
        mr_buffer_free(&final->ring[i].text);
    free(final->ring);
    free(final->runs);
    mr_cuts_free(&final->cuts);
    pthread_cond_destroy(&final->moved);
    pthread_mutex_destroy(&final->lock);
}

static int final_merge(mr_sink_t *sink, const mr_sink_visitor_t *visitor, uint64_t *rows, mr_error_t *error) {
    final_t final = {.sink = sink, .visitor = visitor};
    pthread_mutex_init(&final.lock, NULL);
    pthread_cond_init(&final.moved, NULL);
    int result = prepare(&final, error);
    if (result == 0) {
        merge_all(&final);
        account(&final);
        *rows = final.rows;
        sink->stats.folded += final.folded;
        result = final.failed ? mr_error_set(error, final.error.status, "%s", final.error.text) : 0;
    }
    release(&final);
    return result;
}

/* No row that was committed may be missing, or be there twice. */
static int reconcile(const mr_sink_t *sink, uint64_t rows, mr_error_t *error) {
    const mr_sink_stats_t *stats = &sink->stats;
    if (stats->rows == rows + stats->folded)
        return 0;
    return mr_error_set(
        error, MR_STATUS_LEDGER, "ledger: the workers' partials had %llu rows, but %llu were reduced into %llu others",
        (unsigned long long) stats->rows, (unsigned long long) stats->folded, (unsigned long long) rows);
}

int mr_sink_finish(mr_sink_t *sink, const mr_sink_visitor_t *visitor, uint64_t *rows, mr_error_t *error) {
    *rows = 0;
    mr_sink_quiesce(sink);
    drop_staged(sink);
    int result = sink->error.status ? mr_error_set(error, sink->error.status, "%s", sink->error.text) : 0;
    if (result == 0 && sink->store.count && reduce_files(sink, error))
        result = -1;
    if (result == 0 && sink->store.count)
        result = final_merge(sink, visitor, rows, error);
    if (result == 0)
        result = reconcile(sink, *rows, error);
    mr_store_free(&sink->store);
    sink->stats.rows = sink->stats.folded = 0;
    sink->wanted = 0;
    sink->finishing = false;
    return result;
}
