/* sight.h - which of the job's inputs this process sees (docs/inputs.md), and how its threads open them: as files, from the coordinator, or by URL.
 *
 * Each input is looked at once: what is found to be another file, or is not there, is not looked at again. */
#ifndef MR_SIGHT_H
#define MR_SIGHT_H

#include <stdatomic.h>

#include "fetch.h"
#include "input/http.h"
#include "input/root.h"

/* What all threads of a process share. */
typedef struct mr_sight {
    const mr_root_t *root; /* borrowed; without a path: any file may be opened */
    mr_route_t route;
    pthread_mutex_t lock;
    uint8_t *seen; /* owned; by input: 0 not looked at, 1 seen, 2 not */
    size_t count;
    atomic_uint told; /* inputs that are not here, of which was spoken */
} mr_sight_t;

/* What one thread opens its inputs with. */
typedef struct mr_eye {
    mr_sight_t *sight; /* borrowed */
    mr_access_t access;
    mr_fetch_t fetch;
    mr_http_t *http; /* NULL: no URL was met */
} mr_eye_t;

void mr_sight_init(mr_sight_t *sight, const mr_root_t *root);

/* When all eyes are closed. */
void mr_sight_close(mr_sight_t *sight);

/* `stopped`: as mr_fetch_init. */
void mr_eye_init(mr_eye_t *eye, mr_sight_t *sight, bool (*stopped)(void *context), void *context);
void mr_eye_close(mr_eye_t *eye);

#endif
