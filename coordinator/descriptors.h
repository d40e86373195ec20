/* descriptors.h - room for the sockets and files of a cluster of so many workers. */
#ifndef MR_DESCRIPTORS_H
#define MR_DESCRIPTORS_H

#include "error.h"

/* Raises the limits of open files and of ZeroMQ's sockets as far as is needed and allowed. Call it before the first socket: when
 * descriptors run out, ZeroMQ ends the process. Fails with status USAGE when the hard limit is too low. */
int mr_descriptors_reserve(uint32_t workers, uint32_t threads, mr_error_t *error);

/* The same for workers from elsewhere, of which nobody knows how many will come: raises the limits as far as is allowed, and tells how
 * many there is room for, 10,000 at most. After mr_descriptors_reserve, which has made sure of the local ones. */
uint32_t mr_descriptors_most_workers(uint32_t threads);

#endif
