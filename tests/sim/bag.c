#include "bag.h"
#include "must.h"

void bag_add(bag_t *bag, mr_attempt_t attempt) {
    if (bag->first && bag->first == bag->count)
        bag->first = bag->count = 0;
    if (bag->count == bag->capacity) {
        bag->capacity = bag->capacity ? bag->capacity * 2 : 8;
        bag->items = must(realloc(bag->items, bag->capacity * sizeof *bag->items));
    }
    bag->items[bag->count++] = attempt;
}

size_t bag_size(const bag_t *bag) {
    return bag->count - bag->first;
}

void bag_clear(bag_t *bag) {
    bag->first = bag->count = 0;
}

void ids_add(ids_t *ids, uint64_t id) {
    if (ids->count == ids->capacity) {
        ids->capacity = ids->capacity ? ids->capacity * 2 : 8;
        ids->items = must(realloc(ids->items, ids->capacity * sizeof *ids->items));
    }
    ids->items[ids->count++] = id;
}

size_t ids_find(const ids_t *ids, uint64_t id) {
    size_t i = 0;
    while (i < ids->count && ids->items[i] != id)
        i++;
    return i;
}

bool ids_remove(ids_t *ids, uint64_t id) {
    size_t i = ids_find(ids, id);
    if (i == ids->count)
        return false;
    ids->items[i] = ids->items[--ids->count];
    return true;
}
