/* sink.h - the external merge: holds the runs of partials, reduces them in the background, spills past its memory, and streams the
 * final rows in key order.
 *
 * A run is staged when it arrives and belongs to (worker, partial); it counts only when that partial is committed,
 * and is freed when it is dropped. Staged runs are never merged with committed ones.
 *
 * One thread calls these functions; none of them waits but mr_sink_finish. The sink starts threads of its own when there is
 * something to merge or to spill, and tells the caller through mr_sink_fd. The result is the same bytes whatever the order of
 * arrival, the number of threads and the memory.
 *
 * Memory: runs and their indexes, room reserved for runs on their way, and the buffers of merges stay within `memory` (at
 * least MR_SINK_LEAST_MEMORY), except for a run that is larger by itself. What is on disk still has its index in memory: about
 * one key for each 32 KiB. */
#ifndef MR_SINK_H
#define MR_SINK_H

#include <stdbool.h>

#include "buffer.h"
#include "merge.h"
#include "spill.h"

typedef struct mr_sink mr_sink_t;

#define MR_SINK_LEAST_MEMORY ((size_t) 1 << 20) /* bytes; less is taken as this */

typedef struct mr_sink_config {
    size_t memory;       /* bytes the sink may hold in all, also while it merges */
    const char *tmp_dir; /* where runs are spilled (unlinked files); copied */
    uint32_t reducers;   /* threads of the final merge; 0 is taken as 1 */
    const mr_op_t *ops;  /* copied */
    uint32_t ncells;
} mr_sink_config_t;

mr_sink_t *mr_sink_new(const mr_sink_config_t *config, mr_error_t *error);
void mr_sink_destroy(mr_sink_t **sink);

/* Takes over a run that arrived; `release(hint)` frees it, from any thread, and is called in every case, also when this fails:
 * the run is malformed (status JOB), or a background thread had failed. */
int mr_sink_stage(mr_sink_t *sink, uint32_t worker, uint64_t partial, const void *data, size_t size,
                  void (*release)(void *hint), void *hint, mr_error_t *error);

/* How many runs are staged for a partial. `rows` (may be NULL) gets how many rows they have. */
size_t mr_sink_staged(const mr_sink_t *sink, uint32_t worker, uint64_t partial, uint64_t *rows);

/* The partial's staged runs now count. May start a background merge or spill. */
int mr_sink_commit(mr_sink_t *sink, uint32_t worker, uint64_t partial, mr_error_t *error);

/* Frees what is staged for one partial, or for all partials of a worker. */
void mr_sink_drop(mr_sink_t *sink, uint32_t worker, uint64_t partial);
void mr_sink_drop_worker(mr_sink_t *sink, uint32_t worker);

/* Takes a run that counts already, where it stands in a file: an earlier coordinator's. Small ones are read into memory. Keeps a
 * reference to `spill`. Status STORAGE when it is malformed or cannot be read. */
int mr_sink_restore(mr_sink_t *sink, mr_spill_t *spill, uint64_t offset, uint64_t size, mr_error_t *error);

/* Asks for room for a run of `bytes` that a worker offers. True: reserved (the next stage of exactly so many bytes uses it up; if
 * less comes, give it back with mr_sink_unreserve). False: not now; the sink is making room, mr_sink_fd becomes readable when it
 * is worth asking again: ask then for those refused in the order in which they came. A run is always granted in the end, also one
 * larger than the memory: that one alone, when nothing else is reserved and all else is on disk. A run may also be staged
 * unasked: small ones only, for the bound to hold. */
bool mr_sink_reserve(mr_sink_t *sink, size_t bytes);
/* Gives a reservation back (the worker it was made for is gone). */
void mr_sink_unreserve(mr_sink_t *sink, size_t bytes);

/* Becomes readable when room was made or a background thread failed. Call mr_sink_check then: it clears the fd and returns 0, or -1 and
 * the background thread's error. */
int mr_sink_fd(const mr_sink_t *sink);
int mr_sink_check(mr_sink_t *sink, mr_error_t *error);

/* What the final merge does with its rows. */
typedef struct mr_sink_visitor {
    void *context;
    /* Appends what the row becomes to `buffer`. Called from several threads at once, each with a buffer of its own. -1: error */
    int (*row)(void *context, const mr_row_t *row, mr_buffer_t *buffer, mr_error_t *error);
    /* Takes the text of one key range, or of the next part of a long one. Called in key order, one call at a time. */
    int (*write)(void *context, const mr_buffer_t *buffer, mr_error_t *error);
    /* May be NULL. Reworks a buffer that is full before it waits for its turn to be written; called as `row` is. */
    int (*seal)(void *context, mr_buffer_t *buffer, mr_error_t *error);
    size_t bound; /* bytes at which a buffer is full; 0: as the sink's memory allows */
} mr_sink_visitor_t;

/* Waits for the background, then merges all committed runs by key ranges in parallel and hands the rows to `visitor` in key
 * order. `rows` gets the number of distinct keys. The sink is empty afterwards. Status LEDGER when the rows that were committed are not
 * as many as those that came out and those that were reduced into them: some were lost, which is a defect. */
int mr_sink_finish(mr_sink_t *sink, const mr_sink_visitor_t *visitor, uint64_t *rows, mr_error_t *error);

typedef struct mr_sink_stats {
    uint64_t runs;          /* committed so far */
    uint64_t rows;          /* in them */
    uint64_t folded;        /* of these, reduced into others so far */
    uint64_t spilled_bytes; /* written to tmp_dir */
    uint64_t merges;        /* in the background */
    size_t peak_memory;     /* bytes of runs, indexes, reservations and merge buffers */
} mr_sink_stats_t;
mr_sink_stats_t mr_sink_stats(const mr_sink_t *sink);

#endif
