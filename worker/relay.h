/* relay.h - lets an idle thread, the mate, map what another, the owner, inflates.
 *
 * A gzip file cannot be cut, so at the end of a job one thread may inflate and map alone while the others have nothing to do. The owner
 * then hands blocks on as long as there is a mate with room for them, and maps the others itself. The mate has a table of
 * its own, the relay's; when the file is read, its rows become one more run of the owner's partial, which is committed
 * or discarded whole as ever. One mate is enough: inflating takes longer than mapping. */
#ifndef MR_RELAY_H
#define MR_RELAY_H

#include <pthread.h>

#include "mapper.h"

#define MR_RELAY_DEPTH 4u /* blocks on their way */

typedef struct mr_relay_block {
    mr_buffer_t bytes; /* a block with its margins */
    size_t size;       /* without them */
    uint64_t offset;   /* in the file */
} mr_relay_block_t;

typedef struct mr_relay {
    pthread_mutex_t lock; /* over all below; the mapper is the mate's while there is one, else the owner's */
    pthread_cond_t changed;
    mr_mapper_t mapper; /* its table is made when it is first needed */
    mr_result_t result; /* what the mate counted */
    mr_error_t error;   /* the mate failed */
    const char *path;   /* of the open file */
    mr_relay_block_t blocks[MR_RELAY_DEPTH];
    size_t put;    /* blocks put in so far */
    size_t mapped; /* blocks the mate is done with */
    bool open;     /* the owner has a file to share */
    bool mated;    /* a thread serves this relay */
    bool leaving;  /* the mate takes no further blocks */
    bool full;     /* the mate's table has its share of memory */
} mr_relay_t;

/* ---- the owner ---- */

void mr_relay_init(mr_relay_t *relay, mr_workshop_t *shop);
void mr_relay_close(mr_relay_t *relay);

/* From now on a mate is welcome. */
void mr_relay_begin(mr_relay_t *relay, const char *path);

/* Hands a block (copied) to the mate. Returns 1; 0: nobody can take it, map it yourself; -1: memory is out, or the mate failed.
 * A full table of the mate becomes a run of `partial`. */
int mr_relay_put(mr_relay_t *relay, const mr_block_t *block, uint64_t offset, mr_partial_t *partial, mr_error_t *error);

/* Waits for the mate and sends it away. Its counts are added to `result`, its rows to `partial`; with `failed`, both are thrown away.
 * Returns `failed`, or -1 if the mate failed. */
int mr_relay_end(mr_relay_t *relay, int failed, mr_partial_t *partial, mr_result_t *result, mr_error_t *error);

/* ---- the mate ---- */

/* Becomes the mate, if one is welcome. */
bool mr_relay_join(mr_relay_t *relay);

/* Maps blocks until the owner ends, or there are tasks to do. */
void mr_relay_serve(mr_relay_t *relay);

#endif
