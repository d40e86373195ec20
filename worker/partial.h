/* partial.h - one partial of this worker: the runs its rows became and the tasks it names, kept until the coordinator
 * says COMMITTED or DISCARD.
 *
 * Runs are kept in memory; those a thread makes in the middle of a task that outgrows its table go to an unlinked file. A run in memory may
 * be lent to ZeroMQ, which frees its share when the bytes are on the wire. */
#ifndef MR_PARTIAL_H
#define MR_PARTIAL_H

#include <stdatomic.h>

#include "wire.h"

/* Bytes of a run in memory, shared by the partial and the message that carries them. */
typedef struct mr_run_bytes {
    atomic_uint references;
    char *data; /* owned */
} mr_run_bytes_t;

typedef struct mr_held_run {
    size_t size;
    mr_run_bytes_t *bytes; /* NULL: the run is in the file */
    uint64_t offset;       /* in the file */
} mr_held_run_t;

typedef struct mr_partial {
    uint64_t id;
    mr_held_run_t *runs; /* owned */
    size_t run_count;
    uint64_t rows;        /* in all runs, as the tables counted them */
    mr_result_t *results; /* owned; one for each task folded in */
    size_t result_count;
    size_t result_capacity;
    int file;                /* unlinked file of spilled runs, or -1 */
    uint64_t file_size;      /* bytes in it */
    size_t memory;           /* bytes of runs in memory */
    size_t next_run;         /* the next to send */
    struct mr_partial *next; /* in a queue */
} mr_partial_t;

mr_partial_t *mr_partial_new(uint64_t id);
void mr_partial_destroy(mr_partial_t **partial);

/* Names one more task. */
int mr_partial_add_result(mr_partial_t *partial, const mr_result_t *result, mr_error_t *error);

/* Takes the run in `run` over (the buffer is empty afterwards). With `spill_dir`, it is written to a file there. */
int mr_partial_add_run(mr_partial_t *partial, mr_buffer_t *run, const char *spill_dir, mr_error_t *error);

/* The bytes of a run for sending: from memory with one reference more, or read from the file. Give back with
 * mr_run_bytes_release. NULL on failure. */
mr_run_bytes_t *mr_partial_run_bytes(const mr_partial_t *partial, size_t index, mr_error_t *error);

/* Drops one reference. Has the shape of zmq_free_fn. */
void mr_run_bytes_release(void *data, void *bytes);

#endif
