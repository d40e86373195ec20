/* slot.h - what one thread of the pool computes with: its reader, its table, and the partial it is filling.
 *
 * A task is read block by block, mapped into the table, and named in the open partial. A flush makes the table a sorted
 * run and hands the partial on. A task that fails after some of its rows are in the table spoils the partial: it
 * is thrown away, and the other tasks it named are given back to be run again. A task that is to be alone gets a partial of its own; with a
 * careful one, each block is tried in another process first (careful.h).
 *
 * The thread that owns the sockets may take the running task from a slot: given up, it is handed back at the next block's end;
 * disowned, it has been reported as failed already, and nothing of it may come out any more. */
#ifndef MR_SLOT_H
#define MR_SLOT_H

#include "careful.h"
#include "mapper.h"
#include "relay.h"

typedef enum mr_slot_fate { MR_SLOT_GOES_ON, MR_SLOT_GIVEN_UP, MR_SLOT_DISOWNED } mr_slot_fate_t;

typedef struct mr_slot {
    mr_workshop_t *shop; /* borrowed */
    mr_reader_t *reader;
    mr_eye_t eye;               /* what it opens inputs with */
    mr_mapper_t mapper;         /* of the open partial's rows */
    mr_relay_t relay;           /* to share a gzip file with an idle thread */
    mr_careful_t careful;       /* to try what may end the process */
    mr_partial_t *partial;      /* open, or NULL */
    mr_buffer_t payload;        /* a payload with its margins */
    uint32_t group;             /* of the tasks in the open partial */
    int64_t opened_ms;          /* when it was opened */
    bool gave_up;               /* the process is leaving: nothing is run any more */
    uint32_t flags;             /* of the running task: MR_SPEC_... */
    atomic_int fate;            /* mr_slot_fate_t; never goes back */
    atomic_uint_fast64_t bytes; /* input read of the running task */
    atomic_int_fast64_t since;  /* when it began (ms) */
    atomic_int_fast64_t timed;  /* from when --task-timeout counts; 0: it is not timed now */
} mr_slot_t;

int mr_slot_init(mr_slot_t *slot, mr_workshop_t *shop, mr_error_t *error);
void mr_slot_close(mr_slot_t *slot);

/* Runs one task to its end and tells the outbox how it went. Flushes when the table is full or the partial old. */
void mr_slot_run(mr_slot_t *slot, const mr_spec_t *spec);

/* Hands the open partial to the outbox. */
void mr_slot_flush(mr_slot_t *slot);

#endif
