/* endpoint.h - where the coordinator listens: the control endpoint that was asked for, and those that follow from it.
 *
 *   tcp://HOST:PORT    the sink at PORT + 1, inputs at PORT + 2, lanes at ports of the range given, or any that is free
 *   tcp://HOST:*       all at ports that are free
 *   ipc://PATH         the sink at PATH.sink, inputs at PATH.inputs, lanes at PATH.lane-N
 *
 * HOST is an address or name of this machine, or * for all. An ipc endpoint can be bound twice without a word from ZeroMQ, so PATH.lock is
 * held as long as one listens there. */
#ifndef MR_ENDPOINT_H
#define MR_ENDPOINT_H

#include <czmq.h>

#include "error.h"

typedef struct mr_endpoint {
    bool tcp;
    char host[128];        /* of tcp, as given */
    char path[96];         /* of ipc */
    const char *advertise; /* borrowed: the host that workers are told to go to; NULL: the one they know */
    uint32_t port;         /* of tcp; 0: any */
    uint32_t lane_low;     /* ports for lanes; 0: any */
    uint32_t lane_high;    /* the last of them */
    char control[256];     /* as bound, for people and workers */
    char sink[256];        /* as bound, for WELCOME: * for the host where it is not one address */
    char inputs[256];      /* the same; "": the workers are sent none */
    int lock;              /* descriptor of PATH.lock; -1: none */
    uint64_t lanes_bound;  /* so many, so that the next port is tried first */
} mr_endpoint_t;

/* Reads what was typed. `lane_ports`: "LOW-HIGH", or NULL. Status USAGE, with what is right in the text. */
int mr_endpoint_parse(mr_endpoint_t *endpoint, const char *text, const char *lane_ports, mr_error_t *error);

/* Sets the host that workers are told to go to, where that is not the one they know: behind NAT, in a container. NULL: none.
 * Status USAGE when it is no host. */
int mr_endpoint_advertise(mr_endpoint_t *endpoint, const char *host, mr_error_t *error);

/* Only this machine can reach it. */
bool mr_endpoint_is_local(const mr_endpoint_t *endpoint);

/* What all sockets of a coordinator have in common; `linger_ms`: how long what was sent may take to get out when it is closed. */
void mr_endpoint_set_socket(zsock_t *socket, int linger_ms);

/* Makes of a bound endpoint one for workers: at that host, or (NULL) at *, which is the one they know the coordinator by. One of ipc stays. */
void mr_endpoint_for_workers(const char *advertise, char text[256]);

/* The bound control endpoint as a process of this machine reaches it. */
void mr_endpoint_from_here(const mr_endpoint_t *endpoint, char text[256]);

/* Whether nobody listens at the host's port now; true also where that cannot be told. */
bool mr_endpoint_port_is_free(const mr_endpoint_t *endpoint, uint32_t port);

/* Binds control and sink (NULL: there is none). When something listens there already: status USAGE. */
int mr_endpoint_bind(mr_endpoint_t *endpoint, zsock_t *control, zsock_t *sink, mr_error_t *error);

/* Binds the socket that inputs are served at. */
int mr_endpoint_bind_inputs(mr_endpoint_t *endpoint, zsock_t *socket, mr_error_t *error);

/* Binds a lane; `text` gets the endpoint for WELCOME. */
int mr_endpoint_bind_lane(mr_endpoint_t *endpoint, zsock_t *lane, uint32_t worker, char text[256], mr_error_t *error);

/* Gives the lock of an ipc endpoint back, and removes its sockets' names. Safe twice, and on a zeroed one with lock -1. */
void mr_endpoint_close(mr_endpoint_t *endpoint);

#endif
