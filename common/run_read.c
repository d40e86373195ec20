/* A run at rest: owns its index (and a memory run's bytes, through release).
 *
 * Opening hops from header to header, decodes each block's first row, and checks that first keys ascend; the rows between are
 * checked by the merge, which decodes them anyway. For a file run the first keys are copied.
 *
 * Fails when sizes do not add up (status JOB for memory: a peer sent it; STORAGE for a file) or a read fails. */
#include "run_index.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* Read at each block's start: its header and, nearly always, the first row. */
#define PEEK 512u

struct mr_run {
    const char *data;            /* the run in memory; NULL: in a file */
    uint64_t offset;             /* where it begins in the file */
    uint64_t size;               /* bytes of the run */
    uint64_t rows;               /* in all blocks */
    mr_run_block_t *blocks;      /* the index */
    size_t count;                /* of blocks */
    size_t capacity;             /* of `blocks` */
    mr_buffer_t keys;            /* first keys of a file run; a block's key is an offset until all are read */
    char *name;                  /* for errors */
    void (*release)(void *hint); /* gives the memory back; may be NULL */
    void *hint;                  /* for release */
    int fd;                      /* borrowed; -1: in memory */
    uint32_t ncells;             /* of a row */
};

int mr_row_decode(const char **cursor, const char *end, uint32_t ncells, mr_row_t *row) {
    return mr_row_decode_inline(cursor, end, ncells, row);
}

static mr_status_t bad_status(const mr_run_t *run) {
    return run->fd < 0 ? MR_STATUS_JOB : MR_STATUS_STORAGE;
}

static int malformed_at(const mr_run_t *run, uint64_t offset, const char *reason, mr_error_t *error) {
    return mr_error_set(error, bad_status(run), "%s:%llu: the run is malformed: %s", run->name,
                        (unsigned long long) (run->offset + offset), reason);
}

int mr_run_malformed(const mr_run_t *run, size_t index, const char *reason, mr_error_t *error) {
    return malformed_at(run, run->blocks[index].offset - MR_RUN_BLOCK_HEADER, reason, error);
}

static int read_at(const mr_run_t *run, uint64_t offset, char *out, size_t size, mr_error_t *error) {
    for (size_t done = 0; done < size;) {
        ssize_t got = pread(run->fd, out + done, size - done, (off_t) (run->offset + offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return mr_error_set(error, MR_STATUS_STORAGE, "%s:%llu: cannot read the run: %s", run->name,
                                (unsigned long long) (run->offset + offset + done),
                                got ? strerror(errno) : "the file was cut short");
        done += (size_t) got;
    }
    return 0;
}

/* The first `want` bytes of what is at `offset`: in place or in `buffer`. */
static const char *view(const mr_run_t *run, uint64_t offset, size_t want, mr_buffer_t *buffer, mr_error_t *error) {
    if (run->data)
        return run->data + offset;
    buffer->size = 0;
    if (mr_buffer_reserve(buffer, want)) {
        mr_error_memory(error, "reading a run");
        return NULL;
    }
    return read_at(run, offset, buffer->data, want, error) ? NULL : buffer->data;
}

static mr_run_block_t *add_block(mr_run_t *run, mr_error_t *error) {
    if (run->count == run->capacity) {
        size_t capacity = run->capacity ? 2 * run->capacity : run->size / MR_RUN_BLOCK + 1;
        mr_run_block_t *blocks = realloc(run->blocks, capacity * sizeof *blocks);
        if (!blocks) {
            mr_error_memory(error, "indexing a run");
            return NULL;
        }
        run->blocks = blocks;
        run->capacity = capacity;
    }
    return &run->blocks[run->count++];
}

/* Checks one block header against the bytes that remain. Returns a reason, or NULL when it is good. */
static const char *check_header(const mr_run_t *run, const mr_run_block_t *block) {
    if (block->size > MR_RUN_PAYLOAD_MAX)
        return "a block is too large";
    if (block->size > run->size - block->offset)
        return "a block ends past the run";
    if (block->rows == 0 || block->rows > block->size / (1 + run->ncells))
        return "a block's number of rows is impossible";
    return NULL;
}

/* Keeps the block's first key: the memory run's own bytes, or a copy for which block->key is fixed up at the end. */
static int keep_key(mr_run_t *run, mr_run_block_t *block, const mr_row_t *row, mr_error_t *error) {
    block->key = row->key;
    block->key_size = (uint32_t) row->key_size;
    if (run->data)
        return 0;
    int failed = mr_buffer_reserve(&run->keys, row->key_size + 1) /* never NULL, even if all keys are empty */
                 || mr_buffer_append(&run->keys, row->key, row->key_size);
    return failed ? mr_error_memory(error, "indexing a run") : 0;
}

/* Decodes a block's first key, reading more of a file when it is long. */
static int first_key(mr_run_t *run, mr_run_block_t *block, mr_buffer_t *buffer, mr_error_t *error) {
    size_t want = block->size < PEEK ? block->size : PEEK;
    for (;; want = block->size) {
        const char *cursor = view(run, block->offset, want, buffer, error);
        if (!cursor)
            return -1;
        mr_row_t row;
        if (mr_row_decode(&cursor, cursor + want, run->ncells, &row) == 0)
            return keep_key(run, block, &row, error);
        if (want == block->size)
            return malformed_at(run, block->offset - MR_RUN_BLOCK_HEADER, "a row does not decode", error);
    }
}

static int index_block(mr_run_t *run, uint64_t offset, mr_buffer_t *buffer, mr_error_t *error) {
    if (run->size - offset < MR_RUN_BLOCK_HEADER)
        return malformed_at(run, offset, "a block header is cut short", error);
    const char *header = view(run, offset, MR_RUN_BLOCK_HEADER, buffer, error);
    mr_run_block_t *block = header ? add_block(run, error) : NULL;
    if (!block)
        return -1;
    *block = (mr_run_block_t){
        .offset = offset + MR_RUN_BLOCK_HEADER, .size = mr_load32(header), .rows = mr_load32(header + 4)};
    run->rows += block->rows;
    const char *reason = check_header(run, block);
    return reason ? malformed_at(run, offset, reason, error) : first_key(run, block, buffer, error);
}

static void point_keys(mr_run_t *run) {
    const char *key = run->keys.data;
    for (size_t i = 0; !run->data && i < run->count; i++) {
        run->blocks[i].key = key;
        key += run->blocks[i].key_size;
    }
}

static int check_order(const mr_run_t *run, mr_error_t *error) {
    for (size_t i = 1; i < run->count; i++) {
        const mr_run_block_t *a = &run->blocks[i - 1], *b = &run->blocks[i];
        if (mr_key_compare(a->key, a->key_size, b->key, b->key_size) >= 0)
            return mr_run_malformed(run, i, "keys are out of order", error);
    }
    return 0;
}

static int index_run(mr_run_t *run, mr_error_t *error) {
    mr_buffer_t buffer = {0};
    int result = 0;
    for (uint64_t offset = 0; result == 0 && offset < run->size;) {
        result = index_block(run, offset, &buffer, error);
        if (result == 0) /* NOLINTNEXTLINE(clang-analyzer-core.*): index_block has added one */
            offset = run->blocks[run->count - 1].offset + run->blocks[run->count - 1].size;
    }
    mr_buffer_free(&buffer);
    if (result)
        return -1;
    point_keys(run);
    return check_order(run, error);
}

static mr_run_t *open_run(mr_run_t made, const char *name, mr_error_t *error) {
    mr_run_t *run = malloc(sizeof *run);
    if (run) {
        *run = made;
        run->name = strdup(name);
    }
    if (!run || !run->name)
        mr_error_memory(error, "opening a run");
    else if (index_run(run, error) == 0)
        return run;
    if (run)
        run->release = NULL;
    mr_run_destroy(&run);
    return NULL;
}

mr_run_t *mr_run_from_memory(const void *data, size_t size, uint32_t ncells, void (*release)(void *hint), void *hint,
                             mr_error_t *error) {
    mr_run_t run = {
        .data = data ? data : "", .size = size, .ncells = ncells, .release = release, .hint = hint, .fd = -1};
    return open_run(run, "run", error);
}

mr_run_t *mr_run_from_file(int fd, uint64_t offset, uint64_t size, uint32_t ncells, const char *name,
                           mr_error_t *error) {
    mr_run_t run = {.offset = offset, .size = size, .ncells = ncells, .fd = fd};
    return open_run(run, name, error);
}

void mr_run_destroy(mr_run_t **self) {
    mr_run_t *run = self ? *self : NULL;
    if (!run)
        return;
    if (run->release)
        run->release(run->hint);
    mr_buffer_free(&run->keys);
    free(run->blocks);
    free(run->name);
    free(run);
    *self = NULL;
}

const mr_run_block_t *mr_run_block(const mr_run_t *run, size_t index) {
    return &run->blocks[index];
}

const char *mr_run_block_payload(const mr_run_t *run, size_t index, mr_buffer_t *buffer, mr_error_t *error) {
    return view(run, run->blocks[index].offset, run->blocks[index].size, buffer, error);
}

size_t mr_run_find_block(const mr_run_t *run, const char *key, size_t key_size) {
    size_t low = 0, high = run->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (mr_key_compare(run->blocks[middle].key, run->blocks[middle].key_size, key, key_size) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? low - 1 : 0;
}

uint64_t mr_run_size(const mr_run_t *run) {
    return run->size;
}

size_t mr_run_memory(const mr_run_t *run) {
    size_t index = run->capacity * sizeof *run->blocks + run->keys.capacity + sizeof *run;
    return index + (run->data ? (size_t) run->size : 0);
}

uint64_t mr_run_rows(const mr_run_t *run) {
    return run->rows;
}

size_t mr_run_blocks(const mr_run_t *run) {
    return run->count;
}

size_t mr_run_largest_block(const mr_run_t *run) {
    size_t largest = 0;
    for (size_t i = 0; i < run->count; i++)
        if (run->blocks[i].size + MR_RUN_BLOCK_HEADER > largest)
            largest = run->blocks[i].size + MR_RUN_BLOCK_HEADER;
    return largest;
}

const char *mr_run_block_key(const mr_run_t *run, size_t index, size_t *key_size) {
    *key_size = run->blocks[index].key_size;
    return run->blocks[index].key;
}

const void *mr_run_data(const mr_run_t *run) {
    return run->data;
}
