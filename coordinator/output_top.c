/* output_top.c - the N rows with the largest first cell: a heap with the worst of the best so far at its root.
 *
 * Rows arrive in key order, so one that only equals the root loses to it; the threads of the final merge leave out at once what can
 * no longer win. When the heap outgrows its share of memory (a quarter) it is poured into the sorter, and the rest follows: the
 * sorter then stops writing after N rows. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "output_private.h"

typedef struct winner {
    char *key; /* owned */
    size_t key_size;
    uint64_t cells[MR_MAX_CELLS];
} winner_t;

typedef struct top {
    mr_output_t *output;
    uint32_t ncells;
    winner_t *heap; /* owned */
    size_t count;
    size_t capacity;
    size_t bytes;           /* of memory, keys included */
    atomic_bool full;       /* the heap has N rows */
    _Atomic uint64_t least; /* first cell at the root, when full */
    bool poured;            /* the sorter has it all */
    mr_sorter_t sorter;
} top_t;

/* ---- the heap ---- */

/* `a` comes after `b` in the output. */
static bool worse(const winner_t *a, const winner_t *b) {
    if (a->cells[0] != b->cells[0])
        return a->cells[0] < b->cells[0];
    return mr_key_compare(a->key, a->key_size, b->key, b->key_size) > 0;
}

static int best_first(const void *a, const void *b) {
    return worse(a, b) ? 1 : worse(b, a) ? -1 : 0;
}

static void sift_up(winner_t *heap, size_t at) {
    winner_t moving = heap[at];
    for (; at > 0 && worse(&moving, &heap[(at - 1) / 2]); at = (at - 1) / 2)
        heap[at] = heap[(at - 1) / 2];
    heap[at] = moving;
}

static void sift_down(winner_t *heap, size_t count, size_t at) {
    winner_t moving = heap[at];
    for (size_t child; (child = 2 * at + 1) < count; at = child) {
        child += child + 1 < count && worse(&heap[child + 1], &heap[child]);
        if (!worse(&heap[child], &moving))
            break;
        heap[at] = heap[child];
    }
    heap[at] = moving;
}

static size_t key_bytes(size_t key_size) {
    return key_size + 32; /* and what the allocator adds */
}

static int fill_winner(top_t *top, winner_t *winner, const mr_row_t *row) {
    *winner = (winner_t){.key = malloc(row->key_size + 1), .key_size = row->key_size};
    if (!winner->key)
        return -1;
    if (row->key_size)
        memcpy(winner->key, row->key, row->key_size);
    memcpy(winner->cells, row->cells, top->ncells * sizeof *row->cells);
    top->bytes += key_bytes(row->key_size);
    return 0;
}

static void free_winner(top_t *top, winner_t *winner) {
    top->bytes -= key_bytes(winner->key_size);
    free(winner->key);
    winner->key = NULL;
}

static int grow(top_t *top) {
    if (top->count < top->capacity)
        return 0;
    size_t capacity = top->capacity ? top->capacity * 2 : 64;
    winner_t *heap = realloc(top->heap, capacity * sizeof *heap);
    if (!heap)
        return -1;
    top->heap = heap;
    top->bytes += (capacity - top->capacity) * sizeof *heap;
    top->capacity = capacity;
    return 0;
}

static int push(top_t *top, const mr_row_t *row) {
    if (atomic_load_explicit(&top->full, memory_order_relaxed)) {
        free_winner(top, &top->heap[0]);
        if (fill_winner(top, &top->heap[0], row))
            return -1;
        sift_down(top->heap, top->count, 0);
    } else {
        if (grow(top) || fill_winner(top, &top->heap[top->count], row))
            return -1;
        sift_up(top->heap, top->count++);
    }
    atomic_store_explicit(&top->least, top->heap[0].cells[0], memory_order_relaxed);
    atomic_store_explicit(&top->full, top->count == top->output->config.top, memory_order_relaxed);
    return 0;
}

static bool hopeless(top_t *top, uint64_t value) {
    return atomic_load_explicit(&top->full, memory_order_relaxed) &&
           value <= atomic_load_explicit(&top->least, memory_order_relaxed);
}

static void free_heap(top_t *top) {
    for (size_t i = 0; i < top->count; i++)
        free(top->heap[i].key);
    free(top->heap);
    top->heap = NULL;
    top->count = top->capacity = 0;
}

/* ---- too large for the heap ---- */

static int pour_part(top_t *top, mr_buffer_t *notes, mr_error_t *error) {
    if (notes->size == 0)
        return 0;
    if (mr_sorter_seal(notes, top->ncells, error) || mr_sorter_add(&top->sorter, notes, error))
        return -1;
    notes->size = 0;
    return 0;
}

static mr_row_t row_of(const winner_t *winner) {
    mr_row_t row = {.key = winner->key, .key_size = winner->key_size};
    memcpy(row.cells, winner->cells, sizeof row.cells);
    return row;
}

/* Gives all winners to the sorter, in parts, freeing them as they go. */
static int pour(top_t *top, mr_error_t *error) {
    mr_buffer_t notes = {0};
    size_t bound = mr_sorter_bound(top->output);
    int result = 0;
    top->poured = true;
    qsort(top->heap, top->count, sizeof *top->heap, best_first);
    for (size_t i = 0; result == 0 && i < top->count; i++) {
        mr_row_t row = row_of(&top->heap[i]);
        result = mr_sorter_note(&notes, &row, top->ncells, error);
        free_winner(top, &top->heap[i]);
        if (result == 0 && notes.size >= bound)
            result = pour_part(top, &notes, error);
    }
    if (result == 0)
        result = pour_part(top, &notes, error);
    mr_buffer_free(&notes);
    free_heap(top);
    return result;
}

/* ---- what the sink calls ---- */

static int note_row(void *context, const mr_row_t *row, mr_buffer_t *buffer, mr_error_t *error) {
    top_t *top = context;
    return hopeless(top, row->cells[0]) ? 0 : mr_sorter_note(buffer, row, top->ncells, error);
}

static int seal_rows(void *context, mr_buffer_t *buffer, mr_error_t *error) {
    const top_t *top = context;
    return mr_sorter_seal(buffer, top->ncells, error);
}

/* Pushes the rows of one block, best first. Returns 1 when the rest of the run can't win; -1 on an error. */
static int push_block(top_t *top, const char *at, const char *end, mr_error_t *error) {
    while (at < end) {
        mr_row_t row;
        if (mr_row_decode(&at, end, top->ncells, &row))
            return mr_error_set(error, MR_STATUS_JOB, "choosing the top rows: a row is damaged");
        if (mr_sorter_unpack(&row, error))
            return -1;
        if (hopeless(top, row.cells[0]))
            return 1;
        if (push(top, &row))
            return mr_error_memory(error, "choosing the top rows");
    }
    return 0;
}

static int push_run(top_t *top, const mr_buffer_t *run, mr_error_t *error) {
    int result = 0;
    for (size_t at = 0; result == 0 && at < run->size;) {
        const unsigned char *header = (const unsigned char *) run->data + at;
        size_t size = header[0] | (size_t) header[1] << 8 | (size_t) header[2] << 16 | (size_t) header[3] << 24;
        const char *payload = run->data + at + MR_RUN_BLOCK_HEADER;
        result = push_block(top, payload, payload + size, error);
        at += MR_RUN_BLOCK_HEADER + size;
    }
    return result < 0 ? -1 : 0;
}

static int take_run(void *context, const mr_buffer_t *run, mr_error_t *error) {
    top_t *top = context;
    if (top->poured)
        return mr_sorter_add(&top->sorter, run, error);
    if (push_run(top, run, error))
        return -1;
    return top->bytes > top->output->config.memory / 4 ? pour(top, error) : 0;
}

static int write_heap(top_t *top, uint64_t *rows, mr_error_t *error) {
    mr_buffer_t text = {0};
    int result = 0;
    if (top->count)
        qsort(top->heap, top->count, sizeof *top->heap, best_first);
    for (size_t i = 0; result == 0 && i < top->count; i++) {
        mr_row_t row = row_of(&top->heap[i]);
        result = mr_output_format(top->output, &row, &text, error);
        if (result == 0 && (text.size >= 1 << 18 || i + 1 == top->count)) {
            result = mr_output_write(top->output, text.data, text.size, error);
            text.size = 0;
        }
    }
    mr_buffer_free(&text);
    *rows = top->count;
    return result;
}

int mr_output_top(mr_output_t *output, mr_sink_t *sink, uint64_t *rows, mr_error_t *error) {
    top_t top = {.output = output,
                 .ncells = output->config.job->ncells,
                 .sorter = {.output = output, .limit = output->config.top}};
    mr_sink_visitor_t visitor = {
        .context = &top, .row = note_row, .write = take_run, .seal = seal_rows, .bound = mr_sorter_bound(output)};
    int result = mr_sink_finish(sink, &visitor, rows, error);
    if (result == 0)
        result = top.poured ? mr_sorter_finish(&top.sorter, rows, error) : write_heap(&top, rows, error);
    mr_sorter_free(&top.sorter);
    free_heap(&top);
    return result;
}
