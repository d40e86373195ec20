/* route.h - where the coordinator serves inputs, as the latest WELCOME says: set by the agent's thread, looked at by those that fetch. */
#ifndef MR_ROUTE_H
#define MR_ROUTE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "keys.h"

typedef struct mr_where {
    char endpoint[512]; /* "": nowhere */
    uint64_t epoch;
    uint32_t lease_ms;
    uint32_t version; /* another whenever it changes; 0: never set */
} mr_where_t;

typedef struct mr_route {
    pthread_mutex_t lock;
    mr_where_t where;
    const mr_keys_t *keys; /* borrowed; NULL, or none given: there are none. Set before any thread fetches */
    void *
        context; /* of the sockets that fetch: their own, as a thread that hangs may leave one open for ever. NULL: none yet */
} mr_route_t;

void mr_route_init(mr_route_t *route);

/* When all that fetched have ended. */
void mr_route_close(mr_route_t *route);

void mr_route_set(mr_route_t *route, const char *endpoint, uint64_t epoch, uint32_t lease_ms);

/* Copies it if its version is another than that at `where`. Returns whether it was. */
bool mr_route_look(mr_route_t *route, mr_where_t *where);

/* The context, made when it is first asked for; or NULL. */
void *mr_route_context(mr_route_t *route);

#endif
