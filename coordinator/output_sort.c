/* output_sort.c - rows by value: each thread of the sink's final merge sorts its buffers of rows, these become the runs of a second
 * sink, and that one's final merge writes the text.
 *
 * Rows come in key order, so a stable sort by the value alone leaves equal values in key order. Memory: the second sink has half
 * of what the output may use, the buffers being sorted a quarter (and the heap of output_top.c a quarter). */
#include <endian.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "output_private.h"

#define PREFIX 8u /* bytes of the complement before the key */

/* ---- a buffer of rows becomes a run ---- */

/* A noted row: this, the cells, the complement, the key. */
typedef struct note {
    uint32_t key_size; /* complement and key */
} note_t;

typedef struct place {
    uint64_t rank;   /* complement of the first cell */
    uint32_t offset; /* of the note in the buffer */
} place_t;

int mr_sorter_note(mr_buffer_t *buffer, const mr_row_t *row, uint32_t ncells, mr_error_t *error) {
    if (row->key_size > MR_MAX_KEY - PREFIX)
        return mr_error_set(error, MR_STATUS_JOB, "a key of %zu bytes is too long to sort by value (%zu at most)",
                            row->key_size, MR_MAX_KEY - PREFIX);
    note_t note = {.key_size = (uint32_t) (PREFIX + row->key_size)};
    size_t cells = ncells * sizeof *row->cells;
    if (mr_buffer_reserve(buffer, sizeof note + cells + note.key_size))
        return mr_error_memory(error, "sorting by value");
    uint64_t rank = htobe64(~row->cells[0]);
    char *out = buffer->data + buffer->size;
    memcpy(out, &note, sizeof note);
    memcpy(out + sizeof note, row->cells, cells);
    memcpy(out + sizeof note + cells, &rank, sizeof rank);
    if (row->key_size)
        memcpy(out + sizeof note + cells + sizeof rank, row->key, row->key_size);
    buffer->size += sizeof note + cells + note.key_size;
    return 0;
}

static size_t find_places(place_t *places, const mr_buffer_t *buffer, uint32_t ncells) {
    size_t count = 0, cells = ncells * sizeof(uint64_t);
    for (size_t at = 0; at < buffer->size; count++) {
        note_t note;
        uint64_t value;
        memcpy(&note, buffer->data + at, sizeof note);
        memcpy(&value, buffer->data + at + sizeof note, sizeof value);
        if (places)
            places[count] = (place_t){.rank = ~value, .offset = (uint32_t) at};
        at += sizeof note + cells + note.key_size;
    }
    return count;
}

/* One pass of a radix sort, by the byte at `shift`. False: all are equal there, nothing was moved. */
static bool radix_pass(const place_t *from, place_t *to, size_t count, uint32_t shift) {
    size_t starts[256] = {0}, sum = 0;
    for (size_t i = 0; i < count; i++)
        starts[from[i].rank >> shift & 255]++;
    if (starts[from[0].rank >> shift & 255] == count)
        return false;
    for (size_t i = 0; i < 256; i++) {
        size_t here = starts[i];
        starts[i] = sum;
        sum += here;
    }
    for (size_t i = 0; i < count; i++)
        to[starts[from[i].rank >> shift & 255]++] = from[i];
    return true;
}

/* Sorts by rank, stably; `spare` is as large. Returns the one of the two that has the result. */
static place_t *radix_sort(place_t *places, place_t *spare, size_t count) {
    for (uint32_t shift = 0; count && shift < 64; shift += 8) {
        if (radix_pass(places, spare, count, shift)) {
            place_t *sorted = spare;
            spare = places;
            places = sorted;
        }
    }
    return places;
}

static int write_run(mr_buffer_t *run, const mr_buffer_t *notes, const place_t *places, size_t count, uint32_t ncells) {
    mr_run_writer_t writer = {.out = run, .ncells = ncells};
    for (size_t i = 0; i < count; i++) {
        const char *at = notes->data + places[i].offset;
        note_t note;
        uint64_t cells[MR_MAX_CELLS];
        memcpy(&note, at, sizeof note);
        memcpy(cells, at + sizeof note, ncells * sizeof *cells);
        if (mr_run_write(&writer, at + sizeof note + ncells * sizeof *cells, note.key_size, cells))
            return -1;
    }
    mr_run_end_block(&writer);
    return 0;
}

int mr_sorter_seal(mr_buffer_t *buffer, uint32_t ncells, mr_error_t *error) {
    size_t count = find_places(NULL, buffer, ncells);
    place_t *places = malloc((2 * count + 1) * sizeof *places);
    mr_buffer_t run = {0};
    int result = places ? 0 : -1;
    if (result == 0) {
        find_places(places, buffer, ncells);
        result = write_run(&run, buffer, radix_sort(places, places + count, count), count, ncells);
    }
    free(places);
    mr_buffer_free(result ? &run : buffer);
    if (result)
        return mr_error_memory(error, "sorting by value");
    *buffer = run;
    return 0;
}

int mr_sorter_unpack(mr_row_t *row, mr_error_t *error) {
    if (row->key_size < PREFIX)
        return mr_error_set(error, MR_STATUS_STORAGE, "sorting by value: a spilled row is damaged");
    row->key += PREFIX;
    row->key_size -= PREFIX;
    return 0;
}

/* ---- the second sink ---- */

size_t mr_sorter_bound(const mr_output_t *output) {
    size_t threads = output->config.reducers ? output->config.reducers : 1;
    size_t bound = output->config.memory / (32 * threads); /* two buffers a thread, one being sorted */
    return bound < 32768 ? 32768 : bound > 1 << 20 ? 1 << 20 : bound;
}

static int open_sink(mr_sorter_t *sorter, mr_error_t *error) {
    const mr_output_config_t *config = &sorter->output->config;
    mr_sink_config_t sink = {.memory = config->memory / 2,
                             .tmp_dir = config->tmp_dir,
                             .reducers = sorter->limit ? 1 : config->reducers,
                             .ops = config->job->ops,
                             .ncells = config->job->ncells};
    sorter->sink = mr_sink_new(&sink, error);
    return sorter->sink ? 0 : -1;
}

static int await_room(mr_sink_t *sink, size_t size, mr_error_t *error) {
    while (!mr_sink_reserve(sink, size)) {
        struct pollfd ready = {.fd = mr_sink_fd(sink), .events = POLLIN};
        poll(&ready, 1, -1);
        if (mr_sink_check(sink, error))
            return -1;
    }
    return 0;
}

int mr_sorter_add(mr_sorter_t *sorter, const mr_buffer_t *run, mr_error_t *error) {
    if ((!sorter->sink && open_sink(sorter, error)) || await_room(sorter->sink, run->size, error))
        return -1;
    char *copy = malloc(run->size + 1);
    if (!copy)
        return mr_error_memory(error, "sorting by value");
    memcpy(copy, run->data, run->size);
    uint64_t partial = sorter->runs++;
    if (mr_sink_stage(sorter->sink, 0, partial, copy, run->size, free, copy, error))
        return -1;
    return mr_sink_commit(sorter->sink, 0, partial, error);
}

static int format_sorted(void *context, const mr_row_t *row, mr_buffer_t *buffer, mr_error_t *error) {
    mr_sorter_t *sorter = context;
    mr_row_t own = *row;
    if (sorter->limit && sorter->written == sorter->limit)
        return 0; /* with a limit there is one thread */
    if (mr_sorter_unpack(&own, error) || mr_output_format(sorter->output, &own, buffer, error))
        return -1;
    sorter->written += sorter->limit != 0;
    return 0;
}

static int write_sorted(void *context, const mr_buffer_t *buffer, mr_error_t *error) {
    mr_sorter_t *sorter = context;
    return mr_output_write(sorter->output, buffer->data, buffer->size, error);
}

int mr_sorter_finish(mr_sorter_t *sorter, uint64_t *rows, mr_error_t *error) {
    mr_sink_visitor_t visitor = {.context = sorter, .row = format_sorted, .write = write_sorted};
    *rows = 0;
    int result = sorter->sink ? mr_sink_finish(sorter->sink, &visitor, rows, error) : 0;
    if (sorter->limit)
        *rows = sorter->written;
    return result;
}

void mr_sorter_free(mr_sorter_t *sorter) {
    mr_sink_destroy(&sorter->sink);
}

/* ---- --sort value ---- */

static int note_row(void *context, const mr_row_t *row, mr_buffer_t *buffer, mr_error_t *error) {
    const mr_sorter_t *sorter = context;
    return mr_sorter_note(buffer, row, sorter->output->config.job->ncells, error);
}

static int seal_rows(void *context, mr_buffer_t *buffer, mr_error_t *error) {
    const mr_sorter_t *sorter = context;
    return mr_sorter_seal(buffer, sorter->output->config.job->ncells, error);
}

static int add_rows(void *context, const mr_buffer_t *buffer, mr_error_t *error) {
    return mr_sorter_add(context, buffer, error);
}

int mr_output_sorted(mr_output_t *output, mr_sink_t *sink, uint64_t *rows, mr_error_t *error) {
    mr_sorter_t sorter = {.output = output};
    mr_sink_visitor_t visitor = {
        .context = &sorter, .row = note_row, .write = add_rows, .seal = seal_rows, .bound = mr_sorter_bound(output)};
    int result = mr_sink_finish(sink, &visitor, rows, error);
    if (result == 0)
        result = mr_sorter_finish(&sorter, rows, error);
    mr_sorter_free(&sorter);
    return result;
}
