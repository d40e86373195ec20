/* sink_store.h - the sink's books, shared by the sink's own files: which runs it holds, where, and how much memory that takes.
 *
 * Everything here is guarded by mr_sink.lock, but for what a background job has marked busy: it reads the run of a busy
 * mr_held_t without the lock, and nobody else frees or changes it meanwhile. */
#ifndef MR_SINK_STORE_H
#define MR_SINK_STORE_H

#include <pthread.h>
#include <stdatomic.h>

#include "sink.h"
#include "spill.h"

#define MR_SINK_FAN 64u         /* most file runs in one merge */
#define MR_SINK_FAN_MEMORY 512u /* most runs in memory in one merge */
#define MR_SINK_TIER 64u        /* so many committed runs of similar size are merged */

/* One run in the sink. */
typedef struct mr_held {
    mr_run_t *run;     /* owned */
    mr_spill_t *spill; /* a reference to the file it is in; NULL: in memory */
    size_t memory;     /* bytes it takes, as counted in mr_store_t.resident */
    size_t block;      /* bytes of its largest block: what a merge has to buffer of a file */
    uint32_t worker;   /* who sent it */
    uint64_t partial;  /* what it is part of */
    bool committed;    /* it counts */
    bool busy;         /* a background job works on it */
    bool dropped;      /* to be freed when the job is done with it */
} mr_held_t;

typedef struct mr_store {
    mr_held_t **items; /* owned, in no order */
    size_t count;
    size_t capacity;
    size_t resident;       /* bytes of memory of all items */
    size_t *reservations;  /* owned: bytes of each run on its way, in no order */
    size_t reserved_count; /* how many are on their way */
    size_t reserved_capacity;
    size_t reserved; /* sum of reservations */
} mr_store_t;

/* How the memory is shared out. While the background works: `admit` for runs and reservations, `keep` and a `chunk` for a merge of
 * runs in memory, `blocks` and a `chunk` for a merge of files. In the final merge: `admit`, `blocks`, `keep` for text. */
typedef struct mr_budget {
    size_t memory; /* all of it */
    size_t admit;  /* resident and reserved bytes go up to this */
    size_t keep;   /* a merged run up to this stays in memory */
    size_t chunk;  /* spilled rows are written in pieces of this */
    size_t blocks; /* block buffers of the files in a merge */
} mr_budget_t;

/* A background job: merge the inputs into one run, or move each of them to a file as it is. */
typedef struct mr_sink_job {
    mr_held_t **inputs; /* array owned; the items stand in the store, busy */
    size_t count;
    bool merge;
    size_t keep; /* a result up to this stays in memory */
} mr_sink_job_t;

/* What jobs one thread does: slot 0 frees memory, slot 1 keeps the number of files small. */
typedef struct mr_sink_slot {
    struct mr_sink *sink;
    pthread_t thread;
    bool running;   /* it has a job */
    bool joinable;  /* it was started and not joined */
    size_t working; /* bytes of its buffers */
    mr_sink_job_t job;
} mr_sink_slot_t;

#define MR_SINK_SLOTS 2

struct mr_sink {
    mr_budget_t budget;
    char *tmp_dir; /* owned */
    uint32_t reducers;
    mr_op_t ops[MR_MAX_CELLS];
    uint32_t ncells;
    int event_fd;
    atomic_bool stop;     /* running jobs end early */
    pthread_mutex_t lock; /* guards all that follows */
    mr_store_t store;
    mr_sink_slot_t slots[MR_SINK_SLOTS];
    size_t wanted;    /* bytes of the last reservation that was refused; 0: none since the caller was last woken */
    bool finishing;   /* no new jobs */
    mr_error_t error; /* the first of any thread */
    mr_sink_stats_t stats;
};

/* ---- one run (sink_store.c) ---- */

/* Takes over `run` (destroyed on failure) and keeps a reference to `spill` (NULL: memory). `block` as in mr_held_t. */
mr_held_t *mr_held_new(mr_run_t *run, mr_spill_t *spill, size_t block, mr_error_t *error);
void mr_held_free(mr_held_t **held);

/* It is in memory, and moving it to a file would free enough to be worth it: the index of a file run takes a few KiB itself. */
bool mr_held_movable(const mr_held_t *held);

/* Bytes a merge needs to buffer the run's blocks (they may be grown by half); 0 in memory. */
size_t mr_held_buffer(const mr_held_t *held);

/* Bytes of the largest block among `size` bytes of whole, checked blocks. */
size_t mr_largest_block(const void *data, size_t size);

/* ---- the books (sink_store.c); call with the lock ---- */

mr_budget_t mr_budget(size_t memory);

int mr_store_add(mr_store_t *store, mr_held_t *held, mr_error_t *error);
void mr_store_remove(mr_store_t *store, const mr_held_t *held); /* does not free it */
int mr_store_reserve(mr_store_t *store, size_t bytes);          /* -1: out of memory */
void mr_store_unreserve(mr_store_t *store, size_t bytes);       /* one of exactly so many, if there is one */
size_t mr_store_spillable(const mr_store_t *store);             /* bytes of runs that could be moved to disk */
void mr_store_free(mr_store_t *store);

/* Notes the memory in use now, with `more` bytes of buffers that no slot counts. */
void mr_sink_account(mr_sink_t *sink, size_t more);

/* ---- the background (sink_compact.c); call with the lock unless said ---- */

/* Starts what there is to do and wakes the caller if there is room for what it wanted. */
void mr_sink_pump(mr_sink_t *sink);

/* Keeps the first error, and makes mr_sink_fd readable. */
void mr_sink_fail(mr_sink_t *sink, const mr_error_t *error);

/* Lets running jobs end; no new ones are started. Without the lock. */
void mr_sink_quiesce(mr_sink_t *sink);

/* Merges runs (borrowed) into a new one, in memory up to `keep` bytes, else in a file. Counts its buffers in *working. NULL
 * and `error`, also when the sink is stopped. Without the lock. */
mr_held_t *mr_sink_merge(mr_sink_t *sink, mr_held_t *const *inputs, size_t count, size_t keep, size_t *working,
                         mr_error_t *error);

/* What kind of size a run has: runs of one tier differ by less than a factor of 8. */
uint32_t mr_held_tier(const mr_held_t *held);

/* ---- cutting the key space (sink_ranges.c) ---- */

typedef struct mr_cuts {
    mr_range_t *ranges; /* owned; ascending, together the whole key space; keys borrowed from the runs */
    size_t count;       /* >= 1 */
} mr_cuts_t;

/* Cuts the keys of `runs` into ranges of about `bytes` each. */
int mr_cuts_make(mr_cuts_t *cuts, mr_run_t *const *runs, size_t count, uint64_t bytes, mr_error_t *error);
void mr_cuts_free(mr_cuts_t *cuts);

#endif
