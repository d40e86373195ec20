/* link.h - the worker's sockets: control, lane and sink, and how a message goes out and comes in. */
#ifndef MR_LINK_H
#define MR_LINK_H

#include <czmq.h>

#include "partial.h"

typedef struct mr_link {
    zsock_t *control; /* DEALER */
    zsock_t *lane;    /* PULL, NULL before WELCOME */
    zsock_t *sink;    /* PUSH, NULL before WELCOME */
    mr_buffer_t out;  /* the message being encoded */
    bool failed;      /* a message was lost for want of memory: the worker must not go on as if it had been sent */
} mr_link_t;

/* Connects control. */
int mr_link_open(mr_link_t *link, const char *endpoint, mr_error_t *error);

/* Connects lane and sink. */
int mr_link_welcome(mr_link_t *link, const mr_welcome_message_t *welcome, mr_error_t *error);

void mr_link_close(mr_link_t *link);

/* Sends on control. What cannot be sent is lost, as anything may be; the lease covers it. */
void mr_link_control(mr_link_t *link, const mr_message_t *message);

/* Sends on the sink. */
void mr_link_partial(mr_link_t *link, const mr_message_t *message);

/* Sends a RUN: the header, then `size` bytes without copying; takes over one reference to `bytes`. */
void mr_link_run(mr_link_t *link, const mr_message_t *header, mr_run_bytes_t *bytes, size_t size);

/* Receives without waiting. Returns 1 and a message to clear; 0: none is there; -1: what came cannot be read (dropped). */
int mr_link_receive(zsock_t *socket, mr_message_t *message);

#endif
