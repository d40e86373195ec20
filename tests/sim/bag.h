/* bag.h - what a simulated process keeps: attempts in order, and the numbers of partials. Zero them to begin. */
#ifndef MR_SIM_BAG_H
#define MR_SIM_BAG_H

#include <stdbool.h>

#include "scheduler.h"

/* Attempts in order, taken from the front. */
typedef struct bag {
    mr_attempt_t *items; /* owned */
    size_t first;
    size_t count;
    size_t capacity;
} bag_t;

/* Numbers of partials. */
typedef struct ids {
    uint64_t *items; /* owned */
    size_t count;
    size_t capacity;
} ids_t;

void bag_add(bag_t *bag, mr_attempt_t attempt);
size_t bag_size(const bag_t *bag);
void bag_clear(bag_t *bag);

void ids_add(ids_t *ids, uint64_t id);
/* Its index, or ids->count. */
size_t ids_find(const ids_t *ids, uint64_t id);
/* False: it is not there. */
bool ids_remove(ids_t *ids, uint64_t id);

#endif
