/* slot.h - what one thread of the pool computes with: its reader, its table, and the partial it is filling.
 *
 * A task is read block by block, mapped into the table, and named in the open partial. A flush makes the table a sorted
 * run and hands the partial on. A task that fails after some of its rows are in the table spoils the partial: it
 * is thrown away, and the other tasks it named are given back to be run again. */
#ifndef MR_SLOT_H
#define MR_SLOT_H

#include "out.h"
#include "outbox.h"

/* What all slots of a process share; read-only but for the atomics. */
typedef struct mr_workshop {
    const mr_job_t *job;
    const void *state;              /* the job's */
    const mr_job_message_t *limits; /* borrowed from the JOB message */
    const char *tmp_dir;            /* for runs made in the middle of a task */
    mr_outbox_t *outbox;
    atomic_uint_fast64_t next_partial; /* the next partial's id */
    atomic_uint_fast64_t warned;       /* bad records whose place was told */
    atomic_size_t held;                /* bytes of runs in memory, in partials not yet committed or discarded */
    atomic_bool stop;                  /* give up what is running */
} mr_workshop_t;

typedef struct mr_slot {
    mr_workshop_t *shop; /* borrowed */
    mr_reader_t *reader;
    mr_out_t out;               /* with the table, owned */
    mr_partial_t *partial;      /* open, or NULL */
    mr_buffer_t payload;        /* a payload with its margins */
    uint32_t group;             /* of the tasks in the open partial */
    int64_t opened_ms;          /* when it was opened */
    bool gave_up;               /* the process is leaving: nothing is run any more */
    atomic_uint_fast64_t bytes; /* input read of the running task */
} mr_slot_t;

int mr_slot_init(mr_slot_t *slot, mr_workshop_t *shop, mr_error_t *error);
void mr_slot_close(mr_slot_t *slot);

/* Runs one task to its end and tells the outbox how it went. Flushes when the table is full or the partial old. */
void mr_slot_run(mr_slot_t *slot, const mr_spec_t *spec);

/* Hands the open partial to the outbox. */
void mr_slot_flush(mr_slot_t *slot);

#endif
