/* sink.c - what the caller sees of the sink: each call changes the books under the lock, then lets the background know.
 *
 * A run is indexed before the lock is taken and freed after it is given back, so that neither side waits for the other's
 * work. A background thread's first error is kept, wakes the caller, and fails every call from then on. */
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "sink_store.h"

static void configure(mr_sink_t *sink, const mr_sink_config_t *config) {
    sink->budget = mr_budget(config->memory);
    sink->reducers = config->reducers ? config->reducers : 1;
    sink->ncells = config->ncells;
    memcpy(sink->ops, config->ops, config->ncells * sizeof *config->ops);
    pthread_mutex_init(&sink->lock, NULL);
    atomic_init(&sink->stop, false);
    for (size_t i = 0; i < MR_SINK_SLOTS; i++)
        sink->slots[i].sink = sink;
}

mr_sink_t *mr_sink_new(const mr_sink_config_t *config, mr_error_t *error) {
    mr_sink_t *sink = calloc(1, sizeof *sink);
    char *tmp_dir = strdup(config->tmp_dir);
    if (!sink || !tmp_dir) {
        free(sink);
        free(tmp_dir);
        mr_error_memory(error, "making the sink");
        return NULL;
    }
    sink->tmp_dir = tmp_dir;
    configure(sink, config);
    sink->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (sink->event_fd < 0) {
        mr_error_set(error, MR_STATUS_JOB, "cannot make the sink's event descriptor: %m (raise ulimit -n)");
        mr_sink_destroy(&sink);
    }
    return sink;
}

void mr_sink_destroy(mr_sink_t **self) {
    mr_sink_t *sink = self ? *self : NULL;
    if (!sink)
        return;
    atomic_store(&sink->stop, true);
    mr_sink_quiesce(sink);
    mr_store_free(&sink->store);
    if (sink->event_fd >= 0)
        close(sink->event_fd);
    pthread_mutex_destroy(&sink->lock);
    free(sink->tmp_dir);
    free(sink);
    *self = NULL;
}

/* Gives the error of a background thread to the caller. Call with the lock. */
static int failed(const mr_sink_t *sink, mr_error_t *error) {
    return sink->error.status ? mr_error_set(error, sink->error.status, "%s", sink->error.text) : 0;
}

static int add_staged(mr_sink_t *sink, mr_held_t *held, size_t size, mr_error_t *error) {
    pthread_mutex_lock(&sink->lock);
    mr_store_unreserve(&sink->store, size);
    int result = failed(sink, error);
    if (result == 0)
        result = mr_store_add(&sink->store, held, error);
    mr_sink_pump(sink);
    pthread_mutex_unlock(&sink->lock);
    return result;
}

int mr_sink_stage(mr_sink_t *sink, uint32_t worker, uint64_t partial, const void *data, size_t size,
                  void (*release)(void *hint), void *hint, mr_error_t *error) {
    mr_run_t *run = mr_run_from_memory(data, size, sink->ncells, release, hint, error);
    if (!run) {
        mr_sink_unreserve(sink, size);
        if (release)
            release(hint);
        return -1;
    }
    mr_held_t *held = mr_held_new(run, NULL, mr_largest_block(data, size), error);
    if (!held)
        return -1;
    held->worker = worker;
    held->partial = partial;
    if (add_staged(sink, held, size, error) == 0)
        return 0;
    mr_held_free(&held);
    return -1;
}

static bool is_staged(const mr_held_t *held, uint32_t worker, uint64_t partial) {
    return !held->committed && !held->dropped && held->worker == worker && held->partial == partial;
}

size_t mr_sink_staged(const mr_sink_t *self, uint32_t worker, uint64_t partial, uint64_t *rows) {
    mr_sink_t *sink = (mr_sink_t *) self; /* only the lock changes */
    size_t count = 0;
    uint64_t sum = 0;
    pthread_mutex_lock(&sink->lock);
    for (size_t i = 0; i < sink->store.count; i++) {
        const mr_held_t *held = sink->store.items[i];
        if (is_staged(held, worker, partial)) {
            count++;
            sum += mr_run_rows(held->run);
        }
    }
    pthread_mutex_unlock(&sink->lock);
    if (rows)
        *rows = sum;
    return count;
}

int mr_sink_commit(mr_sink_t *sink, uint32_t worker, uint64_t partial, mr_error_t *error) {
    pthread_mutex_lock(&sink->lock);
    int result = failed(sink, error);
    for (size_t i = 0; result == 0 && i < sink->store.count; i++) {
        mr_held_t *held = sink->store.items[i];
        if (is_staged(held, worker, partial)) {
            held->committed = true;
            sink->stats.runs++;
            sink->stats.rows += mr_run_rows(held->run);
        }
    }
    mr_sink_pump(sink);
    pthread_mutex_unlock(&sink->lock);
    return result;
}

/* Takes one run to be dropped out of the books, or NULL. What a job works on is left to the job to free. */
static mr_held_t *take_dropped(mr_store_t *store, uint32_t worker, const uint64_t *partial) {
    for (size_t i = 0; i < store->count; i++) {
        mr_held_t *held = store->items[i];
        if (!is_staged(held, worker, partial ? *partial : held->partial))
            continue;
        held->dropped = true;
        if (held->busy)
            continue;
        mr_store_remove(store, held);
        return held;
    }
    return NULL;
}

static void drop(mr_sink_t *sink, uint32_t worker, const uint64_t *partial) {
    mr_held_t *held;
    do {
        pthread_mutex_lock(&sink->lock);
        held = take_dropped(&sink->store, worker, partial);
        if (!held)
            mr_sink_pump(sink);
        pthread_mutex_unlock(&sink->lock);
        if (held)
            mr_held_free(&held);
        else
            return;
    } while (true);
}

void mr_sink_drop(mr_sink_t *sink, uint32_t worker, uint64_t partial) {
    drop(sink, worker, &partial);
}

void mr_sink_drop_worker(mr_sink_t *sink, uint32_t worker) {
    drop(sink, worker, NULL);
}

/* A run that can't fit is let in when it would be alone: nothing else is on its way and nothing more can be moved to disk. */
static bool admissible(const mr_sink_t *sink, size_t bytes) {
    const mr_store_t *store = &sink->store;
    size_t used = store->resident + store->reserved;
    if (used <= sink->budget.admit && bytes <= sink->budget.admit - used)
        return true;
    return store->reserved_count == 0 && !sink->slots[0].running && mr_store_spillable(store) == 0;
}

bool mr_sink_reserve(mr_sink_t *sink, size_t bytes) {
    pthread_mutex_lock(&sink->lock);
    bool granted = admissible(sink, bytes) && mr_store_reserve(&sink->store, bytes) == 0;
    sink->wanted = granted ? 0 : bytes;
    if (granted)
        mr_sink_account(sink, 0);
    else
        mr_sink_pump(sink);
    pthread_mutex_unlock(&sink->lock);
    return granted;
}

void mr_sink_unreserve(mr_sink_t *sink, size_t bytes) {
    pthread_mutex_lock(&sink->lock);
    mr_store_unreserve(&sink->store, bytes);
    mr_sink_pump(sink);
    pthread_mutex_unlock(&sink->lock);
}

int mr_sink_fd(const mr_sink_t *sink) {
    return sink->event_fd;
}

int mr_sink_check(mr_sink_t *sink, mr_error_t *error) {
    uint64_t events;
    ssize_t got = read(sink->event_fd, &events, sizeof events);
    (void) got; /* EAGAIN: nothing happened since the last call */
    pthread_mutex_lock(&sink->lock);
    int result = failed(sink, error);
    pthread_mutex_unlock(&sink->lock);
    return result;
}

mr_sink_stats_t mr_sink_stats(const mr_sink_t *self) {
    mr_sink_t *sink = (mr_sink_t *) self; /* only the lock changes */
    pthread_mutex_lock(&sink->lock);
    mr_sink_stats_t stats = sink->stats;
    pthread_mutex_unlock(&sink->lock);
    return stats;
}
