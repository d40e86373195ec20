/* descriptors.h - room for the sockets and files of a cluster of so many workers. */
#ifndef MR_DESCRIPTORS_H
#define MR_DESCRIPTORS_H

#include "error.h"

/* Raises the limits of open files and of ZeroMQ's sockets as far as is needed and allowed. Call it before the first socket: when
 * descriptors run out, ZeroMQ ends the process. Fails with status USAGE when the hard limit is too low. */
int mr_descriptors_reserve(uint32_t workers, uint32_t threads, mr_error_t *error);

#endif
