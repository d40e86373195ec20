/* run.h - a sorted run: rows with strictly ascending keys (by bytes, as memcmp; a prefix sorts first), in blocks.
 *
 *   run   = *block
 *   block = u32le payload-size  u32le rows  payload       ; rows >= 1; a row never crosses a block
 *   payload = rows *row
 *   row   = varint key-length  key  ncells*varint-cell    ; LEB128, unsigned, at most 10 bytes
 *
 * Blocks hold about MR_RUN_BLOCK bytes (one row more at most), so that a merge of many runs needs little memory, and
 * a run's first keys per block are an index by which it can be cut into key ranges. What is read may come from a peer or
 * a disk: readers check every length against what is there and report an error, never trust. */
#ifndef MR_RUN_H
#define MR_RUN_H

#include "buffer.h"
#include "error.h"
#include "millrace/job.h"

#define MR_RUN_BLOCK 32768u
#define MR_RUN_BLOCK_HEADER 8u

/* One row as a reader shows it; pointers are valid until the next call on the same reader. */
typedef struct mr_row {
    const char *key;
    size_t key_size;
    uint64_t cells[MR_MAX_CELLS];
} mr_row_t;

/* ---- writing ---- */

/* Appends rows to a buffer as blocks. Zero it, set `out` and `ncells`. */
typedef struct mr_run_writer {
    mr_buffer_t *out;   /* borrowed; the run is appended */
    uint32_t ncells;    /* cells a row */
    size_t block_start; /* offset in out of the open block's header */
    uint32_t rows;      /* rows in the open block; 0: none is open */
} mr_run_writer_t;

/* Adds one row; keys must come in strictly ascending order. Returns 0, or -1 when memory is out. */
int mr_run_write(mr_run_writer_t *writer, const char *key, size_t key_size, const uint64_t *cells);

/* Closes the open block (call at the end; more rows may follow in a new block). */
void mr_run_end_block(mr_run_writer_t *writer);

/* ---- decoding one row ---- */

/* Decodes the row at *cursor (before `end`) and moves the cursor past it. Returns 0, or -1 when the bytes are not a row. */
int mr_row_decode(const char **cursor, const char *end, uint32_t ncells, mr_row_t *row);

/* ---- a run at rest: in memory or in a file, with its index ---- */

typedef struct mr_run mr_run_t;

/* A run over `size` bytes at `data`, taken over: `release(hint)` is called once when the run is destroyed. Walks the block headers
 * and builds the index; fails (INPUT-free status JOB, "run: ... malformed") when they do not add up, and then `release` is
 * not called. `ncells` is the job's. */
mr_run_t *mr_run_from_memory(const void *data, size_t size, uint32_t ncells, void (*release)(void *hint), void *hint,
                             mr_error_t *error);

/* A run in `fd` at `offset`, `size` bytes (fd is borrowed; the caller keeps it open until the run is destroyed). Reads the block
 * headers and first keys once, by pread. `name` is for errors (copied). */
mr_run_t *mr_run_from_file(int fd, uint64_t offset, uint64_t size, uint32_t ncells, const char *name,
                           mr_error_t *error);

void mr_run_destroy(mr_run_t **run);

uint64_t mr_run_size(const mr_run_t *run); /* bytes of the run itself */
size_t mr_run_memory(const mr_run_t *run); /* bytes of memory it holds: data (if in memory) and index */
uint64_t mr_run_rows(const mr_run_t *run); /* from the block headers */
size_t mr_run_blocks(const mr_run_t *run);
size_t mr_run_largest_block(const mr_run_t *run); /* bytes, header included; 0: there is none */

/* First key of block `index`; valid as long as the run. */
const char *mr_run_block_key(const mr_run_t *run, size_t index, size_t *key_size);

/* The run's bytes if it is in memory, else NULL (used to spill it as it is). */
const void *mr_run_data(const mr_run_t *run);

#endif
