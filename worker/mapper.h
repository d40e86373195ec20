/* mapper.h - one table and what maps blocks of lines into it. A slot has one; so has a relay. */
#ifndef MR_MAPPER_H
#define MR_MAPPER_H

#include "out.h"
#include "outbox.h"
#include "sight.h"

/* What all threads of a process share; read-only but for the atomics. */
typedef struct mr_workshop {
    const mr_job_t *job;
    const void *state;              /* the job's */
    const mr_job_message_t *limits; /* borrowed from the JOB message */
    const char *tmp_dir;            /* for runs made in the middle of a task */
    mr_outbox_t *outbox;
    mr_sight_t *sight;                 /* of inputs; NULL: all files are here */
    atomic_uint_fast64_t next_partial; /* the next partial's id */
    atomic_uint_fast64_t warned;       /* bad records whose place was told */
    atomic_size_t held;                /* bytes of runs in memory, in partials not yet committed or discarded */
    atomic_size_t waiting;             /* tasks that no thread has begun */
    atomic_bool stop;                  /* give up what is running */
    const char *program;               /* this one, to try records in (probe.h) */
    void (*call_mates)(void *pool);    /* wakes idle threads: there is a file to share (relay.h) */
    void *pool;
} mr_workshop_t;

typedef struct mr_mapper {
    mr_workshop_t *shop; /* borrowed */
    mr_out_t out;        /* with the table, owned */
} mr_mapper_t;

/* Where the bytes of a block come from, to name the place of a bad record. */
typedef struct mr_place {
    const char *path;
    const mr_reader_t *reader; /* the block is its current one; or NULL: then it begins at `offset` and lacks nothing */
    const char *data;          /* first byte of the block */
    uint64_t offset;
} mr_place_t;

int mr_mapper_init(mr_mapper_t *mapper, mr_workshop_t *shop, mr_error_t *error);
void mr_mapper_close(mr_mapper_t *mapper);

/* Throws all rows away. Returns -1 when memory is out: there is then no table. */
int mr_mapper_reset(mr_mapper_t *mapper, mr_error_t *error);

/* Maps `size` > 0 bytes of whole lines at place->data, and counts in `result`. */
int mr_mapper_map(mr_mapper_t *mapper, const mr_place_t *place, size_t size, mr_result_t *result, mr_error_t *error);

/* Counts a record that is left out as bad, unless there are more of them than --skip-bad allows: then it fails. */
int mr_mapper_reject(mr_mapper_t *mapper, const char *path, uint64_t offset, const char *reason, mr_result_t *result,
                     mr_error_t *error);

/* Where a record of the place stands in its file. */
uint64_t mr_place_offset(const mr_place_t *place, const char *record);

/* Counts a record too long to be mapped. */
int mr_mapper_skip(mr_mapper_t *mapper, const char *path, const mr_block_t *block, mr_result_t *result,
                   mr_error_t *error);

/* The table has its share of memory. */
bool mr_mapper_full(const mr_mapper_t *mapper);

/* Makes the rows, if there are any, one more run of the partial; with `spill_dir`, in a file there. */
int mr_mapper_drain(mr_mapper_t *mapper, mr_partial_t *partial, const char *spill_dir, mr_error_t *error);

#endif
