/* table.h - the hash table one worker thread folds its rows into, and the sorted run it becomes.
 *
 * Open addressing over a hash keyed with random numbers of its own (hash flooding), keys compared in full. Rows live in an arena in
 * insertion order; nothing is ever removed but all at once. Not thread-safe: one table a thread. It holds up to 2^30 rows
 * in 32 GiB; workers drain it long before. */
#ifndef MR_TABLE_H
#define MR_TABLE_H

#include "buffer.h"
#include "error.h"
#include "millrace/job.h"

typedef struct mr_table mr_table_t;

/* A table of rows of `ncells` cells (copied ops). NULL when memory (or the system's random numbers) is out. The caller owns it. */
mr_table_t *mr_table_new(const mr_op_t *ops, uint32_t ncells);
void mr_table_destroy(mr_table_t **table);

/* Folds one row in. Returns 0; -1 and a sticky error (see mr_table_error) on overflow of a sum, a key longer than MR_MAX_KEY, or
 * out of memory; the row is then not folded in. */
int mr_table_add(mr_table_t *table, const char *key, size_t len, const uint64_t *cells);

/* The first error, or NULL. An overflow's text names the key. */
const mr_error_t *mr_table_error(mr_table_t *table);

size_t mr_table_rows(mr_table_t *table); /* distinct keys */

/* Memory in use for the rows it has now, in bytes: slots and arena. A drain needs 32 bytes a row more while it sorts. */
size_t mr_table_bytes(const mr_table_t *table);

/* Appends all rows to `run` as one sorted run (run.h) and empties the table. Of its memory, at most 64 MiB of arena and 16 MiB of slots
 * are kept for reuse. Returns 0, or -1 when memory is out or the table has an error: table and run are then unchanged. */
int mr_table_drain(mr_table_t *table, mr_buffer_t *run);

#endif
