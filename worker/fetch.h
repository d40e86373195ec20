/* fetch.h - a source whose bytes come from the coordinator: FETCH and DATA (docs/inputs.md). One for each thread that reads.
 *
 * It asks ahead, so that the connection is full whatever the round trip. What does not come is asked for again; when the coordinator is
 * started anew, at its new endpoint. It waits as long as the thread may: until `stopped`. */
#ifndef MR_FETCH_H
#define MR_FETCH_H

#include <zmq.h>

#include "input/source.h"
#include "route.h"
#include "wire.h"

#define MR_FETCH_WINDOW 16u /* pieces on their way, or here and not read: 4 MiB */

/* A part of the input that was asked for. */
typedef struct mr_fetch_piece {
    uint64_t offset;
    size_t size;
    bool here;
    zmq_msg_t frame; /* its bytes, if it is here */
} mr_fetch_piece_t;

typedef struct mr_fetch {
    mr_route_t *route;              /* borrowed */
    bool (*stopped)(void *context); /* the thread is to give up */
    void *context;
    void *socket; /* DEALER; NULL: not needed yet */
    mr_where_t where;
    mr_fetch_piece_t pieces[MR_FETCH_WINDOW]; /* a ring, each where the one before it ends */
    unsigned first, count;
    uint64_t asked;      /* up to here */
    uint64_t until;      /* ask ahead up to here */
    int64_t moved_at;    /* when something came, or all was asked for */
    int64_t patience_ms; /* from then on, until it is asked for again */
    mr_buffer_t out;
} mr_fetch_t;

void mr_fetch_init(mr_fetch_t *fetch, mr_route_t *route, bool (*stopped)(void *context), void *context);
void mr_fetch_close(mr_fetch_t *fetch);

/* Whether the coordinator serves inputs. */
bool mr_fetch_can(mr_fetch_t *fetch);

/* Makes `source`, the segment of which is set, one that is fetched, and asks for its beginning. -1: not here. */
int mr_fetch_open(mr_fetch_t *fetch, mr_source_t *source, mr_error_t *error);

#endif
