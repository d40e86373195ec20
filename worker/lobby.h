/* lobby.h - the worker's connection to a coordinator that stays (docs/serve.md), which says for what job it shall work and where: PLACE, in answer to
 * HELLO, and whenever that changes. */
#ifndef MR_LOBBY_H
#define MR_LOBBY_H

#include "link.h"

typedef struct mr_lobby {
    zsock_t *socket;    /* DEALER, owned; NULL: there is no such coordinator */
    uint64_t job;       /* the worker shall work for that one; 0: none yet */
    char endpoint[512]; /* of that job's coordinator; "": not known yet */
    int64_t hello_at;   /* when the next HELLO goes out */
    int64_t asked_at;   /* when the first HELLO went out that is not answered; 0: all are */
    unsigned hellos;    /* sent, and not answered */
} mr_lobby_t;

#endif
