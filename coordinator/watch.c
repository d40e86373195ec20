#include "watch.h"

#include <stdlib.h>

static mr_watched_t *find(const mr_watch_t *watch, size_t count, const mr_running_t *running) {
    for (size_t i = 0; i < count; i++) {
        mr_watched_t *item = &watch->items[i];
        if (item->attempt.task == running->task && item->attempt.attempt == running->attempt)
            return item;
    }
    return NULL;
}

static int reserve(mr_watch_t *watch, size_t count) {
    if (count <= watch->capacity)
        return 0;
    mr_watched_t *items = realloc(watch->items, count * sizeof *items);
    if (!items)
        return -1;
    watch->items = items;
    watch->capacity = count;
    return 0;
}

/* Old items stand in front, new ones behind them, until the old ones that are gone are dropped. */
int mr_watch_take(mr_watch_t *watch, const mr_running_t *running, size_t count, int64_t now) {
    size_t before = watch->count, kept = 0;
    if (reserve(watch, before + count)) {
        watch->count = 0;
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        const mr_watched_t *old = find(watch, before, &running[i]);
        mr_watched_t item = {{running[i].task, running[i].attempt}, running[i].bytes, now, false};
        if (old && old->bytes == running[i].bytes)
            item = *old;
        watch->items[before + i] = item;
    }
    for (size_t i = 0; i < count; i++)
        watch->items[kept++] = watch->items[before + i];
    watch->count = kept;
    return 0;
}

const mr_watched_t *mr_watch_stuck(mr_watch_t *watch, int64_t now, int64_t stuck_ms) {
    for (size_t i = 0; i < watch->count; i++) {
        mr_watched_t *item = &watch->items[i];
        if (item->told || now - item->moved_at < stuck_ms)
            continue;
        item->told = true;
        return item;
    }
    return NULL;
}

uint64_t mr_watch_bytes(const mr_watch_t *watch) {
    uint64_t bytes = 0;
    for (size_t i = 0; i < watch->count; i++)
        bytes += watch->items[i].bytes;
    return bytes;
}

void mr_watch_free(mr_watch_t *watch) {
    free(watch->items);
    *watch = (mr_watch_t){0};
}
