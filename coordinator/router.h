/* router.h - messages on a ROUTER socket: [identity, header], to and from workers and clients. */
#ifndef MR_ROUTER_H
#define MR_ROUTER_H

#include "members.h"

/* Receives one without waiting; further frames are dropped. Returns 1 and a message to clear; 0: none is there; -1: not readable, and if it is known,
 * why. */
int mr_router_receive(zsock_t *socket, mr_sender_t *sender, mr_message_t *message, mr_error_t *error);

/* Sends one; `out` is room to encode it in. What cannot be sent is lost, as anything may be. -1: memory is out. */
int mr_router_send(zsock_t *socket, const void *identity, size_t size, const mr_message_t *message, mr_buffer_t *out);

#endif
