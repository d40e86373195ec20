/* Runs from a peer or a disk: from memory and from a file they are accepted alike; what a merge reads of an accepted run ascends
 * strictly and, if it reads to the end, is as many rows as the headers promise; a slow reader of the format agrees on every row. Two
 * halves of the key space hold together what the whole holds, and a run merged with itself has each sum doubled. */
#include "fuzz.h"
#include "key.h"
#include "merge.h"

static const mr_op_t ops[MR_MAX_CELLS] = {MR_SUM, MR_MIN, MR_MAX, MR_SUM, MR_SUM, MR_MAX, MR_MIN, MR_SUM};

/* ---- the format as run.h says it, read byte by byte ---- */

static bool slow_varint(input_t *input, uint64_t *value) {
    *value = 0;
    for (unsigned i = 0; i < 10 && input->left; i++) {
        uint8_t byte = take_byte(input);
        if (i == 9 && byte > 1)
            return false;
        *value |= (uint64_t) (byte & 0x7f) << 7 * i;
        if (!(byte & 0x80))
            return i == 0 || byte != 0;
    }
    return false;
}

typedef struct slow {
    const uint8_t *key; /* of the row before */
    size_t key_size;
    uint64_t rows;
    mr_buffer_t text; /* the rows, each as it is noted */
} slow_t;

static void note(mr_buffer_t *text, const void *key, size_t key_size, const uint64_t *cells, uint32_t ncells) {
    uint64_t size = key_size;
    put_bytes(text, &size, sizeof size);
    put_bytes(text, key, key_size);
    put_bytes(text, cells, ncells * sizeof *cells);
}

static bool slow_row(slow_t *slow, input_t *block, uint32_t ncells) {
    uint64_t size, cells[MR_MAX_CELLS];
    if (!slow_varint(block, &size) || size > MR_MAX_KEY || size > block->left)
        return false;
    const uint8_t *key = block->at;
    block->at += size;
    block->left -= size;
    for (uint32_t i = 0; i < ncells; i++)
        if (!slow_varint(block, &cells[i]))
            return false;
    size_t common = size < slow->key_size ? size : slow->key_size;
    int order = slow->rows ? memcmp(slow->key, key, common) : -1;
    if (order > 0 || (order == 0 && slow->key_size >= size))
        return false;
    slow->key = key;
    slow->key_size = size;
    slow->rows++;
    note(&slow->text, key, size, cells, ncells);
    return true;
}

static bool slow_run(slow_t *slow, input_t input, uint32_t ncells) {
    while (input.left) {
        if (input.left < MR_RUN_BLOCK_HEADER)
            return false;
        uint64_t size = take_number(&input, 4), rows = take_number(&input, 4);
        if (size > input.left || rows == 0)
            return false;
        input_t block = {input.at, size};
        for (; rows; rows--)
            if (!slow_row(slow, &block, ncells))
                return false;
        if (block.left)
            return false;
        input.at += size;
        input.left -= size;
    }
    return true;
}

/* ---- the merge ---- */

/* Reads to the end, or to an error: then returns false. */
static bool read_range(mr_run_t *const *runs, size_t count, uint32_t ncells, mr_range_t range, mr_buffer_t *text,
                       uint64_t *rows) {
    mr_error_t error = {0};
    mr_row_t row;
    int more = -1;
    mr_merge_t *merge = mr_merge_new(runs, count, ops, ncells, range, &error);
    while (merge && (more = mr_merge_next(merge, &row, &error)) == 1) {
        note(text, row.key, row.key_size, row.cells, ncells);
        (*rows)++;
    }
    MUST(more == 0 || (error.status != MR_STATUS_OK && error.text[0]));
    MUST(more != 0 || error.status == MR_STATUS_OK);
    mr_merge_destroy(&merge);
    return more == 0;
}

static void check_whole(mr_run_t *run, const slow_t *slow, bool good, uint32_t ncells) {
    mr_buffer_t text = {0};
    uint64_t rows = 0;
    bool read = read_range(&run, 1, ncells, (mr_range_t){0}, &text, &rows);
    MUST(read == good);
    MUST(rows <= mr_run_rows(run));
    if (good) {
        MUST(rows == mr_run_rows(run) && rows == slow->rows);
        MUST(same_bytes(&text, &slow->text));
    }
    mr_buffer_free(&text);
}

static void check_halves(mr_run_t *run, const slow_t *slow, uint32_t ncells, const char *cut, size_t cut_size) {
    mr_buffer_t text = {0};
    uint64_t rows = 0;
    MUST(read_range(&run, 1, ncells, (mr_range_t){.high = cut, .high_size = cut_size}, &text, &rows));
    MUST(read_range(&run, 1, ncells, (mr_range_t){.low = cut, .low_size = cut_size}, &text, &rows));
    MUST(rows == slow->rows && same_bytes(&text, &slow->text));
    mr_buffer_free(&text);
}

/* Merged with itself: as many rows, unless a sum no longer fits. */
static void check_twice(mr_run_t *memory, mr_run_t *file, const slow_t *slow, uint32_t ncells) {
    mr_run_t *const both[] = {memory, file};
    mr_buffer_t text = {0};
    uint64_t rows = 0;
    if (read_range(both, 2, ncells, (mr_range_t){0}, &text, &rows))
        MUST(rows == slow->rows && text.size == slow->text.size);
    mr_buffer_free(&text);
}

static void check_run(const char *data, size_t size, uint32_t ncells, const char *cut, size_t cut_size) {
    mr_error_t in_memory = {0}, in_file = {0};
    slow_t slow = {0};
    fuzz_file_t file = make_file(data, size);
    mr_run_t *run = mr_run_from_memory(data, size, ncells, NULL, NULL, &in_memory);
    mr_run_t *other = mr_run_from_file(file.fd, 0, size, ncells, "file", &in_file);
    bool good = slow_run(&slow, (input_t){(const uint8_t *) data, size}, ncells);
    MUST((run != NULL) == (other != NULL));
    MUST(run || in_memory.status == MR_STATUS_JOB);
    MUST(other || in_file.status == MR_STATUS_STORAGE);
    if (run) {
        check_whole(run, &slow, good, ncells);
        check_whole(other, &slow, good, ncells);
    }
    MUST(run || !good);
    if (run && good) {
        check_halves(run, &slow, ncells, cut, cut_size);
        check_halves(other, &slow, ncells, cut, cut_size);
        check_twice(run, other, &slow, ncells);
    }
    mr_run_destroy(&run);
    mr_run_destroy(&other);
    mr_buffer_free(&slow.text);
    close(file.fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    input_t input = {data, size};
    size_t cut_size, run_size;
    uint32_t ncells = 1 + take_byte(&input) % MR_MAX_CELLS;
    char *cut = take_copy(&input, take_byte(&input) % 16, &cut_size);
    char *run = take_copy(&input, input.left, &run_size);
    check_run(run, run_size, ncells, cut, cut_size);
    free(cut);
    free(run);
    return 0;
}
