/* keygen.h - makes keys: of a coordinator, and of the workers and clients that it admits (common/keys.h says where). Nothing is ever overwritten. */
#ifndef MR_KEYGEN_H
#define MR_KEYGEN_H

#include <czmq.h>

#include "keys.h"

/* The coordinator's keys below `dir`, which is made if it is missing. Status USAGE: there are some already; STORAGE. */
int mr_keygen_coordinator(const char *dir, mr_error_t *error);

/* Keys of a worker or client of that name in `dir`/NAME, which the coordinator in `dir`/coordinator admits from now on. */
int mr_keygen_peer(const char *dir, mr_role_t role, const char *name, mr_error_t *error);

#endif
