/* sink_compact.c - the background: decides what to merge or to move to disk, and does it in threads of the sink's own.
 *
 * Slot 0 frees memory: it merges committed runs, or moves runs to a file as they are when they may not be merged (staged)
 * or when there is one only. Slot 1 keeps the number of files small. A slot's thread is started with its first job, goes on while there
 * are jobs, and ends; so an idle sink has no threads.
 *
 * A job that fails leaves its inputs as they were, keeps its error in the sink, and no further job starts. */
#include <malloc.h>
#include <stdlib.h>
#include <unistd.h>

#include "sink_store.h"

/* ---- choosing the inputs of a job; with the lock ---- */

/* What a job is to take: runs in memory or in files, committed or staged, of one tier or any. */
typedef struct mr_choice {
    bool in_file;
    bool committed;
    uint32_t tier; /* ANY_TIER: all */
} mr_choice_t;

#define TIERS 32u
#define ANY_TIER TIERS

uint32_t mr_held_tier(const mr_held_t *held) {
    uint64_t size = mr_run_size(held->run);
    return size ? (63u - (uint32_t) __builtin_clzll(size)) / 3 : 0;
}

static bool chosen(const mr_held_t *held, mr_choice_t choice) {
    if (!choice.committed && !mr_held_movable(held))
        return false;
    return !held->busy && !held->dropped && held->committed == choice.committed &&
           (held->spill != NULL) == choice.in_file && (choice.tier == ANY_TIER || mr_held_tier(held) == choice.tier);
}

static size_t bytes_of(const mr_sink_t *sink, mr_choice_t choice) {
    size_t bytes = 0;
    for (size_t i = 0; i < sink->store.count; i++)
        if (chosen(sink->store.items[i], choice))
            bytes += sink->store.items[i]->memory;
    return bytes;
}

static int by_size(const void *a, const void *b) {
    uint64_t x = mr_run_size((*(mr_held_t *const *) a)->run), y = mr_run_size((*(mr_held_t *const *) b)->run);
    return (x > y) - (x < y);
}

/* Puts the chosen runs into the job, smallest first. Returns how many. */
static size_t gather(mr_sink_t *sink, mr_sink_job_t *job, mr_choice_t choice) {
    *job = (mr_sink_job_t){.inputs = malloc((sink->store.count + 1) * sizeof(mr_held_t *))};
    if (!job->inputs) {
        mr_error_t error = {0};
        mr_error_memory(&error, "planning a merge");
        mr_sink_fail(sink, &error);
        return 0;
    }
    for (size_t i = 0; i < sink->store.count; i++)
        if (chosen(sink->store.items[i], choice))
            job->inputs[job->count++] = sink->store.items[i];
    qsort(job->inputs, job->count, sizeof *job->inputs, by_size);
    return job->count;
}

/* Marks the first `count` runs of the job as taken; with none there is no job. */
static bool settle(mr_sink_job_t *job, size_t count) {
    job->count = count;
    for (size_t i = 0; i < count; i++)
        job->inputs[i]->busy = true;
    if (count == 0) {
        free(job->inputs);
        *job = (mr_sink_job_t){0};
    }
    return count > 0;
}

/* How many of the job's first runs have together at most `most` bytes of what `measure` tells. */
static size_t fitting(const mr_sink_job_t *job, size_t most, size_t (*measure)(const mr_held_t *)) {
    size_t count = 0;
    for (size_t sum = 0; count < job->count; count++) {
        size_t more = measure(job->inputs[count]);
        if (more > most - sum)
            break;
        sum += more;
    }
    return count;
}

static size_t memory_of(const mr_held_t *held) {
    return held->memory;
}

/* ---- what each slot has to do; with the lock ---- */

static bool plan_free(mr_sink_t *sink, mr_sink_job_t *job, size_t committed) {
    gather(sink, job, (mr_choice_t){.committed = true, .tier = ANY_TIER});
    size_t count = job->count < MR_SINK_FAN_MEMORY ? job->count : MR_SINK_FAN_MEMORY;
    job->merge = count > 1;
    /* When there is little to merge, keeping the result would free next to nothing. */
    job->keep = committed >= sink->budget.memory / 4 ? sink->budget.keep : 0;
    return settle(job, job->merge || (count && mr_held_movable(job->inputs[0])) ? count : 0);
}

static bool plan_spill_staged(mr_sink_t *sink, mr_sink_job_t *job) {
    return settle(job, gather(sink, job, (mr_choice_t){.tier = ANY_TIER}));
}

static bool crowded(const mr_sink_t *sink, bool in_file, size_t many, uint32_t *tier) {
    size_t counts[TIERS] = {0};
    mr_choice_t choice = {.in_file = in_file, .committed = true, .tier = ANY_TIER};
    for (size_t i = 0; i < sink->store.count; i++)
        if (chosen(sink->store.items[i], choice))
            counts[mr_held_tier(sink->store.items[i])]++;
    for (*tier = 0; *tier < TIERS; (*tier)++)
        if (counts[*tier] >= many)
            return true;
    return false;
}

/* Many small runs make one that still stays in memory. */
static bool plan_tier_memory(mr_sink_t *sink, mr_sink_job_t *job) {
    uint32_t tier;
    if (!crowded(sink, false, MR_SINK_TIER, &tier))
        return false;
    gather(sink, job, (mr_choice_t){.committed = true, .tier = tier});
    size_t count = fitting(job, sink->budget.keep, memory_of);
    job->merge = true;
    job->keep = sink->budget.keep;
    return settle(job, count >= MR_SINK_TIER / 2 ? count : 0);
}

static bool plan_memory(mr_sink_t *sink, mr_sink_job_t *job) {
    const mr_store_t *store = &sink->store;
    size_t memory = sink->budget.memory;
    size_t committed = bytes_of(sink, (mr_choice_t){.committed = true, .tier = ANY_TIER});
    size_t staged = bytes_of(sink, (mr_choice_t){.tier = ANY_TIER});
    if (committed > memory / 16 * 7)
        return plan_free(sink, job, committed);
    bool tight = store->resident + store->reserved + sink->wanted > sink->budget.admit;
    /* Moving little to disk while much is still on its way would not help, and makes small files. */
    bool worth = store->reserved_count == 0 || committed + staged >= memory / 16;
    if (tight && worth && committed + staged)
        return committed >= staged ? plan_free(sink, job, committed) : plan_spill_staged(sink, job);
    return plan_tier_memory(sink, job);
}

static bool plan_files(mr_sink_t *sink, mr_sink_job_t *job) {
    uint32_t tier;
    size_t fan = sink->budget.blocks / 2 / (2 * MR_RUN_BLOCK);
    fan = fan < 4 ? 4 : fan > MR_SINK_FAN ? MR_SINK_FAN : fan;
    if (!crowded(sink, true, fan, &tier))
        return false;
    size_t count = gather(sink, job, (mr_choice_t){.in_file = true, .committed = true, .tier = tier});
    size_t fits = fitting(job, sink->budget.blocks, mr_held_buffer);
    fits = fits < 2 ? 2 : fits;
    count = count < fits ? count : fits;
    job->merge = true;
    return settle(job, count < MR_SINK_FAN ? count : MR_SINK_FAN);
}

static bool plan(mr_sink_slot_t *slot) {
    mr_sink_t *sink = slot->sink;
    if (sink->finishing || sink->error.status || atomic_load(&sink->stop))
        return false;
    return slot == &sink->slots[0] ? plan_memory(sink, &slot->job) : plan_files(sink, &slot->job);
}

/* ---- doing a job; without the lock ---- */

/* Gives the inputs back to the books after a failure. Frees those that were dropped meanwhile. */
static void give_back(mr_sink_t *sink, mr_held_t **inputs, size_t count) {
    for (size_t i = 0; i < count; i++) {
        inputs[i]->busy = false;
        if (inputs[i]->dropped) {
            mr_store_remove(&sink->store, inputs[i]);
            mr_held_free(&inputs[i]);
        }
    }
}

static void job_failed(mr_sink_slot_t *slot, size_t from, const mr_error_t *error) {
    pthread_mutex_lock(&slot->sink->lock);
    mr_sink_fail(slot->sink, error);
    give_back(slot->sink, slot->job.inputs + from, slot->job.count - from);
    pthread_mutex_unlock(&slot->sink->lock);
}

/* The result takes the inputs' place. */
static void replace_inputs(mr_sink_slot_t *slot, mr_held_t *result) {
    mr_sink_t *sink = slot->sink;
    mr_error_t error = {0};
    pthread_mutex_lock(&sink->lock);
    for (size_t i = 0; i < slot->job.count; i++)
        mr_store_remove(&sink->store, slot->job.inputs[i]);
    slot->working = 0;
    mr_store_add(&sink->store, result, &error); /* in the place of an input: needs no memory */
    sink->stats.merges++;
    sink->stats.spilled_bytes += result->spill ? mr_run_size(result->run) : 0;
    mr_sink_account(sink, 0);
    pthread_mutex_unlock(&sink->lock);
    for (size_t i = 0; i < slot->job.count; i++)
        mr_held_free(&slot->job.inputs[i]);
}

static void merge_inputs(mr_sink_slot_t *slot) {
    mr_error_t error = {0};
    mr_held_t *result =
        mr_sink_merge(slot->sink, slot->job.inputs, slot->job.count, slot->job.keep, &slot->working, &error);
    if (result)
        replace_inputs(slot, result);
    else
        job_failed(slot, 0, &error);
}

/* Writes one run to the file; what is at `moved` then stands for it. */
static mr_held_t *copy_to_file(const mr_sink_t *sink, mr_spill_t *spill, const mr_held_t *held, mr_error_t *error) {
    uint64_t offset = mr_spill_size(spill), size = mr_run_size(held->run);
    if (atomic_load(&sink->stop)) {
        mr_error_set(error, MR_STATUS_INTERRUPTED, "the sink was stopped");
        return NULL;
    }
    if (mr_spill_append(spill, mr_run_data(held->run), size, error))
        return NULL;
    mr_run_t *run = mr_run_from_file(mr_spill_fd(spill), offset, size, sink->ncells, mr_spill_name(spill), error);
    return run ? mr_held_new(run, spill, held->block, error) : NULL;
}

/* Swaps what the two hold, so that `held` stays the same item for its owner, and frees the old run. */
static void put_in_place(mr_sink_t *sink, mr_held_t *held, mr_held_t *moved) {
    pthread_mutex_lock(&sink->lock);
    mr_held_t old = *held;
    sink->store.resident -= held->memory - moved->memory;
    sink->stats.spilled_bytes += mr_run_size(moved->run);
    held->run = moved->run;
    held->spill = moved->spill;
    held->memory = moved->memory;
    moved->run = old.run;
    moved->spill = NULL;
    give_back(sink, &held, 1);
    mr_sink_pump(sink);
    pthread_mutex_unlock(&sink->lock);
    mr_held_free(&moved);
}

static void move_inputs(mr_sink_slot_t *slot) {
    mr_error_t error = {0};
    mr_spill_t *spill = mr_spill_new(slot->sink->tmp_dir, &error);
    size_t done = 0;
    for (; spill && done < slot->job.count; done++) {
        mr_held_t *moved = copy_to_file(slot->sink, spill, slot->job.inputs[done], &error);
        if (!moved)
            break;
        put_in_place(slot->sink, slot->job.inputs[done], moved);
    }
    if (done < slot->job.count)
        job_failed(slot, done, &error);
    mr_spill_drop(&spill);
}

/* ---- the threads ---- */

static bool next_job(mr_sink_slot_t *slot) {
    mr_sink_t *sink = slot->sink;
    pthread_mutex_lock(&sink->lock);
    free(slot->job.inputs);
    slot->job = (mr_sink_job_t){0};
    slot->working = 0;
    slot->running = plan(slot);
    bool more = slot->running;
    mr_sink_pump(sink); /* the other slot may have something to do now */
    pthread_mutex_unlock(&sink->lock);
    return more;
}

static void *run_slot(void *argument) {
    mr_sink_slot_t *slot = argument;
    do {
        if (slot->job.merge)
            merge_inputs(slot);
        else
            move_inputs(slot);
        malloc_trim(0); /* what the runs took goes back to the system: the bound is on the process */
    } while (next_job(slot));
    return NULL;
}

/* Starts the slot's thread if it has none and there is something to do. */
static void start(mr_sink_slot_t *slot) {
    if (slot->running || !plan(slot))
        return;
    if (slot->joinable)
        pthread_join(slot->thread, NULL); /* it has given up the lock for the last time */
    slot->running = true;
    slot->joinable = pthread_create(&slot->thread, NULL, run_slot, slot) == 0;
    if (slot->joinable)
        return;
    mr_error_t error = {0};
    mr_error_set(&error, MR_STATUS_JOB, "cannot start a thread to merge in (raise ulimit -u)");
    mr_sink_fail(slot->sink, &error);
    give_back(slot->sink, slot->job.inputs, slot->job.count);
    free(slot->job.inputs);
    slot->job = (mr_sink_job_t){0};
    slot->running = false;
}

static void wake_caller(mr_sink_t *sink) {
    uint64_t one = 1;
    ssize_t written = write(sink->event_fd, &one, sizeof one);
    (void) written; /* EAGAIN: it is awake already */
}

void mr_sink_pump(mr_sink_t *sink) {
    mr_store_t *store = &sink->store;
    for (size_t i = 0; i < MR_SINK_SLOTS; i++)
        start(&sink->slots[i]);
    mr_sink_account(sink, 0);
    bool room = store->resident + store->reserved + sink->wanted <= sink->budget.admit;
    bool alone = store->reserved_count == 0 && !sink->slots[0].running && mr_store_spillable(store) == 0;
    if (sink->wanted && (room || alone)) {
        sink->wanted = 0;
        wake_caller(sink);
    }
}

void mr_sink_fail(mr_sink_t *sink, const mr_error_t *error) {
    if (sink->error.status == MR_STATUS_OK)
        sink->error = *error;
    wake_caller(sink);
}

void mr_sink_quiesce(mr_sink_t *sink) {
    pthread_mutex_lock(&sink->lock);
    sink->finishing = true;
    pthread_mutex_unlock(&sink->lock);
    for (size_t i = 0; i < MR_SINK_SLOTS; i++) {
        if (sink->slots[i].joinable)
            pthread_join(sink->slots[i].thread, NULL);
        sink->slots[i].joinable = false;
    }
}
