/* supply.h - gives workers the bytes of inputs they do not see (docs/inputs.md): FETCH is answered by DATA, by a thread of its own, so that bulk
 * never delays a decision.
 *
 * Peers are served in turn, a piece each. What lies in memory is bounded: 64 MiB, and a piece a peer. Only the inputs of the job can be had,
 * and only while they are what was planned. */
#ifndef MR_SUPPLY_H
#define MR_SUPPLY_H

#include <czmq.h>

#include "inputs.h"

typedef struct mr_supply mr_supply_t;

/* Serves from now on at `socket`, a bound ROUTER, which it takes over, also on failure. `inputs` is borrowed until it is destroyed. */
mr_supply_t *mr_supply_new(const mr_inputs_t *inputs, uint64_t epoch, zsock_t *socket, mr_error_t *error);

/* Bytes sent so far. */
uint64_t mr_supply_bytes(const mr_supply_t *supply);

/* Ends the thread and closes the socket. */
void mr_supply_destroy(mr_supply_t **supply);

#endif
