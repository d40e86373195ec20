/* guests.h - the lanes of workers that were welcomed and have not connected them yet, all watched by one descriptor. A poll over each of them
 * would look at all whenever one comes: with a thousand workers that start at once, most of the time until they have joined. */
#ifndef MR_GUESTS_H
#define MR_GUESTS_H

#include <czmq.h>

#define MR_GUESTS_AT_ONCE 64

typedef struct mr_guests {
    int fd; /* epoll; readable while there may be something new about a lane; -1: none */
} mr_guests_t;

/* Returns 0, or -1 and errno. */
int mr_guests_open(mr_guests_t *guests);
void mr_guests_close(mr_guests_t *guests);

/* Watches a lane that is bound, under the worker's number. Returns 0, or -1 and errno. */
int mr_guests_add(mr_guests_t *guests, zsock_t *lane, uint32_t number);
void mr_guests_remove(mr_guests_t *guests, zsock_t *lane);

/* The numbers of those about whose lanes there may be something new: the caller must look at ZMQ_EVENTS of each. Does not wait. */
size_t mr_guests_ready(mr_guests_t *guests, uint32_t numbers[MR_GUESTS_AT_ONCE]);

#endif
