/* table.h - the hash table one worker thread folds its rows into, and the sorted run it becomes.
 *
 * Open addressing over a hash keyed with a per-process random seed (hash flooding), keys compared in full. Rows live in an arena in
 * insertion order; nothing is ever removed but all at once. Not thread-safe: one table a thread. */
#ifndef MR_TABLE_H
#define MR_TABLE_H

#include "buffer.h"
#include "error.h"
#include "millrace/job.h"

typedef struct mr_table mr_table_t;

/* A table of rows of `ncells` cells (copied ops). NULL when memory is out. The caller owns it. */
mr_table_t *mr_table_new(const mr_op_t *ops, uint32_t ncells);
void mr_table_destroy(mr_table_t **table);

/* Folds one row in. Returns 0; -1 and a sticky error (see mr_table_error) on overflow of a sum or out of memory. */
int mr_table_add(mr_table_t *table, const char *key, size_t len, const uint64_t *cells);

/* The first error, or NULL. An overflow's text names the key. */
const mr_error_t *mr_table_error(const mr_table_t *table);

size_t mr_table_rows(const mr_table_t *table);  /* distinct keys */
size_t mr_table_bytes(const mr_table_t *table); /* memory it holds now, in bytes: slots and arena */

/* Appends all rows to `run` as one sorted run (run.h) and empties the table (its memory is kept for reuse, up to a
 * bound). Returns 0, or -1 when memory is out: the table is then unchanged. */
int mr_table_drain(mr_table_t *table, mr_buffer_t *run);

#endif
