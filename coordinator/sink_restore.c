/* Runs that an earlier coordinator has committed: a large one stays where it is in the file and is merged from there, a small one is
 * read, as its index would take as much memory, unless memory is short already. */
#include <stdlib.h>

#include "sink_store.h"

#define SMALL ((uint64_t) 64 << 10)

static mr_held_t *in_memory(const mr_sink_t *sink, const mr_spill_t *spill, uint64_t offset, size_t size,
                            mr_error_t *error) {
    char *data = malloc(size + 1);
    if (!data)
        return mr_error_memory(error, "taking up a run"), NULL;
    mr_run_t *run = mr_spill_read(spill, offset, data, size, error)
                        ? NULL
                        : mr_run_from_memory(data, size, sink->ncells, free, data, error);
    if (!run)
        free(data);
    return run ? mr_held_new(run, NULL, mr_run_largest_block(run), error) : NULL;
}

static mr_held_t *in_file(const mr_sink_t *sink, mr_spill_t *spill, uint64_t offset, uint64_t size, mr_error_t *error) {
    mr_run_t *run = mr_run_from_file(mr_spill_fd(spill), offset, size, sink->ncells, mr_spill_name(spill), error);
    return run ? mr_held_new(run, spill, mr_run_largest_block(run), error) : NULL;
}

int mr_sink_restore(mr_sink_t *sink, mr_spill_t *spill, uint64_t offset, uint64_t size, mr_error_t *error) {
    pthread_mutex_lock(&sink->lock);
    bool room = size < SMALL && sink->store.resident < sink->budget.admit / 2;
    pthread_mutex_unlock(&sink->lock);
    mr_held_t *held =
        room ? in_memory(sink, spill, offset, (size_t) size, error) : in_file(sink, spill, offset, size, error);
    if (!held)
        return -1;
    held->committed = true;
    pthread_mutex_lock(&sink->lock);
    int failed = mr_store_add(&sink->store, held, error);
    sink->stats.runs += !failed;
    sink->stats.rows += failed ? 0 : mr_run_rows(held->run);
    mr_sink_pump(sink);
    pthread_mutex_unlock(&sink->lock);
    if (failed)
        mr_held_free(&held);
    return failed;
}
