/* guard.h - who gets at a coordinator's sockets: a thread that admits keys (ZAP, RFC 27), watches handshakes fail, and says so.
 *
 * In this order: mr_guard_new, before any socket is bound that others can reach; for each of those mr_guard_protect, and then bind; mr_guard_probe
 * of the first; and at the end mr_guard_close for each that was named, then mr_guard_destroy. Without keys only the limits hold, and what fails is
 * told. One guard a process, as ZeroMQ asks one handler. */
#ifndef MR_GUARD_H
#define MR_GUARD_H

#include <czmq.h>

#include "keys.h"

#define MR_GUARD_HANDSHAKE_MS 10000

typedef struct mr_guard mr_guard_t;

/* Starts it. `keys` (borrowed) are the coordinator's, or NULL. Beyond `most_peers` connections to one socket, new ones are closed. */
mr_guard_t *mr_guard_new(const mr_keys_t *keys, uint32_t most_peers, mr_error_t *error);

/* Who may connect to a socket. */
#define MR_GUARD_WORKERS "workers"
#define MR_GUARD_ALL "all" /* clients too */

typedef struct mr_guarded {
    const char *name;    /* for messages: "control"; NULL: its connections are neither watched nor counted */
    const char *who;     /* one of the above, or the mr_peer_t.id of the only one ("": any worker) */
    uint64_t most_bytes; /* of a message; a peer that sends more is cut off */
} mr_guarded_t;

/* Before the socket is bound: keys, and limits. */
int mr_guard_protect(mr_guard_t *guard, zsock_t *socket, const mr_guarded_t *guarded, mr_error_t *error);

/* With keys: knocks at a bound endpoint with a key that nobody knows. Status REFUSED when it is not turned away: then none is. */
int mr_guard_probe(const mr_guard_t *guard, const char *endpoint, mr_error_t *error);

/* Destroys a socket that was protected under a name. */
void mr_guard_close(zsock_t **socket);

void mr_guard_destroy(mr_guard_t **guard);

#endif
