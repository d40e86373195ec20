/* keys.h - who may speak with whom: the CURVE keys of a coordinator, a worker or a client, in the folders that `millrace keygen` makes.
 *
 *   DIR/coordinator/   secret, coordinator.pub, workers/NAME.pub and clients/NAME.pub (whom it admits), local/ (for workers it starts)
 *   DIR/NAME/          secret, coordinator.pub
 *
 * All files are czmq's certificates (zcert). A zeroed mr_keys_t, or NULL, means: no keys; then nothing is set on a socket. */
#ifndef MR_KEYS_H
#define MR_KEYS_H

#include <stdbool.h>
#include <zmq.h>

#include "error.h"

#define MR_KEYS_LOCAL "local" /* below a coordinator's folder: the keys of the workers that it starts */
#define MR_KEY_TEXT 41        /* a key in Z85, with its NUL */

typedef enum mr_role { MR_ROLE_COORDINATOR, MR_ROLE_WORKER, MR_ROLE_CLIENT } mr_role_t;

typedef struct mr_keys {
    char dir[4096]; /* where they are from, for messages */
    char public_key[MR_KEY_TEXT];
    char secret_key[MR_KEY_TEXT];
    char coordinator_key[MR_KEY_TEXT]; /* public */
} mr_keys_t;

/* "coordinator", "worker", "client"; what keys of that role are kept in at the coordinator's: "workers", "clients" (NULL: its own). */
const char *mr_role_name(mr_role_t role);
const char *mr_role_folder(mr_role_t role);

/* Reads the keys of that role from its folder; `dir` NULL: there are none. Status REFUSED: they are another role's, or others can read the secret;
 * USAGE: they cannot be read. */
int mr_keys_load(mr_keys_t *keys, mr_role_t role, const char *dir, mr_error_t *error);

/* Wipes them. */
void mr_keys_clear(mr_keys_t *keys);

bool mr_keys_given(const mr_keys_t *keys);

/* Before connecting: this socket (a ZeroMQ handle) proves to have these keys, and speaks with that coordinator only. */
void mr_keys_connect(const mr_keys_t *keys, void *handle);

/* The public key in a certificate. False: there is none. */
bool mr_keys_read_public(const char *path, char key[MR_KEY_TEXT]);

/* ---- who a message is from ---- */

/* "worker:KEY" or "client:KEY", as the coordinator's ZAP handler has named the connection; "": it came where no keys are asked for. */
typedef struct mr_peer {
    char id[64];
} mr_peer_t;

/* Of a frame that was received. */
void mr_peer_of(zmq_msg_t *frame, mr_peer_t *peer);

bool mr_peer_same(const mr_peer_t *a, const mr_peer_t *b);

/* Whether it may do what only that role may: its key is of that role, or no keys are asked for (`keys` NULL or none given). */
bool mr_peer_may(const mr_peer_t *peer, mr_role_t role, const mr_keys_t *keys);

#endif
