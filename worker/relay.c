#include "relay.h"

#include <string.h>

void mr_relay_init(mr_relay_t *relay, mr_workshop_t *shop) {
    *relay = (mr_relay_t){.mapper = {.shop = shop}};
    pthread_mutex_init(&relay->lock, NULL);
    pthread_cond_init(&relay->changed, NULL);
}

void mr_relay_close(mr_relay_t *relay) {
    for (size_t i = 0; i < MR_RELAY_DEPTH; i++)
        mr_buffer_free(&relay->blocks[i].bytes);
    mr_mapper_close(&relay->mapper);
    pthread_cond_destroy(&relay->changed);
    pthread_mutex_destroy(&relay->lock);
}

void mr_relay_begin(mr_relay_t *relay, const char *path) {
    pthread_mutex_lock(&relay->lock);
    relay->path = path;
    relay->result = (mr_result_t){0};
    relay->error = (mr_error_t){0};
    relay->put = relay->mapped = 0;
    relay->full = false;
    relay->open = true;
    pthread_mutex_unlock(&relay->lock);
}

/* ---- the owner ---- */

static int copy_block(mr_relay_block_t *to, const mr_block_t *block, uint64_t offset, mr_error_t *error) {
    to->bytes.size = 0;
    if (mr_buffer_reserve(&to->bytes, block->size + 2 * (size_t) MR_MAP_MARGIN))
        return mr_error_memory(error, "handing a block on");
    memcpy(to->bytes.data + MR_MAP_MARGIN, block->data, block->size);
    to->size = block->size;
    to->offset = offset;
    return 0;
}

/* Once the mate is done with all it was given, it waits, and its table may be drained. */
static int drain_full(mr_relay_t *relay, mr_partial_t *partial, mr_error_t *error) {
    if (relay->put != relay->mapped || !relay->full)
        return 0;
    relay->full = false;
    return mr_mapper_drain(&relay->mapper, partial, relay->mapper.shop->tmp_dir, error);
}

static bool has_room(const mr_relay_t *relay) {
    return relay->mated && !relay->leaving && !relay->full && relay->put - relay->mapped < MR_RELAY_DEPTH;
}

int mr_relay_put(mr_relay_t *relay, const mr_block_t *block, uint64_t offset, mr_partial_t *partial,
                 mr_error_t *error) {
    int put = 0;
    pthread_mutex_lock(&relay->lock);
    if (relay->error.status)
        put = -1; /* mr_relay_end says why */
    else if (drain_full(relay, partial, error))
        put = -1;
    else if (has_room(relay))
        put = 1;
    pthread_mutex_unlock(&relay->lock);
    if (put <= 0)
        return put;
    if (copy_block(&relay->blocks[relay->put % MR_RELAY_DEPTH], block, offset, error)) /* free: only the owner puts */
        return -1;
    pthread_mutex_lock(&relay->lock);
    put = relay->mated; /* it may have left while the block was copied */
    relay->put += (size_t) put;
    pthread_cond_broadcast(&relay->changed);
    pthread_mutex_unlock(&relay->lock);
    return put;
}

static int collect(mr_relay_t *relay, int failed, mr_partial_t *partial, mr_result_t *result, mr_error_t *error) {
    if (relay->error.status)
        failed = mr_error_set(error, relay->error.status, "%s", relay->error.text);
    if (!failed && relay->put != relay->mapped) /* a defect; a lost block must never pass for a result */
        failed = mr_error_set(error, MR_STATUS_LEDGER, "%s: %zu of %zu blocks were mapped", relay->path, relay->mapped,
                              relay->put);
    if (failed || !relay->mapper.out.table) {
        mr_table_destroy(&relay->mapper.out.table);
        return failed;
    }
    result->records += relay->result.records;
    result->rejected += relay->result.rejected;
    return mr_mapper_drain(&relay->mapper, partial, NULL, error);
}

int mr_relay_end(mr_relay_t *relay, int failed, mr_partial_t *partial, mr_result_t *result, mr_error_t *error) {
    pthread_mutex_lock(&relay->lock);
    relay->open = false;
    pthread_cond_broadcast(&relay->changed);
    while (relay->mated)
        pthread_cond_wait(&relay->changed, &relay->lock);
    failed = collect(relay, failed, partial, result, error);
    pthread_mutex_unlock(&relay->lock);
    return failed;
}

/* ---- the mate ---- */

bool mr_relay_join(mr_relay_t *relay) {
    pthread_mutex_lock(&relay->lock);
    bool joined = relay->open && !relay->mated;
    if (joined) {
        relay->mated = true;
        relay->leaving = false;
    }
    pthread_mutex_unlock(&relay->lock);
    return joined;
}

/* False: there is nothing more to do. A mate that leaves early maps what it was given before. */
static bool next_block(mr_relay_t *relay) {
    pthread_mutex_lock(&relay->lock);
    relay->leaving = relay->leaving || atomic_load(&relay->mapper.shop->waiting) > 0;
    while (relay->put == relay->mapped && relay->open && !relay->leaving)
        pthread_cond_wait(&relay->changed, &relay->lock);
    bool more = relay->put != relay->mapped;
    if (!more) {
        relay->mated = false;
        pthread_cond_broadcast(&relay->changed);
    }
    pthread_mutex_unlock(&relay->lock);
    return more;
}

static int map_block(mr_relay_t *relay, const mr_relay_block_t *block, mr_error_t *error) {
    mr_place_t place = {relay->path, NULL, block->bytes.data + MR_MAP_MARGIN, block->offset};
    if (!relay->mapper.out.table && mr_mapper_init(&relay->mapper, relay->mapper.shop, error))
        return -1;
    return mr_mapper_map(&relay->mapper, &place, block->size, &relay->result, error);
}

void mr_relay_serve(mr_relay_t *relay) {
    mr_error_t error = {0};
    while (next_block(relay)) {
        if (!error.status)
            map_block(relay, &relay->blocks[relay->mapped % MR_RELAY_DEPTH], &error);
        pthread_mutex_lock(&relay->lock);
        relay->mapped++;
        relay->full = !error.status && mr_mapper_full(&relay->mapper);
        if (error.status && !relay->error.status)
            relay->error = error;
        pthread_cond_broadcast(&relay->changed);
        pthread_mutex_unlock(&relay->lock);
    }
}
