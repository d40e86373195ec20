/* link.h - the worker's sockets: control, lane and sink, how a message goes out and comes in, and which of them are connected.
 *
 * A message is lost only when a connection breaks, so each socket is watched by a monitor. */
#ifndef MR_LINK_H
#define MR_LINK_H

#include <czmq.h>

#include "handshake.h"
#include "partial.h"

typedef enum mr_link_part { MR_LINK_CONTROL, MR_LINK_LANE, MR_LINK_SINK, MR_LINK_PARTS } mr_link_part_t;

#define MR_LINK_IDENTITY 16 /* bytes */

#define MR_LINK_BIT(part) (1u << (part))
#define MR_LINK_ALL (MR_LINK_BIT(MR_LINK_PARTS) - 1)

typedef struct mr_link {
    char connect[512]; /* the control endpoint; "": there is none */
    uint8_t identity
        [MR_LINK_IDENTITY]; /* of control: the coordinator knows the worker by it, whatever connection it comes by */
    zsock_t *sockets[MR_LINK_PARTS];    /* DEALER, PULL, PUSH; lane and sink are NULL before WELCOME */
    void *monitors[MR_LINK_PARTS];      /* PAIR each, on which a socket's events come */
    unsigned up;                        /* bits of the sockets that are connected now */
    const mr_keys_t *keys;              /* borrowed; NULL, or none given: it has none */
    char endpoints[MR_LINK_PARTS][512]; /* as the sockets were connected */
    mr_handshake_t handshakes[MR_LINK_PARTS];
    mr_buffer_t out; /* the message being encoded */
    bool failed;     /* a message was lost for want of memory: the worker must not go on as if it had been sent */
} mr_link_t;

/* What all sockets of a worker have in common, before they connect to `endpoint`. `keys` may be NULL. */
void mr_link_set_socket(void *handle, const char *endpoint, const mr_keys_t *keys);

/* A new random identity. -1: there is no randomness. */
int mr_link_draw_identity(uint8_t identity[MR_LINK_IDENTITY]);

/* Connects control, under the identity and with the keys that are in the (else zeroed) link; one that was connected is closed. */
int mr_link_open(mr_link_t *link, const char *endpoint, mr_error_t *error);

/* Gives the control socket away, to be closed by the caller. The link is then as one that was never opened, with a new identity. NULL and
 * `error`. */
zsock_t *mr_link_give_control(mr_link_t *link, mr_error_t *error);

/* Connects a socket to its endpoint anew: what waited to be sent there is dropped. */
void mr_link_redial(zsock_t *socket, const char *endpoint);

/* Closes all that is connected; it may be opened again. */
void mr_link_drop(mr_link_t *link);

/* An endpoint that a coordinator has told: where it has * for its host, that of `connect` by which the coordinator is known, in `text`. */
const char *mr_link_reachable(const char *connect, const char *endpoint, char *text, size_t size);

/* Encodes and sends without waiting on one of its sockets or (as with control given away) another. What cannot be sent is lost, as
 * anything may be. */
void mr_link_send(mr_link_t *link, zsock_t *socket, const mr_message_t *message);

/* Receives the same way. Returns as mr_link_receive. */
int mr_link_receive_from(zsock_t *socket, mr_message_t *message);

/* Connects lane and sink; those of an earlier welcome are closed, and what they had not sent is lost. Where an
 * endpoint has * for its host, it is that of control. */
int mr_link_welcome(mr_link_t *link, const mr_welcome_message_t *welcome, mr_error_t *error);

void mr_link_close(mr_link_t *link);

/* Reads what the monitors have to tell. Returns the bits of the sockets whose connection broke since the last call. */
unsigned mr_link_watch(mr_link_t *link);

/* Where a handshake has failed, connects again. -1, status REFUSED: it will go on to fail. */
int mr_link_check(mr_link_t *link, int64_t now, mr_error_t *error);

/* Sends on control. What cannot be sent is lost, as anything may be. */
void mr_link_control(mr_link_t *link, const mr_message_t *message);

/* Sends on the sink. */
void mr_link_partial(mr_link_t *link, const mr_message_t *message);

/* Sends a RUN: the header, then `size` bytes without copying; takes over one reference to `bytes`. Without memory for
 * that, nothing is sent and the link has failed. */
void mr_link_run(mr_link_t *link, const mr_message_t *header, mr_run_bytes_t *bytes, size_t size);

/* Receives without waiting. Returns 1 and a message to clear; 0: none is there; -1: what came cannot be read (dropped). */
int mr_link_receive(mr_link_t *link, mr_link_part_t part, mr_message_t *message);

#endif
