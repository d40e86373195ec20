/* shelf.h - the partials this worker has finished, from the pool until COMMITTED or DISCARD: first those to send, in order, then those
 * that wait for an answer. */
#ifndef MR_SHELF_H
#define MR_SHELF_H

#include <stdbool.h>

#include "link.h"

typedef struct mr_shelf {
    mr_partial_t *to_send; /* oldest first, owned */
    mr_partial_t *last;    /* of to_send */
    mr_partial_t *sent;    /* wait for an answer, owned */
    bool offered;          /* an OFFER is out for the next run */
    bool granted;          /* and the sink has room for it */
} mr_shelf_t;

/* Takes a list of partials over (first to last). */
void mr_shelf_put(mr_shelf_t *shelf, mr_partial_t *first, mr_partial_t *last);

/* Sends what may be sent: runs and partials in order, up to a large run that needs a grant, for which it sends an OFFER. Returns 0, or
 * -1 when a run cannot be read back. */
int mr_shelf_send(mr_shelf_t *shelf, mr_link_t *link, uint64_t epoch, uint32_t worker, mr_error_t *error);

/* The sink has room for the run that was offered. */
void mr_shelf_grant(mr_shelf_t *shelf);

/* COMMITTED or DISCARD: takes the partial out, for the caller to destroy. NULL when it is not there, or is on its way once more (and
 * will be answered again). */
mr_partial_t *mr_shelf_settle(mr_shelf_t *shelf, uint64_t id);

/* Messages may have been lost: all that was not answered is sent again, in order, and an offer that is out is void. */
void mr_shelf_resend(mr_shelf_t *shelf);

bool mr_shelf_empty(const mr_shelf_t *shelf);
void mr_shelf_close(mr_shelf_t *shelf);

#endif
