/* admitted.h - whom a coordinator admits: the public keys in its folder, read again whenever it changes. No sockets. */
#ifndef MR_ADMITTED_H
#define MR_ADMITTED_H

#include <czmq.h>

#include "keys.h"

typedef struct mr_admitted {
    const char *dir;            /* borrowed */
    zhashx_t *ids;              /* by key: "worker:KEY", owned */
    struct timespec changed[2]; /* the folders, when they were read */
    int64_t read_ms;            /* when that was */
} mr_admitted_t;

/* Nothing is read yet. NULL ids: memory is out. */
void mr_admitted_init(mr_admitted_t *admitted, const char *dir);

/* Who has that key, as mr_peer_t says it. False: nobody. */
bool mr_admitted_find(mr_admitted_t *admitted, const char key[MR_KEY_TEXT], mr_peer_t *peer);

void mr_admitted_free(mr_admitted_t *admitted);

#endif
