/* sink_ranges.c - cuts the key space into ranges of about equal work, from the first keys of the runs' blocks.
 *
 * Each block stands for as many bytes as its run's blocks have on average. Of very many blocks only every so manieth is
 * looked at. */
#include <stdlib.h>

#include "sink_store.h"

#define MOST_SAMPLES 65536u

typedef struct sample {
    const char *key; /* borrowed from the run */
    size_t key_size;
    uint64_t weight; /* bytes of run it stands for */
} sample_t;

static int by_key(const void *a, const void *b) {
    const sample_t *x = a, *y = b;
    return mr_key_compare(x->key, x->key_size, y->key, y->key_size);
}

static size_t sample_run(sample_t *samples, const mr_run_t *run, size_t step) {
    size_t count = 0, blocks = mr_run_blocks(run);
    for (size_t i = 0; i < blocks; i += step) {
        sample_t *sample = &samples[count++];
        sample->key = mr_run_block_key(run, i, &sample->key_size);
        sample->weight = mr_run_size(run) / blocks * step;
    }
    return count;
}

/* All samples, in key order; owned by the caller. NULL when memory is out. */
static sample_t *sample_runs(mr_run_t *const *runs, size_t count, size_t *samples_count) {
    size_t blocks = 0, used = 0;
    for (size_t i = 0; i < count; i++)
        blocks += mr_run_blocks(runs[i]);
    size_t step = blocks / MOST_SAMPLES + 1;
    sample_t *samples = malloc((blocks / step + count + 1) * sizeof *samples);
    for (size_t i = 0; samples && i < count; i++)
        used += sample_run(samples + used, runs[i], step);
    if (samples)
        qsort(samples, used, sizeof *samples, by_key);
    *samples_count = used;
    return samples;
}

/* Ends the last range at the sample's key and begins the next one there; not if that range would be empty. */
static void cut_at(mr_cuts_t *cuts, const sample_t *sample) {
    mr_range_t *last = &cuts->ranges[cuts->count - 1];
    if (last->low && mr_key_compare(last->low, last->low_size, sample->key, sample->key_size) == 0)
        return;
    last->high = sample->key;
    last->high_size = sample->key_size;
    cuts->ranges[cuts->count++] = (mr_range_t){.low = sample->key, .low_size = sample->key_size};
}

int mr_cuts_make(mr_cuts_t *cuts, mr_run_t *const *runs, size_t count, uint64_t bytes, mr_error_t *error) {
    size_t samples_count;
    sample_t *samples = sample_runs(runs, count, &samples_count);
    cuts->ranges = samples ? calloc(samples_count + 1, sizeof *cuts->ranges) : NULL;
    cuts->count = 1;
    if (!cuts->ranges) {
        free(samples);
        return mr_error_memory(error, "planning the final merge");
    }
    uint64_t weight = 0;
    for (size_t i = 0; i < samples_count; i++) {
        if (weight >= bytes) {
            cut_at(cuts, &samples[i]);
            weight = 0;
        }
        weight += samples[i].weight;
    }
    free(samples);
    return 0;
}

void mr_cuts_free(mr_cuts_t *cuts) {
    free(cuts->ranges);
    *cuts = (mr_cuts_t){0};
}
