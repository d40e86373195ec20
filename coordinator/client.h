/* client.h - a client's connection to `millrace serve`: it asks, and gets an answer or says why there is none. */
#ifndef MR_CLIENT_H
#define MR_CLIENT_H

#include <czmq.h>
#include <jansson.h>

#include "buffer.h"
#include "error.h"
#include "handshake.h"

typedef struct mr_client {
    char endpoint[256];
    zsock_t *socket; /* DEALER */
    uint64_t asked;  /* requests so far */
    mr_keys_t keys;  /* none given: it has none */
    void *monitor;   /* PAIR: what becomes of the socket's handshakes */
    mr_handshake_t handshake;
    bool reached;    /* an answer has come */
    mr_buffer_t out; /* the request being encoded */
} mr_client_t;

/* Connects, with a client's keys from that folder (NULL: none). What cannot be an endpoint, or read: USAGE. */
int mr_client_open(mr_client_t *client, const char *endpoint, const char *keys, mr_error_t *error);
void mr_client_close(mr_client_t *client);

/* An answer; zeroed: none yet. */
typedef struct mr_answer {
    json_t *body;     /* owned */
    mr_buffer_t rows; /* owned */
} mr_answer_t;

/* Asks and waits. `body` is the caller's. Returns 0 and the answer (what it held before is freed); -1 and `error`: what the coordinator said against it, with its
 * status; NO_WORKERS: nobody answers; REFUSED: another version; INTERRUPTED: a signal came (mr_client_catch_signals). A verb that changes nothing is
 * asked again when a connection may have lost it. */
int mr_client_ask(mr_client_t *client, const char *verb, const json_t *body, mr_answer_t *answer, mr_error_t *error);
void mr_answer_free(mr_answer_t *answer);

/* The status that a coordinator tells of something that failed: whatever it says, an exit status, and not 0. */
mr_status_t mr_client_status(int64_t told);

/* From now on SIGINT, SIGTERM and SIGHUP end mr_client_ask, not the process. */
void mr_client_catch_signals(void);

#endif
