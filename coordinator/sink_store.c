/* sink_store.c - the sink's books: runs held, memory counted. Nothing here waits, reads or writes. */
#include <stdlib.h>
#include <string.h>

#include "sink_store.h"

size_t mr_largest_block(const void *data, size_t size) {
    const unsigned char *at = data;
    size_t largest = 0;
    for (size_t left = size; left >= MR_RUN_BLOCK_HEADER;) {
        size_t payload = at[0] | (size_t) at[1] << 8 | (size_t) at[2] << 16 | (size_t) at[3] << 24;
        size_t block = payload + MR_RUN_BLOCK_HEADER;
        if (block > left)
            break;
        largest = block > largest ? block : largest;
        at += block;
        left -= block;
    }
    return largest;
}

mr_held_t *mr_held_new(mr_run_t *run, mr_spill_t *spill, size_t block, mr_error_t *error) {
    mr_held_t *held = calloc(1, sizeof *held);
    if (!held) {
        mr_run_destroy(&run);
        mr_error_memory(error, "holding a run");
        return NULL;
    }
    held->run = run;
    held->spill = spill ? mr_spill_keep(spill) : NULL;
    held->memory = mr_run_memory(run);
    held->block = block;
    return held;
}

void mr_held_free(mr_held_t **held) {
    if (!*held)
        return;
    mr_run_destroy(&(*held)->run);
    mr_spill_drop(&(*held)->spill);
    free(*held);
    *held = NULL;
}

bool mr_held_movable(const mr_held_t *held) {
    return !held->spill && mr_run_size(held->run) >= 16384;
}

size_t mr_held_buffer(const mr_held_t *held) {
    return held->spill ? held->block + held->block / 2 + 4096 : 0;
}

static size_t between(size_t least, size_t value, size_t most) {
    return value < least ? least : value > most ? most : value;
}

mr_budget_t mr_budget(size_t memory) {
    mr_budget_t budget = {.memory = memory < MR_SINK_LEAST_MEMORY ? MR_SINK_LEAST_MEMORY : memory};
    budget.keep = budget.memory / 8;
    budget.blocks = budget.memory / 8;
    budget.chunk = between(MR_RUN_BLOCK, budget.memory / 32, (size_t) 1 << 20);
    budget.admit = budget.memory - budget.keep - budget.blocks - 2 * budget.chunk;
    return budget;
}

/* Makes room for one more item of `size` bytes. Returns 0, or -1 when memory is out. */
static int grow(void **items, size_t count, size_t *capacity, size_t size) {
    if (count < *capacity)
        return 0;
    size_t more = *capacity ? *capacity * 2 : 16;
    void *grown = realloc(*items, more * size);
    if (!grown)
        return -1;
    *items = grown;
    *capacity = more;
    return 0;
}

int mr_store_add(mr_store_t *store, mr_held_t *held, mr_error_t *error) {
    void *items = store->items;
    if (grow(&items, store->count, &store->capacity, sizeof(mr_held_t *)))
        return mr_error_memory(error, "holding a run");
    store->items = items;
    store->items[store->count++] = held;
    store->resident += held->memory;
    return 0;
}

void mr_store_remove(mr_store_t *store, const mr_held_t *held) {
    for (size_t i = 0; i < store->count; i++) {
        if (store->items[i] == held) {
            store->items[i] = store->items[--store->count];
            store->resident -= held->memory;
            return;
        }
    }
}

int mr_store_reserve(mr_store_t *store, size_t bytes) {
    void *items = store->reservations;
    if (grow(&items, store->reserved_count, &store->reserved_capacity, sizeof(size_t)))
        return -1;
    store->reservations = items;
    store->reservations[store->reserved_count++] = bytes;
    store->reserved += bytes;
    return 0;
}

void mr_store_unreserve(mr_store_t *store, size_t bytes) {
    size_t i = 0;
    while (i < store->reserved_count && store->reservations[i] != bytes)
        i++;
    if (i == store->reserved_count)
        return;
    store->reserved -= bytes;
    store->reservations[i] = store->reservations[--store->reserved_count];
}

size_t mr_store_spillable(const mr_store_t *store) {
    size_t bytes = 0;
    for (size_t i = 0; i < store->count; i++)
        if (mr_held_movable(store->items[i]))
            bytes += store->items[i]->memory;
    return bytes;
}

void mr_store_free(mr_store_t *store) {
    for (size_t i = 0; i < store->count; i++)
        mr_held_free(&store->items[i]);
    free(store->items);
    free(store->reservations);
    *store = (mr_store_t){0};
}

void mr_sink_account(mr_sink_t *sink, size_t more) {
    size_t bytes = sink->store.resident + sink->store.reserved + more;
    for (size_t i = 0; i < MR_SINK_SLOTS; i++)
        bytes += sink->slots[i].working;
    if (bytes > sink->stats.peak_memory)
        sink->stats.peak_memory = bytes;
}
